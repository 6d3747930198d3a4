//! How soon a transfer is soft when there are few, how many a second the operators confirm when there are more than enough, and what
//! a light node takes meanwhile.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::{ArrayParams, BatchRequestBuilder};
use serde_json::{Value, json};
use starling_rollup::transaction::{Operation, Transaction};
use tokio::time::sleep;

use super::judge::percentile;
use super::net::{Net, PATIENCE, USERS};
use super::node::Node;
use super::traffic::{FEE, Traffic};
use super::wait::{join_all, until};
use super::{DevnetArgs, table};
use crate::cli::CliError;
use crate::cli::out::say;
use crate::cli::user::{rejected, unusable};
use crate::rpc::{ApiClient, Stage};

/// Time between two transfers while there are few.
const PACE: Duration = Duration::from_millis(100);

/// Transfers that a user sends at once, and waits for, when there are many: what a node keeps of one sender.
const WINDOW: usize = 64;

/// Time between two looks at the last of them.
const LOOK: Duration = Duration::from_millis(20);

/// Operations that may wait for a proof: more than a measurement makes. What is measured is the operators' pace, not the provers'.
pub(super) const BACKLOG: usize = 1 << 20;

/// Measures, and prints what was found.
pub(super) async fn run(args: &DevnetArgs, net: &Arc<Net>, seconds: u64) -> Result<(), CliError> {
    let indices = net.accounts().await?;
    let measured = async {
        net.wait_for_leaders().await?;
        let few = few(args, net, &indices).await?;
        net.screen.now("starting another light node");
        let started = light_start(net, indices[0]).await?;
        let many = many(net, &indices, Duration::from_secs(seconds)).await?;
        let light = net.light().and_then(Node::peak_memory);
        let light =
            light.ok_or_else(|| CliError::Unusable("the system does not tell a process's memory".to_owned()))?;
        Ok::<_, CliError>((few, started, many, light))
    };
    let (few, started, many, light) = tokio::select! {
        measured = measured => measured?,
        () = table::run(net, String::new) => return Err(CliError::Rejected("L1 does not answer".to_owned())),
    };
    net.screen.clear();
    let value = json!({
        "transfers": few.len(),
        "soft_p50_ms": percentile(&few, 50),
        "soft_p99_ms": percentile(&few, 99),
        "load_transfers": many.transfers,
        "load_seconds": many.seconds,
        "sustained_tps": many.transfers as f64 / many.seconds,
        "light_start_s": started,
        "light_memory_mb": light as f64 / 1e6,
    });
    match args.json {
        true => say!("{value}"),
        false => say!("{value:#}"),
    }
    Ok(())
}

/// Milliseconds until each of a few transfers was soft, sorted. Ends when all are proven: nothing is left to do then.
async fn few(args: &DevnetArgs, net: &Arc<Net>, indices: &[u32]) -> Result<Vec<u64>, CliError> {
    net.screen.now("a few transfers");
    let count = args.transfers;
    let traffic = Traffic::new(net.clone(), indices.to_vec(), count, PACE * count as u32);
    traffic.hurry();
    traffic.start();
    until("all of a few transfers are proven", PATIENCE, async || {
        (traffic.is_over() && traffic.all_proven()).then_some(())
    })
    .await?;
    let given_up = traffic.given_up();
    if let Some(reason) = given_up.first() {
        return Err(CliError::Rejected(format!("not acknowledged: {reason}")));
    }
    let mut soft: Vec<u64> = traffic
        .receipts()
        .iter()
        .filter_map(|receipt| receipt.soft_ms)
        .collect();
    soft.sort_unstable();
    net.screen.done(format!(
        "{count} transfers, one each {} ms, are proven",
        PACE.as_millis()
    ));
    Ok(soft)
}

/// Seconds from the start of a light node until it has answered for an account with what L1 has proven.
async fn light_start(net: &Net, index: u32) -> Result<f64, CliError> {
    let light = net.another_light()?;
    let started = Instant::now();
    net.start_light(&light).await?;
    until("a light node answers for an account", PATIENCE, async || {
        let mut params = ArrayParams::new();
        params.insert(index).ok()?;
        params.insert("proven").ok()?;
        let answer: Value = light.rpc.request("starling_account", params).await.ok()?;
        answer["balance"].is_string().then_some(())
    })
    .await?;
    Ok(started.elapsed().as_secs_f64())
}

/// What was executed and seen as soft by a node that builds nothing.
struct Many {
    transfers: usize,
    seconds: f64,
}

/// All users send as much as their nodes take for so long.
async fn many(net: &Net, indices: &[u32], time: Duration) -> Result<Many, CliError> {
    net.screen.now(format!(
        "as many transfers as the operators take, for {} s",
        time.as_secs()
    ));
    let started = Instant::now();
    let paid = join_all((0..USERS).map(|user| pay(net, indices, user, time))).await;
    let seconds = started.elapsed().as_secs_f64();
    let transfers = paid.into_iter().sum::<Result<usize, CliError>>()?;
    net.screen.done(format!(
        "{transfers} transfers are soft at the full node after {seconds:.1} s"
    ));
    Ok(Many { transfers, seconds })
}

/// One user's transfers for so long: a window of them at once, the next when the full node has executed the last of it.
async fn pay(net: &Net, indices: &[u32], user: usize, time: Duration) -> Result<usize, CliError> {
    let home = net.users[user].home;
    let account = &net.users[user].account;
    let mut nonce = net.user(user, home).account().await.map_err(rejected)?.next_nonce;
    let to = (user + 1) % USERS;
    let started = Instant::now();
    let mut paid = 0;
    while started.elapsed() < time {
        let mut batch = BatchRequestBuilder::new();
        for number in 0..WINDOW as u32 {
            let transaction = Transaction {
                from: indices[user],
                nonce: nonce + number,
                fee: FEE,
                operation: Operation::Transfer {
                    to: indices[to],
                    address: net.users[to].account.address(),
                    amount: 1_000,
                },
            };
            let signed = transaction.sign(&net.rollup.word(), &account.key, account.owner);
            let mut params = ArrayParams::new();
            params.insert(signed.to_hex()).map_err(unusable)?;
            batch.insert("starling_submit", params).map_err(unusable)?;
        }
        let answers = net.nodes[home]
            .rpc
            .batch_request::<String>(batch)
            .await
            .map_err(rejected)?;
        let ids: Result<Vec<String>, _> = answers.into_iter().collect();
        let ids = ids.map_err(|error| CliError::Rejected(format!("{} refuses: {error}", net.nodes[home].name)))?;
        let last = ids.last().cloned().unwrap_or_default();
        // Its own node, too: it keeps no more of one sender than a window.
        for node in [net.full(), &net.nodes[home]] {
            wait_for(node, &last).await?;
        }
        nonce += WINDOW as u32;
        paid += WINDOW;
    }
    Ok(paid)
}

/// Waits until a transaction is soft at a node.
async fn wait_for(node: &Node, id: &str) -> Result<(), CliError> {
    let asked = Instant::now();
    while node.rpc.transaction(id.to_owned()).await.map_err(rejected)?.stage < Stage::Soft {
        if asked.elapsed() > PATIENCE {
            let (name, seconds) = (&node.name, PATIENCE.as_secs());
            return Err(CliError::Rejected(format!(
                "{id} is not soft at the {name} after {seconds} s"
            )));
        }
        sleep(LOOK).await;
    }
    Ok(())
}
