//! Carries sealed batches to L1: commits them in order, has runs of them proven, sends the proofs, settles.
//!
//! What is to be done follows from what L1 says and what the journal holds, each time anew: there is no other memory, so that a
//! crash, a lost answer or a reorganisation at any point leads to the same next step.

use std::sync::Arc;
use std::time::Duration;

use starling_air::settlement::sections;
use starling_rollup::block_header::BlockEnd;
use starling_rollup::chain::word_bytes;
use starling_rollup::schedule::Clock;
use starling_rollup::state::State;
use starling_rollup::transaction::RollupId;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::journal::{Journal, JournalError, StoredProof};
use super::proving::{ProvingError, Run};
use super::seeds;
use super::sequencer::{Sequencer, SequencerError, SharedSequencer};
use crate::l1::follow::Follower;
use crate::l1::rollup::{Constants, Progress, Rollup, Verifier};
use crate::l1::staking::Staking;
use crate::l1::{L1, L1Error, Receipt};
use crate::metrics::Metrics;

/// Why settling stopped.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// L1 failed.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The prover failed.
    #[error(transparent)]
    Proving(#[from] ProvingError),
    /// The sequencer failed.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
    /// L1 has a batch that the journal has not.
    #[error(
        "L1 has batch {number}, which this data folder does not: restore the folder, or wait until the batch is pruned and \
         rebuild with `starling node rebuild`"
    )]
    UnknownBatch {
        /// The batch.
        number: u64,
    },
    /// The proof does not split into the sections that L1 takes.
    #[error("the proof of batches {first} to {last} cannot be sent: {reason}")]
    Proof {
        /// The first batch.
        first: u64,
        /// The last.
        last: u64,
        /// Why.
        reason: String,
    },
    /// The rollup is frozen.
    #[error("the rollup is frozen on L1: accounts leave with `escape`, nothing else can be done")]
    Frozen,
    /// Another program than this node's kernel.
    #[error("the rollup on L1 runs another kernel than this node: use the version that it was deployed with")]
    OtherKernel,
    /// The prover's thread ended.
    #[error("the prover ended: {0}")]
    Ended(String),
}

/// What the outside may watch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// The newest L1 block that was seen.
    pub l1_block: u64,
    /// The last sealed batch.
    pub sealed: u64,
    /// The last committed one.
    pub committed: u64,
    /// The last proven one.
    pub proven: u64,
    /// Whether a proof is being made.
    pub proving: bool,
    /// The last error of L1 that is being retried.
    pub trouble: Option<String>,
    /// Gas of commits, by batch.
    pub commits: Vec<Spent>,
    /// Gas of proofs, by their last batch.
    pub proofs: Vec<Spent>,
}

/// What settling has cost since the process started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// The batch, or the last one.
    pub batch: u64,
    /// L1 transactions.
    pub transactions: u64,
    /// Gas.
    pub gas: u64,
}

impl Spent {
    fn new(batch: u64, receipts: &[Receipt]) -> Self {
        Self {
            batch,
            transactions: receipts.len() as u64,
            gas: receipts.iter().map(|receipt| receipt.gas).sum(),
        }
    }
}

/// Settles one rollup's batches.
pub struct Settler {
    l1: Arc<dyn L1>,
    rollup: RollupId,
    constants: Constants,
    clock: Clock,
    journal: Journal,
    sequencer: SharedSequencer,
    follower: Follower,
    confirmations: u64,
    status: watch::Sender<Status>,
    metrics: Metrics,
    /// The state after the last proven batch, kept while it is that.
    proven: Option<(u64, Arc<State>)>,
    /// The epoch whose successor's seed is on L1.
    seeded: Option<u64>,
}

impl Settler {
    /// A settler of the batches that `sequencer` seals.
    ///
    /// # Errors
    /// When L1 does not answer, or the rollup there runs another kernel.
    pub async fn new(
        l1: Arc<dyn L1>,
        rollup: RollupId,
        deployed: u64,
        confirmations: u64,
        journal: Journal,
        sequencer: SharedSequencer,
        status: watch::Sender<Status>,
    ) -> Result<Self, SettleError> {
        let constants = Rollup::new(&*l1, rollup.contract).constants().await?;
        if constants.kernel != starling_rollup::kernel::program().hash() {
            return Err(SettleError::OtherKernel);
        }
        let clock = Staking::new(&*l1, constants.staking).constants().await?.clock;
        Ok(Self {
            l1,
            rollup,
            constants,
            clock,
            journal,
            sequencer,
            follower: Follower::new(deployed),
            confirmations,
            status,
            metrics: Metrics::default(),
            proven: None,
            seeded: None,
        })
    }

