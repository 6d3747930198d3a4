//! What others make of the chain: signed blocks, and batches that L1 has.
//!
//! The order of truth: what L1 has proven, what L1 has, what leaders signed. So a batch that L1 has takes the place of ours as soon
//! as all its signatures are here and valid, or it is proven, or they were waited for long enough; until then we stay where we are and
//! build on neither. Of two signed blocks behind one parent the first stays, until L1 decides.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::block_header::{self, BlockEnd, BlocksError, SignedHeader};
use starling_rollup::chain::{self, GENESIS};
use starling_rollup::data::{BatchData, DataError};
use starling_rollup::envelope::TransactionId;
use starling_rollup::record::Record;
use starling_rollup::rules::Refusal;
use starling_rollup::state::{ReplayError, State};
use starling_rollup::transaction::SignedTransaction;
use starling_vm::field::Word;
use tracing::{info, warn};

use super::journal::{Body, JournalError, Sealed, undo_of};
use super::proving::MAX_OPERATIONS;
use super::sequencer::{Held, Sequencer, SequencerError, now};
use crate::block::{Block, Opening};

/// Blocks that wait until the chain comes to them.
const HELD: usize = 256;

/// Those of one slot: whoever builds it cannot take the places of the slots around it.
const HELD_OF_SLOT: usize = 40;

/// Those with one header: anybody can put other transactions under it, which is found out when they are executed.
const BODIES: usize = 4;

/// Slots after which a block that waits is forgotten.
const HELD_SLOTS: u64 = 4;

// BLOCKS
// ================================================================================================================

/// What became of a signed block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// It is the end of the chain now.
    Applied,
    /// The chain has it.
    Known,
    /// Its parent is not the end of the chain: it waits until that is.
    Elsewhere,
    /// It takes entries of the queue that this node has not seen yet: it waits for them.
    Early,
    /// It would have to wait, and as many wait as may.
    Crowded,
    /// It continues a batch that is closed here, or is of an earlier slot than what it follows: it came after its slot.
    Late,
}

/// Why a block cannot be executed: no honest leader signs such a block.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockFault {
    /// A transaction is refused.
    #[error("transaction {number}: {refusal}")]
    Refused {
        /// Its number in the block.
        number: usize,
        /// Why.
        refusal: Refusal,
    },
    /// The fees cannot be credited.
    #[error("the fees: {0}")]
    Fees(Refusal),
    /// The header names other operations.
    #[error("the header's hash of the operations is not that of what the block says")]
    Operations,
    /// The header claims another state.
    #[error("the block leads to another state root than its header claims")]
    State,
    /// It belongs to another slot than the batch's first block.
    #[error("the block is of slot {found}, its batch of slot {expected}")]
    Slot {
        /// The batch's.
        expected: u64,
        /// The block's.
        found: u64,
    },
    /// A batch of that many blocks or operations.
    #[error("the batch has {found} operations with this block, at most {limit} are proven at once")]
    TooLong {
        /// With the block.
        found: usize,
        /// The most.
        limit: usize,
    },
}

/// Why a block is not taken.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    /// It cannot be executed.
    #[error(transparent)]
    Fault(#[from] BlockFault),
    /// This node failed.
    #[error(transparent)]
    Sequencer(#[from] SequencerError),
}

impl From<JournalError> for ReceiveError {
    fn from(error: JournalError) -> Self {
        Self::Sequencer(error.into())
    }
}

// BATCHES ON L1
// ================================================================================================================

/// A commit, as L1 has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// The batch's number.
    pub number: u64,
    /// Chain digest after it.
    pub digest: Word,
    /// Hash of its last block's header.
    pub head: [u8; 32],
    /// The slot that its blocks were built for.
    pub slot: u64,
    /// Its blocks.
    pub blocks: Vec<BlockEnd>,
    /// Its words.
    pub words: Vec<u64>,
}

