//! Orders transactions into blocks and batches.
//!
//! Accepted transactions wait in the pool, on disk too. Whoever leads a slot fills a batch with the queue's entries and the pool's best
//! transactions, block by block, and seals it by size or age; everybody else executes the blocks that the leader signed
//! ([super::chain]). What is signed or sealed is in the journal before anybody hears of it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use starling_rollup::account::Account;
use starling_rollup::address::Address;
use starling_rollup::batch::OpenBatch;
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::entry::{ENTRY_WORDS, Entry};
use starling_rollup::envelope::TransactionId;
use starling_rollup::record::Record;
use starling_rollup::rules::{Overlay, Refusal};
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction};
use starling_rollup::tree::Path;
use starling_vm::field::Word;
use tokio::sync::Mutex;
use tracing::info;

use super::fate::Reason;
use super::feed::{Feed, Reached};
use super::journal::{Journal, JournalError, Sealed};
use super::outside::Outside;
use super::signing::{Signer, SigningError};
use crate::block::Block;
use crate::mempool::{AccountView, Inserted, Mempool, PoolError, recipient_stands};

/// A sequencer that the RPC and the settler share.
pub type SharedSequencer = Arc<Mutex<Sequencer>>;

/// Changes of batches that are kept for listeners, if nothing else is said.
const BACKLOG: usize = 1_024;

/// When a batch is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sealing {
    /// As soon as it has so many operations, entries included.
    pub operations: usize,
    /// As soon as its first operation is so old.
    pub age: Duration,
}

/// Who makes the blocks of this chain.
#[derive(Clone)]
pub enum Making {
    /// This node alone, without signatures: one block a batch. For a sequencer that nobody follows.
    Alone,
    /// Others: this node executes what they sign.
    Followed,
    /// This node in its slots, with the time between two blocks; others in theirs.
    Signed(Arc<Signer>, Duration),
}

/// What this node may build when it is its turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permit {
    /// Nothing: the chain waits for L1, or the provers have more than enough.
    Nothing,
    /// The queue's entries alone: the provers have more than enough, and an entry is due.
    Entries,
    /// Whatever there is.
    Everything,
}

/// The slot now, and whether this node leads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Turn {
    /// The slot.
    pub slot: u64,
    /// Whether this node makes its blocks now.
    pub builds: bool,
}

/// Why the sequencer cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// The journal failed.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// A block is not signed.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The batch has fees that nobody can take.
    #[error("the batch's fees cannot be credited to account {account}: {refusal}")]
    Fees {
        /// The fee account.
        account: u32,
        /// Why.
        refusal: Refusal,
    },
}

/// Why a transaction is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// The rules refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The pool refuses it.
    #[error(transparent)]
    Pool(#[from] PoolError),
    /// It cannot be kept.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// What its sender's account is, is nobody's word: the next operation cannot be signed for it.
    #[error(
        "batch {batch} on L1 has an operation of account {index} whose signature nobody shows: send again when the batch is proven \
         or pruned"
    )]
    Doubtful {
        /// The account.
        index: u32,
        /// The batch.
        batch: u64,
    },
    /// It is in a batch already.
    #[error("the transaction is in batch {batch} already")]
    Sealed {
        /// The batch.
        batch: u64,
    },
}

/// A block of the batch that is being filled.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cut {
    /// The number of the word behind its last.
    pub(super) end: u16,
    /// Operations up to its end, entries included.
    pub(super) operations: usize,
    /// Its header.
    pub(super) header: BlockHeader,
    /// With its builder's signature, unless nobody signs.
    pub(super) signed: Option<SignedHeader>,
}

/// A block that stands elsewhere than at the end of the chain.
#[derive(Clone, Debug)]
pub(super) struct Held {
    /// The block.
    pub(super) block: Block,
    /// Its digest.
    pub(super) digest: [u8; 32],
    /// Since when it waits; nothing before the first look at L1 after a restart.
    pub(super) since: Option<Instant>,
}

impl Held {
    pub(super) fn new(block: Block, since: Option<Instant>) -> Self {
        let digest = block.digest();
        Self { block, digest, since }
    }
}

