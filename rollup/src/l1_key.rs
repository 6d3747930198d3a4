//! L1's signatures: secp256k1 with recovery, and the keys that make them.

use core::fmt;

use k256::ecdsa::{RecoveryId, Signature as Ecdsa, SigningKey, VerifyingKey};
use sha3::{Digest, Keccak256};
use zeroize::Zeroizing;

use crate::address::L1Address;

/// Keccak256 of the parts, one after the other.
pub fn keccak256(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Keccak256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

// SIGNATURES
// ================================================================================================================

/// Why bytes are not an L1 signature, or have no signer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum L1SignatureError {
    /// Not hexadecimal.
    #[error("a signature is 0x and 130 hexadecimal digits; character {position} is {found:?}")]
    NotHex {
        /// Where, counted from 0.
        position: usize,
        /// What stands there.
        found: char,
    },
    /// Another length.
    #[error("a signature has 65 bytes (r, s, v), found {found}{}", hint(*found))]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// The last byte is neither 27, 28, 0 nor 1.
    #[error("the signature's last byte is {found}; 27, 28, 0 or 1 is expected")]
    RecoveryByte {
        /// The byte.
        found: u8,
    },
    /// r or s is zero or not below the group's order.
    #[error("the signature's r or s is zero or not below the order of secp256k1")]
    Range,
    /// s is above half the order: a second signature of the same message that anyone can compute from the first.
    #[error("the signature's s is above half the group's order; wallets that follow EIP-2 give the lower one")]
    HighS,
    /// No public key fits.
    #[error("no public key gives this signature of this message")]
    NoSigner,
}

fn hint(found: usize) -> &'static str {
    match found {
        64 => ": the compact form of EIP-2098 is not accepted",
        0 => "",
        _ => ": a contract wallet's signature cannot be used, it belongs to no key",
    }
}

/// A signature by an L1 key: well-formed, s in the lower half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L1Signature {
    ecdsa: Ecdsa,
    odd: bool,
}

impl L1Signature {
    /// Bytes of the encoding.
    pub const BYTES: usize = 65;

    /// The signature with these bytes: r and s big-endian, then 27 or 28 (some wallets give 0 or 1).
    ///
    /// # Errors
    /// When the bytes are not that.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, L1SignatureError> {
        let bytes: &[u8; Self::BYTES] = bytes
            .try_into()
            .map_err(|_| L1SignatureError::Length { found: bytes.len() })?;
        let odd = match bytes[64] {
            0 | 27 => false,
            1 | 28 => true,
            found => return Err(L1SignatureError::RecoveryByte { found }),
        };
        let ecdsa = Ecdsa::from_slice(&bytes[..64]).map_err(|_| L1SignatureError::Range)?;
        if ecdsa.normalize_s().is_some() {
            return Err(L1SignatureError::HighS);
        }
        Ok(Self { ecdsa, odd })
    }

    /// The signature that a wallet writes as 0x and 130 hexadecimal digits.
    ///
    /// # Errors
    /// When the text is not that.
    pub fn from_hex(text: &str) -> Result<Self, L1SignatureError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let skipped = text.len() - digits.len();
        let values = digits.chars().enumerate().map(|(i, c)| {
            c.to_digit(16).map(|digit| digit as u8).ok_or(L1SignatureError::NotHex {
                position: skipped + i,
                found: c,
            })
        });
        let values = values.collect::<Result<Vec<u8>, _>>()?;
        let (pairs, rest) = values.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(L1SignatureError::Length { found: pairs.len() });
        }
        let bytes: Vec<u8> = pairs.iter().map(|[high, low]| high << 4 | low).collect();
        Self::from_bytes(&bytes)
    }

    /// r, s and 27 or 28.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..64].copy_from_slice(&self.ecdsa.to_bytes());
        bytes[64] = 27 + u8::from(self.odd);
        bytes
    }

    /// Whether the commitment's y is odd: the `yParity` of L1's transactions.
    pub fn is_odd(&self) -> bool {
        self.odd
    }

    /// Who signed the message with this hash.
    ///
    /// # Errors
    /// When no key can have.
    pub fn recover(&self, hash: &[u8; 32]) -> Result<L1Address, L1SignatureError> {
        VerifyingKey::recover_from_prehash(hash, &self.ecdsa, RecoveryId::new(self.odd, false))
            .map(|key| address_of(&key))
            .map_err(|_| L1SignatureError::NoSigner)
    }
}

fn address_of(key: &VerifyingKey) -> L1Address {
    let point = key.to_encoded_point(false);
    let hash = keccak256(&[&point.as_bytes()[1..]]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    L1Address(address)
}

// KEYS
// ================================================================================================================

/// Bytes that are no L1 key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an L1 key is 32 bytes of a number from 1 to the order of secp256k1 less one")]
pub struct L1KeyError;

/// A secret key of L1. Wiped from memory when dropped; never printed.
#[derive(Clone)]
pub struct L1Key {
    key: SigningKey,
    address: L1Address,
}

impl L1Key {
    /// The key with these bytes, big-endian.
    ///
    /// # Errors
    /// When they are zero or not below the group's order.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, L1KeyError> {
        let bytes: &[u8; 32] = bytes.try_into().map_err(|_| L1KeyError)?;
        let key = SigningKey::from_bytes(bytes.into()).map_err(|_| L1KeyError)?;
        let address = address_of(key.verifying_key());
        Ok(Self { key, address })
    }

    /// The key's bytes.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.key.to_bytes().into())
    }

    /// The same key once more, for another part of a program. Not `Clone`: each copy is a place that must be wiped.
    pub fn duplicate(&self) -> Self {
        let (key, address) = (self.key.clone(), self.address);
        Self { key, address }
    }

    /// The key's address.
    pub fn address(&self) -> L1Address {
        self.address
    }

    /// Signs a hash; the nonce follows RFC 6979, so the same hash always gets the same signature.
    ///
    /// # Errors
    /// When the hash meets a nonce or a commitment that secp256k1 excludes, which no known hash does.
    pub fn sign(&self, hash: &[u8; 32]) -> Result<L1Signature, L1SignatureError> {
        let (ecdsa, recovery) = self
            .key
            .sign_prehash_recoverable(hash)
            .map_err(|_| L1SignatureError::Range)?;
        if recovery.is_x_reduced() {
            return Err(L1SignatureError::Range);
        }
        let odd = recovery.is_y_odd();
        Ok(L1Signature { ecdsa, odd })
    }
}

impl fmt::Debug for L1Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("L1Key")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
