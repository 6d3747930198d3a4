//! The light node: keeps no state, follows the rollup's proven root on L1, asks peers for accounts and operations, and checks every
//! answer.
//!
//! In reading order: [endpoints] is L1, from one endpoint or several that must agree; [peers] asks one peer after the other
//! and bans those that lie; [chain] verifies the proofs themselves, where that is wanted; [Light] puts them together; [rpc] is
//! what users call. What an answer must agree with is in [crate::answers]. The page is `specs/light.md`.
//!
//! ```text
//!            ┌── endpoints: proven root, digests, headers ──┐
//!  user ─▶ rpc ─▶ Light ─▶ peers ─▶ answer ─▶ check ◀───────┤
//!            └── chain: the same root, by proofs ◀──────────┘
//! ```

mod chain;
mod endpoints;
mod error;
mod peers;
pub mod rpc;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use starling_p2p::handle::PublishError;
use starling_p2p::message::{Message, Verdict};
use starling_p2p::request::{Refusal, Request, Response, StateAt};
use starling_p2p::status::{Heads, Role};
use starling_p2p::{Config, Event, Events, Genesis, Handle, Keypair, Multiaddr, Network, PeerId};
use starling_rollup::address::L1Address;
use starling_rollup::chain::word_bytes;
use starling_rollup::envelope::TransactionId;
use starling_rollup::transaction::{RollupId, SignedTransaction};
use starling_vm::field::Word;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tracing::{debug, info, warn};

pub use chain::{Checkpoint, CheckpointError};
pub use error::{Contradiction, Disagreement, LightError};

use crate::answers::Wrong;
use crate::answers::account::{AccountProof, Origin};
use crate::answers::operation::OperationProof;
use crate::answers::proof::Point;
use crate::interrupt::interrupted;
use crate::l1::hex;
use crate::operator::hex_word;
use chain::Chain;
use endpoints::{Common, EndpointState, Endpoints, Ground};
use peers::{Fault, Peers};

/// How old the slot of a soft block may be, in slots. Lower: a leader that is late makes soft answers fail; higher: a peer can
/// pass off an older block as the newest.
const SLOTS_BACK: u64 = 4;

/// How many slots ahead of L1's time: clocks are not the same, and L1's newest block is some seconds old.
const SLOTS_AHEAD: u64 = 1;

// SETTINGS
// ================================================================================================================

/// What a light node is started with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// L1's HTTP endpoints. With one, its word is taken for L1's; with several, they must agree.
    pub l1: Vec<String>,
    /// The rollup contract.
    pub rollup: L1Address,
    /// The chain that the endpoints must be on; any, as long as it is one, if `None`.
    pub chain_id: Option<u64>,
    /// Where proofs are verified from; `None` if L1's word on the proven root is taken.
    pub verify: Option<Point>,
    /// Between two looks at L1. Longer: answers are of older proofs.
    pub poll: Duration,
    /// How long is looked for a peer whose answer holds. Shorter: a user hears sooner that there is none.
    pub patience: Duration,
    /// The network.
    pub network: Config,
}

impl Settings {
    /// Settings for a rollup, with `peers` to start from; each ends with `/p2p/<peer id>`.
    pub fn new(l1: Vec<String>, rollup: L1Address, peers: Vec<Multiaddr>) -> Self {
        let mut network = Config {
            // It dials and is not dialled: nobody needs anything of it.
            listen: Vec::new(),
            bootstrap: peers,
            role: Role::Light,
            ..Config::default()
        };
        network.connections.outbound = 8;
        network.discovery.outbound_target = 4;
        network.discovery.interval_ms = 2_000;
        // It reads gossip only to let it go: what waits for it may be little.
        network.queues.transactions = 64;
        network.queues.blocks = 8;
        network.queues.evidence = 8;
        network.queues.proofs = 8;
        network.queues.requests = 8;
        Self {
            l1,
            rollup,
            chain_id: None,
            verify: None,
            poll: Duration::from_secs(1),
            patience: Duration::from_secs(15),
            network,
        }
    }
}

