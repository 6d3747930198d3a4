//! The chain digest: what binds the kernel's run to the data that L1 published (`specs/kernel.md`).

use sha3::{Digest, Keccak256};
use starling_vm::field::{Felt, MODULUS, Word};
use starling_vm::poseidon2::compress;

use crate::data::{BLOCK, claim, to_calldata};
use crate::transaction::RollupId;

/// The chain digest before the first batch.
pub const GENESIS: Word = [Felt::new(0); 4];

/// The points at which a batch's data is evaluated: they depend on the data, the claim, and the batch's place.
pub fn points(words: &[u64], rollup: &RollupId, number: u64, previous: &Word) -> [Felt; 3] {
    let mut hasher = Keccak256::new();
    hasher.update(to_calldata(words));
    hasher.update(word_bytes(&claim(words)));
    hasher.update(uint(&rollup.chain_id.to_be_bytes()));
    hasher.update(uint(&rollup.contract.0));
    hasher.update(uint(&number.to_be_bytes()));
    hasher.update(word_bytes(previous));
    let seed = hasher.finalize();
    [0u8, 1, 2].map(|k| reduce(&Keccak256::new().chain_update(seed).chain_update(uint(&[k])).finalize()))
}

/// The chain digest after a batch.
pub fn extend(previous: &Word, words: &[u64], points: &[Felt; 3]) -> Word {
    let values = points.map(|point| evaluate(words, point));
    let zero = Felt::new(0);
    let [p0, p1, p2] = *points;
    let [e0, e1, e2] = values;
    compress(
        compress(*previous, claim(words)),
        compress([p0, p1, p2, Felt::new(words.len() as u64)], [e0, e1, e2, zero]),
    )
}

/// The chain digest after the batch with these words and this number.
pub fn next(previous: &Word, words: &[u64], rollup: &RollupId, number: u64) -> Word {
    extend(previous, words, &points(words, rollup, number, previous))
}

fn evaluate(words: &[u64], point: Felt) -> Felt {
    let padded = words.len().next_multiple_of(BLOCK);
    let padding = (words.len()..padded).map(|_| 0);
    let words = words.iter().copied().chain(padding);
    words.fold(Felt::new(0), |sum, word| sum * point + Felt::new(word))
}

/// A word's 32 bytes: four elements, big-endian.
pub fn word_bytes(word: &Word) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (chunk, element) in bytes.chunks_exact_mut(8).zip(word) {
        chunk.copy_from_slice(&element.as_int().to_be_bytes());
    }
    bytes
}

fn uint(bytes: &[u8]) -> [u8; 32] {
    let mut padded = [0; 32];
    padded[32 - bytes.len()..].copy_from_slice(bytes);
    padded
}

fn reduce(bytes: &[u8]) -> Felt {
    let modulus = u128::from(MODULUS);
    let rest = bytes
        .iter()
        .fold(0u128, |sum, byte| (sum << 8 | u128::from(*byte)) % modulus);
    Felt::new(rest as u64)
}
