//! What an operator must not forget: sealed batches, accounts, accepted transactions, proofs.
//!
//! Every method that writes does so in one batch of the store: after a crash the journal is as it was before a call or after it.

use std::collections::HashMap;
use std::sync::Arc;

use starling_rollup::account::Account;
use starling_rollup::address::L1Address;
use starling_rollup::batch::Batch;
use starling_rollup::block_header::{self, BlockEnd, BlockHeader, BlocksError, SignedHeader};
use starling_rollup::chain::GENESIS;
use starling_rollup::data::BatchData;
use starling_rollup::entry::Entry;
use starling_rollup::envelope::{EnvelopeError, TransactionId};
use starling_rollup::rules::Overlay;
use starling_rollup::state::State;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use starling_vm::field::Word;

use super::fate::{Changes, Fate};
use crate::block::{Block, MAX_INDEX};
use crate::store::{Scan, Store, StoreError, Table, WriteBatch, number_key, number_of};

mod records;

use records::{read_account, read_proof, read_sealed, write_account, write_proof, write_sealed};

/// The rollup that a store belongs to, in [Table::Meta].
const ROLLUP_KEY: &[u8] = b"rollup";

/// Why the journal cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record is damaged.
    #[error(
        "the store's record of {what} is damaged ({reason}): move the data folder away and rebuild from L1 with `starling node rebuild`"
    )]
    Damaged {
        /// The record.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The store is another rollup's.
    #[error(
        "the data folder belongs to the rollup {found}, the configuration names {expected}: give each its own `data`"
    )]
    OtherRollup {
        /// The configured rollup.
        expected: String,
        /// The store's.
        found: String,
    },
}

fn damaged(what: impl Into<String>, reason: impl ToString) -> JournalError {
    JournalError::Damaged {
        what: what.into(),
        reason: reason.to_string(),
    }
}

/// An account before a batch; `None` if the batch opened it.
pub type Undo = (u32, Option<Account>);

/// What a sealed batch holds.
#[derive(Clone, Debug)]
pub enum Body {
    /// Everything: it can be proven, and its transactions can be tried again.
    Signed(Batch),
    /// What L1 has of it, and what is known besides: signatures are not posted. It can be executed and not proven.
    Public {
        /// The data.
        data: BatchData,
        /// The ids of its transactions.
        ids: Vec<TransactionId>,
        /// Those of its transactions whose signatures are here: if L1 loses the batch they are tried again.
        known: Vec<SignedTransaction>,
    },
}

/// A sealed batch and what is known of it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The batch's number on L1.
    pub number: u64,
    /// State root after it.
    pub root: Word,
    /// Chain digest before it.
    pub parent_digest: Word,
    /// Chain digest after it.
    pub digest: Word,
    /// The queue's next entry after it.
    pub queue_end: u64,
    /// When it was sealed, in seconds since 1970.
    pub sealed_at: u64,
    /// The slot that its blocks were built for.
    pub slot: u64,
    /// Where its blocks end, and the state roots that their headers claim.
    pub blocks: Vec<BlockEnd>,
    /// Hash of its last block's header.
    pub head: [u8; 32],
    /// That header with its builder's signature, if it is known.
    pub signed: Option<SignedHeader>,
    /// The accounts that it changed, as they were.
    pub undo: Vec<Undo>,
    /// What it holds.
    pub body: Body,
}

impl Sealed {
    /// The public data.
    pub fn data(&self) -> BatchData {
        match &self.body {
            Body::Signed(batch) => batch.data(),
            Body::Public { data, .. } => data.clone(),
        }
    }

    /// The queue's entries, each with the gwei that moved.
    pub fn entries(&self) -> &[(Entry, u64)] {
        match &self.body {
            Body::Signed(batch) => &batch.entries,
            Body::Public { data, .. } => &data.entries,
        }
    }

    /// How many signed operations it has.
    pub fn operations(&self) -> usize {
        match &self.body {
            Body::Signed(batch) => batch.transactions.len(),
            Body::Public { data, .. } => data.records.len(),
        }
    }

