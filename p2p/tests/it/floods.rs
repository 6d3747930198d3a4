//! Peers that send too much of what is allowed.

use futures::AsyncWriteExt;
use starling_p2p::message::{MessageId, Topic, Verdict};
use starling_p2p::metrics::{Closed, Fate, Served};
use starling_p2p::quota::Rate;
use starling_p2p::request::{Kind, Refusal, Request};

use crate::frames;
use crate::raw::{Manner, Raw, flood};
use crate::world::{GENESIS, Node, config, message, transaction, until};

/// More than any quota allows, and few enough to be sent in a moment.
const FLOOD: usize = 60_000;

/// Floods a node with control messages until it closes the connection; meanwhile and afterwards it serves others.
async fn control_flood(frame: impl FnMut(usize) -> Vec<u8> + Send + 'static) {
    let mut node = Node::start(config()).await;
    let mut other = Node::start(config()).await;
    other.connect(&mut node).await;
    let mut raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let flooding = tokio::spawn(async move { flood(&mut gossip, FLOOD, frame).await });
    for number in 0..10 {
        other.publish(message(Topic::Blocks, number)).await;
        node.judge(Verdict::Accept).await;
    }
    raw.closed().await;
    assert!(flooding.await.unwrap(), "the flood ended by itself");
    assert_eq!(node.handle.metrics().close(Closed::Banned).get(), 1);
    assert_eq!(node.handle.metrics().bans.get(), 1);
    assert_eq!(node.peers().await, [other.id()]);
    other.publish(message(Topic::Blocks, 99)).await;
    node.judge(Verdict::Accept).await;
}

fn ids(number: usize) -> Vec<MessageId> {
    (0..100)
        .map(|n| frames::id(Topic::Blocks, format!("{number} {n}").as_bytes()))
        .collect()
}

#[tokio::test]
async fn a_flood_of_ihave() {
    control_flood(|number| frames::ihave(Topic::Blocks, &ids(number))).await;
}

#[tokio::test]
async fn a_flood_of_iwant() {
    control_flood(|number| frames::iwant(&ids(number))).await;
}

#[tokio::test]
async fn a_flood_of_graft() {
    control_flood(|_| frames::graft(Topic::Blocks)).await;
}

#[tokio::test]
async fn a_flood_of_prune() {
    control_flood(|_| frames::prune(Topic::Blocks, 1)).await;
}

#[tokio::test]
async fn joining_and_leaving_the_mesh_costs_more_than_its_frames() {
    let mut settings = config();
    // No frame is over this quota: what bans is that the agreed pause is not kept.
    settings.quotas.frames = Rate::new(1e6, 1_000_000);
    let node = Node::start(settings).await;
    let mut raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    flood(&mut gossip, 40, |number| match number % 2 {
        0 => frames::prune(Topic::Blocks, 60),
        _ => frames::graft(Topic::Blocks),
    })
    .await;
    raw.closed().await;
    assert_eq!(node.handle.metrics().bans.get(), 1);
}

#[tokio::test]
async fn announcing_what_is_never_sent_costs() {
    let mut settings = config();
    settings.quotas.frames = Rate::new(1e6, 1_000_000);
    let node = Node::start(settings).await;
    let mut raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let mut number = 0;
    // A few announcements a heartbeat: far below every quota.
    until("it is banned", async || {
        number += 1;
        let _ = gossip.write_all(&frames::ihave(Topic::Blocks, &ids(number))).await;
        let _ = gossip.flush().await;
        raw.is_closed()
    })
    .await;
    raw.closed().await;
    assert_eq!(node.handle.metrics().bans.get(), 1);
}

#[tokio::test]
async fn messages_over_the_quota_are_ignored() {
    let mut settings = config();
    settings.quotas.transactions = Rate::new(0.001, 10);
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    for nonce in 0..50 {
        let frame = frames::publish(Topic::Transactions, &transaction(nonce).to_bytes());
        gossip.write_all(&frame).await.unwrap();
    }
    gossip.flush().await.unwrap();
    let over = node.handle.metrics().message(Topic::Transactions, Fate::OverQuota);
    until("all have come", async || over.get() == 40).await;
    for _ in 0..10 {
        node.judge(Verdict::Accept).await;
    }
    assert_eq!(node.score(raw.id).await, 0.0, "who forwards much is not bad");
    // Other topics have their own.
    gossip
        .write_all(&frames::publish(Topic::Blocks, b"block"))
        .await
        .unwrap();
    gossip.flush().await.unwrap();
    node.judge(Verdict::Accept).await;
}

