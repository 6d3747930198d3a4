//! The base field: Goldilocks, p = 2^64 - 2^32 + 1.

use winter_math::StarkField;
pub use winter_math::fields::f64::BaseElement as Felt;

/// The modulus, 2^64 - 2^32 + 1.
pub const MODULUS: u64 = Felt::MODULUS;

/// The element with canonical value `value`, or `None` when `value` is not below the modulus.
pub fn canonical(value: u64) -> Option<Felt> {
    (value < MODULUS).then(|| Felt::new(value))
}

/// A word: four field elements, the unit of memory and of hashing.
pub type Word = [Felt; 4];
