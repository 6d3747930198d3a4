//! GF(p^5) = GF(p)\[z\]/(z^5 - 3).
//!
//! Two types for one field. [Quintic] is the schoolbook formula over any [Algebra]: the proof's constraints are
//! evaluated on it, over the trace's cells as over symbols. [Gf5] is the native element, with one reduction per
//! coefficient of a product instead of one per partial product; tests hold the two equal. Code that both sides share is
//! generic over [CurveField].

use core::ops::{Add, AddAssign, Mul, MulAssign, Neg, Sub, SubAssign};

use subtle::{Choice, ConditionallySelectable};
use winter_math::FieldElement;
use zeroize::DefaultIsZeroes;

use crate::algebra::Algebra;
use crate::field::{Felt, MODULUS, canonical};

/// The five coefficients' non-residue: z^5 = 3.
pub const NON_RESIDUE: u64 = 3;

/// The ring operations that curve formulas need, over native elements or over constraint expressions.
pub trait CurveField:
    Clone + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Neg<Output = Self> + Sized
{
    /// The constant with coefficients `c`, integers below the modulus.
    fn coefficients(c: [u64; 5]) -> Self;

    /// `self * self`.
    fn squared(&self) -> Self;

    /// `self + self`.
    fn doubled(&self) -> Self {
        self.clone() + self.clone()
    }
}

// OVER ANY ALGEBRA
// ================================================================================================================

/// An element c0 + c1 z + ... + c4 z^4 over any algebra.
#[derive(Clone, Debug)]
pub struct Quintic<A>(pub [A; 5]);

impl<A: Algebra> Quintic<A> {
    /// The element whose coefficients are the five cells at the start of `cells`.
    ///
    /// # Panics
    /// When there are fewer than five.
    pub fn from_cells(cells: &[A]) -> Self {
        Self(core::array::from_fn(|i| cells[i].clone()))
    }

    /// The product with an element of the algebra below.
    pub fn scaled(&self, by: &A) -> Self {
        Self(core::array::from_fn(|i| self.0[i].clone() * by.clone()))
    }
}

impl<A: Algebra> Add for Quintic<A> {
    type Output = Self;
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i].clone() + rhs.0[i].clone()))
    }
}

impl<A: Algebra> Sub for Quintic<A> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i].clone() - rhs.0[i].clone()))
    }
}

impl<A: Algebra> Neg for Quintic<A> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(core::array::from_fn(|i| -self.0[i].clone()))
    }
}

impl<A: Algebra> Mul for Quintic<A> {
    type Output = Self;
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        // Coefficient k: the products of degree k, and 3 times those of degree k + 5.
        Self(core::array::from_fn(|k| {
            let product = |i: usize, j: usize| self.0[i].clone() * rhs.0[j].clone();
            let mut low = product(0, k);
            for i in 1..=k {
                low = low + product(i, k - i);
            }
            if k == 4 {
                return low;
            }
            let mut high = product(k + 1, 4);
            for i in k + 2..5 {
                high = high + product(i, k + 5 - i);
            }
            low + high.clone() + high.doubled()
        }))
    }
}

impl<A: Algebra> CurveField for Quintic<A> {
    fn coefficients(c: [u64; 5]) -> Self {
        Self(c.map(A::constant))
    }

    #[inline(always)]
    fn squared(&self) -> Self {
        let [a0, a1, a2, a3, a4] = &self.0;
        let m = |a: &A, b: &A| a.clone() * b.clone();
        let three = |a: A| a.doubled() + a;
        Self([
            a0.squared() + three((m(a1, a4) + m(a2, a3)).doubled()),
            m(a0, a1).doubled() + three(m(a2, a4).doubled() + a3.squared()),
            m(a0, a2).doubled() + a1.squared() + three(m(a3, a4).doubled()),
            (m(a0, a3) + m(a1, a2)).doubled() + three(a4.squared()),
            (m(a0, a4) + m(a1, a3)).doubled() + a2.squared(),
        ])
    }
}

// NATIVE
// ================================================================================================================

/// A native element c0 + c1 z + ... + c4 z^4.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gf5(pub [Felt; 5]);

