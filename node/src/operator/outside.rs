//! Accepted transactions that no batch takes now: tried again, or refused with a reason.
//!
//! A transaction that was in a batch which L1 took back, or waited for one at that time, was promised a place; it may need what another
//! of them brings. So it is not refused at once when it does not fit, but waits outside the pool. It is tried again when something
//! has changed that could let it in: a batch was sealed, an entry consumed, another refused. What nothing can mend is refused
//! at once, all else after [Limits::retry_batches](crate::mempool::Limits) sealed batches. Every refusal is kept with its reason.

use std::collections::{BTreeMap, HashMap};

use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::{Operation, SignedTransaction};
use tracing::{info, warn};

use super::fate::{Cause, Changes, Fate, Reason, Refused};
use super::journal::{JournalError, Recovered};
use super::sequencer::{Sequencer, View};
use crate::mempool::{AccountView, Inserted, Limits, PoolError, recipient_stands, rekeyed};

/// Sender, nonce and id: what waits is tried in this order.
type Key = (u32, u32, TransactionId);

/// A transaction that is tried again.
#[derive(Clone, Copy, Debug)]
struct Tried {
    /// Refused, if it does not fit, once this batch is sealed.
    until: u64,
    /// Whether the journal has it.
    kept: bool,
}

/// What stands outside the pool.
#[derive(Debug)]
pub(super) struct Outside {
    retry_batches: u64,
    waiting: BTreeMap<Key, (SignedTransaction, Reason)>,
    /// Those that are tried again when they do not fit, in the pool or outside.
    tried: HashMap<TransactionId, Tried>,
    refused: Refused,
    /// What the journal has not got yet.
    unwritten: Changes,
    /// Whether it refused that the last time.
    failing: bool,
    /// Whether something has changed since the last try.
    pub(super) changed: bool,
    tries: u64,
    /// Whether listeners have not heard of a transaction's last change.
    pub(super) untold: bool,
}

impl Outside {
    /// What the journal knows. After a restart everything that waits is tried again: the batch that was being filled is gone.
    pub(super) fn new(limits: &Limits, found: &Recovered, id: impl Fn(&SignedTransaction) -> TransactionId) -> Self {
        let mut outside = Self {
            retry_batches: limits.retry_batches,
            waiting: BTreeMap::new(),
            tried: HashMap::new(),
            refused: Refused::new(limits.refusals, found.refused.iter().copied()),
            unwritten: Changes::default(),
            failing: false,
            changed: true,
            tries: 0,
            untold: false,
        };
        for signed in &found.pool {
            let id = id(signed);
            outside.push(id, signed.clone(), found.last);
            if let Some(until) = found.tried.get(&id) {
                let (until, kept) = (*until, true);
                outside.tried.insert(id, Tried { until, kept });
            }
        }
        outside
    }

    /// Takes a transaction whose batch is gone; `last` is the last sealed batch.
    pub(super) fn push(&mut self, id: TransactionId, signed: SignedTransaction, last: u64) {
        let (until, kept) = (last.saturating_add(self.retry_batches), false);
        self.tried.insert(id, Tried { until, kept });
        let reason = Reason::new(Cause::TakenBack, "its batch was taken back, and it is tried again");
        self.waiting.insert(key(id, &signed), (signed, reason));
        self.changed = true;
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Forgets a transaction that a batch has.
    pub(super) fn sealed(&mut self, id: &TransactionId) {
        self.tried.remove(id);
        self.waiting.retain(|(.., waiting), _| waiting != id);
        self.unwritten.fates.remove(id);
        self.unwritten.gone.retain(|gone| gone != id);
    }

    /// A signed block has a transaction: it does not wait any more.
    pub(super) fn applied(&mut self, id: &TransactionId, signed: &SignedTransaction) {
        self.waiting.remove(&key(*id, signed));
    }

    /// A transaction that waits.
    pub(super) fn get(&self, id: &TransactionId, signed: &SignedTransaction) -> Option<&SignedTransaction> {
        self.waiting.get(&key(*id, signed)).map(|(signed, _)| signed)
    }

    /// A transaction that waits, by its id alone.
    pub(super) fn find(&self, id: &TransactionId) -> Option<&SignedTransaction> {
        let mut all = self.waiting.iter();
        all.find(|((.., waiting), _)| waiting == id)
            .map(|(_, (signed, _))| signed)
    }
}

fn key(id: TransactionId, signed: &SignedTransaction) -> Key {
    (signed.transaction.from, signed.transaction.nonce, id)
}

impl Sequencer {
    /// Transactions that wait outside the pool.
    pub fn outside(&self) -> usize {
        self.outside.len()
    }

