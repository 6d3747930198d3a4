//! Poseidon2 over Goldilocks, width 8, x^7, 8 external and 22 internal rounds (eprint 2023/323), and the hash
//! functions that the machine builds on it.
//!
//! - [permute]: the permutation.
//! - [compress]: two words to one, the permutation with feed-forward of the left word. A truncated permutation alone is
//!   not collision resistant (fix the output, vary the lanes that are cut off, invert); with the feed-forward an
//!   inverted output no longer fixes the digest.
//! - [Sponge]: overwrite-mode sponge of rate 4 and capacity 4 for everything longer, with a domain in its capacity.

use crate::algebra::Algebra;
use crate::field::{Felt, Word};

pub mod constants;

use constants::{DIAGONAL, EXTERNAL, INTERNAL};

/// Lanes of the permutation.
pub const WIDTH: usize = 8;

// LINEAR LAYERS
// ================================================================================================================

/// The 4x4 MDS matrix of the external layer, circ(2, 3, 1, 1), applied to `x`.
#[inline(always)]
fn mds4<A: Algebra>(x: [A; 4]) -> [A; 4] {
    let [a, b, c, d] = x;
    let ab = a.clone() + b.clone();
    let cd = c.clone() + d.clone();
    let all = ab.clone() + cd.clone();
    let all_b = all.clone() + b.clone();
    let all_d = all + d.clone();
    [
        all_b.clone() + ab,
        all_b + c.doubled(),
        all_d.clone() + cd,
        all_d + a.doubled(),
    ]
}

/// The external linear layer: the 4x4 matrix on both halves, then the sum of the halves added to each.
#[inline(always)]
pub fn external_layer<A: Algebra>(s: [A; WIDTH]) -> [A; WIDTH] {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = s;
    let l = mds4([s0, s1, s2, s3]);
    let r = mds4([s4, s5, s6, s7]);
    let t: [A; 4] = core::array::from_fn(|i| l[i].clone() + r[i].clone());
    core::array::from_fn(|i| t[i % 4].clone() + if i < 4 { l[i].clone() } else { r[i - 4].clone() })
}

/// The internal linear layer: the all-ones matrix plus the diagonal.
#[inline(always)]
pub fn internal_layer<A: Algebra>(s: [A; WIDTH]) -> [A; WIDTH] {
    let mut sum = s[0].clone();
    for x in &s[1..] {
        sum = sum + x.clone();
    }
    core::array::from_fn(|i| match i {
        0 => sum.clone() - s[0].doubled(),
        1 => sum.clone() + s[1].clone(),
        2 => sum.clone() + s[2].doubled(),
        4 => sum.clone() + s[4].doubled() + s[4].clone(),
        6 => sum.clone() - s[6].doubled() - s[6].clone(),
        7 => sum.clone() - s[7].doubled().doubled(),
        _ => sum.clone() + s[i].clone() * A::constant(DIAGONAL[i]),
    })
}

// PERMUTATION
// ================================================================================================================

/// The Poseidon2 permutation.
pub fn permute(state: &mut [Felt; WIDTH]) {
    let mut s = external_layer(*state);
    for constants in &EXTERNAL[..4] {
        s = external_round(s, constants);
    }
    for &constant in &INTERNAL {
        s[0] = (s[0] + Felt::new(constant)).pow7();
        s = internal_layer(s);
    }
    for constants in &EXTERNAL[4..] {
        s = external_round(s, constants);
    }
    *state = s;
}

#[inline(always)]
fn external_round(mut s: [Felt; WIDTH], constants: &[u64; WIDTH]) -> [Felt; WIDTH] {
    for i in 0..WIDTH {
        s[i] = (s[i] + Felt::new(constants[i])).pow7();
    }
    external_layer(s)
}

// HASH FUNCTIONS
// ================================================================================================================

/// Two-to-one compression: the first word of `permute(left || right)`, plus `left`.
pub fn compress(left: Word, right: Word) -> Word {
    let mut s = [
        left[0], left[1], left[2], left[3], right[0], right[1], right[2], right[3],
    ];
    permute(&mut s);
    core::array::from_fn(|i| s[i] + left[i])
}

/// Overwrite-mode sponge of rate 4 and capacity 4.
///
/// The capacity starts as `[domain, length, 0, 0]`, where `length` is the number of elements that will be absorbed: the
/// zero padding of the last word is unambiguous, and two domains never meet.
#[derive(Clone, Debug)]
pub struct Sponge {
    state: [Felt; WIDTH],
}

impl Sponge {
    /// A sponge for `length` elements in the domain `domain`.
    pub fn new(domain: u64, length: u64) -> Self {
        let mut state = [Felt::new(0); WIDTH];
        state[4] = Felt::new(domain);
        state[5] = Felt::new(length);
        Self { state }
    }

    /// Overwrites the rate with `word` and permutes.
    pub fn absorb(&mut self, word: Word) {
        self.state[..4].copy_from_slice(&word);
        permute(&mut self.state);
    }

    /// The rate, the digest once everything is absorbed.
    pub fn digest(&self) -> Word {
        [self.state[0], self.state[1], self.state[2], self.state[3]]
    }
}

/// The sponge's digest of `elements` in the domain `domain`; the last word is padded with zeros.
///
/// The digest of no elements is that of one zero word with length 0.
pub fn hash_elements(domain: u64, elements: &[Felt]) -> Word {
    let mut sponge = Sponge::new(domain, elements.len() as u64);
    let mut rest = elements;
    loop {
        let (now, later) = rest.split_at(rest.len().min(4));
        let mut word = [Felt::new(0); 4];
        word[..now.len()].copy_from_slice(now);
        sponge.absorb(word);
        rest = later;
        if rest.is_empty() {
            return sponge.digest();
        }
    }
}