    /// The batch with all signatures, if they are known.
    pub fn batch(&self) -> Option<&Batch> {
        match &self.body {
            Body::Signed(batch) => Some(batch),
            Body::Public { .. } => None,
        }
    }

    /// The transactions whose signatures are known: all of them, if the whole batch is.
    pub fn transactions(&self) -> &[SignedTransaction] {
        match &self.body {
            Body::Signed(batch) => &batch.transactions,
            Body::Public { known, .. } => known,
        }
    }

    /// The headers of its blocks.
    ///
    /// # Arguments
    /// `parent`: the hash of the last header of the batch before.
    ///
    /// # Errors
    /// When its blocks do not cut its words.
    pub fn headers(&self, parent: [u8; 32]) -> Result<Vec<BlockHeader>, BlocksError> {
        let words = self.data().to_words();
        block_header::headers(parent, self.slot, self.number, &words, &self.blocks)
    }
}

/// A proof that has been made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredProof {
    /// The first batch that it covers.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// State root after the last.
    pub root: Word,
    /// The payee of the statement.
    pub payee: L1Address,
    /// Rows of the trace.
    pub rows: u64,
    /// Milliseconds that it took.
    pub prove_ms: u64,
    /// The process's peak memory then, in bytes.
    pub peak_bytes: u64,
    /// The proof.
    pub bytes: Vec<u8>,
}

/// What a restart finds.
#[derive(Debug)]
pub struct Recovered {
    /// The state after the last sealed batch.
    pub state: State,
    /// Number of the last sealed batch; 0 if there is none.
    pub last: u64,
    /// Chain digest after it.
    pub digest: Word,
    /// The queue's next entry after it.
    pub queue_end: u64,
    /// Hash of its last block's header.
    pub head: [u8; 32],
    /// The signed blocks of the batch behind it.
    pub blocks: Vec<Block>,
    /// Accepted transactions that no batch has.
    pub pool: Vec<SignedTransaction>,
    /// Those of them that were taken back: until which batch is sealed they are tried.
    pub tried: HashMap<TransactionId, u64>,
    /// Refused transactions, by how many were refused before them.
    pub refused: Vec<(u64, TransactionId)>,
}

/// The journal.
#[derive(Clone, Debug)]
pub struct Journal {
    store: Arc<dyn Store>,
    rollup: RollupId,
    word: Word,
}

impl Journal {
    /// The journal in `store`, which becomes this rollup's if it is empty.
    ///
    /// # Errors
    /// When the store is another rollup's.
    pub fn open(store: Arc<dyn Store>, rollup: RollupId) -> Result<Self, JournalError> {
        let expected = format!("{} on chain {}", rollup.contract, rollup.chain_id);
        match store.get(Table::Meta, ROLLUP_KEY)? {
            Some(found) if found == expected.as_bytes() => {}
            Some(found) => {
                let found = String::from_utf8_lossy(&found).into_owned();
                return Err(JournalError::OtherRollup { expected, found });
            }
            None => {
                let mut batch = WriteBatch::default();
                batch.put(Table::Meta, ROLLUP_KEY, &expected);
                store.write(batch)?;
            }
        }
        let word = rollup.word();
        Ok(Self { store, rollup, word })
    }

    /// The rollup.
    pub fn rollup(&self) -> &RollupId {
        &self.rollup
    }

