//! Eight 64-bit lanes side by side, on whatever the machine has for them.
//!
//! A kernel is written once over [Lanes] and runs on the portable lanes or, where the processor has them, on AVX-512
//! registers. [run] asks the processor at run time; nothing requires an extension.
//!
//! Field elements are winter-math's: Montgomery form, and always reduced. Every operation here takes and gives reduced
//! values, so that a result is the same word whatever lanes computed it.

#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

use starling_vm::field::MODULUS;

#[cfg(target_arch = "x86_64")]
pub use avx512::Avx512;
pub use portable::Portable;

/// Lanes of a [Row].
pub const WIDTH: usize = 8;

/// Eight words, one for each lane: a cache line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Row(pub [u64; WIDTH]);

/// 2^64 modulo p, and the distance of p from 2^64.
pub(crate) const EPSILON: u64 = MODULUS.wrapping_neg();

/// Operations on eight lanes at once.
///
/// A value of an implementing type stands for the permission to use the instructions behind it.
pub trait Lanes: Copy + Send + Sync {
    /// Eight words in registers.
    type Words: Copy;

    /// Eight halves of words in registers.
    type Halves: Copy;

    /// The same word in every lane.
    fn splat(self, word: u64) -> Self::Words;

    /// From memory.
    fn load(self, row: &Row) -> Self::Words;

    /// To memory.
    fn store(self, words: Self::Words, row: &mut Row);

