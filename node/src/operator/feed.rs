//! Tells whoever listens what becomes of batches and transactions.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use starling_vm::field::Word;
use tokio::sync::{broadcast, watch};

use super::journal::{JournalError, Sealed};
use super::sequencer::Sequencer;

/// How far a batch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// It is gone, and another will have its number.
    TakenBack,
    /// In the journal, and nobody's word but that of whoever committed it or a batch before it: signatures are not here.
    Unverified,
    /// In the journal.
    Sealed,
    /// On L1.
    Committed,
    /// Proven on L1.
    Proven,
}

/// How far the chain's batches have come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reached {
    /// The last one on L1.
    pub(super) committed: u64,
    /// The last one that is proven there.
    pub(super) proven: u64,
    /// The first one that is neither proven nor here with its signatures.
    unverified: Option<u64>,
}

impl Reached {
    pub(super) fn new(committed: u64, proven: u64, unverified: Option<u64>) -> Self {
        Self {
            committed,
            proven,
            unverified,
        }
    }

    pub(super) fn standing(&self, number: u64) -> Standing {
        match number {
            _ if number <= self.proven => Standing::Proven,
            _ if self.unverified.is_some_and(|first| first <= number) => Standing::Unverified,
            _ if number <= self.committed => Standing::Committed,
            _ => Standing::Sealed,
        }
    }
}

/// A batch came to another stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchChange {
    /// The batch.
    pub number: u64,
    /// Where it stands now.
    pub standing: Standing,
    /// State root after it.
    pub root: Word,
    /// Chain digest after it.
    pub digest: Word,
}

/// Where changes are told. Copies are of one feed.
#[derive(Clone, Debug)]
pub struct Feed {
    batches: broadcast::Sender<BatchChange>,
    revision: watch::Sender<u64>,
    taken_back: Arc<AtomicU64>,
}

impl Feed {
    /// A feed that keeps `backlog` changes of batches for listeners that are slower than they come.
    pub fn new(backlog: usize) -> Self {
        Self {
            batches: broadcast::Sender::new(backlog),
            revision: watch::Sender::new(0),
            taken_back: Arc::default(),
        }
    }

    /// Changes of batches from now on.
    pub fn batches(&self) -> broadcast::Receiver<BatchChange> {
        self.batches.subscribe()
    }

    /// Changes when the stage of any transaction may have changed.
    pub fn revision(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    /// How often batches, or blocks of an open one, were taken back.
    pub fn taken_back(&self) -> u64 {
        self.taken_back.load(Ordering::Relaxed)
    }

    /// A batch has changed.
    pub fn tell(&self, change: BatchChange) {
        if change.standing == Standing::TakenBack {
            self.taken_back.fetch_add(1, Ordering::Relaxed);
        }
        // Nobody may listen.
        let _ = self.batches.send(change);
        self.touch();
    }

    /// Blocks of the open batch were taken back.
    pub fn blocks_taken_back(&self) {
        self.taken_back.fetch_add(1, Ordering::Relaxed);
        self.touch();
    }

    /// Transactions have changed.
    pub fn touch(&self) {
        self.revision.send_modify(|revision| *revision += 1);
    }
}

impl Sequencer {
    /// Where this sequencer tells what changes.
    pub fn feed(&self) -> &Feed {
        &self.feed
    }

    /// Tells changes in `feed` from now on.
    pub fn tell_in(&mut self, feed: Feed) {
        self.feed = feed;
    }

    pub(super) fn tell(&self, sealed: &Sealed, standing: Standing) {
        self.feed.tell(BatchChange {
            number: sealed.number,
            standing,
            root: sealed.root,
            digest: sealed.digest,
        });
    }

    /// Batches up to `committed` are on L1, those up to `proven` are proven: tells what that changes. A reorganisation can lower
    /// both.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn reached(&mut self, committed: u64, proven: u64) -> Result<(), JournalError> {
        let unsigned = self.all_unsigned(proven)?;
        let unverified = unsigned.first().copied();
        self.doubt(unsigned)?;
        if std::mem::replace(&mut self.unverified, unverified).is_some() && unverified.is_none() {
            // What waited to see whether the chain stands is looked through again.
            self.outside.changed = true;
        }
        self.proven_ahead.retain(|number| *number > proven);
        if self.reached.is_none() && unverified.is_some() {
            // Proofs that were made or fetched before a restart.
            let (journal, mut found) = (self.journal.clone(), Vec::new());
            journal.each_proof(proven + 1, |proof| {
                let sealed = journal.sealed(proof.last)?;
                if proof.first > proven && sealed.is_some_and(|sealed| sealed.root == proof.root) {
                    found.extend(proof.first..=proof.last);
                }
                Ok(())
            })?;
            self.note_proven_ahead(found);
        }
        let now = Reached::new(committed, proven, unverified);
        // At the first look nothing has changed: it is only learnt.
        let was = self.reached.replace(now).unwrap_or(now);
        if was == now {
            return Ok(());
        }
        for number in was.proven.min(proven) + 1..=self.last {
            let (old, new) = (was.standing(number), now.standing(number));
            if old == new {
                continue;
            }
            let Some(sealed) = self.journal.sealed(number)? else {
                continue;
            };
            let steps = [
                Standing::Unverified,
                Standing::Sealed,
                Standing::Committed,
                Standing::Proven,
            ];
            // Forward every step is told, backward only where it leads.
            for step in steps
                .into_iter()
                .filter(|step| *step == new || (old < *step && *step < new))
            {
                self.tell(&sealed, step);
            }
        }
        self.feed.touch();
        Ok(())
    }
}