    /// Counts in `metrics` from now on.
    pub fn count_in(&mut self, metrics: Metrics) {
        self.metrics = metrics;
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
        self.metrics.note(&self.status.borrow());
    }

    fn contract(&self) -> Rollup<'_> {
        Rollup::new(&*self.l1, self.rollup.contract)
    }

    /// Follows L1 and does what is to be done, until something happens that waiting does not mend.
    ///
    /// # Errors
    /// What cannot be mended.
    pub async fn run(&mut self, pause: Duration) -> Result<(), SettleError> {
        loop {
            match self.step().await {
                Ok(true) => {}
                Ok(false) => sleep(pause).await,
                Err(SettleError::L1(error)) => {
                    // A refusal may be of the past, too: L1 moved between the look and the call.
                    warn!(%error, "L1");
                    self.metrics.l1_errors.inc();
                    self.change(|status| status.trouble = Some(error.to_string()));
                    sleep(pause.max(Duration::from_millis(500))).await;
                }
                Err(fatal) => {
                    error!(error = %fatal, "settling stops");
                    return Err(fatal);
                }
            }
        }
    }

    /// One look, and at most one thing done; whether there may be more to do at once.
    ///
    /// # Errors
    /// When something fails.
    pub async fn step(&mut self) -> Result<bool, SettleError> {
        let contract = Rollup::new(&*self.l1, self.rollup.contract);
        let look = self.follower.look(&*self.l1, &contract).await?;
        let progress = contract.progress().await?;
        if progress.frozen {
            return Err(SettleError::Frozen);
        }
        if look.reorganised {
            warn!(head = look.head, "L1 was reorganised");
        }
        self.tell_sequencer(&progress, look.head).await?;
        let sealed = self.sequencer.lock().await.last();
        self.change(|status| {
            status.l1_block = look.head;
            status.sealed = sealed;
            status.committed = progress.committed;
            status.proven = progress.proven;
            status.trouble = None;
        });
        // After the status, which whoever hears of it will ask for.
        self.sequencer
            .lock()
            .await
            .reached(progress.committed, progress.proven)?;
        if progress.committed > sealed {
            return Err(SettleError::UnknownBatch { number: sealed + 1 });
        }
        if progress.committed < sealed && self.may_commit(&progress).await? {
            return self.commit(progress.committed + 1, look.head).await.map(|()| true);
        }
        if progress.proven < progress.committed {
            return self.settle(&progress).await.map(|()| true);
        }
        self.bring_seed(look.head).await.map(|()| false)
    }

    /// Brings the next epoch's seed, once it is time.
    async fn bring_seed(&mut self, head: u64) -> Result<(), SettleError> {
        let Some(head) = self.l1.block(head).await? else {
            return Ok(());
        };
        let epoch = self.clock.epoch_of(self.clock.slot_at(head.timestamp));
        if self.seeded == Some(epoch) {
            return Ok(());
        }
        let staking = Staking::new(&*self.l1, self.constants.staking);
        let brought = match seeds::bring(&*self.l1, &staking, &self.clock, &head).await {
            // Somebody else was faster, or L1 moved on.
            Err(L1Error::Reverted { .. }) => Ok(false),
            other => other,
        }?;
        if brought || staking.seed(epoch + 1).await?.is_some() {
            self.seeded = Some(epoch);
        }
        Ok(())
    }

    /// Hands confirmed entries to the sequencer, and takes back batches that build on entries that L1 has no more.
    async fn tell_sequencer(&mut self, progress: &Progress, head: u64) -> Result<(), SettleError> {
        let confirmed = head.saturating_sub(self.confirmations);
        let mut sequencer = self.sequencer.lock().await;
        sequencer.take_back_unless(progress.committed, |number, entry| {
            self.follower.entry(number) == Some(entry)
        })?;
        let entries: Vec<_> = self.follower.entries(confirmed).copied().collect();
        sequencer.learn(&entries);
        Ok(())
    }

    /// Whether it is this operator's turn.
    async fn may_commit(&self, progress: &Progress) -> Result<bool, SettleError> {
        let staking = Staking::new(&*self.l1, self.constants.staking);
        Ok(staking.may_commit(self.l1.sender(), progress.quiet_since).await?)
    }

    /// Commits the batch with this number, which L1 does not have.
    async fn commit(&mut self, number: u64, head: u64) -> Result<(), SettleError> {
        let missing = SettleError::UnknownBatch { number };
        let sealed = self.journal.sealed(number)?.ok_or(missing)?;
        let parent = self.contract().batch(number - 1).await?.digest;
        if parent != sealed.parent_digest {
            return Err(SettleError::UnknownBatch { number: number - 1 });
        }
        let words = sealed.batch.data().to_words();
        let now = self.l1.block(head).await?.map_or(0, |block| block.timestamp);
        let slot = self.clock.slot_at(now);
        let blocks = [BlockEnd {
            end: words.len() as u16,
            state: word_bytes(&sealed.root),
        }];
        let bond = self.constants.bond;
        let receipt = self.contract().commit(&parent, slot, &blocks, &words, bond).await?;
        info!(batch = number, gas = receipt.gas, words = words.len(), "committed");
        self.metrics.l1_gas.inc_by(receipt.gas);
        self.change(|status| status.commits.push(Spent::new(number, &[receipt])));
        Ok(())
    }

    /// Proves the batches from the last proven one on and settles the proof.
    async fn settle(&mut self, progress: &Progress) -> Result<(), SettleError> {
        let first = progress.proven + 1;
        let before = self.state_after(progress.proven).await?;
        let proof = match self.stored_proof(first, progress.committed)? {
            Some(proof) => proof,
            None => self.prove(first, progress.committed, before.clone()).await?,
        };
        let run = Run::choose(&self.journal, first, proof.last)?;
        let statement = run.statement(&before, &self.rollup, proof.payee)?;
        let verifier = Verifier::new(&*self.l1, self.constants.verifier);
        let mut receipts = Vec::new();
        if !verifier.is_proven(&statement).await? {
            let sections = sections(&statement, &proof.bytes).map_err(|error| SettleError::Proof {
                first,
                last: proof.last,
                reason: error.to_string(),
            })?;
            receipts = verifier.submit(&statement, &sections).await?;
        }
        receipts.push(self.contract().prove(proof.last, &proof.root, proof.payee).await?);
        let spent = Spent::new(proof.last, &receipts);
        info!(first, last = proof.last, gas = spent.gas, root = %super::hex_word(&proof.root), "settled");
        self.metrics.l1_gas.inc_by(spent.gas);
        self.change(|status| status.proofs.push(spent));
        Ok(())
    }

    /// A proof in the journal that starts at `first`, ends at most at `last`, and is of the batches as they are now.
    fn stored_proof(&self, first: u64, last: u64) -> Result<Option<StoredProof>, SettleError> {
        for proof in self.journal.proofs(first)?.into_iter().rev() {
            let fits = proof.first == first && proof.last <= last;
            if fits
                && self
                    .journal
                    .sealed(proof.last)?
                    .is_some_and(|sealed| sealed.root == proof.root)
            {
                return Ok(Some(proof));
            }
        }
        Ok(None)
    }

    async fn prove(&mut self, first: u64, last: u64, before: Arc<State>) -> Result<StoredProof, SettleError> {
        let run = Run::choose(&self.journal, first, last)?;
        let (rollup, payee) = (self.rollup, self.l1.sender());
        info!(first, last = run.last, operations = run.operations, "proving");
        self.change(|status| status.proving = true);
        let done = tokio::task::spawn_blocking(move || run.prove(&before, &rollup, payee)).await;
        self.change(|status| status.proving = false);
        let proof = done.map_err(|error| SettleError::Ended(error.to_string()))??;
        info!(
            first,
            last = proof.last,
            rows = proof.rows,
            ms = proof.prove_ms,
            bytes = proof.bytes.len(),
            "proven"
        );
        self.metrics.proof_seconds.observe(proof.prove_ms as f64 / 1_000.0);
        self.journal.keep_proof(&proof)?;
        Ok(proof)
    }

    async fn state_after(&mut self, number: u64) -> Result<Arc<State>, SettleError> {
        if let Some((at, state)) = &self.proven
            && *at == number
        {
            return Ok(state.clone());
        }
        let state = {
            let sequencer = self.sequencer.lock().await;
            self.journal.rewind(sequencer.state(), sequencer.last(), number)?
        };
        let root = self.contract().root(number).await?;
        if root.is_some_and(|root| root != state.root()) {
            let found = super::hex_word(&state.root());
            return Err(SettleError::L1(L1Error::History(format!(
                "the proven root of batch {number} is not the journal's, {found}"
            ))));
        }
        let state = Arc::new(state);
        self.proven = Some((number, state.clone()));
        Ok(state)
    }
}

/// A lock that a sequencer is shared by.
pub fn shared(sequencer: Sequencer) -> SharedSequencer {
    Arc::new(tokio::sync::Mutex::new(sequencer))
}
