//! The challenge: three compressions of commitment, key and message, cut to 160 bits.

use super::constants::CHALLENGE_DOMAIN;
use crate::ecgfp5::{Gf5, Scalar};
use crate::field::{Felt, Word};
use crate::poseidon2::{WIDTH, permute};

/// Bits of the challenge, and digits of every scalar of the schedule.
pub const DIGITS: usize = 160;

/// A challenge and the permutations that led to it, in the order in which they are made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Challenge {
    /// The inputs of the three permutations.
    pub inputs: [[Felt; WIDTH]; 3],
    /// Their outputs, before the feed-forward.
    pub outputs: [[Felt; WIDTH]; 3],
    /// The canonical values E0, E1, E2 of the digest's first three elements. The challenge e is
    /// E0 + 2^64 E1 + 2^128 E2 without its lowest 32 bits.
    pub words: [u64; 3],
}

impl Challenge {
    /// The challenge for the commitment's x-coordinate `r`, the public key's encoding `w` and `message`:
    ///
    /// ```text
    /// h1 = compress([r0, r1, r2, r3], [r4, w0, w1, w2])
    /// h2 = compress([w3, w4, domain, 0], message)
    /// E  = compress(h1, h2)
    /// ```
    pub fn new(r: &Gf5, w: &Gf5, message: &Word) -> Self {
        let (r, w) = (r.0, w.0);
        let [m0, m1, m2, m3] = *message;
        let first = [r[0], r[1], r[2], r[3], r[4], w[0], w[1], w[2]];
        let second = [w[3], w[4], Felt::new(CHALLENGE_DOMAIN), Felt::new(0), m0, m1, m2, m3];
        let (first_out, h1) = compress(first);
        let (second_out, h2) = compress(second);
        let third = [h1[0], h1[1], h1[2], h1[3], h2[0], h2[1], h2[2], h2[3]];
        let (third_out, digest) = compress(third);
        Self {
            inputs: [first, second, third],
            outputs: [first_out, second_out, third_out],
            words: [digest[0].as_int(), digest[1].as_int(), digest[2].as_int()],
        }
    }

    /// The bit of e that digit `j` stands for, 0 being the most significant. The 32 bits from `j` = 160 up are those that
    /// e leaves out.
    #[inline(always)]
    pub fn bit(&self, j: usize) -> bool {
        self.words[2 - j / 64] >> (63 - j % 64) & 1 == 1
    }

    /// What the digits of e add up to, 2e + 1 - 2^160, as a scalar.
    pub fn scalar(&self) -> Scalar {
        let [e0, e1, e2] = self.words;
        let e = Scalar::from_words([e0 >> 32 | e1 << 32, e1 >> 32 | e2 << 32, e2 >> 32, 0, 0])
            .expect("160 bits are below the order");
        let shift = Scalar::from_words([0, 0, 1 << 32, 0, 0]).expect("2^160 is below the order");
        e + e + Scalar::ONE - shift
    }
}

/// The permutation's output, and the compression's digest.
fn compress(input: [Felt; WIDTH]) -> ([Felt; WIDTH], Word) {
    let mut state = input;
    permute(&mut state);
    (state, core::array::from_fn(|i| state[i] + input[i]))
}
