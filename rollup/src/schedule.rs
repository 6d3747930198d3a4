//! Whose turn it is: slots, epochs, seeds and the draw, as the `Staking` contract computes them (`specs/pos.md`).

use crate::l1_key::keccak256;

/// How many epochs ahead a change of the set counts.
pub const EPOCHS_AHEAD: u64 = 3;

/// Wei of a unit of stake.
pub const STAKE_UNIT: u128 = 1_000_000_000_000;

/// The clock of a rollup's slots, in seconds of L1's block time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clock {
    /// When slot 0 began.
    pub genesis: u64,
    /// Seconds of a slot; not 0.
    pub slot: u64,
    /// Slots of an epoch; not 0.
    pub slots: u64,
}

impl Clock {
    /// The slot at `time`; slot 0 before the genesis.
    pub fn slot_at(&self, time: u64) -> u64 {
        time.saturating_sub(self.genesis) / self.slot
    }

    /// When a slot starts.
    pub fn slot_start(&self, slot: u64) -> u64 {
        self.genesis.saturating_add(slot.saturating_mul(self.slot))
    }

    /// The epoch of a slot.
    pub fn epoch_of(&self, slot: u64) -> u64 {
        slot / self.slots
    }

    /// When an epoch starts.
    pub fn epoch_start(&self, epoch: u64) -> u64 {
        self.slot_start(epoch.saturating_mul(self.slots))
    }
}

fn word(value: u64) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[24..].copy_from_slice(&value.to_be_bytes());
    bytes
}

/// The seed of an epoch from the prevrandao of the first L1 block of the epoch before; also, from the last seed that was
/// brought, the seed of an epoch that nobody brought one for.
pub fn seed(source: &[u8; 32], epoch: u64) -> [u8; 32] {
    keccak256(&[source, &word(epoch)])
}

/// The leader of a slot: the number of the weight in which the running sum passes `keccak256(seed, slot) mod total`. `None` if
/// nobody has any weight.
///
/// # Arguments
/// `weights`: the units of each leaf in the slot's epoch, in the order of the leaves. Their sum is below 2^64.
pub fn leader(seed: &[u8; 32], slot: u64, weights: &[u64]) -> Option<usize> {
    let total: u64 = weights.iter().sum();
    if total == 0 {
        return None;
    }
    let hash = keccak256(&[seed, &word(slot)]);
    let mut point = hash.iter().fold(0, |rest: u128, byte| {
        (rest << 8 | u128::from(*byte)) % u128::from(total)
    }) as u64;
    weights.iter().position(|&weight| {
        let here = point < weight;
        if !here {
            point -= weight;
        }
        here
    })
}
