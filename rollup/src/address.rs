//! Addresses: L1's, and the rollup's own, which are digests of a public key and an L1 owner.

use core::fmt;
use core::str::FromStr;

use bech32::{Bech32m, Hrp};
use starling_vm::field::{Felt, Word, canonical};
use starling_vm::poseidon2::compress;
use starling_vm::schnorr::PublicKey;

/// Domain of an address's preimage, above the owner's 160 bits.
const DOMAIN: u64 = 1 << 48;

/// Human-readable part of an address.
const HRP: Hrp = Hrp::parse_unchecked("star");

// L1 ADDRESSES
// ================================================================================================================

/// An address on L1.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct L1Address(pub [u8; 20]);

impl L1Address {
    /// The address as elements, lowest bits first: 56, 56 and 48 bits.
    pub fn to_elements(self) -> [Felt; 3] {
        let low = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        [&self.0[13..], &self.0[6..13], &self.0[..6]].map(|bytes| Felt::new(low(bytes)))
    }

    /// The address whose elements are these; bits above 56, 56 and 48 are cut off.
    pub(crate) fn from_parts(low: u64, middle: u64, high: u64) -> Self {
        let mut bytes = [0; 20];
        bytes[13..].copy_from_slice(&low.to_be_bytes()[1..]);
        bytes[6..13].copy_from_slice(&middle.to_be_bytes()[1..]);
        bytes[..6].copy_from_slice(&high.to_be_bytes()[2..]);
        Self(bytes)
    }
}

impl fmt::Display for L1Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("0x")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for L1Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Text that is not an address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not an L1 address.
    #[error("{0:?} is not an L1 address: 0x and 40 hexadecimal digits are expected")]
    L1(String),
    /// Not Bech32m, or damaged.
    #[error("{text:?} is not a Starling address: {reason}")]
    Encoding {
        /// The text.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Well encoded, but not a digest.
    #[error("{0:?} is not a Starling address: it does not hold four field elements")]
    NotADigest(String),
}

impl FromStr for L1Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let error = || AddressError::L1(text.to_owned());
        let digits = text.strip_prefix("0x").ok_or_else(error)?.as_bytes();
        if digits.len() != 40 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(error());
        }
        let mut bytes = [0; 20];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |c: u8| (c as char).to_digit(16).unwrap_or(0) as u8;
            *byte = digit(pair[0]) << 4 | digit(pair[1]);
        }
        Ok(Self(bytes))
    }
}

// ADDRESSES
// ================================================================================================================

/// The two words whose digest is the address of a key and its L1 owner.
pub(crate) fn preimage(key: &PublicKey, owner: L1Address) -> [Word; 2] {
    let [q0, q1, q2, q3, q4] = key.to_elements();
    let [o0, o1, o2] = owner.to_elements();
    [[q0, q1, q2, q3], [q4, o0, o1, o2 + Felt::new(DOMAIN)]]
}

/// An account's address: its auth digest.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Address(Word);

impl Address {
    /// The address of a key and its L1 owner.
    pub fn new(key: &PublicKey, owner: L1Address) -> Self {
        let [left, right] = preimage(key, owner);
        Self(compress(left, right))
    }

    /// The address with this digest.
    pub fn from_word(word: Word) -> Self {
        Self(word)
    }

    /// The digest.
    pub fn to_word(self) -> Word {
        self.0
    }

    /// The digest's bytes: four elements, big-endian.
    pub fn to_bytes(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (chunk, element) in bytes.chunks_exact_mut(8).zip(self.0) {
            chunk.copy_from_slice(&element.as_int().to_be_bytes());
        }
        bytes
    }

    /// The address with these bytes; `None` unless they are four canonical elements.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        let mut word = [Felt::new(0); 4];
        for (element, chunk) in word.iter_mut().zip(bytes.chunks_exact(8)) {
            let mut limb = [0; 8];
            limb.copy_from_slice(chunk);
            *element = canonical(u64::from_be_bytes(limb))?;
        }
        Some(Self(word))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        bech32::encode_to_fmt::<Bech32m, _>(f, HRP, &self.to_bytes()).map_err(|_| fmt::Error)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let encoding = |reason: String| AddressError::Encoding {
            text: text.to_owned(),
            reason,
        };
        let checked = bech32::primitives::decode::CheckedHrpstring::new::<Bech32m>(text)
            .map_err(|error| encoding(error.to_string()))?;
        if checked.hrp() != HRP {
            return Err(encoding(format!(
                "it starts with {:?} instead of {HRP}",
                checked.hrp().to_string()
            )));
        }
        let bytes: Vec<u8> = checked.byte_iter().collect();
        let bytes = bytes
            .try_into()
            .map_err(|_| AddressError::NotADigest(text.to_owned()))?;
        Self::from_bytes(&bytes).ok_or_else(|| AddressError::NotADigest(text.to_owned()))
    }
}
