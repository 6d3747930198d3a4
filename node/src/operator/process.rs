//! A node as a process: puts the parts together and runs them until it is told to end.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use starling_p2p::{Events, Genesis, Handle, Multiaddr, Network};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::chain::word_bytes;
use starling_rollup::kernel;
use starling_rollup::keyfile::{KeyFile, KeyFileError};
use starling_rollup::l1_key::L1Key;
use starling_rollup::transaction::RollupId;
use starling_vm::field::Word;
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use super::feed::Feed;
use super::journal::{Journal, JournalError};
use super::prover::Policy;
use super::sequencer::{Making, Sealing, Sequencer, SharedSequencer};
use super::settler::{Duties, SettleError, Settler, Status, shared};
use super::signing::Signer;
use super::turns::{SharedTurns, lock};
use crate::config::{Checked, NodeRole};
use crate::gossip::Forms;
use crate::interrupt::interrupted;
use crate::l1::ethers::{EthersL1, Settings};
use crate::l1::{L1, L1Error};
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::network::{self, Outbox, Outgoing};
use crate::rpc;
use crate::serve::Served;
use crate::store::{self, Store, StoreError};

/// Why a node ended.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// The key cannot be read.
    #[error("the L1 key: {0}")]
    Key(#[from] KeyFileError),
    /// The store cannot be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The network key cannot be used.
    #[error(transparent)]
    NetworkKey(#[from] starling_p2p::key::KeyError),
    /// The network does not start.
    #[error("the network does not start: {0}")]
    Network(#[from] starling_p2p::network::StartError),
    /// L1 cannot be used.
    #[error(transparent)]
    L1(#[from] L1Error),
    /// Settling ended.
    #[error(transparent)]
    Settle(#[from] SettleError),
    /// The RPC or the metrics cannot listen.
    #[error("nothing can listen at {at}: {source}; change `{field}`")]
    Listen {
        /// Which.
        field: &'static str,
        /// The address.
        at: SocketAddr,
        /// What happened.
        source: std::io::Error,
    },
}

/// How often the sequencer looks whether a block or a batch is due.
const TICK: Duration = Duration::from_millis(50);

/// What waits for the network.
const OUTBOX: usize = 4_096;

/// Evidence that waits to be reported.
const EVIDENCE: usize = 64;

/// Where a node can be reached.
#[derive(Clone, Debug)]
pub struct Reach {
    /// JSON-RPC.
    pub rpc: SocketAddr,
    /// The network, each address with the node's id at its end.
    pub p2p: Vec<Multiaddr>,
}

/// The network of a node, and what the network's task needs.
struct Connected {
    handle: Handle,
    events: Events,
    outgoing: mpsc::Receiver<Outgoing>,
}

/// Runs an operator, a prover or a full node until it is interrupted, or until something happens that only a person can mend;
/// a light node is run by [crate::light::run]. `ready` is told where it can be reached.
///
/// # Errors
/// What a person must mend.
pub async fn run(checked: Checked, password: Option<&str>, ready: impl FnOnce(&Reach)) -> Result<(), ProcessError> {
    let config = &checked.config;
    let key = match password {
        Some(password) => Some(KeyFile::read(&config.l1.key)?.open_l1(password)?),
        None => None,
    };
    let options = store::Options::default();
    let store: Arc<dyn Store> = Arc::from(store::open(&config.data, config.store, &options)?);
    let rollup = RollupId {
        chain_id: config.l1.chain_id,
        contract: checked.rollup,
    };
    let journal = Journal::open(store.clone(), rollup)?;
    let sealing = Sealing {
        operations: config.sequencer.operations,
        age: config.age(),
    };
    // Who does not build takes no fees.
    let fee_address = checked.fee_address.unwrap_or(Address::from_word(Word::default()));
    let mut sequencer = Sequencer::recover(journal.clone(), sealing, fee_address, Mempool::new(config.mempool))?;
    sequencer.tell_in(Feed::new(config.rpc.backlog));
    let signer = match (config.role, &key) {
        // One signs, the other pays.
        (NodeRole::Operator, Some(key)) => Some(Arc::new(Signer::new(store, rollup, key.duplicate()))),
        _ => None,
    };
    sequencer.make(match &signer {
        Some(signer) => Making::Signed(signer.clone(), Duration::from_millis(config.sequencer.block_ms)),
        None => Making::Followed,
    });
    let status = Status {
        unverified: sequencer.unverified(),
        ..Status::default()
    };
    let sequencer = shared(sequencer);
    let l1 = connect(&checked, key).await?;
    let (status, watched) = watch::channel(status);
    let mut registry = Registry::default();
    let network = match &config.p2p {
        Some(p2p) => {
            let keypair = starling_p2p::key::load_or_create(&config.p2p_key)?;
            let genesis = Genesis {
                rollup,
                kernel: word_bytes(&kernel::program().hash()),
            };
            let builder = Network::builder(p2p.clone(), keypair, genesis);
            Some(builder.decoder(Arc::new(Forms)).registry(&mut registry).start().await?)
        }
        None => None,
    };
    let metrics = Metrics::on(registry);
    let (outbox, outgoing) = mpsc::channel(OUTBOX);
    let mut server = rpc::Server::new(
        sequencer.clone(),
        watched.clone(),
        l1.clone(),
        config.sequencer.operations,
        rollup.word(),
        metrics.clone(),
    );
    let network = network.map(|(handle, events)| {
        let counted = handle.metrics().clone();
        server.pass_on(outbox.clone(), Arc::new(move || counted.peers.get()));
        Connected {
            handle,
            events,
            outgoing,
        }
    });
    let at = config.rpc.listen;
    let listening = server.listen(&config.rpc).await;
    let field = "rpc.listen";
    let (address, server) = listening.map_err(|source| ProcessError::Listen { field, at, source })?;
    let mut watching = None;
    if let Some(at) = config.metrics.listen {
        let field = "metrics.listen";
        let serving = metrics.serve(at).await;
        let (address, task) = serving.map_err(|source| ProcessError::Listen { field, at, source })?;
        info!(metrics = %address, "serving");
        watching = Some(task);
    }
    let reach = Reach {
        rpc: address,
        p2p: match &network {
            Some(network) => addresses(&network.handle).await,
            None => Vec::new(),
        },
    };
    info!(rpc = %address, rollup = %rollup.contract, sender = %l1.sender(), role = ?config.role, "running");
    ready(&reach);
    let handle = network.as_ref().map(|network| network.handle.clone());
    let duties = Duties {
        alone: false,
        keeps_order: matches!(config.role, NodeRole::Operator | NodeRole::Prover),
        backlog: config.sequencer.backlog,
        network: handle.clone(),
        signer,
    };
    let policy = Policy {
        enabled: match config.role {
            NodeRole::Operator => config.prover.enabled,
            NodeRole::Prover => true,
            NodeRole::Full | NodeRole::Light => false,
        },
        lock: (config.prover.lock != PathBuf::new()).then(|| config.prover.lock.clone()),
        patience: match config.role {
            NodeRole::Operator => config.prover.patience_s,
            NodeRole::Prover | NodeRole::Full | NodeRole::Light => 0,
        },
    };
    let settling = settle(
        &checked,
        rollup,
        Work {
            l1,
            journal,
            sequencer,
            status,
            watched,
            metrics: metrics.clone(),
            duties,
            policy,
            network,
            outbox: outbox.clone(),
        },
    );
    let ended = tokio::select! {
        ended = settling => ended,
        () = interrupted() => Ok(()),
    };
    info!("ending");
    if let Some(watching) = watching {
        watching.abort();
    }
    let _ = server.stop();
    server.stopped().await;
    if let Some(handle) = handle {
        let _ = handle.shutdown().await;
    }
    Ok(ended?)
}

/// What follows L1, and what it works with.
struct Work {
    l1: Arc<dyn L1>,
    journal: Journal,
    sequencer: SharedSequencer,
    status: watch::Sender<Status>,
    watched: watch::Receiver<Status>,
    metrics: Metrics,
    duties: Duties,
    policy: Policy,
    network: Option<Connected>,
    outbox: Outbox,
}

/// Follows L1, proves, and listens to the network, until something happens that only a person can mend.
async fn settle(checked: &Checked, rollup: RollupId, work: Work) -> Result<(), SettleError> {
    let config = &checked.config;
    let pause = Duration::from_millis(config.l1.poll_ms);
    let mut settler = loop {
        let new = Settler::new(
            work.l1.clone(),
            rollup,
            config.rollup.deployed,
            config.l1.confirmations,
            work.journal.clone(),
            work.sequencer.clone(),
            work.status.clone(),
        );
        match new.await {
            Ok(settler) => break settler,
            Err(SettleError::L1(error)) if error.is_transient() => {
                warn!(%error, "L1");
                work.metrics.l1_errors.inc();
                sleep(pause).await;
            }
            Err(error) => return Err(error),
        }
    };
    settler.count_in(work.metrics.clone());
    let me = work.duties.signer.as_ref().map(|signer| signer.address());
    let ticking = tick(
        work.sequencer.clone(),
        settler.turns(),
        me,
        work.metrics.clone(),
        work.outbox.clone(),
    );
    settler.take_on(work.duties, work.policy);
    let (evidence, reports) = mpsc::channel(EVIDENCE);
    settler.report_from(reports);
    let mut prover = settler.prover();
    prover.announce_in(work.outbox);
    let listening = work.network.map(|connected| {
        tokio::spawn(network::run(network::Parts {
            handle: connected.handle,
            events: connected.events,
            outgoing: connected.outgoing,
            rollup,
            answers: Arc::new(Served::new(
                work.sequencer.clone(),
                work.journal.clone(),
                work.watched.clone(),
            )),
            sequencer: work.sequencer,
            journal: work.journal,
            turns: settler.turns(),
            status: work.watched,
            evidence,
        }))
    });
    // Without it an operator would sign what nobody hears.
    let deaf = async {
        match listening {
            Some(listening) => listening
                .await
                .map_or_else(|error| error.to_string(), |()| "it ended".to_owned()),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        ended = settler.run(pause) => ended,
        ended = prover.run(pause) => ended,
        () = ticking => Ok(()),
        reason = deaf => Err(SettleError::Deaf(reason)),
    }
}

/// The addresses that a node listens on, with its id.
async fn addresses(handle: &Handle) -> Vec<Multiaddr> {
    let addresses = handle.addresses().await.unwrap_or_default();
    let id = handle.peer_id();
    addresses
        .into_iter()
        .filter_map(|address| address.with_p2p(id).ok())
        .collect()
}

/// A client of the configured endpoint; an endpoint that does not answer is waited for.
async fn connect(checked: &Checked, key: Option<L1Key>) -> Result<Arc<dyn L1>, ProcessError> {
    let config = &checked.config.l1;
    let settings = Settings {
        poll: Duration::from_millis(config.poll_ms.min(2_000)),
        patience: Duration::from_secs(config.patience_s),
        max_fee: u128::from(config.max_fee_gwei) * crate::l1::rollup::GWEI,
        ..Settings::default()
    };
    loop {
        let key = key.as_ref().map(L1Key::duplicate);
        match EthersL1::connect(&config.url, Some(config.chain_id), key, settings).await {
            Ok(client) => return Ok(Arc::new(client)),
            Err(error) if error.is_transient() => {
                warn!(%error, "L1");
                sleep(Duration::from_millis(config.poll_ms)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Fills and seals batches. A store that fails is tried again: nothing is acknowledged meanwhile.
async fn tick(sequencer: SharedSequencer, turns: SharedTurns, me: Option<L1Address>, metrics: Metrics, outbox: Outbox) {
    let mut tries = 0;
    loop {
        let (ticked, made) = {
            let mut sequencer = sequencer.lock().await;
            // Now that it is this task's turn: slots end by the clock.
            sequencer.take_turn(lock(&turns).turn(me));
            let ticked = sequencer.tick();
            let (pool, open) = sequencer.waiting();
            metrics.waiting.set((pool + open) as u64);
            metrics.outside.set(sequencer.outside() as u64);
            metrics
                .tries
                .inc_by(sequencer.tries() - std::mem::replace(&mut tries, sequencer.tries()));
            (ticked, sequencer.made())
        };
        for block in made {
            // Who misses it asks for it.
            let _ = outbox.try_send(Outgoing::Block(Box::new(block)));
        }
        if let Err(error) = ticked {
            warn!(%error, "a batch is not sealed");
            sleep(Duration::from_secs(1)).await;
        }
        sleep(TICK).await;
    }
}
