//! Whose turn it is: the clock of the slots, and who builds in them, as far as L1 has said so.
//!
//! The node's time is the system's as long as that is close to L1's, and else the newest block's time and what has passed since that
//! block was seen. A slot is built by its leader; if the epoch has none, or the leader is not in office (jailed, ejected, leaving), by the validators in office in
//! turn, in the order of their leaves (`specs/pos.md`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use starling_rollup::address::L1Address;
use starling_rollup::schedule::Clock;

use super::sequencer::Turn;
use crate::l1::staking::{Staking, StakingConstants, StakingEvent};
use crate::l1::{Block, L1Error};

/// Slots before the current one whose builders are kept, for blocks that are asked for later. L1 has most of those by then.
const KEPT: u64 = 64;

/// Slots before the current one whose builders L1 is asked for, where they are not known: after a start.
const ASKED: u64 = 8;

/// How far ahead of a slot its blocks are taken: clocks are not the same. Longer: the next builder can end a slot earlier.
const AHEAD: Duration = Duration::from_secs(1);

/// L1 blocks that one question about events covers.
const RANGE: u64 = 2_000;

/// How far the system's clock may be from L1's newest block to be believed: a few blocks may be missing, and clocks are off.
const CLOSE: Duration = Duration::from_secs(60);

/// The last part of a slot in which no block is made: what is signed then may come too late for the next leader.
const HAND_OVER: Duration = Duration::from_millis(300);

/// The first part of a slot in which its builder still takes the blocks of the one before.
const TAKE_OVER: Duration = Duration::from_millis(400);

/// The schedule, shared by the parts of a node.
pub type SharedTurns = Arc<Mutex<Turns>>;

/// Locks the schedule.
pub fn lock(turns: &SharedTurns) -> MutexGuard<'_, Turns> {
    turns.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What is known of the schedule.
#[derive(Debug)]
pub struct Turns {
    constants: StakingConstants,
    /// L1's time at a moment here.
    anchor: Option<(Duration, Instant)>,
    builders: BTreeMap<u64, L1Address>,
    /// The validators by leaf.
    validators: BTreeMap<u64, L1Address>,
    /// Those in office, at the last look.
    in_office: Vec<L1Address>,
    seen: u64,
    deployed: u64,
    /// The block of the last look.
    looked: Option<u64>,
}

impl Turns {
    /// Nothing known yet.
    pub fn new(constants: StakingConstants, deployed: u64) -> Self {
        Self {
            constants,
            anchor: None,
            builders: BTreeMap::new(),
            validators: BTreeMap::new(),
            in_office: Vec::new(),
            seen: deployed.saturating_sub(1),
            deployed,
            looked: None,
        }
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.constants.clock
    }

    /// The contract's parameters.
    pub fn constants(&self) -> &StakingConstants {
        &self.constants
    }

    /// L1's time now, since 1970; `None` before the first look.
    pub fn now(&self) -> Option<Duration> {
        self.anchor.map(|(time, at)| time + at.elapsed())
    }

    /// The slot now; `None` before the first look.
    pub fn slot(&self) -> Option<u64> {
        self.now().map(|now| self.clock().slot_at(now.as_secs()))
    }

    /// What is left of the slot.
    pub fn left(&self) -> Option<Duration> {
        let (now, slot) = (self.now()?, self.slot()?);
        Some(Duration::from_secs(self.clock().slot_start(slot + 1)).saturating_sub(now))
    }

    /// What has passed of the slot.
    pub fn passed(&self) -> Option<Duration> {
        let (now, slot) = (self.now()?, self.slot()?);
        Some(now.saturating_sub(Duration::from_secs(self.clock().slot_start(slot))))
    }

    /// Whether a slot has begun, or begins in a moment.
    pub fn has_begun(&self, slot: u64) -> bool {
        self.now()
            .is_some_and(|now| self.clock().slot_at((now + AHEAD).as_secs()) >= slot)
    }

