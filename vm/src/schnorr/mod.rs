//! Schnorr signatures over ecGFp5, in the variant that the proof's signature chip checks.
//!
//! The scheme, its encodings and the argument for it are in `specs/signature.md`; in short, with the generator G,
//! G' = 2^160 G and a constant U of which nobody knows a discrete logarithm ([constants]):
//!
//! - A secret key is a scalar d, the public key the encoding w of Q = dG.
//! - A signature is (r, s): r the x-coordinate of R' = kG + 2^160 U, s below 2^318.
//! - The challenge e is 160 bits of Poseidon2(r, w, message) ([challenge]).
//! - It is valid when the schedule of [ladder], 160 steps A <- 2A + T from A = U with T = ±G ±G' ±Q, ends at the
//!   x-coordinate r. A bit b of a scalar stands for the digit 2b - 1, so the end is
//!   (2s + 1 - 2^320) G + (2e + 1 - 2^160) Q + 2^160 U.
//!
//! ```
//! use starling_vm::field::Felt;
//! use starling_vm::schnorr::{SecretKey, verify};
//!
//! let key = SecretKey::derive(b"at least 32 bytes of entropy, from a wallet or a generator");
//! let message = [1, 2, 3, 4].map(Felt::new);
//! let signature = key.sign(&message);
//! assert!(verify(key.public_key(), &message, &signature).is_ok());
//! ```

use core::fmt;

use zeroize::{Zeroize, Zeroizing};

use crate::ecgfp5::generator::times_generator;
use crate::ecgfp5::{Affine, Gf5, Point, Scalar};
use crate::field::{Felt, Word};

pub mod challenge;
pub mod constants;
mod error;
pub mod ladder;

pub use challenge::Challenge;
pub use error::{CheckError, KeyError, SignatureError, VerifyError};

use ladder::{Digits, Table, Walk};

// PUBLIC KEYS
// ================================================================================================================

/// A public key that signatures can be checked with: decoded, on the curve, of order n, not excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey {
    encoding: Gf5,
    point: Affine,
    table: Table,
}

impl PublicKey {
    /// Bytes of the encoding.
    pub const BYTES: usize = Gf5::BYTES;

    /// The key with the encoding `w`. Costs a few microseconds; keep the key if it is used again.
    pub fn from_elements(w: &[Felt; 5]) -> Result<Self, KeyError> {
        let encoding = Gf5(*w);
        let point = Affine::decode(encoding).ok_or(KeyError::NotAPoint)?;
        let table = Table::new(&point).ok_or(KeyError::Excluded)?;
        Ok(Self { encoding, point, table })
    }

    /// The key that `bytes` encodes: five little-endian words.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.try_into().map_err(|_| KeyError::Length {
            expected: Self::BYTES,
            found: bytes.len(),
        })?;
        let w = Gf5::from_bytes(bytes).map_err(|coefficient| KeyError::NonCanonical { coefficient })?;
        Self::from_elements(&w.0)
    }

    /// The encoding w.
    pub fn to_elements(&self) -> [Felt; 5] {
        self.encoding.0
    }

    /// The encoding w as 40 bytes.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        self.encoding.to_bytes()
    }

    /// The point Q.
    pub fn point(&self) -> &Affine {
        &self.point
    }

    /// The digit points ±G ±G' ±Q, up to sign.
    pub fn table(&self) -> &Table {
        &self.table
    }
}

// SIGNATURES
// ================================================================================================================

/// A signature (r, s), well-formed: r is canonical, s below 2^318.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature {
    r: Gf5,
    s: [u32; 10],
}

impl Signature {
    /// Bytes of the encoding: r as five little-endian words, s as 40 little-endian bytes.
    pub const BYTES: usize = 80;

    /// Elements of the encoding that the machine's advice carries: r0 to r4, then s as ten limbs of 32 bits, least
    /// significant first.
    pub const ELEMENTS: usize = 15;

    fn new(r: Gf5, s: [u32; 10]) -> Result<Self, SignatureError> {
        match s[9] >> 30 {
            0 => Ok(Self { r, s }),
            _ => Err(SignatureError::Scalar { highest_limb: s[9] }),
        }
    }

