//! The bytes of a sealed batch, as a node keeps them: what L1 gets, and what only the prover needs.
//!
//! | bytes | what |
//! |---|---|
//! | 1, 4 | version, 1; fee account |
//! | 4, then 80 each | number of entries; their words, `moved` included |
//! | 4, then 2 and so many each | number of transactions; each with its length, as [envelope](crate::envelope) writes it |
//!
//! Integers are big-endian. One batch has one encoding.

use crate::batch::Batch;
use crate::entry::{ENTRY_WORDS, Entry};
use crate::envelope::EnvelopeError;
use crate::record::RecordError;
use crate::transaction::SignedTransaction;

const VERSION: u8 = 1;

/// Why bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchFileError {
    /// Another version.
    #[error("the batch's version is {0}; this node reads version {VERSION}")]
    Version(u8),
    /// The bytes end too early.
    #[error("the batch ends within its {0}")]
    Short(&'static str),
    /// Bytes are left.
    #[error("{0} bytes follow the batch")]
    Trailing(usize),
    /// A malformed entry.
    #[error("entry {number}: {error}")]
    Entry {
        /// The entry's number.
        number: u32,
        /// What is wrong.
        error: RecordError,
    },
    /// A malformed transaction.
    #[error("transaction {number}: {error}")]
    Transaction {
        /// The transaction's number.
        number: u32,
        /// What is wrong.
        error: EnvelopeError,
    },
}

impl Batch {
    /// The batch's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(self.fee_account.to_be_bytes());
        bytes.extend((self.entries.len() as u32).to_be_bytes());
        for (entry, moved) in &self.entries {
            bytes.extend(entry.encode(*moved).iter().flat_map(|word| word.to_be_bytes()));
        }
        bytes.extend((self.transactions.len() as u32).to_be_bytes());
        for transaction in &self.transactions {
            let envelope = transaction.to_bytes();
            bytes.extend((envelope.len() as u16).to_be_bytes());
            bytes.extend(envelope);
        }
        bytes
    }

    /// The batch with these bytes.
    ///
    /// # Errors
    /// When the bytes are not what [Batch::to_bytes] gives for some batch.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, BatchFileError> {
        let mut rest = bytes;
        let [version] = take(&mut rest, "head")?;
        if version != VERSION {
            return Err(BatchFileError::Version(version));
        }
        let mut batch = Self {
            fee_account: u32::from_be_bytes(take(&mut rest, "head")?),
            ..Self::default()
        };
        for number in 0..u32::from_be_bytes(take(&mut rest, "head")?) {
            let mut words = [0; ENTRY_WORDS];
            for word in &mut words {
                *word = u64::from_be_bytes(take(&mut rest, "entries")?);
            }
            let entry = Entry::decode(&words).map_err(|error| BatchFileError::Entry { number, error })?;
            batch.entries.push(entry);
        }
        for number in 0..u32::from_be_bytes(take(&mut rest, "number of transactions")?) {
            let length = u16::from_be_bytes(take(&mut rest, "transactions")?);
            let envelope = rest
                .split_off(..usize::from(length))
                .ok_or(BatchFileError::Short("transactions"))?;
            let transaction = SignedTransaction::from_bytes(envelope)
                .map_err(|error| BatchFileError::Transaction { number, error })?;
            batch.transactions.push(transaction);
        }
        match rest.len() {
            0 => Ok(batch),
            left => Err(BatchFileError::Trailing(left)),
        }
    }
}

fn take<const N: usize>(rest: &mut &[u8], what: &'static str) -> Result<[u8; N], BatchFileError> {
    let (head, tail) = rest.split_first_chunk().ok_or(BatchFileError::Short(what))?;
    *rest = tail;
    Ok(*head)
}
