//! A development chain with several staked operators and other nodes, each a process with a network of its own.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use starling_node::client::User;
use starling_node::l1::L1;
use starling_node::l1::anvil::{Anvil, CHAIN_ID, Options};
use starling_node::l1::deploy::{Deployment, Parameters, deploy};
use starling_node::l1::ethers::{EthersL1, Settings};
use starling_node::l1::rollup::Rollup;
use starling_node::l1::staking::Staking;
use starling_node::light::{self, Light};
use starling_node::rpc::{ApiClient, NodeStatus, Stage};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::transaction::{Operation, RollupId};
use starling_vm::schnorr::SecretKey;
use tokio::time::sleep;

use crate::world::PASSWORD;

/// How long anything may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(180);
/// What each user has at first, in gwei.
pub(crate) const DEPOSIT: u64 = 100_000_000;
/// Users, who are the operators' fee accounts as well.
pub(crate) const USERS: usize = 4;

pub(crate) struct Cluster {
    pub(crate) chain: Anvil,
    pub(crate) l1: EthersL1,
    pub(crate) deployment: Deployment,
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) owner: L1Address,
    folder: tempfile::TempDir,
}

/// A running node. It is killed when this is dropped.
pub(crate) struct Node {
    pub(crate) child: Child,
    pub(crate) rpc: HttpClient,
    pub(crate) url: String,
    pub(crate) peers: Vec<String>,
    pub(crate) name: String,
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Node {
    pub(crate) async fn status(&self) -> NodeStatus {
        self.rpc.status().await.unwrap()
    }

    pub(crate) async fn stage(&self, id: &str) -> Stage {
        self.rpc
            .transaction(id.to_owned())
            .await
            .map_or(Stage::Unknown, |status| status.stage)
    }
}

pub(crate) fn settings() -> Settings {
    Settings {
        poll: Duration::from_millis(50),
        ..Settings::default()
    }
}

impl Cluster {
    /// A rollup with so many staked operators, and users who have deposited.
    pub(crate) async fn new(operators: usize, parameters: &Parameters) -> Self {
        let chain = Anvil::start(Options {
            port: 0,
            block_time: Some(1),
        })
        .unwrap();
        let connect = |number: usize| {
            EthersL1::connect(
                chain.url(),
                Some(CHAIN_ID),
                Some(chain.key(number).unwrap()),
                settings(),
            )
        };
        let l1 = connect(9).await.unwrap();
        let deployment = deploy(&l1, parameters).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let owner = L1Address([7; 20]);
        let keys: Vec<SecretKey> = (0..USERS as u8).map(|k| SecretKey::derive(&[k, 2])).collect();
        for number in 0..operators {
            let its = connect(number).await.unwrap();
            let staking = Staking::new(&its, deployment.staking);
            let stake = staking.constants().await.unwrap().min_stake;
            staking
                .register(its.sender(), number as u32, [number as u8 + 1; 32], stake)
                .await
                .unwrap();
        }
        let cluster = Self {
            chain,
            l1,
            deployment,
            keys,
            owner,
            folder,
        };
        let fee = cluster.contract().constants().await.unwrap().queue_fee;
        for user in 0..USERS {
            let address = cluster.address(user);
            cluster.contract().deposit(&address, DEPOSIT, fee).await.unwrap();
        }
        cluster
    }

    pub(crate) fn contract(&self) -> Rollup<'_> {
        Rollup::new(&self.l1, self.deployment.rollup)
    }

    pub(crate) fn rollup(&self) -> RollupId {
        RollupId {
            chain_id: CHAIN_ID,
            contract: self.deployment.rollup,
        }
    }

    pub(crate) fn address(&self, user: usize) -> Address {
        Address::new(self.keys[user].public_key(), self.owner)
    }

    pub(crate) fn user<'a>(&'a self, node: &'a Node, user: usize) -> User<'a> {
        User {
            rpc: &node.rpc,
            key: &self.keys[user],
            owner: self.owner,
            rollup: self.rollup(),
        }
    }

