//! The table that is drawn while a devnet runs: the slot, batches, proofs, validators, balances. It fits a hundred columns.

use std::collections::HashMap;
use std::time::Duration;

use starling_rollup::address::L1Address;
use starling_rollup::schedule::Clock;
use tokio::time::sleep;

use super::net::Net;
use super::node::{Node, Role};
use super::told::{Told, told};
use crate::l1::rollup::Progress;
use crate::l1::staking::{StakingConstants, Validator};
use crate::l1::{Hash, L1, L1Error};
use crate::rpc::{ApiClient, NodeStatus, ProofInfo};

/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Wei in a thousandth of an ETH.
const MILLIETHER: u128 = 1_000_000_000_000_000;

/// What has been counted on L1 so far.
#[derive(Default)]
struct Counted {
    /// The last block that was looked at, and its hash.
    seen: Option<(u64, Hash)>,
    commits: HashMap<L1Address, u64>,
    proofs: HashMap<L1Address, u64>,
    prunes: u64,
}

impl Counted {
    async fn look(&mut self, net: &Net) -> Result<(), L1Error> {
        let head = net.l1.head().await?;
        if let Some((number, hash)) = self.seen
            && net.l1.block(number).await?.is_none_or(|block| block.hash != hash)
        {
            // Reorganised: from the start.
            *self = Self::default();
        }
        let from = self.seen.map_or(net.deployment.block, |(number, _)| number + 1);
        if from > head.number {
            return Ok(());
        }
        for (_, event) in told(&net.l1, &net.deployment, from, head.number).await? {
            match event {
                Told::Committed { committer, .. } => *self.commits.entry(committer).or_default() += 1,
                Told::Proven { payee, .. } => *self.proofs.entry(payee).or_default() += 1,
                Told::Pruned { .. } => self.prunes += 1,
                _ => {}
            }
        }
        self.seen = Some((head.number, head.hash));
        Ok(())
    }
}

/// What one look has found.
struct Found {
    time: u64,
    block: u64,
    progress: Progress,
    /// Each node's word of itself; nothing from one that does not answer.
    statuses: Vec<Option<NodeStatus>>,
    validators: Vec<(Option<Validator>, u128)>,
    proof: Option<ProofInfo>,
    balances: Vec<Option<String>>,
}

/// Draws the table for as long as it is polled. `note` says what else there is to say.
pub(super) async fn run(net: &Net, note: impl Fn() -> String) {
    let Ok(constants) = net.staking().constants().await else {
        return;
    };
    let mut counted = Counted::default();
    loop {
        // What L1 does not answer now, it answers at the next look.
        if counted.look(net).await.is_ok()
            && let Ok(found) = look(net).await
        {
            let (lines, summary) = draw(net, &constants, &counted, &found, &note());
            net.screen.table(lines, &summary);
        }
        sleep(PAUSE).await;
    }
}

async fn look(net: &Net) -> Result<Found, L1Error> {
    let head = net.l1.head().await?;
    let progress = net.contract().progress().await?;
    let mut validators = Vec::new();
    for node in &net.nodes[..net.operators] {
        let address = node.address().unwrap_or_default();
        validators.push((net.staking().validator(address).await?, net.l1.balance(address).await?));
    }
    let mut statuses = Vec::new();
    let mut proof: Option<ProofInfo> = None;
    for node in &net.nodes {
        let asked = node.role != Role::Light && node.runs();
        statuses.push(if asked { node.rpc.status().await.ok() } else { None });
        if asked && node.key.is_some() {
            let newest = node
                .rpc
                .proofs(progress.proven.saturating_sub(4))
                .await
                .unwrap_or_default();
            proof = newest.into_iter().chain(proof).max_by_key(|proof| proof.last);
        }
    }
    let mut balances = Vec::new();
    for number in 0..net.users.len() {
        let account = net
            .user(number, net.nodes.len() - net.nodes.len().min(2))
            .account()
            .await;
        balances.push(account.ok().map(|account| account.soft_balance));
    }
    Ok(Found {
        time: head.timestamp,
        block: head.number,
        progress,
        statuses,
        validators,
        proof,
        balances,
    })
}

