//! A node that does not read: queues fill, and new things are turned away in the stated way.

use futures::AsyncWriteExt;
use starling_p2p::handle::PublishError;
use starling_p2p::message::{Topic, Verdict};
use starling_p2p::metrics::{Fate, Served};
use starling_p2p::quota::Rate;
use starling_p2p::request::{Kind, Refusal, Request};

use crate::frames;
use crate::raw::{Manner, Raw};
use crate::world::{GENESIS, Node, config, message, transaction, until};

#[tokio::test]
async fn a_full_queue_ignores_the_newest_and_leaves_others_their_place() {
    let mut settings = config();
    settings.queues.transactions = 8;
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    for nonce in 0..30 {
        let frame = frames::publish(Topic::Transactions, &transaction(nonce).to_bytes());
        gossip.write_all(&frame).await.unwrap();
    }
    gossip
        .write_all(&frames::publish(Topic::Blocks, b"block"))
        .await
        .unwrap();
    gossip.flush().await.unwrap();
    let full = node.handle.metrics().message(Topic::Transactions, Fate::QueueFull);
    until("the rest is ignored", async || full.get() == 22).await;
    // The block is not behind the transactions: blocks come first.
    let (id, _, first) = node.message().await;
    assert_eq!(first.topic(), Topic::Blocks);
    node.handle.report(id, Verdict::Accept).await.unwrap();
    for nonce in 0..8 {
        let (_, _, next) = node.message().await;
        assert_eq!(next.to_bytes(), transaction(nonce).to_bytes());
    }
    assert_eq!(node.score(raw.id).await, 0.0);
}

#[tokio::test]
async fn too_many_undecided_messages_are_ignored() {
    let mut settings = config();
    settings.gossip.undecided = 5;
    let node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    for nonce in 0..20 {
        let frame = frames::publish(Topic::Transactions, &transaction(nonce).to_bytes());
        gossip.write_all(&frame).await.unwrap();
    }
    gossip.flush().await.unwrap();
    let full = node.handle.metrics().message(Topic::Transactions, Fate::QueueFull);
    until("the rest is ignored", async || full.get() == 15).await;
}

#[tokio::test]
async fn requests_that_nobody_takes_are_refused() {
    let mut settings = config();
    settings.queues.requests = 1;
    settings.sync.serving_peer = 100;
    let node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let protocol = GENESIS.protocol(Kind::Batch);
    let question = Request::Batch { number: 1 }.to_bytes();
    let waiting = raw.open(protocol.as_ref()).await;
    let mut waiting = waiting.unwrap();
    waiting.write_all(&(question.len() as u32).to_be_bytes()).await.unwrap();
    waiting.write_all(&question).await.unwrap();
    waiting.close().await.unwrap();
    let asked = node.handle.metrics().request(Kind::Batch, Served::Asked);
    until("the first waits", async || asked.get() == 1).await;
    let answer = raw.ask(protocol.as_ref(), &question).await.unwrap();
    assert_eq!(answer, [Refusal::Busy as u8]);
}

#[tokio::test]
async fn we_publish_less_than_others_take() {
    let mut settings = config();
    settings.quotas.blocks = Rate::new(0.001, 10);
    let mut one = Node::start(settings.clone()).await;
    let mut two = Node::start(settings).await;
    one.connect(&mut two).await;
    one.publish(message(Topic::Evidence, 0)).await;
    assert_eq!(two.judge(Verdict::Accept).await.topic(), Topic::Evidence);
    let mut published = 0;
    let error = loop {
        match one.handle.publish(message(Topic::Blocks, published)).await {
            Ok(_) => published += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PublishError::OverQuota { .. }), "{error}");
    assert_eq!(published, 8);
    for _ in 0..published {
        assert_eq!(two.judge(Verdict::Accept).await.topic(), Topic::Blocks);
    }
    assert_eq!(two.handle.metrics().message(Topic::Blocks, Fate::OverQuota).get(), 0);
}