    /// What is there.
    ///
    /// # Errors
    /// When the store cannot be read, or a record is damaged.
    pub fn recover(&self) -> Result<Recovered, JournalError> {
        let mut accounts = Vec::new();
        for (key, value) in self.store.scan(&Scan::all(Table::Accounts))? {
            let index = accounts.len() as u32;
            if key != index.to_be_bytes() {
                return Err(damaged(format!("account {index}"), "it is missing"));
            }
            accounts.push(read_account(&value).ok_or_else(|| damaged(format!("account {index}"), "its length"))?);
        }
        let last = self.store.scan(&Scan::last(Table::Batches))?;
        let last = last.first().and_then(|(key, _)| number_of(key)).unwrap_or(0);
        let (digest, queue_end, head, root) = match self.sealed(last)? {
            Some(sealed) => (sealed.digest, sealed.queue_end, sealed.head, Some(sealed.root)),
            None => (GENESIS, 0, [0; 32], None),
        };
        let state = State::from_accounts(accounts);
        if root.is_some_and(|root| root != state.root()) {
            return Err(damaged("the accounts", "their root is not that of the last batch"));
        }
        let pool = self.store.scan(&Scan::all(Table::Pool))?;
        let read = |(_, value): &(Vec<u8>, Vec<u8>)| SignedTransaction::from_bytes(value);
        let pool: Result<Vec<SignedTransaction>, EnvelopeError> = pool.iter().map(read).collect();
        let pool = pool.map_err(|error| damaged("an accepted transaction", error))?;
        let (mut tried, mut refused) = (HashMap::new(), Vec::new());
        for (key, value) in self.store.scan(&Scan::all(Table::Fates))? {
            let what = || format!("what became of transaction 0x{}", crate::l1::hex(&key));
            let id = key.as_slice().try_into().map(TransactionId);
            let id = id.map_err(|_| damaged(what(), "its key's length"))?;
            match Fate::from_bytes(&value).map_err(|reason| damaged(what(), reason))? {
                Fate::Tried { until } => drop(tried.insert(id, until)),
                Fate::Refused { number, .. } => refused.push((number, id)),
            }
        }
        Ok(Recovered {
            state,
            last,
            digest,
            queue_end,
            head,
            blocks: self.blocks((last + 1) * MAX_INDEX, usize::MAX)?,
            pool,
            tried,
            refused,
        })
    }

    // TRANSACTIONS
    // ============================================================================================================

    /// The id of a transaction.
    pub fn id(&self, signed: &SignedTransaction) -> TransactionId {
        TransactionId::new(&signed.transaction, &self.word)
    }

    /// Keeps an accepted transaction.
    ///
    /// # Errors
    /// When the store fails: the transaction is then not accepted.
    pub fn accept(&self, signed: &SignedTransaction) -> Result<(), JournalError> {
        let id = self.id(signed);
        let mut batch = WriteBatch::default();
        batch.put(Table::Pool, id.0, signed.to_bytes());
        // It may have been refused before, and sent again.
        batch.delete(Table::Fates, id.0);
        Ok(self.store.write(batch)?)
    }

