//! The devnet's main job: transfers from everybody to everybody, proofs that L1 verifies, withdrawals that L1 pays.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;
use starling_air::settlement;
use starling_rollup::address::L1Address;
use starling_rollup::transaction::Operation;
use tokio::time::sleep;

use super::DevnetArgs;
use super::net::{Net, PATIENCE, USERS};
use super::told::{Told, told};
use crate::cli::CliError;
use crate::cli::key::random;
use crate::cli::out::say;
use crate::cli::user::rejected;
use crate::client;
use crate::l1::L1;
use crate::l1::hex;
use crate::l1::rollup::{GWEI, Rollup};
use crate::operator::hex_word;
use crate::rpc::{ApiClient, ProofInfo, Stage};

/// What a withdrawal takes out, in gwei.
const WITHDRAWAL: u64 = 1_000_000;

/// A proof that L1 has taken, as its maker tells of it, with the gas of its batches' commits.
pub(super) struct Settled {
    info: ProofInfo,
    gas_commit: u64,
}

/// What the devnet has seen.
pub(super) struct Outcome {
    pub(super) onchain_verified: bool,
    /// The users' accounts.
    pub(super) indices: Vec<u32>,
    batches: u64,
    transfers: usize,
    l1_transactions: u64,
    withdrawals_claimed: usize,
    state_root: String,
    state_root_l1: String,
    proofs: Vec<Settled>,
    seconds: f64,
}

/// A transaction, and the node that accepted it.
struct Accepted {
    id: String,
    node: usize,
}

/// Sends the transfers and two withdrawals, waits until all are proven, claims.
pub(super) async fn run(args: &DevnetArgs, net: &Net) -> Result<Outcome, CliError> {
    let started = Instant::now();
    let indices = net.accounts().await?;
    let screen = &net.screen;
    let seed = random()?;
    let mut accepted = Vec::new();
    for number in 0..args.transfers {
        if screen.is_drawn() || number % 100 == 0 {
            screen.now(format!("sending transfer {} of {}", number + 1, args.transfers));
        }
        accepted.push(transfer(net, &indices, number, &seed).await?);
    }
    let mut withdrawals = Vec::new();
    for (number, holder) in net.users.iter().enumerate().take(2) {
        // An address that nobody has used: what it holds in the end came out of the rollup.
        let mut recipient = L1Address::default();
        recipient.0.copy_from_slice(&random()?[..20]);
        let operation = Operation::Withdraw {
            recipient,
            amount: WITHDRAWAL,
        };
        let node = holder.home;
        let (id, _) = net.user(number, node).send(operation, None).await.map_err(rejected)?;
        withdrawals.push((Accepted { id, node }, recipient));
    }
    screen.done(format!(
        "{} transfers and {} withdrawals are accepted",
        accepted.len(),
        withdrawals.len()
    ));
    settle(
        net,
        accepted.iter().chain(withdrawals.iter().map(|(accepted, _)| accepted)),
    )
    .await?;

    // Claims.
    let wallet = &net.users[USERS - 1].wallet;
    let contract = Rollup::new(wallet, net.deployment.rollup);
    let mut claimed = 0;
    for (Accepted { id, node }, recipient) in &withdrawals {
        screen.now("claiming the withdrawals on L1");
        client::claim(&net.nodes[*node].rpc, &contract, id)
            .await
            .map_err(rejected)?;
        if wallet.balance(*recipient).await.map_err(rejected)? == u128::from(WITHDRAWAL) * GWEI {
            claimed += 1;
        }
    }
    screen.done(format!("{claimed} withdrawals are paid on L1"));
    outcome(net, indices, accepted.len(), claimed, started).await
}

