//! What an operator must not forget: sealed batches, accounts, accepted transactions, proofs.
//!
//! Every method that writes does so in one batch of the store: after a crash the journal is as it was before a call or after it.

use std::sync::Arc;

use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::Batch;
use starling_rollup::batch_file::BatchFileError;
use starling_rollup::chain::{GENESIS, word_bytes};
use starling_rollup::envelope::{EnvelopeError, TransactionId};
use starling_rollup::rules::Overlay;
use starling_rollup::state::State;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use starling_vm::field::Word;

use crate::store::{Scan, Store, StoreError, Table, WriteBatch, number_key, number_of};

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
    /// The accounts that it changed, as they were.
    pub undo: Vec<Undo>,
    /// The batch.
    pub batch: Batch,
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
    /// Accepted transactions that no batch has.
    pub pool: Vec<SignedTransaction>,
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
        let (digest, queue_end, root) = match self.sealed(last)? {
            Some(sealed) => (sealed.digest, sealed.queue_end, Some(sealed.root)),
            None => (GENESIS, 0, None),
        };
        let state = State::from_accounts(accounts);
        if root.is_some_and(|root| root != state.root()) {
            return Err(damaged("the accounts", "their root is not that of the last batch"));
        }
        let pool = self.store.scan(&Scan::all(Table::Pool))?;
        let read = |(_, value): &(Vec<u8>, Vec<u8>)| SignedTransaction::from_bytes(value);
        let pool: Result<Vec<SignedTransaction>, EnvelopeError> = pool.iter().map(read).collect();
        let pool = pool.map_err(|error| damaged("an accepted transaction", error))?;
        Ok(Recovered {
            state,
            last,
            digest,
            queue_end,
            pool,
        })
    }

    // TRANSACTIONS
    // ============================================================================================================

    /// The id of a transaction.
    pub fn id(&self, signed: &SignedTransaction) -> TransactionId {
        TransactionId::new(&signed.transaction, &self.word)
    }

    /// Keeps an accepted transaction, in place of those that it pushes out.
    ///
    /// # Errors
    /// When the store fails: the transaction is then not accepted.
    pub fn accept(&self, signed: &SignedTransaction, gone: &[TransactionId]) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        gone.iter().for_each(|id| batch.delete(Table::Pool, id.0));
        batch.put(Table::Pool, self.id(signed).0, signed.to_bytes());
        Ok(self.store.write(batch)?)
    }

    /// Forgets accepted transactions that can never be executed.
    ///
    /// # Errors
    /// When the store fails.
    pub fn drop_accepted(&self, ids: &[TransactionId]) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        ids.iter().for_each(|id| batch.delete(Table::Pool, id.0));
        Ok(self.store.write(batch)?)
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
        for (signed, place) in sealed.batch.transactions.iter().zip(0u32..) {
            let id = self.id(signed);
            let value = [&sealed.number.to_be_bytes()[..], &place.to_be_bytes()].concat();
            batch.put(Table::Transactions, id.0, value);
            batch.delete(Table::Pool, id.0);
        }
        Ok(self.store.write(batch)?)
    }

    /// Takes the last sealed batch back: accounts as they were, its transactions in the pool again.
    ///
    /// # Errors
    /// When the store fails.
    pub fn unseal(&self, sealed: &Sealed) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.delete(Table::Batches, number_key(sealed.number));
        batch.delete(Table::Proofs, number_key(sealed.number));
        for (index, before) in &sealed.undo {
            match before {
                Some(account) => batch.put(Table::Accounts, index.to_be_bytes(), write_account(account)),
                None => batch.delete(Table::Accounts, index.to_be_bytes()),
            }
        }
        for signed in &sealed.batch.transactions {
            let id = self.id(signed);
            batch.delete(Table::Transactions, id.0);
            batch.put(Table::Pool, id.0, signed.to_bytes());
        }
        Ok(self.store.write(batch)?)
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

    // PROOFS
    // ============================================================================================================

    /// Keeps a proof.
    ///
    /// # Errors
    /// When the store fails.
    pub fn keep_proof(&self, proof: &StoredProof) -> Result<(), JournalError> {
        let mut batch = WriteBatch::default();
        batch.put(Table::Proofs, number_key(proof.last), write_proof(proof));
        Ok(self.store.write(batch)?)
    }

    /// The proofs that end at batch `number` or later, earliest first.
    ///
    /// # Errors
    /// When the store fails or a record is damaged.
    pub fn proofs(&self, number: u64) -> Result<Vec<StoredProof>, JournalError> {
        let mut scan = Scan::all(Table::Proofs);
        scan.after = number.checked_sub(1).map(|before| number_key(before).to_vec());
        let read = |(key, value): &(Vec<u8>, Vec<u8>)| {
            number_of(key)
                .and_then(|last| read_proof(last, value))
                .ok_or_else(|| damaged("a proof", "its length"))
        };
        self.store.scan(&scan)?.iter().map(read).collect()
    }
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