// ANSWERS
// ================================================================================================================

/// What an answer was checked against.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How far it can be relied on.
    pub stage: Stage,
    /// The batch that it is of or after.
    pub batch: u64,
    /// What it had to agree with.
    pub against: String,
    /// The L1 endpoints that said so, each with the newest block that was seen there before.
    pub l1: Vec<(String, u64)>,
    /// Whether the root was verified here, by proofs.
    pub proofs: bool,
    /// Who gave the answer.
    pub peer: Option<PeerId>,
}

/// How far an answer can be relied on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// A leader's signed word, revocable.
    Soft,
    /// Its data is on L1; the state after it is the committer's claim, and the batch can be pruned.
    Committed,
    /// L1 has verified a proof of it.
    Proven,
}

/// A checked answer about an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountAnswer {
    /// The answer.
    pub proof: AccountProof,
    /// What it was checked against.
    pub checked: Checked,
}

/// A checked operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationAnswer {
    /// The answer.
    pub proof: OperationProof,
    /// What it was checked against.
    pub checked: Checked,
}

/// A batch as L1 keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchAnswer {
    /// Its number.
    pub number: u64,
    /// The state root after it, if a proof ended with it.
    pub root: Option<Word>,
    /// Chain digest after it.
    pub digest: Word,
    /// Root of its operations.
    pub operations_root: [u8; 32],
    /// Who committed it.
    pub committer: L1Address,
    /// When, in seconds since 1970.
    pub committed_at: u64,
    /// What it was checked against.
    pub checked: Checked,
}

/// How an L1 endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// Its URL.
    pub url: String,
    /// Its newest block; `None` if it did not answer.
    pub block: Option<u64>,
    /// The last batch it has.
    pub committed: Option<u64>,
    /// The last batch it has as proven.
    pub proven: Option<u64>,
    /// What is wrong with it.
    pub trouble: Option<String>,
}

/// How a light node is.
#[derive(Clone, Debug)]
pub struct LightStatus {
    /// The rollup.
    pub rollup: RollupId,
    /// The last batch that all endpoints have as proven, and the last that they have.
    pub batches: Option<(u64, u64)>,
    /// The last batch whose proof was verified here.
    pub verified: Option<u64>,
    /// Whether the rollup is frozen.
    pub frozen: bool,
    /// The endpoints.
    pub endpoints: Vec<EndpointStatus>,
    /// What the endpoints say differently.
    pub disagreement: Option<Disagreement>,
    /// What the proofs say against L1.
    pub contradiction: Option<Contradiction>,
    /// What else is wrong.
    pub trouble: Option<String>,
    /// Introduced peers.
    pub peers: Vec<PeerId>,
    /// Peers that were banned for wrong answers.
    pub banned: u64,
}

// THE NODE
// ================================================================================================================

struct Inner {
    ground: Ground,
    endpoints: Endpoints,
    peers: Peers,
    chain: Option<Chain>,
    trouble: Mutex<Option<String>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

/// A running light node. Copies are of one node; [Light::shutdown] ends it.
#[derive(Clone)]
pub struct Light(Arc<Inner>);

impl Light {
    /// Starts a node: L1 has answered once when this returns; peers are still being looked for.
    ///
    /// # Errors
    /// When an endpoint does not answer or means another rollup, or the network cannot start.
    pub async fn start(settings: Settings) -> Result<Self, LightError> {
        let Settings {
            l1,
            rollup,
            chain_id,
            verify,
            poll,
            patience,
            network,
        } = settings;
        let (endpoints, ground) = Endpoints::connect(&l1, chain_id, rollup).await?;
        let chain = verify.map(|base| Chain::new(&ground, base)).transpose()?;
        let genesis = Genesis {
            rollup: ground.rollup,
            kernel: word_bytes(&ground.kernel),
        };
        let (handle, events) = Network::start(network, Keypair::generate_ed25519(), genesis).await?;
        let light = Self(Arc::new(Inner {
            ground,
            endpoints,
            peers: Peers::new(handle.clone(), patience),
            chain,
            trouble: Mutex::default(),
            tasks: Mutex::default(),
        }));
        // What the first look finds is the status's to say; it is looked again in any case.
        let _ = light.0.endpoints.look().await;
        let mut tasks = vec![
            tokio::spawn(quiet(handle, events)),
            tokio::spawn(light.clone().follow(poll)),
        ];
        if light.0.chain.is_some() {
            tasks.push(tokio::spawn(light.clone().verify(poll)));
        }
        *light.0.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
        info!(rollup = %rollup, endpoints = l1.len(), proofs = light.0.chain.is_some(), "following");
        Ok(light)
    }

