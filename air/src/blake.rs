//! BLAKE3 as the commitment hash of proofs that stay off L1.
//!
//! Differs from winterfell's own in two points: the first byte of every input says what is hashed, so that a leaf of a
//! Merkle tree is never a node; and a row is hashed in one call instead of one call an element.

use starling_vm::field::Felt;
use winter_crypto::hashers::Blake3_256;
use winter_crypto::{DefaultRandomCoin, Digest, ElementHasher, Hasher};
use winter_math::FieldElement;

use crate::blake_eight::{BlakeEight, LittleEndian};
use crate::keccak::tag;
use crate::lanes::{self, Row, WIDTH};
use crate::tree::{EightHasher, one_by_one};

/// BLAKE3 with 256-bit digests and separated domains.
#[derive(Clone, Copy, Debug)]
pub struct Blake;

/// The coin of local proofs: winterfell's own, on [Blake].
pub type LocalCoin = DefaultRandomCoin<Blake>;

type Inner = Blake3_256<Felt>;

/// Elements of a row that are gathered before the hash function is called.
const CHUNK: usize = 255;

impl Hasher for Blake {
    type Digest = <Inner as Hasher>::Digest;

    const COLLISION_RESISTANCE: u32 = 128;

    fn hash(bytes: &[u8]) -> Self::Digest {
        tagged(tag::BYTES, bytes)
    }

    fn merge(values: &[Self::Digest; 2]) -> Self::Digest {
        let mut bytes = [tag::NODE; 65];
        bytes[1..33].copy_from_slice(&values[0].as_bytes());
        bytes[33..].copy_from_slice(&values[1].as_bytes());
        digest(*blake3::hash(&bytes).as_bytes())
    }

    fn merge_many(values: &[Self::Digest]) -> Self::Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[tag::BYTES]);
        for value in values {
            hasher.update(&value.as_bytes());
        }
        digest(*hasher.finalize().as_bytes())
    }

    fn merge_with_int(seed: Self::Digest, value: u64) -> Self::Digest {
        let mut bytes = [tag::NONCE; 41];
        bytes[1..33].copy_from_slice(&seed.as_bytes());
        bytes[33..].copy_from_slice(&value.to_le_bytes());
        digest(*blake3::hash(&bytes).as_bytes())
    }
}

impl ElementHasher for Blake {
    type BaseField = Felt;

    fn hash_elements<E: FieldElement<BaseField = Felt>>(elements: &[E]) -> Self::Digest {
        let elements = E::slice_as_base_elements(elements);
        let mut buffer = [0u8; 1 + 8 * CHUNK];
        buffer[0] = tag::ELEMENTS;
        let fill = |buffer: &mut [u8], elements: &[Felt]| {
            for (bytes, element) in buffer.chunks_exact_mut(8).zip(elements) {
                bytes.copy_from_slice(&element.as_int().to_le_bytes());
            }
        };
        if elements.len() <= CHUNK {
            fill(&mut buffer[1..], elements);
            return digest(*blake3::hash(&buffer[..1 + 8 * elements.len()]).as_bytes());
        }
        let mut hasher = blake3::Hasher::new();
        hasher.update(&[tag::ELEMENTS]);
        for chunk in elements.chunks(CHUNK) {
            fill(&mut buffer[1..], chunk);
            hasher.update(&buffer[1..1 + 8 * chunk.len()]);
        }
        digest(*hasher.finalize().as_bytes())
    }
}

impl EightHasher for Blake {
    fn hash_eight(words: &[Row]) -> [Self::Digest; WIDTH] {
        if !lanes::are_wide() {
            return one_by_one::<Self>(words);
        }
        let bytes = lanes::run(LittleEndian {
            tag: tag::ELEMENTS,
            elements: words,
        });
        digests(&bytes, 1 + 8 * words.len())
    }

    fn merge_eight(pairs: &[[Self::Digest; 2]; WIDTH]) -> [Self::Digest; WIDTH] {
        if !lanes::are_wide() {
            return core::array::from_fn(|lane| Self::merge(&pairs[lane]));
        }
        let strings = pairs.map(|pair| {
            let mut bytes = [0; 72];
            bytes[0] = tag::NODE;
            bytes[1..33].copy_from_slice(&pair[0].as_bytes());
            bytes[33..65].copy_from_slice(&pair[1].as_bytes());
            bytes
        });
        let words: [Row; 9] = core::array::from_fn(|i| {
            Row(strings.map(|string| {
                let mut word = [0; 8];
                word.copy_from_slice(&string[8 * i..8 * i + 8]);
                u64::from_le_bytes(word)
            }))
        });
        digests(&words, 65)
    }
}

fn digests(words: &[Row], length: usize) -> [<Inner as Hasher>::Digest; WIDTH] {
    let output = lanes::run(BlakeEight { words, length });
    core::array::from_fn(|lane| {
        let mut bytes = [0; 32];
        for (bytes, row) in bytes.chunks_exact_mut(8).zip(&output) {
            bytes.copy_from_slice(&row.0[lane].to_le_bytes());
        }
        digest(bytes)
    })
}

fn digest(bytes: [u8; 32]) -> <Inner as Hasher>::Digest {
    <Inner as Hasher>::Digest::new(bytes)
}

fn tagged(tag: u8, bytes: &[u8]) -> <Inner as Hasher>::Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[tag]);
    hasher.update(bytes);
    digest(*hasher.finalize().as_bytes())
}
