//! Peers that take messages and answers and do not read them.

use futures::AsyncWriteExt;
use starling_p2p::Event;
use starling_p2p::events::Responder;
use starling_p2p::message::{Message, Verdict};
use starling_p2p::metrics::{Closed, Served};
use starling_p2p::quota::Rate;
use starling_p2p::request::{Kind, Request, Response};

use crate::raw::{Manner, Raw, Stream};
use crate::world::{GENESIS, Node, config, until};

#[tokio::test]
async fn a_slow_reader_holds_little_and_is_let_go() {
    let mut settings = config();
    settings.gossip.send_queue = 16;
    settings.gossip.slow = Rate::new(1.0, 32);
    settings.quotas.blocks = Rate::new(1e6, 1_000_000);
    let mut node = Node::start(settings.clone()).await;
    let mut reader = Node::start(settings).await;
    node.connect(&mut reader).await;
    let mut raw = Raw::join(&node.address, Manner::Asleep).await;
    let _gossip = raw.gossip().await;
    // 100 KB each. The lines between the two take a few, the queue sixteen, and the rest is not kept.
    let block = |number: u32| {
        let mut bytes = vec![0; 100_000];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        Message::Block(bytes)
    };
    let mut number = 0;
    let mut heard = 0;
    let slow = node.handle.metrics().close(Closed::Slow);
    while slow.get() == 0 {
        node.publish(block(number)).await;
        // The other peer reads, and gets everything.
        let (id, ..) = reader.message().await;
        reader.handle.report(id, Verdict::Accept).await.unwrap();
        number += 1;
        heard += 1;
        assert!(number < 2_000, "it is never let go");
    }
    raw.closed().await;
    assert_eq!(heard, number);
    assert!(node.handle.metrics().unsent.get() >= 32);
    assert_eq!(node.peers().await, [reader.id()]);
    assert_eq!(node.handle.metrics().bans.get(), 0, "once is not enough for a ban");
    // Memory: of what was published, the peer held what its queue and the line hold, not more.
    let unsent = node.handle.metrics().unsent.get();
    assert!(
        u64::from(number) <= unsent + 64,
        "{number} published, {unsent} not kept"
    );
    until("its place is free", async || node.peers().await.len() == 1).await;
}

/// Asks for blocks and does not read: the stream that the answer comes on, and the way to answer.
async fn ask(raw: &Raw, node: &mut Node) -> (Stream, Responder) {
    let question = Request::BlocksByRange { first: 1, count: 64 }.to_bytes();
    let mut stream = raw.open(GENESIS.protocol(Kind::Blocks).as_ref()).await.unwrap();
    stream.write_all(&(question.len() as u32).to_be_bytes()).await.unwrap();
    stream.write_all(&question).await.unwrap();
    stream.close().await.unwrap();
    let responder = node
        .wait(|event| match event {
            Event::Request { responder, .. } => Some(responder),
            _ => None,
        })
        .await;
    (stream, responder)
}

#[tokio::test]
async fn an_answer_that_is_not_read_is_dropped_and_costs() {
    let mut settings = config();
    settings.sync.timeout_ms = 1_000;
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let (_stream, responder) = ask(&raw, &mut node).await;
    // Four times what a stream takes without being read.
    let blocks = Response::Blocks(vec![vec![1; 16 * 1024]; 64]);
    node.handle.respond(responder, blocks).await.unwrap();
    let unanswered = node.handle.metrics().request(Kind::Blocks, Served::Unanswered);
    until("the answer is given up", async || unanswered.get() == 1).await;
    assert_eq!(node.handle.metrics().serving.get(), 0);
    let score = node.score(raw.id).await;
    assert!((-25.0..-15.0).contains(&score), "{score}");
    assert!(!raw.is_closed());
}

#[tokio::test]
async fn nobody_pays_for_a_node_that_does_not_answer() {
    let mut settings = config();
    settings.sync.timeout_ms = 1_000;
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let (_stream, responder) = ask(&raw, &mut node).await;
    let unanswered = node.handle.metrics().request(Kind::Blocks, Served::Unanswered);
    until("the question is given up", async || unanswered.get() == 1).await;
    assert!(!responder.is_open());
    assert_eq!(node.score(raw.id).await, 0.0);
}