    /// Ends the node.
    pub async fn shutdown(&self) {
        let tasks = std::mem::take(&mut *self.0.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        tasks.iter().for_each(JoinHandle::abort);
        // An error says that it had ended before.
        let _ = self.0.peers.handle.shutdown().await;
    }

    /// Its id on the network.
    pub fn peer_id(&self) -> PeerId {
        self.0.peers.handle.peer_id()
    }

    /// Looks at L1 again and again.
    async fn follow(self, poll: Duration) {
        loop {
            sleep(poll).await;
            if let Err(error) = self.0.endpoints.look().await {
                debug!(%error, "L1");
            }
        }
    }

    /// Verifies proof after proof.
    async fn verify(self, poll: Duration) {
        let Inner {
            ground,
            endpoints,
            peers,
            chain: Some(chain),
            trouble,
            ..
        } = &*self.0
        else {
            return;
        };
        loop {
            let outcome = chain.advance(endpoints, peers, ground).await;
            let told = outcome.as_ref().err().map(ToString::to_string);
            let before = {
                let mut trouble = trouble.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::replace(&mut *trouble, told.clone())
            };
            if let Some(why) = told.filter(|why| before.as_ref() != Some(why)) {
                warn!(why, "proofs are not verified");
            }
            if !matches!(outcome, Ok(true)) {
                sleep(poll).await;
            }
        }
    }

    // ASKING
    // ============================================================================================================

    /// How far L1 is, unless something is wrong with what it says.
    fn agreed(&self) -> Result<Common, LightError> {
        if let Some(found) = self.0.chain.as_ref().and_then(Chain::contradiction) {
            return Err(LightError::Contradiction(found));
        }
        self.0.endpoints.agreed()
    }

    fn checked(&self, stage: Stage, batch: u64, against: String, peer: Option<PeerId>) -> Result<Checked, LightError> {
        Ok(Checked {
            stage,
            batch,
            against,
            l1: self.agreed()?.l1,
            proofs: false,
            peer,
        })
    }

    /// An account, or that there is none with this index.
    ///
    /// # Errors
    /// When L1's word cannot be relied on, or no peer gives an answer that holds.
    pub async fn account(&self, index: u32, at: StateAt) -> Result<AccountAnswer, LightError> {
        // Nothing was ever committed: the only state is the one that the contract starts with.
        let at = match at {
            StateAt::Committed if self.agreed()?.committed == 0 => StateAt::Proven,
            at => at,
        };
        let head: fn(&Heads) -> u64 = match at {
            StateAt::Proven => |heads| heads.proven.number,
            StateAt::Committed => |heads| heads.committed.number,
            StateAt::Soft => |heads| heads.soft.number,
        };
        let common = self.agreed()?;
        let most = match at {
            StateAt::Proven => common.proven,
            StateAt::Committed => common.committed,
            StateAt::Soft => u64::MAX,
        };
        let mut asking = self.0.peers.asking(Request::Account { index, at }, head, most);
        while let Some((peer, body)) = asking.next().await? {
            match self.check_account(index, at, peer, &body).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => asking.fault(peer, fault).await?,
            }
        }
        Err(asking.failure())
    }

