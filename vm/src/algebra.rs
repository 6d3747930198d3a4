//! The small algebra over which formulas are written once.
//!
//! The prover and the verifier run a formula on field elements; the generator of the on-chain evaluator runs the same
//! code on symbols. [Algebra] is what both offer.

use core::ops::{Add, Mul, Neg, Sub};

use winter_math::FieldElement;

use crate::field::Felt;

/// A commutative ring with the constants of the base field: field elements, extension elements, or symbols.
pub trait Algebra:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self> + Sized
{
    /// The constant `value`, an integer below the modulus.
    fn constant(value: u64) -> Self;

    /// Zero.
    fn zero() -> Self {
        Self::constant(0)
    }

    /// One.
    fn one() -> Self {
        Self::constant(1)
    }

    /// `self * self`.
    fn squared(&self) -> Self {
        self.clone() * self.clone()
    }

    /// `self + self`.
    fn doubled(&self) -> Self {
        self.clone() + self.clone()
    }

    /// The seventh power, Poseidon2's S-box.
    fn pow7(&self) -> Self {
        let x2 = self.squared();
        let x3 = x2.clone() * self.clone();
        x3.clone() * x3 * self.clone()
    }
}

impl<E: FieldElement<BaseField = Felt>> Algebra for E {
    #[inline(always)]
    fn constant(value: u64) -> Self {
        E::from(Felt::new(value))
    }

    #[inline(always)]
    fn zero() -> Self {
        E::ZERO
    }

    #[inline(always)]
    fn one() -> Self {
        E::ONE
    }

    #[inline(always)]
    fn squared(&self) -> Self {
        self.square()
    }

    // `doubled` stays the sum: `double` of the base field in winter-math 0.13.1 does not reduce a result between the
    // modulus and 2^64, and a sum whose right side is such a value is wrong.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubling_reduces_where_the_library_does_not() {
        // Twice this inner value lies between the modulus and 2^64.
        let x = Felt::from_mont((1 << 63) - 5);
        let y = Felt::from_mont((1 << 62) + 12_345);
        assert_eq!(x.doubled(), x + x);
        assert_eq!(y + x.doubled(), y + x + x);
    }
}
