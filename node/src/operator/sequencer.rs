//! Orders transactions into batches.
//!
//! Accepted transactions wait in the pool, on disk too; a batch is filled with the queue's entries and the pool's best
//! transactions and sealed by size or age. What is sealed is in the journal before anybody hears of it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use starling_rollup::account::Account;
use starling_rollup::address::Address;
use starling_rollup::batch::OpenBatch;
use starling_rollup::chain;
use starling_rollup::entry::{ENTRY_WORDS, Entry};
use starling_rollup::envelope::TransactionId;
use starling_rollup::record::Record;
use starling_rollup::rules::Refusal;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction};
use starling_rollup::tree::Path;
use starling_vm::field::Word;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::journal::{Journal, JournalError, Sealed, undo_of};
use crate::mempool::{AccountView, Inserted, Mempool, PoolError, recipient_stands};

/// A sequencer that the RPC and the settler share.
pub type SharedSequencer = Arc<Mutex<Sequencer>>;

/// When a batch is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// As soon as it has so many operations, entries included.
    pub operations: usize,
    /// As soon as its first operation is so old.
    pub age: Duration,
}

/// Why the sequencer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The batch has fees that nobody can take.
    #[error("the batch's fees cannot be credited to account {account}: {refusal}")]
    Fees {
        /// The fee account.
        account: u32,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a transaction is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The rules refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The pool refuses it.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// It cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// It is in a batch already.
    #[error("the transaction is in batch {batch} already")]
    Sealed {
        /// The batch.
        batch: u64,
    },
}

/// Where a transaction stands in the sequencer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the pool.
    Pending,
    /// In a batch.
    Sealed {
        /// The batch.
        batch: u64,
        /// Its place among the batch's signed operations.
        position: u32,
        /// Entries of the queue that stand before them.
        entries: u32,
    },
}

/// The sequencer.
#[derive(Debug)]
pub struct Sequencer {
    journal: Journal,
    rollup: RollupId,
    sealing: Sealing,
    /// Whose account the fees go to.
    fee_address: Address,
    /// The state after the last sealed batch.
    state: State,
    last: u64,
    digest: Word,
    queue_end: u64,
    /// The queue's entries from the first on, as far as they are confirmed.
    entries: Vec<Entry>,
    pool: Mempool,
    /// Accepted transactions that the pool does not take yet: what they need was in a batch that has not been sealed again.
    deferred: Vec<SignedTransaction>,
    open: OpenBatch,
    opened: Option<Instant>,
    indices: HashMap<[u8; 32], Vec<u32>>,
}

struct View<'a>(&'a OpenBatch, &'a State);

impl AccountView for View<'_> {
    fn account(&self, index: u32) -> Option<Account> {
        self.0.overlay().account(self.1, index)
    }
}

