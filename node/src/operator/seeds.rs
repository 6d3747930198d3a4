//! Brings the seeds of the epochs to L1: one honest validator that does keeps the schedule unforeseeable.

use starling_rollup::schedule::Clock;
use tracing::info;

use crate::l1::staking::Staking;
use crate::l1::{Block, L1, L1Error};

/// Brings the seed of the next epoch, if nobody has; whether this was done. Nothing is sent while it is not time.
///
/// # Arguments
/// `head`: the newest block.
///
/// # Errors
/// When L1 does not answer, or somebody else was faster.
pub async fn bring(l1: &dyn L1, staking: &Staking<'_>, clock: &Clock, head: &Block) -> Result<bool, L1Error> {
    let current = clock.epoch_of(clock.slot_at(head.timestamp));
    let epoch = current + 1;
    if head.timestamp < clock.genesis || staking.seed(epoch).await?.is_some() {
        return Ok(false);
    }
    let Some(first) = first_block(l1, clock.epoch_start(current), head).await? else {
        return Ok(false);
    };
    let (Some(parent), Some(block)) = (l1.header(first - 1).await?, l1.header(first).await?) else {
        return Ok(false);
    };
    let receipt = staking.bring_seed(epoch, parent, block).await?;
    info!(epoch, block = first, gas = receipt.gas, "seed");
    Ok(true)
}

/// The number of the first block that is not before `time`; `None` if there is none up to `head`, or no block before it.
///
/// # Errors
/// When L1 does not answer.
pub(super) async fn first_block(l1: &dyn L1, time: u64, head: &Block) -> Result<Option<u64>, L1Error> {
    if head.timestamp < time || head.number == 0 {
        return Ok(None);
    }
    // Steps back that double, then a search in between: most often the block is a few blocks old.
    let (mut late, mut step) = (head.number, 1);
    let mut early = loop {
        let number = late.saturating_sub(step);
        let missing = || L1Error::History(format!("block {number} is not there"));
        if l1.block(number).await?.ok_or_else(missing)?.timestamp < time {
            break number;
        }
        if number == 0 {
            return Ok(None);
        }
        (late, step) = (number, 2 * step);
    };
    while late - early > 1 {
        let middle = early + (late - early) / 2;
        let missing = || L1Error::History(format!("block {middle} is not there"));
        if l1.block(middle).await?.ok_or_else(missing)?.timestamp < time {
            early = middle;
        } else {
            late = middle;
        }
    }
    Ok(Some(late))
}
