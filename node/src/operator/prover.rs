//! Proves batches that L1 has and settles the proofs.
//!
//! What is to be proven follows from L1 and the journal, each time anew. A run starts behind the last proven batch and takes as many
//! committed ones as one proof holds, whoever committed them, as far as this prover can be paid for them: its own at once, others' when
//! their committers' time is over. While the next batch is one that only its committer can prove, those behind it are proven ahead: once
//! that proof comes, theirs may have little time left. On one machine a lock in a file keeps two proofs from being made at once.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_air::settlement::sections;
use starling_rollup::address::L1Address;
use starling_rollup::state::State;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{error, info, warn};

use super::journal::{Journal, StoredProof};
use super::proving::{ProvingError, Run};
use super::sequencer::SharedSequencer;
use super::settler::{FULL, SettleError, Spent, Status};
use super::turns::{SharedTurns, lock};
use crate::gossip::ProofNotice;
use crate::l1::rollup::{Constants, Progress, Rollup, Verifier};
use crate::l1::{L1, L1Error};
use crate::metrics::Metrics;
use crate::network::{Outbox, Outgoing};

/// How long L1's word on who committed a batch is relied on: a reorganisation may have another commit the same one.
const REMEMBERED: Duration = Duration::from_secs(60);

/// How long a run that could not be proven is not tried again: each try may take minutes.
const REST: Duration = Duration::from_secs(600);

/// Which batches a prover proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Nothing is proven if not set.
    pub enabled: bool,
    /// Held while a proof is made.
    pub lock: Option<PathBuf>,
    /// Seconds after the committer's own time in which others' batches are left to other provers.
    pub patience: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            enabled: true,
            lock: None,
            patience: 0,
        }
    }
}

/// A prover of one rollup.
#[derive(Clone)]
pub struct Prover {
    pub(super) l1: Arc<dyn L1>,
    pub(super) rollup: RollupId,
    pub(super) constants: Constants,
    pub(super) journal: Journal,
    pub(super) sequencer: SharedSequencer,
    pub(super) status: watch::Sender<Status>,
    pub(super) metrics: Metrics,
    pub(super) policy: Policy,
    pub(super) turns: SharedTurns,
    pub(super) outbox: Option<Outbox>,
    /// The state before the last run, kept while the next one begins there.
    pub(super) before: Option<(u64, Arc<State>)>,
    /// The proofs of this prover's that wait for another: by their last batch the first one, the chain digest after the last, and when
    /// that was sealed; what is taken back loses its proof, and may come again.
    pub(super) ahead: Option<BTreeMap<u64, (u64, Word, u64)>>,
    /// Of batches on L1 the chain digest, who committed them and when, and when L1 said so.
    pub(super) commits: BTreeMap<u64, (Word, (L1Address, u64), Instant)>,
    /// The runs that could not be proven here.
    pub(super) failed: Vec<Failed>,
}

/// A run that could not be proven here.
#[derive(Clone, Copy, Debug)]
pub(super) struct Failed {
    first: u64,
    last: u64,
    /// The chain digest after it.
    digest: Word,
    at: Instant,
}

impl Failed {
    /// Whether a run begins with this one, and that is not long ago.
    fn is_part_of(&self, run: &Run) -> bool {
        self.first == run.first && self.at.elapsed() < REST && run.digest_after(self.last) == Some(self.digest)
    }
}

