//! Questions and answers.

use starling_p2p::Event;
use starling_p2p::events::Responder;
use starling_p2p::handle::{RequestError, RespondError};
use starling_p2p::metrics::Served;
use starling_p2p::request::{Kind, Refusal, Request, Response, StateAt};
use tokio::task::JoinHandle;

use crate::raw::{Manner, Raw};
use crate::world::{GENESIS, Node, config, until};

const QUESTIONS: [Request; 5] = [
    Request::BlocksByRange { first: 5, count: 3 },
    Request::Batch { number: 7 },
    Request::Proof {
        first: u64::MAX,
        last: 1,
    },
    Request::Account {
        index: 9,
        at: StateAt::Committed,
    },
    Request::Operation { batch: 3, position: 4 },
];

/// What a node that has everything answers.
fn answer(request: &Request) -> Response {
    match request {
        Request::BlocksByRange { first, count } => Response::Blocks(
            (0..*count)
                .map(|n| format!("block {}", first + u64::from(n)).into())
                .collect(),
        ),
        Request::Proof { .. } => Response::Found(vec![3; 1024 * 1024]),
        other => Response::Found(format!("{other:?}").into_bytes()),
    }
}

async fn pair() -> (Node, Node) {
    let mut one = Node::start(config()).await;
    let mut two = Node::start(config()).await;
    one.connect(&mut two).await;
    (one, two)
}

impl Node {
    async fn question(&mut self) -> (Request, Responder) {
        self.wait(|event| match event {
            Event::Request { request, responder, .. } => Some((request, responder)),
            _ => None,
        })
        .await
    }

    /// A node that answers every question.
    fn answering(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Some(event) = self.events.next().await {
                if let Event::Request { request, responder, .. } = event {
                    self.handle.respond(responder, answer(&request)).await.unwrap();
                }
            }
        })
    }
}

#[tokio::test]
async fn every_kind_is_asked_and_answered() {
    let (one, two) = pair().await;
    let peer = two.id();
    let server = two.answering();
    for question in QUESTIONS {
        assert_eq!(one.handle.request(peer, question).await.unwrap(), answer(&question));
    }
    server.abort();
}

#[tokio::test]
async fn a_refusal_says_why() {
    let (one, mut two) = pair().await;
    let peer = two.id();
    for refusal in [Refusal::Unknown, Refusal::Busy] {
        let asking = {
            let handle = one.handle.clone();
            tokio::spawn(async move { handle.request(peer, QUESTIONS[1]).await })
        };
        let (question, responder) = two.question().await;
        assert_eq!(question, QUESTIONS[1]);
        two.handle.respond(responder, Response::Refused(refusal)).await.unwrap();
        let error = asking.await.unwrap().unwrap_err();
        assert_eq!(error, RequestError::Refused { peer, refusal });
    }
    assert_eq!(one.score(peer).await, 0.0, "a refusal is no offence");
}

#[tokio::test]
async fn an_answer_must_fit_the_question_and_its_limit() {
    let (one, mut two) = pair().await;
    let peer = two.id();
    let misfits = [
        (QUESTIONS[0], Response::Found(vec![1])),
        (QUESTIONS[0], Response::Blocks(vec![])),
        (QUESTIONS[0], Response::Blocks(vec![vec![1]; 65])),
        (QUESTIONS[1], Response::Blocks(vec![vec![1]])),
    ];
    for (question, misfit) in misfits {
        let handle = one.handle.clone();
        let asking = tokio::spawn(async move { handle.request(peer, question).await });
        let (_, responder) = two.question().await;
        let outcome = two.handle.respond(responder, misfit).await;
        assert_eq!(outcome, Err(RespondError::Misfit));
        // The way back was given up with it.
        let error = asking.await.unwrap().unwrap_err();
        assert!(matches!(error, RequestError::Failed { .. }), "{error}");
    }
    let handle = one.handle.clone();
    let asking = tokio::spawn(async move { handle.request(peer, QUESTIONS[3]).await });
    let (_, responder) = two.question().await;
    let limit = config().sync.state_bytes;
    let outcome = two.handle.respond(responder, Response::Found(vec![0; limit])).await;
    let found = limit + 1;
    assert_eq!(outcome, Err(RespondError::TooLarge { limit, found }));
    assert!(asking.await.unwrap().is_err());
}

#[tokio::test]
async fn any_peer_will_do_and_the_next_is_asked_when_one_fails() {
    let mut one = Node::start(config()).await;
    let mut poor = Node::start(config()).await;
    let mut rich = Node::start(config()).await;
    let nobody = one.handle.request_any(QUESTIONS[1]).await;
    assert_eq!(nobody, Err(RequestError::NoPeers { last: None }));
    one.connect(&mut poor).await;
    one.connect(&mut rich).await;
    let (rich_id, server) = (rich.id(), rich.answering());
    let poor = tokio::spawn(async move {
        loop {
            let (_, responder) = poor.question().await;
            drop(responder);
        }
    });
    for _ in 0..4 {
        let (peer, response) = one.handle.request_any(QUESTIONS[1]).await.unwrap();
        assert_eq!((peer, response), (rich_id, answer(&QUESTIONS[1])));
    }
    server.abort();
    poor.abort();
}

