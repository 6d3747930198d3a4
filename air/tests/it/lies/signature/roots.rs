//! Roots of polynomials over GF(p^5): a forger solves for the cell that makes the walk end where it should.

use starling_vm::ecgfp5::Gf5;
use starling_vm::field::MODULUS;

use crate::forge::felt;

/// Coefficients, the constant first; the last one is not zero.
type Poly = Vec<Gf5>;

/// A root of the polynomial of at most the given degree that takes the values `f`, if it has one.
pub(super) fn root_of(degree: u64, f: impl Fn(Gf5) -> Gf5) -> Option<Gf5> {
    let poly = interpolated(degree, f);
    let root = find(&monic(poly.clone())?)?;
    assert!(value(&poly, root).is_zero());
    Some(root)
}

fn value(poly: &Poly, at: Gf5) -> Gf5 {
    poly.iter().rev().fold(Gf5::ZERO, |sum, c| sum * at + *c)
}

/// Newton's interpolation at 0, 1, ..
fn interpolated(degree: u64, f: impl Fn(Gf5) -> Gf5) -> Poly {
    let at = |k: u64| Gf5::base(felt(k));
    let (mut poly, mut vanishing) = (vec![], vec![Gf5::ONE]);
    for k in 0..=degree {
        let missing = f(at(k)) - value(&poly, at(k));
        let share = missing * value(&vanishing, at(k)).inverse_or_zero();
        poly.resize(vanishing.len(), Gf5::ZERO);
        for (c, v) in poly.iter_mut().zip(&vanishing) {
            *c += *v * share;
        }
        vanishing = times(&vanishing, &[-at(k), Gf5::ONE]);
    }
    trimmed(poly)
}

fn trimmed(mut poly: Poly) -> Poly {
    while poly.last().is_some_and(Gf5::is_zero) {
        poly.pop();
    }
    poly
}

fn monic(poly: Poly) -> Option<Poly> {
    let inverse = poly.last()?.inverse_or_zero();
    Some(poly.into_iter().map(|c| c * inverse).collect())
}

fn times(a: &[Gf5], b: &[Gf5]) -> Poly {
    let mut out = vec![Gf5::ZERO; a.len() + b.len()];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b.iter().enumerate() {
            out[i + j] += *x * *y;
        }
    }
    trimmed(out)
}

/// Quotient and remainder by a monic polynomial.
fn divided(mut a: Poly, by: &[Gf5]) -> (Poly, Poly) {
    let mut quotient = vec![Gf5::ZERO; a.len().saturating_sub(by.len() - 1)];
    for k in (0..quotient.len()).rev() {
        let top = a[k + by.len() - 1];
        quotient[k] = top;
        for (i, c) in by.iter().enumerate() {
            a[k + i] -= top * *c;
        }
    }
    (trimmed(quotient), trimmed(a))
}

fn common(mut a: Poly, mut b: Poly) -> Poly {
    while let Some(by) = monic(b.clone()) {
        let (_, rest) = divided(a, &by);
        (a, b) = (by, rest);
    }
    a
}

fn minus(mut a: Poly, b: &[Gf5]) -> Poly {
    a.resize(a.len().max(b.len()), Gf5::ZERO);
    for (x, y) in a.iter_mut().zip(b) {
        *x -= *y;
    }
    trimmed(a)
}

/// `base` to the power of an integer given by its bits, highest first, modulo a monic polynomial.
fn power(base: &[Gf5], bits: &[bool], modulus: &[Gf5]) -> Poly {
    let mut out = vec![Gf5::ONE];
    for bit in bits {
        out = divided(times(&out, &out), modulus).1;
        if *bit {
            out = divided(times(&out, base), modulus).1;
        }
    }
    out
}

/// The bits of p^5, highest first.
fn field_size() -> Vec<bool> {
    let mut limbs = vec![1u64];
    for _ in 0..5 {
        let mut carry = 0;
        for limb in &mut limbs {
            let product = u128::from(*limb) * u128::from(MODULUS) + carry;
            *limb = product as u64;
            carry = product >> 64;
        }
        limbs.push(carry as u64);
    }
    let bits = limbs.iter().flat_map(|limb| (0..64).map(move |i| limb >> i & 1 == 1));
    let bits: Vec<bool> = bits.collect();
    bits.into_iter().rev().skip_while(|bit| !bit).collect()
}

/// A root of a monic polynomial: its linear factors, which are cut in two (Cantor, Zassenhaus) until one is left.
fn find(poly: &Poly) -> Option<Gf5> {
    let size = field_size();
    let x = [Gf5::ZERO, Gf5::ONE];
    let all = power(&x, &size, poly);
    let mut factor = monic(common(poly.clone(), minus(all, &x)))?;
    let half = &size[..size.len() - 1];
    for shift in 1..1_000 {
        match factor.len() {
            0 | 1 => return None,
            2 => return Some(-factor[0]),
            _ => {}
        }
        let squares = power(&[Gf5::base(felt(shift)), Gf5::ONE], half, &factor);
        let part = monic(common(factor.clone(), minus(squares, &[Gf5::ONE])))?;
        if part.len() > 1 && part.len() < factor.len() {
            let (other, _) = divided(factor, &part);
            factor = if part.len() <= other.len() { part } else { other };
        }
    }
    None
}

#[test]
fn roots_are_found() {
    let roots = [3, 5, 8].map(|k| Gf5::new([k, 1, 4, 1, k]));
    let product = |at: Gf5| roots.iter().fold(Gf5::ONE, |product, root| product * (at - *root));
    let found = root_of(5, product).expect("three roots");
    assert!(roots.contains(&found));
    // A square root of what has none.
    let base = (1..).map(|k| Gf5::new([k, 7, 0, 0, 0])).find(|x| !x.is_square());
    let base = base.expect("half of all are none");
    assert_eq!(root_of(2, |at| at.square() - base), None);
}