impl Sequencer {
    /// The sequencer as the journal left it. Fees go to the account of `fee_address`, as soon as there is one.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn recover(
        journal: Journal,
        sealing: Sealing,
        fee_address: Address,
        pool: Mempool,
    ) -> Result<Self, JournalError> {
        let found = journal.recover()?;
        let rollup = *journal.rollup();
        let mut sequencer = Self {
            rollup,
            journal,
            sealing,
            fee_address,
            open: OpenBatch::new(&found.state, 0),
            opened: None,
            state: found.state,
            last: found.last,
            digest: found.digest,
            queue_end: found.queue_end,
            entries: Vec::new(),
            pool,
            deferred: found.pool,
            indices: HashMap::new(),
        };
        for index in 0..sequencer.state.next() as u32 {
            sequencer.learn_index(index);
        }
        sequencer.retry_deferred();
        Ok(sequencer)
    }

    fn learn_index(&mut self, index: u32) {
        if let Some(account) = self.state.account(index) {
            let known = self.indices.entry(account.address.to_bytes()).or_default();
            if !known.contains(&index) {
                known.push(index);
            }
        }
    }

    /// Puts accepted transactions into the pool. One that can never be executed is forgotten; one that needs what another
    /// brings waits for it.
    fn retry_deferred(&mut self) {
        let mut waiting = std::mem::take(&mut self.deferred);
        waiting.sort_by_key(|signed| (signed.transaction.from, signed.transaction.nonce));
        for signed in waiting {
            let id = self.journal.id(&signed);
            match self.pool.insert(id, signed.clone(), &View(&self.open, &self.state)) {
                Ok(inserted) => {
                    let gone = inserted.gone();
                    self.forget(&gone);
                }
                Err(PoolError::Known) => {}
                Err(error @ PoolError::NonceUsed { .. }) => {
                    warn!(%id, %error, "an accepted transaction cannot be executed any more");
                    self.forget(&[id]);
                }
                Err(_) => self.deferred.push(signed),
            }
        }
    }

    /// Forgets accepted transactions that will not be executed.
    fn forget(&self, ids: &[TransactionId]) {
        if ids.is_empty() {
            return;
        }
        if let Err(error) = self.journal.drop_accepted(ids) {
            // A restart finds them again, and that they cannot be executed.
            warn!(%error, "the journal");
        }
    }

    // READING
    // ============================================================================================================

    /// The rollup.
    pub fn rollup(&self) -> &RollupId {
        &self.rollup
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The state after the last sealed batch.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The last sealed batch.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Transactions in the pool, and in the batch that is being filled.
    pub fn waiting(&self) -> (usize, usize) {
        (
            self.pool.len() + self.deferred.len(),
            self.open.batch().transactions.len(),
        )
    }

    /// The indices of an address's accounts.
    pub fn indices(&self, address: &Address) -> Vec<u32> {
        self.indices
            .get(&address.to_bytes())
            .into_iter()
            .flatten()
            .copied()
            .filter(|index| {
                self.state
                    .account(*index)
                    .is_some_and(|account| account.address == *address)
            })
            .collect()
    }

    /// The account at `index` after the last sealed batch, with its path to the root.
    pub fn account(&self, index: u32) -> Option<(Account, Path)> {
        let account = *self.state.account(index)?;
        Some((account, self.state.tree().path(index)))
    }

    /// The account at `index` as the operations accepted so far leave it, and the nonce that its next one needs.
    pub fn soft_account(&self, index: u32) -> Option<(Account, u32)> {
        let account = View(&self.open, &self.state).account(index)?;
        let next = self.pool.next_nonce(index, account.nonce);
        Some((account, next.unwrap_or(account.nonce)))
    }

    /// Where a transaction stands; `None` if it was never accepted.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn place(&self, id: &TransactionId) -> Result<Option<Place>, JournalError> {
        if let Some((batch, position)) = self.journal.place(id)? {
            let entries = self
                .journal
                .sealed(batch)?
                .map_or(0, |sealed| sealed.batch.entries.len() as u32);
            return Ok(Some(Place::Sealed {
                batch,
                position,
                entries,
            }));
        }
        Ok(self.journal.accepted(id)?.map(|_| Place::Pending))
    }

    // TRANSACTIONS
    // ============================================================================================================

    /// All that [Sequencer::submit] checks, without taking anything.
    ///
    /// # Errors
    /// Why the transaction would not be accepted.
    pub fn check(&self, signed: &SignedTransaction) -> Result<TransactionId, SubmitError> {
        let id = self.journal.id(signed);
        self.plan(&id, signed)?;
        Ok(id)
    }

    fn plan(&self, id: &TransactionId, signed: &SignedTransaction) -> Result<Inserted, SubmitError> {
        if let Some((batch, _)) = self.journal.place(id)? {
            return Err(SubmitError::Sealed { batch });
        }
        let view = View(&self.open, &self.state);
        let index = signed.transaction.from;
        let sender = view.account(index).ok_or(Refusal::NoSuchAccount { index })?;
        if sender.address != signed.sender() {
            return Err(Refusal::NotTheOwner { index }.into());
        }
        if let Operation::Transfer { to: index, .. } = signed.transaction.operation
            && !recipient_stands(signed, &view)
        {
            return Err(Refusal::Recipient { index }.into());
        }
        Ok(self.pool.check(id, signed, &view)?)
    }

    /// Accepts a transaction whose signature has been verified: it is on disk when this returns.
    ///
    /// # Errors
    /// Why it is not accepted; everything is then as it was.
    pub fn submit(&mut self, signed: SignedTransaction) -> Result<TransactionId, SubmitError> {
        let id = self.journal.id(&signed);
        let planned = self.plan(&id, &signed)?;
        self.journal.accept(&signed, &planned.gone())?;
        self.pool.insert(id, signed, &View(&self.open, &self.state))?;
        Ok(id)
    }

    // BATCHES
    // ============================================================================================================

    /// Takes over the queue's entries, from the first on. A reorganisation can replace entries by as many others.
    pub fn learn(&mut self, entries: &[Entry]) {
        if entries != self.entries {
            self.entries = entries.to_vec();
        }
    }

    /// Fills the batch and seals it if it is time; the sealed batch's number.
    ///
    /// # Errors
    /// When the journal fails: the batch is then not sealed, and is tried again.
    pub fn tick(&mut self) -> Result<Option<u64>, SequencerError> {
        self.fill();
        let operations = self.open.batch().entries.len() + self.open.batch().transactions.len();
        let old = self.opened.is_some_and(|opened| opened.elapsed() >= self.sealing.age);
        if operations == 0 || !(old || operations >= self.sealing.operations) {
            return Ok(None);
        }
        self.seal().map(Some)
    }

    fn fill(&mut self) {
        self.retry_deferred();
        let room =
            |open: &OpenBatch, limit: usize| open.batch().entries.len() + open.batch().transactions.len() < limit;
        while self.open.batch().transactions.is_empty() && room(&self.open, self.sealing.operations) {
            let number = self.queue_end + self.open.batch().entries.len() as u64;
            let Some(entry) = usize::try_from(number).ok().and_then(|at| self.entries.get(at)) else {
                break;
            };
            if self.open.enter(&self.state, *entry).is_err() {
                break;
            }
            self.opened.get_or_insert_with(Instant::now);
        }
        let fee_account = self.fee_account();
        if let Some(index) = fee_account {
            self.open.set_fee_account(index);
        }
        while room(&self.open, self.sealing.operations) {
            let Some((id, signed)) = self.pool.pop(&View(&self.open, &self.state)) else {
                break;
            };
            let fee_is_lost = signed.transaction.fee > 0 && fee_account.is_none();
            let outcome = if fee_is_lost {
                Err(Refusal::NoSuchAccount { index: 0 })
            } else {
                self.open.apply_verified(&self.state, &signed)
            };
            match outcome {
                Ok(()) => {
                    self.opened.get_or_insert_with(Instant::now);
                }
                // It waits for the next batch, or until the operator has an account.
                Err(refusal) if fee_is_lost || matches!(refusal, Refusal::BatchFull { .. }) => {
                    self.deferred.push(signed);
                    break;
                }
                Err(refusal) => {
                    warn!(%id, %refusal, "an accepted transaction is refused");
                    self.forget(&[id]);
                }
            }
        }
    }

    fn fee_account(&self) -> Option<u32> {
        let sealed = self.indices(&self.fee_address);
        let opened = (self.state.next()..self.open.overlay().next()).map(|index| index as u32);
        sealed.into_iter().chain(opened).find(|index| {
            let account = self.open.overlay().account(&self.state, *index);
            account.is_some_and(|account| account.address == self.fee_address)
        })
    }

    fn seal(&mut self) -> Result<u64, SequencerError> {
        let account = self.open.batch().fee_account;
        let (batch, overlay) = self
            .open
            .clone()
            .finish(&self.state)
            .map_err(|refusal| SequencerError::Fees { account, refusal })?;
        let number = self.last + 1;
        let sealed = Sealed {
            number,
            root: self.state.root_with(&overlay),
            parent_digest: self.digest,
            digest: chain::next(&self.digest, &batch.data().to_words(), &self.rollup, number),
            queue_end: self.queue_end + batch.entries.len() as u64,
            sealed_at: now(),
            undo: undo_of(&self.state, &overlay),
            batch,
        };
        self.journal.seal(&sealed, &overlay)?;
        self.state.absorb(&overlay);
        for index in overlay.touched().keys() {
            self.learn_index(*index);
        }
        self.last = number;
        self.digest = sealed.digest;
        self.queue_end = sealed.queue_end;
        self.reopen();
        let gone = self.pool.revalidate(&View(&self.open, &self.state));
        if !gone.is_empty() {
            warn!(count = gone.len(), "accepted transactions cannot be executed any more");
            self.forget(&gone);
        }
        info!(
            batch = number,
            entries = sealed.batch.entries.len(),
            transactions = sealed.batch.transactions.len(),
            "sealed"
        );
        Ok(number)
    }

    fn reopen(&mut self) {
        self.open = OpenBatch::new(&self.state, 0);
        self.opened = None;
        self.retry_deferred();
    }

    /// Takes back the sealed batches above `committed` from the first on that has an entry which `stands` denies: L1 was
    /// reorganised, and the queue is another now. Their transactions go back to the pool.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn take_back_unless(
        &mut self,
        committed: u64,
        stands: impl Fn(u64, &Entry) -> bool,
    ) -> Result<(), SequencerError> {
        let mut sound = committed.min(self.last);
        for number in sound + 1..=self.last {
            let Some(sealed) = self.journal.sealed(number)? else {
                break;
            };
            let first = sealed.queue_end - sealed.batch.entries.len() as u64;
            let mut entries = (first..).zip(&sealed.batch.entries);
            if !entries.all(|(at, (entry, _))| stands(at, entry)) {
                break;
            }
            sound = number;
        }
        let mut again = Vec::new();
        let open = self.open.batch();
        let mut entries = (self.queue_end..).zip(&open.entries);
        let open_stands = entries.all(|(at, (entry, _))| stands(at, entry));
        if sound == self.last && open_stands {
            return Ok(());
        }
        again.extend(open.transactions.iter().cloned());
        while self.last > sound {
            let Some(sealed) = self.journal.sealed(self.last)? else {
                break;
            };
            warn!(batch = self.last, "taken back: L1's queue is another now");
            let state = self.journal.rewind(&self.state, self.last, self.last - 1)?;
            self.journal.unseal(&sealed)?;
            self.state = state;
            self.last -= 1;
            self.digest = sealed.parent_digest;
            self.queue_end = sealed.queue_end - sealed.batch.entries.len() as u64;
            again.extend(sealed.batch.transactions);
        }
        self.entries.clear();
        // From the lowest nonce on: what waits may have to stand behind what comes back.
        again.extend(self.pool.take_all());
        self.deferred.extend(again);
        self.reopen();
        Ok(())
    }

    /// Words that an operation adds to a batch's data, and those of an entry: what an operation costs on L1.
    pub fn words_of(signed: &SignedTransaction) -> (usize, usize) {
        let transaction = &signed.transaction;
        let record = Record::new(transaction.from, transaction.fee, &transaction.operation);
        (record.encode().len(), ENTRY_WORDS)
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
