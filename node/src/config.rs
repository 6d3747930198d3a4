//! What whoever runs a node sets: a TOML file, every field of which is documented here and in the file that `starling node init` writes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use starling_rollup::address::{Address, L1Address};

use crate::answers::proof::Point;
use crate::light::{self, Checkpoint};
use crate::mempool::Limits;
use crate::store::Backend;

/// What a node does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// A validator: builds blocks in its slots, commits them, proves.
    #[default]
    Operator,
    /// Proves what others commit, and keeps order on L1.
    Prover,
    /// Executes everything, serves users and peers, sends nothing to L1.
    Full,
    /// Keeps no state: asks peers, and checks their answers.
    Light,
}

/// The whole file.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// What the node does: `operator`, `prover`, `full` or `light`.
    #[serde(default)]
    pub role: NodeRole,
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
    /// Proofs.
    #[serde(default)]
    pub prover: ProverConfig,
    /// What a light node believes.
    #[serde(default)]
    pub light: LightConfig,
    /// The network; without this table the node has none.
    pub p2p: Option<starling_p2p::Config>,
    /// File of the node's key on the network, which is made if there is none. Relative to the file's folder.
    #[serde(default = "default_p2p_key")]
    pub p2p_key: PathBuf,
}

/// `[l1]`: Ethereum.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct L1Config {
    /// HTTP endpoint.
    pub url: String,
    /// The chain that the endpoint must be on.
    pub chain_id: u64,
    /// Key file of the account that signs blocks, commits and proves; it needs ETH for bonds and gas. A full node has none.
    #[serde(default)]
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
    /// Address of the account that gets the fees; an operator needs one.
    pub fee_address: String,
    /// Milliseconds between two blocks. Fewer confirm sooner, with more signatures and messages.
    pub block_ms: u64,
    /// Nothing is committed while so many operations wait for their proof: what the provers cannot do before its deadline costs
    /// the bond. Twice as many stop the building of blocks.
    pub backlog: usize,
}

/// `[prover]`: proofs.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProverConfig {
    /// Whether an operator proves; otherwise it leaves that, and the bonds, to others. A prover always does.
    pub enabled: bool,
    /// A file whose lock is held while a proof is made, so that several provers of one machine do not take its memory at
    /// once; none if empty.
    pub lock: PathBuf,
    /// Seconds for which an operator leaves others' batches to other provers, once their committers' own time is over.
    pub patience_s: u64,
}

/// `[light]`: what a light node believes. Other roles do not read it, and a light node reads of the other tables only `l1.url`,
/// `l1.chain_id`, `l1.poll_ms`, `rollup.address`, `rpc.listen`, and of `p2p` whom it starts from, allows and blocks.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LightConfig {
    /// Further HTTP endpoints of Ethereum, of other providers than that of `l1.url`: all of them must agree.
    pub endpoints: Vec<String>,
    /// Whether every proof is fetched and verified, instead of taking L1's word for the proven root.
    pub verify_proofs: bool,
    /// Where verifying starts, as `BATCH:ROOT:DIGEST`; at the genesis if empty.
    pub checkpoint: String,
}

impl Default for ProverConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            lock: PathBuf::new(),
            patience_s: 600,
        }
    }
}

/// `[rpc]`: JSON-RPC.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RpcConfig {
    /// Where it listens. Anything but a loopback address is open to the network.
    pub listen: SocketAddr,
    /// Sockets at once, HTTP and websockets together, whether they ask anything or not; one too many is closed at once.
    pub connections: u32,
    /// Subscriptions of one websocket.
    pub subscriptions: u32,
    /// Changes of batches that are kept for subscribers that read slowly; one that is further behind is closed.
    pub backlog: usize,
    /// Seconds after which a connection is cut off that takes nothing of what it is sent.
    pub stall_s: u64,
    /// Seconds after which a connection that is no websocket is cut off if no whole request has come since the last was answered. More
    /// lets sockets that ask nothing keep others out for longer.
    pub idle_s: u64,
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
            block_ms: 1_000,
            backlog: crate::operator::settler::BACKLOG,
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
            idle_s: 30,
        }
    }
}

/// The longest `rpc.backlog`.
const MAX_BACKLOG: usize = 1 << 20;

fn default_backend() -> Backend {
    Backend::Sled
}

