//! A development chain, a deployed rollup, and an operator as a process that tests can kill.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use jsonrpsee::core::client::ClientT;
use jsonrpsee_http_client::{HttpClient, HttpClientBuilder};
use starling_node::client::{User, UserError};
use starling_node::l1::anvil::{Anvil, CHAIN_ID};
use starling_node::l1::deploy::{Deployment, Parameters, deploy};
use starling_node::l1::ethers::EthersL1;
use starling_node::l1::rollup::{Progress, Rollup};
use starling_node::l1::staking::Staking;
use starling_node::rpc::{ApiClient, NodeStatus, Stage};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::transaction::{Operation, RollupId};
use starling_vm::schnorr::SecretKey;
use tokio::time::sleep;

use crate::l1::{anvil, sender};

pub(crate) const PASSWORD: &str = "only a test";
/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);
/// What each user has at first, in gwei.
pub(crate) const DEPOSIT: u64 = 100_000_000;

pub(crate) struct World {
    pub(crate) chain: Anvil,
    pub(crate) l1: EthersL1,
    pub(crate) deployment: Deployment,
    pub(crate) keys: Vec<SecretKey>,
    pub(crate) owner: L1Address,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) config: PathBuf,
    raw: HttpClient,
}

/// A running operator. It is killed when this is dropped.
pub(crate) struct Operator {
    pub(crate) child: Child,
    pub(crate) rpc: HttpClient,
    pub(crate) url: String,
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl World {
    /// A rollup with three users who have deposited; the first is the operator's fee account. `more` is put into the
    /// operator's configuration.
    pub(crate) async fn new(more: &str) -> Self {
        let chain = anvil();
        let operator = chain.key(0).unwrap();
        let l1 = sender(&chain, 1).await;
        let deployment = deploy(&l1, &Parameters::patient()).await.unwrap();
        let its = sender(&chain, 0).await;
        let staking = Staking::new(&its, deployment.staking);
        let stake = staking.constants().await.unwrap().min_stake;
        staking.register(operator.address(), 0, [1; 32], stake).await.unwrap();
        let owner = L1Address([7; 20]);
        let keys: Vec<SecretKey> = (0..3u8).map(|k| SecretKey::derive(&[k, 1])).collect();
        let folder = tempfile::tempdir().unwrap();
        KeyFile::seal_l1(&operator, PASSWORD, Cost::MINIMUM)
            .unwrap()
            .create(&folder.path().join("l1.json"))
            .unwrap();
        let config = folder.path().join("starling.toml");
        let fees = Address::new(keys[0].public_key(), owner);
        let text = format!(
            "data = \"data\"\nstore = \"redb\"\n[l1]\nurl = \"{}\"\nchain_id = {CHAIN_ID}\nkey = \"l1.json\"\nconfirmations = 0\npoll_ms = 50\n\
             patience_s = 2\n[rollup]\naddress = \"{}\"\ndeployed = {}\n[sequencer]\noperations = 64\nage_ms = 200\nfee_address = \"{fees}\"\n\
             [rpc]\nlisten = \"127.0.0.1:0\"\n{more}",
            chain.url(),
            deployment.rollup,
            deployment.block
        );
        std::fs::write(&config, text).unwrap();
        let raw = HttpClientBuilder::default().build(chain.url()).unwrap();
        let world = Self {
            chain,
            l1,
            deployment,
            keys,
            owner,
            folder,
            config,
            raw,
        };
        for key in 0..3 {
            world.deposit(key).await;
        }
        world
    }

    pub(crate) fn address(&self, key: usize) -> Address {
        Address::new(self.keys[key].public_key(), self.owner)
    }

    pub(crate) fn contract(&self) -> Rollup<'_> {
        Rollup::new(&self.l1, self.deployment.rollup)
    }

