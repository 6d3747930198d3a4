//! Who may connect, how often and from where.

use libp2p::core::Endpoint;
use libp2p::core::transport::{DialOpts, PortUse, Transport};
use libp2p::multiaddr::Protocol;
use libp2p::quic;
use starling_p2p::metrics::Closed;
use starling_p2p::quota::Rate;
use starling_p2p::{Keypair, Multiaddr};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpStream, UdpSocket};

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

/// Begins QUIC handshakes with a node and lets none go on, as somebody does who writes another's address into his packets. The
/// sockets are kept, so that nobody else gets their ports.
async fn forge(node: u16, count: usize) -> Vec<UdpSocket> {
    let mut senders = Vec::new();
    for _ in 0..count {
        let sender = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = sender.local_addr().unwrap().port();
        let key = Keypair::generate_ed25519();
        let mut transport = quic::tokio::Transport::new(quic::Config::new(&key));
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let address = format!("/ip4/127.0.0.1/udp/{port}/quic-v1").parse().unwrap();
        let dialing = tokio::spawn(transport.dial(address, options).unwrap());
        let mut packet = [0; 2_048];
        let (length, _) = sender.recv_from(&mut packet).await.unwrap();
        dialing.abort();
        sender.send_to(&packet[..length], ("127.0.0.1", node)).await.unwrap();
        senders.push(sender);
    }
    senders
}

#[tokio::test]
async fn forged_packets_cost_an_address_nothing_and_leave_tcp_its_places() {
    let mut settings = config();
    settings.listen.push("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap());
    settings.connections.pending_inbound = 3;
    settings.connections.pending_quic = 3;
    settings.connections.per_address = 4;
    settings.connections.per_address_rate = Rate::new(0.0, 4);
    settings.connections.handshake_ms = 60_000;
    let node = Node::start(settings).await;
    let addresses = node.handle.addresses().await.unwrap();
    let quic = addresses.iter().find_map(|address| match address.iter().nth(1) {
        Some(Protocol::Udp(port)) => Some(port),
        _ => None,
    });
    let tcp = |address: &&Multiaddr| matches!(address.iter().nth(1), Some(Protocol::Tcp(_)));
    let tcp = addresses.iter().find(tcp).unwrap();
    let _senders = forge(quic.unwrap(), 8).await;
    let refused = node.handle.metrics().close(Closed::Limit);
    until("the rest is refused", async || refused.get() == 5).await;
    // Whoever is at that address has its connections all the same.
    assert_eq!(crowd(tcp, 6).await.len(), 4);
}

#[tokio::test]
async fn an_address_has_its_number_of_connections() {
    let quic = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
    for listen in [config().listen, vec![quic]] {
        number_of_connections(listen).await;
    }
}

async fn number_of_connections(listen: Vec<Multiaddr>) {
    let mut settings = config();
    settings.listen = listen;
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
    let quic = "/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap();
    for listen in [config().listen, vec![quic]] {
        knocking(listen).await;
    }
}

async fn knocking(listen: Vec<Multiaddr>) {
    let mut settings = config();
    settings.listen = listen;
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
    let Protocol::Tcp(port) = port else {
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