/// Where a transaction stands in the sequencer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was accepted, and will not be executed.
    Refused(Reason),
    /// Outside the pool, after its batch was taken back.
    Waiting(Reason),
    /// In the pool, or in the batch that is being filled without signatures.
    Pending,
    /// In a batch, or in a signed block of the batch that is being filled.
    Sealed {
        /// The batch.
        batch: u64,
        /// Its place among the batch's signed operations.
        position: u32,
        /// Entries of the queue that stand before them.
        entries: u32,
    },
}

/// What is asked of sealed batches often.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Shape {
    /// Entries of the queue.
    pub(super) entries: usize,
    /// Signed operations.
    pub(super) operations: usize,
    /// Whether all their signatures are here.
    pub(super) signed: bool,
    /// The slot that it was built for.
    pub(super) slot: u64,
    /// Whether that slot's builder has signed its last block, as is known of what was built on this chain.
    pub(super) built: bool,
}

/// Most batches that wait for a proof on L1 (`Rollup.MAX_UNPROVEN`), and a few that are not there yet.
const MAX_UNPROVEN: u64 = 256 + 64;

/// Batches whose shape is kept.
const SHAPES: usize = 1_024;

/// The sequencer.
pub struct Sequencer {
    pub(super) journal: Journal,
    rollup: RollupId,
    sealing: Sealing,
    /// Whose account the fees go to.
    fee_address: Address,
    /// The state after the last sealed batch.
    pub(super) state: State,
    pub(super) last: u64,
    pub(super) digest: Word,
    pub(super) queue_end: u64,
    /// Hash of the last sealed batch's last header.
    pub(super) head: [u8; 32],
    /// The queue's entries from the first on, as far as they are confirmed.
    pub(super) entries: Vec<Entry>,
    /// All that L1 has: what other leaders may have taken already.
    pub(super) known: Vec<Entry>,
    pub(super) pool: Mempool,
    pub(super) outside: Outside,
    pub(super) open: OpenBatch,
    pub(super) opened: Option<Instant>,
    /// The blocks of the open batch.
    pub(super) cuts: Vec<Cut>,
    /// Places of transactions in them.
    pub(super) open_places: HashMap<TransactionId, u32>,
    pub(super) making: Making,
    pub(super) turn: Turn,
    /// A slot in which something else was signed than there is to sign now: nothing more is built in it.
    pub(super) lost: Option<u64>,
    pub(super) last_cut: Option<Instant>,
    /// Blocks that were made and not handed out yet.
    pub(super) made: Vec<Block>,
    /// Blocks that stand elsewhere than at the end of the chain, until that comes to them.
    pub(super) held: Vec<Held>,
    /// Digests of those that were applied, until somebody asks.
    pub(super) followed: Vec<[u8; 32]>,
    /// A tip behind which a block was waited for, and since when.
    pub(super) awaited: Option<([u8; 32], Instant)>,
    /// Signed blocks that were taken back since the start.
    pub(super) revoked: u64,
    pub(super) feed: Feed,
    /// The last batches on L1, committed and proven, as far as they were told.
    pub(super) reached: Option<Reached>,
    /// See [Sequencer::unverified].
    pub(super) unverified: Option<u64>,
    /// Accounts that have operations in batches that are neither proven nor signed here, as far as these are not signed, with the batch.
    pub(super) doubtful: HashMap<u32, u64>,
    /// The batches of [Sequencer::doubtful].
    pub(super) doubted: Vec<u64>,
    /// Batches of which this node has a proof that L1 cannot take yet.
    pub(super) proven_ahead: BTreeSet<u64>,
    indices: HashMap<[u8; 32], Vec<u32>>,
    /// Transactions that this node has accepted from users, and that no batch has.
    pub(super) own: HashSet<TransactionId>,
    pub(super) shapes: std::sync::Mutex<BTreeMap<u64, Shape>>,
    /// Whether this node may build when it is its turn.
    permit: Permit,
    /// See [Sequencer::serve].
    queue_cap: usize,
}

/// Accounts as the batch that is being filled leaves them.
pub(super) struct View<'a>(pub(super) &'a OpenBatch, pub(super) &'a State);

impl std::fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sequencer")
            .field("last", &self.last)
            .field("blocks", &self.cuts.len())
            .field("pool", &self.pool.len())
            .finish_non_exhaustive()
    }
}

impl AccountView for View<'_> {
    fn account(&self, index: u32) -> Option<Account> {
        self.0.overlay().account(self.1, index)
    }
}