    async fn check_account(&self, index: u32, at: StateAt, peer: PeerId, body: &[u8]) -> Result<AccountAnswer, Fault> {
        let proof = AccountProof::from_bytes(index, at, body).map_err(Wrong::from)?;
        let checked = match &proof.origin {
            Origin::Proven { batch } => self.check_proven(&proof, *batch, peer).await,
            Origin::Committed(header) => self.check_committed(&proof, header.batch, peer).await,
            Origin::Soft(_) => self.check_soft(&proof, peer).await,
        }?;
        Ok(AccountAnswer { proof, checked })
    }

    /// Whether `admits` takes the batch, if need be after another look at L1: the peer may have been faster.
    async fn admit(&self, batch: u64, admits: fn(&Endpoints, u64) -> bool, what: &str) -> Result<(), Fault> {
        let endpoints = &self.0.endpoints;
        if admits(endpoints, batch) {
            return Ok(());
        }
        endpoints.look().await?;
        if admits(endpoints, batch) {
            return Ok(());
        }
        Err(Fault::Stale(format!(
            "it is of batch {batch}, which is not the last {what} one on L1"
        )))
    }

    async fn check_proven(&self, proof: &AccountProof, batch: u64, peer: PeerId) -> Result<Checked, Fault> {
        self.admit(batch, Endpoints::admits_proven, "proven").await?;
        let (root, proofs) = match &self.0.chain {
            Some(chain) => (chain.root(batch), true),
            None => (self.0.endpoints.root(batch).await?, false),
        };
        let root = root.ok_or_else(|| {
            Fault::Stale(match proofs {
                true => format!("it is of batch {batch}, and the proof of that is not verified here yet"),
                false => format!("it is of batch {batch}, with which no proof ended"),
            })
        })?;
        proof.check_root(&root)?;
        let root = hex_word(&root);
        let against = match proofs {
            true => format!("the state root {root}, to which proofs lead that were verified here"),
            false => format!("the state root {root}, which the rollup contract has as proven"),
        };
        let checked = self.checked(Stage::Proven, batch, against, Some(peer))?;
        Ok(Checked { proofs, ..checked })
    }

    async fn check_committed(&self, proof: &AccountProof, batch: u64, peer: PeerId) -> Result<Checked, Fault> {
        self.admit(batch, Endpoints::admits_committed, "committed").await?;
        let head = self.0.endpoints.batch(batch).await?.head;
        proof.check_head(batch, &head)?;
        let against = format!(
            "the header 0x{} that the rollup contract keeps of the batch: its committer claims this state, and until it is proven the batch can be pruned",
            hex(&head)
        );
        Ok(self.checked(Stage::Committed, batch, against, Some(peer))?)
    }

    async fn check_soft(&self, proof: &AccountProof, peer: PeerId) -> Result<Checked, Fault> {
        let Origin::Soft(signed) = &proof.origin else {
            return Err(Wrong::Kind.into());
        };
        let (header, endpoints) = (&signed.header, &self.0.endpoints);
        if header.batch <= self.agreed()?.committed {
            // On a quiet day the newest block is one that L1 has already. Then L1's word counts, not its slot.
            let Ok(()) = self.admit(header.batch, Endpoints::admits_committed, "committed").await else {
                return Err(Fault::Stale(format!(
                    "its block is of batch {}, which is past",
                    header.batch
                )));
            };
            if endpoints.batch(header.batch).await?.head != header.hash() {
                return Err(Fault::Stale(
                    "its block is not the last one of the batch on L1".to_owned(),
                ));
            }
            return self.check_committed(proof, header.batch, peer).await;
        }
        let common = self.agreed()?;
        let clock = &self.0.ground.clock;
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        let newest = clock.slot_at(common.time.max(now)).saturating_add(SLOTS_AHEAD);
        let oldest = clock.slot_at(common.time).saturating_sub(SLOTS_BACK);
        if header.slot < oldest {
            let slot = header.slot;
            return Err(Fault::Stale(format!(
                "its block is of slot {slot}, L1 is at {oldest} and {SLOTS_BACK} more"
            )));
        }
        if header.slot > newest {
            let slot = header.slot;
            return Err(Fault::Odd(format!(
                "its block is of slot {slot}, which is later than {newest}"
            )));
        }
        let builder = endpoints.builder(header.slot).await?;
        let leader = builder
            .who
            .ok_or_else(|| Fault::Stale(format!("slot {} has no leader", header.slot)))?;
        let signer = signed.signer(&self.0.ground.rollup).map_err(Wrong::from)?;
        if signer != leader && !builder.settled && endpoints.is_validator(signer).await? {
            let slot = header.slot;
            return Err(Fault::Stale(format!(
                "its block of slot {slot} is signed by the validator {signer}; by L1 it is {leader} that builds there now, which may have \
                 changed since"
            )));
        }
        proof.check_leader(&self.0.ground.rollup, leader)?;
        let against = format!(
            "the signature of {leader}, the leader of slot {}, of the header 0x{}: it can be taken back",
            header.slot,
            hex(&header.hash())
        );
        Ok(self.checked(Stage::Soft, header.batch, against, Some(peer))?)
    }

