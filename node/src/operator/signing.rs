//! Signs block headers, and none that contradicts one that was signed before.
//!
//! Two signatures of different headers of one (slot, batch, index) cost the stake. So what is about to be signed is on disk before
//! the signature exists: whatever happens in between, a crash, a reorganisation of L1, a restart with another view, the record says
//! what this operator may still sign. The store is locked while a process has it open: a second copy cannot open it.

use std::sync::{Arc, Mutex};

use starling_rollup::address::L1Address;
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::l1_key::{L1Key, L1SignatureError};
use starling_rollup::transaction::RollupId;

use crate::l1::hex;
use crate::store::{Scan, Store, StoreError, Table, WriteBatch};

/// Why a header is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// Another header of this place was signed.
    #[error(
        "block {index} of batch {batch} in slot {slot}: 0x{signed} was signed, 0x{wanted} is another header; nothing is signed, and this \
         slot is lost from here on"
    )]
    Contradiction {
        /// The slot.
        slot: u64,
        /// The batch.
        batch: u64,
        /// The block's number in the batch.
        index: u32,
        /// Hash of the header that was signed.
        signed: String,
        /// Hash of the header that was to be signed.
        wanted: String,
    },
    /// Slots are signed in order: an earlier one is over.
    #[error("slot {slot} is over: this operator has signed for slot {newest} already")]
    Over {
        /// The slot.
        slot: u64,
        /// The newest slot that was signed for.
        newest: u64,
    },
    /// The record cannot be read or written: nothing is signed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The key cannot sign this hash.
    #[error(transparent)]
    Signature(#[from] L1SignatureError),
}

impl SigningError {
    /// Whether trying again cannot help: something else was signed.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Contradiction { .. } | Self::Over { .. })
    }
}

/// An operator's key and what it has signed.
pub struct Signer {
    store: Arc<dyn Store>,
    rollup: RollupId,
    key: L1Key,
    /// One at a time: look and write belong together.
    turn: Mutex<()>,
}

/// The newest slot that was signed for, in [Table::Signed]: shorter than any place.
const NEWEST: &[u8] = b"newest";

fn place(header: &BlockHeader) -> [u8; 20] {
    let mut key = [0; 20];
    key[..8].copy_from_slice(&header.slot.to_be_bytes());
    key[8..16].copy_from_slice(&header.batch.to_be_bytes());
    key[16..].copy_from_slice(&header.index.to_be_bytes());
    key
}

impl Signer {
    /// A signer that keeps its record in `store`.
    pub fn new(store: Arc<dyn Store>, rollup: RollupId, key: L1Key) -> Self {
        Self {
            store,
            rollup,
            key,
            turn: Mutex::new(()),
        }
    }

    /// Signs a header, once it is on record. The same header again gets the same signature.
    ///
    /// # Errors
    /// When another header of this place was signed, the slot is older than the newest one signed for, or the record cannot be
    /// written.
    pub fn sign(&self, header: BlockHeader) -> Result<SignedHeader, SigningError> {
        let _one_at_a_time = self.turn.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (key, hash) = (place(&header), header.hash());
        match self.store.get(Table::Signed, &key)? {
            Some(signed) if signed == hash => return Ok(header.sign(&self.rollup, &self.key)?),
            Some(signed) => {
                return Err(SigningError::Contradiction {
                    slot: header.slot,
                    batch: header.batch,
                    index: header.index,
                    signed: hex(&signed),
                    wanted: hex(&hash),
                });
            }
            None => {}
        }
        let newest = self.store.get(Table::Signed, NEWEST)?;
        let newest = newest
            .and_then(|bytes| bytes.try_into().ok())
            .map_or(0, u64::from_be_bytes);
        if header.slot < newest {
            let slot = header.slot;
            return Err(SigningError::Over { slot, newest });
        }
        let mut batch = WriteBatch::default();
        batch.put(Table::Signed, key, hash);
        batch.put(Table::Signed, NEWEST, header.slot.to_be_bytes());
        // On disk when it returns.
        self.store.write(batch)?;
        Ok(header.sign(&self.rollup, &self.key)?)
    }

    /// Whose signatures these are.
    pub fn address(&self) -> L1Address {
        self.key.address()
    }

    /// Whether committing a batch with these headers in `slot` would contradict what was signed for it: each signed header of the
    /// slot and the batch must stand in the commit, or the stake is lost.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn allows_commit(&self, slot: u64, batch: u64, headers: &[BlockHeader]) -> Result<bool, StoreError> {
        let mut prefix = slot.to_be_bytes().to_vec();
        prefix.extend(batch.to_be_bytes());
        let scan = Scan {
            prefix,
            ..Scan::all(Table::Signed)
        };
        let stands = |(key, hash): &(Vec<u8>, Vec<u8>)| {
            let index = key.last_chunk::<4>().map(|index| u32::from_be_bytes(*index));
            headers
                .iter()
                .any(|header| Some(header.index) == index && header.hash().as_slice() == hash.as_slice())
        };
        Ok(self.store.scan(&scan)?.iter().all(stands))
    }
}