    /// Keeps what became of accepted transactions.
    ///
    /// # Errors
    /// When the store fails.
    pub fn change(&self, changes: &Changes) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        changes.gone.iter().for_each(|id| batch.delete(Table::Pool, id.0));
        for (id, fate) in &changes.fates {
            match fate {
                Some(fate) => batch.put(Table::Fates, id.0, fate.to_bytes()),
                None => batch.delete(Table::Fates, id.0),
            }
        }
        Ok(self.store.write(batch)?)
    }

    /// What became of a transaction that no batch has.
    ///
    /// # Errors
    /// When the store fails.
    pub fn fate(&self, id: &TransactionId) -> Result<Option<Fate>, JournalError> {
        let found = self.store.get(Table::Fates, &id.0)?;
        let read = |bytes: Vec<u8>| {
            Fate::from_bytes(&bytes).map_err(|reason| damaged(format!("what became of transaction {id}"), reason))
        };
        found.map(read).transpose()
    }

    /// The accepted transaction with this id that no batch has yet.
    ///
    /// # Errors
    /// When the store fails.
    pub fn accepted(&self, id: &TransactionId) -> Result<Option<SignedTransaction>, JournalError> {
        let found = self.store.get(Table::Pool, &id.0)?;
        let read = |bytes: Vec<u8>| {
            SignedTransaction::from_bytes(&bytes).map_err(|error| damaged(format!("transaction {id}"), error))
        };
        found.map(read).transpose()
    }

    /// Batch and place of a transaction.
    ///
    /// # Errors
    /// When the store fails.
    pub fn place(&self, id: &TransactionId) -> Result<Option<(u64, u32)>, JournalError> {
        let found = self.store.get(Table::Transactions, &id.0)?;
        let read = |bytes: Vec<u8>| {
            let (number, place) = bytes.split_first_chunk::<8>()?;
            Some((u64::from_be_bytes(*number), u32::from_be_bytes(place.try_into().ok()?)))
        };
        found
            .map(|bytes| read(bytes).ok_or_else(|| damaged(format!("the place of transaction {id}"), "its length")))
            .transpose()
    }

    // BATCHES
    // ============================================================================================================

    /// Keeps a sealed batch, the accounts after it, and the places of its transactions, which leave the pool.
    ///
    /// # Errors
    /// When the store fails: the batch is then not sealed.
    pub fn seal(&self, sealed: &Sealed, after: &Overlay) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.put(Table::Batches, number_key(sealed.number), write_sealed(sealed));
        for (index, account) in after.touched() {
            batch.put(Table::Accounts, index.to_be_bytes(), write_account(account));
        }
        for (id, place) in self.ids(sealed).into_iter().zip(0u32..) {
            let value = [&sealed.number.to_be_bytes()[..], &place.to_be_bytes()].concat();
            batch.put(Table::Transactions, id.0, value);
            batch.delete(Table::Pool, id.0);
            batch.delete(Table::Fates, id.0);
        }
        Ok(self.store.write(batch)?)
    }

    /// Keeps a sealed batch in the place of the same one of which less was known.
    ///
    /// # Errors
    /// When the store fails.
    pub fn rewrite(&self, sealed: &Sealed) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.put(Table::Batches, number_key(sealed.number), write_sealed(sealed));
        Ok(self.store.write(batch)?)
    }

    /// Takes the last sealed batch back: accounts as they were, its transactions in the pool again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unseal(&self, sealed: &Sealed) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.delete(Table::Batches, number_key(sealed.number));
        for (key, _) in self.store.scan(&proofs_to(sealed.number))? {
            batch.delete(Table::Proofs, key);
        }
        for (index, before) in &sealed.undo {
            match before {
                Some(account) => batch.put(Table::Accounts, index.to_be_bytes(), write_account(account)),
                None => batch.delete(Table::Accounts, index.to_be_bytes()),
            }
        }
        for id in self.ids(sealed) {
            batch.delete(Table::Transactions, id.0);
        }
        for signed in sealed.transactions() {
            batch.put(Table::Pool, self.id(signed).0, signed.to_bytes());
        }
        self.delete_blocks(&mut batch, sealed.number, u64::MAX / MAX_INDEX)?;
        Ok(self.store.write(batch)?)
    }

    /// The ids of a batch's transactions.
    pub fn ids(&self, sealed: &Sealed) -> Vec<TransactionId> {
        match &sealed.body {
            Body::Signed(batch) => batch.transactions.iter().map(|signed| self.id(signed)).collect(),
            Body::Public { ids, .. } => ids.clone(),
        }
    }

    /// The sealed batch with this number.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub fn sealed(&self, number: u64) -> Result<Option<Sealed>, JournalError> {
        let found = self.store.get(Table::Batches, &number_key(number))?;
        found
            .map(|bytes| read_sealed(number, &bytes).map_err(|reason| damaged(format!("batch {number}"), reason)))
            .transpose()
    }

    /// `state`, which is that after batch `last`, as it was after batch `number`.
    ///
    /// # Errors
    /// When a batch is missing or damaged.
    pub fn rewind(&self, state: &State, last: u64, number: u64) -> Result<State, JournalError> {
        let mut accounts = state.accounts().to_vec();
        for number in (number + 1..=last).rev() {
            let sealed = self.sealed(number)?;
            let sealed = sealed.ok_or_else(|| damaged(format!("batch {number}"), "it is missing"))?;
            undo(&mut accounts, &sealed.undo);
        }
        Ok(State::from_accounts(accounts))
    }

    // BLOCKS
    // ============================================================================================================

    /// Keeps a signed block.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_block(&self, block: &Block) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.put(Table::Blocks, block_key(block.position()), block.to_bytes());
        Ok(self.store.write(batch)?)
    }

    /// The signed blocks from a position on, at most `count`.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub fn blocks(&self, position: u64, count: usize) -> Result<Vec<Block>, JournalError> {
        let mut scan = Scan::all(Table::Blocks);
        scan.after = position.checked_sub(1).map(|before| block_key(before).to_vec());
        scan.limit = count;
        let read = |(_, value): &(Vec<u8>, Vec<u8>)| Block::from_bytes(value);
        let found: Result<Vec<Block>, _> = self.store.scan(&scan)?.iter().map(read).collect();
        found.map_err(|error| damaged("a block", error))
    }

    /// Forgets the signed blocks of batches from `first` to `last`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_blocks(&self, first: u64, last: u64) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        self.delete_blocks(&mut batch, first, last)?;
        Ok(self.store.write(batch)?)
    }

    fn delete_blocks(&self, batch: &mut WriteBatch, first: u64, last: u64) -> Result<(), JournalError> {
        let mut scan = Scan::all(Table::Blocks);
        scan.after = (first.saturating_mul(MAX_INDEX))
            .checked_sub(1)
            .map(|before| block_key(before).to_vec());
        for (key, _) in self.store.scan(&scan)? {
            if key.as_slice() >= block_key(last.saturating_add(1).saturating_mul(MAX_INDEX)).as_slice() {
                break;
            }
            batch.delete(Table::Blocks, key);
        }
        Ok(())
    }

    /// Keeps a signed header that was seen, if it is not known, and gives another of its place and signer, if there is one.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub fn see_header(&self, signed: &SignedHeader, signer: L1Address) -> Result<Option<SignedHeader>, JournalError> {
        let header = &signed.header;
        let mut place = header.slot.to_be_bytes().to_vec();
        place.extend(header.batch.to_be_bytes());
        place.extend(header.index.to_be_bytes());
        place.extend(signer.0);
        let found = self.store.get(Table::Headers, &place)?;
        let Some(found) = found else {
            let mut batch = WriteBatch::default();
            batch.put(Table::Headers, place, signed.to_bytes());
            self.store.write(batch)?;
            return Ok(None);
        };
        let found = SignedHeader::from_bytes(&found).map_err(|error| damaged("a header that was seen", error))?;
        Ok((found.header != *header).then_some(found))
    }

    /// The headers of a slot and a batch that were seen with a signer's signature.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub fn headers_seen(&self, slot: u64, batch: u64, signer: L1Address) -> Result<Vec<SignedHeader>, JournalError> {
        let mut scan = Scan::all(Table::Headers);
        scan.prefix = [slot.to_be_bytes(), batch.to_be_bytes()].concat();
        let found = self.store.scan(&scan)?;
        let its = found.iter().filter(|(key, _)| key.ends_with(&signer.0));
        its.map(|(_, value)| SignedHeader::from_bytes(value).map_err(|error| damaged("a header that was seen", error)))
            .collect()
    }

    /// Forgets the headers of slots before `slot`.
    ///
    /// # Errors
    /// When the store fails.
    pub fn forget_headers(&self, slot: u64) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        let mut scan = Scan::all(Table::Headers);
        scan.limit = 4_096;
        for (key, _) in self.store.scan(&scan)? {
            if key.as_slice() >= slot.to_be_bytes().as_slice() {
                break;
            }
            batch.delete(Table::Headers, key);
        }
        if batch.is_empty() {
            return Ok(());
        }
        Ok(self.store.write(batch)?)
    }

    // PROOFS
    // ============================================================================================================

    /// Keeps a proof.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_proof(&self, proof: &StoredProof) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.put(Table::Proofs, proof_key(proof.first, proof.last), write_proof(proof));
        Ok(self.store.write(batch)?)
    }

    /// Whether there is a proof of this run of batches.
    ///
    /// # Errors
    /// When the store fails.
    pub fn has_proof(&self, first: u64, last: u64) -> Result<bool, JournalError> {
        Ok(self.store.get(Table::Proofs, &proof_key(first, last))?.is_some())
    }

    /// How many proofs end at this batch.
    ///
    /// # Errors
    /// When the store fails.
    pub fn proofs_to(&self, last: u64) -> Result<usize, JournalError> {
        Ok(self.store.scan(&proofs_to(last))?.len())
    }

    /// The proof of this run of batches.
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub fn proof(&self, first: u64, last: u64) -> Result<Option<StoredProof>, JournalError> {
        let found = self.store.get(Table::Proofs, &proof_key(first, last))?;
        let read = |value: Vec<u8>| read_proof_at((first, last), &value);
        found.map(read).transpose()
    }

    /// At most `count` proofs that end at batch `number` or later, by last batch and of one last batch by the first. Each has more than 100 KB, and there are as many as
    /// were ever made: whoever asks from far back asks for few.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub fn proofs(&self, number: u64, count: usize) -> Result<Vec<StoredProof>, JournalError> {
        let mut scan = Scan::all(Table::Proofs);
        scan.after = number.checked_sub(1).map(|before| proof_key(u64::MAX, before).to_vec());
        scan.limit = count;
        self.read_proofs(&scan)
    }

    /// Each proof that ends at batch `number` or later, in the order of [Journal::proofs]; one is in memory at a time.
    ///
    /// # Errors
    /// When the store fails, a record is damaged, or `each` fails.
    pub fn each_proof(
        &self,
        number: u64,
        mut each: impl FnMut(StoredProof) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let mut next = self.proofs(number, 1)?.pop();
        while let Some(proof) = next.take() {
            let (first, last) = (proof.first, proof.last);
            each(proof)?;
            next = self.proof_after(first, last)?;
        }
        Ok(())
    }

    /// The proof behind that of the run from `first` to `last`, in the order of [Journal::proofs].
    ///
    /// # Errors
    /// When the store fails or the record is damaged.
    pub fn proof_after(&self, first: u64, last: u64) -> Result<Option<StoredProof>, JournalError> {
        let mut scan = Scan::all(Table::Proofs);
        scan.after = Some(proof_key(first, last).to_vec());
        scan.limit = 1;
        Ok(self.read_proofs(&scan)?.pop())
    }

    fn read_proofs(&self, scan: &Scan) -> Result<Vec<StoredProof>, JournalError> {
        let read = |(key, value): &(Vec<u8>, Vec<u8>)| {
            let run = run_of(key).ok_or_else(|| damaged("a proof", "its key's length"))?;
            read_proof_at(run, value)
        };
        self.store.scan(scan)?.iter().map(read).collect()
    }
}

