//! Nodes find each other.

use crate::world::{Node, PATIENCE, config, until};

#[tokio::test]
async fn a_newcomer_finds_the_others_through_one() {
    let mut settings = config();
    settings.discovery.enabled = true;
    settings.discovery.interval_ms = 300;
    let first = Node::start(settings.clone()).await;
    settings.bootstrap = vec![first.address.clone().with_p2p(first.id()).unwrap()];
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(Node::start(settings.clone()).await);
    }
    for node in &others {
        until("everybody knows everybody", async || node.peers().await.len() == 4).await;
    }
    assert_eq!(first.peers().await.len(), 4);
}

#[tokio::test]
async fn a_bootstrap_peer_that_comes_back_is_found_again() {
    let mut settings = config();
    settings.discovery.interval_ms = 300;
    let first = Node::start(settings.clone()).await;
    settings.bootstrap = vec![first.address.clone().with_p2p(first.id()).unwrap()];
    let mut node = Node::start(settings).await;
    node.joined(first.id()).await;
    // Not a ban: the connection just ends.
    let mut again = Node::start(config()).await;
    again.connect(&mut node).await;
    first.handle.shutdown().await.unwrap();
    node.gone(first.id()).await;
    assert_eq!(node.peers().await, [again.id()]);
}

/// A name is resolved when its peer is dialled, and one that has no address keeps nobody from the others.
#[tokio::test]
async fn a_bootstrap_peer_may_have_a_name() {
    let mut settings = config();
    settings.discovery.interval_ms = 300;
    let first = Node::start(settings.clone()).await;
    let port = first.address.iter().nth(1).unwrap();
    let stranger = starling_p2p::Keypair::generate_ed25519().public().to_peer_id();
    let named = |name: &str, id| format!("{name}{}/p2p/{id}", starling_p2p::Multiaddr::empty().with(port.clone()));
    // A label has 63 characters at most: no resolver has this one.
    let nowhere = format!("/dns4/{}.invalid", "a".repeat(64));
    settings.bootstrap = [nowhere.as_str(), "/dns4/localhost"]
        .into_iter()
        .zip([stranger, first.id()])
        .map(|(name, id)| named(name, id).parse().unwrap())
        .collect();
    let mut node = Node::start(settings).await;
    node.joined(first.id()).await;
    // Whoever is there under the name is dialled, and is nobody if it cannot show the key.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut wrong = config();
    let port = listener.local_addr().unwrap().port();
    let stranger = format!("/dns4/localhost/tcp/{port}/p2p/{stranger}");
    wrong.bootstrap = vec![stranger.parse().unwrap()];
    let wrong = Node::start(wrong).await;
    let dialled = tokio::time::timeout(PATIENCE, listener.accept()).await;
    drop(dialled.unwrap().unwrap());
    assert!(wrong.peers().await.is_empty());
}

#[tokio::test]
async fn private_addresses_are_not_believed_on_the_open_network() {
    let mut settings = config();
    settings.discovery.enabled = true;
    settings.discovery.interval_ms = 200;
    settings.discovery.private = false;
    let mut hub = Node::start(settings.clone()).await;
    let mut one = Node::start(settings.clone()).await;
    let mut two = Node::start(settings).await;
    one.connect(&mut hub).await;
    two.connect(&mut hub).await;
    // Time for a few looks; there is nothing else to wait for.
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    assert_eq!(one.peers().await, [hub.id()]);
    assert_eq!(two.peers().await, [hub.id()]);
}