// RECORDS
// ================================================================================================================

const ACCOUNT_BYTES: usize = 44;

fn write_account(account: &Account) -> Vec<u8> {
    let mut bytes = account.address.to_bytes().to_vec();
    bytes.extend(account.nonce.to_be_bytes());
    bytes.extend(account.balance.to_be_bytes());
    bytes
}

fn read_account(bytes: &[u8]) -> Option<Account> {
    let (address, rest) = bytes.split_first_chunk::<32>()?;
    let (nonce, balance) = rest.split_first_chunk::<4>()?;
    Some(Account {
        address: Address::from_bytes(address)?,
        nonce: u32::from_be_bytes(*nonce),
        balance: u64::from_be_bytes(balance.try_into().ok()?),
    })
}

fn write_sealed(sealed: &Sealed) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [&sealed.root, &sealed.parent_digest, &sealed.digest] {
        bytes.extend(word_bytes(word));
    }
    bytes.extend(sealed.queue_end.to_be_bytes());
    bytes.extend(sealed.sealed_at.to_be_bytes());
    bytes.extend((sealed.undo.len() as u32).to_be_bytes());
    for (index, before) in &sealed.undo {
        bytes.extend(index.to_be_bytes());
        bytes.push(u8::from(before.is_some()));
        bytes.extend(before.as_ref().map_or(vec![0; ACCOUNT_BYTES], write_account));
    }
    bytes.extend(sealed.batch.to_bytes());
    bytes
}

fn read_sealed(number: u64, bytes: &[u8]) -> Result<Sealed, String> {
    let short = || "it is too short".to_owned();
    let mut rest = bytes;
    let mut word = || -> Result<Word, String> {
        let bytes: [u8; 32] = take(&mut rest).ok_or_else(short)?;
        Ok(Address::from_bytes(&bytes)
            .ok_or("a digest is not canonical")?
            .to_word())
    };
    let (root, parent_digest, digest) = (word()?, word()?, word()?);
    let queue_end = u64::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let sealed_at = u64::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let count = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?);
    let mut undo = Vec::new();
    for _ in 0..count {
        let index = u32::from_be_bytes(take(&mut rest).ok_or_else(short)?);
        let [present] = take(&mut rest).ok_or_else(short)?;
        let account: [u8; ACCOUNT_BYTES] = take(&mut rest).ok_or_else(short)?;
        let before = match present {
            0 => None,
            _ => Some(read_account(&account).ok_or("an account is damaged")?),
        };
        undo.push((index, before));
    }
    let batch = Batch::from_bytes(rest).map_err(|error: BatchFileError| error.to_string())?;
    Ok(Sealed {
        number,
        root,
        parent_digest,
        digest,
        queue_end,
        sealed_at,
        undo,
        batch,
    })
}

fn write_proof(proof: &StoredProof) -> Vec<u8> {
    let mut bytes = word_bytes(&proof.root).to_vec();
    bytes.extend(proof.payee.0);
    for number in [proof.first, proof.rows, proof.prove_ms, proof.peak_bytes] {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(&proof.bytes);
    bytes
}

fn read_proof(last: u64, bytes: &[u8]) -> Option<StoredProof> {
    let mut rest = bytes;
    let root = Address::from_bytes(&take(&mut rest)?)?.to_word();
    let payee = L1Address(take(&mut rest)?);
    let mut number = || take(&mut rest).map(u64::from_be_bytes);
    let (first, rows, prove_ms, peak_bytes) = (number()?, number()?, number()?, number()?);
    Some(StoredProof {
        first,
        last,
        root,
        payee,
        rows,
        prove_ms,
        peak_bytes,
        bytes: rest.to_vec(),
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}
