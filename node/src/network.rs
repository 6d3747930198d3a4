//! The node's side of the network: judges what others pass on, passes on its own, answers what it is asked.
//!
//! One task reads the network's events. What takes long, checking signatures above all, runs beside it, so many at once and no more;
//! what finds no place waits in the network's bounded queues. A message is accepted if every honest node accepts it, rejected if no
//! honest node sends it, and ignored otherwise. Nothing is passed on before it was executed: a transaction that came before the one its
//! nonce needs, and a block that came before its parent, get their verdict when those are here, or none in time.

use std::collections::BTreeSet;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use starling_p2p::conduct::Offence;
use starling_p2p::events::{PeerInfo, Responder};
use starling_p2p::message::{Message, MessageId, Verdict};
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::status::{Head, Heads};
use starling_p2p::{Event, Events, Handle, PeerId};
use starling_rollup::address::L1Address;
use starling_rollup::chain::word_bytes;
use starling_rollup::kernel;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{debug, info, warn};

use crate::batch_body::BatchBody;
use crate::block::{Block, MAX_INDEX};
use crate::gossip::{Evidence, ProofNotice};
use crate::mempool::{PoolError, cost};
use crate::operator::chain::{ReceiveError, Received};
use crate::operator::journal::{Journal, StoredProof};
use crate::operator::sequencer::{Sequencer, SharedSequencer, SubmitError};
use crate::operator::settler::Status;
use crate::operator::turns::{SharedTurns, lock};
use crate::serve::{points, proof_of};
use waiting::{Early, Unplaced};

mod waiting;

/// Waits before each try to get a proof that was announced.
const PROOF_PAUSES: [Duration; 4] = [
    Duration::ZERO,
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_secs(4),
];

/// How long after a run was settled anybody is asked for its proof, if it has not come with its announcement.
const SETTLED: Duration = Duration::from_secs(10);

/// Proofs that are kept of runs which end with one batch. Whoever wants others not to keep the one that L1 takes has to make so many
/// before it.
const RUNS: usize = 16;

/// Signature checks at once: as many as there are cores is enough, and a few wait in line.
const CHECKS: usize = 4;

/// How far ahead of its sender's nonce a transaction may be that waits for it. Without a bound one account could take all places.
const EARLY_AHEAD: u32 = 64;

/// Time between two looks at what waits: blocks come and go meanwhile.
const EARLY_LOOK: Duration = Duration::from_millis(200);

/// Time between two rounds in which accepted transactions that no block has are passed on again.
const AGAIN: Duration = Duration::from_secs(15);

/// Transactions of one such round.
const AGAIN_COUNT: usize = 256;

/// Slots whose signed headers are remembered, to find equivocation.
const HEADER_SLOTS: u64 = 64;

/// Blocks asked for at once.
const BLOCKS: u32 = 64;

/// What the node's parts hand to the network.
#[derive(Debug)]
pub enum Outgoing {
    /// A transaction that was accepted here.
    Transaction(Box<SignedTransaction>),
    /// A block that was made here.
    Block(Box<Block>),
    /// A proof that was made here.
    Proof(ProofNotice),
}

/// The way to the network. What does not fit is dropped: transactions are passed on again, blocks are asked for.
pub type Outbox = mpsc::Sender<Outgoing>;

/// Answers for accounts, operations and proofs: bodies as light nodes read them.
#[async_trait]
pub trait Answers: Send + Sync + 'static {
    /// The body that answers a request, if this node has what is asked for.
    async fn answer(&self, request: Request) -> Option<Vec<u8>>;
}

/// The parts that the network's task works with.
pub struct Parts {
    /// The network.
    pub handle: Handle,
    /// Its events.
    pub events: Events,
    /// The rollup.
    pub rollup: RollupId,
    /// The chain.
    pub sequencer: SharedSequencer,
    /// The journal.
    pub journal: Journal,
    /// The schedule.
    pub turns: SharedTurns,
    /// How far the node has come.
    pub status: watch::Receiver<Status>,
    /// What is to be sent.
    pub outgoing: mpsc::Receiver<Outgoing>,
    /// Where evidence goes that is to be reported on L1.
    pub evidence: mpsc::Sender<Evidence>,
    /// Answers for accounts, operations and proofs.
    pub answers: Arc<dyn Answers>,
}

