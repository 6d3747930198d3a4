//! Takes over what L1 has, and what to do about a batch that only its committer can prove.
//!
//! Signatures are not on L1, so a committer can withhold them. Its batch is waited for, for one slot: as a rule the signatures come. After
//! that L1's order counts, or else whoever withholds again and again would keep everybody from building: a batch that executes is taken
//! over, and nobody vouches for it, nor for what is built on it, until it is proven or its signatures come. They are sought all the while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_p2p::Handle;
use starling_rollup::chain::GENESIS;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use tokio::task::JoinHandle;
use tracing::warn;

use super::chain::{Adopted, Garbage, Grounds};
use super::fetch::{Anchor, Fetch};
use super::settler::{SettleError, Settler};
use super::turns::lock;
use crate::l1::L1Error;
use crate::l1::rollup::{BatchInfo, Progress};
use crate::rebuild::commits;

/// Batches of L1's that are taken over between two looks at it.
const AT_ONCE: usize = 64;

/// Time between two questions for signatures that nobody had the last time.
const SEEK_AGAIN: Duration = Duration::from_secs(2);

/// Where the chain stands beside L1's.
pub(super) enum Standing {
    /// It has what L1 has.
    Level,
    /// It has less, and comes closer.
    Behind,
    /// It has less, and this keeps it from more.
    Stalled(String),
}

/// What is said of a batch that only its committer can prove.
pub(super) fn alone(number: u64) -> String {
    format!(
        "batch {number} on L1 can be proven by its committer alone: until it is, or its signatures come, nothing from it on is confirmed"
    )
}

/// Seeks the signatures of batches that were taken over without them, beside all else.
pub(super) struct Seek {
    fetch: Arc<tokio::sync::Mutex<Fetch>>,
    /// The batch whose signatures peers are asked for.
    asking: Option<(Anchor, JoinHandle<Option<Vec<SignedTransaction>>>)>,
    /// The batch that was asked about last, so that the next one follows.
    asked: u64,
    /// When nobody had what was asked for.
    missed: Option<Instant>,
    /// Since when there is a batch whose signatures are not here.
    since: Option<Instant>,
}

impl Seek {
    pub(super) fn new(rollup: RollupId, network: Option<Handle>) -> Self {
        Self {
            fetch: Arc::new(tokio::sync::Mutex::new(Fetch::new(rollup, network))),
            asking: None,
            asked: 0,
            missed: None,
            since: None,
        }
    }

    /// Since when something is missing.
    fn since(&mut self) -> Instant {
        *self.since.get_or_insert_with(Instant::now)
    }

    /// What the last question has brought, if it has ended.
    async fn answer(&mut self) -> Option<(Anchor, Vec<SignedTransaction>)> {
        let (anchor, asking) = self.asking.take_if(|(_, asking)| asking.is_finished())?;
        let found = asking.await.ok().flatten();
        self.missed = found.is_none().then(Instant::now);
        Some((anchor, found?))
    }

    /// Which of these batches is to be asked about now.
    fn next(&self, unsigned: &[u64]) -> Option<u64> {
        let rests = self.missed.is_some_and(|missed| missed.elapsed() < SEEK_AGAIN);
        if self.asking.is_some() || rests {
            return None;
        }
        let behind = unsigned.iter().find(|number| **number > self.asked);
        behind.or(unsigned.first()).copied()
    }

    fn ask(&mut self, anchor: Anchor) {
        let fetch = self.fetch.clone();
        let asking = tokio::spawn(async move { fetch.lock().await.signatures(&anchor).await.ok() });
        self.asked = anchor.number;
        self.asking = Some((anchor, asking));
    }
}

impl Drop for Seek {
    fn drop(&mut self) {
        if let Some((_, asking)) = &self.asking {
            asking.abort();
        }
    }
}