#[tokio::test]
async fn we_stop_before_others_must_stop_us() {
    let (one, two) = pair().await;
    let (peer, requests) = (two.id(), two.handle.metrics().clone());
    let server = two.answering();
    let mut answered = 0;
    let error = loop {
        match one.handle.request(peer, QUESTIONS[2]).await {
            Ok(_) => answered += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, RequestError::OverQuota { .. }), "{error}");
    assert!(answered > 0 && answered <= config().quotas.proof_requests.burst);
    assert_eq!(requests.request(Kind::Proof, Served::OverQuota).get(), 0);
    server.abort();
}

#[tokio::test]
async fn a_peer_that_is_not_there_is_not_asked() {
    let one = Node::start(config()).await;
    let peer = starling_p2p::PeerId::random();
    let error = one.handle.request(peer, QUESTIONS[1]).await.unwrap_err();
    assert_eq!(error, RequestError::NotConnected(peer));
}

#[tokio::test]
async fn malformed_questions_are_not_answered_and_cost() {
    let node = Node::start(config()).await;
    let raw = Raw::join(&node.address, Manner::Attentive).await;
    let protocol = GENESIS.protocol(Kind::Account);
    let good = QUESTIONS[3].to_bytes();
    let malformed = [
        // No such state; a byte too few; a byte too many.
        [&good[..4], &[3]].concat(),
        good[..4].to_vec(),
        [&good[..], &[0]].concat(),
        // More than any question.
        vec![0; 100],
    ];
    let counter = node.handle.metrics().request(Kind::Account, Served::Malformed);
    for (number, question) in malformed.iter().enumerate() {
        assert!(raw.ask(protocol.as_ref(), question).await.is_err(), "{number}");
        until("it is counted", async || counter.get() == number as u64 + 1).await;
    }
    let score = node.score(raw.id).await;
    assert!((-40.0..-35.0).contains(&score), "{score}");
}

#[tokio::test]
async fn a_busy_node_says_so() {
    let mut settings = config();
    settings.sync.serving_peer = 2;
    let mut node = Node::start(settings).await;
    let mut other = Node::start(config()).await;
    other.connect(&mut node).await;
    let peer = node.id();
    let ask = || {
        let handle = other.handle.clone();
        tokio::spawn(async move { handle.request(peer, QUESTIONS[1]).await })
    };
    let (first, second) = (ask(), ask());
    let (_, one) = node.question().await;
    let (_, two) = node.question().await;
    let refusal = Refusal::Busy;
    let third = ask().await.unwrap();
    assert_eq!(third, Err(RequestError::Refused { peer, refusal }));
    for responder in [one, two] {
        node.handle.respond(responder, answer(&QUESTIONS[1])).await.unwrap();
    }
    assert!(first.await.unwrap().is_ok() && second.await.unwrap().is_ok());
    assert!(ask_after(&other, &mut node).await.is_ok(), "places are given back");
}

#[tokio::test]
async fn a_crowd_at_one_address_leaves_the_others_their_places() {
    let mut settings = config();
    settings.sync.serving_peer = 2;
    settings.sync.serving_address = 3;
    let mut node = Node::start(settings).await;
    let mut crowd = [Node::start(config()).await, Node::start(config()).await];
    let mut elsewhere = config();
    elsewhere.listen = vec!["/ip4/127.0.0.2/tcp/0".parse().unwrap()];
    let mut other = Node::start(elsewhere).await;
    for asker in &mut crowd {
        asker.connect(&mut node).await;
    }
    node.connect(&mut other).await;
    let peer = node.id();
    let ask = |asker: &Node| {
        let handle = asker.handle.clone();
        tokio::spawn(async move { handle.request(peer, QUESTIONS[1]).await })
    };
    let mut asked = Vec::new();
    let mut open = Vec::new();
    for asker in [&crowd[0], &crowd[0], &crowd[1]] {
        asked.push(ask(asker));
        open.push(node.question().await.1);
    }
    // It has a place left of its own, but its address has none.
    let refusal = Refusal::Busy;
    let refused = ask(&crowd[1]).await.unwrap();
    assert_eq!(refused, Err(RequestError::Refused { peer, refusal }));
    asked.push(ask(&other));
    open.push(node.question().await.1);
    for responder in open {
        node.handle.respond(responder, answer(&QUESTIONS[1])).await.unwrap();
    }
    for answered in asked {
        assert!(answered.await.unwrap().is_ok());
    }
    assert!(ask_after(&crowd[1], &mut node).await.is_ok(), "places are given back");
}

async fn ask_after(other: &Node, node: &mut Node) -> Result<Response, RequestError> {
    let (handle, peer) = (other.handle.clone(), node.id());
    until("places are given back", async || {
        node.handle.metrics().serving.get() == 0
    })
    .await;
    let asking = tokio::spawn(async move { handle.request(peer, QUESTIONS[1]).await });
    let (_, responder) = node.question().await;
    node.handle.respond(responder, answer(&QUESTIONS[1])).await.unwrap();
    asking.await.unwrap()
}
