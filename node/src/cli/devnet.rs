//! `starling devnet`: a rollup on a development chain, from the deployment to money that has left it again.

use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use jsonrpsee_http_client::HttpClient;
use serde_json::json;
use starling_air::settlement;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::keyfile::{Cost, KeyFile};
use starling_rollup::l1_key::L1Key;
use starling_rollup::transaction::{Operation, RollupId};
use starling_vm::schnorr::SecretKey;
use tokio::time::sleep;

use super::CliError;
use super::key::random;
use super::user::{rejected, rpc_client, runtime, unusable};
use crate::client::{self, User};
use crate::l1::anvil::{Anvil, CHAIN_ID, Options};
use crate::l1::deploy::{Deployment, Parameters, deploy};
use crate::l1::ethers::{EthersL1, Settings};
use crate::l1::rollup::{GWEI, Rollup};
use crate::l1::staking::Staking;
use crate::l1::{L1, hex};
use crate::rpc::{ApiClient, ProofInfo, Stage};

pub(crate) const EXAMPLES: &str = "Examples:
  starling devnet
  starling devnet --transfers 64 --exit --json
  starling devnet --l1-port 8545 --rpc-port 8645 --folder devnet";

/// Users, each with an L1 account of the development chain.
const USERS: usize = 8;
/// What each user deposits, in gwei.
const DEPOSIT: u64 = 500_000_000;
/// What a withdrawal takes out, in gwei.
const WITHDRAWAL: u64 = 1_000_000;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(900);

#[derive(Debug, Args)]
pub(crate) struct DevnetArgs {
    /// Signed transfers to send.
    #[arg(long, default_value_t = 64)]
    transfers: usize,
    /// End when all is settled, instead of running on.
    #[arg(long)]
    exit: bool,
    /// Print one JSON object at the end.
    #[arg(long)]
    json: bool,
    /// Port of the development chain; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    l1_port: u16,
    /// Port of the operator's JSON-RPC; 0 for a free one.
    #[arg(long, default_value_t = 0)]
    rpc_port: u16,
    /// Operations that fill a batch.
    #[arg(long, default_value_t = 256)]
    batch: usize,
    /// Where the operator's files go; a temporary folder by default.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &DevnetArgs) -> Result<(), CliError> {
    if args.transfers == 0 {
        return Err(CliError::Unusable("--transfers must be at least 1".to_owned()));
    }
    runtime()?.block_on(devnet(args))
}

/// Tells what goes on, on standard error.
struct Steps {
    bar: Option<indicatif::ProgressBar>,
    started: Instant,
    /// What was told last, where there is no terminal to draw on.
    last: std::cell::RefCell<String>,
}

impl Steps {
    fn new() -> Self {
        let bar = std::io::stderr()
            .is_terminal()
            .then(indicatif::ProgressBar::new_spinner);
        if let Some(bar) = &bar {
            bar.enable_steady_tick(Duration::from_millis(100));
        }
        Self {
            bar,
            started: Instant::now(),
            last: std::cell::RefCell::default(),
        }
    }

    /// What goes on now. Without a terminal a line each time that it changes.
    fn now(&self, what: impl Into<String>) {
        let what = what.into();
        match &self.bar {
            Some(bar) => bar.set_message(what),
            None if *self.last.borrow() != what => {
                eprintln!("[{:>4} s] {what}", self.started.elapsed().as_secs());
                self.last.replace(what);
            }
            None => {}
        }
    }

    fn done(&self, what: impl Into<String>) {
        let line = format!("[{:>4} s] {}", self.started.elapsed().as_secs(), what.into());
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

/// An operator as a process of its own. It is told to end when this is dropped.
struct Operator {
    child: Child,
    url: String,
}

impl Operator {
    fn start(config: &Path, password: &str) -> Result<Self, CliError> {
        let program = std::env::current_exe().map_err(unusable)?;
        let mut child = Command::new(program)
            .args(["node", "run", "--config"])
            .arg(config)
            .env("STARLING_PASSWORD", password)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log_file(config)?)
            .spawn()
            .map_err(unusable)?;
        let stdout = child.stdout.take();
        let mut operator = Self {
            child,
            url: String::new(),
        };
        let lines = stdout.map(|stdout| BufReader::new(stdout).lines());
        for line in lines.into_iter().flatten() {
            if let Some(url) = line.map_err(unusable)?.strip_prefix("listening on ") {
                operator.url = url.to_owned();
                return Ok(operator);
            }
        }
        let log = config.with_file_name("operator.log");
        Err(CliError::Rejected(format!(
            "the operator does not start: see {}",
            log.display()
        )))
    }
}

impl Drop for Operator {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log_file(config: &Path) -> Result<std::fs::File, CliError> {
    std::fs::File::create(config.with_file_name("operator.log")).map_err(unusable)
}

struct Account {
    key: SecretKey,
    owner: L1Address,
}

impl Account {
    fn new(owner: L1Address) -> Result<Self, CliError> {
        let key = SecretKey::derive(&random()?);
        Ok(Self { key, owner })
    }

