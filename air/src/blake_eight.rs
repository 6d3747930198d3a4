//! BLAKE3 of eight inputs of one length at once.

use crate::lanes::{Kernel, Lanes, Row};

/// Words of a block, and of a chunk.
const BLOCK: usize = 8;
const CHUNK: usize = 128;

const IV: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// Which word of the message each round takes where.
const SCHEDULE: [[usize; 16]; 7] = schedule();

const fn schedule() -> [[usize; 16]; 7] {
    let permutation = [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8];
    let mut rounds = [[0; 16]; 7];
    let mut i = 0;
    while i < 16 {
        rounds[0][i] = i;
        let mut round = 1;
        while round < 7 {
            rounds[round][i] = permutation[i];
            let mut j = 1;
            while j < round {
                rounds[round][i] = permutation[rounds[round][i]];
                j += 1;
            }
            round += 1;
        }
        i += 1;
    }
    rounds
}

const CHUNK_START: u32 = 1;
const CHUNK_END: u32 = 2;
const PARENT: u32 = 4;
const ROOT: u32 = 8;

/// The compression function, as far as chaining values and digests need it.
#[inline(always)]
fn compress<L: Lanes>(
    lanes: L,
    chain: &[L::Halves; 8],
    message: &[L::Halves; 16],
    counter: u32,
    length: u32,
    flags: u32,
) -> [L::Halves; 8] {
    let fixed = |half| lanes.splat_half(half);
    let mut v = [
        chain[0],
        chain[1],
        chain[2],
        chain[3],
        chain[4],
        chain[5],
        chain[6],
        chain[7],
        fixed(IV[0]),
        fixed(IV[1]),
        fixed(IV[2]),
        fixed(IV[3]),
        fixed(counter),
        fixed(0),
        fixed(length),
        fixed(flags),
    ];
    macro_rules! mix {
        ($a:literal, $b:literal, $c:literal, $d:literal, $x:expr, $y:expr) => {
            v[$a] = lanes.add_halves(lanes.add_halves(v[$a], v[$b]), message[$x]);
            v[$d] = lanes.xor_rotate_halves::<16>(v[$d], v[$a]);
            v[$c] = lanes.add_halves(v[$c], v[$d]);
            v[$b] = lanes.xor_rotate_halves::<12>(v[$b], v[$c]);
            v[$a] = lanes.add_halves(lanes.add_halves(v[$a], v[$b]), message[$y]);
            v[$d] = lanes.xor_rotate_halves::<8>(v[$d], v[$a]);
            v[$c] = lanes.add_halves(v[$c], v[$d]);
            v[$b] = lanes.xor_rotate_halves::<7>(v[$b], v[$c]);
        };
    }
    macro_rules! round {
        ($round:literal) => {
            mix!(0, 4, 8, 12, SCHEDULE[$round][0], SCHEDULE[$round][1]);
            mix!(1, 5, 9, 13, SCHEDULE[$round][2], SCHEDULE[$round][3]);
            mix!(2, 6, 10, 14, SCHEDULE[$round][4], SCHEDULE[$round][5]);
            mix!(3, 7, 11, 15, SCHEDULE[$round][6], SCHEDULE[$round][7]);
            mix!(0, 5, 10, 15, SCHEDULE[$round][8], SCHEDULE[$round][9]);
            mix!(1, 6, 11, 12, SCHEDULE[$round][10], SCHEDULE[$round][11]);
            mix!(2, 7, 8, 13, SCHEDULE[$round][12], SCHEDULE[$round][13]);
            mix!(3, 4, 9, 14, SCHEDULE[$round][14], SCHEDULE[$round][15]);
        };
    }
    round!(0);
    round!(1);
    round!(2);
    round!(3);
    round!(4);
    round!(5);
    round!(6);
    let out = |i: usize| lanes.xor_rotate_halves::<0>(v[i], v[i + 8]);
    [out(0), out(1), out(2), out(3), out(4), out(5), out(6), out(7)]
}

/// BLAKE3 of eight byte strings of `length` bytes, given as little-endian words, zeros after the last byte. The outputs
/// come as little-endian words too.
pub(crate) struct BlakeEight<'a> {
    pub(crate) words: &'a [Row],
    pub(crate) length: usize,
}

