//! The number-theoretic transform of eight polynomials at once.
//!
//! A transform of `n = first * second` values is done in two passes over memory. The first takes, for every `b` below
//! `second`, the `first` values `x[a * second + b]`, transforms them in a buffer that stays in cache, multiplies by the
//! twiddles that join the passes, and writes them to its place in each of `first` runs of `second` rows. The second pass
//! transforms every run in place. The result is in *split order*: value `k` stands at `(k % first) * second + k / first`
//! ([Split::place]), and nothing is ever permuted by itself.

use starling_vm::field::Felt;
use winter_math::{FieldElement, StarkField};

use crate::lanes::{self, Kernel, Lanes, Row, WIDTH};

/// How a transform's length is cut in two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// Length of the transforms of the first pass.
    pub first: usize,
    /// Length of those of the second pass.
    pub second: usize,
}

/// The shortest transform: both passes handle whole [Row]s of positions.
pub const MIN_LENGTH: usize = WIDTH * WIDTH;

impl Split {
    /// The split of transforms of length `n`, a power of two.
    ///
    /// # Panics
    /// When `n` is below [MIN_LENGTH].
    pub fn new(n: usize) -> Self {
        assert!(
            n.is_power_of_two() && n >= MIN_LENGTH,
            "{n} is not a length of a transform"
        );
        // Long runs: whoever passes over memory finds a page's neighbours, and not many pages.
        let first = (1 << (n.ilog2() / 2)) / 4;
        let first = first.max(WIDTH);
        Self {
            first,
            second: n / first,
        }
    }

    /// The same length, cut the other way.
    pub fn reversed(self) -> Self {
        Self {
            first: self.second,
            second: self.first,
        }
    }

    /// Values in all.
    pub fn length(self) -> usize {
        self.first * self.second
    }

    /// Where the result's value `k` stands.
    #[inline(always)]
    pub fn place(self, k: usize) -> usize {
        (k & (self.first - 1)) * self.second + (k >> self.first.ilog2())
    }

    /// The value that stands at `place`.
    #[inline(always)]
    pub fn value(self, place: usize) -> usize {
        (place >> self.second.ilog2()) + (place & (self.second - 1)) * self.first
    }
}

/// The order of a transform's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As numbered.
    Natural,
    /// As a transform over the reversed split leaves it.
    Split,
}

/// The transforms from coefficients to values on a coset, or back.
#[derive(Clone, Debug)]
pub struct Transform {
    split: Split,
    /// Twiddles of the first pass, on the coset of its own length; none if the coset is the subgroup.
    first: Vec<u64>,
    coset: bool,
    second: Vec<u64>,
    /// The root of unity, and what the rows of the first pass are multiplied by: `factor * shift^b`.
    root: Felt,
    shift: Felt,
    factor: Felt,
    reversals: (Vec<u32>, Vec<u32>),
}

fn reversals(n: usize) -> Vec<u32> {
    let bits = n.ilog2();
    (0..n as u32).map(|i| i.reverse_bits() >> (32 - bits)).collect()
}

/// Twiddles of all levels: at `m + i`, for the butterflies at distance `m`, the `i`-th.
fn twiddles(n: usize, root: Felt, shift: Felt) -> Vec<u64> {
    let mut out = vec![0; n];
    let mut half = 1;
    while half < n {
        let step = root.exp_vartime((n / (2 * half)) as u64);
        let mut twiddle = shift.exp_vartime((n / (2 * half)) as u64);
        for slot in &mut out[half..2 * half] {
            *slot = twiddle.inner();
            twiddle *= step;
        }
        half *= 2;
    }
    out
}

impl Transform {
    fn new(split: Split, root: Felt, shift: Felt, factor: Felt) -> Self {
        let inner_shift = shift.exp_vartime(split.second as u64);
        Self {
            split,
            first: twiddles(split.first, root.exp_vartime(split.second as u64), inner_shift),
            coset: inner_shift != Felt::ONE,
            second: twiddles(split.second, root.exp_vartime(split.first as u64), Felt::ONE),
            root,
            shift,
            factor,
            reversals: (reversals(split.first), reversals(split.second)),
        }
    }

    /// From coefficients to the values at `shift * g^k`, where g generates the subgroup of the split's length.
    pub fn evaluate(split: Split, shift: Felt) -> Self {
        let root = Felt::get_root_of_unity(split.length().ilog2());
        Self::new(split, root, shift, Felt::ONE)
    }