    /// The signature that `bytes` encodes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SignatureError> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| SignatureError::Length {
            expected: Self::BYTES,
            found: bytes.len(),
        })?;
        let (r, s) = bytes.split_first_chunk().expect("80 bytes");
        let r = Gf5::from_bytes(r).map_err(|coefficient| SignatureError::NonCanonical { coefficient })?;
        let mut limbs = [0; 10];
        for (limb, chunk) in limbs.iter_mut().zip(s.as_chunks::<4>().0) {
            *limb = u32::from_le_bytes(*chunk);
        }
        Self::new(r, limbs)
    }

    /// The encoding as bytes.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..40].copy_from_slice(&self.r.to_bytes());
        for (chunk, limb) in bytes[40..].chunks_exact_mut(4).zip(self.s) {
            chunk.copy_from_slice(&limb.to_le_bytes());
        }
        bytes
    }

    /// The signature that `elements` encodes.
    pub fn from_elements(elements: &[Felt; Self::ELEMENTS]) -> Result<Self, SignatureError> {
        let (r, s) = elements.split_first_chunk().expect("15 elements");
        let mut limbs = [0; 10];
        for (limb, element) in s.iter().enumerate() {
            let value = element.as_int();
            limbs[limb] = u32::try_from(value).map_err(|_| SignatureError::Limb { limb, value })?;
        }
        Self::new(Gf5(*r), limbs)
    }

    /// The encoding as elements.
    pub fn to_elements(&self) -> [Felt; Self::ELEMENTS] {
        core::array::from_fn(|i| match i {
            0..5 => self.r.0[i],
            _ => Felt::new(self.s[i - 5] as u64),
        })
    }

    /// The x-coordinate of the commitment.
    pub fn r(&self) -> &Gf5 {
        &self.r
    }

    /// s as ten limbs of 32 bits, least significant first.
    pub fn s(&self) -> &[u32; 10] {
        &self.s
    }
}

// VERIFICATION
// ================================================================================================================

/// Checks one signature. Valid is exactly what the proof's signature chip accepts.
pub fn verify(key: &PublicKey, message: &Word, signature: &Signature) -> Result<(), VerifyError> {
    let challenge = Challenge::new(&signature.r, &key.encoding, message);
    let end = walk(key, signature, &challenge).run().ok_or(VerifyError::Exceptional)?;
    match end.has_x(&signature.r) {
        true => Ok(()),
        false => Err(VerifyError::Mismatch),
    }
}

/// Checks many signatures at about half the cost of [verify] each, with the same results.
pub fn verify_batch(signatures: &[(&PublicKey, &Word, &Signature)]) -> Vec<Result<(), VerifyError>> {
    let challenges: Vec<Challenge> = signatures
        .iter()
        .map(|(key, message, signature)| Challenge::new(&signature.r, &key.encoding, message))
        .collect();
    let walks: Vec<Walk<'_>> = signatures
        .iter()
        .zip(&challenges)
        .map(|((key, _, signature), challenge)| walk(key, signature, challenge))
        .collect();
    ladder::run_batch(&walks, |_, _, _| ())
        .into_iter()
        .zip(signatures)
        .map(|(end, (_, _, signature))| match end {
            Ok(end) if end.x == signature.r => Ok(()),
            Ok(_) => Err(VerifyError::Mismatch),
            Err(_) => Err(VerifyError::Exceptional),
        })
        .collect()
}

/// The machine's signature check: `key` as the instruction finds it in registers, `signature` as it pops it from the
/// advice.
pub fn check(key: &[Felt; 5], message: &Word, signature: &[Felt; Signature::ELEMENTS]) -> Result<(), CheckError> {
    let key = PublicKey::from_elements(key)?;
    let signature = Signature::from_elements(signature)?;
    Ok(verify(&key, message, &signature)?)
}

/// The walk of the schedule that checks `signature`.
pub fn walk<'a>(key: &'a PublicKey, signature: &'a Signature, challenge: &'a Challenge) -> Walk<'a> {
    Walk {
        table: &key.table,
        digits: Digits {
            s: &signature.s,
            challenge,
        },
    }
}

// SECRET KEYS
// ================================================================================================================

/// A secret key. Wiped from memory when dropped; never printed.
pub struct SecretKey {
    scalar: Scalar,
    public: PublicKey,
}

impl SecretKey {
    /// Bytes of the encoding.
    pub const BYTES: usize = Scalar::BYTES;

    fn new(mut scalar: Scalar) -> Result<Self, KeyError> {
        if bool::from(scalar.is_zero()) {
            return Err(KeyError::SecretRange);
        }
        let public = PublicKey::from_elements(&times_generator(&scalar).encode().0);
        let key = public.map(|public| Self { scalar, public });
        scalar.zeroize();
        key
    }