    pub(crate) async fn deposit(&self, key: usize) {
        let fee = self.contract().constants().await.unwrap().queue_fee;
        self.contract().deposit(&self.address(key), DEPOSIT, fee).await.unwrap();
    }

    pub(crate) async fn progress(&self) -> Progress {
        self.contract().progress().await.unwrap()
    }

    /// One of anvil's own methods.
    pub(crate) async fn anvil(&self, method: &str, params: serde_json::Value) -> serde_json::Value {
        let mut list = jsonrpsee::core::params::ArrayParams::new();
        for param in params.as_array().unwrap() {
            list.insert(param).unwrap();
        }
        self.raw.request(method, list).await.unwrap()
    }

    /// A user; the RPC is the operator's.
    pub(crate) fn user<'a>(&'a self, operator: &'a Operator, key: usize) -> User<'a> {
        User {
            rpc: &operator.rpc,
            key: &self.keys[key],
            owner: self.owner,
            rollup: RollupId {
                chain_id: CHAIN_ID,
                contract: self.deployment.rollup,
            },
        }
    }

    pub(crate) fn operator(&self) -> Operator {
        let mut child = Command::new(env!("CARGO_BIN_EXE_starling"))
            .args(["node", "run", "--config"])
            .arg(&self.config)
            .env("STARLING_PASSWORD", PASSWORD)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(
                std::fs::OpenOptions::new()
                    .append(true)
                    .create(true)
                    .open(self.folder.path().join("log"))
                    .unwrap(),
            )
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on ").map(str::to_owned));
        let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap();
        let url = url.unwrap_or_else(|| panic!("the operator does not start:\n{}", log()));
        Operator {
            rpc: HttpClientBuilder::default().build(&url).unwrap(),
            url,
            child,
        }
    }

    /// Sends a transfer and returns its id.
    pub(crate) async fn transfer(
        &self,
        operator: &Operator,
        from: usize,
        to: usize,
        amount: u64,
    ) -> Result<String, UserError> {
        let to = self.user(operator, to).account().await?;
        let operation = Operation::Transfer {
            to: to.index,
            address: to.address.parse().unwrap(),
            amount,
        };
        self.user(operator, from)
            .send(operation, Some(1))
            .await
            .map(|(id, _)| id)
    }

    /// Waits until the users have their accounts.
    pub(crate) async fn ready(&self, operator: &Operator) {
        for key in 0..3 {
            self.until("the accounts are open", async || {
                self.user(operator, key).account().await.is_ok()
            })
            .await;
        }
    }

    pub(crate) async fn until(&self, what: &str, mut holds: impl AsyncFnMut() -> bool) {
        let started = Instant::now();
        while !holds().await {
            let log = || std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                started.elapsed() < PATIENCE,
                "not within {PATIENCE:?}: {what}\n{}",
                log()
            );
            sleep(Duration::from_millis(30)).await;
        }
    }

    /// Waits until these transactions are proven, and compares the operator's state with L1's.
    pub(crate) async fn settled(&self, operator: &Operator, ids: &[String]) {
        for id in ids {
            self.until("a transaction is proven", async || {
                operator
                    .rpc
                    .transaction(id.clone())
                    .await
                    .is_ok_and(|status| status.stage == Stage::Proven)
            })
            .await;
        }
        let progress = self.progress().await;
        let batch = operator.rpc.batch(progress.proven).await.unwrap().unwrap();
        let root = self.contract().root(progress.proven).await.unwrap().unwrap();
        assert_eq!(batch.root, starling_node::operator::hex_word(&root));
    }

    /// The balance of a user's account after all that the operator has accepted.
    pub(crate) async fn balance(&self, operator: &Operator, key: usize) -> u64 {
        self.user(operator, key)
            .account()
            .await
            .unwrap()
            .soft_balance
            .parse()
            .unwrap()
    }

    pub(crate) async fn status(&self, operator: &Operator) -> NodeStatus {
        operator.rpc.status().await.unwrap()
    }
}
