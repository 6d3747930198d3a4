//! Several operators, provers and full nodes over a real network and a real L1.

use std::collections::BTreeSet;

use starling_node::l1::deploy::Parameters;
use starling_node::rpc::{ApiClient, Stage};

use crate::cluster::{Cluster, Node, USERS};

/// Whether all nodes have this batch, and the same.
async fn agree(nodes: &[&Node], number: u64) -> bool {
    let mut roots = BTreeSet::new();
    for node in nodes {
        match node.rpc.batch(number).await {
            Ok(Some(batch)) => roots.insert((batch.root, batch.digest)),
            _ => return false,
        };
    }
    roots.len() == 1
}

async fn committers(cluster: &Cluster) -> BTreeSet<[u8; 20]> {
    let mut all = BTreeSet::new();
    let progress = cluster.contract().progress().await.unwrap();
    for number in 1..=progress.committed {
        all.insert(cluster.contract().batch(number).await.unwrap().committer.0);
    }
    all
}

/// Transfers that a full node accepts are built by whoever's turn it is, proven by a prover, and known to all; a builder that is killed
/// in its slot costs nobody anything; a full node that comes late finds everything.
#[tokio::test(flavor = "multi_thread")]
async fn operators_take_turns_and_everybody_agrees() {
    let cluster = Cluster::new(3, &Parameters::devnet()).await;
    let first = cluster.node("operator-0", "operator", Some(0), &[]);
    let bootstrap = first.peers.clone();
    let second = cluster.node("operator-1", "operator", Some(1), &bootstrap);
    let third = cluster.node("operator-2", "operator", Some(2), &bootstrap);
    let prover = cluster.node("prover", "prover", Some(5), &bootstrap);
    let full = cluster.node("full", "full", None, &bootstrap);
    let everybody = [&first, &second, &third, &prover, &full];
    cluster
        .until("everybody has peers", &everybody, async || {
            for node in everybody {
                if node.status().await.peers.unwrap_or(0) < 2 {
                    return false;
                }
            }
            true
        })
        .await;
    cluster
        .until("the accounts are open", &everybody, async || {
            for user in 0..USERS {
                if cluster.user(&full, user).account().await.is_err() {
                    return false;
                }
            }
            true
        })
        .await;
    let mut ids = Vec::new();
    for round in 0..12 {
        for user in 0..USERS {
            ids.push(cluster.transfer(&full, user, (user + 1) % USERS, 10 + round).await);
        }
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    }
    let last = ids.last().unwrap().clone();
    cluster
        .until("all transfers are in signed blocks", &everybody, async || {
            full.stage(&last).await >= Stage::Soft
        })
        .await;
    // The builder is killed in its slot, while it has blocks that L1 has not.
    let mut operators = [Some(first), Some(second), Some(third)];
    let killed = 'found: loop {
        for (number, operator) in operators.iter().enumerate() {
            if operator.as_ref().unwrap().status().await.building {
                break 'found number;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    };
    for user in 0..USERS {
        ids.push(cluster.transfer(&full, user, (user + 2) % USERS, 7).await);
    }
    drop(operators[killed].take());
    let alive: Vec<&Node> = operators.iter().flatten().chain([&prover, &full]).collect();
    cluster
        .until(
            "all transfers are proven without the one that was killed",
            &alive,
            async || {
                for id in &ids {
                    if full.stage(id).await != Stage::Proven {
                        return false;
                    }
                }
                true
            },
        )
        .await;
    assert!(committers(&cluster).await.len() > 1, "only one operator has committed");
    // It comes back, and a newcomer joins.
    let back = cluster.node(&format!("operator-{killed}"), "operator", Some(killed), &bootstrap);
    let late = cluster.node("late", "full", None, &full.peers);
    let mut all = alive.clone();
    all.extend([&back, &late]);
    let proven = cluster.contract().progress().await.unwrap().proven;
    cluster
        .until("everybody agrees about the last proven batch", &all, async || {
            agree(&all, proven).await
        })
        .await;
    let root = cluster.contract().root(proven).await.unwrap().unwrap();
    let batch = late.rpc.batch(proven).await.unwrap().unwrap();
    assert_eq!(batch.root, starling_node::operator::hex_word(&root));
    for id in &ids {
        assert_eq!(late.stage(id).await, Stage::Proven, "the newcomer knows every transfer");
    }
}