/// What the checks beside the task share.
#[derive(Clone)]
struct Shared {
    handle: Handle,
    rollup: RollupId,
    sequencer: SharedSequencer,
    journal: Journal,
    turns: SharedTurns,
    evidence: mpsc::Sender<Evidence>,
    answers: Arc<dyn Answers>,
    early: Arc<tokio::sync::Mutex<Early>>,
    unplaced: Arc<tokio::sync::Mutex<Unplaced>>,
    /// Peers that are being asked for blocks.
    catching_up: Arc<tokio::sync::Mutex<BTreeSet<PeerId>>>,
    checks: Arc<Semaphore>,
    /// One block after the other: their order is the chain's.
    blocks: Arc<tokio::sync::Mutex<()>>,
}

/// Whether a nonce is not too far ahead of its sender's, and the sender has what those ahead of it `cost`.
fn is_near(sequencer: &Sequencer, from: u32, nonce: u32, cost: u128) -> bool {
    let found = sequencer.soft_account(from);
    found.is_some_and(|(account, next)| {
        nonce >= next && nonce - next <= EARLY_AHEAD && cost <= u128::from(account.balance)
    })
}

/// Which round of passing on again it is, over restarts too.
fn round() -> NonZeroU8 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    NonZeroU8::MIN.saturating_add((now.as_secs() / AGAIN.as_secs() % 255) as u8)
}

/// Runs the node's side of the network until the network ends.
pub async fn run(parts: Parts) {
    let Parts {
        handle,
        mut events,
        rollup,
        sequencer,
        journal,
        turns,
        mut status,
        mut outgoing,
        evidence,
        answers,
    } = parts;
    let shared = Shared {
        handle: handle.clone(),
        rollup,
        sequencer,
        journal,
        turns,
        evidence,
        answers,
        early: Arc::default(),
        unplaced: Arc::default(),
        catching_up: Arc::default(),
        checks: Arc::new(Semaphore::new(CHECKS)),
        blocks: Arc::default(),
    };
    let mut again = interval(AGAIN);
    again.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut early = interval(EARLY_LOOK);
    early.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heads = interval(Duration::from_secs(1));
    heads.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut proven = 0;
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(event) => shared.handle_event(event).await,
                None => return,
            },
            Some(outgoing) = outgoing.recv() => shared.send(outgoing).await,
            _ = heads.tick() => {
                let status = status.borrow_and_update().clone();
                shared.tell_heads(&status).await;
                let before = std::mem::replace(&mut proven, status.proven);
                // Of two runs between two looks neither is known; what was settled before the start is as it is.
                if before != 0 && before < proven {
                    let shared = shared.clone();
                    tokio::spawn(async move { shared.fill_in(before + 1, proven).await });
                }
            }
            _ = early.tick() => shared.follow_blocks().await,
            _ = again.tick() => {
                let shared = shared.clone();
                tokio::spawn(async move { shared.send_again().await });
            }
        }
    }
}

impl Shared {
    async fn handle_event(&self, event: Event) {
        match event {
            Event::Message { id, from, message } => {
                let Ok(permit) = self.checks.clone().acquire_owned().await else {
                    return;
                };
                let shared = self.clone();
                tokio::spawn(async move {
                    let verdict = shared.judge(id, from, message).await;
                    drop(permit);
                    if let Some(verdict) = verdict {
                        shared.report(id, verdict).await;
                    }
                });
            }
            Event::Request { request, responder, .. } => {
                let shared = self.clone();
                tokio::spawn(async move { shared.answer(request, responder).await });
            }
            Event::Peer(peer) => {
                let shared = self.clone();
                tokio::spawn(async move { shared.meet(&peer).await });
            }
            Event::Gone(_) => {}
        }
    }

    async fn report(&self, id: MessageId, verdict: Verdict) {
        // It may have waited too long.
        let _ = self.handle.report(id, verdict).await;
    }

    /// The verdict; `None` if it comes later.
    async fn judge(&self, id: MessageId, from: PeerId, message: Message) -> Option<Verdict> {
        Some(match message {
            Message::Transaction(signed) | Message::Again(signed, _) => {
                return self.judge_transaction(id, *signed).await;
            }
            Message::Block(bytes) => match Block::from_bytes(&bytes) {
                Ok(block) => return self.judge_block(id, from, block).await,
                Err(_) => Verdict::Reject,
            },
            Message::Evidence(bytes) => match Evidence::from_bytes(&bytes) {
                Ok(evidence) => self.judge_evidence(evidence),
                Err(_) => Verdict::Reject,
            },
            Message::Proof(bytes) => match ProofNotice::from_bytes(&bytes) {
                Ok(notice) => return self.judge_proof(id, from, notice).await,
                Err(_) => Verdict::Reject,
            },
        })
    }