/// `base^exponent` for constants.
const fn power(base: u64, mut exponent: u64) -> u64 {
    let p = MODULUS as u128;
    let (mut result, mut square) = (1u128, base as u128);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * square % p;
        }
        square = square * square % p;
        exponent >>= 1;
    }
    result as u64
}

/// z^(i (p^k - 1)) for k = 1 and 2: what the Frobenius maps multiply coefficient i with. It is 3^(i k (p - 1) / 5), as
/// p = 1 mod 5.
const FROBENIUS: [[u64; 5]; 2] = {
    let root = power(NON_RESIDUE, (MODULUS - 1) / 5);
    let mut maps = [[1u64; 5]; 2];
    let mut i = 0;
    while i < 5 {
        maps[0][i] = power(root, i as u64);
        maps[1][i] = power(root, 2 * i as u64);
        i += 1;
    }
    maps
};

/// 2^64 - p: adding a multiple of p + this to a word wraps it.
const EPSILON: u64 = 0xffff_ffff;

/// `a + b` modulo p, from any words; the result is a word below 2^64, not always below p.
#[inline(always)]
fn add_words(a: u64, b: u64) -> u64 {
    let (sum, carry) = a.overflowing_add(b);
    let (sum, again) = sum.overflowing_add(EPSILON * carry as u64);
    sum.wrapping_add(EPSILON * again as u64)
}

/// A sum of products of two words, below 2^131.
#[derive(Clone, Copy)]
struct Accumulator {
    low: u128,
    high: u64,
}

impl Accumulator {
    #[inline(always)]
    fn new(a: u64, b: u64) -> Self {
        Self {
            low: a as u128 * b as u128,
            high: 0,
        }
    }

    #[inline(always)]
    fn plus(self, a: u64, b: u64) -> Self {
        let (low, carry) = self.low.overflowing_add(a as u128 * b as u128);
        Self {
            low,
            high: self.high + carry as u64,
        }
    }

    /// The sum divided by 2^64 modulo p: Montgomery's reduction, as in `winter_math::fields::f64`.
    #[inline(always)]
    fn reduce(self) -> Felt {
        let (xl, xh) = (self.low as u64, (self.low >> 64) as u64);
        let (a, e) = xl.overflowing_add(xl << 32);
        let b = a.wrapping_sub(a >> 32).wrapping_sub(e as u64);
        let (r, borrow) = xh.overflowing_sub(b);
        let r = r.wrapping_sub(EPSILON * borrow as u64);
        // 2^128 / 2^64 = 2^32 - 1 mod p, and `high` is below 8.
        let (r, carry) = r.overflowing_add(self.high * EPSILON);
        let r = r.wrapping_add(EPSILON * carry as u64);
        let (below, borrow) = r.overflowing_sub(MODULUS);
        Felt::from_mont(below.wrapping_add(MODULUS & (borrow as u64).wrapping_neg()))
    }
}

impl Gf5 {
    /// Zero.
    pub const ZERO: Self = Self([Felt::ZERO; 5]);

    /// One.
    pub const ONE: Self = Self([Felt::ONE, Felt::ZERO, Felt::ZERO, Felt::ZERO, Felt::ZERO]);

    /// Bytes of the encoding: five little-endian words.
    pub const BYTES: usize = 40;

    /// The constant with coefficients `c`, integers below the modulus.
    pub const fn new(c: [u64; 5]) -> Self {
        Self([
            Felt::new(c[0]),
            Felt::new(c[1]),
            Felt::new(c[2]),
            Felt::new(c[3]),
            Felt::new(c[4]),
        ])
    }

