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
use tracing::info;

use super::fate::Reason;
use super::feed::{Feed, Standing};
use super::journal::{Journal, JournalError, Sealed, undo_of};
use super::outside::Outside;
use crate::mempool::{AccountView, Inserted, Mempool, PoolError, recipient_stands};

/// A sequencer that the RPC and the settler share.
pub type SharedSequencer = Arc<Mutex<Sequencer>>;

/// Changes of batches that are kept for listeners, if nothing else is said.
const BACKLOG: usize = 1_024;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was accepted, and will not be executed.
    Refused(Reason),
    /// Outside the pool, after its batch was taken back.
    Waiting(Reason),
    /// In the pool, or in the batch that is being filled.
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
    pub(super) journal: Journal,
    rollup: RollupId,
    sealing: Sealing,
    /// Whose account the fees go to.
    fee_address: Address,
    /// The state after the last sealed batch.
    pub(super) state: State,
    pub(super) last: u64,
    pub(super) digest: Word,
    pub(super) queue_end: u64,
    /// The queue's entries from the first on, as far as they are confirmed.
    pub(super) entries: Vec<Entry>,
    pub(super) pool: Mempool,
    pub(super) outside: Outside,
    pub(super) open: OpenBatch,
    opened: Option<Instant>,
    pub(super) feed: Feed,
    /// The last batches on L1, committed and proven, as far as they were told.
    pub(super) reached: Option<(u64, u64)>,
    indices: HashMap<[u8; 32], Vec<u32>>,
}

/// Accounts as the batch that is being filled leaves them.
pub(super) struct View<'a>(pub(super) &'a OpenBatch, pub(super) &'a State);

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
            outside: Outside::new(pool.limits(), &found, |signed| journal.id(signed)),
            journal,
            sealing,
            fee_address,
            open: OpenBatch::new(&found.state, 0),
            opened: None,
            feed: Feed::new(BACKLOG),
            reached: None,
            state: found.state,
            last: found.last,
            digest: found.digest,
            queue_end: found.queue_end,
            entries: Vec::new(),
            pool,
            indices: HashMap::new(),
        };
        for index in 0..sequencer.state.next() as u32 {
            sequencer.learn_index(index);
        }
        sequencer.retry();
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
            self.pool.len() + self.outside.len(),
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

    /// Where a transaction stands; `None` if it was never accepted, or refused so long ago that it is forgotten.
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
        if let Some(reason) = self.refusal(id)? {
            return Ok(Some(Place::Refused(reason)));
        }
        let accepted = self.journal.accepted(id)?;
        Ok(accepted.map(|signed| match self.outside_reason(id, &signed) {
            Some(reason) => Place::Waiting(reason),
            None => Place::Pending,
        }))
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
        let evicted = self.evicted(&planned);
        // What it pushes out goes after it is kept: between the two a restart finds both, and pushes out one of them again.
        self.journal.accept(&signed)?;
        self.supersede(&id, &signed);
        let inserted = self.pool.insert(id, signed, &View(&self.open, &self.state))?;
        self.pushed_out(&inserted, evicted, &id);
        self.write_changes();
        self.outside.untold = true;
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
        self.write_changes();
        // Once a tick, however many came.
        if std::mem::take(&mut self.outside.untold) {
            self.feed.touch();
        }
        let operations = self.open.batch().entries.len() + self.open.batch().transactions.len();
        let old = self.opened.is_some_and(|opened| opened.elapsed() >= self.sealing.age);
        if operations == 0 || !(old || operations >= self.sealing.operations) {
            return Ok(None);
        }
        self.seal().map(Some)
    }

    fn fill(&mut self) {
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
            self.outside.changed = true;
            self.opened.get_or_insert_with(Instant::now);
        }
        self.retry();
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
                    if let Err(error) = self.pool.insert(id, signed.clone(), &View(&self.open, &self.state)) {
                        self.keep_out(id, signed, Reason::from(&error));
                    }
                    break;
                }
                Err(refusal) => self.keep_out(id, signed, Reason::from(&refusal)),
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
        self.tell(&sealed, Standing::Sealed);
        self.reopen();
        for signed in &sealed.batch.transactions {
            self.outside.sealed(&self.journal.id(signed));
        }
        for unfit in self.pool.revalidate(&View(&self.open, &self.state)) {
            self.keep_out(unfit.id, unfit.signed, Reason::from(&unfit.reason));
        }
        self.retry();
        info!(
            batch = number,
            entries = sealed.batch.entries.len(),
            transactions = sealed.batch.transactions.len(),
            "sealed"
        );
        Ok(number)
    }

    /// Begins another batch.
    pub(super) fn reopen(&mut self) {
        self.open = OpenBatch::new(&self.state, 0);
        self.opened = None;
        self.outside.changed = true;
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
