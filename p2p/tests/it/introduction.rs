//! Introductions: who belongs here, and how the others are told.

use std::sync::Arc;

use starling_p2p::message::Opaque;
use starling_p2p::metrics::Closed;
use starling_p2p::request::Kind;
use starling_p2p::status::{Head, Heads, Role};
use starling_p2p::{Genesis, Keypair};
use starling_rollup::transaction::RollupId;

use crate::raw::{Manner, Raw};
use crate::world::{GENESIS, Node, PATIENCE, config, until};

#[tokio::test]
async fn peers_hear_who_we_are_and_how_far_we_have_come() {
    let mut settings = config();
    settings.connections.refresh_ms = 200;
    settings.role = Role::Prover;
    settings.quotas.status_requests.burst = 1_000;
    let mut one = Node::start(settings.clone()).await;
    settings.role = Role::Operator;
    let mut two = Node::start(settings).await;
    one.connect(&mut two).await;
    let head = |number| Head {
        number,
        digest: [number as u8; 32],
    };
    let heads = Heads {
        proven: head(1),
        committed: head(2),
        soft: head(3),
    };
    two.handle.set_heads(heads).await.unwrap();
    let id = two.id();
    let heard = one
        .wait(|event| match event {
            starling_p2p::Event::Peer(info) if info.status.heads == heads => Some(*info),
            _ => None,
        })
        .await;
    assert_eq!(
        (heard.peer, heard.outbound, heard.status.role),
        (id, true, Role::Operator)
    );
    let known = two.handle.peers().await.unwrap();
    assert_eq!((known[0].outbound, known[0].status.role), (false, Role::Prover));
}

#[tokio::test]
async fn another_kernel_is_another_network() {
    let other = Genesis {
        kernel: [8; 32],
        ..GENESIS
    };
    let one = Node::start(config()).await;
    let two = Node::start_with(config(), other, Arc::new(Opaque)).await;
    one.handle.dial(two.address.clone()).await.unwrap();
    // Both find out, and neither ever calls the other a peer.
    for node in [&one, &two] {
        let closed = node.handle.metrics().close(Closed::Genesis);
        until("the connection is closed", async || closed.get() == 1).await;
        assert_eq!(node.handle.metrics().peers.get(), 0);
        assert_eq!(node.peers().await, []);
    }
}

#[tokio::test]
async fn a_stranger_is_told_our_network_before_it_is_disconnected() {
    let node = Node::start(config()).await;
    let mut raw = Raw::dial(&node.address, &Keypair::generate_ed25519(), Manner::Attentive)
        .await
        .unwrap();
    let kernel = [9; 32];
    let ours = raw.introduce(Genesis { kernel, ..GENESIS }).await.unwrap();
    assert_eq!(ours.genesis, GENESIS);
    raw.closed().await;
    assert_eq!(node.handle.metrics().close(Closed::Genesis).get(), 1);
}

#[tokio::test]
async fn another_rollup_speaks_other_protocols() {
    let rollup = RollupId {
        chain_id: 1,
        ..GENESIS.rollup
    };
    let one = Node::start(config()).await;
    let two = Node::start_with(config(), Genesis { rollup, ..GENESIS }, Arc::new(Opaque)).await;
    one.handle.dial(two.address.clone()).await.unwrap();
    let closed = one.handle.metrics().close(Closed::Version);
    until("the connection is closed", async || closed.get() >= 1).await;
    assert_eq!(two.handle.metrics().peers.get(), 0);
}

#[tokio::test]
async fn a_peer_that_names_none_of_our_protocols_need_not_be_waited_for() {
    use futures::StreamExt;
    use libp2p::{SwarmBuilder, identify, noise, swarm::SwarmEvent, tcp, yamux};

    let mut settings = config();
    settings.connections.status_ms = 3_600_000;
    let node = Node::start(settings).await;
    let mut other = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|key| identify::Behaviour::new(identify::Config::new("/another/1".to_owned(), key.public())))
        .unwrap()
        .with_swarm_config(|settings| settings.with_idle_connection_timeout(PATIENCE * 2))
        .build();
    other.dial(node.address.clone()).unwrap();
    let ended = async { while !matches!(other.select_next_some().await, SwarmEvent::ConnectionClosed { .. }) {} };
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the connection stays");
    assert_eq!(node.handle.metrics().close(Closed::Version).get(), 1);
}

#[tokio::test]
async fn another_version_is_not_spoken() {
    let mut settings = config();
    settings.connections.status_ms = 500;
    let node = Node::start(settings).await;
    let mut raw = Raw::dial(&node.address, &Keypair::generate_ed25519(), Manner::Attentive)
        .await
        .unwrap();
    for kind in Kind::ALL {
        let name = GENESIS.protocol(kind).as_ref().replace("/1", "/2");
        assert_ne!(name, GENESIS.protocol(kind).as_ref());
        assert!(raw.open(&name).await.is_err(), "{name}");
    }
    // It never introduces itself in words that the node knows.
    raw.closed().await;
    assert_eq!(node.handle.metrics().close(Closed::Silent).get(), 1);
    assert_eq!(node.handle.metrics().peers.get(), 0);
}

#[tokio::test]
async fn a_stranger_is_not_served_and_not_heard() {
    use futures::AsyncWriteExt;
    use starling_p2p::message::Topic;
    use starling_p2p::metrics::Fate;
    use starling_p2p::request::{Refusal, Request};

    let mut settings = config();
    settings.gossip.held = 2;
    let node = Node::start(settings).await;
    let raw = Raw::dial(&node.address, &Keypair::generate_ed25519(), Manner::Attentive)
        .await
        .unwrap();
    let request = Request::Batch { number: 1 };
    let answer = raw
        .ask(GENESIS.protocol(Kind::Batch).as_ref(), &request.to_bytes())
        .await;
    assert_eq!(answer.unwrap(), [Refusal::Busy as u8]);
    let mut gossip = raw.gossip().await;
    for number in 0..3 {
        let frame = crate::frames::publish(Topic::Blocks, &[number]);
        gossip.write_all(&frame).await.unwrap();
    }
    gossip.flush().await.unwrap();
    // Two are kept for its introduction, the third is not, and those that are kept are not kept for ever.
    let strangers = node.handle.metrics().message(Topic::Blocks, Fate::Stranger);
    until("all are ignored", async || strangers.get() == 3).await;
    assert_eq!(node.handle.metrics().undecided.get(), 0);
}