    /// From values on the subgroup of the split's length to coefficients.
    pub fn interpolate(split: Split) -> Self {
        let n = split.length();
        let root = Felt::get_root_of_unity(n.ilog2()).inv();
        Self::new(split, root, Felt::ONE, Felt::new(n as u64).inv())
    }

    /// Transforms `from`, in the given order, and leaves the result in split order.
    ///
    /// # Panics
    /// When the lengths differ from the split's.
    pub fn run(&self, from: &[Row], order: Order, to: &mut [Row]) {
        lanes::run(Job {
            transform: self,
            from,
            order,
            to,
        });
    }
}

/// Rows of the first pass's buffer, about what a core keeps close to it. As many neighbours of the second pass as fit are
/// handled together: the first pass writes them side by side.
const BUFFER: usize = 4096;

struct Job<'a> {
    transform: &'a Transform,
    from: &'a [Row],
    order: Order,
    to: &'a mut [Row],
}

impl Kernel for Job<'_> {
    type Output = ();

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) {
        let Transform {
            split,
            first,
            coset,
            second,
            ..
        } = self.transform;
        let Split { first: n1, second: n2 } = *split;
        assert_eq!((self.from.len(), self.to.len()), (n1 * n2, n1 * n2));
        let (a_step, b_step) = match self.order {
            Order::Natural => (n2, 1),
            Order::Split => (1, n1),
        };
        let (reversed1, reversed2) = &self.transform.reversals;
        let group = (BUFFER / n1).clamp(WIDTH, n2);
        let mut buffer = vec![Row::default(); group * n1];
        let mut factors = vec![Row::default(); group * n1 / WIDTH];
        for start in (0..n2).step_by(group) {
            for g in 0..group {
                let b = reversed2[start + g] as usize;
                let rows = &mut buffer[g * n1..][..n1];
                let mut at = b * b_step;
                for a in 0..n1 {
                    rows[reversed1[a] as usize] = self.from[at];
                    at += a_step;
                }
                if *coset {
                    butterflies::<L, false>(lanes, rows, first);
                } else {
                    butterflies::<L, true>(lanes, rows, first);
                }
                self.transform
                    .powers(lanes, b, &mut factors[g * n1 / WIDTH..][..n1 / WIDTH]);
            }
            for k in 0..n1 {
                let run = &mut self.to[k * n2 + start..][..group];
                for g in 0..group {
                    let factor = lanes.splat(factors[(g * n1 + k) / WIDTH].0[k % WIDTH]);
                    lanes.store(lanes.mul(lanes.load(&buffer[g * n1 + k]), factor), &mut run[g]);
                }
            }
        }
        for run in self.to.chunks_exact_mut(n2) {
            butterflies::<L, true>(lanes, run, second);
        }
    }
}

impl Transform {
    /// `factor * shift^b * (root^b)^k` for every k.
    #[inline(always)]
    fn powers<L: Lanes>(&self, lanes: L, b: usize, to: &mut [Row]) {
        let ratio = self.root.exp_vartime(b as u64);
        let mut power = self.factor * self.shift.exp_vartime(b as u64);
        let mut row = Row::default();
        for lane in 0..WIDTH {
            row.0[lane] = power.inner();
            power *= ratio;
        }
        let ratio = lanes.splat(ratio.exp_vartime(WIDTH as u64).inner());
        let mut words = lanes.load(&row);
        for row in to {
            lanes.store(words, row);
            words = lanes.mul(words, ratio);
        }
    }
}

