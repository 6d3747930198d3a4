//! A peer that takes messages and does not read them.

use starling_p2p::message::{Message, Verdict};
use starling_p2p::metrics::Closed;
use starling_p2p::quota::Rate;

use crate::raw::{Manner, Raw};
use crate::world::{Node, config, until};

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

#[tokio::test]
async fn an_answer_that_is_not_read_is_dropped() {
    use futures::AsyncWriteExt;
    use starling_p2p::Event;
    use starling_p2p::request::{Kind, Request, Response};

    let mut settings = config();
    settings.sync.timeout_ms = 1_000;
    let mut node = Node::start(settings).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let protocol = crate::world::GENESIS.protocol(Kind::Blocks);
    let question = Request::BlocksByRange { first: 1, count: 64 }.to_bytes();
    let mut stream = raw.open(protocol.as_ref()).await.unwrap();
    stream.write_all(&(question.len() as u32).to_be_bytes()).await.unwrap();
    stream.write_all(&question).await.unwrap();
    stream.flush().await.unwrap();
    stream.close().await.unwrap();
    let responder = node
        .wait(|event| match event {
            Event::Request { responder, .. } => Some(responder),
            _ => None,
        })
        .await;
    // Four times what a stream takes without being read.
    let blocks = Response::Blocks(vec![vec![1; 16 * 1024]; 64]);
    node.handle.respond(responder, blocks).await.unwrap();
    assert_eq!(node.handle.metrics().serving.get(), 1);
    until("the answer is given up", async || {
        node.handle.metrics().serving.get() == 0
    })
    .await;
    assert!(!raw.is_closed());
}
