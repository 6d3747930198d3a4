//! A rollup on a development chain: L1, contracts, validators, nodes, users.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee_http_client::HttpClient;
use serde_json::{Value, json};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::l1_key::L1Key;
use starling_rollup::schedule::EPOCHS_AHEAD;
use starling_rollup::transaction::RollupId;
use starling_vm::schnorr::SecretKey;
use tokio::time::sleep;

use super::DevnetArgs;
use super::load;
use super::node::{Common, Node, Own, Role};
use super::screen::Screen;
use super::switchboard::{L1_END, Switchboard};
use super::wait::{join_all, until};
use crate::cli::CliError;
use crate::cli::key::random;
use crate::cli::user::{rejected, rpc_client, unusable};
use crate::client::{User, UserError};
use crate::l1::L1Error;
use crate::l1::anvil::{Anvil, CHAIN_ID, Options};
use crate::l1::deploy::{Deployment, Parameters, deploy};
use crate::l1::ethers::{EthersL1, Settings};
use crate::l1::rollup::Rollup;
use crate::l1::staking::Staking;
use crate::operator::settler::BACKLOG;
use crate::rpc::ApiClient;

/// Users, each with an L1 account of the development chain.
pub(super) const USERS: usize = 8;
/// What each user deposits, in gwei.
pub(super) const DEPOSIT: u64 = 500_000_000;
/// How long anything may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(900);

/// Time from the first epoch with leaders on for L1 to have what was sealed before: until then it takes a batch a slot.
const QUIET: Duration = Duration::from_secs(6);

/// How much longer that may take.
const CATCH_UP: Duration = Duration::from_secs(30);

/// Wei that every key of ours has on L1 at first: a thousand ETH.
const FUNDS: &str = "0x3635c9adc5dea00000";

/// An account of the rollup.
pub(super) struct Account {
    pub(super) key: SecretKey,
    pub(super) owner: L1Address,
}

impl Account {
    fn new(owner: L1Address) -> Result<Self, CliError> {
        let key = SecretKey::derive(&random()?);
        Ok(Self { key, owner })
    }

    pub(super) fn address(&self) -> Address {
        Address::new(self.key.public_key(), self.owner)
    }
}

/// A user.
pub(super) struct Holder {
    pub(super) account: Account,
    /// L1, with the user's key.
    pub(super) wallet: EthersL1,
    /// The node that it asks.
    pub(super) home: usize,
}

/// All of it.
pub(super) struct Net {
    pub(super) screen: Screen,
    /// Where the logs are.
    pub(super) folder: PathBuf,
    // Nodes end before their L1 does.
    pub(super) nodes: Vec<Node>,
    /// How many of the nodes, the first ones, are operators.
    pub(super) operators: usize,
    pub(super) chain: Anvil,
    raw: HttpClient,
    /// L1, with the deployer's key.
    pub(super) l1: EthersL1,
    pub(super) deployment: Deployment,
    pub(super) rollup: RollupId,
    pub(super) switchboard: Switchboard,
    pub(super) users: Vec<Holder>,
    /// Where the operators' fees go.
    fee_accounts: Vec<Account>,
}

fn settings() -> Settings {
    Settings {
        poll: Duration::from_millis(100),
        ..Settings::default()
    }
}

/// Loopback ports that nobody listens at, each once.
fn free_ports(count: usize) -> Result<Vec<u16>, CliError> {
    let listeners: Result<Vec<_>, _> = (0..count).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect();
    let listeners = listeners.map_err(unusable)?;
    let ports = listeners
        .iter()
        .map(|listener| listener.local_addr().map(|address| address.port()));
    ports.collect::<Result<_, _>>().map_err(unusable)
}

/// A key that nobody else has.
pub(super) fn new_key() -> Result<L1Key, CliError> {
    L1Key::from_bytes(&random()?).map_err(unusable)
}