    /// The element of the base field `value`.
    pub const fn base(value: Felt) -> Self {
        Self([value, Felt::ZERO, Felt::ZERO, Felt::ZERO, Felt::ZERO])
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> bool {
        *self == Self::ZERO
    }

    /// The coefficients' canonical values.
    pub fn to_u64s(&self) -> [u64; 5] {
        self.0.map(|c| c.as_int())
    }

    /// The canonical encoding: each coefficient as eight little-endian bytes.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (chunk, c) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&c.as_int().to_le_bytes());
        }
        bytes
    }

    /// The element that `bytes` encodes, or the index of the first coefficient that is not below the modulus.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, usize> {
        let mut c = [Felt::ZERO; 5];
        for (i, chunk) in bytes.as_chunks::<8>().0.iter().enumerate() {
            c[i] = canonical(u64::from_le_bytes(*chunk)).ok_or(i)?;
        }
        Ok(Self(c))
    }

    /// `self * k` for a small integer.
    #[inline(always)]
    pub fn times(self, k: u32) -> Self {
        let k = Felt::new(k as u64);
        Self(self.0.map(|c| c * k))
    }

    /// `self * self`.
    #[inline(always)]
    pub fn square(self) -> Self {
        let [a0, a1, a2, a3, a4] = self.0.map(|c| c.inner());
        let (d0, d1) = (add_words(a0, a0), add_words(a1, a1));
        let triple = |a: u64| add_words(add_words(a, a), a);
        let (t3, t4) = (triple(a3), triple(a4));
        let (s3, s4) = (add_words(t3, t3), add_words(t4, t4));
        let sum = Accumulator::new;
        Self([
            sum(a0, a0).plus(a1, s4).plus(a2, s3).reduce(),
            sum(d0, a1).plus(a2, s4).plus(a3, t3).reduce(),
            sum(d0, a2).plus(a1, a1).plus(a3, s4).reduce(),
            sum(d0, a3).plus(d1, a2).plus(a4, t4).reduce(),
            sum(d0, a4).plus(d1, a3).plus(a2, a2).reduce(),
        ])
    }

    /// `self^(2^n)`.
    fn square_times(mut self, n: usize) -> Self {
        for _ in 0..n {
            self = self.square();
        }
        self
    }

    /// x^(p^k), k = 1 or 2.
    #[inline(always)]
    fn frobenius<const K: usize>(self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] * Felt::new(FROBENIUS[K - 1][i])))
    }

    /// x^(p + p^2 + p^3 + p^4).
    #[inline(always)]
    fn conjugates(self) -> Self {
        let two = self.frobenius::<1>() * self.frobenius::<2>();
        two * two.frobenius::<2>()
    }

    /// The coefficient of 1 in `self * rhs`, for products that are known to lie in the base field.
    #[inline(always)]
    fn product_in_base(self, rhs: Self) -> Felt {
        let t: [u64; 5] = rhs.0.map(|c| add_words(add_words(c.inner(), c.inner()), c.inner()));
        let a = self.0.map(|c| c.inner());
        Accumulator::new(a[0], rhs.0[0].inner())
            .plus(a[1], t[4])
            .plus(a[2], t[3])
            .plus(a[3], t[2])
            .plus(a[4], t[1])
            .reduce()
    }

    /// The inverse, and zero for zero (Itoh and Tsujii, 1988: the norm is the product of all conjugates, one inversion in
    /// the base field).
    pub fn inverse_or_zero(self) -> Self {
        let rest = self.conjugates();
        let inverse = self.product_in_base(rest).inv();
        Self(rest.0.map(|c| c * inverse))
    }

    /// Replaces every element by its inverse with a single inversion (Montgomery's trick). Returns the index of the
    /// first zero and leaves the elements alone if there is one.
    pub fn invert_all(elements: &mut [Self]) -> Result<(), usize> {
        if let Some(zero) = elements.iter().position(Gf5::is_zero) {
            return Err(zero);
        }
        let mut prefixes = Vec::with_capacity(elements.len());
        let mut product = Self::ONE;
        for &element in elements.iter() {
            prefixes.push(product);
            product *= element;
        }
        let mut inverse = product.inverse_or_zero();
        for (element, prefix) in elements.iter_mut().zip(prefixes).rev() {
            let next = inverse * *element;
            *element = inverse * prefix;
            inverse = next;
        }
        Ok(())
    }

    /// Whether this is a square; zero is one.
    pub fn is_square(self) -> bool {
        let norm = self.product_in_base(self.conjugates());
        norm.exp((MODULUS - 1) / 2) != -Felt::ONE
    }

    /// A square root, or `None`. Which of the two is not specified. Time depends on the value.
    ///
    /// With r = (p^5 - 1)/(p - 1) and y = x^((r - 1)/2), x^r = y^2 x is in the base field, and a root of x is y x divided
    /// by the root of x^r (section 3.2 of the paper).
    pub fn sqrt_vartime(self) -> Option<Self> {
        if self.is_zero() {
            return Some(self);
        }
        // v = x^((p + 1)/2), and (p + 1)/2 = (2^32 - 1) 2^31 + 1.
        let x2 = self.square() * self;
        let x4 = x2.square_times(2) * x2;
        let x8 = x4.square_times(4) * x4;
        let x16 = x8.square_times(8) * x8;
        let x32 = x16.square_times(16) * x16;
        let v = x32.square_times(31) * self;
        let y = (v * v.frobenius::<2>()).frobenius::<1>();
        let yx = y * self;
        let norm = y.product_in_base(yx);
        let root = base_sqrt_vartime(norm)?;
        let inverse = root.inv();
        Some(Self(yx.0.map(|c| c * inverse)))
    }
}