fn draw(
    net: &Net,
    constants: &StakingConstants,
    counted: &Counted,
    found: &Found,
    note: &str,
) -> (Vec<String>, String) {
    let Clock { slots, .. } = constants.clock;
    let slot = constants.clock.slot_at(found.time);
    let told = found.statuses.iter().flatten().max_by_key(|status| status.slot);
    let leader = told.and_then(|status| status.builder.as_ref()?.parse().ok());
    let leader_name = leader.map_or("nobody".to_owned(), |leader| net.name_of(leader));
    let sealed = found
        .statuses
        .iter()
        .flatten()
        .map(|status| status.sealed)
        .max()
        .unwrap_or(0);
    let Progress { committed, proven, .. } = found.progress;
    let proving = found.statuses.iter().flatten().filter(|status| status.proving).count();
    let last = found.proof.as_ref().map_or(String::new(), |proof| {
        format!(
            ", the last ({}-{}) in {:.1} s",
            proof.first,
            proof.last,
            proof.prove_ms as f64 / 1e3
        )
    });
    let waiting = found
        .statuses
        .iter()
        .flatten()
        .map(|status| status.waiting)
        .max()
        .unwrap_or(0);
    let mut lines = vec![
        String::new(),
        format!(
            "slot {slot} of epoch {}, led by {leader_name:<12} L1 block {:<6} {waiting} transactions wait",
            slot / slots.max(1),
            found.block
        ),
        format!(
            "batches: {sealed} sealed, {committed} committed, {proven} proven, {} prunes; {} proofs{last}{}",
            counted.prunes,
            counted.proofs.values().sum::<u64>(),
            if proving > 0 { ", proving" } else { "" }
        ),
        format!(
            "{:<12} {:>9} {:>11} {:>8} {:>7} {:>6} {:>7}  {}",
            "", "stake ETH", "balance ETH", "commits", "proofs", "peers", "revoked", "state"
        ),
    ];
    for (number, node) in net.nodes.iter().enumerate() {
        lines.push(row(node, found, counted, number, leader));
    }
    let balances: Vec<String> = found.balances.iter().map(|balance| milli(balance.as_deref())).collect();
    lines.push(format!(
        "balances of the users in thousandths of an ETH: {}",
        balances[..balances.len().min(4)].join(" ")
    ));
    lines.push(format!("{:48}{}", "", balances[balances.len().min(4)..].join(" ")));
    if !note.is_empty() {
        lines.push(note.to_owned());
    }
    for line in &mut lines {
        *line = line.chars().take(100).collect();
    }
    let trouble = told
        .and_then(|status| status.trouble.as_ref())
        .map_or(String::new(), |why| format!("; {why}"));
    let note = if note.is_empty() {
        String::new()
    } else {
        format!("; {note}")
    };
    let summary = format!(
        "slot {slot} led by {leader_name}; {sealed} sealed, {committed} committed, {proven} proven; {waiting} wait{note}{trouble}"
    );
    (lines, summary)
}

fn row(node: &Node, found: &Found, counted: &Counted, number: usize, leader: Option<L1Address>) -> String {
    let status = found.statuses.get(number).and_then(Option::as_ref);
    let address = node.address();
    let mark = if address.is_some() && address == leader {
        "*"
    } else {
        " "
    };
    let (stake, balance, office) = match found.validators.get(number) {
        Some((Some(validator), balance)) => {
            let office = match () {
                () if validator.ejected => "ejected",
                () if validator.jailed_until > found.time => "jailed",
                () => "",
            };
            (ether(validator.stake), ether(*balance), office)
        }
        _ => (String::new(), String::new(), ""),
    };
    let count = |counts: &HashMap<L1Address, u64>| {
        let count = address.map(|address| counts.get(&address).copied().unwrap_or(0));
        count.map_or(String::new(), |count| count.to_string())
    };
    let state = match status {
        _ if !node.runs() => "down".to_owned(),
        None if node.role == Role::Light => "runs".to_owned(),
        None => "silent".to_owned(),
        Some(status) => match &status.trouble {
            Some(trouble) => trouble.clone(),
            None if status.building => "building".to_owned(),
            None if status.proving => "proving".to_owned(),
            None => "follows".to_owned(),
        },
    };
    format!(
        "{mark}{:<11} {stake:>9} {balance:>11} {:>8} {:>7} {:>6} {:>7}  {office}{}{state}",
        node.name,
        count(&counted.commits),
        count(&counted.proofs),
        status
            .and_then(|status| status.peers)
            .map_or(String::new(), |peers| peers.to_string()),
        status.map_or(String::new(), |status| status.revoked_blocks.to_string()),
        if office.is_empty() { "" } else { ", " },
    )
}

fn ether(wei: u128) -> String {
    let milli = wei / MILLIETHER;
    format!("{}.{:03}", milli / 1_000, milli % 1_000)
}

/// Gwei as thousandths of an ETH.
fn milli(gwei: Option<&str>) -> String {
    let gwei = gwei.and_then(|gwei| gwei.parse::<u64>().ok());
    gwei.map_or("?".to_owned(), |gwei| {
        format!("{}.{:03}", gwei / 1_000_000, gwei / 1_000 % 1_000)
    })
}