impl Prover {
    fn contract(&self) -> Rollup<'_> {
        Rollup::new(&*self.l1, self.rollup.contract)
    }

    fn change(&self, change: impl FnOnce(&mut Status)) {
        self.status.send_modify(change);
        self.metrics.note(&self.status.borrow());
    }

    /// Proves and settles whatever there is, until something happens that waiting does not mend.
    ///
    /// # Errors
    /// What cannot be mended.
    pub async fn run(&mut self, pause: Duration) -> Result<(), SettleError> {
        loop {
            let done = match self.contract().progress().await {
                Ok(progress) if progress.frozen => Ok(false),
                Ok(progress) => self.step(&progress).await,
                Err(error) => Err(error.into()),
            };
            match done {
                Ok(true) => {}
                Ok(false) => sleep(pause).await,
                Err(SettleError::L1(error)) => {
                    // Somebody else was faster, or L1 moved between the look and the call.
                    warn!(%error, "L1");
                    self.metrics.l1_errors.inc();
                    sleep(pause.max(Duration::from_millis(500))).await;
                }
                Err(error) if error.is_full() => {
                    warn!(%error, "no proof is kept until there is room");
                    sleep(pause.max(FULL)).await;
                }
                // What others commit must not end a node: somebody else may prove it, or it is pruned.
                Err(SettleError::Unproven { first, last, reason }) => {
                    error!(first, last, reason, "not proven here");
                    sleep(pause).await;
                }
                Err(fatal) => {
                    error!(error = %fatal, "proving stops");
                    return Err(fatal);
                }
            }
        }
    }

    /// Proves and settles one run, if there is one for this prover; whether there was.
    ///
    /// # Errors
    /// When something fails.
    pub async fn step(&mut self, progress: &Progress) -> Result<bool, SettleError> {
        if !self.policy.enabled || progress.proven >= progress.committed {
            return Ok(false);
        }
        let first = progress.proven + 1;
        let Some(last) = self.eligible(progress).await? else {
            return self.prove_ahead(progress).await;
        };
        // Held until the proof is settled: until then the machine's other provers would make the same one again. What is proven
        // already waits for nobody.
        let _held = match self.stored_proof(first, last)? {
            Some(_) => None,
            None => self.hold_lock().await?,
        };
        let now = self.contract().progress().await?;
        if now.proven != progress.proven {
            return Ok(false);
        }
        let Some(last) = self.eligible(&now).await? else {
            return Ok(false);
        };
        let stored = self.stored_proof(first, last)?;
        let last = stored.as_ref().map_or(last, |proof| proof.last);
        let Some((before, run)) = self.run_from(first, last).await? else {
            return Ok(false);
        };
        if stored
            .as_ref()
            .is_some_and(|proof| (proof.last, proof.root) != (run.last, run.root()))
        {
            return Ok(false);
        }
        let proof = match stored {
            Some(proof) => Some(proof),
            None => self.prove(&run, before.clone()).await?,
        };
        let Some(proof) = proof else { return Ok(false) };
        self.settle(&before, &run, &proof).await?;
        Ok(true)
    }

    /// Proves one run that stands behind batches which only their committers can prove, and keeps the proof; whether there was one.
    async fn prove_ahead(&mut self, progress: &Progress) -> Result<bool, SettleError> {
        let Some((first, last)) = self.next_ahead(progress).await? else {
            return Ok(false);
        };
        let _held = self.hold_lock().await?;
        let now = self.contract().progress().await?;
        if now.proven != progress.proven || self.next_ahead(&now).await? != Some((first, last)) {
            return Ok(false);
        }
        let Some((before, run)) = self.run_from(first, last).await? else {
            return Ok(false);
        };
        let Some(proof) = self.prove(&run, before).await? else {
            return Ok(false);
        };
        let ahead = self.ahead.get_or_insert_default();
        let (digest, sealed_at) = run.end();
        ahead.insert(proof.last, (first, digest, sealed_at));
        self.sequencer.lock().await.note_proven_ahead(first..=proof.last);
        self.announce(&proof);
        Ok(true)
    }

    /// The first run that can be proven ahead and is not yet: of this prover's own batches, which it can settle one after the other
    /// whoever proves what is between them, and else of those that it could be paid for.
    async fn next_ahead(&mut self, progress: &Progress) -> Result<Option<(u64, u64)>, SettleError> {
        let unsigned = self.sequencer.lock().await.all_unsigned(progress.proven)?;
        if unsigned.first() != Some(&(progress.proven + 1)) {
            return Ok(None);
        }
        let kept = self.kept_ahead(progress.proven).await?;
        let open: Vec<u64> = (progress.proven + 1..=progress.committed)
            .filter(|number| !unsigned.contains(number) && !kept.contains(number))
            .collect();
        let mut others = None;
        for number in open {
            let Some(mine) = self.claim(number, progress.proven).await? else {
                continue;
            };
            if !mine {
                others = others.or(Some(number));
                continue;
            }
            let mut last = number;
            while last < progress.committed
                && !kept.contains(&(last + 1))
                && self.claim(last + 1, progress.proven).await? == Some(true)
            {
                last += 1;
            }
            return Ok(Some((number, last)));
        }
        let Some(first) = others else { return Ok(None) };
        let mut last = first;
        while last < progress.committed
            && !kept.contains(&(last + 1))
            && self.claim(last + 1, progress.proven).await?.is_some()
        {
            last += 1;
        }
        Ok(Some((first, last)))
    }

    /// Whether a batch is this prover's own; nothing if it cannot be paid for it yet, or does not have it with its signatures.
    async fn claim(&mut self, number: u64, proven: u64) -> Result<Option<bool>, SettleError> {
        // Without its signatures a batch cannot be proven; another than L1's is not to be.
        let Some(here) = self.journal.sealed(number)?.filter(|sealed| sealed.batch().is_some()) else {
            return Ok(None);
        };
        let known = self.commits.get(&number);
        let known = known.filter(|(digest, _, at)| *digest == here.digest && at.elapsed() < REMEMBERED);
        let (committer, committed_at) = match known {
            Some((_, who, _)) => *who,
            None => {
                let on_l1 = self.contract().batch(number).await?;
                if on_l1.digest != here.digest {
                    return Ok(None);
                }
                let who = (on_l1.committer, on_l1.committed_at);
                self.commits.retain(|number, _| *number > proven);
                self.commits.insert(number, (here.digest, who, Instant::now()));
                who
            }
        };
        let mine = committer == self.l1.sender();
        let open = committed_at + self.constants.exclusive_window;
        let now = lock(&self.turns).now().map_or(0, |now| now.as_secs());
        Ok((mine || now >= open + self.policy.patience).then_some(mine))
    }

    /// The batches behind `proven` that proofs of this prover's cover.
    async fn kept_ahead(&mut self, proven: u64) -> Result<BTreeSet<u64>, SettleError> {
        if self.ahead.is_none() {
            let (me, mut ahead) = (self.l1.sender(), BTreeMap::new());
            self.journal.each_proof(proven + 1, |proof| {
                if proof.payee == me
                    && let Some(sealed) = self.journal.sealed(proof.last)?
                    && sealed.root == proof.root
                {
                    ahead.insert(proof.last, (proof.first, sealed.digest, sealed.sealed_at));
                }
                Ok(())
            })?;
            self.ahead = Some(ahead);
        }
        let journal = self.journal.clone();
        let ahead = self.ahead.get_or_insert_default();
        let mut batches = BTreeSet::new();
        let mut stale = Vec::new();
        for (last, (first, digest, at)) in ahead.iter() {
            let now = journal.sealed(*last)?;
            let stands = now.is_some_and(|sealed| (sealed.digest, sealed.sealed_at) == (*digest, *at));
            match stands && *last > proven {
                true => batches.extend(*first..=*last),
                false => stale.push(*last),
            }
        }
        for last in stale {
            ahead.remove(&last);
        }
        self.sequencer.lock().await.note_proven_ahead(batches.iter().copied());
        Ok(batches)
    }

    /// Waits for the machine's lock, if there is one.
    async fn hold_lock(&self) -> Result<Option<File>, SettleError> {
        let path = self.policy.lock.clone();
        let held = tokio::task::spawn_blocking(move || path.map(|path| hold(&path)).transpose()).await;
        let held = held.map_err(|error| SettleError::Ended(error.to_string()))?;
        held.map_err(|source| SettleError::Lock {
            path: self.policy.lock.clone().unwrap_or_default(),
            source,
        })
    }

    /// The last batch of a run behind the last proven batch that this prover can be paid for, and has.
    async fn eligible(&mut self, progress: &Progress) -> Result<Option<u64>, SettleError> {
        let mut last = None;
        for number in progress.proven + 1..=progress.committed {
            if self.claim(number, progress.proven).await?.is_none() {
                break;
            }
            last = Some(number);
        }
        Ok(last)
    }

    async fn settle(&mut self, before: &State, run: &Run, proof: &StoredProof) -> Result<(), SettleError> {
        let (first, last) = (proof.first, proof.last);
        let statement = run.statement(before, &self.rollup, proof.payee)?;
        let verifier = Verifier::new(&*self.l1, self.constants.verifier);
        let mut receipts = Vec::new();
        if !verifier.is_proven(&statement).await? {
            let sections = sections(&statement, &proof.bytes).map_err(|error| SettleError::Proof {
                first,
                last,
                reason: error.to_string(),
            })?;
            receipts = verifier.submit(&statement, &sections).await?;
        }
        receipts.push(self.contract().prove(last, &proof.root, proof.payee).await?);
        let spent = Spent::new(last, &receipts);
        info!(first, last, gas = spent.gas, root = %super::hex_word(&proof.root), "settled");
        self.metrics.l1_gas.inc_by(spent.gas);
        self.change(|status| status.proofs.push(spent));
        self.announce(proof);
        Ok(())
    }

    fn announce(&self, proof: &StoredProof) {
        if let Some(outbox) = &self.outbox {
            let (first, last, root) = (proof.first, proof.last, proof.root);
            // A peer that misses it asks for the proof all the same.
            let _ = outbox.try_send(Outgoing::Proof(ProofNotice { first, last, root }));
        }
    }

    /// Announces proofs from now on.
    pub fn announce_in(&mut self, outbox: Outbox) {
        self.outbox = Some(outbox);
    }

    /// A proof in the journal that starts at `first`, ends at most at `last`, pays this prover, and is of the batches as they are now.
    fn stored_proof(&self, first: u64, last: u64) -> Result<Option<StoredProof>, SettleError> {
        for end in (first..=last).rev() {
            let Some(proof) = self.journal.proof(first, end)? else {
                continue;
            };
            let sealed = self.journal.sealed(end)?;
            if proof.payee == self.l1.sender() && sealed.is_some_and(|sealed| sealed.root == proof.root) {
                return Ok(Some(proof));
            }
        }
        Ok(None)
    }

    /// Proves a run and keeps the proof; nothing if the chain has lost the run meanwhile.
    async fn prove(&mut self, run: &Run, before: Arc<State>) -> Result<Option<StoredProof>, SettleError> {
        let (rollup, payee, first) = (self.rollup, self.l1.sender(), run.first);
        info!(first, last = run.last, operations = run.operations, "proving");
        self.change(|status| status.proving = true);
        let proving = run.clone();
        let done = tokio::task::spawn_blocking(move || proving.prove(&before, &rollup, payee)).await;
        self.change(|status| status.proving = false);
        let reason = match done {
            Ok(Ok(proof)) => Ok(proof),
            Ok(Err(ProvingError::Journal(error))) => return Err(error.into()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(error) => Err(error.to_string()),
        };
        let proof = reason.map_err(|reason| {
            self.failed.retain(|failed| failed.at.elapsed() < REST);
            self.failed.push(Failed {
                first: run.first,
                last: run.last,
                digest: run.end().0,
                at: Instant::now(),
            });
            let last = run.last;
            SettleError::Unproven { first, last, reason }
        })?;
        info!(
            first,
            last = proof.last,
            rows = proof.rows,
            ms = proof.prove_ms,
            bytes = proof.bytes.len(),
            "proven"
        );
        self.metrics.proof_seconds.observe(proof.prove_ms as f64 / 1_000.0);
        // Batches are taken back under the same lock, and their proofs with them.
        let _chain = self.sequencer.lock().await;
        if !run.stands(&self.journal)? {
            info!(first, last = proof.last, "the chain has lost what was proven");
            return Ok(None);
        }
        self.journal.keep_proof(&proof)?;
        Ok(Some(proof))
    }

    /// The run from `first` to at most `last` as the chain has it now, with the state before it; nothing if the chain has lost a part
    /// of it, or its signatures.
    async fn run_from(&mut self, first: u64, last: u64) -> Result<Option<(Arc<State>, Run)>, SettleError> {
        let number = first - 1;
        let (before, run) = {
            let sequencer = self.sequencer.lock().await;
            if sequencer.last() < last {
                return Ok(None);
            }
            let mut run = Run::choose(&self.journal, first, last)?;
            // What could not be proven is not tried again with more behind it; a part of it may be proven, which is what counts for
            // whoever has a bond there.
            while self.failed.iter().any(|failed| failed.is_part_of(&run)) {
                if run.last == first {
                    return Ok(None);
                }
                run = Run::choose(&self.journal, first, first + (run.last - first) / 2)?;
            }
            if !run.is_signed() {
                return Ok(None);
            }
            let root = match number {
                0 => Some(State::default().root()),
                number => self.journal.sealed(number)?.map(|sealed| sealed.root),
            };
            let kept = self.before.take();
            let same = kept.filter(|(at, state)| *at == number && Some(state.root()) == root);
            let before = match same {
                Some((_, state)) => state,
                None => Arc::new(self.journal.rewind(sequencer.state(), sequencer.last(), number)?),
            };
            (before, run)
        };
        let root = self.contract().root(number).await?;
        if root.is_some_and(|root| root != before.root()) {
            let found = super::hex_word(&before.root());
            return Err(SettleError::L1(L1Error::History(format!(
                "the proven root of batch {number} is not the journal's, {found}"
            ))));
        }
        self.before = Some((number, before.clone()));
        Ok(Some((before, run)))
    }

    /// Whom the proofs pay.
    pub fn payee(&self) -> L1Address {
        self.l1.sender()
    }
}

/// Waits for the machine's lock. The system lets it go when the process ends, however that happens.
fn hold(path: &std::path::Path) -> std::io::Result<File> {
    let file = File::options().create(true).truncate(false).write(true).open(path)?;
    rustix::fs::flock(&file, rustix::fs::FlockOperation::LockExclusive)?;
    Ok(file)
}
