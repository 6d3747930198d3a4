//! A batch, as peers answer for it and as it can be executed and proven.
//!
//! | bytes | what |
//! |---|---|
//! | 1, 8 | version, 1; the slot that its blocks were built for |
//! | 2, 34 each | number of blocks; where each ends, and its state root |
//! | 1 | 0: all signatures follow; 1: only what L1 has |
//! | rest | the batch as `rollup/src/batch_file.rs` writes it, or its words, 8 bytes each |

use starling_rollup::batch::Batch;
use starling_rollup::batch_file::BatchFileError;
use starling_rollup::block_header::{BLOCK_BYTES, BlockEnd, BlocksError, decode_blocks, encode_blocks};
use starling_rollup::data::{BatchData, DataError};

use crate::operator::journal::{Body, Sealed};

const VERSION: u8 = 1;

/// A batch from a peer. Nothing in it has been checked but its form.
#[derive(Clone, Debug)]
pub struct BatchBody {
    /// The slot that its blocks were built for.
    pub slot: u64,
    /// Its blocks.
    pub blocks: Vec<BlockEnd>,
    /// Its public data.
    pub data: BatchData,
    /// The batch with all signatures, if the peer has them.
    pub batch: Option<Batch>,
}

/// Why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchBodyError {
    /// Another version.
    #[error("the batch's version is {0}; this node reads version {VERSION}")]
    Version(u8),
    /// The bytes end too early.
    #[error("the batch ends within its {0}")]
    Short(&'static str),
    /// Another kind than the two.
    #[error("the batch's kind is {0}: 0 and 1 are known")]
    Kind(u8),
    /// Its blocks are none.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// The signed batch is none.
    #[error(transparent)]
    Batch(#[from] BatchFileError),
    /// The words are no batch.
    #[error(transparent)]
    Data(#[from] DataError),
}

impl BatchBody {
    /// The bytes that answer for a batch.
    pub fn of(sealed: &Sealed) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(sealed.slot.to_be_bytes());
        bytes.extend((sealed.blocks.len() as u16).to_be_bytes());
        bytes.extend(encode_blocks(&sealed.blocks));
        match &sealed.body {
            Body::Signed(batch) => {
                bytes.push(0);
                bytes.extend(batch.to_bytes());
            }
            Body::Public { data, .. } => {
                bytes.push(1);
                bytes.extend(data.to_words().iter().flat_map(|word| word.to_be_bytes()));
            }
        }
        bytes
    }

    /// The batch with these bytes.
    ///
    /// # Errors
    /// When they are not what [BatchBody::of] gives for some batch.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BatchBodyError> {
        let mut rest = bytes;
        let [version] = take(&mut rest, "head")?;
        if version != VERSION {
            return Err(BatchBodyError::Version(version));
        }
        let slot = u64::from_be_bytes(take(&mut rest, "head")?);
        let count = u16::from_be_bytes(take(&mut rest, "head")?);
        let blocks = rest
            .split_off(..usize::from(count) * BLOCK_BYTES)
            .ok_or(BatchBodyError::Short("blocks"))?;
        let blocks = decode_blocks(blocks)?;
        let (data, batch) = match take(&mut rest, "kind")? {
            [0] => {
                let batch = Batch::from_bytes(rest)?;
                (batch.data(), Some(batch))
            }
            [1] => {
                let (words, left) = rest.as_chunks::<8>();
                if !left.is_empty() {
                    return Err(BatchBodyError::Short("words"));
                }
                let words: Vec<u64> = words.iter().map(|word| u64::from_be_bytes(*word)).collect();
                (BatchData::from_words(&words)?, None)
            }
            [kind] => return Err(BatchBodyError::Kind(kind)),
        };
        Ok(Self {
            slot,
            blocks,
            data,
            batch,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8], what: &'static str) -> Result<[u8; N], BatchBodyError> {
    let (head, tail) = rest.split_first_chunk().ok_or(BatchBodyError::Short(what))?;
    *rest = tail;
    Ok(*head)
}