fn default_p2p_key() -> PathBuf {
    PathBuf::from("p2p.key")
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
    /// `sequencer.fee_address`; an operator has one.
    pub fee_address: Option<Address>,
    /// With what a light node is started; `None` in the other roles.
    pub light: Option<light::Settings>,
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
        config.p2p_key = folder.join(&config.p2p_key);
        if config.prover.lock != PathBuf::new() {
            config.prover.lock = folder.join(&config.prover.lock);
        }
        let has_key = config.l1.key != PathBuf::new();
        if matches!(config.role, NodeRole::Operator | NodeRole::Prover) && !has_key {
            return Err(field("l1.key", "an operator and a prover need one".to_owned()));
        }
        if has_key {
            config.l1.key = folder.join(&config.l1.key);
        }
        if let Some(p2p) = &mut config.p2p {
            p2p.role = match config.role {
                NodeRole::Operator => starling_p2p::status::Role::Operator,
                NodeRole::Prover => starling_p2p::status::Role::Prover,
                NodeRole::Full => starling_p2p::status::Role::Full,
                NodeRole::Light => starling_p2p::status::Role::Light,
            };
            p2p.check().map_err(|error| field("p2p", error.to_string()))?;
        }
        let rollup = config.rollup.address.parse();
        let rollup = rollup
            .map_err(|error: starling_rollup::address::AddressError| field("rollup.address", error.to_string()))?;
        let fee_address = match (config.role, config.sequencer.fee_address.as_str()) {
            (NodeRole::Prover | NodeRole::Full | NodeRole::Light, "") => None,
            (_, text) => Some(text.parse().map_err(|error: starling_rollup::address::AddressError| {
                field("sequencer.fee_address", error.to_string())
            })?),
        };
        if config.sequencer.operations == 0 || config.sequencer.operations > crate::operator::proving::MAX_OPERATIONS {
            let most = crate::operator::proving::MAX_OPERATIONS;
            return Err(field(
                "sequencer.operations",
                format!("must be 1 to {most}: a longer batch does not fit the prover"),
            ));
        }
        let least_one = [
            ("l1.poll_ms", config.l1.poll_ms == 0),
            ("sequencer.block_ms", config.sequencer.block_ms == 0),
            ("sequencer.backlog", config.sequencer.backlog == 0),
            ("l1.max_fee_gwei", config.l1.max_fee_gwei == 0),
            ("l1.patience_s", config.l1.patience_s == 0),
            ("mempool.transactions", config.mempool.transactions == 0),
            ("mempool.per_sender", config.mempool.per_sender == 0),
            ("mempool.retry_batches", config.mempool.retry_batches == 0),
            ("mempool.refusals", config.mempool.refusals == 0),
            ("rpc.connections", config.rpc.connections == 0),
            ("rpc.backlog", config.rpc.backlog == 0),
            ("rpc.stall_s", config.rpc.stall_s == 0),
            ("rpc.idle_s", config.rpc.idle_s == 0),
        ];
        if let Some((name, _)) = least_one.into_iter().find(|(_, zero)| *zero) {
            return Err(field(name, "must not be 0".to_owned()));
        }
        if config.rpc.backlog > MAX_BACKLOG {
            let reason = format!("must be {MAX_BACKLOG} at most: it is kept in memory");
            return Err(field("rpc.backlog", reason));
        }
        let light = match config.role {
            NodeRole::Light => Some(
                config
                    .light_settings(rollup)
                    .map_err(|(name, reason)| field(name, reason))?,
            ),
            NodeRole::Operator | NodeRole::Prover | NodeRole::Full => None,
        };
        Ok(Checked {
            config,
            rollup,
            fee_address,
            light,
        })
    }

    /// What the file says to a light node; the error is a field and what is wrong with it.
    fn light_settings(&self, rollup: L1Address) -> Result<light::Settings, (&'static str, String)> {
        let p2p = self.p2p.as_ref().filter(|p2p| !p2p.bootstrap.is_empty());
        let p2p = p2p.ok_or_else(|| {
            let reason = "a light node asks peers: name at least one, better several".to_owned();
            ("p2p.bootstrap", reason)
        })?;
        let mut endpoints = vec![self.l1.url.clone()];
        endpoints.extend(self.light.endpoints.iter().cloned());
        let mut settings = light::Settings::new(endpoints, rollup, p2p.bootstrap.clone());
        settings.chain_id = Some(self.l1.chain_id);
        settings.poll = Duration::from_millis(self.l1.poll_ms);
        settings.network.allow.clone_from(&p2p.allow);
        settings.network.block.clone_from(&p2p.block);
        settings.verify = match (self.light.verify_proofs, self.light.checkpoint.as_str()) {
            (true, "") => Some(Point::genesis()),
            (true, text) => {
                let checkpoint: Checkpoint = text
                    .parse()
                    .map_err(|error: light::CheckpointError| ("light.checkpoint", error.to_string()))?;
                Some(checkpoint.0)
            }
            (false, "") => None,
            (false, _) => {
                let reason = "nothing is verified from there unless `light.verify_proofs` is true".to_owned();
                return Err(("light.checkpoint", reason));
            }
        };
        Ok(settings)
    }

    /// How long the sequencer waits.
    pub fn age(&self) -> Duration {
        Duration::from_millis(self.sequencer.age_ms)
    }
}