impl Settler {
    /// Takes L1's batches over where the chain has others or none.
    ///
    /// # Arguments
    /// `time`: that of L1's last block, by which it is told whether L1 has lost something or only lags, and how old a batch is.
    pub(super) async fn take_over(&mut self, progress: &Progress, time: u64) -> Result<Standing, SettleError> {
        let commits = commits(self.follower.events());
        let last = commits.last_key_value().map_or(0, |(number, _)| *number);
        if last != progress.committed {
            // L1 moved on between the two questions.
            return Ok(Standing::Level);
        }
        let unsigned = self.sequencer.lock().await.unsigned(progress.proven)?;
        match unsigned {
            Some(number) if number > last => {
                let seen_at = self.journal.sealed(number)?.map_or(0, |sealed| sealed.sealed_at);
                if time <= seen_at {
                    return Ok(Standing::Stalled(format!(
                        "batch {number} was taken from L1, which does not have it as of its last block: nothing is built until L1 is \
                         further"
                    )));
                }
                self.sequencer.lock().await.give_up(number)?;
            }
            Some(number) => {
                self.seek_signatures(progress.proven, last).await?;
                let on_l1 = self.contract().batch(number).await?;
                if !self.waited_for(&on_l1, time) {
                    return Ok(Standing::Stalled(alone(number)));
                }
            }
            None => {}
        }
        let mut first = last + 1;
        let own = self.sequencer.lock().await.last();
        // The digest of a batch covers all before it: the last one that is the same settles the rest.
        while first > 1 {
            let number = first - 1;
            if number <= own + 1 {
                let on_l1 = self.contract().batch(number).await?;
                let mut sequencer = self.sequencer.lock().await;
                if sequencer.has_commit(number, &on_l1.digest, &on_l1.head)? {
                    break;
                }
            }
            first = number;
        }
        let mut taken = 0;
        for number in first..=last {
            let transaction = commits.get(&number).copied();
            let missing = || L1Error::History(format!("batch {number} is not among the rollup's events"));
            let transaction = transaction.ok_or_else(missing)?;
            let on_l1 = self.contract().batch(number).await?;
            let has = self
                .sequencer
                .lock()
                .await
                .has_commit(number, &on_l1.digest, &on_l1.head)?;
            if has {
                // Its blocks have come meanwhile.
                continue;
            }
            if taken == AT_ONCE {
                return Ok(Standing::Behind);
            }
            let anchor = self.anchor(number, &on_l1)?;
            let proven = number <= progress.proven;
            let fetched = match self.fetch.batch(&self.l1, &anchor, transaction, proven).await? {
                Ok(fetched) => fetched,
                Err(missing) => return Ok(Standing::Stalled(missing)),
            };
            let given = fetched.signed.unwrap_or_default();
            let grounds = match proven {
                true => Grounds::Proof,
                false => Grounds::Signatures,
            };
            let mut adopted = self.sequencer.lock().await.adopt(&fetched.commit, given, grounds)?;
            if let Adopted::Unsigned(_) = &adopted
                && let Ok(given) = self.fetch.signatures(&anchor).await
            {
                adopted = self.sequencer.lock().await.adopt(&fetched.commit, given, grounds)?;
            }
            if matches!(adopted, Adopted::Unsigned(_) | Adopted::Garbage(Garbage::Form)) {
                let unsigned = self.sequencer.lock().await.unsigned(progress.proven)?;
                // Who withholds one after the other is waited for once.
                if unsigned.is_some_and(|before| before < number) || self.waited_for(&on_l1, time) {
                    let first = unsigned.map_or(number, |before| before.min(number));
                    warn!(batch = number, "taken over without its signatures: L1's order counts");
                    // Before anybody can ask what stands in it.
                    self.change(|status| status.unverified = Some(first));
                    let mut sequencer = self.sequencer.lock().await;
                    adopted = sequencer.adopt(&fetched.commit, Vec::new(), Grounds::Patience)?;
                }
            }
            match adopted {
                Adopted::Done => taken += 1,
                Adopted::Garbage(Garbage::Differs(what)) if proven => {
                    // What is proven is what L1 says it is: it has moved while it was read.
                    let moved = format!("the {what} of batch {number} is another than a moment before");
                    return Err(L1Error::History(moved).into());
                }
                Adopted::Garbage(garbage) if proven => return Err(SettleError::Proven { number, garbage }),
                Adopted::Garbage(Garbage::Form) => {
                    return Ok(Standing::Stalled(format!(
                        "nothing is built on batch {number} of L1 yet ({}): for one slot its proof is waited for",
                        Garbage::Form
                    )));
                }
                Adopted::Garbage(garbage) => {
                    return Ok(Standing::Stalled(format!(
                        "nothing is built on batch {number} of L1 ({garbage}): it is pruned at its deadline"
                    )));
                }
                Adopted::Unsigned(missing) => {
                    return Ok(Standing::Stalled(format!(
                        "batch {number} on L1 has {missing} transactions whose signatures nobody shows: for one slot they, or its \
                         proof, are waited for"
                    )));
                }
            }
            // A long way takes time: whoever asks sees how far it is.
            self.change(|status| {
                status.sealed = number;
                status.committed = number;
                status.proven = number.min(progress.proven);
                status.trouble = None;
            });
        }
        let unsigned = self.sequencer.lock().await.unsigned(progress.proven)?;
        if unsigned.is_none() {
            self.seek.since = None;
        }
        Ok(Standing::Level)
    }

    /// Whether the signatures of a batch, which are not here, were waited for long enough: a slot since its commit, and since this node
    /// has missed any, which may be that it has just come.
    fn waited_for(&mut self, on_l1: &BatchInfo, time: u64) -> bool {
        let slot = lock(&self.turns).clock().slot;
        let missing_for = self.seek.since().elapsed();
        time >= on_l1.committed_at + slot && missing_for >= Duration::from_secs(slot)
    }

    /// What tells a batch of L1's from all others, where the chain has the one before.
    fn anchor(&self, number: u64, on_l1: &BatchInfo) -> Result<Anchor, SettleError> {
        let before = match number - 1 {
            0 => None,
            before => self.journal.sealed(before)?,
        };
        let (parent_digest, parent_head) = before.map_or((GENESIS, [0; 32]), |before| (before.digest, before.head));
        Ok(Anchor {
            number,
            parent_digest,
            parent_head,
            digest: on_l1.digest,
            head: on_l1.head,
        })
    }

    /// Adds the signatures that have come to batches that were taken over without them, and asks peers for more.
    async fn seek_signatures(&mut self, proven: u64, committed: u64) -> Result<(), SettleError> {
        let mut unsigned = self.sequencer.lock().await.all_unsigned(proven)?;
        unsigned.retain(|number| *number <= committed);
        if let Some((anchor, found)) = self.seek.answer().await {
            let same = self.journal.sealed(anchor.number)?;
            if same.is_some_and(|sealed| sealed.digest == anchor.digest) {
                self.sequencer.lock().await.add_signatures(anchor.number, found)?;
            }
        }
        let Some(number) = self.seek.next(&unsigned) else {
            return Ok(());
        };
        // They may be in blocks that came late, or in the pool.
        if self.sequencer.lock().await.add_signatures(number, Vec::new())? {
            return Ok(());
        }
        let on_l1 = self.contract().batch(number).await?;
        let anchor = self.anchor(number, &on_l1)?;
        self.seek.ask(anchor);
        Ok(())
    }
}
