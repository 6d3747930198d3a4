//! Messages that no honest peer sends.

use std::sync::Arc;

use futures::{AsyncReadExt, AsyncWriteExt};
use starling_p2p::message::{Topic, Verdict};
use starling_p2p::metrics::Fate;
use tokio::time::timeout;

use crate::frames;
use crate::raw::{Manner, Raw, Stream};
use crate::world::{GENESIS, Node, PATIENCE, Strict, config, message, transaction, until};

async fn send(gossip: &mut Stream, frame: &[u8]) {
    gossip.write_all(frame).await.unwrap();
    gossip.flush().await.unwrap();
}

#[tokio::test]
async fn a_message_above_its_topics_limit_costs() {
    let mut node = Node::start(config()).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    // Far below what a frame may have: it is the topic that forbids it.
    let long = vec![1; config().gossip.evidence_bytes];
    assert!(long.len() < config().gossip.block_bytes);
    send(&mut gossip, &frames::publish(Topic::Evidence, &long)).await;
    until("it costs", async || node.score(raw.id).await < -9.0).await;
    send(&mut gossip, &frames::publish(Topic::Evidence, b"short")).await;
    assert_eq!(node.judge(Verdict::Accept).await.to_bytes(), b"short");
}

#[tokio::test]
async fn a_frame_above_all_limits_is_not_read() {
    let mut node = Node::start(config()).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let (mut answers, mut gossip) = raw.gossip().await.split();
    let frame = frames::publish(Topic::Blocks, &vec![1; 64 * 1024 * 1024]);
    let sending = tokio::spawn(async move { gossip.write_all(&frame).await });
    // The node never says anything on this stream, but that it has closed it.
    let end = timeout(PATIENCE, answers.read(&mut [0])).await;
    assert!(!matches!(end.expect("the stream stays open"), Ok(1..)));
    assert!(
        !sending.is_finished() || sending.await.unwrap().is_err(),
        "all of it was read"
    );
    // On a new stream, the peer is heard as before.
    let mut gossip = raw.gossip().await;
    send(&mut gossip, &frames::publish(Topic::Blocks, b"short")).await;
    assert_eq!(node.judge(Verdict::Accept).await.to_bytes(), b"short");
}

#[tokio::test]
async fn malformed_messages_never_reach_the_node() {
    let mut node = Node::start_with(config(), GENESIS, Arc::new(Strict)).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let good = transaction(1).to_bytes();
    let malformed = [
        // A transaction with a byte too many, of another version, and a block of another format.
        (Topic::Transactions, [&good[..], &[0]].concat()),
        (Topic::Transactions, [&[9], &good[1..]].concat()),
        (Topic::Blocks, b"a block that the decoder does not know".to_vec()),
    ];
    let metrics = node.handle.metrics().clone();
    let refused = || {
        let fate = |topic| metrics.message(topic, Fate::Malformed).get();
        fate(Topic::Transactions) + fate(Topic::Blocks)
    };
    let mut last = 0.0;
    for (number, (topic, data)) in malformed.iter().enumerate() {
        send(&mut gossip, &frames::publish(*topic, data)).await;
        until("it is refused", async || refused() == number as u64 + 1).await;
        let score = node.score(raw.id).await;
        assert!(score < last, "{score} {last}");
        last = score;
    }
    send(&mut gossip, &frames::publish(Topic::Transactions, &good)).await;
    assert_eq!(node.judge(Verdict::Accept).await.to_bytes(), good);
}

#[tokio::test]
async fn a_message_that_names_its_author_costs() {
    let mut node = Node::start(config()).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    send(&mut gossip, &frames::publish_as(raw.id, Topic::Blocks, b"signed")).await;
    until("it costs", async || node.score(raw.id).await < -9.0).await;
    send(&mut gossip, &frames::publish(Topic::Blocks, b"anonymous")).await;
    assert_eq!(node.judge(Verdict::Accept).await.to_bytes(), b"anonymous");
}

#[tokio::test]
async fn a_replayed_message_is_heard_once() {
    let mut node = Node::start(config()).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let data = transaction(1).to_bytes();
    for _ in 0..50 {
        send(&mut gossip, &frames::publish(Topic::Transactions, &data)).await;
    }
    assert_eq!(node.judge(Verdict::Accept).await.to_bytes(), data);
    // Long after its verdict too: gossip has let go of it, and still knows it.
    let forgotten = config().gossip.heartbeat_ms * (config().gossip.history as u64 + 2);
    tokio::time::sleep(std::time::Duration::from_millis(forgotten)).await;
    for _ in 0..50 {
        send(&mut gossip, &frames::publish(Topic::Transactions, &data)).await;
    }
    let last = transaction(2).to_bytes();
    send(&mut gossip, &frames::publish(Topic::Transactions, &last)).await;
    assert_eq!(node.judge(Verdict::Accept).await.to_bytes(), last);
}

#[tokio::test]
async fn a_replayed_invalid_message_costs_each_time() {
    let mut node = Node::start(config()).await;
    let mut raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let frame = frames::publish(Topic::Blocks, b"invalid");
    send(&mut gossip, &frame).await;
    node.judge(Verdict::Reject).await;
    // Nobody judges it again, and its sender is banned for it.
    crate::raw::flood(&mut gossip, 20, |_| frame.clone()).await;
    raw.closed().await;
    assert_eq!(node.handle.metrics().message(Topic::Blocks, Fate::Rejected).get(), 1);
    assert_eq!(node.handle.metrics().bans.get(), 1);
}

#[tokio::test]
async fn a_stale_message_stops_and_costs_nothing() {
    let mut node = Node::start(config()).await;
    let mut far = Node::start(config()).await;
    far.connect(&mut node).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    for nonce in 0..20 {
        let data = transaction(nonce).to_bytes();
        send(&mut gossip, &frames::publish(Topic::Transactions, &data)).await;
        node.judge(Verdict::Ignore).await;
    }
    assert_eq!(node.score(raw.id).await, 0.0);
    let fresh = message(Topic::Transactions, 99);
    send(&mut gossip, &frames::publish(Topic::Transactions, &fresh.to_bytes())).await;
    node.judge(Verdict::Accept).await;
    assert_eq!(far.judge(Verdict::Accept).await.to_bytes(), fresh.to_bytes());
}
