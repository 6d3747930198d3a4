//! Integers modulo the group order n, in constant time.

use core::fmt;
use core::ops::{Add, Mul, Neg, Sub};

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq};
use zeroize::DefaultIsZeroes;

/// The prime group order n, just below 2^319, as little-endian words.
pub const ORDER: [u64; 5] = [
    0xe80f_d996_948b_ffe1,
    0xe888_5c39_d724_a09c,
    0x7fff_ffe6_cfb8_0639,
    0x7fff_fff1_0000_0016,
    0x7fff_fffd_8000_0007,
];

/// -1/n mod 2^64, by Newton's iteration.
const ORDER_INVERSE: u64 = {
    let mut inverse = 1u64;
    let mut i = 0;
    while i < 6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(ORDER[0].wrapping_mul(inverse)));
        i += 1;
    }
    inverse.wrapping_neg()
};

/// 2^640 mod n, which takes Montgomery's products back.
const R2: [u64; 5] = {
    // 2^318 is below n; then double 322 times.
    let mut value = [0, 0, 0, 0, 1 << 62];
    let mut i = 0;
    while i < 322 {
        let (double, _) = add_limbs(value, value);
        let (reduced, borrow) = sub_limbs(double, ORDER);
        value = if borrow == 0 { reduced } else { double };
        i += 1;
    }
    value
};

const fn add_limbs(a: [u64; 5], b: [u64; 5]) -> ([u64; 5], u64) {
    let mut out = [0; 5];
    let mut carry = 0;
    let mut i = 0;
    while i < 5 {
        let sum = a[i] as u128 + b[i] as u128 + carry as u128;
        out[i] = sum as u64;
        carry = (sum >> 64) as u64;
        i += 1;
    }
    (out, carry)
}

const fn sub_limbs(a: [u64; 5], b: [u64; 5]) -> ([u64; 5], u64) {
    let mut out = [0; 5];
    let mut borrow = 0;
    let mut i = 0;
    while i < 5 {
        let difference = (a[i] as u128).wrapping_sub(b[i] as u128 + borrow as u128);
        out[i] = difference as u64;
        borrow = (difference >> 64) as u64 & 1;
        i += 1;
    }
    (out, borrow)
}

/// `a - n` when `a` is at least n, for `a` below 2n.
fn reduce_once(a: [u64; 5]) -> [u64; 5] {
    let (reduced, borrow) = sub_limbs(a, ORDER);
    select(&reduced, &a, Choice::from(borrow as u8))
}

fn select(a: &[u64; 5], b: &[u64; 5], choice: Choice) -> [u64; 5] {
    core::array::from_fn(|i| u64::conditional_select(&a[i], &b[i], choice))
}

/// An integer modulo n, in canonical form: little-endian words of a value below n.
///
/// Nothing here branches on the value. `Debug` does not print it, as scalars are mostly secret.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Scalar([u64; 5]);

impl Scalar {
    /// Zero.
    pub const ZERO: Self = Self([0; 5]);

    /// One.
    pub const ONE: Self = Self([1, 0, 0, 0, 0]);

    /// Bytes of the encoding.
    pub const BYTES: usize = 40;

    /// The scalar with these little-endian words, or `None` when they are not below n.
    pub fn from_words(words: [u64; 5]) -> Option<Self> {
        let (_, borrow) = sub_limbs(words, ORDER);
        (borrow == 1).then_some(Self(words))
    }

    /// The little-endian words of the canonical value.
    pub const fn words(&self) -> &[u64; 5] {
        &self.0
    }