    /// How often a transaction outside the pool was tried since the start.
    pub fn tries(&self) -> u64 {
        self.outside.tries
    }

    /// Why a transaction waits outside the pool, if it does.
    pub(super) fn outside_reason(&self, id: &TransactionId, signed: &SignedTransaction) -> Option<Reason> {
        let (_, reason) = self.outside.waiting.get(&key(*id, signed))?;
        Some(reason.clone())
    }

    /// Why a transaction was refused after it had been accepted, if it was and that is still known.
    pub(super) fn refusal(&self, id: &TransactionId) -> Result<Option<Reason>, JournalError> {
        let fate = match self.outside.unwritten.fates.get(id) {
            Some(unwritten) => unwritten.clone(),
            None => self.journal.fate(id)?,
        };
        Ok(match fate {
            Some(Fate::Refused { reason, .. }) => Some(reason),
            _ => None,
        })
    }

    /// Tries what waits outside, if something has changed since the last time.
    pub(super) fn retry(&mut self) {
        // A refusal may let another in, which the next tick finds: each round refuses at least one, or is the last.
        if !std::mem::take(&mut self.outside.changed) {
            return;
        }
        for ((_, _, id), (signed, _)) in std::mem::take(&mut self.outside.waiting) {
            self.outside.tries += 1;
            self.put_in(id, signed);
        }
        self.write_changes();
    }

    fn put_in(&mut self, id: TransactionId, signed: SignedTransaction) {
        let view = View(&self.open, &self.state);
        let planned = match self.pool.check(&id, &signed, &view) {
            Err(PoolError::Known) => return,
            planned => planned,
        };
        let missing = match signed.transaction.operation {
            Operation::Transfer { to, .. } if !recipient_stands(&signed, &view) => Some(to),
            _ => None,
        };
        let refused = match (planned, missing) {
            (Ok(_), _) if !self.may_own(&signed) => Some(PoolError::NotTheOwner(signed.transaction.from)),
            (Ok(_), Some(to)) => Some(PoolError::Recipient(to)),
            (Ok(planned), None) => {
                let evicted = self.evicted(&planned);
                match self.pool.insert(id, signed.clone(), &View(&self.open, &self.state)) {
                    Ok(inserted) => {
                        self.pushed_out(&inserted, evicted, &id);
                        None
                    }
                    Err(error) => Some(error),
                }
            }
            (Err(error), _) => Some(error),
        };
        if let Some(error) = refused {
            self.keep_out(id, signed, Reason::from(&error));
        }
    }

    /// Whether a transaction's key and owner are its account's, or will be once those before it are executed.
    fn may_own(&self, signed: &SignedTransaction) -> bool {
        let (index, nonce) = (signed.transaction.from, signed.transaction.nonce);
        let Some(account) = View(&self.open, &self.state).account(index) else {
            // Whose it will be is not known.
            return true;
        };
        let first = TransactionId([0; 32]);
        let before = self.outside.waiting.range((index, 0, first)..(index, nonce, first));
        let changed = before.filter_map(|(_, (before, _))| rekeyed(before));
        let changed = changed.chain(self.pool.addresses_before(index, nonce));
        std::iter::once(account.address)
            .chain(changed)
            .any(|address| address == signed.sender())
    }

    /// The transaction that an insertion will evict, if it is one that is tried again.
    pub(super) fn evicted(&self, planned: &Inserted) -> Option<SignedTransaction> {
        planned.evicted.and_then(|id| self.pool.get(&id)).cloned()
    }

    /// What an insertion pushed out of the pool waits outside or is refused.
    pub(super) fn pushed_out(&mut self, inserted: &Inserted, evicted: Option<SignedTransaction>, by: &TransactionId) {
        if let Some(replaced) = inserted.replaced {
            self.replaced(replaced, by);
        }
        if let Some((id, signed)) = inserted.evicted.zip(evicted) {
            let reason = Reason::new(Cause::NoRoom, "the pool is full, and others pay more");
            self.keep_out(id, signed, reason);
        }
    }