    /// An operation of a committed batch.
    ///
    /// # Errors
    /// When the batch is not on L1, L1's word cannot be relied on, or no peer gives an answer that holds.
    pub async fn operation(&self, batch: u64, position: u32) -> Result<OperationAnswer, LightError> {
        self.on_l1(batch).await?;
        let request = Request::Operation { batch, position };
        let most = self.agreed()?.committed;
        let mut asking = self.0.peers.asking(request, |heads| heads.committed.number, most);
        while let Some((peer, body)) = asking.next().await? {
            match self.check_operation(batch, position, peer, &body).await {
                Ok(answer) => return Ok(answer),
                Err(fault) => asking.fault(peer, fault).await?,
            }
        }
        Err(asking.failure())
    }

    async fn check_operation(
        &self,
        batch: u64,
        position: u32,
        peer: PeerId,
        body: &[u8],
    ) -> Result<OperationAnswer, Fault> {
        let proof = OperationProof::from_bytes(position, body).map_err(Wrong::from)?;
        let root = self.0.endpoints.batch(batch).await?.operations_root;
        proof.check(position, &root)?;
        let against = format!(
            "the root 0x{} that the rollup contract computed from the batch's data",
            hex(&root)
        );
        let checked = self.staged(batch, against, Some(peer))?;
        Ok(OperationAnswer { proof, checked })
    }

    /// A batch that is on L1, by L1 alone.
    ///
    /// # Errors
    /// When it is not there, or L1's word cannot be relied on.
    pub async fn batch(&self, number: u64) -> Result<BatchAnswer, LightError> {
        self.on_l1(number).await?;
        let info = self.0.endpoints.batch(number).await?;
        let root = self.0.endpoints.root(number).await?;
        Ok(BatchAnswer {
            number,
            root,
            digest: info.digest,
            operations_root: info.operations_root,
            committer: info.committer,
            committed_at: info.committed_at,
            checked: self.staged(number, "what the rollup contract keeps of the batch".to_owned(), None)?,
        })
    }

    /// That a batch is on L1, if need be after another look.
    async fn on_l1(&self, batch: u64) -> Result<(), LightError> {
        let mut committed = self.agreed()?.committed;
        if batch > committed {
            committed = self.0.endpoints.look().await?.committed;
        }
        if batch > committed {
            return Err(LightError::NotCommitted { batch, committed });
        }
        Ok(())
    }

    /// What was checked against the contract's word on a batch: proven if the batch is, by proofs verified here if those are asked
    /// for.
    fn staged(&self, batch: u64, against: String, peer: Option<PeerId>) -> Result<Checked, LightError> {
        let common = self.agreed()?;
        let proven = match &self.0.chain {
            Some(chain) => chain.tip().min(common.proven),
            None => common.proven,
        };
        let stage = if batch <= proven {
            Stage::Proven
        } else {
            Stage::Committed
        };
        self.checked(stage, batch, against, peer)
    }

