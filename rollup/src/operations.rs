//! The keccak Merkle tree of a batch's operations, as the rollup contract computes it from the calldata.
//!
//! Entries come first, then records. Leaf: `keccak(0x00, words)`, node: `keccak(0x01, left, right)`, padded with zero leaves to a
//! power of two; the root is the leaf if there is one operation, and zero if there is none.

use crate::data::BatchData;
use crate::l1_key::keccak256;
use crate::record::Record;

/// A hash of the tree.
pub type Hash = [u8; 32];

/// The words of each operation of a batch.
pub fn operations(data: &BatchData) -> Vec<Vec<u64>> {
    let entries = data.entries.iter().map(|(entry, moved)| entry.encode(*moved));
    entries.chain(data.records.iter().map(Record::encode)).collect()
}

/// The root over operations.
pub fn root(operations: &[Vec<u64>]) -> Hash {
    levels(operations).last().map_or([0; 32], |level| level[0])
}

/// The siblings of the operation at `position`, lowest first; `None` if there is no such operation.
pub fn path(operations: &[Vec<u64>], position: usize) -> Option<Vec<Hash>> {
    if position >= operations.len() {
        return None;
    }
    let levels = levels(operations);
    let below = levels.iter().take(levels.len() - 1).enumerate();
    Some(below.map(|(height, level)| level[(position >> height) ^ 1]).collect())
}

fn levels(operations: &[Vec<u64>]) -> Vec<Vec<Hash>> {
    let leaf = |words: &Vec<u64>| {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        keccak256(&[&[0], &bytes])
    };
    let mut level: Vec<Hash> = operations.iter().map(leaf).collect();
    if level.is_empty() {
        return Vec::new();
    }
    level.resize(level.len().next_power_of_two(), [0; 32]);
    let mut levels = vec![level];
    while let Some(level) = levels.last().filter(|level| level.len() > 1) {
        let above = level.chunks_exact(2).map(|pair| keccak256(&[&[1], &pair[0], &pair[1]]));
        let above = above.collect();
        levels.push(above);
    }
    levels
}