    fn replaced(&mut self, id: TransactionId, by: &TransactionId) {
        let reason = Reason::new(Cause::Replaced, format!("transaction {by} took its place"));
        self.refuse(id, reason);
    }

    /// A transaction that its sender has sent now takes the place of those with its nonce that wait outside.
    pub(super) fn supersede(&mut self, id: &TransactionId, signed: &SignedTransaction) {
        let (from, nonce, _) = key(*id, signed);
        let (first, last) = (TransactionId([0; 32]), TransactionId([u8::MAX; 32]));
        let same = self.outside.waiting.range((from, nonce, first)..=(from, nonce, last));
        for key in same.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.outside.waiting.remove(&key);
            if key.2 != *id {
                self.replaced(key.2, id);
            }
        }
        // The journal has forgotten what became of it before.
        let outside = &mut self.outside;
        outside.refused.forget(id);
        outside.unwritten.fates.remove(id);
        outside.unwritten.gone.retain(|gone| gone != id);
        if let Some(tried) = outside.tried.get_mut(id) {
            tried.kept = false;
        }
    }

    /// A transaction does not go into a batch now: it waits outside if it was taken back and there is hope, and is refused if not.
    /// On a chain that is not verified nothing that this node has accepted is refused for what the accounts are, while there is room: they
    /// may be again what they were.
    pub(super) fn keep_out(&mut self, id: TransactionId, signed: SignedTransaction, reason: Reason) {
        let last = self.last();
        let unsure = self.unverified.is_some()
            && reason.code.is_of_the_state()
            && self.own.contains(&id)
            && self.outside.len() < self.pool.limits().transactions;
        if unsure {
            let until = last.saturating_add(self.outside.retry_batches);
            let tried = self.outside.tried.entry(id);
            let tried = tried.or_insert(Tried { until, kept: false });
            tried.until = tried.until.max(until);
        }
        if !unsure && matches!(reason.code, Cause::NonceGap | Cause::NotTheOwner) && !self.may_own(&signed) {
            let reason = Reason::from(&PoolError::NotTheOwner(signed.transaction.from));
            return self.refuse(id, reason);
        }
        let hopeless = !unsure && matches!(reason.code, Cause::NonceUsed | Cause::Replaced);
        let Some(tried) = self.outside.tried.get_mut(&id).filter(|_| !hopeless) else {
            return self.refuse(id, reason);
        };
        if tried.until <= last {
            let batches = self.outside.retry_batches;
            let message = format!(
                "{}; {batches} batches were sealed since it was taken back",
                reason.message
            );
            return self.refuse(id, Reason::new(reason.code, message));
        }
        if !std::mem::replace(&mut tried.kept, true) {
            let until = tried.until;
            self.outside.unwritten.fates.insert(id, Some(Fate::Tried { until }));
        }
        self.outside.waiting.insert(key(id, &signed), (signed, reason));
        self.outside.untold = true;
    }

    /// An accepted transaction will not be executed.
    pub(super) fn refuse(&mut self, id: TransactionId, reason: Reason) {
        warn!(%id, reason = %reason.message, "an accepted transaction is refused");
        let outside = &mut self.outside;
        outside.tried.remove(&id);
        outside.refused.refuse(id, reason, &mut outside.unwritten);
        outside.changed = true;
        outside.untold = true;
    }

    /// Brings the journal up to date. What it does not take is tried with the next change and the next tick.
    pub(super) fn write_changes(&mut self) {
        if self.outside.unwritten.is_empty() {
            return;
        }
        match self.journal.change(&self.outside.unwritten) {
            Ok(()) => {
                let count = self.outside.unwritten.gone.len();
                info!(
                    refused = count,
                    outside = self.outside.len(),
                    "accepted transactions without a batch"
                );
                self.outside.unwritten = Changes::default();
                self.outside.failing = false;
            }
            // A restart finds the transactions again, and that they cannot be executed. Every tick tries it: it is said once.
            Err(error) => {
                if !std::mem::replace(&mut self.outside.failing, true) {
                    warn!(%error, "the journal");
                }
            }
        }
    }
}
