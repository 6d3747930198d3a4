//! The end: nothing runs on.

use starling_p2p::handle::Ended;
use starling_p2p::message::Topic;

use crate::raw::{Manner, Raw};
use crate::world::{Node, config, message, until};

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn no_task_outlives_the_network() {
    let before = tasks();
    let mut settings = config();
    settings.listen.push("/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap());
    let mut one = Node::start(settings.clone()).await;
    let mut two = Node::start(settings).await;
    one.connect(&mut two).await;
    one.publish(message(Topic::Blocks, 1)).await;
    two.message().await;
    assert!(tasks() > before);
    one.handle.shutdown().await.unwrap();
    two.gone(one.id()).await;
    two.handle.shutdown().await.unwrap();
    // The task that answered is at its last step.
    until("all tasks have ended", async || tasks() == before).await;
    assert_eq!(one.handle.peers().await, Err(Ended));
    assert_eq!(one.handle.shutdown().await, Err(Ended));
    assert!(one.events.next().await.is_none());
}

#[tokio::test]
async fn a_network_ends_with_its_last_handle() {
    let before = tasks();
    let Node { handle, mut events, .. } = Node::start(config()).await;
    let copy = handle.clone();
    drop(handle);
    assert!(copy.peers().await.is_ok());
    drop(copy);
    while events.next().await.is_some() {}
    until("all tasks have ended", async || tasks() == before).await;
}

#[tokio::test]
async fn a_peer_that_does_not_let_go_cannot_hold_it() {
    let node = Node::start(config()).await;
    let mut raw = Raw::join(&node.address, Manner::Asleep).await;
    node.handle.shutdown().await.unwrap();
    raw.closed().await;
}
