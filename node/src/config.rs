//! What an operator sets: a TOML file, every field of which is documented here and in the file that `starling node init` writes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_rollup::address::{Address, L1Address};

use crate::mempool::Limits;
use crate::store::Backend;

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where the node keeps what it must not forget. Relative to the file's folder.
    pub data: PathBuf,
    /// The database: `sled` or `redb`.
    #[serde(default = "default_backend")]
    pub store: Backend,
    /// Ethereum.
    pub l1: L1Config,
    /// The rollup.
    pub rollup: RollupConfig,
    /// Ordering.
    #[serde(default)]
    pub sequencer: SequencerConfig,
    /// The transactions that wait.
    #[serde(default)]
    pub mempool: Limits,
    /// The interface for users.
    #[serde(default)]
    pub rpc: RpcConfig,
    /// Prometheus metrics.
    #[serde(default)]
    pub metrics: MetricsConfig,
}

/// `[l1]`: Ethereum.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Config {
    /// HTTP endpoint.
    pub url: String,
    /// The chain that the endpoint must be on.
    pub chain_id: u64,
    /// Key file of the account that commits and proves; it needs ETH for bonds and gas.
    pub key: PathBuf,
    /// Blocks until a deposit is taken for certain. Fewer are faster; a reorganisation that drops a consumed deposit takes
    /// sealed batches back.
    #[serde(default = "default_confirmations")]
    pub confirmations: u64,
    /// Milliseconds between two looks at L1.
    #[serde(default = "default_poll_ms")]
    pub poll_ms: u64,
    /// Most gwei a gas that the node offers.
    #[serde(default = "default_max_fee_gwei")]
    pub max_fee_gwei: u64,
    /// Seconds that a transaction may wait before its fee is raised.
    #[serde(default = "default_patience_s")]
    pub patience_s: u64,
}

/// `[rollup]`: which one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollupConfig {
    /// The rollup contract.
    pub address: String,
    /// The block in which it was deployed: its history is read from there.
    pub deployed: u64,
}

/// `[sequencer]`: when a batch is sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SequencerConfig {
    /// Operations that fill a batch. 256 transfers are proven in 2^17 rows; more operations a batch are cheaper for each.
    pub operations: usize,
    /// Milliseconds after its first operation at which a batch is sealed even if it is not full.
    pub age_ms: u64,
    /// Address of the account that gets the fees.
    pub fee_address: String,
}

/// `[rpc]`: JSON-RPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where it listens. Anything but a loopback address is open to the network.
    pub listen: SocketAddr,
    /// Connections at once, HTTP and websockets together.
    pub connections: u32,
    /// Subscriptions of one websocket.
    pub subscriptions: u32,
    /// Changes of batches that are kept for subscribers that read slowly; one that is further behind is closed.
    pub backlog: usize,
    /// Seconds after which a connection is cut off that takes nothing of what it is sent.
    pub stall_s: u64,
}

/// `[metrics]`: Prometheus.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `GET /metrics` is served; nowhere if absent.
    pub listen: Option<SocketAddr>,
}

impl Default for SequencerConfig {
    fn default() -> Self {
        Self {
            operations: 256,
            age_ms: 10_000,
            fee_address: String::new(),
        }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8_645)),
            connections: 100,
            subscriptions: 16,
            backlog: 1_024,
            stall_s: 30,
        }
    }
}

/// The longest `rpc.backlog`.
const MAX_BACKLOG: usize = 1 << 20;

fn default_backend() -> Backend {
    Backend::Sled
}

fn default_confirmations() -> u64 {
    2
}

fn default_poll_ms() -> u64 {
    1_000
}

fn default_max_fee_gwei() -> u64 {
    500
}

fn default_patience_s() -> u64 {
    36
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path} cannot be read: {source}; `starling node init` writes one")]
    Read {
        /// The file.
        path: PathBuf,
        /// What happened.
        source: std::io::Error,
    },
    /// It is not TOML of this form.
    #[error("{path}: {error}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong, with its line.
        error: Box<toml::de::Error>,
    },
    /// A field has a value that cannot be used.
    #[error("{path}: `{field}`: {reason}")]
    Field {
        /// The file.
        path: PathBuf,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// A configuration whose values have been checked.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The file's values, paths made absolute.
    pub config: Config,
    /// `rollup.address`.
    pub rollup: L1Address,
    /// `sequencer.fee_address`.
    pub fee_address: Address,
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or a field is missing, unknown, or out of range.
    pub fn read(path: &Path) -> Result<Checked, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        let mut config: Self = toml::from_str(&text).map_err(|error| ConfigError::Parse {
            path: path.to_owned(),
            error: Box::new(error),
        })?;
        let field = |field, reason: String| ConfigError::Field {
            path: path.to_owned(),
            field,
            reason,
        };
        let folder = path.parent().unwrap_or(Path::new("."));
        config.data = folder.join(&config.data);
        config.l1.key = folder.join(&config.l1.key);
        let rollup = config.rollup.address.parse();
        let rollup = rollup
            .map_err(|error: starling_rollup::address::AddressError| field("rollup.address", error.to_string()))?;
        let fee_address = config.sequencer.fee_address.parse();
        let fee_address = fee_address.map_err(|error: starling_rollup::address::AddressError| {
            field("sequencer.fee_address", error.to_string())
        })?;
        if config.sequencer.operations == 0 || config.sequencer.operations > crate::operator::proving::MAX_OPERATIONS {
            let most = crate::operator::proving::MAX_OPERATIONS;
            return Err(field(
                "sequencer.operations",
                format!("must be 1 to {most}: a longer batch does not fit the prover"),
            ));
        }
        let least_one = [
            ("l1.poll_ms", config.l1.poll_ms == 0),
            ("l1.max_fee_gwei", config.l1.max_fee_gwei == 0),
            ("l1.patience_s", config.l1.patience_s == 0),
            ("mempool.transactions", config.mempool.transactions == 0),
            ("mempool.per_sender", config.mempool.per_sender == 0),
            ("mempool.retry_batches", config.mempool.retry_batches == 0),
            ("mempool.refusals", config.mempool.refusals == 0),
            ("rpc.connections", config.rpc.connections == 0),
            ("rpc.backlog", config.rpc.backlog == 0),
            ("rpc.stall_s", config.rpc.stall_s == 0),
        ];
        if let Some((name, _)) = least_one.into_iter().find(|(_, zero)| *zero) {
            return Err(field(name, "must not be 0".to_owned()));
        }
        if config.rpc.backlog > MAX_BACKLOG {
            let reason = format!("must be {MAX_BACKLOG} at most: it is kept in memory");
            return Err(field("rpc.backlog", reason));
        }
        Ok(Checked {
            config,
            rollup,
            fee_address,
        })
    }

    /// How long the sequencer waits.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.sequencer.age_ms)
    }
}
