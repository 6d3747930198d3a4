//! Messages that wait for their verdict: transactions for their nonce, blocks for their parent or for entries of the queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use starling_p2p::message::MessageId;
use starling_rollup::transaction::SignedTransaction;

use crate::mempool::cost;

/// Transactions that came before the one that their sender's nonce needs, or before a block that makes room for them.
const EARLY: usize = 1_024;

/// How long they wait.
const EARLY_TIME: Duration = Duration::from_secs(10);

/// Blocks that wait for their verdicts.
const UNPLACED: usize = 256;

/// A verified transaction that waits for its nonce.
pub(super) struct Ahead {
    pub(super) signed: SignedTransaction,
    /// The message that brought it, whose verdict waits too.
    pub(super) message: MessageId,
    at: Instant,
}

/// Verified transactions whose sender's nonce has not come so far, or that has as many in the pool as it may: who passed them on is a
/// block ahead of this node. They are passed on when their turn comes: of those that never have one, nobody ever pays.
#[derive(Default)]
pub(super) struct Early {
    /// By sender and nonce.
    waiting: BTreeMap<(u32, u32), Ahead>,
    order: VecDeque<(Instant, (u32, u32))>,
}

impl Early {
    /// Forgets what has waited for too long, and until there is `room`; gives the messages that had to make it.
    pub(super) fn tidy(&mut self, room: usize) -> Vec<MessageId> {
        let mut gone = Vec::new();
        let old = |at: &Instant| at.elapsed() > EARLY_TIME;
        while self
            .order
            .front()
            .is_some_and(|(at, _)| old(at) || self.order.len() + room > EARLY)
        {
            if let Some((at, key)) = self.order.pop_front()
                // Another may have come with the same nonce since.
                && self.waiting.get(&key).is_some_and(|ahead| ahead.at == at)
                && let Some(ahead) = self.waiting.remove(&key)
                && !old(&at)
            {
                gone.push(ahead.message);
            }
        }
        gone
    }

    /// Whether a transaction with this nonce waits.
    pub(super) fn has(&self, from: u32, nonce: u32) -> bool {
        let found = self.waiting.get(&(from, nonce));
        found.is_some_and(|ahead| ahead.at.elapsed() <= EARLY_TIME)
    }

    /// Gwei that a sender's take together.
    pub(super) fn cost(&self, from: u32) -> u128 {
        let its = self.waiting.range((from, 0)..=(from, u32::MAX));
        its.map(|(_, ahead)| cost(&ahead.signed)).sum()
    }

    /// Gives the messages that had to make room.
    pub(super) fn push(&mut self, signed: SignedTransaction, message: MessageId) -> Vec<MessageId> {
        let gone = self.tidy(1);
        let (key, at) = ((signed.transaction.from, signed.transaction.nonce), Instant::now());
        self.waiting.insert(key, Ahead { signed, message, at });
        self.order.push_back((at, key));
        gone
    }

    /// Takes one out; only one taker gets it.
    pub(super) fn take(&mut self, from: u32, nonce: u32) -> Option<Ahead> {
        self.waiting.remove(&(from, nonce))
    }

    /// It waits on, for as long as it would have.
    pub(super) fn put_back(&mut self, from: u32, nonce: u32, ahead: Ahead) {
        // If its time ended while it was out, or it had to make room, it is gone.
        if self.order.contains(&(ahead.at, (from, nonce))) {
            self.waiting.entry((from, nonce)).or_insert(ahead);
        }
    }

    pub(super) fn senders(&self) -> BTreeSet<u32> {
        self.waiting.keys().map(|(from, _)| *from).collect()
    }
}

/// The messages of blocks that wait for their parent or for entries of the queue, by the blocks' digests.
#[derive(Default)]
pub(super) struct Unplaced {
    waiting: BTreeMap<[u8; 32], (Instant, MessageId)>,
}

impl Unplaced {
    pub(super) fn push(&mut self, digest: [u8; 32], message: MessageId) {
        self.waiting.retain(|_, (at, _)| at.elapsed() <= EARLY_TIME);
        if self.waiting.len() < UNPLACED {
            self.waiting.insert(digest, (Instant::now(), message));
        }
    }

    pub(super) fn remove(&mut self, digest: &[u8; 32]) -> Option<MessageId> {
        self.waiting.remove(digest).map(|(_, message)| message)
    }
}
