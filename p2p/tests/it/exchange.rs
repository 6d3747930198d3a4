//! Honest nodes exchange messages.

use starling_p2p::Config;
use starling_p2p::message::{Topic, Verdict};

use crate::world::{Node, config, message};

async fn every_topic(config: Config) {
    let mut one = Node::start(config.clone()).await;
    let mut two = Node::start(config).await;
    one.connect(&mut two).await;
    for topic in Topic::ALL {
        let sent = message(topic, 1);
        let id = one.publish(sent.clone()).await;
        let (heard, from, got) = two.message().await;
        assert_eq!((heard, from), (id, one.id()));
        assert_eq!(got.topic(), topic);
        assert_eq!(got.to_bytes(), sent.to_bytes());
        two.handle.report(heard, Verdict::Accept).await.unwrap();
        // And the other way, on the same connection.
        two.publish(message(topic, 2)).await;
        assert_eq!(
            one.judge(Verdict::Accept).await.to_bytes(),
            message(topic, 2).to_bytes()
        );
    }
}

#[tokio::test]
async fn every_topic_over_tcp() {
    every_topic(config()).await;
}

#[tokio::test]
async fn every_topic_over_quic() {
    let mut config = config();
    config.listen = vec!["/ip4/127.0.0.1/udp/0/quic-v1".parse().unwrap()];
    every_topic(config).await;
}

#[tokio::test]
async fn nothing_goes_on_before_its_verdict() {
    let mut near = Node::start(config()).await;
    let mut middle = Node::start(config()).await;
    let mut far = Node::start(config()).await;
    near.connect(&mut middle).await;
    far.connect(&mut middle).await;
    near.publish(message(Topic::Blocks, 1)).await;
    let (first, ..) = middle.message().await;
    near.publish(message(Topic::Blocks, 2)).await;
    let (second, ..) = middle.message().await;
    // The second has its verdict first, so it is the first to arrive.
    middle.handle.report(second, Verdict::Accept).await.unwrap();
    let (id, from, _) = far.message().await;
    assert_eq!((id, from), (second, middle.id()));
    middle.handle.report(first, Verdict::Accept).await.unwrap();
    assert_eq!(far.message().await.0, first);
}

#[tokio::test]
async fn a_large_block_fits_and_a_larger_one_is_not_sent() {
    use starling_p2p::handle::PublishError;
    use starling_p2p::message::Message;

    let mut one = Node::start(config()).await;
    let mut two = Node::start(config()).await;
    one.connect(&mut two).await;
    let Err(PublishError::TooLarge { limit, .. }) = one.handle.publish(Message::Block(vec![1; 1 << 20])).await else {
        panic!("a block of a mebibyte is not refused");
    };
    one.publish(Message::Block(vec![1; limit])).await;
    assert_eq!(two.judge(Verdict::Accept).await.to_bytes().len(), limit);
    assert_eq!(two.score(one.id()).await, 0.0);
    let longer = one.handle.publish(Message::Block(vec![1; limit + 1])).await;
    let found = limit + 1;
    assert_eq!(
        longer,
        Err(PublishError::TooLarge {
            topic: Topic::Blocks,
            limit,
            found
        })
    );
}