    /// Passes a signed transaction on to peers. What becomes of it is theirs.
    ///
    /// # Errors
    /// When its signature does not hold, or no peer takes it.
    pub async fn submit(&self, signed: SignedTransaction) -> Result<TransactionId, LightError> {
        let word = self.0.ground.rollup.word();
        let id = TransactionId::new(&signed.transaction, &word);
        let checked = tokio::task::spawn_blocking(move || signed.verify(&word).map(|()| signed)).await;
        let signed = checked
            .map_err(|_| LightError::Ended)?
            .map_err(|error| LightError::Refused(format!("the signature does not hold: {error}")))?;
        let message = Message::Transaction(Box::new(signed));
        let until = Instant::now() + self.0.peers.patience();
        loop {
            match self.0.peers.handle.publish(message.clone()).await {
                // Known: it was passed on before.
                Ok(_) | Err(PublishError::Known) => return Ok(id),
                Err(PublishError::Ended(_)) => return Err(LightError::Ended),
                // Peers say which topics they listen to shortly after they have come.
                Err(PublishError::NoPeers { .. }) if Instant::now() < until => sleep(Duration::from_millis(200)).await,
                Err(error) => return Err(LightError::Publish(error.to_string())),
            }
        }
    }

    /// How the node is.
    ///
    /// # Errors
    /// When the network has ended.
    pub async fn status(&self) -> Result<LightStatus, LightError> {
        let inner = &self.0;
        let (endpoints, disagreement) = inner.endpoints.report();
        let common = inner.endpoints.agreed().ok();
        let peers = inner.peers.handle.peers().await.map_err(|_| LightError::Ended)?;
        let state = |endpoint: EndpointState| EndpointStatus {
            url: endpoint.url,
            block: endpoint.seen.map(|seen| seen.block),
            committed: endpoint.seen.map(|seen| seen.committed),
            proven: endpoint.seen.map(|seen| seen.proven),
            trouble: endpoint.trouble,
        };
        Ok(LightStatus {
            rollup: inner.ground.rollup,
            batches: common.as_ref().map(|common| (common.proven, common.committed)),
            verified: inner.chain.as_ref().map(Chain::tip),
            frozen: common.is_some_and(|common| common.frozen),
            endpoints: endpoints.into_iter().map(state).collect(),
            disagreement,
            contradiction: inner.chain.as_ref().and_then(Chain::contradiction),
            trouble: inner.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            peers: peers.iter().map(|info| info.peer).collect(),
            banned: inner.peers.banned(),
        })
    }
}

/// Reads what the network brings, and lets it go: a light node cannot judge messages, and has nothing to serve.
async fn quiet(handle: Handle, mut events: Events) {
    while let Some(event) = events.next().await {
        // Errors: the message was decided otherwise, the asker is gone, or the network has ended.
        match event {
            Event::Message { id, .. } => {
                let _ = handle.report(id, Verdict::Ignore).await;
            }
            Event::Request { responder, .. } => {
                let refusal = Response::Refused(Refusal::Unknown);
                let _ = handle.respond(responder, refusal).await;
            }
            Event::Peer(_) | Event::Gone(_) => {}
        }
    }
}

/// Runs a light node with its JSON-RPC until it is interrupted. `ready` is told the RPC's address and the node's peer id.
///
/// # Errors
/// When it cannot start.
pub async fn run(
    settings: Settings,
    listen: SocketAddr,
    ready: impl FnOnce(SocketAddr, PeerId),
) -> Result<(), LightError> {
    let light = Light::start(settings).await?;
    let listening = rpc::listen(light.clone(), listen).await;
    let (address, server) = listening.map_err(|source| LightError::Listen { at: listen, source })?;
    info!(rpc = %address, peer = %light.peer_id(), "running");
    ready(address, light.peer_id());
    interrupted().await;
    info!("ending");
    // An error says that it has ended before.
    let _ = server.stop();
    server.stopped().await;
    light.shutdown().await;
    Ok(())
}
