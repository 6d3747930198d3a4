//! Keccak256 as commitment hash and Fiat-Shamir coin, laid out for the EVM.
//!
//! Every input starts with a tag byte, so that a leaf is never a node and a draw is never a reseed; field elements are
//! eight big-endian bytes, so that the EVM hashes rows straight from calldata; digests may be shortened.

use core::fmt;
use core::marker::PhantomData;

use sha3::{Digest as _, Keccak256};
use starling_vm::field::{Felt, MODULUS};
use winter_crypto::{Digest, ElementHasher, Hasher, RandomCoin, RandomCoinError};
use winter_math::FieldElement;
use winter_utils::{ByteReader, ByteWriter, Deserializable, DeserializationError, Serializable};

use crate::keccak_eight::{BigEndian, KeccakEight, padded};
use crate::lanes::{self, Row, WIDTH};
use crate::tree::{EightHasher, one_by_one};

/// First byte of what is hashed, by purpose.
pub mod tag {
    /// A list of field elements: a row of a committed table, the out-of-domain values, the FRI remainder.
    pub const ELEMENTS: u8 = 0;
    /// Two digests: an inner node of a Merkle tree.
    pub const NODE: u8 = 1;
    /// A list of field elements that starts a transcript.
    pub const SEED: u8 = 2;
    /// Seed and digest: the next seed.
    pub const RESEED: u8 = 3;
    /// Seed and counter: the counter's draw.
    pub const DRAW: u8 = 4;
    /// Seed and nonce: proof of work, and the seed of the query positions.
    pub const NONCE: u8 = 5;
    /// Anything else: bytes, or many digests.
    pub const BYTES: u8 = 6;
}

/// Draws in a row that may be rejected; a limb is rejected with probability 2^-32.
const MAX_DRAWS: usize = 32;

// DIGEST
// ================================================================================================

/// The first `N` bytes of a Keccak256 output.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeccakDigest<const N: usize>(pub [u8; N]);

impl<const N: usize> Default for KeccakDigest<N> {
    fn default() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> fmt::Debug for KeccakDigest<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> Digest for KeccakDigest<N> {
    fn as_bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..N].copy_from_slice(&self.0);
        bytes
    }
}

impl<const N: usize> Serializable for KeccakDigest<N> {
    fn write_into<W: ByteWriter>(&self, target: &mut W) {
        target.write_bytes(&self.0);
    }
}

impl<const N: usize> Deserializable for KeccakDigest<N> {
    fn read_from<R: ByteReader>(source: &mut R) -> Result<Self, DeserializationError> {
        source.read_array().map(Self)
    }
}

// HASHER
// ================================================================================================

/// Keccak256 with outputs cut to `N` bytes.
///
/// Collision resistance is `4 N` bits, and the security estimate is told so. With `N` = 25 a digest costs 78 % of the
/// calldata of a full one; finding two inputs with one digest takes about 2^100 hashes, no less work than the presets
/// claim for the rest of the proof. The seeds of the coin are never cut.
#[derive(Clone, Copy, Debug)]
pub struct Keccak<const N: usize>;

/// The digest that proofs settle with on L1.
pub type SettleHasher = Keccak<25>;
/// The coin that goes with it.
pub type SettleCoin = KeccakCoin<25>;

impl<const N: usize> Keccak<N> {
    fn cut(hasher: Keccak256) -> KeccakDigest<N> {
        let output: [u8; 32] = hasher.finalize().into();
        let mut digest = [0; N];
        digest.copy_from_slice(&output[..N]);
        KeccakDigest(digest)
    }
}

impl<const N: usize> Keccak<N> {
    fn cut_eight(words: &[Row]) -> [KeccakDigest<N>; WIDTH] {
        let output = lanes::run(KeccakEight(words));
        core::array::from_fn(|lane| {
            let mut bytes = [0; 32];
            for (bytes, row) in bytes.chunks_exact_mut(8).zip(&output) {
                bytes.copy_from_slice(&row.0[lane].to_le_bytes());
            }
            let mut digest = [0; N];
            digest.copy_from_slice(&bytes[..N]);
            KeccakDigest(digest)
        })
    }
}

impl<const N: usize> Hasher for Keccak<N> {
    type Digest = KeccakDigest<N>;

    const COLLISION_RESISTANCE: u32 = if N < 32 { 4 * N as u32 } else { 128 };

    fn hash(bytes: &[u8]) -> Self::Digest {
        Self::cut(Keccak256::new_with_prefix([tag::BYTES]).chain_update(bytes))
    }

    fn merge(values: &[Self::Digest; 2]) -> Self::Digest {
        Self::cut(
            Keccak256::new_with_prefix([tag::NODE])
                .chain_update(values[0].0)
                .chain_update(values[1].0),
        )
    }

    fn merge_many(values: &[Self::Digest]) -> Self::Digest {
        let hasher = Keccak256::new_with_prefix([tag::BYTES]);
        Self::cut(values.iter().fold(hasher, |hasher, value| hasher.chain_update(value.0)))
    }

    fn merge_with_int(seed: Self::Digest, value: u64) -> Self::Digest {
        let hasher = Keccak256::new_with_prefix([tag::BYTES]);
        Self::cut(hasher.chain_update(seed.0).chain_update(value.to_be_bytes()))
    }
}

impl<const N: usize> ElementHasher for Keccak<N> {
    type BaseField = Felt;