/// Why a batch on L1 is not built on: at most its own committer proves it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Garbage {
    /// Its words are no batch.
    #[error(transparent)]
    Data(#[from] DataError),
    /// It breaks a rule.
    #[error(transparent)]
    Replay(#[from] ReplayError),
    /// Its blocks do not cut its words.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// It says in more words than needed what it says: the kernel takes that, and no node proves it.
    #[error("a transfer in it has a longer form than it needs, which nodes do not prove")]
    Form,
    /// It has more operations than a prover's memory is for, and no node proves it.
    #[error("it has {found} operations, and nodes prove {limit} at once")]
    Size {
        /// Its operations, entries included.
        found: usize,
        /// The most.
        limit: usize,
    },
    /// Its claim is not the digest of its words, or it is not what L1 says it is.
    #[error("its {0} is not what L1 has for it")]
    Differs(&'static str),
}

impl Garbage {
    /// What keeps nodes from proving a batch that can be executed. It is waited for like one whose signatures are not here, and then taken
    /// over as L1 has it.
    fn that_may_be_proven(data: &BatchData) -> Option<Self> {
        let (found, limit) = (data.entries.len() + data.records.len(), MAX_OPERATIONS);
        if found > limit {
            return Some(Self::Size { found, limit });
        }
        (!data.records.iter().all(Record::is_shortest)).then_some(Self::Form)
    }

    /// Whether its committer may prove the batch, though no node does.
    pub fn may_be_proven(&self) -> bool {
        matches!(self, Self::Form | Self::Size { .. })
    }
}

/// On what grounds a batch on L1 that can be executed takes the place of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grounds {
    /// Its signatures, all of them, in the form that every node proves.
    Signatures,
    /// Those were waited for, and L1's order counts. Nobody vouches for the batch, nor for what is built on it, until it is proven: it is
    /// [unverified](Sequencer::unverified).
    Patience,
    /// L1 has verified its proof.
    Proof,
}

/// What became of a batch on L1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Adopted {
    /// It is part of the chain.
    Done,
    /// So many of its transactions' signatures are not here: whoever has the batch must be asked.
    Unsigned(usize),
    /// It is not built on.
    Garbage(Garbage),
}

impl Sequencer {
    // READING
    // ============================================================================================================

