//! An operator as a process: puts the parts together and runs them until it is told to end.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use starling_rollup::keyfile::{KeyFile, KeyFileError};
use starling_rollup::transaction::RollupId;
use tokio::sync::watch;
use tokio::time::sleep;
use tracing::{info, warn};

use super::feed::Feed;
use super::journal::{Journal, JournalError};
use super::sequencer::{Sealing, Sequencer, SharedSequencer};
use super::settler::{SettleError, Settler, Status, shared};
use crate::config::Checked;
use crate::l1::ethers::{EthersL1, Settings};
use crate::l1::{L1, L1Error};
use crate::mempool::Mempool;
use crate::metrics::Metrics;
use crate::rpc;
use crate::store::{self, StoreError};

/// Why an operator ended.
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

/// How often the sequencer looks whether a batch is full.
const TICK: Duration = Duration::from_millis(50);

/// Runs an operator until it is interrupted, or until something happens that only a person can mend. `ready` is told the RPC's
/// address.
///
/// # Errors
/// What a person must mend.
pub async fn run(checked: Checked, password: &str, ready: impl FnOnce(SocketAddr)) -> Result<(), ProcessError> {
    let config = &checked.config;
    let key = KeyFile::read(&config.l1.key)?.open_l1(password)?;
    let options = store::Options::default();
    let store = store::open(&config.data, config.store, &options)?;
    let rollup = RollupId {
        chain_id: config.l1.chain_id,
        contract: checked.rollup,
    };
    let journal = Journal::open(Arc::from(store), rollup)?;
    let sealing = Sealing {
        operations: config.sequencer.operations,
        age: config.age(),
    };
    let mut sequencer = Sequencer::recover(
        journal.clone(),
        sealing,
        checked.fee_address,
        Mempool::new(config.mempool),
    )?;
    sequencer.tell_in(Feed::new(config.rpc.backlog));
    let sequencer = shared(sequencer);
    let l1 = connect(&checked, key).await?;
    let (status, watched) = watch::channel(Status::default());
    let metrics = Metrics::default();
    let server = rpc::Server::new(
        sequencer.clone(),
        watched,
        l1.clone(),
        config.sequencer.operations,
        rollup.word(),
        metrics.clone(),
    );
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
    info!(rpc = %address, rollup = %rollup.contract, operator = %l1.sender(), "running");
    ready(address);
    let confirmations = config.l1.confirmations;
    let deployed = config.rollup.deployed;
    let pause = Duration::from_millis(config.l1.poll_ms);
    let settling = async {
        let mut settler = loop {
            let new = Settler::new(
                l1.clone(),
                rollup,
                deployed,
                confirmations,
                journal.clone(),
                sequencer.clone(),
                status.clone(),
            );
            match new.await {
                Ok(settler) => break settler,
                Err(SettleError::L1(error)) if error.is_transient() => {
                    warn!(%error, "L1");
                    metrics.l1_errors.inc();
                    sleep(pause).await;
                }
                Err(error) => return Err(error),
            }
        };
        settler.count_in(metrics.clone());
        settler.run(pause).await
    };
    let ended = tokio::select! {
        ended = settling => ended,
        () = tick(sequencer.clone(), &metrics) => Ok(()),
        () = interrupted() => Ok(()),
    };
    info!("ending");
    if let Some(watching) = watching {
        watching.abort();
    }
    let _ = server.stop();
    server.stopped().await;
    Ok(ended?)
}

/// A client of the configured endpoint; an endpoint that does not answer is waited for.
async fn connect(checked: &Checked, key: starling_rollup::l1_key::L1Key) -> Result<Arc<dyn L1>, ProcessError> {
    let config = &checked.config.l1;
    let settings = Settings {
        poll: Duration::from_millis(config.poll_ms.min(2_000)),
        patience: Duration::from_secs(config.patience_s),
        max_fee: u128::from(config.max_fee_gwei) * crate::l1::rollup::GWEI,
        ..Settings::default()
    };
    let bytes = key.to_bytes();
    loop {
        let key = starling_rollup::l1_key::L1Key::from_bytes(&*bytes).ok();
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
async fn tick(sequencer: SharedSequencer, metrics: &Metrics) {
    let mut tries = 0;
    loop {
        let ticked = {
            let mut sequencer = sequencer.lock().await;
            let ticked = sequencer.tick();
            let (pool, open) = sequencer.waiting();
            metrics.waiting.set((pool + open) as u64);
            metrics.outside.set(sequencer.outside() as u64);
            metrics
                .tries
                .inc_by(sequencer.tries() - std::mem::replace(&mut tries, sequencer.tries()));
            ticked
        };
        if let Err(error) = ticked {
            warn!(%error, "a batch is not sealed");
            sleep(Duration::from_secs(1)).await;
        }
        sleep(TICK).await;
    }
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else {
        let _ = tokio::signal::ctrl_c().await;
        return;
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
