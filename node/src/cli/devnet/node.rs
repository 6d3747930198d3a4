//! The nodes of a devnet: where each has its files, how it is configured, how it is started again.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use jsonrpsee_http_client::HttpClient;
use starling_p2p::{Keypair, PeerId};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::l1_key::L1Key;

use super::process::Process;
use crate::cli::CliError;
use crate::cli::key::random;
use crate::cli::user::{rpc_client, unusable};
use crate::l1::anvil::CHAIN_ID;
use crate::l1::deploy::Deployment;
use crate::l1::hex;

/// What a node of the devnet does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Operator,
    Prover,
    Full,
    Light,
}

/// A node, running or not.
pub(super) struct Node {
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) folder: PathBuf,
    /// Its key on L1; full and light nodes have none.
    pub(super) key: Option<L1Key>,
    password: String,
    pub(super) keypair: Keypair,
    pub(super) p2p_port: u16,
    pub(super) rpc_port: u16,
    pub(super) rpc: HttpClient,
    process: Mutex<Option<Process>>,
}

/// What the nodes' configurations have in common.
pub(super) struct Common<'a> {
    pub(super) deployment: &'a Deployment,
    /// Operations that fill a batch.
    pub(super) operations: usize,
    /// Operations that may wait for a proof.
    pub(super) backlog: usize,
    /// The lock that the machine's provers share.
    pub(super) lock: PathBuf,
}

/// What is one node's own.
pub(super) struct Own {
    /// L1, as the node reaches it.
    pub(super) l1_url: String,
    /// Addresses of other nodes, each with the peer's id at its end; `None` for a node without a network.
    pub(super) peers: Option<Vec<String>>,
    /// Who gets the fees.
    pub(super) fee_address: Option<Address>,
    /// Whether it proves what it commits.
    pub(super) proves: bool,
}

impl Node {
    /// A node with files in a folder of its own below `folder`.
    pub(super) fn new(
        folder: &Path,
        name: String,
        role: Role,
        key: Option<L1Key>,
        [p2p_port, rpc_port]: [u16; 2],
    ) -> Result<Self, CliError> {
        let folder = folder.join(&name);
        std::fs::create_dir_all(&folder).map_err(unusable)?;
        let password = hex(&random()?);
        if let Some(key) = &key {
            KeyFile::seal_l1(key, &password, Cost::MINIMUM)
                .and_then(|file| file.create(&folder.join("l1.json")))
                .map_err(unusable)?;
        }
        let keypair = starling_p2p::key::load_or_create(&folder.join("p2p.key")).map_err(unusable)?;
        Ok(Self {
            name,
            role,
            folder,
            key,
            password,
            keypair,
            p2p_port,
            rpc_port,
            rpc: rpc_client(&format!("http://127.0.0.1:{rpc_port}"))?,
            process: Mutex::new(None),
        })
    }

    /// Where JSON-RPC is.
    pub(super) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.rpc_port)
    }

    /// Its L1 address.
    pub(super) fn address(&self) -> Option<L1Address> {
        self.key.as_ref().map(L1Key::address)
    }

    pub(super) fn peer_id(&self) -> PeerId {
        self.keypair.public().to_peer_id()
    }

    /// Its ed25519 key, as validators register it.
    pub(super) fn peer_key(&self) -> [u8; 32] {
        let key = self.keypair.public().try_into_ed25519();
        key.map_or([0; 32], |key| key.to_bytes())
    }

    /// Where peers reach it, at this port.
    pub(super) fn multiaddr(&self, port: u16) -> String {
        format!("/ip4/127.0.0.1/tcp/{port}/p2p/{}", self.peer_id())
    }

    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn config(&self) -> PathBuf {
        self.folder.join("starling.toml")
    }

    /// Writes its configuration.
    pub(super) fn configure(&self, common: &Common<'_>, own: &Own) -> Result<(), CliError> {
        let role = match self.role {
            Role::Operator => "operator",
            Role::Prover => "prover",
            Role::Full | Role::Light => "full",
        };
        let key = match &self.key {
            Some(_) => "key = \"l1.json\"\n",
            None => "",
        };
        let fee_address = own.fee_address.map_or(String::new(), |address| address.to_string());
        let mut text = format!(
            "role = \"{role}\"\ndata = \"data\"\nstore = \"sled\"\n\n\
             [l1]\nurl = \"{}\"\nchain_id = {CHAIN_ID}\n{key}confirmations = 1\npoll_ms = 250\npatience_s = 6\n\n\
             [rollup]\naddress = \"{}\"\ndeployed = {}\n\n\
             [sequencer]\noperations = {}\nage_ms = 3000\nblock_ms = 400\nbacklog = {}\nfee_address = \"{fee_address}\"\n\n\
             [prover]\nenabled = {}\nlock = \"{}\"\npatience_s = 15\n\n\
             [rpc]\nlisten = \"127.0.0.1:{}\"\n",
            own.l1_url,
            common.deployment.rollup,
            common.deployment.block,
            common.operations,
            common.backlog,
            own.proves,
            common.lock.display(),
            self.rpc_port,
        );
        if let Some(peers) = &own.peers {
            // All nodes are at one address, and none is to be shut out for that.
            text += &format!(
                "\n[p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/{}\"]\nbootstrap = {peers:?}\n\n\
                 [p2p.connections]\nper_address = 256\nper_address_rate = {{ per_second = 50.0, burst = 500 }}\n\n\
                 [p2p.sync]\nserving_address = 32\n\n\
                 [p2p.discovery]\nenabled = false\nprivate = true\ninterval_ms = 1000\n\n\
                 [p2p.quotas]\nframes = {{ per_second = 5000.0, burst = 10000 }}\n\
                 transactions = {{ per_second = 2000.0, burst = 4000 }}\nblocks = {{ per_second = 50.0, burst = 500 }}\n\
                 blocks_requests = {{ per_second = 20.0, burst = 100 }}\nbatch_requests = {{ per_second = 20.0, burst = 100 }}\n\
                 status_requests = {{ per_second = 5.0, burst = 50 }}\n",
                self.p2p_port
            );
        }
        std::fs::write(self.config(), text).map_err(unusable)
    }

    /// Starts it with the configuration that was written, and waits until it listens.
    pub(super) async fn start(&self) -> Result<(), CliError> {
        let config = self.config();
        let config = config.to_string_lossy();
        let args = ["node", "run", "--config", &config];
        self.start_with(&args).await
    }

    /// Starts `starling` with these arguments as this node.
    pub(super) async fn start_with(&self, args: &[&str]) -> Result<(), CliError> {
        let password = self.key.is_some().then_some(self.password.as_str());
        let process = Process::start(&self.name, args, password, &self.log()).await?;
        *lock(&self.process) = Some(process);
        Ok(())
    }

    /// Kills it with `kill -9`.
    pub(super) fn kill(&self) {
        if let Some(process) = lock(&self.process).take() {
            process.kill();
        }
    }

    /// The most memory that its process has had, in bytes; `None` if it does not run, or the system does not tell.
    pub(super) fn peak_memory(&self) -> Option<u64> {
        lock(&self.process).as_ref()?.peak_memory()
    }

    /// Whether it runs.
    pub(super) fn runs(&self) -> bool {
        lock(&self.process).as_mut().is_some_and(|process| !process.has_ended())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