impl Kernel for BlakeEight<'_> {
    type Output = [Row; 4];

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) -> [Row; 4] {
        let zero = lanes.splat_half(0);
        let mut key = [zero; 8];
        for i in 0..8 {
            key[i] = lanes.splat_half(IV[i]);
        }
        let chunks = self.words.len().div_ceil(CHUNK).max(1);
        let mut values = vec![key; chunks];
        for (number, value) in values.iter_mut().enumerate() {
            let words = &self.words[number * CHUNK..self.words.len().min((number + 1) * CHUNK)];
            let bytes = (self.length - number * CHUNK * 8).min(CHUNK * 8);
            let blocks = words.len().div_ceil(BLOCK).max(1);
            for block in 0..blocks {
                let mut message = [zero; 16];
                for i in 0..BLOCK.min(words.len() - block * BLOCK) {
                    let word = lanes.load(&words[block * BLOCK + i]);
                    (message[2 * i], message[2 * i + 1]) = (lanes.low(word), lanes.high(word));
                }
                let mut flags = if block == 0 { CHUNK_START } else { 0 };
                if block + 1 == blocks {
                    flags |= CHUNK_END | if chunks == 1 { ROOT } else { 0 };
                }
                let length = (bytes - block * BLOCK * 8).min(BLOCK * 8);
                *value = compress(lanes, value, &message, number as u32, length as u32, flags);
            }
        }
        // Pairs of neighbours, level by level; one that is left over goes up as it is.
        let mut left = chunks;
        while left > 1 {
            for pair in 0..left / 2 {
                let mut message = [zero; 16];
                message[..8].copy_from_slice(&values[2 * pair]);
                message[8..].copy_from_slice(&values[2 * pair + 1]);
                let flags = PARENT | if left == 2 { ROOT } else { 0 };
                values[pair] = compress(lanes, &key, &message, 0, 64, flags);
            }
            if left % 2 == 1 {
                values[left / 2] = values[left - 1];
            }
            left = left.div_ceil(2);
        }
        let mut out = [Row::default(); 4];
        for (i, row) in out.iter_mut().enumerate() {
            lanes.store(lanes.joined(values[0][2 * i], values[0][2 * i + 1]), row);
        }
        out
    }
}

/// The words of a tag byte followed by little-endian field elements.
pub(crate) struct LittleEndian<'a> {
    pub(crate) tag: u8,
    pub(crate) elements: &'a [Row],
}

impl Kernel for LittleEndian<'_> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) -> Vec<Row> {
        let mut out = vec![Row::default(); self.elements.len() + 1];
        let mut before = lanes.splat(u64::from(self.tag) << 56);
        for (element, word) in self.elements.iter().zip(&mut out) {
            let bytes = lanes.to_integer(lanes.load(element));
            lanes.store(lanes.funnel::<8, 56>(bytes, before), word);
            before = bytes;
        }
        let zero = lanes.splat(0);
        lanes.store(lanes.funnel::<8, 56>(zero, before), &mut out[self.elements.len()]);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::{self, Portable, WIDTH};

    #[test]
    fn digests_are_those_of_the_library() {
        for length in [
            0,
            1,
            8,
            63,
            64,
            65,
            1023,
            1024,
            1025,
            1161,
            2048,
            2049,
            4097,
            5000,
            7 * 1024,
        ] {
            let strings: [Vec<u8>; WIDTH] =
                core::array::from_fn(|lane| (0..length).map(|i| (31 * i + 7 * lane) as u8).collect());
            let words: Vec<Row> = (0..length.div_ceil(8))
                .map(|i| {
                    Row(core::array::from_fn(|lane| {
                        let byte = |k: usize| strings[lane].get(8 * i + k).copied().unwrap_or(0);
                        u64::from_le_bytes(core::array::from_fn(byte))
                    }))
                })
                .collect();
            let job = || BlakeEight { words: &words, length };
            let ours = lanes::run(job());
            assert_eq!(ours, job().on(Portable), "{length} bytes");
            for (lane, string) in strings.iter().enumerate() {
                let bytes: Vec<u8> = ours.iter().flat_map(|row| row.0[lane].to_le_bytes()).collect();
                assert_eq!(bytes, blake3::hash(string).as_bytes(), "{length} bytes");
            }
        }
    }
}