impl Sequencer {
    /// The sequencer as the journal left it. Fees go to the account of `fee_address`, as soon as there is one.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn recover(
        journal: Journal,
        sealing: Sealing,
        fee_address: Address,
        pool: Mempool,
    ) -> Result<Self, JournalError> {
        let found = journal.recover()?;
        let rollup = *journal.rollup();
        let mut sequencer = Self {
            rollup,
            outside: Outside::new(pool.limits(), &found, |signed| journal.id(signed)),
            journal,
            sealing,
            fee_address,
            open: OpenBatch::new(&found.state, 0),
            opened: None,
            cuts: Vec::new(),
            open_places: HashMap::new(),
            making: Making::Alone,
            turn: Turn::default(),
            lost: None,
            last_cut: None,
            made: Vec::new(),
            // The batch that was being filled: its entries are L1's to say, so it waits for the first look.
            held: found.blocks.into_iter().map(|block| Held::new(block, None)).collect(),
            followed: Vec::new(),
            awaited: None,
            revoked: 0,
            feed: Feed::new(BACKLOG),
            reached: None,
            unverified: None,
            doubtful: HashMap::new(),
            doubted: Vec::new(),
            proven_ahead: BTreeSet::new(),
            state: found.state,
            last: found.last,
            digest: found.digest,
            queue_end: found.queue_end,
            head: found.head,
            entries: Vec::new(),
            known: Vec::new(),
            pool,
            indices: HashMap::new(),
            own: HashSet::new(),
            shapes: std::sync::Mutex::default(),
            permit: Permit::Everything,
            queue_cap: 0,
        };
        // What is proven is not known before the first look at L1: until then nobody vouches for more than can be shown here.
        sequencer.unverified = sequencer.unsigned(found.last.saturating_sub(MAX_UNPROVEN))?;
        sequencer.own = found.pool.iter().map(|signed| sequencer.journal.id(signed)).collect();
        for index in 0..sequencer.state.next() as u32 {
            sequencer.learn_index(index);
        }
        if sequencer.held.is_empty() {
            sequencer.retry();
        }
        Ok(sequencer)
    }

    /// Says who makes the blocks from now on.
    pub fn make(&mut self, making: Making) {
        self.making = making;
    }

    /// Says which slot it is, and whether this node leads it.
    pub fn take_turn(&mut self, turn: Turn) {
        self.turn = Turn {
            builds: turn.builds && self.permit != Permit::Nothing,
            ..turn
        };
    }

    /// Says how many entries of the queue a commit must have if so many are due: so many are taken, however short this operator likes its
    /// batches.
    pub fn serve(&mut self, queue_cap: usize) {
        self.queue_cap = queue_cap;
    }

    /// Says what this node may build when it is its turn.
    pub fn permit(&mut self, permit: Permit) {
        self.permit = permit;
    }

    /// Whether this node builds now.
    pub fn builds(&self) -> bool {
        self.turn.builds
    }

    /// The number of the first entry of the queue that no sealed batch has.
    pub fn next_entry(&self) -> u64 {
        self.queue_end
    }

    /// The shape of a sealed batch; nothing if there is none.
    pub(super) fn shape(&self, number: u64) -> Result<Shape, JournalError> {
        let mut shapes = self.shapes.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(shape) = shapes.get(&number) {
            return Ok(*shape);
        }
        let Some(sealed) = self.journal.sealed(number)? else {
            return Ok(Shape::default());
        };
        let shape = Shape {
            entries: sealed.entries().len(),
            operations: sealed.operations(),
            signed: sealed.batch().is_some(),
            slot: sealed.slot,
            built: sealed.signed.is_some(),
        };
        shapes.insert(number, shape);
        while shapes.len() > SHAPES {
            shapes.pop_first();
        }
        Ok(shape)
    }

    /// Takes the blocks that this node has made since the last call.
    pub fn made(&mut self) -> Vec<Block> {
        std::mem::take(&mut self.made)
    }

    pub(super) fn learn_index(&mut self, index: u32) {
        if let Some(account) = self.state.account(index) {
            let known = self.indices.entry(account.address.to_bytes()).or_default();
            if !known.contains(&index) {
                known.push(index);
            }
        }
    }

    // READING
    // ============================================================================================================

    /// The rollup.
    pub fn rollup(&self) -> &RollupId {
        &self.rollup
    }

    /// The journal.
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// The state after the last sealed batch.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The last sealed batch.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Transactions in the pool, and in the batch that is being filled.
    pub fn waiting(&self) -> (usize, usize) {
        (
            self.pool.len() + self.outside.len(),
            self.open.batch().transactions.len(),
        )
    }

    /// The indices of an address's accounts.
    pub fn indices(&self, address: &Address) -> Vec<u32> {
        self.indices
            .get(&address.to_bytes())
            .into_iter()
            .flatten()
            .copied()
            .filter(|index| {
                self.state
                    .account(*index)
                    .is_some_and(|account| account.address == *address)
            })
            .collect()
    }

    /// The account at `index` after the last sealed batch, with its path to the root.
    pub fn account(&self, index: u32) -> Option<(Account, Path)> {
        let account = *self.state.account(index)?;
        Some((account, self.state.tree().path(index)))
    }

    /// The account at `index` as the operations accepted so far leave it, and the nonce that its next one needs.
    pub fn soft_account(&self, index: u32) -> Option<(Account, u32)> {
        let account = View(&self.open, &self.state).account(index)?;
        let next = self.pool.next_nonce(index, account.nonce);
        Some((account, next.unwrap_or(account.nonce)))
    }

    /// Where a transaction stands; `None` if it was never accepted, or refused so long ago that it is forgotten.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn place(&self, id: &TransactionId) -> Result<Option<Place>, JournalError> {
        if let Some((batch, position)) = self.journal.place(id)? {
            let entries = self.shape(batch)?.entries as u32;
            return Ok(Some(Place::Sealed {
                batch,
                position,
                entries,
            }));
        }
        if let Some(position) = self.open_places.get(id) {
            return Ok(Some(Place::Sealed {
                batch: self.last + 1,
                position: *position,
                entries: self.open.batch().entries.len() as u32,
            }));
        }
        if let Some(reason) = self.refusal(id)? {
            return Ok(Some(Place::Refused(reason)));
        }
        if self.pool.contains(id) {
            return Ok(Some(Place::Pending));
        }
        let accepted = self.journal.accepted(id)?;
        Ok(accepted.map(|signed| match self.outside_reason(id, &signed) {
            Some(reason) => Place::Waiting(reason),
            None => Place::Pending,
        }))
    }

    // TRANSACTIONS
    // ============================================================================================================

    /// All that [Sequencer::submit] checks, without taking anything.
    ///
    /// # Errors
    /// Why the transaction would not be accepted.
    pub fn check(&self, signed: &SignedTransaction) -> Result<TransactionId, SubmitError> {
        let id = self.journal.id(signed);
        self.plan(&id, signed)?;
        Ok(id)
    }

    fn plan(&self, id: &TransactionId, signed: &SignedTransaction) -> Result<Inserted, SubmitError> {
        if let Some((batch, _)) = self.journal.place(id)? {
            return Err(SubmitError::Sealed { batch });
        }
        if self.open_places.contains_key(id) {
            return Err(SubmitError::Sealed { batch: self.last + 1 });
        }
        let view = View(&self.open, &self.state);
        let index = signed.transaction.from;
        let sender = view.account(index).ok_or(Refusal::NoSuchAccount { index })?;
        if sender.address != signed.sender() {
            return Err(Refusal::NotTheOwner { index }.into());
        }
        if let Some(batch) = self.doubtful.get(&index).copied() {
            return Err(SubmitError::Doubtful { index, batch });
        }
        if let Operation::Transfer { to: index, .. } = signed.transaction.operation
            && !recipient_stands(signed, &view)
        {
            return Err(Refusal::Recipient { index }.into());
        }
        Ok(self.pool.check(id, signed, &view)?)
    }

    /// Accepts a transaction whose signature has been verified: it is on disk when this returns.
    ///
    /// # Errors
    /// Why it is not accepted; everything is then as it was.
    pub fn submit(&mut self, signed: SignedTransaction) -> Result<TransactionId, SubmitError> {
        let id = self.journal.id(&signed);
        if self.pool.contains(&id) && self.journal.accepted(&id)?.is_none() {
            // Heard of before, and promised to nobody by this node.
            self.journal.accept(&signed)?;
            self.own.insert(id);
            return Ok(id);
        }
        let planned = self.plan(&id, &signed)?;
        self.journal.accept(&signed)?;
        self.own.insert(id);
        self.insert(id, signed, planned)
    }

    /// Takes a transaction that others pass on, whose signature has been verified. It is not kept over a restart: whoever accepted it
    /// keeps it.
    ///
    /// # Errors
    /// Why it is not taken.
    pub fn hear(&mut self, signed: SignedTransaction) -> Result<TransactionId, SubmitError> {
        let id = self.journal.id(&signed);
        let planned = self.plan(&id, &signed)?;
        self.insert(id, signed, planned)
    }

    fn insert(
        &mut self,
        id: TransactionId,
        signed: SignedTransaction,
        planned: Inserted,
    ) -> Result<TransactionId, SubmitError> {
        // What it pushes out goes after it is kept: between the two a restart finds both, and pushes out one of them again.
        let evicted = self.evicted(&planned);
        self.supersede(&id, &signed);
        let inserted = self.pool.insert(id, signed, &View(&self.open, &self.state))?;
        self.pushed_out(&inserted, evicted, &id);
        self.write_changes();
        self.outside.untold = true;
        Ok(id)
    }

    /// At most `count` transactions that this node has accepted and no block has.
    pub fn pending(&mut self, count: usize) -> Vec<SignedTransaction> {
        let (pool, outside) = (&self.pool, &self.outside);
        let open = &self.open_places;
        self.own
            .retain(|id| pool.contains(id) || open.contains_key(id) || outside.find(id).is_some());
        let waiting = self.own.iter().filter_map(|id| pool.get(id));
        let mut waiting: Vec<SignedTransaction> = waiting.take(count).cloned().collect();
        // Receivers take them by nonce.
        waiting.sort_by_key(|signed| (signed.transaction.from, signed.transaction.nonce));
        waiting
    }

    // BATCHES
    // ============================================================================================================

    /// Takes over the queue's entries, from the first on. A reorganisation can replace entries by as many others.
    pub fn learn(&mut self, entries: &[Entry]) {
        if entries != self.entries {
            self.entries = entries.to_vec();
        }
    }

    /// Takes over all entries that L1 has, confirmed or not: other leaders may take some earlier.
    pub fn foresee(&mut self, entries: &[Entry]) {
        if entries != self.known {
            self.known = entries.to_vec();
        }
        for held in &mut self.held {
            held.since.get_or_insert_with(Instant::now);
        }
    }

    /// Fills the batch, block by block, and seals it if it is time; the sealed batch's number.
    ///
    /// # Errors
    /// When the journal fails: the batch is then not sealed, and is tried again.
    pub fn tick(&mut self) -> Result<Option<u64>, SequencerError> {
        let ticked = self.advance();
        self.write_changes();
        // Once a tick, however many came.
        if std::mem::take(&mut self.outside.untold) {
            self.feed.touch();
        }
        ticked
    }

    fn advance(&mut self) -> Result<Option<u64>, SequencerError> {
        match self.making.clone() {
            Making::Alone => self.fill(),
            Making::Followed => {
                self.retry();
                return Ok(None);
            }
            Making::Signed(signer, pace) => {
                let Turn { slot, builds } = self.turn;
                if !builds || self.lost == Some(slot) || self.expects_a_block() {
                    self.retry();
                    return Ok(None);
                }
                // L1 has room for so many batches without a proof: behind one that does not come there is one a slot.
                let before = self.shape(self.last)?;
                if self.unverified.is_some() && before.built && before.slot == slot && self.cuts.is_empty() {
                    self.retry();
                    return Ok(None);
                }
                // What was built for another slot is complete.
                if self.cuts.first().is_some_and(|cut| cut.header.slot != slot) {
                    return self.seal().map(Some);
                }
                if self.last_cut.is_none_or(|last| last.elapsed() >= pace) {
                    let before = self.open.clone();
                    self.fill();
                    self.cut_signed(&signer, before)?;
                }
            }
        }
        let operations = self.operations();
        let old = self.opened.is_some_and(|opened| opened.elapsed() >= self.sealing.age);
        // What is due is committed in this slot, whoever may build on.
        let due = self.permit == Permit::Entries;
        if operations == 0 || !(old || due || operations >= self.sealing.operations) {
            return Ok(None);
        }
        self.seal().map(Some)
    }

    fn fill(&mut self) {
        let room =
            |open: &OpenBatch, limit: usize| open.batch().entries.len() + open.batch().transactions.len() < limit;
        let entries = self.sealing.operations.max(self.queue_cap);
        while self.open.batch().transactions.is_empty() && room(&self.open, entries) {
            if !self.cuts.is_empty() {
                break;
            }
            let number = self.queue_end + self.open.batch().entries.len() as u64;
            let Some(entry) = usize::try_from(number).ok().and_then(|at| self.entries.get(at)) else {
                break;
            };
            if self.open.enter(&self.state, *entry).is_err() {
                break;
            }
            self.outside.changed = true;
            self.opened.get_or_insert_with(Instant::now);
        }
        self.retry();
        let fee_account = self.fee_account();
        // The first block says whose the fees are.
        let fee_account = match self.cuts.is_empty() {
            true => fee_account,
            false => Some(self.open.batch().fee_account),
        };
        if let Some(index) = fee_account {
            self.open.set_fee_account(index);
        }
        while self.permit == Permit::Everything && room(&self.open, self.sealing.operations) {
            let Some((id, signed)) = self.pool.pop(&View(&self.open, &self.state)) else {
                break;
            };
            let fee_is_lost = signed.transaction.fee > 0 && fee_account.is_none();
            let outcome = if fee_is_lost {
                Err(Refusal::NoSuchAccount { index: 0 })
            } else {
                self.open.apply_verified(&self.state, &signed)
            };
            match outcome {
                Ok(()) => {
                    self.opened.get_or_insert_with(Instant::now);
                }
                // It waits for the next batch, or until the operator has an account.
                Err(refusal) if fee_is_lost || matches!(refusal, Refusal::BatchFull { .. }) => {
                    if let Err(error) = self.pool.insert(id, signed.clone(), &View(&self.open, &self.state)) {
                        self.keep_out(id, signed, Reason::from(&error));
                    }
                    break;
                }
                Err(refusal) => self.keep_out(id, signed, Reason::from(&refusal)),
            }
        }
    }

    fn fee_account(&self) -> Option<u32> {
        let sealed = self.indices(&self.fee_address);
        let opened = (self.state.next()..self.open.overlay().next()).map(|index| index as u32);
        sealed.into_iter().chain(opened).find(|index| {
            let account = self.open.overlay().account(&self.state, *index);
            account.is_some_and(|account| account.address == self.fee_address)
        })
    }

    /// Takes over a batch that follows the last one.
    pub(super) fn put_sealed(&mut self, sealed: &Sealed, overlay: &Overlay) -> Result<(), JournalError> {
        self.journal.seal(sealed, overlay)?;
        self.state.absorb(overlay);
        for index in overlay.touched().keys() {
            self.learn_index(*index);
        }
        self.last = sealed.number;
        self.digest = sealed.digest;
        self.queue_end = sealed.queue_end;
        self.head = sealed.head;
        self.tell(sealed, Reached::new(0, 0, self.unverified).standing(sealed.number));
        self.reopen();
        for id in self.journal.ids(sealed) {
            self.own.remove(&id);
            self.pool.remove(&id);
            self.outside.sealed(&id);
        }
        self.sift();
        self.retry();
        info!(
            batch = sealed.number,
            slot = sealed.slot,
            blocks = sealed.blocks.len(),
            entries = sealed.entries().len(),
            transactions = sealed.operations(),
            "sealed"
        );
        Ok(())
    }

    /// Looks through the pool after accounts have changed.
    pub(super) fn sift(&mut self) {
        for unfit in self.pool.revalidate(&View(&self.open, &self.state)) {
            self.keep_out(unfit.id, unfit.signed, Reason::from(&unfit.reason));
        }
    }

    /// Begins another batch.
    pub(super) fn reopen(&mut self) {
        self.open = OpenBatch::new(&self.state, 0);
        self.opened = None;
        self.cuts.clear();
        self.open_places.clear();
        self.outside.changed = true;
    }

    /// Words that an operation adds to a batch's data, and those of an entry: what an operation costs on L1.
    pub fn words_of(signed: &SignedTransaction) -> (usize, usize) {
        let transaction = &signed.transaction;
        let record = Record::new(transaction.from, transaction.fee, &transaction.operation);
        (record.encode().len(), ENTRY_WORDS)
    }
}

pub(super) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