/// Transforms `rows`, which are in bit-reversed order, in place. `PLAIN` says that the twiddles are those of the subgroup,
/// and so the first is 1.
#[inline(always)]
fn butterflies<L: Lanes, const PLAIN: bool>(lanes: L, rows: &mut [Row], twiddles: &[u64]) {
    let n = rows.len();
    assert_eq!(twiddles.len(), n);
    let mut half = 1;
    if n.ilog2() % 2 == 1 {
        let twiddle = lanes.splat(twiddles[1]);
        for pair in rows.chunks_exact_mut(2) {
            let (a, b) = (lanes.load(&pair[0]), lanes.load(&pair[1]));
            let b = if PLAIN { b } else { lanes.mul(b, twiddle) };
            lanes.store(lanes.add(a, b), &mut pair[0]);
            lanes.store(lanes.sub(a, b), &mut pair[1]);
        }
        half = 2;
    }
    // Two levels at a time.
    while half < n {
        for block in rows.chunks_exact_mut(4 * half) {
            let (low, high) = block.split_at_mut(2 * half);
            let (r0, r1) = low.split_at_mut(half);
            let (r2, r3) = high.split_at_mut(half);
            let (inner, outer) = (&twiddles[half..2 * half], &twiddles[2 * half..4 * half]);
            for i in 0..half {
                let inner = lanes.splat(inner[i]);
                let outer = [lanes.splat(outer[i]), lanes.splat(outer[half + i])];
                let (a0, a1) = (lanes.load(&r0[i]), lanes.mul(lanes.load(&r1[i]), inner));
                let (a2, a3) = (lanes.load(&r2[i]), lanes.mul(lanes.load(&r3[i]), inner));
                let (b0, b1) = (lanes.add(a0, a1), lanes.sub(a0, a1));
                let b2 = lanes.mul(lanes.add(a2, a3), outer[0]);
                let b3 = lanes.mul(lanes.sub(a2, a3), outer[1]);
                lanes.store(lanes.add(b0, b2), &mut r0[i]);
                lanes.store(lanes.sub(b0, b2), &mut r2[i]);
                lanes.store(lanes.add(b1, b3), &mut r1[i]);
                lanes.store(lanes.sub(b1, b3), &mut r3[i]);
            }
        }
        half *= 4;
    }
}

#[cfg(test)]
mod tests {
    use winter_math::{fft, polynom};

    use super::*;
    use crate::lanes::Portable;

    fn rows(n: usize) -> Vec<Row> {
        let word = |i: usize| Felt::new(i as u64 + 3).exp_vartime(1 << 21 | i as u64).inner();
        (0..n)
            .map(|i| Row(core::array::from_fn(|lane| word(WIDTH * i + lane))))
            .collect()
    }

    fn column(rows: &[Row], lane: usize) -> Vec<Felt> {
        rows.iter().map(|row| Felt::from_mont(row.0[lane])).collect()
    }

    fn natural(rows: &[Row], split: Split) -> Vec<Row> {
        (0..rows.len()).map(|k| rows[split.place(k)]).collect()
    }

    fn run(transform: &Transform, from: &[Row], order: Order) -> Vec<Row> {
        let mut portable = vec![Row::default(); from.len()];
        let job = Job {
            transform,
            from,
            order,
            to: &mut portable,
        };
        job.on(Portable);
        let mut best = vec![Row::default(); from.len()];
        transform.run(from, order, &mut best);
        assert!(portable == best, "the lanes differ");
        best
    }

    #[test]
    fn places_and_values_are_inverse() {
        let split = Split::new(1 << 9);
        assert_eq!((split.first, split.second), (8, 64));
        for k in 0..split.length() {
            assert_eq!(split.value(split.place(k)), k);
        }
    }

    #[test]
    fn transforms_are_those_of_the_library() {
        for n in [1 << 6, 1 << 7, 1 << 9, 1 << 10, 1 << 13] {
            let split = Split::new(n);
            let values = rows(n);
            let coefficients = run(&Transform::interpolate(split.reversed()), &values, Order::Natural);
            let shift = Felt::new(7).exp_vartime(5);
            let evaluate = Transform::evaluate(split, shift);
            let extended = natural(&run(&evaluate, &coefficients, Order::Split), split);
            let coefficients = natural(&coefficients, split.reversed());
            assert!(natural(&run(&evaluate, &coefficients, Order::Natural), split) == extended);
            for lane in [0, 7] {
                let mut expected = column(&values, lane);
                fft::interpolate_poly(&mut expected, &fft::get_inv_twiddles(n));
                assert_eq!(column(&coefficients, lane), expected, "coefficients, {n}");
                for k in [0, 1, n / 2, n - 1] {
                    let point = shift * Felt::get_root_of_unity(n.ilog2()).exp_vartime(k as u64);
                    assert_eq!(
                        column(&extended, lane)[k],
                        polynom::eval(&expected, point),
                        "values, {n}"
                    );
                }
            }
        }
    }
}
