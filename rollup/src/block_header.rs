//! Headers of the rollup's blocks: what a leader signs, and what L1 holds its commit to.
//!
//! A batch is cut into blocks; L1 forms the headers from the commit's own data and keeps the hash of the last one. So a
//! signed header either stands in a commit or contradicts it (`specs/pos.md`).

use crate::address::L1Address;
use crate::eip712::{Domain, Struct, TypedData, Value};
use crate::l1_key::{L1Key, L1Signature, L1SignatureError, keccak256};
use crate::transaction::RollupId;

/// Bytes of a block in the list of a commit: where it ends, and its state root.
pub const BLOCK_BYTES: usize = 34;

/// A block's header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockHeader {
    /// The slot that the block was built for.
    pub slot: u64,
    /// The batch that it belongs to.
    pub batch: u64,
    /// Its number in the batch, from 0.
    pub index: u32,
    /// The hash of the header before; zero for the first block of all.
    pub parent: [u8; 32],
    /// Keccak256 of its words.
    pub operations: [u8; 32],
    /// The state root after it, as its builder claims.
    pub state: [u8; 32],
}

/// Why bytes are not a header, or not a signed one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The wrong number of bytes.
    #[error("a header is {expected} bytes, found {found}")]
    Length {
        /// What it should be.
        expected: usize,
        /// What it is.
        found: usize,
    },
    /// The signature is none.
    #[error("the header's signature: {0}")]
    Signature(#[from] L1SignatureError),
    /// The signature's last byte is 0 or 1: wallets give that, on the network it has one form.
    #[error("the header's signature ends with {found}: 27 or 28 is its one form")]
    RecoveryByte {
        /// The byte.
        found: u8,
    },
}

impl BlockHeader {
    /// Bytes of the encoding.
    pub const BYTES: usize = 8 + 8 + 4 + 3 * 32;

    /// Slot, batch, index big-endian, then parent, operations, state.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.slot.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.batch.to_be_bytes());
        bytes[16..20].copy_from_slice(&self.index.to_be_bytes());
        bytes[20..52].copy_from_slice(&self.parent);
        bytes[52..84].copy_from_slice(&self.operations);
        bytes[84..].copy_from_slice(&self.state);
        bytes
    }

    /// The header with these bytes.
    ///
    /// # Errors
    /// When there are not [BlockHeader::BYTES] of them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| HeaderError::Length {
            expected: Self::BYTES,
            found: bytes.len(),
        })?;
        let word = |at: usize| {
            let mut word = [0; 32];
            word.copy_from_slice(&bytes[at..at + 32]);
            word
        };
        let number =
            |at: usize, length: usize| bytes[at..at + length].iter().fold(0, |sum, b| sum << 8 | u64::from(*b));
        Ok(Self {
            slot: number(0, 8),
            batch: number(8, 8),
            index: number(16, 4) as u32,
            parent: word(20),
            operations: word(52),
            state: word(84),
        })
    }

    fn message(&self) -> Struct {
        let uint = |bits, value| Value::Uint { bits, value };
        Struct {
            name: "Header",
            fields: vec![
                ("slot", uint(64, self.slot)),
                ("batch", uint(64, self.batch)),
                ("index", uint(32, u64::from(self.index))),
                ("parent", Value::Bytes32(self.parent)),
                ("operations", Value::Bytes32(self.operations)),
                ("state", Value::Bytes32(self.state)),
            ],
        }
    }

    /// The struct hash (EIP-712), by which the next header names it.
    pub fn hash(&self) -> [u8; 32] {
        self.message().hash()
    }

    /// What is signed for this rollup (EIP-712).
    pub fn signing_hash(&self, rollup: &RollupId) -> [u8; 32] {
        let domain = Domain {
            name: "Starling",
            version: "1",
            chain_id: rollup.chain_id,
            contract: rollup.contract,
        };
        let message = self.message();
        TypedData { domain, message }.hash()
    }

    /// The header with its builder's signature. Two signatures of different headers of one (slot, batch, index) cost the stake:
    /// sign only what is on record as signed.
    ///
    /// # Errors
    /// As [L1Key::sign].
    pub fn sign(self, rollup: &RollupId, key: &L1Key) -> Result<SignedHeader, L1SignatureError> {
        let signature = key.sign(&self.signing_hash(rollup))?;
        Ok(SignedHeader {
            header: self,
            signature,
        })
    }
}

/// A header with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignedHeader {
    /// The header.
    pub header: BlockHeader,
    /// The signature of [BlockHeader::signing_hash].
    pub signature: L1Signature,
}

impl SignedHeader {
    /// Bytes of the encoding.
    pub const BYTES: usize = BlockHeader::BYTES + L1Signature::BYTES;