impl Net {
    /// Starts L1 and deploys.
    pub(super) async fn deploy(args: &DevnetArgs, folder: &Path) -> Result<Self, CliError> {
        let screen = Screen::new();
        screen.now("starting anvil");
        let chain = Anvil::start(Options {
            port: args.l1_port,
            block_time: Some(1),
        })
        .map_err(unusable)?;
        screen.now("deploying the verifier and the rollup");
        let deployer = chain.key(9).map_err(unusable)?;
        let l1 = EthersL1::connect(chain.url(), Some(CHAIN_ID), Some(deployer), settings());
        let l1 = l1.await.map_err(unusable)?;
        let deployment = deploy(&l1, &Parameters::devnet()).await.map_err(rejected)?;
        screen.done(format!(
            "rollup {} on {}, deployed with {} gas",
            deployment.rollup,
            chain.url(),
            deployment.gas
        ));
        let raw = rpc_client(chain.url())?;
        let rollup = RollupId {
            chain_id: CHAIN_ID,
            contract: deployment.rollup,
        };
        let mut net = Self {
            screen,
            folder: folder.to_owned(),
            nodes: Vec::new(),
            operators: args.operators,
            chain,
            raw,
            l1,
            deployment,
            rollup,
            switchboard: Switchboard::new(),
            users: Vec::new(),
            fee_accounts: Vec::new(),
        };
        net.make_nodes(args).await?;
        net.make_users().await?;
        Ok(net)
    }

    /// One of anvil's own methods.
    pub(super) async fn anvil(&self, method: &str, params: Vec<Value>) -> Result<Value, CliError> {
        let mut list = ArrayParams::new();
        for param in params {
            list.insert(param).map_err(unusable)?;
        }
        self.raw.request(method, list).await.map_err(unusable)
    }

    /// L1 with a key.
    pub(super) async fn l1_of(&self, key: L1Key) -> Result<EthersL1, CliError> {
        let connecting = EthersL1::connect(self.chain.url(), Some(CHAIN_ID), Some(key), settings());
        connecting.await.map_err(unusable)
    }

    /// Gives an L1 address what it needs for stakes, bonds and gas.
    pub(super) async fn fund(&self, address: L1Address) -> Result<(), CliError> {
        let params = vec![json!(address.to_string()), json!(FUNDS)];
        self.anvil("anvil_setBalance", params).await.map(drop)
    }