/// Sends transfer number `number`.
async fn transfer(net: &Net, indices: &[u32], number: usize, seed: &[u8; 32]) -> Result<Accepted, CliError> {
    let from = number % USERS;
    let to = (from + 1 + usize::from(seed[number % 32]) % (USERS - 1)) % USERS;
    let operation = Operation::Transfer {
        to: indices[to],
        address: net.users[to].account.address(),
        amount: 1_000 + 10 * u64::from(seed[(7 * number + 3) % 32]),
    };
    let node = net.users[from].home;
    let (id, _) = net.user(from, node).send(operation, None).await.map_err(rejected)?;
    Ok(Accepted { id, node })
}

/// Keeps sending a transfer each `pause`. What a node refuses is told and not sent again.
pub(super) async fn go_on(net: &Net, indices: &[u32], pause: Duration) -> Result<(), CliError> {
    let seed = random()?;
    for number in 0.. {
        if let Err(error) = transfer(net, indices, number, &seed).await {
            net.screen.done(format!("a transfer is not taken: {error}"));
        }
        sleep(pause).await;
    }
    Ok(())
}

/// Waits until all transactions are proven on L1.
async fn settle(net: &Net, all: impl Iterator<Item = &Accepted>) -> Result<(), CliError> {
    let waiting = Instant::now();
    for Accepted { id, node } in all {
        let rpc = &net.nodes[*node].rpc;
        loop {
            let status = rpc.transaction(id.clone()).await.map_err(rejected)?;
            if status.stage == Stage::Proven {
                break;
            }
            if status.stage <= Stage::Refused || waiting.elapsed() > PATIENCE {
                return Err(CliError::Rejected(format!(
                    "transaction {id} is {:?} at {} after {} s",
                    status.stage,
                    net.nodes[*node].name,
                    waiting.elapsed().as_secs()
                )));
            }
            let seen = rpc.status().await.map_err(rejected)?;
            let now = (seen.sealed, seen.committed, seen.proven);
            let work = if seen.proving { ", proving" } else { "" };
            net.screen.now(format!(
                "batches: {} sealed, {} committed, {} proven{work}",
                now.0, now.1, now.2
            ));
            sleep(Duration::from_millis(500)).await;
        }
    }
    net.screen.done("all transactions are proven on L1");
    Ok(())
}

// WHAT CAME OUT
// ================================================================================================================

/// All of a node's proofs.
async fn proofs_of(net: &Net, node: usize) -> Result<Vec<ProofInfo>, CliError> {
    let mut found: Vec<ProofInfo> = Vec::new();
    loop {
        let from = found.last().map_or(0, |proof| proof.last + 1);
        let more = net.nodes[node].rpc.proofs(from).await.map_err(rejected)?;
        if more.is_empty() {
            return Ok(found);
        }
        found.extend(more);
    }
}

async fn outcome(
    net: &Net,
    indices: Vec<u32>,
    transfers: usize,
    withdrawals_claimed: usize,
    started: Instant,
) -> Result<Outcome, CliError> {
    let contract = net.contract();
    let progress = contract.progress().await.map_err(rejected)?;
    let batch = net.nodes[0].rpc.batch(progress.proven).await.map_err(rejected)?;
    let state_root = batch.map(|batch| batch.root).unwrap_or_default();
    let root = contract.root(progress.proven).await.map_err(rejected)?;
    let state_root_l1 = root.map(|root| hex_word(&root)).unwrap_or_default();

    // What L1 has taken, and what its makers tell of it.
    let mut made = Vec::new();
    for node in 0..net.nodes.len() {
        if net.nodes[node].key.is_some() {
            made.extend(proofs_of(net, node).await?);
        }
    }
    let head = net.l1.head().await.map_err(rejected)?.number;
    let events = told(&net.l1, &net.deployment, net.deployment.block, head)
        .await
        .map_err(rejected)?;
    let mut commits = BTreeMap::new();
    for (_, event) in &events {
        if let Told::Committed { batch, transaction, .. } = event {
            commits.insert(*batch, *transaction);
        }
    }
    let mut proofs = Vec::new();
    let mut l1_transactions = 0;
    for (_, event) in &events {
        let Told::Proven { first, last, .. } = event else {
            continue;
        };
        // Who settled it has paid for it.
        let same = |proof: &&ProofInfo| (proof.first, proof.last) == (*first, *last);
        let Some(info) = made.iter().filter(same).max_by_key(|proof| proof.prove.gas).cloned() else {
            return Err(CliError::Rejected(format!(
                "nobody has the proof of batches {first} to {last}"
            )));
        };
        let mut gas_commit = 0;
        for batch in *first..=*last {
            let transaction = commits.get(&batch).copied().unwrap_or_default();
            gas_commit += gas_of(net, &transaction).await?;
            l1_transactions += 1;
        }
        l1_transactions += info.prove.transactions;
        proofs.push(Settled { info, gas_commit });
    }
    Ok(Outcome {
        indices,
        onchain_verified: progress.proven > 0 && state_root == state_root_l1 && !proofs.is_empty(),
        batches: progress.proven,
        transfers,
        l1_transactions,
        withdrawals_claimed,
        state_root,
        state_root_l1,
        proofs,
        seconds: started.elapsed().as_secs_f64(),
    })
}

