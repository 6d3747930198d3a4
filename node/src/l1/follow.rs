//! Follows the rollup's events on L1, through reorganisations.

use std::collections::BTreeMap;

use starling_rollup::entry::Entry;

use super::rollup::{Event, Rollup};
use super::{Hash, L1, L1Error};

/// Blocks asked for at once.
const RANGE: u64 = 2_000;

/// Blocks whose hashes are remembered: a reorganisation that goes further back is followed from the rollup's deployment.
const REMEMBERED: usize = 128;

/// What has been seen, up to the newest block.
#[derive(Clone, Debug)]
pub struct Follower {
    /// The rollup contract's block.
    deployed: u64,
    /// The last block whose events have been seen; `deployed - 1` at first.
    seen: u64,
    /// Hashes of the last blocks.
    hashes: BTreeMap<u64, Hash>,
    /// The queue's entries, with their blocks.
    entries: Vec<(u64, Entry)>,
    /// All other events, with their blocks.
    events: Vec<(u64, Event)>,
}

/// What a look at L1 has brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// The newest block.
    pub head: u64,
    /// Whether blocks that had been seen are gone.
    pub reorganised: bool,
    /// Whether there are new events.
    pub news: bool,
}

impl Follower {
    /// Follows from the rollup's deployment on.
    pub fn new(deployed: u64) -> Self {
        Self {
            deployed,
            seen: deployed.saturating_sub(1),
            hashes: BTreeMap::new(),
            entries: Vec::new(),
            events: Vec::new(),
        }
    }

    /// The queue's entries in blocks up to `block`.
    pub fn entries(&self, block: u64) -> impl Iterator<Item = &Entry> {
        self.entries
            .iter()
            .take_while(move |(at, _)| *at <= block)
            .map(|(_, entry)| entry)
    }

    /// Entry number `number`.
    pub fn entry(&self, number: u64) -> Option<&Entry> {
        self.entries.get(usize::try_from(number).ok()?).map(|(_, entry)| entry)
    }

    /// All other events, with their blocks.
    pub fn events(&self) -> &[(u64, Event)] {
        &self.events
    }

    /// The last block that has been seen.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    /// Looks at L1 up to its newest block. After an error, what has been seen stays as it was or is ahead of it.
    ///
    /// # Errors
    /// When L1 does not answer, or changes while it is read: the next look finds it.
    pub async fn look(&mut self, l1: &dyn L1, rollup: &Rollup<'_>) -> Result<Step, L1Error> {
        let mut step = Step {
            reorganised: self.forget_replaced(l1).await?,
            ..Step::default()
        };
        let head = l1.head().await?;
        step.head = head.number;
        while self.seen < head.number {
            let from = self.seen + 1;
            let to = head.number.min(from + RANGE - 1);
            // The block before its events: if it is replaced in between, the next look sees another hash.
            let last = if to == head.number {
                Some(head)
            } else {
                l1.block(to).await?
            };
            let last = last.ok_or_else(|| L1Error::History(format!("block {to} is gone while it is read")))?;
            for (block, event) in rollup.events(from, to).await? {
                step.news = true;
                match event {
                    Event::Enqueued { number, entry } if number == self.entries.len() as u64 => {
                        self.entries.push((block, entry));
                    }
                    Event::Enqueued { number, .. } => {
                        let expected = self.entries.len();
                        self.restart();
                        return Err(L1Error::History(format!(
                            "queue entry {number} follows {expected} entries"
                        )));
                    }
                    other => self.events.push((block, other)),
                }
            }
            self.hashes.insert(to, last.hash);
            self.seen = to;
            while self.hashes.len() > REMEMBERED {
                self.hashes.pop_first();
            }
        }
        Ok(step)
    }

    /// Goes back to the last block that is still part of the chain; whether it had to.
    async fn forget_replaced(&mut self, l1: &dyn L1) -> Result<bool, L1Error> {
        let mut reorganised = false;
        while let Some((number, hash)) = self.hashes.last_key_value().map(|(number, hash)| (*number, *hash)) {
            let found = l1.block(number).await?;
            if found.is_some_and(|block| block.hash == hash) {
                self.seen = number;
                self.entries.retain(|(block, _)| *block <= number);
                self.events.retain(|(block, _)| *block <= number);
                return Ok(reorganised);
            }
            reorganised = true;
            self.hashes.pop_last();
        }
        if reorganised {
            self.restart();
        }
        Ok(reorganised)
    }

    fn restart(&mut self) {
        *self = Self::new(self.deployed);
    }
}