/// A square root in the base field (Tonelli and Shanks).
fn base_sqrt_vartime(x: Felt) -> Option<Felt> {
    // p - 1 = q 2^32, q = 2^32 - 1; (q - 1)/2 = 2^31 - 1. Invariant: root^2 = x t, t of order below 2^bound.
    let half = x.exp((1 << 31) - 1);
    let mut root = half * x;
    let mut t = root * half;
    let mut generator = Felt::new(power(7, (1 << 32) - 1));
    let mut bound = 32;
    while t != Felt::ONE {
        let mut order = 0;
        let mut square = t;
        while square != Felt::ONE {
            square = square * square;
            order += 1;
            if order == bound {
                return None;
            }
        }
        for _ in 0..bound - order - 1 {
            generator = generator * generator;
        }
        root *= generator;
        generator = generator * generator;
        t *= generator;
        bound = order;
    }
    Some(root)
}

impl Add for Gf5 {
    type Output = Self;
    #[inline(always)]
    fn add(self, rhs: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] + rhs.0[i]))
    }
}

impl Sub for Gf5 {
    type Output = Self;
    #[inline(always)]
    fn sub(self, rhs: Self) -> Self {
        Self(core::array::from_fn(|i| self.0[i] - rhs.0[i]))
    }
}

impl Neg for Gf5 {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self(self.0.map(|c| -c))
    }
}

impl Mul for Gf5 {
    type Output = Self;
    #[inline(always)]
    fn mul(self, rhs: Self) -> Self {
        let [a0, a1, a2, a3, a4] = self.0.map(|c| c.inner());
        let [b0, b1, b2, b3, b4] = rhs.0.map(|c| c.inner());
        let triple = |b: u64| add_words(add_words(b, b), b);
        let (t1, t2, t3, t4) = (triple(b1), triple(b2), triple(b3), triple(b4));
        let sum = Accumulator::new;
        Self([
            sum(a0, b0).plus(a1, t4).plus(a2, t3).plus(a3, t2).plus(a4, t1).reduce(),
            sum(a0, b1).plus(a1, b0).plus(a2, t4).plus(a3, t3).plus(a4, t2).reduce(),
            sum(a0, b2).plus(a1, b1).plus(a2, b0).plus(a3, t4).plus(a4, t3).reduce(),
            sum(a0, b3).plus(a1, b2).plus(a2, b1).plus(a3, b0).plus(a4, t4).reduce(),
            sum(a0, b4).plus(a1, b3).plus(a2, b2).plus(a3, b1).plus(a4, b0).reduce(),
        ])
    }
}

impl AddAssign for Gf5 {
    fn add_assign(&mut self, rhs: Self) {
        *self = *self + rhs;
    }
}

impl SubAssign for Gf5 {
    fn sub_assign(&mut self, rhs: Self) {
        *self = *self - rhs;
    }
}

impl MulAssign for Gf5 {
    fn mul_assign(&mut self, rhs: Self) {
        *self = *self * rhs;
    }
}

impl CurveField for Gf5 {
    fn coefficients(c: [u64; 5]) -> Self {
        Self::new(c)
    }

    #[inline(always)]
    fn squared(&self) -> Self {
        self.square()
    }
}

impl ConditionallySelectable for Gf5 {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(core::array::from_fn(|i| {
            Felt::from_mont(u64::conditional_select(&a.0[i].inner(), &b.0[i].inner(), choice))
        }))
    }
}

// Volatile overwriting.
impl DefaultIsZeroes for Gf5 {}
