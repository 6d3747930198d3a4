//! Follows L1: takes its batches over, commits ours when it is our turn, clears away what is overdue, brings seeds and evidence.
//!
//! What is to be done follows from what L1 says and what the journal holds, each time anew: there is no other memory, so that a
//! crash, a lost answer or a reorganisation at any point leads to the same next step. Proving is [super::prover]'s.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use starling_p2p::Handle;
use starling_rollup::address::L1Address;
use starling_rollup::transaction::RollupId;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::chain::Garbage;
use super::fetch::Fetch;
use super::journal::{Journal, JournalError};
use super::neglect::{self, NeglectWatch};
use super::prover::{Policy, Prover};
use super::proving::ProvingError;
use super::seeds;
use super::sequencer::{Permit, Sequencer, SequencerError, SharedSequencer, Turn};
use super::signing::Signer;
use super::take_over::{Seek, Standing, alone};
use super::turns::{self, SharedTurns, Turns, lock};
use crate::gossip::{Evidence, contradiction};
use crate::l1::follow::Follower;
use crate::l1::rollup::{Constants, Progress, Rollup};
use crate::l1::staking::Staking;
use crate::l1::{L1, L1Error, Receipt};
use crate::metrics::Metrics;
use crate::store::StoreError;

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
    /// A proven batch is not what this program makes of its data.
    #[error(
        "batch {number} is proven on L1, and this program cannot execute it ({garbage}): use the version that the rollup was \
         deployed with"
    )]
    Proven {
        /// The batch.
        number: u64,
        /// What is wrong.
        garbage: Garbage,
    },
    /// The record of what was signed cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The lock of the machine's provers cannot be had.
    #[error("the provers' lock {path}: {source}; change `prover.lock`")]
    Lock {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
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
    /// There is no proof of a run that should have one.
    #[error("batches {first} to {last} cannot be proven here: {reason}")]
    Unproven {
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
    /// The network's task ended.
    #[error("the node does not hear its peers any more: {0}; start it again")]
    Deaf(String),
}

impl SettleError {
    /// Whether room on the disk is all that is missing.
    pub(super) fn is_full(&self) -> bool {
        let store = match self {
            Self::Store(error)
            | Self::Journal(JournalError::Store(error))
            | Self::Proving(ProvingError::Journal(JournalError::Store(error)))
            | Self::Sequencer(SequencerError::Journal(JournalError::Store(error))) => error,
            _ => return false,
        };
        matches!(store, StoreError::Full { .. })
    }
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
    /// The first batch that is neither proven nor here with all its signatures.
    pub unverified: Option<u64>,
    /// Whether a proof is being made.
    pub proving: bool,
    /// The last error of L1 that is being retried, or the batch on L1 that keeps everybody waiting.
    pub trouble: Option<String>,
    /// The slot now.
    pub slot: u64,
    /// Who builds it, if that is known.
    pub builder: Option<L1Address>,
    /// Whether that is this node.
    pub building: bool,
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
    pub(super) fn new(batch: u64, receipts: &[Receipt]) -> Self {
        Self {
            batch,
            transactions: receipts.len() as u64,
            gas: receipts.iter().map(|receipt| receipt.gas).sum(),
        }
    }
}

/// What this node does on L1 beside following it.
#[derive(Clone, Default)]
pub struct Duties {
    /// Signs blocks and commits: a validator's.
    pub signer: Option<Arc<Signer>>,
    /// Commits whatever is sealed whenever L1 lets it, without being a validator that signs: for a chain that nobody follows.
    pub alone: bool,
    /// Prunes what is overdue, brings seeds, reports evidence. All of it costs gas.
    pub keeps_order: bool,
    /// No commit while so many operations wait for a proof, unless an entry of the queue is due: more than the provers can do before
    /// the deadline cost the bond.
    pub backlog: usize,
    /// The network, to ask for batches.
    pub network: Option<Handle>,
}

/// Operations that wait for a proof, at most, if nothing else is said: two proofs' worth.
pub const BACKLOG: usize = 1_024;

/// Commits before the first look that are held against what was signed.
const JUDGED: u64 = 64;

/// Seconds after its deadline in which a batch is left to a proof that is late.
const GRACE: u64 = 60;

/// Time between two tries while the disk is full.
pub(super) const FULL: Duration = Duration::from_secs(2);

/// Looks in a row that L1 may be read differently by its events and by its contract before that is said.
const MOVED: u32 = 8;

/// How long validators wait for each other with what all of them may do.
const STAGGER: Duration = Duration::from_millis(1_500);

/// What all validators may do, and one is enough for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Help {
    /// Committing a batch.
    Commit(u64),
    /// Pruning from a batch on.
    Prune(u64),
    /// Bringing the seed of the epoch behind this one.
    Seed(u64),
    /// Showing that a slot's leader neglected the queue.
    Neglect(u64),
}