    /// The header's bytes, then the signature's.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..BlockHeader::BYTES].copy_from_slice(&self.header.to_bytes());
        bytes[BlockHeader::BYTES..].copy_from_slice(&self.signature.to_bytes());
        bytes
    }

    /// The signed header with these bytes. Who signed it is [SignedHeader::signer]'s to say.
    ///
    /// # Errors
    /// When they are not what [SignedHeader::to_bytes] gives.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, HeaderError> {
        let (header, signature) = bytes.split_at_checked(BlockHeader::BYTES).ok_or(HeaderError::Length {
            expected: Self::BYTES,
            found: bytes.len(),
        })?;
        if signature.len() != L1Signature::BYTES {
            let (expected, found) = (Self::BYTES, bytes.len());
            return Err(HeaderError::Length { expected, found });
        }
        if let Some(&found @ (0 | 1)) = signature.last() {
            return Err(HeaderError::RecoveryByte { found });
        }
        Ok(Self {
            header: BlockHeader::from_bytes(header)?,
            signature: L1Signature::from_bytes(signature)?,
        })
    }

    /// Who signed it.
    ///
    /// # Errors
    /// When no key gives the signature.
    pub fn signer(&self, rollup: &RollupId) -> Result<L1Address, L1SignatureError> {
        self.signature.recover(&self.header.signing_hash(rollup))
    }
}

/// A block of a batch: where it ends in the batch's words, and the state root after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockEnd {
    /// The number of the word behind its last.
    pub end: u16,
    /// The state root after it.
    pub state: [u8; 32],
}

/// Why a list of blocks does not cut a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlocksError {
    /// A block is empty or ends behind the data.
    #[error("block {index} of the batch ends at word {end}: it must be after {from} and not after {length}")]
    End {
        /// The block.
        index: usize,
        /// Where it starts.
        from: u16,
        /// Where it ends.
        end: u16,
        /// Words of the batch.
        length: usize,
    },
    /// The blocks do not reach to the end of the data, or there are none.
    #[error("the blocks end at word {end}, the batch has {length}")]
    Rest {
        /// Where the last ends.
        end: u16,
        /// Words of the batch.
        length: usize,
    },
    /// Bytes that are not a list of blocks.
    #[error("a list of blocks is {BLOCK_BYTES} bytes a block, found {0} bytes")]
    Length(usize),
}

/// A commit's list of blocks.
pub fn encode_blocks(blocks: &[BlockEnd]) -> Vec<u8> {
    blocks
        .iter()
        .flat_map(|block| block.end.to_be_bytes().into_iter().chain(block.state))
        .collect()
}

/// The blocks of a commit's list.
///
/// # Errors
/// When the bytes are not a whole number of blocks.
pub fn decode_blocks(bytes: &[u8]) -> Result<Vec<BlockEnd>, BlocksError> {
    let (blocks, rest) = bytes.as_chunks::<BLOCK_BYTES>();
    if !rest.is_empty() {
        return Err(BlocksError::Length(bytes.len()));
    }
    let block = |bytes: &[u8; BLOCK_BYTES]| {
        let mut state = [0; 32];
        state.copy_from_slice(&bytes[2..]);
        BlockEnd {
            end: u16::from_be_bytes([bytes[0], bytes[1]]),
            state,
        }
    };
    Ok(blocks.iter().map(block).collect())
}

/// The headers of a batch's blocks.
///
/// # Arguments
/// `parent`: the hash of the last header of the batch before. `words`: the batch's words. The first, their number, is in no
/// block: it is not known before the batch is sealed.
///
/// # Errors
/// When the blocks do not cut the words.
pub fn headers(
    parent: [u8; 32],
    slot: u64,
    batch: u64,
    words: &[u64],
    blocks: &[BlockEnd],
) -> Result<Vec<BlockHeader>, BlocksError> {
    let length = words.len();
    let (mut from, mut parent) = (1, parent);
    let mut headers = Vec::with_capacity(blocks.len());
    for (index, &BlockEnd { end, state }) in blocks.iter().enumerate() {
        if end <= from || usize::from(end) > length {
            return Err(BlocksError::End {
                index,
                from,
                end,
                length,
            });
        }
        let bytes: Vec<u8> = words[usize::from(from)..usize::from(end)]
            .iter()
            .flat_map(|word| word.to_be_bytes())
            .collect();
        let header = BlockHeader {
            slot,
            batch,
            index: index as u32,
            parent,
            operations: keccak256(&[&bytes]),
            state,
        };
        parent = header.hash();
        headers.push(header);
        from = end;
    }
    if headers.is_empty() || usize::from(from) != length {
        return Err(BlocksError::Rest { end: from, length });
    }
    Ok(headers)
}
