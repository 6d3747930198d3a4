//! Signed blocks, as a leader gossips them and nodes keep them.
//!
//! | bytes | what |
//! |---|---|
//! | 1, 181 | version, 1; the signed header |
//! | 2, 4 | block 0 of a batch only: how many entries of the queue the batch consumes, and its fee account |
//! | 2 | number of transactions |
//! | 2 and so many each | each with its length, as an envelope |
//!
//! Integers are big-endian. One block has one encoding. The entries themselves are L1's to say: whoever reads the block has them
//! from there, and the header's hash of the operations shows whether both mean the same ones.

use starling_rollup::address::L1Address;
use starling_rollup::block_header::{BlockHeader, HeaderError, SignedHeader};
use starling_rollup::envelope::EnvelopeError;
use starling_rollup::l1_key::{L1SignatureError, keccak256};
use starling_rollup::transaction::{RollupId, SignedTransaction};

const VERSION: u8 = 1;

/// Blocks of a batch; a position in the chain is `batch * MAX_INDEX + index`.
pub const MAX_INDEX: u64 = 1 << 16;

/// What the first block of a batch says beside its transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opening {
    /// How many of the queue's next entries the batch consumes.
    pub entries: u16,
    /// Who gets the fees.
    pub fee_account: u32,
}

/// A block.
#[derive(Clone, Debug)]
pub struct Block {
    /// Its header, signed by the leader of its slot.
    pub signed: SignedHeader,
    /// How its batch begins; the first block of each has one.
    pub opening: Option<Opening>,
    /// Its transactions.
    pub transactions: Vec<SignedTransaction>,
}

/// Why bytes are not a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// Another version.
    #[error("the block's version is {0}; this node reads version {VERSION}")]
    Version(u8),
    /// The bytes end too early.
    #[error("the block ends within its {0}")]
    Short(&'static str),
    /// Bytes are left.
    #[error("{0} bytes follow the block")]
    Trailing(usize),
    /// The header is none.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// A block's number is too high.
    #[error("the block's number is {0}: a batch has fewer than {MAX_INDEX} blocks")]
    Index(u32),
    /// A block that says nothing.
    #[error("the block has neither an entry nor a transaction")]
    Empty,
    /// A malformed transaction.
    #[error("transaction {number}: {error}")]
    Transaction {
        /// The transaction's number.
        number: u16,
        /// What is wrong.
        error: EnvelopeError,
    },
}

impl Block {
    /// A digest of the whole block, body included: the header's hash says what the body must be, not what it is.
    pub fn digest(&self) -> [u8; 32] {
        keccak256(&[&self.to_bytes()])
    }

    /// Its header.
    pub fn header(&self) -> &BlockHeader {
        &self.signed.header
    }

    /// Where it stands in the chain; [u64::MAX] if no chain gets that far.
    pub fn position(&self) -> u64 {
        let header = self.header();
        let first = header.batch.saturating_mul(MAX_INDEX);
        first.saturating_add(u64::from(header.index))
    }

    /// Who signed it.
    ///
    /// # Errors
    /// When no key gives the signature.
    pub fn signer(&self, rollup: &RollupId) -> Result<L1Address, L1SignatureError> {
        self.signed.signer(rollup)
    }

    /// The block's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.signed.to_bytes());
        if let Some(opening) = &self.opening {
            bytes.extend(opening.entries.to_be_bytes());
            bytes.extend(opening.fee_account.to_be_bytes());
        }
        bytes.extend((self.transactions.len() as u16).to_be_bytes());
        for transaction in &self.transactions {
            let envelope = transaction.to_bytes();
            bytes.extend((envelope.len() as u16).to_be_bytes());
            bytes.extend(envelope);
        }
        bytes
    }

    /// The block with these bytes.
    ///
    /// # Errors
    /// When they are not what [Block::to_bytes] gives for some block.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BlockError> {
        let mut rest = bytes;
        let [version] = take(&mut rest, "head")?;
        if version != VERSION {
            return Err(BlockError::Version(version));
        }
        let header: [u8; SignedHeader::BYTES] = take(&mut rest, "header")?;
        let signed = SignedHeader::from_bytes(&header)?;
        if u64::from(signed.header.index) >= MAX_INDEX {
            return Err(BlockError::Index(signed.header.index));
        }
        let opening = match signed.header.index {
            0 => Some(Opening {
                entries: u16::from_be_bytes(take(&mut rest, "opening")?),
                fee_account: u32::from_be_bytes(take(&mut rest, "opening")?),
            }),
            _ => None,
        };
        let count = u16::from_be_bytes(take(&mut rest, "number of transactions")?);
        let mut transactions = Vec::new();
        for number in 0..count {
            let length = u16::from_be_bytes(take(&mut rest, "transactions")?);
            let envelope = rest
                .split_off(..usize::from(length))
                .ok_or(BlockError::Short("transactions"))?;
            let transaction = SignedTransaction::from_bytes(envelope);
            transactions.push(transaction.map_err(|error| BlockError::Transaction { number, error })?);
        }
        if !rest.is_empty() {
            return Err(BlockError::Trailing(rest.len()));
        }
        if transactions.is_empty() && opening.is_none_or(|opening| opening.entries == 0) {
            return Err(BlockError::Empty);
        }
        Ok(Self {
            signed,
            opening,
            transactions,
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8], what: &'static str) -> Result<[u8; N], BlockError> {
    let (head, tail) = rest.split_first_chunk().ok_or(BlockError::Short(what))?;
    *rest = tail;
    Ok(*head)
}
