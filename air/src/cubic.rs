//! The cubic extension over any algebra: x^3 = x + 1.

use core::ops::{Add, Mul, Neg, Sub};

use starling_vm::algebra::Algebra;
use starling_vm::field::Felt;
use winter_math::FieldElement;

use crate::codegen::symbol::Symbol;
use crate::definition::Extends;

/// An element by its coefficients, the constant first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cubic<A>(pub [A; 3]);

fn each<A: Clone>(a: &[A; 3], b: &[A; 3], f: impl Fn(A, A) -> A) -> [A; 3] {
    core::array::from_fn(|i| f(a[i].clone(), b[i].clone()))
}

impl<A: Algebra> Add for Cubic<A> {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(each(&self.0, &other.0, |a, b| a + b))
    }
}

impl<A: Algebra> Sub for Cubic<A> {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self(each(&self.0, &other.0, |a, b| a - b))
    }
}

impl<A: Algebra> Neg for Cubic<A> {
    type Output = Self;
    fn neg(self) -> Self {
        Self(self.0.map(|a| -a))
    }
}

impl<A: Algebra> Mul for Cubic<A> {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        let ([a0, a1, a2], [b0, b1, b2]) = (self.0, other.0);
        let products = [
            a0.clone() * b0.clone(),
            a1.clone() * b1.clone(),
            a2.clone() * b2.clone(),
        ];
        // Karatsuba: the products of two different coefficients, from their sums'.
        let crossed =
            |a: A, b: A, c: A, d: A, i: usize, j: usize| (a + b) * (c + d) - products[i].clone() - products[j].clone();
        let c01 = crossed(a0.clone(), a1.clone(), b0.clone(), b1.clone(), 0, 1);
        let c02 = crossed(a0, a2.clone(), b0, b2.clone(), 0, 2);
        let c12 = crossed(a1, a2, b1, b2, 1, 2);
        let [p0, p1, p2] = products;
        Self([p0 + c12.clone(), c01 + c12 + p2.clone(), c02 + p1 + p2])
    }
}

impl<A: Algebra> Algebra for Cubic<A> {
    fn constant(value: u64) -> Self {
        Self([A::constant(value), A::zero(), A::zero()])
    }
}

impl<A: Algebra> Extends<A> for Cubic<A> {
    fn embed(a: A) -> Self {
        Self([a, A::zero(), A::zero()])
    }

    fn scale(self, a: A) -> Self {
        Self(self.0.map(|b| b * a.clone()))
    }
}

impl Cubic<Symbol> {
    /// A constant of the extension field, as a constant of the graph being recorded.
    pub fn recorded<E: FieldElement<BaseField = Felt>>(x: E) -> Self {
        Self(core::array::from_fn(|i| Symbol::constant(x.base_element(i).as_int())))
    }
}

#[cfg(test)]
mod tests {
    use winter_math::fields::CubeExtension;

    use super::*;

    #[test]
    fn products_are_those_of_the_library() {
        type Ext = CubeExtension<Felt>;
        let ext = |c: &Cubic<Felt>| Ext::new(c.0[0], c.0[1], c.0[2]);
        let elements: Vec<Cubic<Felt>> = (0..27)
            .map(|i| Cubic([i % 3, i / 3 % 3, i / 9].map(|x| Felt::new(5 * x).exp_vartime(40 + i))))
            .collect();
        for a in &elements {
            for b in &elements {
                assert_eq!(ext(&(*a * *b)), ext(a) * ext(b));
                assert_eq!(ext(&(*a - *b + -*b)), ext(a) - ext(b) - ext(b));
            }
            assert_eq!(ext(&a.scale(Felt::new(9))), ext(a) * ext(&Cubic::constant(9)));
            assert_eq!(ext(&Cubic::embed(a.0[1])), Ext::from(a.0[1]));
        }
    }
}