/// Gas that a transaction took.
async fn gas_of(net: &Net, transaction: &crate::l1::Hash) -> Result<u64, CliError> {
    let hash = json!(format!("0x{}", hex(transaction)));
    let receipt = net.anvil("eth_getTransactionReceipt", vec![hash]).await?;
    let digits = receipt["gasUsed"].as_str().and_then(|gas| gas.strip_prefix("0x"));
    let gas = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    gas.ok_or_else(|| CliError::Rejected(format!("transaction 0x{} has no receipt", hex(transaction))))
}

pub(super) fn report(args: &DevnetArgs, outcome: &Outcome) {
    let proofs = &outcome.proofs;
    let sum = |value: fn(&Settled) -> u64| proofs.iter().map(value).sum::<u64>();
    let (gas_commit, gas_prove) = (sum(|proof| proof.gas_commit), sum(|proof| proof.info.prove.gas));
    let most = |value: fn(&ProofInfo) -> u64| proofs.iter().map(|proof| value(&proof.info)).max().unwrap_or(0);
    if args.json {
        let value = json!({
            "onchain_verified": outcome.onchain_verified,
            "preset": settlement::PRESET.to_string(),
            "proven_bits": proofs.iter().map(|proof| proof.info.proven_bits).min().unwrap_or(0),
            "batches": outcome.batches,
            "proofs": proofs.len(),
            "transfers": outcome.transfers,
            "trace_rows": most(|proof| proof.rows),
            "prove_seconds": sum(|proof| proof.info.prove_ms) as f64 / 1e3,
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
        say!("{value}");
        return;
    }
    say!(
        "{:>8} {:>6} {:>9} {:>8} {:>9} {:>11} {:>5} {:>10} {:>10} {:>9}",
        "batches",
        "ops",
        "rows",
        "prove s",
        "memory MB",
        "proof bytes",
        "bits",
        "gas commit",
        "gas prove",
        "gas / op"
    );
    for Settled { info, gas_commit } in proofs {
        say!(
            "{:>8} {:>6} {:>9} {:>8.1} {:>9} {:>11} {:>5} {:>10} {:>10} {:>9}",
            format!("{}-{}", info.first, info.last),
            info.operations,
            info.rows,
            info.prove_ms as f64 / 1e3,
            info.peak_bytes / 1_000_000,
            info.bytes,
            info.proven_bits,
            gas_commit,
            info.prove.gas,
            (gas_commit + info.prove.gas) / info.operations.max(1) as u64,
        );
    }
    say!("state root of batch {}: {}", outcome.batches, outcome.state_root);
    say!(
        "the same on L1, where {} verified it: {}",
        settlement::PRESET,
        outcome.state_root_l1
    );
}