    fn hash_elements<E: FieldElement<BaseField = Felt>>(elements: &[E]) -> Self::Digest {
        Self::cut(absorb(tag::ELEMENTS, elements))
    }
}

impl<const N: usize> EightHasher for Keccak<N> {
    fn hash_eight(words: &[Row]) -> [KeccakDigest<N>; WIDTH] {
        if !lanes::are_wide() {
            return one_by_one::<Self>(words);
        }
        let words = lanes::run(BigEndian {
            tag: tag::ELEMENTS,
            elements: words,
        });
        Self::cut_eight(&words)
    }

    fn merge_eight(pairs: &[[KeccakDigest<N>; 2]; WIDTH]) -> [KeccakDigest<N>; WIDTH] {
        if !lanes::are_wide() {
            return core::array::from_fn(|lane| Self::merge(&pairs[lane]));
        }
        // Tag and two digests of at most 32 bytes, and a byte of padding.
        let words = padded(
            pairs.map(|pair| {
                let mut bytes = [0; 66];
                bytes[0] = tag::NODE;
                bytes[1..=N].copy_from_slice(&pair[0].0);
                bytes[N + 1..=2 * N].copy_from_slice(&pair[1].0);
                bytes
            }),
            2 * N + 1,
        );
        Self::cut_eight(&words)
    }
}

/// Keccak256 over a tag and the elements' big-endian bytes.
fn absorb<E: FieldElement<BaseField = Felt>>(tag: u8, elements: &[E]) -> Keccak256 {
    // Rows of up to 128 elements are gathered on the stack, so that the sponge is fed once.
    const CHUNK: usize = 128;
    let mut hasher = Keccak256::new_with_prefix([tag]);
    let mut buffer = [0u8; 8 * CHUNK];
    for chunk in E::slice_as_base_elements(elements).chunks(CHUNK) {
        for (bytes, element) in buffer.chunks_exact_mut(8).zip(chunk) {
            bytes.copy_from_slice(&element.as_int().to_be_bytes());
        }
        hasher.update(&buffer[..8 * chunk.len()]);
    }
    hasher
}

// COIN
// ================================================================================================

/// The Fiat-Shamir coin: a 32-byte seed and a counter.
///
/// A draw of an element of degree `k` takes the first `k` big-endian 64-bit limbs of one hash, and the next counter if
/// one of them is not below the modulus. Query positions are the 32-bit limbs of hashes, eight a hash.
#[derive(Clone, Debug)]
pub struct KeccakCoin<const N: usize> {
    seed: [u8; 32],
    counter: u64,
    _hasher: PhantomData<Keccak<N>>,
}

impl<const N: usize> KeccakCoin<N> {
    fn hash(&self, tag: u8, bytes: &[u8]) -> [u8; 32] {
        Keccak256::new_with_prefix([tag])
            .chain_update(self.seed)
            .chain_update(bytes)
            .finalize()
            .into()
    }

    fn next(&mut self) -> [u8; 32] {
        self.counter += 1;
        self.hash(tag::DRAW, &self.counter.to_be_bytes())
    }
}

impl<const N: usize> RandomCoin for KeccakCoin<N> {
    type BaseField = Felt;
    type Hasher = Keccak<N>;

    fn new(seed: &[Felt]) -> Self {
        Self {
            seed: absorb(tag::SEED, seed).finalize().into(),
            counter: 0,
            _hasher: PhantomData,
        }
    }

    fn reseed(&mut self, data: KeccakDigest<N>) {
        self.seed = self.hash(tag::RESEED, &data.0);
        self.counter = 0;
    }

    fn check_leading_zeros(&self, nonce: u64) -> u32 {
        let hash = self.hash(tag::NONCE, &nonce.to_be_bytes());
        limb(&hash, 0).leading_zeros()
    }

    fn draw<E: FieldElement<BaseField = Felt>>(&mut self) -> Result<E, RandomCoinError> {
        for _ in 0..MAX_DRAWS {
            let hash = self.next();
            let mut limbs = [Felt::ZERO; 4];
            let mut canonical = true;
            for i in 0..E::EXTENSION_DEGREE {
                let value = limb(&hash, i);
                canonical &= value < MODULUS;
                limbs[i] = Felt::new(value);
            }
            if canonical {
                return Ok(E::slice_from_base_elements(&limbs[..E::EXTENSION_DEGREE])[0]);
            }
        }
        Err(RandomCoinError::FailedToDrawFieldElement(MAX_DRAWS))
    }

    fn draw_integers(
        &mut self,
        num_values: usize,
        domain_size: usize,
        nonce: u64,
    ) -> Result<Vec<usize>, RandomCoinError> {
        if !domain_size.is_power_of_two() || domain_size > 1 << 32 {
            return Err(RandomCoinError::FailedToDrawIntegers(num_values, 0, 0));
        }
        self.seed = self.hash(tag::NONCE, &nonce.to_be_bytes());
        self.counter = 0;
        let mut values = Vec::with_capacity(num_values.next_multiple_of(8));
        while values.len() < num_values {
            for limb in self.next().chunks_exact(4) {
                values.push(u32::from_be_bytes([limb[0], limb[1], limb[2], limb[3]]) as usize & (domain_size - 1));
            }
        }
        values.truncate(num_values);
        Ok(values)
    }
}

fn limb(hash: &[u8; 32], i: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&hash[8 * i..8 * i + 8]);
    u64::from_be_bytes(bytes)
}
