//! The rollup's state from L1 alone: committed data, replayed.

use std::collections::BTreeMap;

use starling_rollup::chain;
use starling_rollup::data::{BatchData, DataError};
use starling_rollup::state::{ReplayError, State};
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;

use crate::l1::follow::Follower;
use crate::l1::rollup::{Event, Rollup};
use crate::l1::{Hash, L1, L1Error};

/// Why the state cannot be rebuilt.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// L1 failed.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// A proven batch is not on L1.
    #[error("batch {0} is proven, and its commit is not among the rollup's events: is `--deployed` too late?")]
    Missing(u64),
    /// A proven batch's data is malformed: impossible, unless this program's rules are not the kernel's.
    #[error("batch {batch}: {error}")]
    Data {
        /// The batch.
        batch: u64,
        /// What is wrong.
        error: DataError,
    },
    /// A proven batch breaks the rules: impossible, unless this program's rules are not the kernel's.
    #[error("batch {batch}: {error}")]
    Replay {
        /// The batch.
        batch: u64,
        /// What is wrong.
        error: ReplayError,
    },
    /// The data leads to another digest or root than the contract's.
    #[error("batch {batch}: the {what} is {found}, the contract has {expected}")]
    Differs {
        /// The batch.
        batch: u64,
        /// Digest or root.
        what: &'static str,
        /// The contract's.
        expected: String,
        /// The rebuilt one.
        found: String,
    },
}

/// A rebuilt state.
#[derive(Debug)]
pub struct Rebuilt {
    /// The state after the last proven batch.
    pub state: State,
    /// That batch.
    pub batch: u64,
    /// Chain digest after it.
    pub digest: Word,
    /// What the rollup has told.
    pub follower: Follower,
}

/// Where each batch that stands was committed, from the rollup's events in order.
pub fn commits(events: &[(u64, Event)]) -> BTreeMap<u64, Hash> {
    let mut commits = BTreeMap::new();
    for (_, event) in events {
        match event {
            Event::Committed { batch, transaction, .. } => {
                commits.insert(*batch, *transaction);
            }
            Event::Pruned { first, .. } => drop(commits.split_off(first)),
            _ => {}
        }
    }
    commits
}

/// Rebuilds the state after the last proven batch, and compares every proven root and the chain digest with the contract's.
///
/// `progress` is told the batch and the last one.
///
/// # Errors
/// When L1 does not answer, or what it says does not fit together.
pub async fn rebuild(
    l1: &dyn L1,
    rollup: &RollupId,
    deployed: u64,
    mut progress: impl FnMut(u64, u64),
) -> Result<Rebuilt, RebuildError> {
    replay(l1, rollup, deployed, |batch, last, _| progress(batch, last)).await
}

/// As [rebuild]; `seen` is told each batch's number, the last one, and the batch's data.
///
/// # Errors
/// As [rebuild].
pub async fn replay(
    l1: &dyn L1,
    rollup: &RollupId,
    deployed: u64,
    mut seen: impl FnMut(u64, u64, &BatchData),
) -> Result<Rebuilt, RebuildError> {
    let contract = Rollup::new(l1, rollup.contract);
    let mut follower = Follower::new(deployed);
    follower.look(l1, &contract).await?;
    let last = contract.progress().await?.proven;
    let commits = commits(follower.events());
    let mut state = State::default();
    let mut digest = chain::GENESIS;
    for batch in 1..=last {
        let transaction = commits.get(&batch).ok_or(RebuildError::Missing(batch))?;
        let words = contract.batch_words(*transaction).await?;
        let data = BatchData::from_words(&words).map_err(|error| RebuildError::Data { batch, error })?;
        seen(batch, last, &data);
        state
            .replay(&data)
            .map_err(|error| RebuildError::Replay { batch, error })?;
        digest = chain::next(&digest, &words, rollup, batch);
        let differs = |what, expected: Word, found: Word| RebuildError::Differs {
            batch,
            what,
            expected: crate::operator::hex_word(&expected),
            found: crate::operator::hex_word(&found),
        };
        let expected = contract.batch(batch).await?.digest;
        if digest != expected {
            return Err(differs("chain digest", expected, digest));
        }
        if let Some(expected) = contract.root(batch).await?
            && expected != state.root()
        {
            return Err(differs("state root", expected, state.root()));
        }
    }
    Ok(Rebuilt {
        state,
        batch: last,
        digest,
        follower,
    })
}
