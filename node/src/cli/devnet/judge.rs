//! What became of it all, from L1's data, the clients' receipts and the light node's answers; no other node is asked for its word.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ArrayParams;
use serde_json::{Value, json};
use starling_rollup::address::L1Address;
use starling_rollup::envelope::TransactionId;
use starling_rollup::state::State;

use super::net::Net;
use super::told::{Told, told};
use super::traffic::Receipt;
use super::wait::until;
use crate::cli::CliError;
use crate::cli::user::rejected;
use crate::l1::L1;
use crate::rebuild;

/// How long the light node may be behind L1.
const LIGHT: Duration = Duration::from_secs(30);

/// What L1 has proven.
pub(super) struct Settled {
    /// The last batch.
    pub(super) batch: u64,
    /// How often each transaction is in it.
    pub(super) times: HashMap<String, u32>,
    pub(super) state: State,
}

/// Replays what is proven on L1.
pub(super) async fn settled(net: &Net) -> Result<Settled, CliError> {
    let word = net.rollup.word();
    let mut before = State::default();
    let mut times: HashMap<String, u32> = HashMap::new();
    let mut broken = None;
    let replayed = rebuild::replay(
        &net.l1,
        &net.rollup,
        net.deployment.block,
        |batch, _, data| match before.trace(data) {
            Ok((transactions, overlay)) => {
                for transaction in &transactions {
                    *times
                        .entry(TransactionId::new(transaction, &word).to_string())
                        .or_default() += 1;
                }
                before.absorb(&overlay);
            }
            Err(error) => broken = Some(format!("batch {batch}: {error}")),
        },
    );
    let replayed = replayed.await.map_err(rejected)?;
    match broken {
        Some(reason) => Err(CliError::Rejected(reason)),
        None => Ok(Settled {
            batch: replayed.batch,
            times,
            state: replayed.state,
        }),
    }
}

/// What was done to a validator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Punished {
    pub(super) operator: L1Address,
    pub(super) offence: &'static str,
    /// Wei.
    pub(super) amount: u128,
}

/// All validators that lost stake or bonds, or went to jail, from the contracts' events.
pub(super) async fn punished(net: &Net, bond: u128) -> Result<Vec<Punished>, CliError> {
    let head = net.l1.head().await.map_err(rejected)?.number;
    let events = told(&net.l1, &net.deployment, net.deployment.block, head)
        .await
        .map_err(rejected)?;
    let mut committers: BTreeMap<u64, L1Address> = BTreeMap::new();
    let mut offences: HashMap<L1Address, &'static str> = HashMap::new();
    let mut found: Vec<Punished> = Vec::new();
    let mut jailed = Vec::new();
    for (_, event) in events {
        match event {
            Told::Committed { batch, committer, .. } => drop(committers.insert(batch, committer)),
            Told::Pruned { first, .. } => found.push(Punished {
                operator: committers.get(&first).copied().unwrap_or_default(),
                offence: "unproven",
                amount: bond,
            }),
            Told::Equivocated { operator } => drop(offences.insert(operator, "equivocation")),
            Told::Neglected { operator } => drop(offences.insert(operator, "neglect")),
            Told::Slashed { operator, amount } => found.push(Punished {
                operator,
                offence: offences.get(&operator).copied().unwrap_or("unknown"),
                amount,
            }),
            Told::Jailed { operator } => jailed.push(operator),
            Told::Proven { .. } => {}
        }
    }
    // Jail goes with an unproven commit, and with nothing else.
    for operator in jailed {
        if !found
            .iter()
            .any(|punished| punished.operator == operator && punished.offence == "unproven")
        {
            found.push(Punished {
                operator,
                offence: "jail",
                amount: 0,
            });
        }
    }
    Ok(found)
}

/// Whether the light node says of the users what L1's data says, once it has come to the batch.
pub(super) async fn light_agrees(net: &Net, indices: &[u32], settled: &Settled) -> Result<bool, CliError> {
    let Some(light) = net.light() else {
        return Ok(false);
    };
    for index in indices {
        let expected = settled.state.account(*index).map(|account| account.balance.to_string());
        let what = format!("the light node has account {index} at batch {}", settled.batch);
        let answer = until(&what, LIGHT, async || {
            let mut params = ArrayParams::new();
            params.insert(index).ok()?;
            params.insert("proven").ok()?;
            let answer: Value = light.rpc.request("starling_account", params).await.ok()?;
            (answer["batch"].as_u64() >= Some(settled.batch)).then_some(answer)
        });
        let answer = answer.await?;
        if answer["batch"].as_u64() != Some(settled.batch) || answer["balance"].as_str() != expected.as_deref() {
            net.screen.done(format!(
                "account {index}: the light node says {} after batch {}, L1's data {expected:?} after batch {}",
                answer["balance"], answer["batch"], settled.batch
            ));
            return Ok(false);
        }
    }
    Ok(true)
}

