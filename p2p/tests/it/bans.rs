//! From the first invalid message to the end of the ban.

use futures::AsyncWriteExt;
use starling_p2p::Keypair;
use starling_p2p::message::{Message, Topic, Verdict};
use starling_p2p::metrics::Closed;

use crate::frames;
use crate::raw::{Manner, Raw, Stream};
use crate::world::{Node, config, forged, message, transaction, until, verdict};

/// Sends a message, and has the node judge it as a node does.
async fn send(node: &mut Node, gossip: &mut Stream, message: &Message) -> Verdict {
    let frame = frames::publish(message.topic(), &message.to_bytes());
    gossip.write_all(&frame).await.unwrap();
    gossip.flush().await.unwrap();
    let (id, _, heard) = node.message().await;
    let judged = verdict(&heard);
    node.handle.report(id, judged).await.unwrap();
    judged
}

fn invalid(number: u32) -> Message {
    Message::Transaction(Box::new(forged(number)))
}

#[tokio::test]
async fn invalid_messages_lower_the_score_until_nothing_is_read() {
    let mut settings = config();
    // Nobody looks at the scores: what is seen here is gossip's own deafness.
    settings.bans.look_ms = 3_600_000;
    let mut node = Node::start(settings).await;
    let mut other = Node::start(config()).await;
    other.connect(&mut node).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    let good = Message::Transaction(Box::new(transaction(1)));
    assert_eq!(send(&mut node, &mut gossip, &good).await, Verdict::Accept);
    assert_eq!(node.score(raw.id).await, 0.0);
    let mut last = 0.0;
    for number in 0..5 {
        assert_eq!(send(&mut node, &mut gossip, &invalid(number)).await, Verdict::Reject);
        let score = node.score(raw.id).await;
        assert!(score < last, "{score} {last}");
        last = score;
    }
    assert!(last < config().score.graylist, "{last}");
    // Valid, and not read. The introduction behind it is answered, so what came before has been seen.
    let frame = frames::publish(Topic::Blocks, b"from the graylisted");
    gossip.write_all(&frame).await.unwrap();
    gossip.flush().await.unwrap();
    raw.introduce(crate::world::GENESIS).await.unwrap();
    other.publish(message(Topic::Blocks, 1)).await;
    let (_, from, heard) = node.message().await;
    assert_eq!(
        (from, heard.to_bytes()),
        (other.id(), message(Topic::Blocks, 1).to_bytes())
    );
    assert!(!raw.is_closed());
}

#[tokio::test]
async fn a_ban_disconnects_keeps_out_and_ends() {
    let mut settings = config();
    settings.bans.peer_ms = 4_000;
    let mut node = Node::start(settings).await;
    let key = Keypair::generate_ed25519();
    let mut raw = Raw::join_as(&node.address, &key, Manner::Attentive).await.unwrap();
    let id = raw.id;
    let mut gossip = raw.gossip().await;
    for number in 0..5 {
        assert_eq!(send(&mut node, &mut gossip, &invalid(number)).await, Verdict::Reject);
    }
    raw.closed().await;
    node.gone(id).await;
    let metrics = node.handle.metrics().clone();
    assert_eq!((metrics.bans.get(), metrics.banned.get()), (1, 1));
    assert!(Raw::join_as(&node.address, &key, Manner::Attentive).await.is_err());
    assert!(metrics.close(Closed::Banned).get() >= 2);
    // Another peer from the same address is not meant.
    Raw::join(&node.address, Manner::Attentive).await;
    until("the ban ends", async || metrics.banned.get() == 0).await;
    let raw = Raw::join_as(&node.address, &key, Manner::Attentive).await.unwrap();
    node.joined(id).await;
    assert_eq!(node.score(raw.id).await, 0.0, "the ban has paid for it");
    let mut gossip = raw.gossip().await;
    let good = Message::Transaction(Box::new(transaction(9)));
    assert_eq!(send(&mut node, &mut gossip, &good).await, Verdict::Accept);
}

#[tokio::test]
async fn several_bad_peers_cost_their_address_its_access() {
    let mut settings = config();
    settings.bans.address_peers = 3;
    settings.bans.address_ms = 4_000;
    let mut node = Node::start(settings).await;
    let mut bystander = Raw::join(&node.address, Manner::Attentive).await;
    for bad in 0..3 {
        let mut raw = Raw::join(&node.address, Manner::Attentive).await;
        let mut gossip = raw.gossip().await;
        for number in 0..5 {
            send(&mut node, &mut gossip, &invalid(10 * bad + number)).await;
        }
        raw.closed().await;
    }
    let metrics = node.handle.metrics().clone();
    assert_eq!(metrics.address_bans.get(), 1);
    // Whoever else is there goes too, and nobody new gets in.
    bystander.closed().await;
    let key = Keypair::generate_ed25519();
    assert!(Raw::join_as(&node.address, &key, Manner::Attentive).await.is_err());
    let mut inside = None;
    until("the address is let in again", async || {
        inside = Raw::join_as(&node.address, &key, Manner::Attentive).await.ok();
        inside.is_some()
    })
    .await;
}

#[tokio::test]
async fn scores_recover() {
    let mut settings = config();
    settings.score.invalid_s = 2;
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let mut gossip = raw.gossip().await;
    send(&mut node, &mut gossip, &invalid(1)).await;
    assert!(node.score(raw.id).await < -1.0);
    until("it is forgotten", async || node.score(raw.id).await == 0.0).await;
}

#[tokio::test]
async fn the_node_may_ban_too() {
    let mut node = Node::start(config()).await;
    let mut other = Node::start(config()).await;
    other.connect(&mut node).await;
    node.handle.ban(other.id()).await.unwrap();
    node.gone(other.id()).await;
    other.gone(node.id()).await;
    let mut bad = Node::start(config()).await;
    bad.connect(&mut node).await;
    let offence = starling_p2p::conduct::Offence::Malformed;
    for _ in 0..9 {
        node.handle.note(bad.id(), offence).await.unwrap();
    }
    node.gone(bad.id()).await;
    assert_eq!(node.handle.metrics().bans.get(), 2);
}