    pub(crate) fn home(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Starts a node; `key` is the number of its L1 key. One that ran before under the name goes on where it was.
    pub(crate) fn node(&self, name: &str, role: &str, key: Option<usize>, bootstrap: &[String]) -> Node {
        self.node_with(name, role, key, bootstrap, &[])
    }

    /// The same; the configuration of a node that has none has these texts in the place of others.
    pub(crate) fn node_with(
        &self,
        name: &str,
        role: &str,
        key: Option<usize>,
        bootstrap: &[String],
        instead: &[(&str, &str)],
    ) -> Node {
        let home = self.home(name);
        std::fs::create_dir_all(&home).unwrap();
        let config = home.join("starling.toml");
        if !config.exists() {
            if let Some(key) = key {
                KeyFile::seal_l1(&self.chain.key(key).unwrap(), PASSWORD, Cost::MINIMUM)
                    .unwrap()
                    .create(&home.join("l1.json"))
                    .unwrap();
            }
            let mut text = self.configuration(role, key, bootstrap);
            for (old, new) in instead {
                assert!(text.contains(old), "{old} is in no configuration");
                text = text.replace(old, new);
            }
            std::fs::write(&config, text).unwrap();
        }
        start(&home, &config, name)
    }

    fn configuration(&self, role: &str, key: Option<usize>, bootstrap: &[String]) -> String {
        let bootstrap: Vec<String> = bootstrap.iter().map(|address| format!("{address:?}")).collect();
        let fees = self.address(key.unwrap_or(0) % USERS);
        format!(
            "role = \"{role}\"\ndata = \"data\"\nstore = \"redb\"\n[l1]\nurl = \"{}\"\nchain_id = {CHAIN_ID}\n{}confirmations = 0\npoll_ms = 200\n\
             [rollup]\naddress = \"{}\"\ndeployed = {}\n[sequencer]\noperations = 64\nage_ms = 2000\nblock_ms = 300\nfee_address = \"{fees}\"\n\
             [prover]\nlock = \"{}\"\npatience_s = 10\n[rpc]\nlisten = \"127.0.0.1:0\"\n\
             [p2p]\nlisten = [\"/ip4/127.0.0.1/tcp/0\"]\nbootstrap = [{}]\n[p2p.discovery]\nprivate = true\ninterval_ms = 1000\n\
             [p2p.connections]\nper_address = 64\nper_address_rate = {{ per_second = 50.0, burst = 200 }}\nrefresh_ms = 2000\n",
            self.chain.url(),
            key.map_or("", |_| "key = \"l1.json\"\n"),
            self.deployment.rollup,
            self.deployment.block,
            self.folder.path().join("provers.lock").display(),
            bootstrap.join(", "),
        )
    }

    /// A light node that has these nodes as peers, and no others.
    pub(crate) async fn light(&self, nodes: &[&Node]) -> Light {
        let peers = nodes.iter().flat_map(|node| &node.peers);
        let peers = peers.map(|peer| peer.parse().unwrap()).collect();
        let mut asking = light::Settings::new(vec![self.chain.url().to_owned()], self.deployment.rollup, peers);
        asking.network.discovery.enabled = false;
        asking.network.discovery.private = true;
        let light = Light::start(asking).await.unwrap();
        self.until("the light node has its peers", nodes, async || {
            light.status().await.unwrap().peers.len() == nodes.len()
        })
        .await;
        light
    }

    pub(crate) fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.home(name).join("log")).unwrap_or_default()
    }

    pub(crate) async fn until(&self, what: &str, nodes: &[&Node], mut holds: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !holds().await {
            if started.elapsed() > PATIENCE {
                for node in nodes {
                    let log = self.log(&node.name);
                    let lines: Vec<&str> = log.lines().collect();
                    eprintln!(
                        "== {}\n{}",
                        node.name,
                        lines[lines.len().saturating_sub(60)..].join("\n")
                    );
                    eprintln!("{:?}", node.rpc.status().await);
                }
                panic!("not within {PATIENCE:?}: {what}");
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends a transfer through a node and returns its id.
    pub(crate) async fn transfer(&self, node: &Node, from: usize, to: usize, amount: u64) -> String {
        let recipient = self.user(node, to).account().await.unwrap();
        let operation = Operation::Transfer {
            to: recipient.index,
            address: self.address(to),
            amount,
        };
        self.user(node, from).send(operation, Some(1)).await.unwrap().0
    }
}

fn start(home: &Path, config: &Path, name: &str) -> Node {
    let mut child = Command::new(env!("CARGO_BIN_EXE_starling"))
        .args(["node", "run", "--config"])
        .arg(config)
        .env("STARLING_PASSWORD", PASSWORD)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(
            std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(home.join("log"))
                .unwrap(),
        )
        .spawn()
        .unwrap();
    let mut peers = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
    {
        if let Some(address) = line.strip_prefix("peer address ") {
            peers.push(address.to_owned());
        }
        if let Some(url) = line.strip_prefix("listening on ") {
            return Node {
                rpc: HttpClientBuilder::default().build(url).unwrap(),
                url: url.to_owned(),
                child,
                peers,
                name: name.to_owned(),
            };
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    let log = std::fs::read_to_string(home.join("log")).unwrap_or_default();
    panic!("{name} does not start:\n{log}");
}