    // TRANSACTIONS
    // ============================================================================================================

    async fn judge_transaction(&self, id: MessageId, signed: SignedTransaction) -> Option<Verdict> {
        let (from, nonce) = (signed.transaction.from, signed.transaction.nonce);
        let waiting = {
            let early = self.early.lock().await;
            if early.has(from, nonce) {
                return Some(Verdict::Ignore);
            }
            early.cost(from)
        };
        let early = {
            let sequencer = self.sequencer.lock().await;
            match sequencer.check(&signed) {
                Ok(_) => false,
                // It may be that only the order is wrong, or that a block has not come here which makes room.
                Err(SubmitError::Pool(PoolError::NonceGap { .. } | PoolError::TooMany { .. }))
                    if is_near(&sequencer, from, nonce, waiting + cost(&signed)) =>
                {
                    true
                }
                Err(_) => return Some(Verdict::Ignore),
            }
        };
        let word = self.rollup.word();
        let checked = tokio::task::spawn_blocking(move || signed.verify(&word).map(|()| signed)).await;
        let signed = match checked {
            Ok(Ok(signed)) => signed,
            Ok(Err(_)) => return Some(Verdict::Reject),
            Err(_) => return Some(Verdict::Ignore),
        };
        if early {
            let gone = {
                let mut early = self.early.lock().await;
                // Another may have come while this one was verified.
                if early.has(from, nonce) {
                    return Some(Verdict::Ignore);
                }
                early.push(signed, id)
            };
            for message in gone {
                self.report(message, Verdict::Ignore).await;
            }
            return None;
        }
        if self.sequencer.lock().await.hear(signed).is_err() {
            return Some(Verdict::Ignore);
        }
        self.report(id, Verdict::Accept).await;
        self.follow_up(from, nonce.checked_add(1)).await;
        None
    }

    /// Takes a sender's transactions that waited for this nonce.
    async fn follow_up(&self, from: u32, mut next: Option<u32>) {
        while let Some(nonce) = next {
            let Some(ahead) = self.early.lock().await.take(from, nonce) else {
                return;
            };
            let message = ahead.message;
            let heard = self.sequencer.lock().await.hear(ahead.signed.clone());
            let verdict = match heard {
                Err(SubmitError::Pool(PoolError::TooMany { .. })) => {
                    self.early.lock().await.put_back(from, nonce, ahead);
                    return;
                }
                Ok(_) => {
                    next = nonce.checked_add(1);
                    Verdict::Accept
                }
                Err(_) => {
                    next = None;
                    Verdict::Ignore
                }
            };
            self.report(message, verdict).await;
        }
    }

    /// Takes what waited for blocks that have come.
    async fn follow_blocks(&self) {
        self.pass_on_followed().await;
        let senders = {
            let mut early = self.early.lock().await;
            // Nothing has to make room.
            early.tidy(0);
            early.senders()
        };
        for from in senders {
            let found = self.sequencer.lock().await.soft_account(from);
            if let Some((_, next)) = found {
                self.follow_up(from, Some(next)).await;
            }
        }
    }

    // BLOCKS
    // ============================================================================================================