    /// The key that `bytes` encodes: 40 little-endian bytes of a scalar from 1 to n - 1.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes = bytes.try_into().map_err(|_| KeyError::Length {
            expected: Self::BYTES,
            found: bytes.len(),
        })?;
        Self::new(Scalar::from_bytes(bytes).ok_or(KeyError::SecretRange)?)
    }

    /// The encoding.
    pub fn to_bytes(&self) -> Zeroizing<[u8; Self::BYTES]> {
        Zeroizing::new(self.scalar.to_bytes())
    }

    /// The key derived from `secret`, which must hold at least 32 bytes of entropy: 64 bytes of BLAKE3 in `derive_key`
    /// mode on `secret` and a counter of four little-endian bytes, modulo n. The counter is 0 but for the few values that
    /// give no key, which nobody will meet.
    pub fn derive(secret: &[u8]) -> Self {
        (0u32..)
            .find_map(|counter| {
                let mut bytes = Zeroizing::new([0; 64]);
                let mut hasher = blake3::Hasher::new_derive_key(constants::SECRET_KEY_CONTEXT);
                hasher.update(secret).update(&counter.to_le_bytes());
                let mut output = hasher.finalize_xof();
                output.fill(&mut *bytes);
                output.zeroize();
                hasher.zeroize();
                Self::new(Scalar::from_wide_bytes(&bytes)).ok()
            })
            .expect("all but a few scalars are keys")
    }

    /// The public key.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// The nonce for `message`: 64 bytes of BLAKE3, keyed with a key derived from d, on the message and a counter,
    /// modulo n.
    ///
    /// BLAKE3 and not Poseidon2: a nonce must be a pseudo-random function of the secret key, which keyed BLAKE3 was
    /// designed and studied as; nothing of it is ever proven; and its code has no field arithmetic whose time could
    /// depend on the key.
    fn nonce(&self, message: &Word, counter: u32) -> Zeroizing<Scalar> {
        let secret = Zeroizing::new(self.scalar.to_bytes());
        let key = Zeroizing::new(blake3::derive_key(constants::NONCE_CONTEXT, &*secret));
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for element in message {
            hasher.update(&element.as_int().to_le_bytes());
        }
        hasher.update(&counter.to_le_bytes());
        let mut bytes = Zeroizing::new([0; 64]);
        let mut output = hasher.finalize_xof();
        output.fill(&mut *bytes);
        output.zeroize();
        hasher.zeroize();
        Zeroizing::new(Scalar::from_wide_bytes(&bytes))
    }

    /// Signs `message`. The same key and message always give the same signature.
    ///
    /// Two nonces are tried on average, because s must be below 2^318 and the order is just below 2^319. Whether an
    /// attempt is dropped depends on its s alone, which is uniform whatever the key is. Everything that depends on the
    /// key or on the nonce runs without branches or memory addresses that depend on it. The result is verified before it
    /// is handed out, so that a fault in the computation cannot give the key away.
    pub fn sign(&self, message: &Word) -> Signature {
        (0..256)
            .find_map(|counter| {
                let signature = self.attempt(message, counter)?;
                verify(&self.public, message, &signature).is_ok().then_some(signature)
            })
            .expect("every second attempt succeeds, so 256 fail with probability 2^-256")
    }

    /// The signature with the nonce number `counter`, if its s is below 2^318.
    fn attempt(&self, message: &Word, counter: u32) -> Option<Signature> {
        let nonce = self.nonce(message, counter);
        let r = (times_generator(&nonce) + Point::from(constants::U_HIGH)).affine_x();
        let challenge = Challenge::new(&r, &self.public.encoding, message);
        // k = 2s + 1 - 2^320 + (2e + 1 - 2^160) d.
        let top = Scalar::from_words([0, 0, 0, 0, 1 << 62]).expect("2^318 is below the order");
        let offset = top + top + top + top - Scalar::ONE;
        let s = (*nonce + offset - challenge.scalar() * self.scalar).halved();
        let words = s.words();
        let limbs = core::array::from_fn(|i| (words[i / 2] >> (32 * (i % 2))) as u32);
        Signature::new(r, limbs).ok()
    }
}

impl Drop for SecretKey {
    fn drop(&mut self) {
        self.scalar.zeroize();
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").finish_non_exhaustive()
    }
}
