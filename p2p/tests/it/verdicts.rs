//! Verdicts: what each does, that there is one for each message, and what happens without one.

use starling_p2p::handle::{PublishError, ReportError};
use starling_p2p::message::{Message, Topic, Verdict};
use starling_p2p::metrics::Fate;

use crate::world::{Node, config, forged, message, until, verdict};

/// A chain of three: near, middle, far.
async fn chain() -> (Node, Node, Node) {
    let mut near = Node::start(config()).await;
    let mut middle = Node::start(config()).await;
    let mut far = Node::start(config()).await;
    near.connect(&mut middle).await;
    far.connect(&mut middle).await;
    (near, middle, far)
}

/// Publishes one message, has the middle node judge it, then one that is accepted: whether the far node got the first.
async fn goes_on(first: Message, judged: Verdict) -> (bool, f64) {
    let (near, mut middle, mut far) = chain().await;
    let id = near.publish(first).await;
    middle.judge(judged).await;
    let score = middle.score(near.id()).await;
    let last = near.publish(message(Topic::Blocks, 9)).await;
    middle.judge(Verdict::Accept).await;
    let (heard, ..) = far.message().await;
    assert!(heard == id || heard == last);
    (heard == id, score)
}

#[tokio::test]
async fn accepted_goes_on() {
    assert_eq!(goes_on(message(Topic::Blocks, 1), Verdict::Accept).await, (true, 0.0));
}

#[tokio::test]
async fn ignored_stops_and_costs_nothing() {
    assert_eq!(goes_on(message(Topic::Blocks, 1), Verdict::Ignore).await, (false, 0.0));
}

#[tokio::test]
async fn rejected_stops_and_costs() {
    let forged = Message::Transaction(Box::new(forged(1)));
    let judged = verdict(&forged);
    assert_eq!(judged, Verdict::Reject);
    let (went_on, score) = goes_on(forged, judged).await;
    assert!(!went_on);
    // One invalid transaction, less what was forgotten meanwhile.
    assert!((-5.0..-4.5).contains(&score), "{score}");
}

#[tokio::test]
async fn a_message_has_one_verdict() {
    let (near, mut middle, _far) = chain().await;
    near.publish(message(Topic::Blocks, 1)).await;
    let (id, ..) = middle.message().await;
    middle.handle.report(id, Verdict::Accept).await.unwrap();
    let again = middle.handle.report(id, Verdict::Reject).await;
    assert_eq!(again, Err(ReportError::Decided(id)));
    assert_eq!(middle.score(near.id()).await, 0.0);
    assert_eq!(middle.handle.metrics().late_verdicts.get(), 1);
}

#[tokio::test]
async fn a_message_without_a_verdict_is_ignored() {
    let (near, mut middle, mut far) = chain().await;
    near.publish(message(Topic::Blocks, 1)).await;
    let (id, ..) = middle.message().await;
    let expired = middle.handle.metrics().message(Topic::Blocks, Fate::Expired);
    until("the message has expired", async || expired.get() == 1).await;
    assert_eq!(middle.handle.metrics().undecided.get(), 0);
    let late = middle.handle.report(id, Verdict::Accept).await;
    assert_eq!(late, Err(ReportError::Decided(id)));
    assert_eq!(middle.score(near.id()).await, 0.0);
    let last = near.publish(message(Topic::Blocks, 2)).await;
    middle.judge(Verdict::Accept).await;
    assert_eq!(far.message().await.0, last);
}

#[tokio::test]
async fn what_is_known_is_not_published_again() {
    let (near, mut middle, _far) = chain().await;
    near.publish(message(Topic::Blocks, 1)).await;
    middle.judge(Verdict::Accept).await;
    for node in [&near, &middle] {
        let again = node.handle.publish(message(Topic::Blocks, 1)).await;
        assert_eq!(again, Err(PublishError::Known));
    }
}
