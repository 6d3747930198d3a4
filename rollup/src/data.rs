//! The public data of a batch: the words that L1 publishes.

use starling_vm::field::{Felt, MODULUS, Word};
use starling_vm::poseidon2::hash_elements;

use crate::entry::{ENTRY_WORDS, Entry};
use crate::record::{Record, RecordError};

/// Most words of a batch.
pub const MAX_WORDS: usize = 1 << 14;

/// Words before the first entry: length, number of entries, fee account.
pub const HEADER_WORDS: usize = 3;

/// Words are posted in blocks of this many, 32 bytes.
pub const BLOCK: usize = 4;

/// Domain of the claim.
const DOMAIN: u64 = 5;

/// What a batch says in public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchData {
    /// Who gets the fees.
    pub fee_account: u32,
    /// The queue's entries that the batch consumes, each with the gwei that moved.
    pub entries: Vec<(Entry, u64)>,
    /// The signed operations.
    pub records: Vec<Record>,
}

/// Why words or bytes are not a batch.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DataError {
    /// Not whole blocks, or not as many as the length says.
    #[error("the batch says {words} words, {bytes} bytes came: expected are 32 for every four words")]
    Bytes {
        /// Words by the first word.
        words: u64,
        /// Bytes found.
        bytes: usize,
    },
    /// The first word is not the number of words, or out of range.
    #[error("the first word says {said} words, {found} came; a batch has {HEADER_WORDS} to {MAX_WORDS}")]
    Length {
        /// The first word.
        said: u64,
        /// Words found.
        found: usize,
    },
    /// Padding that is not zero.
    #[error("word {0} is padding and not zero")]
    Padding(usize),
    /// The fee account is no index.
    #[error("the fee account {0} is not below 2^32")]
    FeeAccount(u64),
    /// A record or entry is malformed.
    #[error("word {word}: {error}")]
    Record {
        /// Where the record starts.
        word: usize,
        /// What is wrong.
        error: RecordError,
    },
    /// Entries end before their number is reached.
    #[error("the batch says {said} entries and holds {found}")]
    Entries {
        /// By the second word.
        said: u64,
        /// Found.
        found: usize,
    },
}

impl BatchData {
    /// The words.
    pub fn to_words(&self) -> Vec<u64> {
        let mut words = vec![0, self.entries.len() as u64, u64::from(self.fee_account)];
        words.extend(self.entries.iter().flat_map(|(entry, moved)| entry.encode(*moved)));
        words.extend(self.records.iter().flat_map(Record::encode));
        words[0] = words.len() as u64;
        words
    }

    /// Reads words.
    ///
    /// # Errors
    /// When they are not what [BatchData::to_words] gives for some batch.
    pub fn from_words(words: &[u64]) -> Result<Self, DataError> {
        let &[said, entries, fee_account, ref rest @ ..] = words else {
            let said = words.first().copied().unwrap_or(0);
            return Err(DataError::Length {
                said,
                found: words.len(),
            });
        };
        if said != words.len() as u64 || words.len() > MAX_WORDS {
            return Err(DataError::Length {
                said,
                found: words.len(),
            });
        }
        let fee_account = u32::try_from(fee_account).map_err(|_| DataError::FeeAccount(fee_account))?;
        let (mut data, mut rest) = (
            Self {
                fee_account,
                ..Self::default()
            },
            rest,
        );
        let at = |rest: &[u64]| words.len() - rest.len();
        while (data.entries.len() as u64) < entries {
            if rest.is_empty() {
                let found = data.entries.len();
                return Err(DataError::Entries { said: entries, found });
            }
            let entry = Entry::decode(rest).map_err(|error| DataError::Record { word: at(rest), error })?;
            data.entries.push(entry);
            rest = &rest[ENTRY_WORDS..];
        }
        while !rest.is_empty() {
            let (record, used) = Record::decode(rest).map_err(|error| DataError::Record { word: at(rest), error })?;
            data.records.push(record);
            rest = &rest[used..];
        }
        Ok(data)
    }
}

/// Words as L1's calldata: eight big-endian bytes each, padded with zero words to whole blocks.
pub fn to_calldata(words: &[u64]) -> Vec<u8> {
    let padded = words.len().next_multiple_of(BLOCK);
    let mut bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    bytes.resize(8 * padded, 0);
    bytes
}

/// The words of calldata.
///
/// # Errors
/// When the bytes are not what [to_calldata] gives.
pub fn from_calldata(bytes: &[u8]) -> Result<Vec<u64>, DataError> {
    let mut words: Vec<u64> = bytes
        .chunks_exact(8)
        .map(|chunk| chunk.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
        .collect();
    let said = words.first().copied().unwrap_or(0);
    if said > MAX_WORDS as u64 || (said as usize).next_multiple_of(BLOCK) * 8 != bytes.len() {
        return Err(DataError::Bytes {
            words: said,
            bytes: bytes.len(),
        });
    }
    if let Some(word) = (said as usize..words.len()).find(|word| words[*word] != 0) {
        return Err(DataError::Padding(word));
    }
    words.truncate(said as usize);
    Ok(words)
}

/// The operator's claim of a batch: the sponge over its words.
pub fn claim(words: &[u64]) -> Word {
    debug_assert!(words.iter().all(|word| *word < MODULUS));
    let elements: Vec<Felt> = words.iter().copied().map(Felt::new).collect();
    hash_elements(DOMAIN, &elements)
}
