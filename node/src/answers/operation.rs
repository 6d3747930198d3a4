//! An operation of a batch with its path to the root that L1 keeps.
//!
//! | bytes | what |
//! |---|---|
//! | 1, 8 each | number of words, 1 to 16; the operation's words |
//! | 1, 32 each | number of siblings, at most 14; the siblings of its leaf, lowest first |

use starling_p2p::wire::WireError;
use starling_rollup::data::BatchData;
use starling_rollup::l1_key::keccak256;
use starling_rollup::operations;

use super::{BodyError, Reader, Wrong, hex_hash};
use crate::l1::Hash;

/// Words of an operation at most: above every record's, and far below what would cost anything.
pub const MAX_OPERATION_WORDS: usize = 16;

/// Siblings at most: a batch has 2^14 words, so fewer operations than that.
pub const MAX_LEVELS: usize = 14;

/// The body of the answer about an operation; `None` if the batch has none at that position.
pub fn operation_body(data: &BatchData, position: u32) -> Option<Vec<u8>> {
    let mut all = operations::operations(data);
    let position = usize::try_from(position).ok()?;
    let path = operations::path(&all, position)?;
    let words = all.swap_remove(position);
    Some(OperationProof { words, path }.to_bytes())
}

/// An answer about an operation. That it is true is what [OperationProof::check] is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationProof {
    /// The operation's words.
    pub words: Vec<u64>,
    /// The siblings of its leaf, lowest first.
    pub path: Vec<Hash>,
}

impl OperationProof {
    /// Its bytes. Batch and position are the question's.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.words.len() as u8];
        bytes.extend(self.words.iter().flat_map(|word| word.to_be_bytes()));
        bytes.push(self.path.len() as u8);
        bytes.extend(self.path.iter().flatten());
        bytes
    }

    /// The answer with these bytes to the question for `position`.
    ///
    /// # Errors
    /// When they are not what [OperationProof::to_bytes] gives for some answer, or the position is behind the tree's end.
    pub fn from_bytes(position: u32, bytes: &[u8]) -> Result<Self, BodyError> {
        let mut reader = Reader(bytes);
        let count = number(&mut reader, "the number of words", MAX_OPERATION_WORDS)?;
        if count == 0 {
            let field = "the number of words";
            return Err(WireError::Tag { field, found: 0 }.into());
        }
        let words = (0..count).map(|_| reader.u64("a word", u64::MAX));
        let words = words.collect::<Result<Vec<u64>, _>>()?;
        let levels = number(&mut reader, "the number of siblings", MAX_LEVELS)?;
        let path = (0..levels).map(|_| reader.array("a sibling"));
        let path = path.collect::<Result<Vec<Hash>, _>>()?;
        reader.end()?;
        if position >> levels != 0 {
            return Err(BodyError::Position { position, levels });
        }
        Ok(Self { words, path })
    }

    /// The root of the batch's operations that it leads to, from this position.
    pub fn root(&self, position: u32) -> Hash {
        let words: Vec<u8> = self.words.iter().flat_map(|word| word.to_be_bytes()).collect();
        let mut node = keccak256(&[&[0], &words]);
        for (height, sibling) in self.path.iter().enumerate() {
            node = if position >> height & 1 == 0 {
                keccak256(&[&[1], &node, sibling])
            } else {
                keccak256(&[&[1], sibling, &node])
            };
        }
        node
    }

    /// Checks it against the root that L1 computed from the batch's calldata.
    ///
    /// # Errors
    /// [Wrong::Operations] when it leads elsewhere.
    pub fn check(&self, position: u32, root: &Hash) -> Result<(), Wrong> {
        let found = self.root(position);
        if found != *root {
            return Err(Wrong::Operations {
                expected: hex_hash(root),
                found: hex_hash(&found),
            });
        }
        Ok(())
    }
}

fn number(reader: &mut Reader<'_>, field: &'static str, limit: usize) -> Result<usize, WireError> {
    let found = usize::from(reader.u8(field)?);
    if found > limit {
        let (limit, found) = (limit as u64, found as u64);
        return Err(WireError::Limit { field, limit, found });
    }
    Ok(found)
}
