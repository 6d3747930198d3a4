//! Degrees of constraints, computed by running the constraints themselves on degrees.

use core::ops::{Add, Mul, Neg, Sub};

use starling_vm::algebra::Algebra;

use crate::definition::Extends;

/// A bound on a polynomial's degree in the columns; a periodic column counts as one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Degree(pub usize);

impl Degree {
    /// A column.
    pub const COLUMN: Self = Self(1);
}

impl Add for Degree {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl Sub for Degree {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(self.0.max(other.0))
    }
}

impl Mul for Degree {
    type Output = Self;
    #[expect(
        clippy::suspicious_arithmetic_impl,
        reason = "the degree of a product is the sum of the degrees"
    )]
    fn mul(self, other: Self) -> Self {
        Self(self.0 + other.0)
    }
}

impl Neg for Degree {
    type Output = Self;
    fn neg(self) -> Self {
        self
    }
}

impl Algebra for Degree {
    fn constant(_: u64) -> Self {
        Self(0)
    }
}

impl Extends<Self> for Degree {
    fn embed(a: Self) -> Self {
        a
    }

    fn scale(self, a: Self) -> Self {
        self * a
    }
}
