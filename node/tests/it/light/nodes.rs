//! Nodes that serve what a scene has, honestly or not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use starling_node::light::Settings;
use starling_p2p::events::Responder;
use starling_p2p::message::Verdict;
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::status::{Head, Heads};
use starling_p2p::{Config, Event, Handle, Keypair, Multiaddr, Network, PeerId};
use tokio::time::{sleep, timeout};

use super::scene::Scene;
use crate::world::PATIENCE;

/// Question and honest answer to the answer that is given.
type Change = dyn Fn(&Request, Vec<u8>) -> Vec<u8> + Send + Sync;

/// What a node makes of the honest answer to a question.
#[derive(Clone)]
pub(crate) struct Lie(Arc<Change>);

impl Lie {
    pub(crate) fn new(lie: impl Fn(&Request, Vec<u8>) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lie))
    }

    /// Always the same answer.
    pub(crate) fn says(body: Vec<u8>) -> Self {
        Self::new(move |_, _| body.clone())
    }
}

/// A full node, as far as a light one can see.
pub(crate) struct Node {
    handle: Handle,
    pub(crate) address: Multiaddr,
    asked: Arc<AtomicUsize>,
    heard: Arc<AtomicUsize>,
    closed: Arc<AtomicBool>,
}

impl Node {
    pub(crate) async fn honest(scene: &Scene) -> Self {
        let number = |number| Head {
            number,
            digest: [1; 32],
        };
        let heads = Heads {
            proven: number(scene.proven),
            committed: number(scene.proven + 1),
            soft: number(scene.proven + 2),
        };
        Self::start(scene, heads, Some(Lie::new(|_, honest| honest))).await
    }

    /// A node that says that it is further than everybody.
    pub(crate) async fn liar(scene: &Scene, lie: Lie) -> Self {
        Self::start(scene, Self::far(), Some(lie)).await
    }

    /// The same, and it never answers.
    pub(crate) async fn silent(scene: &Scene) -> Self {
        Self::start(scene, Self::far(), None).await
    }

    fn far() -> Heads {
        let far = Head {
            number: u64::MAX,
            digest: [9; 32],
        };
        Heads {
            proven: far,
            committed: far,
            soft: far,
        }
    }

    async fn start(scene: &Scene, heads: Heads, lie: Option<Lie>) -> Self {
        let mut config = Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            ..Config::default()
        };
        crowded(&mut config);
        let (handle, mut events) = Network::start(config, Keypair::generate_ed25519(), scene.genesis())
            .await
            .unwrap();
        handle.set_heads(heads).await.unwrap();
        let address = handle.addresses().await.unwrap().swap_remove(0);
        let address = address.with_p2p(handle.peer_id()).unwrap();
        let (asked, heard) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let closed: Arc<AtomicBool> = Arc::default();
        let ignorant = closed.clone();
        let (bodies, server, questions, messages) = (scene.bodies(), handle.clone(), asked.clone(), heard.clone());
        tokio::spawn(async move {
            let mut unanswered: Vec<Responder> = Vec::new();
            while let Some(event) = events.next().await {
                match event {
                    Event::Request { request, responder, .. } => {
                        questions.fetch_add(1, Ordering::Relaxed);
                        let Some(lie) = &lie else {
                            unanswered.push(responder);
                            continue;
                        };
                        let response = match bodies.body(&request) {
                            Some(body) if !ignorant.load(Ordering::Relaxed) => Response::Found((lie.0)(&request, body)),
                            _ => Response::Refused(Refusal::Unknown),
                        };
                        // Whoever asked may be gone.
                        let _ = server.respond(responder, response).await;
                    }
                    Event::Message { id, .. } => {
                        messages.fetch_add(1, Ordering::Relaxed);
                        let _ = server.report(id, Verdict::Accept).await;
                    }
                    Event::Peer(_) | Event::Gone(_) => {}
                }
            }
        });
        Self {
            handle,
            address,
            asked,
            heard,
            closed,
        }
    }

    /// Whether it says that it knows nothing.
    pub(crate) fn close(&self, closed: bool) {
        self.closed.store(closed, Ordering::Relaxed);
    }

    pub(crate) fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    /// How many questions came.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// Counts questions anew.
    pub(crate) fn forget(&self) {
        self.asked.store(0, Ordering::Relaxed);
    }

    /// How many messages came.
    pub(crate) fn heard(&self) -> usize {
        self.heard.load(Ordering::Relaxed)
    }
}

/// Many nodes at one address that do not look for each other.
fn crowded(config: &mut Config) {
    config.connections.per_address = 100;
    config.connections.per_address_rate.burst = 1_000;
    config.sync.serving_address = config.sync.serving;
    config.discovery.enabled = false;
    config.discovery.private = true;
    config.gossip.heartbeat_ms = 300;
    config.gossip.verdict_ms = 2_000;
    config.bans.look_ms = 100;
}

/// Settings of a light node that knows these nodes.
pub(crate) fn settings(scene: &Scene, l1: &[&str], nodes: &[&Node]) -> Settings {
    let l1 = l1.iter().map(|url| (*url).to_owned()).collect();
    let peers = nodes.iter().map(|node| node.address.clone()).collect();
    let mut settings = Settings::new(l1, scene.id().contract, peers);
    crowded(&mut settings.network);
    settings.poll = Duration::from_millis(200);
    settings
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let search = async {
        while !holds().await {
            sleep(Duration::from_millis(30)).await;
        }
    };
    timeout(PATIENCE, search)
        .await
        .unwrap_or_else(|_| panic!("it never holds: {what}"));
}