    async fn judge_block(&self, id: MessageId, from: PeerId, block: Block) -> Option<Verdict> {
        let header = *block.header();
        let Ok(signer) = block.signer(&self.rollup) else {
            return Some(Verdict::Reject);
        };
        let (known, builder, slot) = {
            let turns = lock(&self.turns);
            (turns.is_validator(&signer), turns.builder(header.slot), turns.slot())
        };
        if !known {
            // L1 may be behind here; whoever signs without a stake is nobody's leader.
            return Some(Verdict::Ignore);
        }
        let near = |slot: u64| (slot.saturating_sub(HEADER_SLOTS)..=slot + 1).contains(&header.slot);
        if !slot.is_some_and(near) {
            return Some(Verdict::Ignore);
        }
        if let Some(evidence) = self.look_for_equivocation(&block, signer).await {
            self.accuse(evidence).await;
            return Some(Verdict::Ignore);
        }
        let recent = slot.is_some_and(|slot| header.slot + 2 >= slot);
        let begun = lock(&self.turns).has_begun(header.slot);
        if builder != Some(signer) || !recent || !begun {
            return Some(Verdict::Ignore);
        }
        let digest = block.digest();
        // Before it is taken: it may be applied at once.
        self.unplaced.lock().await.push(digest, id);
        let taken = self.take_block(block).await;
        match taken {
            Ok(Received::Early) => return None,
            Ok(Received::Elsewhere | Received::Crowded) => {
                let shared = self.clone();
                tokio::spawn(async move { shared.catch_up(from).await });
            }
            _ => {}
        }
        if matches!(taken, Ok(Received::Elsewhere)) {
            return None;
        }
        self.unplaced.lock().await.remove(&digest);
        self.pass_on_followed().await;
        Some(match taken {
            Ok(Received::Applied) => Verdict::Accept,
            Ok(_) => Verdict::Ignore,
            // Nobody passes on what it has not executed, and whoever executes it on the same parent finds the same.
            Err(ReceiveError::Fault(fault)) => {
                warn!(%signer, slot = header.slot, batch = header.batch, index = header.index, %fault, "a block cannot be executed");
                Verdict::Reject
            }
            Err(ReceiveError::Sequencer(error)) => {
                warn!(%error, "a block is not taken");
                Verdict::Ignore
            }
        })
    }

    /// Passes on the blocks that waited and were applied.
    async fn pass_on_followed(&self) {
        let followed = self.sequencer.lock().await.take_followed();
        for digest in followed {
            let message = self.unplaced.lock().await.remove(&digest);
            if let Some(message) = message {
                self.report(message, Verdict::Accept).await;
            }
        }
    }

    /// Verifies a block's transactions and executes it.
    async fn take_block(&self, block: Block) -> Result<Received, ReceiveError> {
        let _in_order = self.blocks.lock().await;
        let unknown: Vec<SignedTransaction> = {
            let sequencer = self.sequencer.lock().await;
            if sequencer.knows_block(&block) {
                return Ok(Received::Known);
            }
            // It came in an answer before, and its message's verdict comes when it is applied.
            if sequencer.holds_block(&block.digest()) {
                return Ok(Received::Early);
            }
            // Signatures take long: nobody has them checked for nothing.
            if sequencer.is_crowded(&block) {
                return Ok(Received::Crowded);
            }
            let all = block.transactions.iter();
            all.filter(|signed| !sequencer.has_verified(signed)).cloned().collect()
        };
        let word = self.rollup.word();
        let checked = tokio::task::spawn_blocking(move || {
            unknown.iter().enumerate().find_map(|(number, signed)| {
                let refusal = signed.verify(&word).err()?;
                Some((number, starling_rollup::rules::Refusal::Signature(refusal)))
            })
        });
        if let Ok(Some((number, refusal))) = checked.await {
            return Err(crate::operator::chain::BlockFault::Refused { number, refusal }.into());
        }
        self.sequencer.lock().await.receive(&block)
    }

    async fn look_for_equivocation(&self, block: &Block, signer: L1Address) -> Option<Evidence> {
        let (journal, signed) = (self.journal.clone(), block.signed);
        let seen = tokio::task::spawn_blocking(move || journal.see_header(&signed, signer)).await;
        let other = seen.ok()?.ok()??;
        Evidence::new(block.signed, other).ok()
    }

    /// Tells everybody, L1 included.
    async fn accuse(&self, evidence: Evidence) {
        if let Ok(guilty) = evidence.guilty(&self.rollup) {
            warn!(%guilty, slot = evidence.one.header.slot, "a validator has signed two blocks for one place");
        }
        let _ = self.evidence.try_send(evidence);
        let _ = self.handle.publish(Message::Evidence(evidence.to_bytes())).await;
    }

    /// Asks a peer for the blocks behind the end of our chain.
    async fn catch_up(&self, peer: PeerId) {
        // Who is being asked need not be asked again.
        if !self.catching_up.lock().await.insert(peer) {
            return;
        }
        self.ask_for_blocks(peer).await;
        self.catching_up.lock().await.remove(&peer);
    }

