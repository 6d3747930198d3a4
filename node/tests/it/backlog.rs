//! An operator whose provers have more than enough: what it commits all the same, and what it says of the rest.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use starling_node::l1::abi::ROLLUP;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::hex;
use starling_node::rpc::Stage;

use crate::cluster::{Cluster, DEPOSIT};
use crate::history::History;
use crate::l1::tell;
use crate::light::proxy::Proxy;
use crate::sync::PROVES_NOTHING;

/// Who leaves an entry of the queue alone until its slot is over is slashed for it, however much waits for provers.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_due_is_served_whatever_waits_for_provers() {
    served_at_once(2).await;
    served_at_once(64).await;
}

/// Three entries become due that a leader serves whose batches are sealed at so many operations.
async fn served_at_once(operations: usize) {
    // No batch is old, and no slot over, before the test is: what is due is committed in the slot in which it was built.
    let patient = Parameters::patient();
    let mut staking = patient.staking;
    (staking.slot, staking.slots, staking.silence) = (256, 16, 600);
    let cluster = Cluster::new(1, &Parameters { staking, ..patient }).await;
    History::begin(&cluster, "operator").await.end().await;
    let [prover, age] = PROVES_NOTHING;
    let likes = format!("operations = {operations}");
    let instead = [
        prover,
        (age.0, "age_ms = 3600000\nbacklog = 1"),
        ("operations = 64", likes.as_str()),
    ];
    let operator = cluster.node_with("operator", "operator", Some(0), &[], &instead);
    let paid = cluster.transfer(&operator, 1, 2, 7).await;
    let contract = cluster.contract();
    let constants = contract.constants().await.unwrap();
    let before = contract.batch(1).await.unwrap().queue_end;
    // No more than L1 wants, and more or less than the operator likes to have in a batch.
    for _ in 0..3 {
        contract
            .deposit(&cluster.address(1), DEPOSIT, constants.queue_fee)
            .await
            .unwrap();
    }
    tell(&cluster.chain, "evm_increaseTime", json!([constants.queue_window])).await;
    cluster
        .until("the entries are served", &[&operator], async || {
            contract.progress().await.unwrap().committed == 2
        })
        .await;
    assert_eq!(contract.batch(2).await.unwrap().queue_end, before + 3);
    let stage = operator.stage(&paid).await;
    assert_eq!(stage, Stage::Pending, "nothing else is built");
}

/// L1 moves between two questions: what it has is not what the node has, as long as nobody has compared them.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_said_of_a_batch_before_it_is_compared() {
    let cluster = Cluster::new(1, &Parameters::patient()).await;
    History::begin(&cluster, "operator").await.end().await;
    let moved = Arc::new(AtomicBool::new(false));
    let lies = moved.clone();
    let question = hex(&ROLLUP.encode("committed", &[]).unwrap());
    // As if another batch came right after the node has looked at the events.
    let proxy = Proxy::start(cluster.chain.url(), move |request, answer| {
        match request.contains(&question) && lies.load(Ordering::Relaxed) {
            true => answer.replace(&format!("{:064x}", 1), &format!("{:064x}", 2)),
            false => answer,
        }
    });
    let [prover, age] = PROVES_NOTHING;
    // As many as wait: the next batch is sealed, and not committed.
    let instead = [
        prover,
        (age.0, "age_ms = 500\nbacklog = 4"),
        (cluster.chain.url(), proxy.url()),
    ];
    let operator = cluster.node_with("operator", "operator", Some(0), &[], &instead);
    let paid = cluster.transfer(&operator, 1, 2, 7).await;
    cluster
        .until("it is sealed", &[&operator], async || {
            let status = operator.status().await;
            (status.sealed, status.committed) == (2, 1) && operator.stage(&paid).await == Stage::Soft
        })
        .await;
    moved.store(true, Ordering::Relaxed);
    cluster
        .until("it says what is wrong", &[&operator], async || {
            assert_eq!(operator.stage(&paid).await, Stage::Soft);
            let status = operator.status().await;
            assert_eq!(status.committed, 1);
            status.trouble.is_some_and(|trouble| trouble.contains("l1.url"))
        })
        .await;
    moved.store(false, Ordering::Relaxed);
    cluster
        .until("it goes on", &[&operator], async || {
            operator.status().await.trouble.is_none()
        })
        .await;
    assert_eq!(operator.stage(&paid).await, Stage::Soft);
}
