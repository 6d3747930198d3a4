//! Shows L1 the leaders that let their slot pass although an entry of the queue was due: `specs/pos.md` says when that is neglect. The
//! contract judges; what is looked at here is only whether there is something to show.

use std::collections::BTreeSet;

use starling_rollup::address::L1Address;
use starling_rollup::schedule::Clock;
use tracing::{info, warn};

use super::seeds::first_block;
use crate::l1::rollup::{Progress, Rollup};
use crate::l1::staking::Staking;
use crate::l1::{Block, L1, L1Error};

/// Slots that have ended and are looked at. A slot whose neglect can be shown later than that, because the batch before it is proven
/// late, is somebody else's reward.
const SLOTS: u64 = 16;

/// A slot whose leader seems to have neglected the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neglect {
    /// The slot.
    pub slot: u64,
    /// Its leader.
    pub leader: L1Address,
    /// The first batch that was committed after it; one more than the last if none was.
    pub batch: u64,
}

/// What can be said of a slot that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judgement {
    /// Nothing is to be shown, now or later.
    Served,
    /// The batch before the slot is not proven: the leader may have had nothing to build on.
    Open,
    /// The leader seems to have neglected the queue.
    Neglected(Neglect),
}

/// What a slot that ended up to `head` comes to.
///
/// # Errors
/// When L1 does not answer.
pub async fn judge(
    rollup: &Rollup<'_>,
    staking: &Staking<'_>,
    clock: &Clock,
    queue_window: u64,
    progress: &Progress,
    slot: u64,
) -> Result<Judgement, L1Error> {
    let (start, end) = (clock.slot_start(slot), clock.slot_start(slot + 1));
    let mut before = progress.committed;
    let mut last = rollup.batch(before).await?;
    while before > 0 && last.committed_at >= end {
        before -= 1;
        last = rollup.batch(before).await?;
    }
    if last.committed_at >= start {
        return Ok(Judgement::Served);
    }
    let queued = rollup.queued_at(last.queue_end).await?;
    if queued.is_none_or(|queued| queued + queue_window >= start) {
        return Ok(Judgement::Served);
    }
    if before > progress.proven {
        return Ok(Judgement::Open);
    }
    let found = staking.leader(slot).await?.map(|leader| Neglect {
        slot,
        leader,
        batch: before + 1,
    });
    Ok(found.map_or(Judgement::Served, Judgement::Neglected))
}

/// Shows a neglect to L1; whether L1 took it. Nothing is sent if L1 would not, or if it had no two blocks in the slot.
///
/// # Errors
/// When L1 does not answer.
pub async fn show(
    l1: &dyn L1,
    staking: &Staking<'_>,
    clock: &Clock,
    head: &Block,
    neglect: &Neglect,
) -> Result<bool, L1Error> {
    let (start, end) = (clock.slot_start(neglect.slot), clock.slot_start(neglect.slot + 1));
    let (early, late) = (first_block(l1, start, head).await?, first_block(l1, end, head).await?);
    let (Some(early), Some(late)) = (early, late.and_then(|late| late.checked_sub(1))) else {
        return Ok(false);
    };
    let (Some(early), Some(late)) = (l1.header(early).await?, l1.header(late).await?) else {
        return Ok(false);
    };
    let Neglect { slot, leader, batch } = *neglect;
    match staking.report_neglect(slot, batch, early, late).await {
        Ok(receipt) => {
            warn!(%leader, slot, gas = receipt.gas, "neglect of the queue is reported");
            Ok(true)
        }
        // Somebody else was faster, or the contract knows more than was looked at.
        Err(L1Error::Reverted { error, .. }) => {
            info!(%leader, slot, error, "neglect of the queue is not taken");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

/// The slots that have ended and may have been neglected.
#[derive(Debug, Default)]
pub(super) struct NeglectWatch {
    /// Slot and proven batch at the last look.
    looked: Option<(u64, u64)>,
    /// Slots of which everything is said.
    judged: BTreeSet<u64>,
    /// What is to be shown.
    found: Vec<Neglect>,
}

impl NeglectWatch {
    /// Looks at the slots before the one of L1's newest block, if there is anything new; what is to be shown.
    ///
    /// # Errors
    /// When L1 does not answer.
    pub(super) async fn look(
        &mut self,
        rollup: &Rollup<'_>,
        staking: &Staking<'_>,
        clock: &Clock,
        queue_window: u64,
        progress: &Progress,
        head: &Block,
    ) -> Result<Option<Neglect>, L1Error> {
        let slot = clock.slot_at(head.timestamp);
        let now = (slot, progress.proven);
        if self.looked != Some(now) {
            let first = slot.saturating_sub(SLOTS);
            self.judged.retain(|judged| *judged >= first);
            for slot in first..slot {
                if self.judged.contains(&slot) {
                    continue;
                }
                match judge(rollup, staking, clock, queue_window, progress, slot).await? {
                    Judgement::Open => continue,
                    Judgement::Served => {}
                    Judgement::Neglected(neglect) => self.found.push(neglect),
                }
                self.judged.insert(slot);
            }
            self.looked = Some(now);
        }
        Ok(self.found.first().copied())
    }

    /// The first of what is to be shown is done with.
    pub(super) fn done(&mut self) {
        if !self.found.is_empty() {
            self.found.remove(0);
        }
    }
}