    /// The slot now, and whether `me` makes a block in it at this moment.
    pub fn turn(&self, me: Option<L1Address>) -> Turn {
        let slot = self.slot().unwrap_or(0);
        let mine = me.is_some() && self.builder(slot) == me;
        let in_time =
            self.left().is_some_and(|left| left > HAND_OVER) && self.passed().is_some_and(|passed| passed > TAKE_OVER);
        Turn {
            slot,
            builds: mine && in_time,
        }
    }

    /// Batches built for slots before this one are complete: the last blocks of the slot that has just ended may still be on their way.
    pub fn complete_before(&self) -> u64 {
        let slot = self.slot().unwrap_or(0);
        match self.passed().is_some_and(|passed| passed > TAKE_OVER) {
            true => slot,
            false => slot.saturating_sub(1),
        }
    }

    /// Who builds a slot; `None` if that is not known, or nobody does.
    pub fn builder(&self, slot: u64) -> Option<L1Address> {
        self.builders.get(&slot).copied()
    }

    /// Whether an address is a validator's.
    pub fn is_validator(&self, address: &L1Address) -> bool {
        self.validators.values().any(|validator| validator == address)
    }

    /// How many validators in office go before this one when all want the same thing in a slot; `None` if it is not in office.
    pub fn rank(&self, address: &L1Address, slot: u64) -> Option<u64> {
        let count = self.in_office.len() as u64;
        let at = self.in_office.iter().position(|validator| validator == address)? as u64;
        Some((at + count - slot % count) % count)
    }

    /// L1 has a newer block.
    fn see_time(&mut self, timestamp: u64) {
        let time = Duration::from_secs(timestamp);
        let system = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let close = system >= time && system < time + CLOSE;
        let behind = self.now().is_none_or(|now| now < time || now >= time + CLOSE);
        match (close, behind) {
            (true, _) => self.anchor = Some((system, Instant::now())),
            (false, true) => self.anchor = Some((time, Instant::now())),
            (false, false) => {}
        }
    }
}

/// Asks L1 for what has changed since the last look: who is in office, and who builds the slots around now.
///
/// # Errors
/// When L1 does not answer: what was known stays.
pub async fn look(turns: &SharedTurns, staking: &Staking<'_>, head: &Block, reorganised: bool) -> Result<(), L1Error> {
    let (mut validators, mut from, known, min_stake) = {
        let mut turns = lock(turns);
        turns.see_time(head.timestamp);
        if reorganised {
            turns.builders.clear();
            turns.validators.clear();
            turns.seen = turns.deployed.saturating_sub(1);
            turns.looked = None;
        }
        if turns.looked == Some(head.number) {
            return Ok(());
        }
        let slot = turns.slot().unwrap_or(0);
        let mut known = turns.builders.clone();
        known.retain(|number, _| (slot.saturating_sub(KEPT)..=slot + 1).contains(number));
        (
            turns.validators.clone(),
            turns.seen + 1,
            known,
            turns.constants.min_stake,
        )
    };
    while from <= head.number {
        let to = head.number.min(from + RANGE - 1);
        for (_, event) in staking.events(from, to).await? {
            if let StakingEvent::Registered { operator, index } = event {
                validators.insert(index, operator);
            }
        }
        from = to + 1;
    }
    let time = head.timestamp;
    let office = staking.in_office(validators.values().copied(), min_stake, time).await?;
    let slot = {
        let mut turns = lock(turns);
        turns.validators = validators;
        turns.in_office = office.clone();
        turns.seen = head.number;
        turns.slot().unwrap_or(0)
    };
    let mut builders = known;
    for slot in slot.saturating_sub(ASKED)..=slot + 1 {
        // A slot that has begun keeps its builder, unless L1 was reorganised: its blocks are out.
        if builders.contains_key(&slot) && slot <= lock(turns).slot().unwrap_or(0) {
            continue;
        }
        let Some(builder) = staking.builder(slot, &office, min_stake, time).await? else {
            continue;
        };
        builders.insert(slot, builder);
    }
    let mut turns = lock(turns);
    turns.builders = builders;
    turns.looked = Some(head.number);
    Ok(())
}
