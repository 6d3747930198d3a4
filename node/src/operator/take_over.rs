//! Takes over what L1 has, and what to do about a batch that only its committer can prove.
//!
//! Signatures are not on L1, so a committer can withhold them. They are waited for, for half a slot: as a rule they come. After that L1's
//! order counts, or else whoever withholds again and again would keep everybody from building: a batch that executes is taken over, and
//! nobody vouches for it, nor for what is built on it, until it is proven or its signatures come. They are sought all the while.

use std::sync::Arc;
use std::time::{Duration, Instant};

use starling_p2p::Handle;
use starling_rollup::chain::GENESIS;
use starling_rollup::transaction::RollupId;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::warn;

use super::chain::{Adopted, Garbage, Grounds};
use super::fetch::{Anchor, Fetch, Shown};
use super::settler::{SettleError, Settler};
use super::turns::lock;
use crate::l1::L1Error;
use crate::l1::rollup::{BatchInfo, Progress};
use crate::rebuild::commits;

/// Batches of L1's that are taken over between two looks at it.
const AT_ONCE: usize = 64;

/// Time between two questions for signatures that nobody had the last time.
const SEEK_AGAIN: Duration = Duration::from_secs(2);

/// How long after its start a node waits for a first peer before it does without.
const ALONE: Duration = Duration::from_secs(15);

/// Where the chain stands beside L1's.
pub(super) enum Standing {
    /// It has what L1 has.
    Level,
    /// It has less, and comes closer.
    Behind,
    /// L1 moved on between two questions: nothing is known of what it has now.
    Moved,
    /// It has what L1 has up to a batch, and this keeps it from more.
    Stalled {
        /// The last batch that is L1's.
        last: u64,
        /// What keeps it.
        trouble: String,
    },
}

fn stalled(before: u64, trouble: String) -> Standing {
    let last = before - 1;
    Standing::Stalled { last, trouble }
}

/// How long signatures are waited for that are missing.
///
/// Once that time is over, it is over for whatever is missing next, until nothing was for two slots: who proves a batch in the moment in
/// which it commits the next one, or has another begin, gains no second wait.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {
    /// Since when something is missing, and when something last was.
    missing: Option<(Instant, Instant)>,
}

impl Patience {
    /// Something that was asked for at `asked` is missing `now`; whether it was waited for long enough, half a slot. A leader who waits
    /// for what was committed before its slot still has the other half to commit in, so that it neglects nothing.
    pub fn is_over(&mut self, asked: Instant, now: Instant, slot: Duration) -> bool {
        let since = self.since(asked, slot);
        self.missing = Some((since, now));
        now.saturating_duration_since(since) >= slot / 2
    }

    /// How long may be waited for what is asked for `now`.
    pub fn left(&self, now: Instant, slot: Duration) -> Duration {
        (slot / 2).saturating_sub(now.saturating_duration_since(self.since(now, slot)))
    }

    /// Since when something is missing, if what is asked for `now` is.
    fn since(&self, now: Instant, slot: Duration) -> Instant {
        match self.missing {
            Some((since, last)) if now.saturating_duration_since(last) < 2 * slot => since,
            _ => now,
        }
    }
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
    asking: Option<(Anchor, JoinHandle<Option<Shown>>)>,
    /// The batch that was asked about last, so that the next one follows.
    asked: u64,
    /// When nobody had what was asked for.
    missed: Option<Instant>,
    patience: Patience,
    network: Option<Handle>,
    begun: Instant,
}

impl Seek {
    pub(super) fn new(rollup: RollupId, network: Option<Handle>) -> Self {
        Self {
            network: network.clone(),
            begun: Instant::now(),
            fetch: Arc::new(tokio::sync::Mutex::new(Fetch::new(rollup, network))),
            asking: None,
            asked: 0,
            missed: None,
            patience: Patience::default(),
        }
    }