#[tokio::test]
async fn frames_with_accepted_messages_do_not_count() {
    let mut settings = config();
    settings.quotas.frames = Rate::new(0.0, 20);
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let over = node.handle.metrics().frames_over_quota.clone();
    let mut send = async |number: u32| {
        let frame = frames::publish(Topic::Blocks, format!("block {number}").as_bytes());
        gossip.write_all(&frame).await.unwrap();
        gossip.flush().await.unwrap();
    };
    // Three times the quota, each judged before the next is sent.
    for number in 0..60 {
        send(number).await;
        node.judge(Verdict::Accept).await;
    }
    assert_eq!(over.get(), 0);
    assert_eq!(node.score(raw.id).await, 0.0);
    // What has come already is worth nothing, and what was accepted has not earned more than the quota.
    for _ in 0..20 {
        send(0).await;
    }
    until("they are over the quota", async || over.get() > 0).await;
    assert!(node.score(raw.id).await < 0.0);
    assert!(!raw.is_closed());
}

#[tokio::test]
async fn frames_with_other_messages_count() {
    for verdict in [Verdict::Ignore, Verdict::Reject] {
        let mut settings = config();
        settings.quotas.frames = Rate::new(0.0, 20);
        settings.score.invalid_other = 0.0;
        let mut node = Node::start(settings).await;
        let raw = Raw::join(&node.address, Manner::Attentive).await;
        let mut gossip = raw.gossip().await;
        let over = node.handle.metrics().frames_over_quota.clone();
        for number in 0..25 {
            let frame = frames::publish(Topic::Blocks, format!("block {number}").as_bytes());
            gossip.write_all(&frame).await.unwrap();
            gossip.flush().await.unwrap();
            if number < 15 {
                node.judge(verdict).await;
            }
        }
        until("they are over the quota", async || over.get() >= 5).await;
    }
}

#[tokio::test]
async fn a_flood_of_requests() {
    let mut node = Node::start(config()).await;
    let mut other = Node::start(config()).await;
    other.connect(&mut node).await;
    let mut raw = Raw::join(&node.address, Manner::Attentive).await;
    let protocol = GENESIS.protocol(Kind::Batch);
    let question = Request::Batch { number: 1 }.to_bytes();
    let mut over_quota = 0;
    // Nobody answers at the node: what is within the quota waits there.
    for _ in 0..5_000 {
        let asked = tokio::time::timeout(
            std::time::Duration::from_millis(200),
            raw.ask(protocol.as_ref(), &question),
        );
        if let Ok(Ok(answer)) = asked.await {
            over_quota += usize::from(answer == [Refusal::OverQuota as u8]);
        }
        if raw.is_closed() {
            break;
        }
    }
    raw.closed().await;
    assert!(over_quota > 0, "it is told before it is banned");
    let metrics = node.handle.metrics();
    assert!(metrics.request(Kind::Batch, Served::OverQuota).get() >= over_quota as u64);
    // No more than its quota, and no more than its places, were ever with the node.
    assert!(metrics.request(Kind::Batch, Served::Asked).get() <= u64::from(config().quotas.batch_requests.burst) + 5);
    assert_eq!(metrics.close(Closed::Banned).get(), 1);
    assert_eq!(node.peers().await, [other.id()]);
}

#[tokio::test]
async fn saying_who_one_is_again_and_again_costs() {
    use starling_p2p::Keypair;

    use crate::raw::PUSH;

    let node = Node::start(config()).await;
    let key = Keypair::generate_ed25519();
    let mut raw = Raw::join_as(&node.address, &key, Manner::Attentive).await.unwrap();
    for _ in 0..2_000 {
        let pushed = async {
            let mut stream = raw.open(PUSH).await?;
            stream.write_all(&frames::identity(&key)).await?;
            stream.close().await
        };
        if pushed.await.is_err() {
            break;
        }
    }
    raw.closed().await;
    assert_eq!(node.handle.metrics().bans.get(), 1);
}
