//! Buses: messages between chips, and between the trace and the public words, as sums of fractions.
//!
//! A message `m` is a list of field elements whose first is the tag of its bus. Its denominator under the challenges
//! `alpha` and `beta` is `d(m) = alpha - (m_0 + beta m_1 + beta^2 m_2 + ...)`. Chips add fractions with the denominators
//! of what they send and receive; the verifier adds `s / d(m)` for every public message. All of it sums to zero, so the
//! accumulator ends at minus the verifier's part.

use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_math::FieldElement;

use crate::definition::Extends;

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
