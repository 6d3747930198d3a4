//! The buses that link the chips: LogUp sums over messages (Haböck, eprint 2022/1530).
//!
//! A message is a tag, which names its bus, and up to [FIELDS] fields. Its fingerprint under the challenges
//! (alpha, gamma_0, ..) is `alpha - tag - sum gamma_j field_j`. Each occurrence adds `multiplicity / fingerprint` to one
//! running sum: what a chip asks for counts positive, what a chip answers counts negative, and the public words are
//! asked or answered by the verifier. When the total is zero, the messages on both sides agree as multisets, but with
//! the probability that `specs/security.md` works out.

use starling_vm::algebra::Algebra;

use crate::definition::Extends;

/// Most fields of a message.
pub const FIELDS: usize = 10;

/// Challenges: alpha and one for each field.
pub const CHALLENGES: usize = 1 + FIELDS;

/// What each bus carries. The tag is the first part of every message.
pub mod tag {
    /// (pc, op word, immediate): an instruction of the program.
    pub const ROM: u64 = 1;
    /// (address, clk, write, word): an access to memory.
    pub const MEMORY: u64 = 2;
    /// (id, eight lanes): input of a permutation.
    pub const HASH_IN: u64 = 3;
    /// (id, full, lanes): output of a permutation, four lanes, or eight when full = 1.
    pub const HASH_OUT: u64 = 4;
    /// (lo, hi, u63): two u32, lo + 2^32 hi canonical; hi below 2^31 when u63 = 1.
    pub const RANGE: u64 = 5;
    /// (byte).
    pub const BYTE: u64 = 6;
    /// (0, 0, digest): the hash of the program.
    pub const PROGRAM: u64 = 7;
    /// (index, value, 0): a public input. The four calls have consecutive tags: the cpu adds operation bits.
    pub const INPUT: u64 = 8;
    /// (index, value, 0): a public output.
    pub const OUTPUT: u64 = 9;
    /// (b, a AND b, a).
    pub const AND: u64 = 10;
    /// (b, 2^b, 0).
    pub const POW2: u64 = 11;
    /// (clk, five lanes of public key, four lanes of message): a signature that verifies.
    pub const SIGNATURE: u64 = 12;
}

/// `tag + sum gamma_j field_j`: what [fingerprint] subtracts from alpha.
pub fn value<A: Algebra, X: Extends<A>>(challenges: &[X], tag: u64, fields: &[A]) -> X {
    debug_assert!(fields.len() <= FIELDS);
    let mut sum = X::constant(tag);
    for (gamma, field) in challenges[1..].iter().zip(fields) {
        sum = sum + gamma.clone().scale(field.clone());
    }
    sum
}

/// The fingerprint of a message, the denominator of its fraction.
pub fn fingerprint<A: Algebra, X: Extends<A>>(challenges: &[X], tag: u64, fields: &[A]) -> X {
    challenges[0].clone() - value(challenges, tag, fields)
}

/// A sum of fractions over their common denominator.
///
/// One auxiliary column holds one such sum: its constraint is `column * denominator - numerator = 0`, of degree one more
/// than the degrees of all denominators together.
#[derive(Clone, Debug)]
pub struct Fractions<X> {
    terms: Option<(X, X)>,
}

impl<X: Algebra> Fractions<X> {
    /// The empty sum.
    pub fn new() -> Self {
        Self { terms: None }
    }

    /// Adds `multiplicity / denominator`.
    pub fn add<A: Algebra>(&mut self, multiplicity: A, denominator: X)
    where
        X: Extends<A>,
    {
        self.terms = Some(match self.terms.take() {
            None => (X::embed(multiplicity), denominator),
            Some((n, d)) => (n * denominator.clone() + d.clone().scale(multiplicity), d * denominator),
        });
    }

    /// Adds the fraction of a message.
    pub fn send<A: Algebra>(&mut self, challenges: &[X], multiplicity: A, tag: u64, fields: &[A])
    where
        X: Extends<A>,
    {
        self.add(multiplicity, fingerprint(challenges, tag, fields));
    }

    /// Numerator and denominator; 0 and 1 for the empty sum.
    pub fn parts(&self) -> (X, X) {
        self.terms.clone().unwrap_or_else(|| (X::zero(), X::one()))
    }
}

impl<X: Algebra> Default for Fractions<X> {
    fn default() -> Self {
        Self::new()
    }
}

/// The auxiliary columns' sums, one for each, while the chips add their fractions.
#[derive(Clone, Debug)]
pub struct BusColumns<'a, X> {
    /// The challenges.
    pub challenges: &'a [X],
    /// The sums; the last is added to the accumulator, together with all others.
    pub columns: Vec<Fractions<X>>,
}

impl<'a, X: Algebra> BusColumns<'a, X> {
    /// `width` empty sums.
    pub fn new(challenges: &'a [X], width: usize) -> Self {
        Self {
            challenges,
            columns: vec![Fractions::new(); width],
        }
    }

    /// Adds a message's fraction to column `column`.
    pub fn send<A: Algebra>(&mut self, column: usize, multiplicity: A, tag: u64, fields: &[A])
    where
        X: Extends<A>,
    {
        self.columns[column].send(self.challenges, multiplicity, tag, fields);
    }
}