    /// Operations behind batch `proven`, those of the open batch included.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unproven(&self, proven: u64) -> Result<usize, JournalError> {
        Ok(self.unproven_to(proven, self.last)? + self.operations())
    }

    /// The first sealed batch behind `proven` whose signatures are not all here: nobody here can prove it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unsigned(&self, proven: u64) -> Result<Option<u64>, JournalError> {
        Ok(self.all_unsigned(proven)?.first().copied())
    }

    /// Operations of the batches behind `proven` up to `last` that provers have work with: not those of batches that only their
    /// committer can prove, nor those that are proven here and wait for such a batch.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn unproven_to(&self, proven: u64, last: u64) -> Result<usize, JournalError> {
        let mut count = 0;
        for number in proven + 1..=last.min(self.last) {
            let shape = self.shape(number)?;
            if shape.signed && !self.proven_ahead.contains(&number) {
                count += shape.entries + shape.operations;
            }
        }
        Ok(count)
    }

    /// The first batch of the chain that is not proven and whose signatures are not all here, as far as is known: it and all behind it
    /// are nobody's word but its committer's.
    pub fn unverified(&self) -> Option<u64> {
        self.unverified
    }

    /// The batches behind `proven` whose signatures are not all here.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn all_unsigned(&self, proven: u64) -> Result<Vec<u64>, JournalError> {
        let mut all = Vec::new();
        for number in proven + 1..=self.last {
            if !self.shape(number)?.signed {
                all.push(number);
            }
        }
        Ok(all)
    }

    /// Adds the signatures to a batch of the chain that was taken over without them; whether all of them are here now.
    ///
    /// # Arguments
    /// `given`: transactions of the batch whose signatures have been verified, from whoever has it.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn add_signatures(&mut self, number: u64, given: Vec<SignedTransaction>) -> Result<bool, SequencerError> {
        let Some(mut sealed) = self.journal.sealed(number)? else {
            return Ok(false);
        };
        let Body::Public { data, ids, known } = &sealed.body else {
            return Ok(true);
        };
        if Garbage::that_may_be_proven(data).is_some() {
            return Ok(false);
        }
        // Batches behind it have none of its transactions.
        // What is shown counts before what was heard: that may be another's signature under the same operation.
        let given = known.iter().cloned().chain(given).collect();
        let found = self.signatures(self.last + 1, ids, given)?;
        if found.len() < ids.len() {
            return Ok(false);
        }
        let base = self.journal.rewind(&self.state, self.last, number - 1)?;
        let Some(batch) = complete(&base, data, &found) else {
            return Ok(false);
        };
        info!(batch = number, "its signatures are here");
        sealed.body = Body::Signed(batch);
        self.journal.rewrite(&sealed)?;
        let shapes = self.shapes.get_mut().unwrap_or_else(|poisoned| poisoned.into_inner());
        shapes.remove(&number);
        Ok(true)
    }

    /// Notes that this node has proofs of batches that wait for one before them.
    pub fn note_proven_ahead(&mut self, batches: impl IntoIterator<Item = u64>) {
        self.proven_ahead.extend(batches);
    }

    /// Signed blocks behind the last sealed batch.
    pub fn open_blocks(&self) -> usize {
        self.cuts.len()
    }

    /// Signed blocks that were taken back since the start.
    pub fn revoked(&self) -> u64 {
        self.revoked
    }

    /// The chain's last block: its position, and the hash of its header.
    pub fn tip_position(&self) -> Option<(u64, [u8; 32])> {
        let position = match self.cuts.last() {
            Some(cut) => (self.last + 1) * crate::block::MAX_INDEX + u64::from(cut.header.index),
            None if self.last == 0 => return None,
            None => self.last * crate::block::MAX_INDEX,
        };
        Some((position, self.tip()))
    }

    /// The chain's last header with its builder's signature, if that is known.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn last_signed(&self) -> Result<Option<SignedHeader>, JournalError> {
        if let Some(cut) = self.cuts.last() {
            return Ok(cut.signed);
        }
        Ok(self.journal.sealed(self.last)?.and_then(|sealed| sealed.signed))
    }

    /// The state after the chain's last block.
    pub fn soft_state(&self) -> State {
        let mut state = self.state.clone();
        if let Ok((_, overlay)) = self.open.clone().finish(&self.state) {
            state.absorb(&overlay);
        }
        state
    }

    /// Whether the chain has a block's header.
    pub fn knows_block(&self, block: &Block) -> bool {
        let hash = block.header().hash();
        hash == self.head || self.cuts.iter().any(|cut| cut.header.hash() == hash)
    }

    /// Whether exactly this block waits to be applied.
    pub fn holds_block(&self, digest: &[u8; 32]) -> bool {
        self.held.iter().any(|held| held.digest == *digest)
    }

    /// Whether a block would have to wait, and there is no room for it: then nothing in it need be looked at.
    pub fn is_crowded(&self, block: &Block) -> bool {
        let header = block.header();
        let closes = header.index == 0 && !self.cuts.is_empty();
        let first = self.queue_end as usize + if closes { self.open.batch().entries.len() } else { 0 };
        let sees_entries = |opening: &Opening| self.known.len() >= first + usize::from(opening.entries);
        let waits = header.parent != self.tip() || !block.opening.as_ref().is_none_or(sees_entries);
        waits && !self.has_room(block)
    }

    fn has_room(&self, block: &Block) -> bool {
        let (hash, slot) = (block.header().hash(), block.header().slot);
        let oldest = self.oldest_held();
        let held = || self.held.iter().map(|held| held.block.header());
        let live = || held().filter(|header| header.slot >= oldest);
        slot >= oldest
            && live().count() < HELD
            && live().filter(|header| header.slot == slot).count() < HELD_OF_SLOT
            && live().filter(|header| header.hash() == hash).count() < BODIES
    }

    fn oldest_held(&self) -> u64 {
        self.turn.slot.saturating_sub(HELD_SLOTS)
    }

    /// The digests of blocks that have waited and were applied since this was last asked.
    pub fn take_followed(&mut self) -> Vec<[u8; 32]> {
        std::mem::take(&mut self.followed)
    }

    /// A transaction that waits here with exactly this signature, so that it need not be verified again.
    pub fn has_verified(&self, signed: &SignedTransaction) -> bool {
        let id = self.journal.id(signed);
        let same = |known: &SignedTransaction| known.to_bytes() == signed.to_bytes();
        self.pool.get(&id).is_some_and(same) || self.outside.get(&id, signed).is_some_and(same)
    }

    // BLOCKS
    // ============================================================================================================

    /// Takes a block whose signer leads its slot and whose transactions' signatures have been verified.
    ///
    /// # Errors
    /// When it cannot be executed, or the journal fails.
    pub fn receive(&mut self, block: &Block) -> Result<Received, ReceiveError> {
        let received = self.try_block(block)?;
        match received {
            Received::Applied => self.apply_held()?,
            Received::Elsewhere | Received::Early => {
                if !self.hold(Held::new(block.clone(), Some(Instant::now()))) {
                    return Ok(Received::Crowded);
                }
            }
            Received::Known | Received::Late | Received::Crowded => {}
        }
        Ok(received)
    }

    /// Whether it waits now.
    fn hold(&mut self, new: Held) -> bool {
        let oldest = self.oldest_held();
        self.held.retain(|held| held.block.header().slot >= oldest);
        if self.holds_block(&new.digest) {
            return true;
        }
        let room = self.has_room(&new.block);
        if room {
            self.held.push(new);
        }
        room
    }

    /// Applies the blocks that wait for the chain to come to them.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn apply_held(&mut self) -> Result<(), SequencerError> {
        let mut early = Vec::new();
        loop {
            let tip = self.tip();
            let next = |held: &Held| held.block.header().parent == tip && !early.contains(&held.digest);
            let Some(at) = self.held.iter().position(next) else {
                // What waited for an account may have it now.
                self.retry();
                return Ok(());
            };
            let held = self.held.remove(at);
            let block = &held.block;
            match self.try_block(block) {
                Ok(Received::Applied) => {
                    if self.followed.len() < HELD {
                        self.followed.push(held.digest);
                    }
                    early.clear();
                }
                Ok(Received::Early) => {
                    early.push(held.digest);
                    self.hold(held);
                }
                Ok(_) => {}
                Err(ReceiveError::Sequencer(error)) => return Err(error),
                Err(ReceiveError::Fault(fault)) => warn!(
                    slot = block.header().slot,
                    batch = block.header().batch,
                    index = block.header().index,
                    %fault,
                    "a block that waited cannot be executed"
                ),
            }
        }
    }

    fn try_block(&mut self, block: &Block) -> Result<Received, ReceiveError> {
        let header = *block.header();
        let hash = header.hash();
        if hash == self.head || self.cuts.iter().any(|cut| cut.header.hash() == hash) {
            return Ok(Received::Known);
        }
        if header.parent != self.tip() {
            return Ok(Received::Elsewhere);
        }
        if header.batch == self.last && self.cuts.is_empty() {
            return Ok(Received::Late);
        }
        let closes = header.index == 0 && !self.cuts.is_empty();
        let (expected, index) = match closes {
            true => (self.last + 2, 0),
            false => (self.last + 1, self.cuts.len() as u32),
        };
        if (header.batch, header.index) != (expected, index) {
            // The parent's hash is right and the numbers are not: the header contradicts itself.
            return Err(BlockFault::Operations.into());
        }
        if index > 0
            && let Some(first) = self.cuts.first()
            && first.header.slot != header.slot
        {
            let (expected, found) = (first.header.slot, header.slot);
            return Err(BlockFault::Slot { expected, found }.into());
        }
        // Slots do not go back: only the builder of the same slot, or of a later one, ends a batch.
        let before = match self.cuts.first() {
            Some(first) => first.header.slot,
            None => self.shape(self.last)?.slot,
        };
        if header.slot < before {
            return Ok(Received::Late);
        }
        if closes {
            self.seal()?;
        }
        let opened = match &block.opening {
            Some(opening) => {
                let mut open = OpenBatch::new(&self.state, opening.fee_account);
                let (found, limit) = (usize::from(opening.entries), MAX_OPERATIONS);
                if found > limit {
                    return Err(BlockFault::TooLong { found, limit }.into());
                }
                let first = self.queue_end as usize;
                let Some(entries) = self.known.get(first..first + usize::from(opening.entries)) else {
                    return Ok(Received::Early);
                };
                let full = entries.iter().any(|entry| open.enter(&self.state, *entry).is_err());
                if full {
                    return Err(BlockFault::Operations.into());
                }
                open
            }
            None => self.open.clone(),
        };
        let entries = header.index == 0 && !opened.batch().entries.is_empty();
        let (before, was) = (std::mem::replace(&mut self.open, opened), self.turn);
        self.turn.slot = header.slot;
        let applied = self.execute(block);
        self.turn = was;
        match applied {
            Ok(end) => {
                self.journal.keep_block(block).inspect_err(|_| self.open = before)?;
                for signed in &block.transactions {
                    let id = self.journal.id(signed);
                    self.pool.remove(&id);
                    self.outside.applied(&id, signed);
                }
                self.push_cut(end, block);
                // Other bodies under this header are of no use any more.
                self.held.retain(|held| held.block.header().hash() != hash);
                self.sift();
                self.outside.changed = true;
                Ok(Received::Applied)
            }
            Err(error) => {
                self.open = before;
                match error {
                    // The entries that it was built with may be others than those that this node sees now. That is believed of so many
                    // bodies, and not of any number that somebody makes up.
                    ReceiveError::Fault(_) if entries && self.has_room(block) => Ok(Received::Early),
                    error => Err(error),
                }
            }
        }
    }

    /// Executes a block's transactions in the open batch, and compares what comes out with its header.
    fn execute(&mut self, block: &Block) -> Result<BlockEnd, ReceiveError> {
        for (number, signed) in block.transactions.iter().enumerate() {
            self.open
                .apply_verified(&self.state, signed)
                .map_err(|refusal| BlockFault::Refused { number, refusal })?;
        }
        let (found, limit) = (self.operations(), MAX_OPERATIONS);
        if found > limit {
            return Err(BlockFault::TooLong { found, limit }.into());
        }
        let next = self.next_header().map_err(|error| match error {
            SequencerError::Fees { refusal, .. } => ReceiveError::Fault(BlockFault::Fees(refusal)),
            other => other.into(),
        })?;
        let header = block.header();
        match next {
            Some((end, own)) if own == *header => Ok(end),
            Some((_, own)) if own.operations == header.operations => Err(BlockFault::State.into()),
            _ => Err(BlockFault::Operations.into()),
        }
    }

    // L1
    // ============================================================================================================

    /// Whether the chain has this batch of L1's, block by block. An open batch that is the same is sealed.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn has_commit(&mut self, number: u64, digest: &Word, head: &[u8; 32]) -> Result<bool, SequencerError> {
        if number <= self.last {
            let sealed = self.journal.sealed(number)?;
            return Ok(sealed.is_some_and(|sealed| sealed.digest == *digest && sealed.head == *head));
        }
        if number != self.last + 1 || self.cuts.is_empty() || self.tip() != *head {
            return Ok(false);
        }
        let words = self.open.batch().data().to_words();
        if chain::next(&self.digest, &words, self.rollup(), number) != *digest {
            return Ok(false);
        }
        self.seal()?;
        Ok(true)
    }

    /// Puts a batch of L1's in the place of ours, if it can be executed and there are `grounds` for it.
    ///
    /// # Arguments
    /// `given`: transactions of the batch whose signatures have been verified, from whoever has it.
    ///
    /// # Errors
    /// When the journal fails.
    pub fn adopt(
        &mut self,
        commit: &Commit,
        given: Vec<SignedTransaction>,
        grounds: Grounds,
    ) -> Result<Adopted, SequencerError> {
        let number = commit.number;
        let rewound;
        let base: &State = if number == self.last + 1 {
            &self.state
        } else {
            rewound = self.journal.rewind(&self.state, self.last, number - 1)?;
            &rewound
        };
        let before = match number - 1 {
            0 => None,
            number => self.journal.sealed(number)?,
        };
        let (digest, head, queue_end) = before.map_or((GENESIS, [0; 32], 0), |before| {
            (before.digest, before.head, before.queue_end)
        });
        let executed = self.execute_commit(base, commit, digest, head);
        let (data, transactions, overlay) = match executed {
            Ok(executed) => executed,
            Err(garbage) => return Ok(Adopted::Garbage(garbage)),
        };
        let alone = Garbage::that_may_be_proven(&data);
        if grounds == Grounds::Signatures
            && let Some(garbage) = alone
        {
            return Ok(Adopted::Garbage(garbage));
        }
        let ids: Vec<TransactionId> = transactions
            .iter()
            .map(|transaction| TransactionId::new(transaction, &self.journal.rollup().word()))
            .collect();
        let known = self.signatures(number, &ids, given)?;
        let missing = ids.len() - known.len();
        let provable = missing == 0 && alone.is_none();
        let batch = provable.then(|| complete(base, &data, &known)).flatten();
        let body = match batch {
            Some(batch) => Body::Signed(batch),
            None if grounds != Grounds::Signatures => Body::Public {
                data: data.clone(),
                ids,
                known,
            },
            None if missing > 0 => return Ok(Adopted::Unsigned(missing)),
            // Other keys' signatures than the accounts'.
            None => return Ok(Adopted::Unsigned(known.len())),
        };
        let sealed = Sealed {
            number,
            root: base.root_with(&overlay),
            parent_digest: digest,
            digest: commit.digest,
            queue_end: queue_end + data.entries.len() as u64,
            sealed_at: now(),
            slot: commit.slot,
            blocks: commit.blocks.clone(),
            head: commit.head,
            signed: None,
            undo: undo_of(base, &overlay),
            body,
        };
        if number <= self.last || self.operations() > 0 {
            self.take_back_to(number - 1, "L1 has another batch")?;
        }
        if sealed.batch().is_none() && grounds == Grounds::Patience {
            self.unverified = self.unverified.or(Some(number));
        }
        info!(
            batch = number,
            ?grounds,
            signed = sealed.batch().is_some(),
            "taken from L1"
        );
        self.put_sealed(&sealed, &overlay)?;
        if sealed.batch().is_none() && grounds == Grounds::Patience {
            let mut unsigned = self.doubted.clone();
            unsigned.push(number);
            self.doubt(unsigned)?;
        }
        self.apply_held()?;
        Ok(Adopted::Done)
    }

    /// Notes whose operations stand in these batches without a signature that is here.
    pub(super) fn doubt(&mut self, unsigned: Vec<u64>) -> Result<(), JournalError> {
        if unsigned == self.doubted {
            return Ok(());
        }
        self.doubtful.clear();
        for number in unsigned.iter().rev() {
            let Some(sealed) = self.journal.sealed(*number)? else {
                continue;
            };
            let Body::Public { data, ids, known } = &sealed.body else {
                continue;
            };
            let known: HashSet<TransactionId> = known.iter().map(|signed| self.journal.id(signed)).collect();
            let unknown = data.records.iter().zip(ids).filter(|(_, id)| !known.contains(*id));
            self.doubtful.extend(unknown.map(|(record, _)| (record.from, *number)));
        }
        self.doubted = unsigned;
        Ok(())
    }

    fn execute_commit(
        &self,
        base: &State,
        commit: &Commit,
        digest: Word,
        head: [u8; 32],
    ) -> Result<
        (
            BatchData,
            Vec<starling_rollup::transaction::Transaction>,
            starling_rollup::rules::Overlay,
        ),
        Garbage,
    > {
        if chain::next(&digest, &commit.words, self.rollup(), commit.number) != commit.digest {
            return Err(Garbage::Differs("chain digest"));
        }
        let headers = block_header::headers(head, commit.slot, commit.number, &commit.words, &commit.blocks)?;
        if headers.last().map(|header| header.hash()) != Some(commit.head) {
            return Err(Garbage::Differs("header chain"));
        }
        let data = BatchData::from_words(&commit.words)?;
        let (transactions, overlay) = base.trace(&data)?;
        Ok((data, transactions, overlay))
    }

    /// The signed transactions with these ids, in their order, as far as this node has them: in sealed batches from `number` on, in blocks,
    /// or waiting.
    fn signatures(
        &self,
        number: u64,
        ids: &[TransactionId],
        given: Vec<SignedTransaction>,
    ) -> Result<Vec<SignedTransaction>, JournalError> {
        let mut known: HashMap<TransactionId, SignedTransaction> = HashMap::new();
        for number in number..=self.last {
            if let Some(sealed) = self.journal.sealed(number)? {
                known.extend(
                    sealed
                        .transactions()
                        .iter()
                        .map(|signed| (self.journal.id(signed), signed.clone())),
                );
            }
        }
        let open = self.open.batch().transactions.iter();
        let held = self.held.iter().flat_map(|held| &held.block.transactions);
        let more = open.chain(held).chain(&given);
        known.extend(more.map(|signed| (self.journal.id(signed), signed.clone())));
        let mut found = Vec::with_capacity(ids.len());
        for id in ids {
            let waiting = self.pool.get(id).or_else(|| self.outside.find(id));
            found.extend(known.get(id).or(waiting).cloned());
        }
        Ok(found)
    }
}

/// The batch with its signatures; `None` if one of them is of another key than the account's.
fn complete(base: &State, data: &BatchData, signed: &[SignedTransaction]) -> Option<Batch> {
    let mut open = OpenBatch::new(base, data.fee_account);
    for (entry, _) in &data.entries {
        open.enter(base, *entry).ok()?;
    }
    for signed in signed {
        open.apply_verified(base, signed).ok()?;
    }
    let (batch, _) = open.finish(base).ok()?;
    (batch.data() == *data).then_some(batch)
}