    async fn ask_for_blocks(&self, peer: PeerId) {
        let first = match self.sequencer.lock().await.tip_position() {
            Some((position, _)) => position + 1,
            None => MAX_INDEX,
        };
        // The batch may be over, and the next one begun.
        for first in [first, (first / MAX_INDEX + 1) * MAX_INDEX] {
            let request = Request::BlocksByRange { first, count: BLOCKS };
            let Ok(Response::Blocks(blocks)) = self.handle.request(peer, request).await else {
                continue;
            };
            for bytes in blocks {
                let Ok(block) = Block::from_bytes(&bytes) else {
                    let _ = self.handle.note(peer, Offence::Malformed).await;
                    return;
                };
                let Ok(signer) = block.signer(&self.rollup) else {
                    let _ = self.handle.note(peer, Offence::Malformed).await;
                    return;
                };
                let slot = block.header().slot;
                let leads = {
                    let turns = lock(&self.turns);
                    turns.builder(slot) == Some(signer) && turns.has_begun(slot)
                };
                // Who built in slots long past is not known here, and any key that was a validator's once could sign for them: what
                // they have built is L1's to say.
                if !leads {
                    return;
                }
                if let Some(evidence) = self.look_for_equivocation(&block, signer).await {
                    // Taken all the same, if it stands behind the end of the chain: the other one may be one that nobody can apply.
                    self.accuse(evidence).await;
                }
                match self.take_block(block).await {
                    Ok(Received::Crowded) => return,
                    Ok(_) => {}
                    Err(ReceiveError::Fault(_)) => {
                        let _ = self.handle.note(peer, Offence::Malformed).await;
                        return;
                    }
                    Err(ReceiveError::Sequencer(error)) => {
                        warn!(%error, "blocks are not taken");
                        return;
                    }
                }
            }
        }
    }

    /// A peer has said how far it is.
    async fn meet(&self, peer: &PeerInfo) {
        let theirs = peer.status.heads.soft;
        let ours = self.sequencer.lock().await.tip_position();
        if theirs.number > ours.map_or(0, |(position, _)| position) {
            self.catch_up(peer.peer).await;
        }
    }

    // EVIDENCE AND PROOFS
    // ============================================================================================================

    fn judge_evidence(&self, evidence: Evidence) -> Verdict {
        match evidence.guilty(&self.rollup) {
            Ok(guilty) if lock(&self.turns).is_validator(&guilty) => {
                let _ = self.evidence.try_send(evidence);
                Verdict::Accept
            }
            Ok(_) => Verdict::Ignore,
            Err(_) => Verdict::Reject,
        }
    }

    async fn judge_proof(&self, id: MessageId, from: PeerId, notice: ProofNotice) -> Option<Verdict> {
        let journal = self.journal.clone();
        let look = tokio::task::spawn_blocking(move || {
            let (_, after) = points(&journal, notice.first, notice.last).ok()??;
            let known = journal.has_proof(notice.first, notice.last).ok()?;
            let room = known || journal.proofs_to(notice.last).ok()? < RUNS;
            (after.root == notice.root && room).then_some(known)
        });
        match look.await.ok().flatten() {
            None => Some(Verdict::Ignore),
            Some(true) => Some(Verdict::Accept),
            Some(false) => {
                let shared = self.clone();
                // It goes on when it is kept: whoever hears of it asks here, and of a proof that nobody has nobody hears.
                tokio::spawn(async move {
                    let (first, last) = (notice.first, notice.last);
                    if shared.fetch_proof(Some(from), first, last).await {
                        shared.report(id, Verdict::Accept).await;
                    }
                });
                None
            }
        }
    }

    /// L1 has settled a run. Light nodes need its proof, which may not have come: then anybody is asked for it.
    async fn fill_in(&self, first: u64, last: u64) {
        sleep(SETTLED).await;
        if !self.journal.has_proof(first, last).unwrap_or(true) {
            self.fetch_proof(None, first, last).await;
        }
    }

