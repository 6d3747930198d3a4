//! Peers that are no nodes: one that makes up a leader's blocks, one that answers nothing.

use std::sync::{Arc, Mutex};

use starling_node::block::{Block, MAX_INDEX, Opening};
use starling_node::l1::L1;
use starling_node::l1::deploy::Parameters;
use starling_node::l1::staking::Staking;
use starling_node::rpc::Stage;
use starling_p2p::events::Responder;
use starling_p2p::message::{Message, Verdict};
use starling_p2p::request::{Refusal, Request, Response};
use starling_p2p::status::{Head, Heads};
use starling_p2p::{Config, Event, Genesis, Handle, Keypair, Network};
use starling_rollup::chain::word_bytes;
use starling_rollup::envelope::TransactionId;
use starling_rollup::kernel;

use crate::cluster::{Cluster, Node};
use crate::history::History;

/// A peer that a test has the word of.
pub(crate) struct Stranger {
    pub(crate) handle: Handle,
    pub(crate) address: String,
    /// The block that it shows, and how often it was asked for blocks.
    shows: Arc<Mutex<(Option<Block>, usize)>>,
    heard: Arc<Mutex<Vec<Message>>>,
}

impl Stranger {
    /// One that says it has blocks which nobody has, and shows one of them if it has one; with `silent` it never answers anything.
    pub(crate) async fn start(cluster: &Cluster, silent: bool) -> Self {
        let mut config = Config {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            ..Config::default()
        };
        config.discovery.enabled = false;
        // Nodes dial it; of other strangers it knows nothing.
        (config.discovery.outbound_target, config.connections.outbound) = (0, 0);
        config.discovery.private = true;
        config.connections.refresh_ms = 1_000;
        // It does not give up on a question of its own accord either.
        config.sync.timeout_ms = 3_600_000;
        let genesis = Genesis {
            rollup: cluster.rollup(),
            kernel: word_bytes(&kernel::program().hash()),
        };
        let (handle, mut events) = Network::start(config, Keypair::generate_ed25519(), genesis)
            .await
            .unwrap();
        let soft = Head {
            number: 1_000 * MAX_INDEX,
            digest: [9; 32],
        };
        let heads = Heads {
            soft,
            ..Heads::default()
        };
        handle.set_heads(heads).await.unwrap();
        let address = handle.addresses().await.unwrap().swap_remove(0);
        let address = address.with_p2p(handle.peer_id()).unwrap().to_string();
        let shows: Arc<Mutex<(Option<Block>, usize)>> = Arc::default();
        let heard: Arc<Mutex<Vec<Message>>> = Arc::default();
        let (server, shown, hears) = (handle.clone(), shows.clone(), heard.clone());
        tokio::spawn(async move {
            let mut unanswered: Vec<Responder> = Vec::new();
            while let Some(event) = events.next().await {
                let (request, responder) = match event {
                    Event::Request { request, responder, .. } => (request, responder),
                    Event::Message { id, message, .. } => {
                        hears.lock().unwrap().push(message);
                        let _ = server.report(id, Verdict::Ignore).await;
                        continue;
                    }
                    Event::Peer(_) | Event::Gone(_) => continue,
                };
                if silent {
                    unanswered.push(responder);
                    continue;
                }
                let response = match (&mut *shown.lock().unwrap(), request) {
                    ((Some(block), asked), Request::BlocksByRange { .. }) => {
                        *asked += 1;
                        Response::Blocks(vec![block.to_bytes()])
                    }
                    _ => Response::Refused(Refusal::Unknown),
                };
                // Whoever asked may be gone.
                let _ = server.respond(responder, response).await;
            }
        });
        Self {
            handle,
            address,
            shows,
            heard,
        }
    }

    /// Whether a message has come.
    pub(crate) fn heard(&self, message: &Message) -> bool {
        let bytes = message.to_bytes();
        let heard = self.heard.lock().unwrap();
        heard
            .iter()
            .any(|heard| heard.topic() == message.topic() && heard.to_bytes() == bytes)
    }

    fn show(&self, block: Block) {
        *self.shows.lock().unwrap() = (Some(block), 0);
    }

    fn asked(&self) -> usize {
        self.shows.lock().unwrap().1
    }
}

/// Whoever was a validator once could sign for slots that are over, if its signature were enough.
#[tokio::test(flavor = "multi_thread")]
async fn blocks_that_are_asked_for_are_of_those_who_built_their_slots() {
    let cluster = Cluster::new(2, &Parameters::patient()).await;
    let mut author = History::begin(&cluster, "author").await;
    author.at_pace().await;
    let stranger = Stranger::start(&cluster, false).await;
    let full = cluster.node("full", "full", None, std::slice::from_ref(&stranger.address));
    let number = author.seal_alone().await;
    let (sealed, parent) = author.sealed(number).await;
    let mut header = sealed.headers(parent).unwrap()[0];
    let staking = Staking::new(&cluster.l1, cluster.deployment.staking);
    let clock = staking.constants().await.unwrap().clock;
    let now = async || clock.slot_at(cluster.l1.head().await.unwrap().timestamp);
    cluster
        .until("some slots are over", &[&full], async || now().await > 8)
        .await;
    // No set counts yet: the validators in office build in turn, in the order of their leaves.
    header.slot = now().await - 4;
    header.slot += header.slot % 2;
    let block = |key: usize| Block {
        signed: header
            .sign(&cluster.rollup(), &cluster.chain.key(key).unwrap())
            .unwrap(),
        opening: Some(Opening {
            entries: 0,
            fee_account: sealed.data().fee_account,
        }),
        transactions: sealed.transactions().to_vec(),
    };
    let paid = &sealed.transactions()[0].transaction;
    let id = TransactionId::new(paid, &cluster.rollup().word()).to_string();
    stranger.show(block(1));
    cluster
        .until("the node has asked, and asks again", &[&full], async || {
            assert_eq!(
                full.stage(&id).await,
                Stage::Unknown,
                "the other validator built that slot"
            );
            stranger.asked() >= 3
        })
        .await;
    assert_eq!(full.stage(&id).await, Stage::Unknown);
    stranger.show(block(0));
    cluster
        .until("the builder's own block is taken", &[&full], async || {
            full.stage(&id).await == Stage::Soft
        })
        .await;
    stranger.handle.shutdown().await.unwrap();
}

/// Signatures are waited for, not those who were asked for them.
#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_answers_nothing_does_not_lengthen_the_wait() {
    let cluster = Cluster::new(2, &Parameters::patient()).await;
    let mut withholder = History::begin(&cluster, "withholder").await;
    withholder.prove().await;
    withholder.at_pace().await;
    let stranger = Stranger::start(&cluster, true).await;
    // No question of the node's ends before the test does.
    let instead = [("[p2p.discovery]", "[p2p.sync]\ntimeout_ms = 3600000\n[p2p.discovery]")];
    let honest: Node = cluster.node_with(
        "honest",
        "operator",
        Some(1),
        std::slice::from_ref(&stranger.address),
        &instead,
    );
    cluster
        .until("they know each other", &[&honest], async || {
            stranger.handle.peers().await.is_ok_and(|peers| !peers.is_empty()) && honest.status().await.sealed == 1
        })
        .await;
    withholder.commit(1).await;
    cluster
        .until("the batch is taken over", &[&honest], async || {
            let status = honest.status().await;
            (status.sealed, status.unverified) == (2, Some(2))
        })
        .await;
    stranger.handle.shutdown().await.unwrap();
}
