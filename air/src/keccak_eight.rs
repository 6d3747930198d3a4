//! Keccak256 of eight inputs of one length at once.

use crate::lanes::{Kernel, Lanes, Row, WIDTH};

/// Lanes of the state that a block fills: 136 bytes.
const RATE: usize = 17;

const ROUND_CONSTANTS: [u64; 24] = [
    0x0000_0000_0000_0001,
    0x0000_0000_0000_8082,
    0x8000_0000_0000_808a,
    0x8000_0000_8000_8000,
    0x0000_0000_0000_808b,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8009,
    0x0000_0000_0000_008a,
    0x0000_0000_0000_0088,
    0x0000_0000_8000_8009,
    0x0000_0000_8000_000a,
    0x0000_0000_8000_808b,
    0x8000_0000_0000_008b,
    0x8000_0000_0000_8089,
    0x8000_0000_0000_8003,
    0x8000_0000_0000_8002,
    0x8000_0000_0000_0080,
    0x0000_0000_0000_800a,
    0x8000_0000_8000_000a,
    0x8000_0000_8000_8081,
    0x8000_0000_0000_8080,
    0x0000_0000_8000_0001,
    0x8000_0000_8000_8008,
];

/// The permutation, on eight states.
#[inline(always)]
fn permute<L: Lanes>(lanes: L, state: &mut [L::Words; 25]) {
    for constant in ROUND_CONSTANTS {
        let s = *state;
        let parity = |x: usize| lanes.xor3(lanes.xor3(s[x], s[x + 5], s[x + 10]), s[x + 15], s[x + 20]);
        let p = [parity(0), parity(1), parity(2), parity(3), parity(4)];
        let mix = |x: usize| lanes.xor(p[(x + 4) % 5], lanes.rotate::<1>(p[(x + 1) % 5]));
        let d = [mix(0), mix(1), mix(2), mix(3), mix(4)];
        // Lane x + 5 y goes to y + 5 (2 x + 3 y), rotated.
        macro_rules! moved {
            ($from:literal, $by:literal) => {
                lanes.rotate::<$by>(lanes.xor(s[$from], d[$from % 5]))
            };
        }
        let b = [
            [
                moved!(0, 0),
                moved!(6, 44),
                moved!(12, 43),
                moved!(18, 21),
                moved!(24, 14),
            ],
            [
                moved!(3, 28),
                moved!(9, 20),
                moved!(10, 3),
                moved!(16, 45),
                moved!(22, 61),
            ],
            [
                moved!(1, 1),
                moved!(7, 6),
                moved!(13, 25),
                moved!(19, 8),
                moved!(20, 18),
            ],
            [
                moved!(4, 27),
                moved!(5, 36),
                moved!(11, 10),
                moved!(17, 15),
                moved!(23, 56),
            ],
            [
                moved!(2, 62),
                moved!(8, 55),
                moved!(14, 39),
                moved!(15, 41),
                moved!(21, 2),
            ],
        ];
        for y in 0..5 {
            for x in 0..5 {
                state[5 * y + x] = lanes.xor_and_not(b[y][x], b[y][(x + 1) % 5], b[y][(x + 2) % 5]);
            }
        }
        state[0] = lanes.xor(state[0], lanes.splat(constant));
    }
}

/// Keccak256 of eight byte strings of one length, given as little-endian words: the last holds the bytes left over, fewer
/// than eight of them, with a byte 1 after the last and zeros after that. The outputs come as little-endian words too.
pub(crate) struct KeccakEight<'a>(pub(crate) &'a [Row]);

impl Kernel for KeccakEight<'_> {
    type Output = [Row; 4];

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) -> [Row; 4] {
        let mut state = [lanes.splat(0); 25];
        let mut blocks = self.0.chunks(RATE).peekable();
        while let Some(block) = blocks.next() {
            for (i, word) in block.iter().enumerate() {
                state[i] = lanes.xor(state[i], lanes.load(word));
            }
            if blocks.peek().is_none() {
                state[RATE - 1] = lanes.xor(state[RATE - 1], lanes.splat(1 << 63));
            }
            permute(lanes, &mut state);
        }
        let mut out = [Row::default(); 4];
        for (row, words) in out.iter_mut().zip(state) {
            lanes.store(words, row);
        }
        out
    }
}

/// The words of a tag byte followed by big-endian field elements, padded for [KeccakEight].
pub(crate) struct BigEndian<'a> {
    pub(crate) tag: u8,
    pub(crate) elements: &'a [Row],
}

impl Kernel for BigEndian<'_> {
    type Output = Vec<Row>;

    #[inline(always)]
    fn on<L: Lanes>(self, lanes: L) -> Vec<Row> {
        let mut out = vec![Row::default(); self.elements.len() + 1];
        let mut before = lanes.splat(u64::from(self.tag) << 56);
        for (element, word) in self.elements.iter().zip(&mut out) {
            let bytes = lanes.swap_bytes(lanes.to_integer(lanes.load(element)));
            lanes.store(lanes.funnel::<8, 56>(bytes, before), word);
            before = bytes;
        }
        lanes.store(
            lanes.funnel::<8, 56>(lanes.splat(1), before),
            &mut out[self.elements.len()],
        );
        out
    }
}

/// The words of the first `length` bytes of eight strings, padded for [KeccakEight].
pub(crate) fn padded<const N: usize>(mut strings: [[u8; N]; WIDTH], length: usize) -> Vec<Row> {
    for string in &mut strings {
        string[length] = 1;
    }
    (0..=length / 8)
        .map(|i| {
            Row(core::array::from_fn(|lane| {
                let part = &strings[lane][8 * i..N.min(8 * i + 8)];
                let mut word = [0; 8];
                word[..part.len()].copy_from_slice(part);
                u64::from_le_bytes(word)
            }))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use sha3::{Digest, Keccak256};

    use super::*;
    use crate::lanes::{self, Portable};

    fn check(length: usize) {
        let byte = |lane: usize, i: usize| if i < length { (31 * i + 7 * lane) as u8 } else { 0 };
        let strings: [[u8; 1200]; WIDTH] = core::array::from_fn(|lane| core::array::from_fn(|i| byte(lane, i)));
        let words = padded(strings, length);
        let ours = lanes::run(KeccakEight(&words));
        assert_eq!(ours, KeccakEight(&words).on(Portable), "{length} bytes");
        for (lane, string) in strings.iter().enumerate() {
            let bytes: Vec<u8> = ours.iter().flat_map(|row| row.0[lane].to_le_bytes()).collect();
            assert_eq!(bytes, Keccak256::digest(&string[..length]).to_vec(), "{length} bytes");
        }
    }

    #[test]
    fn digests_are_those_of_the_library() {
        for length in [0, 1, 7, 8, 51, 65, 134, 135, 136, 137, 1161] {
            check(length);
        }
    }
}