    /// Keeps a proof that a peer has, or any peer, once it is verified: light nodes may ask for it, and provers have less to do. Whether
    /// it is kept.
    async fn fetch_proof(&self, peer: Option<PeerId>, first: u64, last: u64) -> bool {
        let mut body = None;
        for pause in PROOF_PAUSES {
            sleep(pause).await;
            // Who passes a notice on may be busy.
            let request = Request::Proof { first, last };
            let answer = match peer {
                Some(peer) => self.handle.request(peer, request).await,
                None => self.handle.request_any(request).await.map(|(_, answer)| answer),
            };
            if let Ok(Response::Found(found)) = answer {
                body = Some(found);
                break;
            }
        }
        let Some(body) = body else { return false };
        let (journal, rollup) = (self.journal.clone(), self.rollup);
        let verified = tokio::task::spawn_blocking(move || {
            let (before, after) = points(&journal, first, last).ok()??;
            let (answer, rows) = proof_of(&body, &rollup, kernel::program().hash(), before, after)?;
            let proof = StoredProof {
                first,
                last,
                root: after.root,
                payee: answer.payee,
                rows,
                prove_ms: 0,
                peak_bytes: 0,
                bytes: answer.bytes,
            };
            Some((proof, (before, after)))
        });
        let Some((proof, verified_at)) = verified.await.ok().flatten() else {
            return false;
        };
        // Batches are taken back, and own proofs kept, under the same lock.
        let mut sequencer = self.sequencer.lock().await;
        let now = points(&self.journal, first, last).ok().flatten();
        let known = self.journal.has_proof(first, last).unwrap_or(true);
        // There is room for the one that L1 has taken.
        let full = peer.is_some() && self.journal.proofs_to(last).is_ok_and(|count| count >= RUNS);
        if now != Some(verified_at) || known || full || self.journal.keep_proof(&proof).is_err() {
            return known;
        }
        sequencer.note_proven_ahead(first..=last);
        debug!(first, last, ?peer, "a proof is kept");
        true
    }

    // QUESTIONS
    // ============================================================================================================

    async fn answer(&self, request: Request, responder: Responder) {
        let journal = self.journal.clone();
        let unknown = Response::Refused(Refusal::Unknown);
        let response = match request {
            Request::BlocksByRange { first, count } => {
                let found = tokio::task::spawn_blocking(move || journal.blocks(first, count as usize)).await;
                match found {
                    Ok(Ok(blocks)) if !blocks.is_empty() => {
                        Response::Blocks(blocks.iter().map(Block::to_bytes).collect())
                    }
                    _ => unknown,
                }
            }
            Request::Batch { number } => {
                let found = tokio::task::spawn_blocking(move || journal.sealed(number)).await;
                match found {
                    Ok(Ok(Some(sealed))) => Response::Found(BatchBody::of(&sealed)),
                    _ => unknown,
                }
            }
            other => self.answers.answer(other).await.map_or(unknown, Response::Found),
        };
        let _ = self.handle.respond(responder, response).await;
    }

    // SENDING
    // ============================================================================================================

    async fn send(&self, outgoing: Outgoing) {
        let message = match outgoing {
            Outgoing::Transaction(signed) => {
                let (from, nonce) = (signed.transaction.from, signed.transaction.nonce);
                self.follow_up(from, nonce.checked_add(1)).await;
                Message::Transaction(signed)
            }
            Outgoing::Block(block) => {
                let header = block.header();
                info!(
                    slot = header.slot,
                    batch = header.batch,
                    index = header.index,
                    transactions = block.transactions.len(),
                    "block"
                );
                Message::Block(block.to_bytes())
            }
            Outgoing::Proof(notice) => Message::Proof(notice.to_bytes()),
        };
        if let Err(error) = self.handle.publish(message).await {
            debug!(%error, "not passed on now");
        }
    }

    /// Passes on again what was accepted here and no block has: a leader may have missed it.
    async fn send_again(&self) {
        let waiting = self.sequencer.lock().await.pending(AGAIN_COUNT);
        for signed in waiting {
            // Another round is another message: gossip drops what it has had, also when nobody could take it then.
            let _ = self.handle.publish(Message::Again(Box::new(signed), round())).await;
        }
        let slot = lock(&self.turns).slot().unwrap_or(0);
        let journal = self.journal.clone();
        let forgotten = tokio::task::spawn_blocking(move || journal.forget_headers(slot.saturating_sub(HEADER_SLOTS)));
        if let Ok(Err(error)) = forgotten.await {
            warn!(%error, "headers of old slots");
        }
    }

    async fn tell_heads(&self, status: &Status) {
        let head = |number: u64| {
            let sealed = self.journal.sealed(number).ok().flatten();
            Head {
                number,
                digest: sealed.map_or([0; 32], |sealed| word_bytes(&sealed.digest)),
            }
        };
        let soft = self.sequencer.lock().await.tip_position();
        let heads = Heads {
            proven: head(status.proven),
            committed: head(status.committed),
            soft: soft.map_or_else(Head::default, |(number, digest)| Head { number, digest }),
        };
        let _ = self.handle.set_heads(heads).await;
    }
}
