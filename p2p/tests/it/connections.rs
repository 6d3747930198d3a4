//! Who may connect, how often and from where.

use starling_p2p::metrics::Closed;
use starling_p2p::quota::Rate;
use starling_p2p::{Keypair, Multiaddr};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::raw::{Manner, Raw};
use crate::world::{Node, config, until};

/// Joins with new identities; those that got in.
async fn crowd(address: &Multiaddr, size: usize) -> Vec<Raw> {
    let mut inside = Vec::new();
    for _ in 0..size {
        if let Ok(raw) = Raw::join_as(address, &Keypair::generate_ed25519(), Manner::Attentive).await {
            inside.push(raw);
        }
    }
    inside
}

#[tokio::test]
async fn an_address_has_its_number_of_connections() {
    let mut settings = config();
    settings.connections.per_address = 3;
    let node = Node::start(settings).await;
    let mut inside = crowd(&node.address, 10).await;
    assert_eq!(inside.len(), 3);
    assert_eq!(node.handle.metrics().peers.get(), 3);
    assert_eq!(node.handle.metrics().close(Closed::Limit).get(), 7);
    // A place is given back.
    inside.pop();
    until("a place is free", async || node.handle.metrics().peers.get() == 2).await;
    assert_eq!(crowd(&node.address, 1).await.len(), 1);
}

#[tokio::test]
async fn an_address_may_not_knock_too_often() {
    let mut settings = config();
    settings.connections.per_address_rate = Rate::new(0.001, 4);
    let node = Node::start(settings).await;
    for _ in 0..4 {
        // Each leaves at once, so that it is not their number that counts.
        assert_eq!(crowd(&node.address, 1).await.len(), 1);
        until("it has left", async || node.handle.metrics().peers.get() == 0).await;
    }
    assert_eq!(crowd(&node.address, 3).await.len(), 0);
    assert_eq!(node.handle.metrics().close(Closed::Limit).get(), 3);
}

#[tokio::test]
async fn handshakes_that_never_end_hold_few_places_and_not_for_long() {
    let mut settings = config();
    settings.connections.pending_inbound = 3;
    settings.connections.handshake_ms = 2_000;
    let node = Node::start(settings).await;
    let port = node.address.iter().nth(1).unwrap();
    let libp2p::multiaddr::Protocol::Tcp(port) = port else {
        panic!("{port}");
    };
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(("127.0.0.1", port)).await.unwrap());
    }
    let refused = node.handle.metrics().close(Closed::Limit);
    until("half are refused", async || refused.get() == 3).await;
    // The others are given up: every socket sees its end.
    for mut socket in silent {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(crate::world::PATIENCE, socket.read_to_end(&mut rest));
        let _ = ended.await.expect("the socket stays open");
    }
    assert_eq!(crowd(&node.address, 1).await.len(), 1);
}

#[tokio::test]
async fn others_cannot_take_the_places_that_we_dial_from() {
    let mut settings = config();
    settings.connections.inbound = 2;
    settings.connections.outbound = 1;
    settings.discovery.outbound_target = 1;
    let mut node = Node::start(settings).await;
    let inside = crowd(&node.address, 5).await;
    assert_eq!(inside.len(), 2);
    let mut other = Node::start(config()).await;
    node.connect(&mut other).await;
    assert_eq!(node.handle.metrics().peers.get(), 3);
}

#[tokio::test]
async fn one_peer_has_two_connections_at_most() {
    let node = Node::start(config()).await;
    let key = Keypair::generate_ed25519();
    let mut inside = Vec::new();
    for _ in 0..4 {
        inside.extend(Raw::join_as(&node.address, &key, Manner::Attentive).await.ok());
    }
    assert_eq!(inside.len(), 2);
    assert_eq!(node.handle.metrics().close(Closed::Limit).get(), 2);
}

#[tokio::test]
async fn lists_decide_first() {
    let [friend, stranger] = [(); 2].map(|()| Keypair::generate_ed25519());
    let mut private = config();
    private.allow = vec![friend.public().to_peer_id()];
    let mut open = config();
    open.block = vec![stranger.public().to_peer_id()];
    for settings in [private, open] {
        let node = Node::start(settings).await;
        assert!(Raw::join_as(&node.address, &stranger, Manner::Attentive).await.is_err());
        Raw::join_as(&node.address, &friend, Manner::Attentive).await.unwrap();
        assert_eq!(node.handle.metrics().close(Closed::Banned).get(), 1);
    }
}