/// The key of a proof. Any run that ends with a batch may have been proven, and L1 has settled one of them.
fn proof_key(first: u64, last: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&number_key(last));
    key[8..].copy_from_slice(&number_key(first));
    key
}

/// First and last batch of a key that [proof_key] made.
fn run_of(key: &[u8]) -> Option<(u64, u64)> {
    let (last, first) = key.split_at_checked(8)?;
    Some((number_of(first)?, number_of(last)?))
}

/// The proofs that end at a batch.
fn proofs_to(last: u64) -> Scan {
    let mut scan = Scan::all(Table::Proofs);
    scan.prefix = number_key(last).to_vec();
    scan
}

fn read_proof_at((first, last): (u64, u64), value: &[u8]) -> Result<StoredProof, JournalError> {
    let what = || format!("the proof of batches {first} to {last}");
    let proof = read_proof(last, value).ok_or_else(|| damaged(what(), "its length"))?;
    match proof.first == first {
        true => Ok(proof),
        false => Err(damaged(what(), "its first batch")),
    }
}

fn block_key(position: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&(position / MAX_INDEX).to_be_bytes());
    key[8..].copy_from_slice(&((position % MAX_INDEX) as u32).to_be_bytes());
    key
}

/// Takes changes back, the accounts opened last first.
fn undo(accounts: &mut Vec<Account>, changes: &[Undo]) {
    for (index, before) in changes.iter().rev() {
        match before {
            Some(account) => {
                if let Some(place) = accounts.get_mut(*index as usize) {
                    *place = *account;
                }
            }
            None => accounts.truncate(*index as usize),
        }
    }
}

/// The accounts that a batch touched, as they were, by ascending index.
pub(crate) fn undo_of(before: &State, after: &Overlay) -> Vec<Undo> {
    let touched = after.touched().keys();
    touched.map(|index| (*index, before.account(*index).copied())).collect()
}