    fn address(&self) -> Address {
        Address::new(self.key.public_key(), self.owner)
    }
}

fn settings() -> Settings {
    Settings {
        poll: Duration::from_millis(100),
        ..Settings::default()
    }
}

async fn l1_of(url: &str, key: L1Key) -> Result<EthersL1, CliError> {
    EthersL1::connect(url, Some(CHAIN_ID), Some(key), settings())
        .await
        .map_err(unusable)
}

async fn devnet(args: &DevnetArgs) -> Result<(), CliError> {
    let steps = Steps::new();
    let temporary = tempfile::tempdir().map_err(unusable)?;
    let folder = args.folder.as_deref().unwrap_or(temporary.path());
    std::fs::create_dir_all(folder).map_err(unusable)?;

    // L1 and the contracts.
    steps.now("starting anvil");
    let chain = Anvil::start(Options {
        port: args.l1_port,
        block_time: Some(1),
    })
    .map_err(unusable)?;
    let operator_key = chain.key(0).map_err(unusable)?;
    let operator_l1 = operator_key.address();
    steps.now("deploying the verifier and the rollup");
    let l1 = l1_of(chain.url(), chain.key(9).map_err(unusable)?).await?;
    let deployment = deploy(&l1, &Parameters::devnet()).await.map_err(rejected)?;
    steps.done(format!(
        "rollup {} on {}, deployed with {} gas",
        deployment.rollup,
        chain.url(),
        deployment.gas
    ));

    // The operator: the only validator.
    let its = l1_of(chain.url(), chain.key(0).map_err(unusable)?).await?;
    let staking = Staking::new(&its, deployment.staking);
    let stake = staking.constants().await.map_err(rejected)?.min_stake;
    staking
        .register(operator_l1, 0, random()?, stake)
        .await
        .map_err(rejected)?;
    let operator_account = Account::new(operator_l1)?;
    let password = hex(&random()?);
    KeyFile::seal_l1(&operator_key, &password, Cost::MINIMUM)
        .and_then(|file| file.create(&folder.join("operator-l1.json")))
        .map_err(unusable)?;
    let config = folder.join("starling.toml");
    std::fs::write(&config, configuration(args, &chain, &deployment, &operator_account)).map_err(unusable)?;
    let operator = Operator::start(&config, &password)?;
    let rpc = rpc_client(&operator.url)?;
    steps.done(format!(
        "operator at {}, its files in {}",
        operator.url,
        folder.display()
    ));

    let outcome = session(args, &steps, &chain, &deployment, &operator_account, &rpc).await?;
    if let Some(bar) = &steps.bar {
        bar.finish_and_clear();
    }
    report(args, &outcome);
    if !outcome.onchain_verified {
        return Err(CliError::Rejected(
            "the proven root on L1 is not the operator's".to_owned(),
        ));
    }
    if !args.exit {
        println!(
            "\nL1 JSON-RPC        {}\noperator JSON-RPC  {}\nrollup contract    {}\nstaking contract   {}\nverifier contract  {}",
            chain.url(),
            operator.url,
            deployment.rollup,
            deployment.staking,
            deployment.verifier
        );
        println!("running; end with Ctrl-C");
        let _ = tokio::signal::ctrl_c().await;
    }
    Ok(())
}

fn configuration(args: &DevnetArgs, chain: &Anvil, deployment: &Deployment, account: &Account) -> String {
    format!(
        "data = \"data\"\nstore = \"sled\"\n\n[l1]\nurl = \"{}\"\nchain_id = {CHAIN_ID}\nkey = \"operator-l1.json\"\nconfirmations = 1\npoll_ms = 200\n\n\
         [rollup]\naddress = \"{}\"\ndeployed = {}\n\n[sequencer]\noperations = {}\nage_ms = 3000\nfee_address = \"{}\"\n\n\
         [rpc]\nlisten = \"127.0.0.1:{}\"\n",
        chain.url(),
        deployment.rollup,
        deployment.block,
        args.batch,
        account.address(),
        args.rpc_port,
    )
}

/// What the devnet has seen.
struct Outcome {
    onchain_verified: bool,
    batches: u64,
    transfers: usize,
    l1_transactions: u64,
    withdrawals_claimed: usize,
    state_root: String,
    state_root_l1: String,
    proofs: Vec<ProofInfo>,
    seconds: f64,
}

async fn session(
    args: &DevnetArgs,
    steps: &Steps,
    chain: &Anvil,
    deployment: &Deployment,
    operator_account: &Account,
    rpc: &HttpClient,
) -> Result<Outcome, CliError> {
    let started = Instant::now();
    let rollup = RollupId {
        chain_id: CHAIN_ID,
        contract: deployment.rollup,
    };
    // Deposits: the operator's account first, because fees need somewhere to go.
    let mut users = Vec::new();
    let mut wallets = Vec::new();
    for number in 0..USERS {
        let key = chain.key(1 + number).map_err(unusable)?;
        users.push(Account::new(key.address())?);
        wallets.push(l1_of(chain.url(), key).await?);
    }
    steps.now(format!("depositing for {USERS} users"));
    let fee = Rollup::new(&wallets[0], rollup.contract)
        .constants()
        .await
        .map_err(rejected)?
        .queue_fee;
    Rollup::new(&wallets[0], rollup.contract)
        .deposit(&operator_account.address(), 1, fee)
        .await
        .map_err(rejected)?;
    let deposits = users.iter().zip(&wallets).map(|(user, wallet)| async move {
        Rollup::new(wallet, rollup.contract)
            .deposit(&user.address(), DEPOSIT, fee)
            .await
    });
    for deposit in join_all(deposits).await {
        deposit.map_err(rejected)?;
    }
    let users: Vec<User<'_>> = users
        .iter()
        .map(|user| User {
            rpc,
            key: &user.key,
            owner: user.owner,
            rollup,
        })
        .collect();
    let mut indices = Vec::new();
    let waiting = Instant::now();
    for user in &users {
        indices.push(loop {
            match user.account().await {
                Ok(account) => break account.index,
                Err(client::UserError::NoAccount(_)) if waiting.elapsed() < PATIENCE => {
                    sleep(Duration::from_millis(200)).await;
                }
                Err(error) => return Err(rejected(error)),
            }
        });
    }
    steps.done(format!("{USERS} users have {DEPOSIT} gwei each"));

    // Transfers from everybody to everybody, and two withdrawals.
    let seed = random()?;
    let mut ids = Vec::new();
    for number in 0..args.transfers {
        if steps.bar.is_some() || number % 100 == 0 {
            steps.now(format!("sending transfer {} of {}", number + 1, args.transfers));
        }
        let from = number % USERS;
        let to = (from + 1 + usize::from(seed[number % 32]) % (USERS - 1)) % USERS;
        let operation = Operation::Transfer {
            to: indices[to],
            address: users[to].address(),
            amount: 1_000 + 10 * u64::from(seed[(7 * number + 3) % 32]),
        };
        ids.push(users[from].send(operation, None).await.map_err(rejected)?.0);
    }
    let mut withdrawals = Vec::new();
    for user in &users[..2] {
        // An address that nobody has used: what it holds in the end came out of the rollup.
        let mut recipient = L1Address::default();
        recipient.0.copy_from_slice(&random()?[..20]);
        let operation = Operation::Withdraw {
            recipient,
            amount: WITHDRAWAL,
        };
        withdrawals.push((user.send(operation, None).await.map_err(rejected)?.0, recipient));
    }
    steps.done(format!(
        "{} transfers and {} withdrawals are accepted",
        ids.len(),
        withdrawals.len()
    ));
    settle(steps, rpc, &ids, &withdrawals).await?;

    // Claims.
    let contract = Rollup::new(&wallets[7], rollup.contract);
    let mut claimed = 0;
    for (id, recipient) in &withdrawals {
        steps.now("claiming the withdrawals on L1");
        client::claim(rpc, &contract, id).await.map_err(rejected)?;
        if wallets[7].balance(*recipient).await.map_err(rejected)? == u128::from(WITHDRAWAL) * GWEI {
            claimed += 1;
        }
    }
    steps.done(format!("{claimed} withdrawals are paid on L1"));
    outcome(rpc, &contract, ids.len(), claimed, started).await
}

/// Waits until all transactions are proven on L1.
async fn settle(
    steps: &Steps,
    rpc: &HttpClient,
    ids: &[String],
    withdrawals: &[(String, L1Address)],
) -> Result<(), CliError> {
    let waiting = Instant::now();
    for id in ids.iter().chain(withdrawals.iter().map(|(id, _)| id)) {
        loop {
            let status = rpc.transaction(id.clone()).await.map_err(rejected)?;
            if status.stage == Stage::Proven {
                break;
            }
            if status.stage <= Stage::Refused || waiting.elapsed() > PATIENCE {
                return Err(CliError::Rejected(format!(
                    "transaction {id} is {:?} after {} s",
                    status.stage,
                    waiting.elapsed().as_secs()
                )));
            }
            let node = rpc.status().await.map_err(rejected)?;
            let now = (node.sealed, node.committed, node.proven);
            let work = if node.proving { ", proving" } else { "" };
            steps.now(format!(
                "batches: {} sealed, {} committed, {} proven{work}",
                now.0, now.1, now.2
            ));
            sleep(Duration::from_millis(500)).await;
        }
    }
    steps.done("all transactions are proven on L1");
    Ok(())
}

async fn outcome(
    rpc: &HttpClient,
    contract: &Rollup<'_>,
    transfers: usize,
    withdrawals_claimed: usize,
    started: Instant,
) -> Result<Outcome, CliError> {
    let progress = contract.progress().await.map_err(rejected)?;
    let batch = rpc.batch(progress.proven).await.map_err(rejected)?;
    let state_root = batch.map(|batch| batch.root).unwrap_or_default();
    let root = contract.root(progress.proven).await.map_err(rejected)?;
    let state_root_l1 = root.map(|root| crate::operator::hex_word(&root)).unwrap_or_default();
    let mut proofs = rpc.proofs(0).await.map_err(rejected)?;
    proofs.retain(|proof| proof.settled);
    Ok(Outcome {
        onchain_verified: progress.proven > 0 && state_root == state_root_l1 && !proofs.is_empty(),
        batches: progress.proven,
        transfers,
        l1_transactions: proofs
            .iter()
            .map(|proof| proof.commit.transactions + proof.prove.transactions)
            .sum(),
        withdrawals_claimed,
        state_root,
        state_root_l1,
        proofs,
        seconds: started.elapsed().as_secs_f64(),
    })
}

fn report(args: &DevnetArgs, outcome: &Outcome) {
    let proofs = &outcome.proofs;
    let sum = |value: fn(&ProofInfo) -> u64| proofs.iter().map(value).sum::<u64>();
    let (gas_commit, gas_prove) = (sum(|proof| proof.commit.gas), sum(|proof| proof.prove.gas));
    let most = |value: fn(&ProofInfo) -> u64| proofs.iter().map(value).max().unwrap_or(0);
    if args.json {
        let value = json!({
            "onchain_verified": outcome.onchain_verified,
            "preset": settlement::PRESET.to_string(),
            "proven_bits": proofs.iter().map(|proof| proof.proven_bits).min().unwrap_or(0),
            "batches": outcome.batches,
            "proofs": proofs.len(),
            "transfers": outcome.transfers,
            "trace_rows": most(|proof| proof.rows),
            "prove_seconds": sum(|proof| proof.prove_ms) as f64 / 1e3,
            "peak_memory_mb": most(|proof| proof.peak_bytes) / 1_000_000,
            "proof_bytes": most(|proof| proof.bytes as u64),
            "l1_transactions": outcome.l1_transactions,
            "gas_commit": gas_commit,
            "gas_prove": gas_prove,
            "gas_per_transfer": (gas_commit + gas_prove) / outcome.transfers as u64,
            "withdrawals_claimed": outcome.withdrawals_claimed,
            "state_root": outcome.state_root,
            "state_root_l1": outcome.state_root_l1,
            "seconds": outcome.seconds,
        });
        println!("{value}");
        return;
    }
    println!(
        "{:>8} {:>6} {:>9} {:>8} {:>9} {:>11} {:>5} {:>10} {:>10} {:>9}",
        "batches", "ops", "rows", "prove s", "memory MB", "proof bytes", "bits", "gas commit", "gas prove", "gas / op"
    );
    for proof in proofs {
        println!(
            "{:>8} {:>6} {:>9} {:>8.1} {:>9} {:>11} {:>5} {:>10} {:>10} {:>9}",
            format!("{}-{}", proof.first, proof.last),
            proof.operations,
            proof.rows,
            proof.prove_ms as f64 / 1e3,
            proof.peak_bytes / 1_000_000,
            proof.bytes,
            proof.proven_bits,
            proof.commit.gas,
            proof.prove.gas,
            (proof.commit.gas + proof.prove.gas) / proof.operations.max(1) as u64,
        );
    }
    println!("state root of batch {}: {}", outcome.batches, outcome.state_root);
    println!(
        "the same on L1, where {} verified it: {}",
        settlement::PRESET,
        outcome.state_root_l1
    );
}

/// Waits for all of them, all at once.
async fn join_all<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut results = Vec::new();
    // The development chain makes one block a second; a few dozen sequential deposits would take as many.
    let futures: Vec<_> = futures.map(Box::pin).collect();
    let mut pending: Vec<_> = futures.into_iter().enumerate().collect();
    std::future::poll_fn(|context| {
        pending.retain_mut(|(number, future)| match future.as_mut().poll(context) {
            std::task::Poll::Ready(value) => {
                results.push((*number, value));
                false
            }
            std::task::Poll::Pending => true,
        });
        if pending.is_empty() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, value)| value).collect()
}