/// The verdict.
pub(super) struct Verdict {
    pub(super) value: Value,
    /// What is not as it should be.
    pub(super) wrong: Vec<String>,
}

/// What the judge goes by.
pub(super) struct Case<'a> {
    pub(super) receipts: &'a [Receipt],
    pub(super) settled: &'a Settled,
    pub(super) punished: &'a [Punished],
    /// Who was made to sign twice.
    pub(super) equivocator: L1Address,
    /// Who was made to commit what cannot be proven.
    pub(super) unproven: L1Address,
    pub(super) light_agrees: bool,
    /// Transfers that were to be sent.
    pub(super) transfers: usize,
    /// Reasons why some were not acknowledged.
    pub(super) given_up: &'a [String],
}

/// Judges.
pub(super) fn judge(net: &Net, case: &Case<'_>) -> Verdict {
    let times = |receipt: &Receipt| case.settled.times.get(&receipt.id).copied().unwrap_or(0);
    let mut wrong: Vec<String> = case
        .given_up
        .iter()
        .map(|reason| format!("not acknowledged: {reason}"))
        .collect();
    let (mut settled_once, mut duplicated, mut refused, mut lost) = (0, 0, 0, Vec::new());
    for receipt in case.receipts {
        match (times(receipt), &receipt.refused) {
            (1, _) => settled_once += 1,
            (0, Some(reason)) => {
                refused += 1;
                wrong.push(format!("{} was acknowledged, and refused later: {reason}", receipt.id));
            }
            (0, None) => lost.push(receipt),
            _ => duplicated += 1,
        }
    }
    for receipt in &lost {
        wrong.push(format!(
            "lost: {}, acknowledged by {}",
            receipt.id, net.nodes[receipt.node].name
        ));
    }
    if duplicated > 0 {
        wrong.push(format!("{duplicated} transfers settled more than once"));
    }
    if case.receipts.len() + case.given_up.len() < case.transfers {
        wrong.push(format!(
            "{} of {} transfers were acknowledged",
            case.receipts.len(),
            case.transfers
        ));
    }
    let expected = [(case.equivocator, "equivocation"), (case.unproven, "unproven")];
    let is_expected = |punished: &&Punished| expected.contains(&(punished.operator, punished.offence));
    let (right, wrongly): (Vec<_>, Vec<_>) = case.punished.iter().partition(is_expected);
    for (operator, offence) in expected {
        match right
            .iter()
            .filter(|punished| (punished.operator, punished.offence) == (operator, offence))
            .count()
        {
            1 => {}
            count => wrong.push(format!(
                "{} was slashed {count} times for {offence}",
                net.name_of(operator)
            )),
        }
    }
    for punished in &wrongly {
        wrong.push(format!(
            "{} was slashed for {}",
            net.name_of(punished.operator),
            punished.offence
        ));
    }
    if !case.light_agrees {
        wrong.push("the light node does not say what L1's data says".to_owned());
    }
    let list = |punished: &[&Punished]| -> Vec<Value> {
        let shown = |punished: &&Punished| {
            json!({
                "operator": punished.operator.to_string(),
                "name": net.name_of(punished.operator),
                "for": punished.offence,
                "wei": punished.amount.to_string(),
            })
        };
        punished.iter().map(shown).collect()
    };
    let soft = |quiet: bool| {
        let receipts = case.receipts.iter().filter(|receipt| !quiet || receipt.quiet);
        let mut soft: Vec<u64> = receipts.filter_map(|receipt| receipt.soft_ms).collect();
        soft.sort_unstable();
        soft
    };
    let (all, quiet) = (soft(false), soft(true));
    let value = json!({
        "acknowledged": case.receipts.len(),
        "settled_once": settled_once,
        "lost": lost.len(),
        "duplicated": duplicated,
        "refused": refused,
        "revoked": case.receipts.iter().filter(|receipt| receipt.revoked > 0).count(),
        "uncommitted": case.receipts.iter().filter(|receipt| receipt.uncommitted > 0).count(),
        "slashed": list(&right),
        "wrongly_slashed": list(&wrongly),
        "light_agrees": case.light_agrees,
        "soft_p50_ms": percentile(&all, 50),
        "soft_p99_ms": percentile(&all, 99),
        "soft_quiet": quiet.len(),
        "soft_quiet_p50_ms": percentile(&quiet, 50),
        "soft_quiet_p99_ms": percentile(&quiet, 99),
        "batches": case.settled.batch,
    });
    Verdict { value, wrong }
}

/// The value that `percent` hundredths of a sorted list do not exceed.
pub(super) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}
