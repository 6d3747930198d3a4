//! Packed numbers: mantissa times a power of ten.
//!
//! A number has at most one packing: the mantissa is not divisible by ten, and zero has exponent 0.

/// Bits of the exponent.
pub const EXPONENT_BITS: u32 = 5;

/// A kind of packed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Bits of the mantissa.
    pub mantissa_bits: u32,
}

/// Amounts: 40 bits.
pub const AMOUNT: Packing = Packing { mantissa_bits: 35 };

/// Fees: 16 bits.
pub const FEE: Packing = Packing { mantissa_bits: 11 };

/// Why bits are not a packed number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// The same number has a packing with a smaller mantissa or exponent.
    #[error("packed number {bits:#x} is not canonical")]
    NotCanonical {
        /// The bits.
        bits: u64,
    },
    /// The number is not below 2^63, or the bits are too many.
    #[error("packed number {bits:#x} is out of range")]
    OutOfRange {
        /// The bits.
        bits: u64,
    },
}

impl Packing {
    /// Bits in all.
    pub const fn bits(self) -> u32 {
        self.mantissa_bits + EXPONENT_BITS
    }

    /// Packs `value`: exponent in the low bits, mantissa above; `None` when it does not fit.
    pub fn pack(self, value: u64) -> Option<u64> {
        if value >= crate::account::AMOUNT_LIMIT {
            return None;
        }
        let (mut mantissa, mut exponent) = (value, 0);
        while mantissa != 0 && mantissa.is_multiple_of(10) {
            mantissa /= 10;
            exponent += 1;
        }
        // The canonical packing has the largest exponent; no number below 2^63 needs more than 18.
        (mantissa >> self.mantissa_bits == 0).then_some(mantissa << EXPONENT_BITS | exponent)
    }

    /// The number that `bits` stand for.
    ///
    /// # Errors
    /// When the bits are not what [Packing::pack] gives.
    pub fn unpack(self, bits: u64) -> Result<u64, PackError> {
        if bits >> self.bits() != 0 {
            return Err(PackError::OutOfRange { bits });
        }
        let (exponent, mantissa) = parts(bits);
        if (mantissa == 0 && exponent != 0) || (mantissa != 0 && mantissa.is_multiple_of(10)) {
            return Err(PackError::NotCanonical { bits });
        }
        10u64
            .checked_pow(exponent as u32)
            .and_then(|power| power.checked_mul(mantissa))
            .filter(|value| *value < crate::account::AMOUNT_LIMIT)
            .ok_or(PackError::OutOfRange { bits })
    }
}

/// Exponent and mantissa of a packed number.
pub(crate) fn parts(bits: u64) -> (u64, u64) {
    (bits & ((1 << EXPONENT_BITS) - 1), bits >> EXPONENT_BITS)
}