    /// The sum of field elements.
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// The difference of field elements.
    fn sub(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// The product of field elements.
    fn mul(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// The canonical integers of field elements.
    fn to_integer(self, a: Self::Words) -> Self::Words;

    /// `a ^ b`.
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words;

    /// `a ^ b ^ c`.
    fn xor3(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;

    /// `a ^ (!b & c)`.
    fn xor_and_not(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words;

    /// `a` rotated left by `N` bits, 0 to 63.
    fn rotate<const N: i32>(self, a: Self::Words) -> Self::Words;

    /// `(high << N) | (low >> (64 - N))`, `N` from 1 to 63; `M` is `64 - N`.
    fn funnel<const N: u32, const M: u32>(self, high: Self::Words, low: Self::Words) -> Self::Words;

    /// The bytes of every word in reverse.
    fn swap_bytes(self, a: Self::Words) -> Self::Words;

    /// The lower halves of the words.
    fn low(self, a: Self::Words) -> Self::Halves;

    /// The upper halves of the words.
    fn high(self, a: Self::Words) -> Self::Halves;

    /// Words from lower and upper halves.
    fn joined(self, low: Self::Halves, high: Self::Halves) -> Self::Words;

    /// The same half in every lane.
    fn splat_half(self, half: u32) -> Self::Halves;

    /// The sum modulo 2^32.
    fn add_halves(self, a: Self::Halves, b: Self::Halves) -> Self::Halves;

    /// `a ^ b`, rotated right by `N` bits, 0 to 31.
    fn xor_rotate_halves<const N: i32>(self, a: Self::Halves, b: Self::Halves) -> Self::Halves;

    /// Lane `j` of row `i` becomes lane `i` of row `j`.
    fn transpose(self, rows: [Self::Words; WIDTH]) -> [Self::Words; WIDTH];
}

/// Something to run on lanes.
///
/// `on` and whatever it calls must be `#[inline(always)]`: then all of it is compiled with the instructions of the lanes.
pub trait Kernel {
    /// What it returns.
    type Output;

    /// Runs on `lanes`.
    fn on<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// Runs `kernel` on the best lanes that the processor has.
pub fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(lanes) = Avx512::detect() {
        return lanes.run(kernel);
    }
    kernel.on(Portable)
}

/// Whether [run] uses registers of the processor that hold eight words.
pub fn are_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return Avx512::detect().is_some();
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

#[cfg(test)]
mod tests {
    use starling_vm::field::Felt;
    use winter_math::FieldElement;

    use super::*;

    /// Words at the edges of the field and of the halves of a word, and some in between.
    fn words() -> Vec<u64> {
        let edges = [
            0,
            1,
            2,
            EPSILON - 1,
            EPSILON,
            EPSILON + 1,
            1 << 33,
            1 << 63,
            MODULUS / 2,
        ];
        let high = [1, 2, 3, EPSILON, EPSILON + 1].map(|x| MODULUS - x);
        let mixed = (1..40u64).map(|i| Felt::new(i).exp_vartime(1 << 20 | i).inner());
        edges.into_iter().chain(high).chain(mixed).collect()
    }

    /// Results of every operation on every pair of words.
    struct Everything(Vec<u64>);

    impl Kernel for Everything {
        type Output = Vec<[u64; 14]>;

        fn on<L: Lanes>(self, lanes: L) -> Self::Output {
            let mut out = Vec::new();
            let mut row = Row::default();
            for (i, &x) in self.0.iter().enumerate() {
                for ys in self.0.chunks(WIDTH) {
                    let mut other = Row::default();
                    other.0[..ys.len()].copy_from_slice(ys);
                    let (a, b) = (lanes.splat(x), lanes.load(&other));
                    let c = self.0[(7 * i + 3) % self.0.len()];
                    let (c, c_half) = (lanes.splat(c), c as u32);
                    let results = [
                        lanes.add(a, b),
                        lanes.sub(a, b),
                        lanes.sub(b, a),
                        lanes.mul(a, b),
                        lanes.to_integer(b),
                        lanes.xor(a, b),
                        lanes.xor3(a, b, c),
                        lanes.xor_and_not(a, b, c),
                        lanes.rotate::<0>(b),
                        lanes.rotate::<45>(b),
                        lanes.funnel::<8, 56>(a, b),
                        lanes.swap_bytes(b),
                        lanes.joined(lanes.add_halves(lanes.low(a), lanes.high(b)), lanes.splat_half(c_half)),
                        lanes.joined(
                            lanes.xor_rotate_halves::<0>(lanes.low(a), lanes.low(b)),
                            lanes.xor_rotate_halves::<7>(lanes.high(a), lanes.high(b)),
                        ),
                    ];
                    let mut columns = [[0; 14]; WIDTH];
                    for (i, result) in results.into_iter().enumerate() {
                        lanes.store(result, &mut row);
                        for lane in 0..WIDTH {
                            columns[lane][i] = row.0[lane];
                        }
                    }
                    out.extend_from_slice(&columns[..ys.len()]);
                }
            }
            out
        }
    }

    #[test]
    fn portable_lanes_compute_what_single_words_do() {
        let words = words();
        let results = Everything(words.clone()).on(Portable);
        let mut results = results.iter();
        for (i, &x) in words.iter().enumerate() {
            let c = words[(7 * i + 3) % words.len()];
            for &y in &words {
                let (a, b) = (Felt::from_mont(x), Felt::from_mont(y));
                let expected = [
                    (a + b).inner(),
                    (a - b).inner(),
                    (b - a).inner(),
                    (a * b).inner(),
                    b.as_int(),
                    x ^ y,
                    x ^ y ^ c,
                    x ^ (!y & c),
                    y,
                    y.rotate_left(45),
                    x << 8 | y >> 56,
                    y.swap_bytes(),
                    u64::from((x as u32).wrapping_add((y >> 32) as u32)) | c << 32,
                    u64::from((x ^ y) as u32) | u64::from((((x ^ y) >> 32) as u32).rotate_right(7)) << 32,
                ];
                assert_eq!(results.next(), Some(&expected), "{x:x} {y:x}");
            }
        }
        assert_eq!(results.next(), None);
    }

    #[test]
    fn every_value_is_reduced() {
        let ones = [0, 1, 2, 3, 4].map(|i| Everything(words()).on(Portable).iter().all(|r| r[i] < MODULUS));
        assert_eq!(ones, [true; 5]);
    }

    #[test]
    fn registers_compute_what_portable_lanes_do() {
        #[cfg(target_arch = "x86_64")]
        if let Some(lanes) = Avx512::detect() {
            assert_eq!(lanes.run(Everything(words())), Everything(words()).on(Portable));
        }
    }

    struct Transposed([Row; WIDTH]);

    impl Kernel for Transposed {
        type Output = [Row; WIDTH];

        fn on<L: Lanes>(self, lanes: L) -> Self::Output {
            let mut out = self.0;
            for (row, words) in out.iter_mut().zip(lanes.transpose(self.0.map(|row| lanes.load(&row)))) {
                lanes.store(words, row);
            }
            out
        }
    }

    #[test]
    fn a_transposition_swaps_rows_and_lanes() {
        let tile: [Row; WIDTH] = core::array::from_fn(|i| Row(core::array::from_fn(|j| (8 * i + j) as u64)));
        let expected = core::array::from_fn(|i| Row(core::array::from_fn(|j| (8 * j + i) as u64)));
        assert_eq!(Transposed(tile).on(Portable), expected);
        assert_eq!(run(Transposed(tile)), expected);
    }
}