    /// What the last question has brought, and from whom, if it has ended.
    async fn answer(&mut self) -> Option<(Anchor, Shown)> {
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

    /// Whether there are peers, or none have come for long.
    async fn has_somebody_to_ask(&self) -> bool {
        let Some(network) = &self.network else { return true };
        self.begun.elapsed() >= ALONE || network.peers().await.is_ok_and(|peers| !peers.is_empty())
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
    /// `time`: that of L1's last block, by which it is told whether L1 has lost something or only lags.
    pub(super) async fn take_over(&mut self, progress: &Progress, time: u64) -> Result<Standing, SettleError> {
        let commits = commits(self.follower.events());
        let last = commits.last_key_value().map_or(0, |(number, _)| *number);
        if last != progress.committed {
            return Ok(Standing::Moved);
        }
        let unsigned = self.sequencer.lock().await.all_unsigned(progress.proven)?;
        if let Some(number) = unsigned.iter().copied().find(|number| *number > last) {
            let seen_at = self.journal.sealed(number)?.map_or(0, |sealed| sealed.sealed_at);
            if time <= seen_at {
                return Ok(Standing::Stalled {
                    last,
                    trouble: format!(
                        "batch {number} was taken from L1, which does not have it as of its last block: nothing is built until L1 is \
                         further"
                    ),
                });
            }
            self.sequencer.lock().await.give_up(number)?;
        }
        if let Some(number) = unsigned.first().copied().filter(|number| *number <= last) {
            let on_l1 = self.contract().batch(number).await?;
            if self.has(number, &on_l1).await? {
                self.seek_signatures(progress.proven, last).await?;
                // Nobody has waited yet after a restart, or when a proof was lost.
                if !self.waited(Instant::now()).await {
                    return Ok(stalled(number, alone(number)));
                }
            }
        }
        let mut first = last + 1;
        let own = self.sequencer.lock().await.last();
        // The digest of a batch covers all before it: the last one that is the same settles the rest.
        while first > 1 {
            let number = first - 1;
            if number <= own + 1 {
                let on_l1 = self.contract().batch(number).await?;
                if self.has(number, &on_l1).await? {
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
            if self.has(number, &on_l1).await? {
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
                Err(missing) => return Ok(stalled(number, missing)),
            };
            let given = fetched.signed.unwrap_or_default();
            let grounds = match proven {
                true => Grounds::Proof,
                false => Grounds::Signatures,
            };
            let mut adopted = self.sequencer.lock().await.adopt(&fetched.commit, given, grounds)?;
            let (asked, slot) = (Instant::now(), self.slot());
            // Some peers may be silent; what was missing long enough before is asked for all the same.
            let most = self.seek.patience.left(asked, slot).max(slot / 4);
            if let Adopted::Unsigned(_) = &adopted
                && let Ok(Ok((peer, given))) = timeout(most, self.fetch.signatures(&anchor)).await
            {
                adopted = self.sequencer.lock().await.adopt(&fetched.commit, given, grounds)?;
                if adopted != Adopted::Done {
                    self.fetch.caught(peer).await;
                }
            }
            if match &adopted {
                Adopted::Unsigned(_) => true,
                Adopted::Garbage(garbage) => garbage.may_be_proven(),
                Adopted::Done => false,
            } {
                let unsigned = self.sequencer.lock().await.unsigned(progress.proven)?;
                if self.waited(asked).await {
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
                Adopted::Garbage(garbage) if garbage.may_be_proven() => {
                    let trouble = format!(
                        "nothing is built on batch {number} of L1 yet ({garbage}): for half a slot its proof is waited for"
                    );
                    return Ok(stalled(number, trouble));
                }
                Adopted::Garbage(garbage) => {
                    let trouble =
                        format!("nothing is built on batch {number} of L1 ({garbage}): it is pruned at its deadline");
                    return Ok(stalled(number, trouble));
                }
                Adopted::Unsigned(missing) => {
                    let trouble = format!(
                        "batch {number} on L1 has {missing} transactions whose signatures nobody shows: for half a slot they, or its \
                         proof, are waited for"
                    );
                    return Ok(stalled(number, trouble));
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
        Ok(Standing::Level)
    }

    /// Signatures are missing that were asked for at `asked`; whether they were waited for long enough. A node that has just started has to
    /// find somebody to ask first.
    async fn waited(&mut self, asked: Instant) -> bool {
        let slot = self.slot();
        self.seek.patience.is_over(asked, Instant::now(), slot) && self.seek.has_somebody_to_ask().await
    }

    fn slot(&self) -> Duration {
        Duration::from_secs(lock(&self.turns).clock().slot)
    }

    /// Whether the chain has this batch of L1's.
    async fn has(&self, number: u64, on_l1: &BatchInfo) -> Result<bool, SettleError> {
        let mut sequencer = self.sequencer.lock().await;
        Ok(sequencer.has_commit(number, &on_l1.digest, &on_l1.head)?)
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
        if let Some((anchor, (peer, found))) = self.seek.answer().await {
            let same = self.journal.sealed(anchor.number)?;
            if same.is_some_and(|sealed| sealed.digest == anchor.digest)
                && !self.sequencer.lock().await.add_signatures(anchor.number, found)?
            {
                // Every signature verifies, and one of them is of another key than the account's.
                self.seek.fetch.lock().await.caught(peer).await;
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
