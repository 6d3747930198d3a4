//! The buses that link the chips: LogUp sums over messages (Haböck, eprint 2022/1530).
//!
//! A message `m` is a list of field elements, of which the first is the tag that names its bus. Its denominator under the
//! challenges alpha and beta is `d(m) = alpha - (m_0 + beta m_1 + beta^2 m_2 + ..)`. Each occurrence adds
//! `multiplicity / d(m)` to one running sum: what a chip asks for counts positive, what a chip answers counts negative,
//! and the verifier takes part with the public words. When the total is zero, the messages on both sides agree as
//! multisets, but with the probability that `specs/security.md` works out.

use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_math::FieldElement;

use crate::definition::Extends;

/// Most fields of a message, beside its tag.
pub const FIELDS: usize = 10;

/// Challenges: alpha and beta.
pub const CHALLENGES: usize = 2;

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

/// The challenges of the buses, with the powers of beta that the fields are weighed with.
#[derive(Clone, Debug)]
pub struct Challenges<X> {
    /// Alpha.
    pub alpha: X,
    /// beta, beta^2, .., one for each field.
    pub powers: [X; FIELDS],
}

impl<X: Algebra> Challenges<X> {
    /// From alpha and beta.
    pub fn new(challenges: &[X]) -> Self {
        let beta = challenges[1].clone();
        let mut power = X::one();
        let powers = core::array::from_fn(|i| {
            power = if i == 0 {
                beta.clone()
            } else {
                power.clone() * beta.clone()
            };
            power.clone()
        });
        Self {
            alpha: challenges[0].clone(),
            powers,
        }
    }

    /// `tag + beta field_0 + beta^2 field_1 + ..`: what the denominator subtracts from alpha.
    pub fn value<A: Algebra>(&self, tag: u64, fields: &[A]) -> X
    where
        X: Extends<A>,
    {
        debug_assert!(fields.len() <= FIELDS);
        let mut sum = X::constant(tag);
        for (power, field) in self.powers.iter().zip(fields) {
            sum = sum + power.clone().scale(field.clone());
        }
        sum
    }
}

// PUBLIC MESSAGES
// ================================================================================================================

/// On which side of a bus the verifier stands with a public message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The verifier adds `1 / d(m)`.
    Plus,
    /// The verifier adds `-1 / d(m)`.
    Minus,
}

/// A message that the verifier puts on a bus, from public words alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicMessage {
    /// The sign of its fraction.
    pub side: Side,
    /// The bus's tag, then the fields.
    pub fields: Vec<Felt>,
}

/// The denominator `alpha - sum_j beta^j m_j` of a message, tag first.
pub fn denominator<A: Algebra, X: Extends<A>>(alpha: &X, beta: &X, message: &[A]) -> X {
    let mut rest = message.iter().rev();
    let Some(last) = rest.next() else { return alpha.clone() };
    let value = rest.fold(X::embed(last.clone()), |sum, field| {
        sum * beta.clone() + X::embed(field.clone())
    });
    alpha.clone() - value
}

/// What the accumulator must hold at the last row: minus the sum of the verifier's fractions.
///
/// `challenges` starts with `alpha` and `beta`. A zero denominator, which a coin draws with probability about 2^-190,
/// counts as a zero fraction.
pub fn final_accumulator<E: FieldElement<BaseField = Felt>>(challenges: &[E], messages: &[PublicMessage]) -> E {
    let (alpha, beta) = (challenges[0], challenges[1]);
    messages.iter().fold(E::ZERO, |sum, message| {
        let fields: Vec<E> = message.fields.iter().map(|&field| E::from(field)).collect();
        let fraction = denominator::<E, E>(&alpha, &beta, &fields).inv();
        match message.side {
            Side::Plus => sum - fraction,
            Side::Minus => sum + fraction,
        }
    })
}

// SUMS
// ================================================================================================================

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

/// Most auxiliary columns.
pub const MAX_COLUMNS: usize = 6;

/// The auxiliary columns' sums, one for each, while the chips add their fractions.
#[derive(Clone, Debug)]
pub struct BusColumns<X> {
    /// The challenges.
    pub challenges: Challenges<X>,
    sums: [Fractions<X>; MAX_COLUMNS],
    width: usize,
    sites: Option<Vec<(X, X)>>,
}

impl<X: Algebra> BusColumns<X> {
    /// `width` empty sums, at most [MAX_COLUMNS].
    pub fn new(challenges: &[X], width: usize) -> Self {
        Self {
            challenges: Challenges::new(challenges),
            sums: core::array::from_fn(|_| Fractions::new()),
            width,
            sites: None,
        }
    }

    /// As [BusColumns::new], and keeps each message's fraction by itself too.
    pub fn itemised(challenges: &[X], width: usize) -> Self {
        Self {
            sites: Some(Vec::new()),
            ..Self::new(challenges, width)
        }
    }

    /// The sums, one for each column.
    pub fn columns(&self) -> &[Fractions<X>] {
        &self.sums[..self.width]
    }

    /// The messages sent to [BusColumns::itemised], numerator and denominator each. A message *site* is the index of a
    /// message in the order of sending, which is the same in every row.
    pub fn sites(self) -> Vec<(X, X)> {
        self.sites.unwrap_or_default()
    }

    /// Adds a message's fraction to column `column`.
    pub fn send<A: Algebra>(&mut self, column: usize, multiplicity: A, tag: u64, fields: &[A])
    where
        X: Extends<A>,
    {
        let value = self.challenges.value(tag, fields);
        self.send_value(column, multiplicity, value);
    }

    /// The value of a message, for a denominator that several share.
    pub fn value<A: Algebra>(&self, tag: u64, fields: &[A]) -> X
    where
        X: Extends<A>,
    {
        self.challenges.value(tag, fields)
    }

    /// Adds `multiplicity / (alpha - value)` to column `column`.
    pub fn send_value<A: Algebra>(&mut self, column: usize, multiplicity: A, value: X)
    where
        X: Extends<A>,
    {
        let denominator = self.challenges.alpha.clone() - value;
        if let Some(sites) = &mut self.sites {
            sites.push((X::embed(multiplicity.clone()), denominator.clone()));
        }
        self.sums[column].add(multiplicity, denominator);
    }
}
