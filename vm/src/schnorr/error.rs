//! What can be wrong with a key, a signature, or their combination.

use thiserror::Error;

/// Why bytes or elements are not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The encoding has another length.
    #[error("a key is {expected} bytes, found {found}")]
    Length {
        /// Bytes of an encoding.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A coefficient of the public key is not below the field's modulus.
    #[error("coefficient {coefficient} of the public key is not below the field's modulus")]
    NonCanonical {
        /// Which of the five, counted from 0.
        coefficient: usize,
    },
    /// The public key encodes no point of the curve, or the neutral one.
    #[error("the public key encodes no point of the group, or the neutral one")]
    NotAPoint,
    /// The public key has the x-coordinate of G + G' or G - G', for which the digit points cannot be computed.
    #[error("the public key has the x-coordinate of G + G' or G - G', which no key may have")]
    Excluded,
    /// The secret key is zero, or not below the group order.
    #[error("the secret key is zero or not below the group order")]
    SecretRange,
}

/// Why bytes or elements are not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// The encoding has another length.
    #[error("a signature is {expected} bytes, found {found}")]
    Length {
        /// Bytes of an encoding.
        expected: usize,
        /// Bytes found.
        found: usize,
    },
    /// A coefficient of the commitment is not below the field's modulus.
    #[error("coefficient {coefficient} of the signature's commitment is not below the field's modulus")]
    NonCanonical {
        /// Which of the five, counted from 0.
        coefficient: usize,
    },
    /// A limb of s does not fit 32 bits.
    #[error("limb {limb} of the signature's scalar is {value}, not below 2^32")]
    Limb {
        /// Which of the ten, least significant first, counted from 0.
        limb: usize,
        /// The value found.
        value: u64,
    },
    /// s is not below 2^318.
    #[error("the signature's scalar is not below 2^318: its highest limb is {highest_limb:#010x}")]
    Scalar {
        /// The most significant 32 bits of s.
        highest_limb: u32,
    },
}

/// Why a well-formed signature is not valid for a key and a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VerifyError {
    /// A denominator of the schedule is zero. Nobody can make a signature that fails in this way and would satisfy the
    /// equation otherwise (specs/signature.md); it is refused because the proof cannot express it.
    #[error("the signature meets an exceptional case of the addition formulas")]
    Exceptional,
    /// The signature's equation does not hold.
    #[error("the signature is not valid for this key and message")]
    Mismatch,
}

/// Why [check](super::check) refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// The public key is none.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The signature is none.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// The signature is not valid.
    #[error(transparent)]
    Verify(#[from] VerifyError),
}