    pub(super) fn contract(&self) -> Rollup<'_> {
        Rollup::new(&self.l1, self.deployment.rollup)
    }

    pub(super) fn staking(&self) -> Staking<'_> {
        Staking::new(&self.l1, self.deployment.staking)
    }

    /// The full node: nothing happens to it.
    pub(super) fn full(&self) -> &Node {
        let full = self.nodes.iter().find(|node| node.role == Role::Full);
        full.unwrap_or(&self.nodes[0])
    }

    pub(super) fn light(&self) -> Option<&Node> {
        self.nodes.iter().find(|node| node.role == Role::Light)
    }

    /// The nodes that users may ask.
    pub(super) fn homes(&self) -> Vec<usize> {
        (0..self.operators).collect()
    }

    /// A user, as the client of a node.
    pub(super) fn user(&self, number: usize, node: usize) -> User<'_> {
        let account = &self.users[number].account;
        User {
            rpc: &self.nodes[node].rpc,
            key: &account.key,
            owner: account.owner,
            rollup: self.rollup,
        }
    }

    /// The name of an L1 address that is a node's.
    pub(super) fn name_of(&self, address: L1Address) -> String {
        let node = self.nodes.iter().find(|node| node.address() == Some(address));
        node.map_or_else(|| address.to_string(), |node| node.name.clone())
    }

    /// Where everything can be reached.
    pub(super) fn places(&self) -> String {
        let mut lines = vec![String::new(), format!("{:<20} {}", "L1 JSON-RPC", self.chain.url())];
        for node in &self.nodes {
            let name = match self.nodes.len() {
                1 => "operator",
                _ => &node.name,
            };
            lines.push(format!("{:<20} {}", format!("{name} JSON-RPC"), node.url()));
        }
        lines.push(format!("{:<20} {}", "rollup contract", self.deployment.rollup));
        lines.push(format!("{:<20} {}", "staking contract", self.deployment.staking));
        lines.push(format!("{:<20} {}", "verifier contract", self.deployment.verifier));
        lines.join("\n")
    }

    // NODES
    // ============================================================================================================

    async fn make_nodes(&mut self, args: &DevnetArgs) -> Result<(), CliError> {
        let mut roles = vec![Role::Operator; self.operators];
        if self.operators > 1 {
            roles.extend([Role::Prover, Role::Full, Role::Light]);
        }
        let mut ports = free_ports(2 * roles.len())?;
        if args.rpc_port > 0 {
            for (number, port) in ports.iter_mut().skip(roles.len()).enumerate() {
                *port = args.rpc_port.saturating_add(number as u16);
            }
        }
        for (number, role) in roles.iter().enumerate() {
            let key = match role {
                Role::Operator if number == 0 => Some(self.chain.key(0).map_err(unusable)?),
                Role::Operator | Role::Prover => Some(new_key()?),
                Role::Full | Role::Light => None,
            };
            let name = match role {
                Role::Operator => format!("operator-{}", number + 1),
                Role::Prover => "prover".to_owned(),
                Role::Full => "full".to_owned(),
                Role::Light => "light".to_owned(),
            };
            if let Some(key) = &key {
                self.fund(key.address()).await?;
            }
            let ports = [ports[number], ports[roles.len() + number]];
            self.nodes.push(Node::new(&self.folder, name, *role, key, ports)?);
        }
        Ok(())
    }

    /// Starts all nodes; their lines go through the switchboard if `args` ask for chaos.
    pub(super) async fn start(&self, args: &DevnetArgs) -> Result<(), CliError> {
        self.screen.now("starting the nodes");
        let common = Common {
            deployment: &self.deployment,
            operations: args.batch,
            backlog: args.load.map_or(BACKLOG, |_| load::BACKLOG),
            lock: self.folder.join("prover.lock"),
        };
        let port = self
            .chain
            .url()
            .rsplit(':')
            .next()
            .and_then(|port| port.parse::<u16>().ok());
        let port = port.ok_or_else(|| CliError::Unusable(format!("no port in {}", self.chain.url())))?;
        for (number, node) in self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.role != Role::Light)
        {
            let l1_port = match args.chaos && node.role == Role::Operator {
                true => self.switchboard.line(number, L1_END, port).await?,
                false => port,
            };
            let own = Own {
                l1_url: format!("http://127.0.0.1:{l1_port}"),
                peers: match self.nodes.len() {
                    1 => None,
                    _ => Some(self.peers_of(number, args.chaos).await?),
                },
                fee_address: self.fee_accounts.get(number).map(Account::address),
                // One operator leaves its proofs, and the bonds, to the prover.
                proves: self.operators == 1 || number + 1 < self.operators,
            };
            node.configure(&common, &own)?;
        }
        let running = self.nodes.iter().filter(|node| node.role != Role::Light);
        for started in join_all(running.map(Node::start)).await {
            started?;
        }
        if let Some(light) = self.light() {
            self.start_light(light).await?;
        }
        let roles = match self.nodes.len() {
            1 => String::new(),
            _ => ", a prover, a full node, a light node".to_owned(),
        };
        let many = if self.operators == 1 { "" } else { "s" };
        self.screen.done(format!(
            "{} operator{many}{roles} at {} and on; files and logs in {}",
            self.operators,
            self.nodes[0].url(),
            self.folder.display()
        ));
        Ok(())
    }

    /// A light node beside the first one; it does not run yet.
    pub(super) fn another_light(&self) -> Result<Node, CliError> {
        let [p2p_port, rpc_port] = free_ports(2)?[..] else {
            return Err(CliError::Unusable("no free ports".to_owned()));
        };
        Node::new(
            &self.folder,
            "light-2".to_owned(),
            Role::Light,
            None,
            [p2p_port, rpc_port],
        )
    }

    /// Whom a node dials: those before it, so that each pair has one line.
    async fn peers_of(&self, number: usize, through: bool) -> Result<Vec<String>, CliError> {
        let mut peers = Vec::new();
        for (other, node) in self.nodes[..number].iter().enumerate() {
            let port = match through {
                true => self.switchboard.line(number, other, node.p2p_port).await?,
                false => node.p2p_port,
            };
            peers.push(node.multiaddr(port));
        }
        Ok(peers)
    }

    /// Starts a light node that asks all others, and waits until it listens.
    pub(super) async fn start_light(&self, light: &Node) -> Result<(), CliError> {
        let rollup = self.deployment.rollup.to_string();
        let listen = format!("127.0.0.1:{}", light.rpc_port);
        let peers: Vec<String> = self
            .nodes
            .iter()
            .filter(|node| node.role != Role::Light)
            .map(|node| node.multiaddr(node.p2p_port))
            .collect();
        let mut args = vec![
            "light",
            "--l1",
            self.chain.url(),
            "--rollup",
            &rollup,
            "--listen",
            &listen,
            "--verify-proofs",
        ];
        for peer in &peers {
            args.extend(["--peer", peer]);
        }
        light.start_with(&args).await
    }

    // VALIDATORS AND USERS
    // ============================================================================================================

    /// Makes the operators validators, and deposits for their fees and for all users.
    async fn make_users(&mut self) -> Result<(), CliError> {
        self.screen.now(format!("staking, and depositing for {USERS} users"));
        let homes = self.homes();
        for number in 0..USERS {
            let key = self.chain.key(1 + number).map_err(unusable)?;
            self.users.push(Holder {
                account: Account::new(key.address())?,
                home: homes[number % homes.len()],
                wallet: self.l1_of(key).await?,
            });
        }
        for node in &self.nodes[..self.operators] {
            let owner = node.address().unwrap_or_default();
            self.fee_accounts.push(Account::new(owner)?);
        }
        let fee = self.contract().constants().await.map_err(rejected)?.queue_fee;
        let least = self.staking().constants().await.map_err(rejected)?.min_stake;
        let stake = if self.operators == 1 { least } else { 2 * least };
        let staked = self.nodes[..self.operators].iter().zip(&self.fee_accounts);
        let staked = staked.map(|(node, account)| self.stake(node, account, stake, fee));
        let rollup = self.rollup.contract;
        let deposits = self.users.iter().map(|user| async move {
            let contract = Rollup::new(&user.wallet, rollup);
            contract.deposit(&user.account.address(), DEPOSIT, fee).await
        });
        let (staked, deposits) = tokio::join!(join_all(staked), join_all(deposits));
        staked.into_iter().collect::<Result<Vec<()>, CliError>>()?;
        deposits
            .into_iter()
            .collect::<Result<Vec<_>, L1Error>>()
            .map_err(rejected)?;
        Ok(())
    }

    async fn stake(&self, node: &Node, account: &Account, stake: u128, fee: u128) -> Result<(), CliError> {
        let Some(key) = &node.key else { return Ok(()) };
        let l1 = self.l1_of(key.duplicate()).await?;
        let staking = Staking::new(&l1, self.deployment.staking);
        staking
            .register(account.owner, 0, node.peer_key(), stake)
            .await
            .map_err(rejected)?;
        // Fees need somewhere to go.
        let contract = Rollup::new(&l1, self.rollup.contract);
        contract.deposit(&account.address(), 1, fee).await.map_err(rejected)?;
        Ok(())
    }

    /// Waits until the validators' first set is in the draw, and L1 has what was sealed before.
    pub(super) async fn wait_for_leaders(&self) -> Result<(), CliError> {
        let clock = self.staking().constants().await.map_err(rejected)?.clock;
        let start = Duration::from_secs(clock.epoch_start(EPOCHS_AHEAD));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        sleep(start.saturating_sub(now) + QUIET).await;
        until("L1 has what the nodes have sealed", CATCH_UP, async || {
            let status = self.full().rpc.status().await.ok()?;
            (status.sealed <= status.committed + 2).then_some(())
        })
        .await
    }

    /// Waits until each user's node knows its account; the indices.
    pub(super) async fn accounts(&self) -> Result<Vec<u32>, CliError> {
        self.screen.now("waiting for the accounts");
        let mut indices = Vec::new();
        for (number, holder) in self.users.iter().enumerate() {
            let user = self.user(number, holder.home);
            let what = format!(
                "{} knows the account of user {}",
                self.nodes[holder.home].name,
                number + 1
            );
            let found = until(&what, PATIENCE, async || match user.account().await {
                Ok(account) => Some(Ok(account.index)),
                Err(UserError::NoAccount(_)) => None,
                Err(error) => Some(Err(rejected(error))),
            });
            indices.push(found.await??);
        }
        self.screen.done(format!("{USERS} users have {DEPOSIT} gwei each"));
        Ok(indices)
    }
}
