//! Chaos in order: clients, faults, the judge.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use starling_rollup::address::L1Address;
use tokio::time::{sleep, timeout};

use super::faults::{Fault, Faults};
use super::judge::{self, Case, Settled};
use super::net::Net;
use super::table;
use super::traffic::Traffic;
use super::{DevnetArgs, GOES_ON, session};
use crate::cli::CliError;
use crate::cli::out::say;
use crate::cli::user::rejected;

/// The time over which the transfers are spread: about that of the faults.
const TRAFFIC: Duration = Duration::from_secs(240);

/// When the judge does not wait any longer for what is not settled, counted from the start. The rest is for the light node.
const LIMIT: Duration = Duration::from_secs(320);

/// Runs the clients, does everything that can be done to the nodes, and judges.
pub(super) async fn run(args: &DevnetArgs, net: &Arc<Net>) -> Result<(), CliError> {
    let indices = net.accounts().await?;
    let traffic = Traffic::new(net.clone(), indices.clone(), args.transfers, TRAFFIC);
    tokio::select! {
        ended = story(args, net, &traffic, indices) => ended,
        () = table::run(net, || traffic.tell()) => Err(CliError::Rejected("L1 does not answer".to_owned())),
    }
}

/// What has happened so far.
#[derive(Default)]
struct Story {
    faults: Vec<Value>,
    failed: Vec<String>,
}

impl Story {
    fn add(&mut self, net: &Net, outcome: Result<Fault, CliError>) {
        match outcome {
            Ok(fault) => self.faults.push(fault.value()),
            Err(error) => {
                net.screen.done(format!("{error}"));
                self.failed.push(error.to_string());
            }
        }
    }
}

async fn story(args: &DevnetArgs, net: &Arc<Net>, traffic: &Arc<Traffic>, indices: Vec<u32>) -> Result<(), CliError> {
    traffic.start();
    net.screen.done("the clients pay each other");
    net.screen.now("all is quiet");
    net.wait_for_leaders().await?;
    traffic.end_quiet();

    let mut story = Story::default();
    let mut faults = Faults::new(net.clone(), traffic.clone(), indices.clone()).await?;
    net.screen.now("a leader will be killed");
    story.add(net, in_time(net, faults.kill_a_leader()).await);
    net.screen.now("an operator will be cut off");
    story.add(net, in_time(net, faults.cut_one_off()).await);
    net.screen.now("somebody will sign twice");
    let (equivocator, outcome) = apart(in_time(net, faults.sign_twice()).await);
    story.add(net, outcome);
    net.screen.now("L1 will be reorganised");
    story.add(net, in_time(net, faults.reorganise()).await);
    net.screen.now("a commit will be left unproven");
    let (unproven, outcome) = apart(in_time(net, faults.leave_unproven()).await);
    story.add(net, outcome);

    net.screen.now("waiting until everything is settled");
    traffic.hurry();
    let settled = settle(net, traffic).await?;
    net.screen.now("judging");
    let bond = net.contract().constants().await.map_err(rejected)?.bond;
    let punished = judge::punished(net, bond).await?;
    let light_agrees = judge::light_agrees(net, &indices, &settled)
        .await
        .unwrap_or_else(|error| {
            story.failed.push(error.to_string());
            false
        });
    let receipts = traffic.receipts();
    let mut verdict = judge::judge(
        net,
        &Case {
            receipts: &receipts,
            settled: &settled,
            punished: &punished,
            equivocator,
            unproven,
            light_agrees,
            transfers: args.transfers,
            given_up: &traffic.given_up(),
        },
    );
    verdict.wrong.splice(0..0, story.failed);
    let value = &mut verdict.value;
    value["refusals"] = json!(traffic.refusals());
    value["faults"] = json!(story.faults);
    value["seconds"] = json!(net.screen.elapsed().as_secs());
    value["wrong"] = json!(verdict.wrong);
    net.screen.clear();
    match args.json {
        true => say!("{value}"),
        false => say!("{value:#}"),
    }
    if let Some(first) = verdict.wrong.first() {
        let more = verdict.wrong.len() - 1;
        return Err(CliError::Rejected(format!(
            "the judge says no: {first}; and {more} more"
        )));
    }
    if args.exit {
        return Ok(());
    }
    say!("{}", net.places());
    say!("running; end with Ctrl-C");
    session::go_on(net, &indices, GOES_ON).await
}

/// What a fault comes to, if it does so before the time is up.
async fn in_time<T>(net: &Net, fault: impl Future<Output = Result<T, CliError>>) -> Result<T, CliError> {
    let late = |_| {
        CliError::Rejected(format!(
            "the time is up after {} s, before all has been tried",
            LIMIT.as_secs()
        ))
    };
    let ended = timeout(LIMIT.saturating_sub(net.screen.elapsed()), fault).await;
    ended.map_err(late)?
}

fn apart(outcome: Result<(L1Address, Fault), CliError>) -> (L1Address, Result<Fault, CliError>) {
    match outcome {
        Ok((address, fault)) => (address, Ok(fault)),
        Err(error) => (L1Address::default(), Err(error)),
    }
}

/// Waits until all that is acknowledged is proven on L1, or time is up.
async fn settle(net: &Net, traffic: &Traffic) -> Result<Settled, CliError> {
    let mut last: Option<Settled> = None;
    let mut looked = Instant::now();
    loop {
        let proven = net.contract().progress().await.map_err(rejected)?.proven;
        let is_late = net.screen.elapsed() > LIMIT;
        let again = last.as_ref().is_none_or(|last| last.batch < proven) || looked.elapsed() > Duration::from_secs(5);
        if again || is_late {
            looked = Instant::now();
            let settled = judge::settled(net).await?;
            let receipts = traffic.receipts();
            let all = receipts
                .iter()
                .all(|receipt| receipt.refused.is_some() || settled.times.contains_key(&receipt.id));
            if is_late || (all && traffic.is_over()) {
                return Ok(settled);
            }
            last = Some(settled);
        }
        sleep(Duration::from_millis(500)).await;
    }
}