/// Settles one rollup's batches.
pub struct Settler {
    pub(super) l1: Arc<dyn L1>,
    rollup: RollupId,
    constants: Constants,
    pub(super) journal: Journal,
    pub(super) sequencer: SharedSequencer,
    pub(super) follower: Follower,
    confirmations: u64,
    status: watch::Sender<Status>,
    metrics: Metrics,
    pub(super) turns: SharedTurns,
    duties: Duties,
    pub(super) fetch: Fetch,
    pub(super) seek: Seek,
    prover: Prover,
    evidence: Option<mpsc::Receiver<Evidence>>,
    /// What was reported, by who is guilty: a reorganisation may take the report back.
    reported: BTreeMap<L1Address, Evidence>,
    /// The last commit that was held against what its committer signed.
    judged: Option<u64>,
    /// What is to be reported again.
    again: Vec<Evidence>,
    /// The epoch whose successor's seed is on L1.
    seeded: Option<u64>,
    neglect: NeglectWatch,
    /// Since when there is something to do that all validators may do.
    waiting_since: HashMap<Help, Instant>,
    /// Looks in a row during which L1 moved.
    moved: u32,
}

impl Settler {
    /// A settler of the batches that `sequencer` seals, alone on its chain; [Settler::take_on] gives it other duties.
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
        sequencer.lock().await.serve(constants.queue_cap as usize);
        let staking = Staking::new(&*l1, constants.staking).constants().await?;
        let turns: SharedTurns = Arc::new(Mutex::new(Turns::new(staking, deployed)));
        let prover = Prover {
            l1: l1.clone(),
            rollup,
            constants,
            journal: journal.clone(),
            sequencer: sequencer.clone(),
            status: status.clone(),
            metrics: Metrics::default(),
            policy: Policy::default(),
            turns: turns.clone(),
            outbox: None,
            before: None,
            ahead: None,
            commits: BTreeMap::new(),
            failed: Vec::new(),
        };
        Ok(Self {
            l1,
            rollup,
            constants,
            journal,
            sequencer,
            follower: Follower::new(deployed),
            confirmations,
            status,
            metrics: Metrics::default(),
            turns,
            duties: Duties {
                alone: true,
                keeps_order: true,
                backlog: BACKLOG,
                ..Duties::default()
            },
            fetch: Fetch::new(rollup, None),
            seek: Seek::new(rollup, None),
            prover,
            evidence: None,
            reported: BTreeMap::new(),
            judged: None,
            again: Vec::new(),
            seeded: None,
            neglect: NeglectWatch::default(),
            waiting_since: HashMap::new(),
            moved: 0,
        })
    }

    /// Counts in `metrics` from now on.
    pub fn count_in(&mut self, metrics: Metrics) {
        self.prover.metrics = metrics.clone();
        self.metrics = metrics;
    }

    /// Takes on a node's duties.
    pub fn take_on(&mut self, duties: Duties, policy: Policy) {
        self.fetch = Fetch::new(self.rollup, duties.network.clone());
        self.seek = Seek::new(self.rollup, duties.network.clone());
        self.duties = duties;
        self.prover.policy = policy;
    }

    /// Reports the evidence that comes from here.
    pub fn report_from(&mut self, evidence: mpsc::Receiver<Evidence>) {
        self.evidence = Some(evidence);
    }

    /// The schedule, as this settler keeps it up to date.
    pub fn turns(&self) -> SharedTurns {
        self.turns.clone()
    }

    /// The prover, to run beside [Settler::run].
    pub fn prover(&self) -> Prover {
        self.prover.clone()
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
        self.metrics.note(&self.status.borrow());
    }

    pub(super) fn contract(&self) -> Rollup<'_> {
        Rollup::new(&*self.l1, self.rollup.contract)
    }

    fn staking(&self) -> Staking<'_> {
        Staking::new(&*self.l1, self.constants.staking)
    }

    /// Follows L1 and does what is to be done, proofs apart, until something happens that waiting does not mend.
    ///
    /// # Errors
    /// What cannot be mended.
    pub async fn run(&mut self, pause: Duration) -> Result<(), SettleError> {
        loop {
            match self.follow().await {
                Ok((true, _)) => {}
                Ok((false, _)) => sleep(pause).await,
                Err(SettleError::L1(error)) => {
                    // A refusal may be of the past, too: L1 moved between the look and the call.
                    warn!(%error, "L1");
                    self.metrics.l1_errors.inc();
                    self.change(|status| status.trouble = Some(error.to_string()));
                    sleep(pause.max(Duration::from_millis(500))).await;
                }
                Err(full) if full.is_full() => {
                    warn!(error = %full, "nothing goes on until there is room");
                    self.change(|status| status.trouble = Some(full.to_string()));
                    sleep(pause.max(FULL)).await;
                }
                Err(fatal) => {
                    error!(error = %fatal, "settling stops");
                    return Err(fatal);
                }
            }
        }
    }

    /// One look, and at most one thing done, proofs included; whether there may be more to do at once.
    ///
    /// # Errors
    /// When something fails.
    pub async fn step(&mut self) -> Result<bool, SettleError> {
        let (done, progress) = self.follow().await?;
        Ok(done || self.prover.step(&progress).await?)
    }

    /// One look, and at most one thing done, proofs apart; whether there may be more to do at once, and what L1 has.
    ///
    /// # Errors
    /// When something fails.
    pub async fn follow(&mut self) -> Result<(bool, Progress), SettleError> {
        let contract = Rollup::new(&*self.l1, self.rollup.contract);
        let look = self.follower.look(&*self.l1, &contract).await?;
        let progress = contract.progress().await?;
        if progress.frozen {
            return Err(SettleError::Frozen);
        }
        if look.reorganised {
            warn!(head = look.head, "L1 was reorganised");
            self.seeded = None;
            self.again.extend(std::mem::take(&mut self.reported).into_values());
            self.judged = None;
            self.neglect = NeglectWatch::default();
        }
        let head = self.l1.block(look.head).await?;
        let head = head.ok_or_else(|| L1Error::History(format!("block {} is gone while it is read", look.head)))?;
        let staking = Staking::new(&*self.l1, self.constants.staking);
        turns::look(&self.turns, &staking, &head, look.reorganised).await?;
        // What L1 has lost, others may take the numbers of.
        self.change(|status| {
            status.committed = status.committed.min(progress.committed);
            status.proven = status.proven.min(progress.proven);
        });
        self.tell_sequencer(&progress, look.head).await?;
        let standing = self.take_over(&progress, head.timestamp).await?;
        if matches!(standing, Standing::Moved) {
            self.moved += 1;
            if self.moved >= MOVED {
                let trouble = "L1's events and its contract do not say the same: check `l1.url`".to_owned();
                self.change(|status| status.trouble = Some(trouble));
            }
            return Ok((false, progress));
        }
        self.moved = 0;
        let level = matches!(standing, Standing::Level);
        if level {
            self.drop_overdue(&progress, head.timestamp).await?;
        }
        self.tell_turn(!level, &progress).await?;
        let sealed = self.sequencer.lock().await.last();
        let unverified = self.sequencer.lock().await.unsigned(progress.proven)?;
        let committed = match &standing {
            // What is sealed behind that is not what L1 has.
            Standing::Stalled { last, .. } => progress.committed.min(sealed).min(*last),
            Standing::Level | Standing::Behind | Standing::Moved => progress.committed.min(sealed),
        };
        self.change(|status| {
            status.l1_block = look.head;
            status.sealed = sealed;
            status.committed = committed;
            status.proven = progress.proven.min(committed);
            status.unverified = unverified;
            status.trouble = match &standing {
                Standing::Stalled { trouble, .. } => Some(trouble.clone()),
                Standing::Level | Standing::Behind | Standing::Moved => unverified.map(alone),
            };
        });
        // After the status, which whoever hears of it will ask for.
        self.sequencer
            .lock()
            .await
            .reached(committed, progress.proven.min(committed))?;
        if self.duties.keeps_order && self.prune(&progress, head.timestamp).await? {
            return Ok((true, progress));
        }
        if matches!(standing, Standing::Behind) || (level && self.commit_next(&progress).await?) {
            return Ok((true, progress));
        }
        if self.duties.keeps_order {
            self.report().await?;
            self.judge_commits(&progress).await?;
            self.show_neglect(&progress, &head).await?;
            self.bring_seed(&head).await?;
        }
        Ok((false, progress))
    }

    /// Hands the queue's entries to the sequencer, and takes back batches that build on entries that L1 has no more.
    async fn tell_sequencer(&mut self, progress: &Progress, head: u64) -> Result<(), SettleError> {
        let confirmed = head.saturating_sub(self.confirmations);
        let mut sequencer = self.sequencer.lock().await;
        sequencer.take_back_unless(progress.committed, |number, entry| {
            self.follower.entry(number) == Some(entry)
        })?;
        let all: Vec<_> = self.follower.entries(head).copied().collect();
        let entries: Vec<_> = self.follower.entries(confirmed).copied().collect();
        sequencer.foresee(&all);
        sequencer.learn(&entries);
        sequencer.apply_held()?;
        Ok(())
    }

    /// Tells the sequencer whether it may build when it is its turn.
    async fn tell_turn(&mut self, stalled: bool, progress: &Progress) -> Result<(), SettleError> {
        let (room, next) = {
            let sequencer = self.sequencer.lock().await;
            let room = sequencer.unproven(progress.proven)? < 2 * self.duties.backlog;
            (room, sequencer.next_entry())
        };
        let permit = match (stalled, room) {
            (true, _) => Permit::Nothing,
            (false, true) => Permit::Everything,
            (false, false) if self.presses(next, progress).await? => Permit::Entries,
            (false, false) => Permit::Nothing,
        };
        let mut sequencer = self.sequencer.lock().await;
        sequencer.permit(permit);
        if self.duties.alone {
            sequencer.take_turn(Turn { slot: 0, builds: true });
        }
        let building = sequencer.builds();
        drop(sequencer);
        let (slot, builder) = {
            let turns = lock(&self.turns);
            let slot = turns.slot().unwrap_or(0);
            (slot, turns.builder(slot))
        };
        self.change(|status| {
            status.slot = slot;
            status.builder = builder;
            status.building = building;
        });
        Ok(())
    }

    /// Whether an entry of the queue, by its number, is due before the slot is over: then it is neglect not to serve it, however much waits
    /// for provers.
    async fn presses(&self, entry: u64, progress: &Progress) -> Result<bool, SettleError> {
        if entry >= progress.queue_length {
            return Ok(false);
        }
        let end = {
            let turns = lock(&self.turns);
            turns.clock().slot_start(turns.slot().unwrap_or(0) + 1)
        };
        let queued = self.contract().queued_at(entry).await?;
        Ok(queued.is_some_and(|queued| queued + self.constants.queue_window <= end))
    }

    /// Takes back the first sealed batch that L1 has not, if L1 will not take it any more: an entry of the queue that it does not have has
    /// become due since it was built. Everybody sees that, and builds anew.
    async fn drop_overdue(&mut self, progress: &Progress, time: u64) -> Result<(), SettleError> {
        let number = progress.committed + 1;
        let Some(sealed) = self.journal.sealed(number)? else {
            return Ok(());
        };
        if sealed.entries().len() as u64 >= self.constants.queue_cap || sealed.queue_end >= progress.queue_length {
            return Ok(());
        }
        let queued = self.contract().queued_at(sealed.queue_end).await?;
        if queued.is_some_and(|queued| queued + self.constants.queue_window < time) {
            let mut sequencer = self.sequencer.lock().await;
            sequencer.take_back_from(number, "an entry of L1's queue is due that it does not have")?;
        }
        Ok(())
    }

    // COMMITS
    // ============================================================================================================

    /// Commits the first sealed batch that L1 has not, if it is our turn; whether it was.
    async fn commit_next(&mut self, progress: &Progress) -> Result<bool, SettleError> {
        let Some(me) = self.committer() else {
            return Ok(false);
        };
        let (slot, complete) = {
            let turns = lock(&self.turns);
            (turns.slot().unwrap_or(0), turns.complete_before())
        };
        let sealed = {
            let mut sequencer = self.sequencer.lock().await;
            if sequencer.last() == progress.committed && !self.duties.alone {
                sequencer.close_before(complete)?;
            }
            if sequencer.last() <= progress.committed {
                return Ok(false);
            }
            self.journal.sealed(progress.committed + 1)?
        };
        let number = progress.committed + 1;
        let Some(sealed) = sealed else {
            return Ok(false);
        };
        if sealed.batch().is_none() {
            // Nobody here could prove it.
            return Ok(false);
        }
        if !self.staking().may_commit(me, progress.quiet_since).await? || sealed.slot > slot {
            return Ok(false);
        }
        let parent = self.contract().batch(number - 1).await?;
        let unverified = self.sequencer.lock().await.unverified();
        if unverified.is_some() && !self.duties.alone {
            // As for building: L1's places last until the proof has to be there.
            let clock = *lock(&self.turns).clock();
            if clock.slot_at(parent.committed_at) == slot && sealed.slot != slot {
                return Ok(false);
            }
        }
        if parent.digest != sealed.parent_digest {
            // L1 has moved on: the next look says where to.
            return Ok(false);
        }
        let headers = sealed
            .headers(parent.head)
            .map_err(|error| L1Error::History(format!("batch {number}: {error}")))?;
        if headers.last().map(|header| header.hash()) != Some(sealed.head) {
            return Ok(false);
        }
        if let Some(signer) = &self.duties.signer {
            // It may land in the next slot.
            for slot in [slot, slot + 1] {
                if !signer.allows_commit(slot, number, &headers)? {
                    return Ok(false);
                }
            }
            let leads = lock(&self.turns).builder(slot) == Some(me);
            if !leads && !self.my_turn_to_help(Help::Commit(number), me, slot) {
                return Ok(false);
            }
        }
        let waiting = self
            .sequencer
            .lock()
            .await
            .unproven_to(progress.proven, progress.committed)?;
        if waiting > 0
            && waiting + sealed.operations() > self.duties.backlog
            && !self
                .presses(sealed.queue_end - sealed.entries().len() as u64, progress)
                .await?
        {
            return Ok(false);
        }
        let words = sealed.data().to_words();
        let bond = self.constants.bond;
        let receipt = self
            .contract()
            .commit(&sealed.parent_digest, sealed.slot, &sealed.blocks, &words, bond)
            .await?;
        self.waiting_since.remove(&Help::Commit(number));
        info!(
            batch = number,
            slot,
            built = sealed.slot,
            gas = receipt.gas,
            words = words.len(),
            "committed"
        );
        self.metrics.l1_gas.inc_by(receipt.gas);
        self.change(|status| status.commits.push(Spent::new(number, &[receipt])));
        Ok(true)
    }

    /// Who commits, if this node does.
    fn committer(&self) -> Option<L1Address> {
        match &self.duties.signer {
            Some(signer) => Some(signer.address()),
            None => self.duties.alone.then(|| self.l1.sender()),
        }
    }

    /// Whether those before us in the slot's order have had their time to do what all of us may.
    fn my_turn_to_help(&mut self, what: Help, me: L1Address, slot: u64) -> bool {
        if self.duties.alone {
            return true;
        }
        let rank = lock(&self.turns).rank(&me, slot).unwrap_or(u64::from(me.0[19] % 8));
        if self.waiting_since.len() > 64 {
            self.waiting_since.clear();
        }
        let since = self.waiting_since.entry(what).or_insert_with(Instant::now);
        since.elapsed() >= STAGGER * rank.min(64) as u32
    }

    // ORDER
    // ============================================================================================================

    /// Prunes unproven batches past their deadline, if nobody else does.
    async fn prune(&mut self, progress: &Progress, time: u64) -> Result<bool, SettleError> {
        if progress.proven >= progress.committed {
            return Ok(false);
        }
        let number = progress.proven + 1;
        // A proof that is on its way is better than a prune: some seconds are left to it. Not more: with as many late proofs as there can
        // be in a row they add up.
        let grace = GRACE.min(self.constants.prove_window / 10);
        if time <= self.contract().deadline().await? + grace {
            return Ok(false);
        }
        let slot = lock(&self.turns).slot().unwrap_or(0);
        if !self.my_turn_to_help(Help::Prune(number), self.l1.sender(), slot) {
            return Ok(false);
        }
        let receipt = match self.contract().prune().await {
            // Somebody else was faster.
            Err(L1Error::Reverted { .. }) => return Ok(false),
            other => other?,
        };
        warn!(first = number, last = progress.committed, gas = receipt.gas, "pruned");
        self.waiting_since.remove(&Help::Prune(number));
        Ok(true)
    }

    /// Reports a piece of evidence, if there is one.
    async fn report(&mut self) -> Result<(), SettleError> {
        let heard = || self.evidence.as_mut().and_then(|evidence| evidence.try_recv().ok());
        let Some(evidence) = self.again.pop().or_else(heard) else {
            return Ok(());
        };
        let Ok(guilty) = evidence.guilty(&self.rollup) else {
            return Ok(());
        };
        if self.reported.insert(guilty, evidence).is_some() {
            return Ok(());
        }
        let slot = lock(&self.turns).slot().unwrap_or(0);
        let rank = lock(&self.turns).rank(&self.l1.sender(), slot).unwrap_or(0);
        sleep(STAGGER * rank.min(16) as u32).await;
        match self.staking().report_equivocation(&evidence.one, &evidence.other).await {
            Ok(receipt) => warn!(%guilty, gas = receipt.gas, "equivocation is reported"),
            // Somebody else was faster, or it is too late.
            Err(L1Error::Reverted { error, .. }) => info!(%guilty, error, "equivocation is not taken"),
            Err(error) => {
                self.reported.remove(&guilty);
                self.again.push(evidence);
                return Err(error.into());
            }
        }
        Ok(())
    }

    /// Holds new commits against what their committers signed for their slots, and reports what they contradict.
    async fn judge_commits(&mut self, progress: &Progress) -> Result<(), SettleError> {
        let clock = *lock(&self.turns).clock();
        let from = self.judged.unwrap_or(progress.committed.saturating_sub(JUDGED));
        for number in from + 1..=progress.committed {
            let on_l1 = self.contract().batch(number).await?;
            let slot = clock.slot_at(on_l1.committed_at);
            let seen = self.journal.headers_seen(slot, number, on_l1.committer)?;
            let Some(sealed) = self.journal.sealed(number)?.filter(|sealed| sealed.head == on_l1.head) else {
                // Not taken over: there is nothing to hold it against yet.
                return Ok(());
            };
            let parent = self.contract().batch(number - 1).await?.head;
            let committed = sealed.headers(parent).unwrap_or_default();
            let found = seen
                .iter()
                .find_map(|signed| Some((signed, contradiction(&signed.header, &committed)?)));
            if let Some((signed, against)) = found {
                let guilty = on_l1.committer;
                warn!(%guilty, batch = number, slot, "a commit contradicts what its committer has signed");
                match self.staking().report_contradiction(signed, &against).await {
                    Ok(receipt) => warn!(%guilty, gas = receipt.gas, "the contradiction is reported"),
                    // Somebody else was faster.
                    Err(L1Error::Reverted { error, .. }) => info!(%guilty, error, "the contradiction is not taken"),
                    Err(error) => return Err(error.into()),
                }
            }
            self.judged = Some(number);
        }
        self.judged = Some(progress.committed);
        Ok(())
    }

    /// Shows L1 a leader that let its slot pass although an entry of the queue was due, if there is one.
    async fn show_neglect(&mut self, progress: &Progress, head: &crate::l1::Block) -> Result<(), SettleError> {
        let clock = *lock(&self.turns).clock();
        let l1 = self.l1.clone();
        let contract = Rollup::new(&*l1, self.rollup.contract);
        let staking = Staking::new(&*l1, self.constants.staking);
        let window = self.constants.queue_window;
        let looking = self.neglect.look(&contract, &staking, &clock, window, progress, head);
        let Some(found) = looking.await? else {
            return Ok(());
        };
        let (me, now) = (l1.sender(), clock.slot_at(head.timestamp));
        // What is slashed is burned but for a part: nobody shows its own.
        if found.leader != me {
            if !self.my_turn_to_help(Help::Neglect(found.slot), me, now) {
                return Ok(());
            }
            neglect::show(&*l1, &staking, &clock, head, &found).await?;
        }
        self.waiting_since.remove(&Help::Neglect(found.slot));
        self.neglect.done();
        Ok(())
    }

    /// Brings the next epoch's seed, once it is time.
    async fn bring_seed(&mut self, head: &crate::l1::Block) -> Result<(), SettleError> {
        let clock = *lock(&self.turns).clock();
        let slot = clock.slot_at(head.timestamp);
        let epoch = clock.epoch_of(slot);
        if self.seeded == Some(epoch) || !self.my_turn_to_help(Help::Seed(epoch), self.l1.sender(), slot) {
            return Ok(());
        }
        let staking = Staking::new(&*self.l1, self.constants.staking);
        let brought = match seeds::bring(&*self.l1, &staking, &clock, head).await {
            // Somebody else was faster, or L1 moved on.
            Err(L1Error::Reverted { .. }) => Ok(false),
            other => other,
        }?;
        if brought || staking.seed(epoch + 1).await?.is_some() {
            self.seeded = Some(epoch);
            self.waiting_since.remove(&Help::Seed(epoch));
        }
        Ok(())
    }
}

/// A lock that a sequencer is shared by.
pub fn shared(sequencer: Sequencer) -> SharedSequencer {
    Arc::new(tokio::sync::Mutex::new(sequencer))
}