    /// The canonical encoding: 40 little-endian bytes.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (chunk, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The scalar that `bytes` encodes, or `None` when the value is not below n.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Option<Self> {
        let mut words = [0; 5];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        Self::from_words(words)
    }

    /// The 512-bit little-endian integer `bytes` modulo n. From uniform bytes the result is within 2^-193 of uniform.
    pub fn from_wide_bytes(bytes: &[u8; 64]) -> Self {
        let mut words = [0u64; 8];
        for (word, chunk) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
            *word = u64::from_le_bytes(*chunk);
        }
        let [w0, w1, w2, w3, w4, w5, w6, w7] = words;
        // The low part is below 2^320 < 3n.
        let low = Self(reduce_once(reduce_once([w0, w1, w2, w3, w4])));
        low + Self(montgomery(&[w5, w6, w7, 0, 0], &R2))
    }

    /// `value` as a scalar.
    pub const fn from_u64(value: u64) -> Self {
        Self([value, 0, 0, 0, 0])
    }

    /// `self / 2`.
    pub fn halved(self) -> Self {
        // An odd value plus n is even, and below 2^320.
        let odd = Choice::from((self.0[0] & 1) as u8);
        let (sum, _) = add_limbs(self.0, select(&[0; 5], &ORDER, odd));
        Self(core::array::from_fn(|i| {
            sum[i] >> 1 | if i < 4 { sum[i + 1] << 63 } else { 0 }
        }))
    }

    /// Whether this is zero.
    pub fn is_zero(&self) -> Choice {
        self.0[..].ct_eq(&[0; 5])
    }

    /// Signed digits of radix 16, least significant first: the value is the sum of digit i times 16^i, each digit in
    /// -8..=8, and the last one not negative.
    pub fn signed_nibbles(&self) -> [i8; 80] {
        let mut carry = 0;
        core::array::from_fn(|i| {
            let nibble = (self.0[i / 16] >> (4 * (i % 16)) & 15) as i8 + carry;
            // 1 from 9 up; the last nibble is at most 7 and takes no carry further.
            carry = (nibble + 7) >> 4;
            nibble - (carry << 4)
        })
    }
}

/// `a b / 2^320` modulo n, for `a b` below 2^320 n.
fn montgomery(a: &[u64; 5], b: &[u64; 5]) -> [u64; 5] {
    let mut t = [0u64; 6];
    for i in 0..5 {
        let mut carry = 0u64;
        for j in 0..5 {
            let sum = t[j] as u128 + a[i] as u128 * b[j] as u128 + carry as u128;
            t[j] = sum as u64;
            carry = (sum >> 64) as u64;
        }
        let (top, over) = t[5].overflowing_add(carry);
        let m = t[0].wrapping_mul(ORDER_INVERSE);
        let mut carry = ((t[0] as u128 + m as u128 * ORDER[0] as u128) >> 64) as u64;
        for j in 1..5 {
            let sum = t[j] as u128 + m as u128 * ORDER[j] as u128 + carry as u128;
            t[j - 1] = sum as u64;
            carry = (sum >> 64) as u64;
        }
        let (top, over_again) = top.overflowing_add(carry);
        t[4] = top;
        t[5] = over as u64 + over_again as u64;
    }
    reduce_once([t[0], t[1], t[2], t[3], t[4]])
}

impl Add for Scalar {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        let (sum, _) = add_limbs(self.0, rhs.0);
        Self(reduce_once(sum))
    }
}

impl Sub for Scalar {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        let (difference, borrow) = sub_limbs(self.0, rhs.0);
        let (wrapped, _) = add_limbs(difference, ORDER);
        Self(select(&difference, &wrapped, Choice::from(borrow as u8)))
    }
}

impl Neg for Scalar {
    type Output = Self;
    fn neg(self) -> Self {
        Self::ZERO - self
    }
}

impl Mul for Scalar {
    type Output = Self;
    fn mul(self, rhs: Self) -> Self {
        Self(montgomery(&montgomery(&self.0, &rhs.0), &R2))
    }
}

impl ConstantTimeEq for Scalar {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0[..].ct_eq(&other.0[..])
    }
}

impl ConditionallySelectable for Scalar {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self(select(&a.0, &b.0, choice))
    }
}

// Volatile overwriting.
impl DefaultIsZeroes for Scalar {}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Scalar(..)")
    }
}
