//! Nodes for tests, and what stands for the node behind them.

use std::sync::Arc;
use std::time::Duration;

use starling_p2p::events::PeerInfo;
use starling_p2p::handle::PublishError;
use starling_p2p::message::{Decode, DecodeError, Message, MessageId, Opaque, Topic, Verdict};
use starling_p2p::{Config, Event, Events, Genesis, Handle, Keypair, Multiaddr, Network, PeerId};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;
use tokio::time::{sleep, timeout};

/// How long anything may take. Nothing is asserted about time: this only ends a test that would wait for ever.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const GENESIS: Genesis = Genesis {
    rollup: RollupId {
        chain_id: 31_337,
        contract: L1Address([0x42; 20]),
    },
    kernel: [7; 32],
};

/// Settings for many nodes at one address that do not look for each other.
pub(crate) fn config() -> Config {
    let mut config = Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
        ..Config::default()
    };
    config.connections.per_address = 100;
    config.connections.per_address_rate.burst = 1_000;
    config.sync.serving_address = config.sync.serving;
    config.discovery.enabled = false;
    config.discovery.private = true;
    config.gossip.heartbeat_ms = 300;
    config.gossip.verdict_ms = 2_000;
    config.bans.look_ms = 100;
    config
}

pub(crate) struct Node {
    pub(crate) handle: Handle,
    pub(crate) events: Events,
    pub(crate) address: Multiaddr,
}

impl Node {
    pub(crate) async fn start(config: Config) -> Self {
        Self::start_with(config, GENESIS, Arc::new(Opaque)).await
    }

    pub(crate) async fn start_with(config: Config, genesis: Genesis, decoder: Arc<dyn Decode>) -> Self {
        let (handle, events) = Network::builder(config, Keypair::generate_ed25519(), genesis)
            .decoder(decoder)
            .start()
            .await
            .unwrap();
        let address = handle.addresses().await.unwrap().swap_remove(0);
        Self {
            handle,
            events,
            address,
        }
    }

    pub(crate) fn id(&self) -> PeerId {
        self.handle.peer_id()
    }

    /// Connects, and waits until both have been introduced.
    pub(crate) async fn connect(&mut self, other: &mut Self) {
        self.handle.dial(other.address.clone()).await.unwrap();
        self.joined(other.id()).await;
        other.joined(self.id()).await;
    }

    /// Waits for an event; others are dropped.
    pub(crate) async fn wait<T>(&mut self, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
        let search = async {
            loop {
                let event = self.events.next().await.expect("the network has ended");
                if let Some(found) = wanted(event) {
                    return found;
                }
            }
        };
        timeout(PATIENCE, search).await.expect("the event does not come")
    }

    pub(crate) async fn joined(&mut self, peer: PeerId) -> PeerInfo {
        self.wait(|event| match event {
            Event::Peer(info) if info.peer == peer => Some(*info),
            _ => None,
        })
        .await
    }

    pub(crate) async fn gone(&mut self, peer: PeerId) {
        self.wait(|event| matches!(event, Event::Gone(gone) if gone == peer).then_some(()))
            .await;
    }

    pub(crate) async fn message(&mut self) -> (MessageId, PeerId, Message) {
        self.wait(|event| match event {
            Event::Message { id, from, message } => Some((id, from, message)),
            _ => None,
        })
        .await
    }

    /// Waits for a message and gives a verdict.
    pub(crate) async fn judge(&mut self, verdict: Verdict) -> Message {
        let (id, _, message) = self.message().await;
        self.handle.report(id, verdict).await.unwrap();
        message
    }

    /// Publishes as soon as somebody listens.
    pub(crate) async fn publish(&self, message: Message) -> MessageId {
        let search = async {
            loop {
                match self.handle.publish(message.clone()).await {
                    Err(PublishError::NoPeers { .. }) => sleep(Duration::from_millis(20)).await,
                    other => return other.unwrap(),
                }
            }
        };
        timeout(PATIENCE, search).await.expect("nobody listens")
    }

    pub(crate) async fn score(&self, peer: PeerId) -> f64 {
        let peers = self.handle.peers().await.unwrap();
        peers
            .iter()
            .find(|info| info.peer == peer)
            .expect("not connected")
            .score
    }

    pub(crate) async fn peers(&self) -> Vec<PeerId> {
        let peers = self.handle.peers().await.unwrap();
        peers.iter().map(|info| info.peer).collect()
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let search = async {
        while !holds().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, search)
        .await
        .unwrap_or_else(|_| panic!("it never holds: {what}"));
}

// MESSAGES
// ================================================================================================================

pub(crate) fn transaction(nonce: u32) -> SignedTransaction {
    let address = Address::new(SecretKey::derive(b"recipient").public_key(), L1Address([7; 20]));
    let transaction = Transaction {
        from: 7,
        nonce,
        fee: 1,
        operation: Operation::Transfer {
            to: 9,
            address,
            amount: 5,
        },
    };
    let key = SecretKey::derive(b"sender");
    transaction.sign(&GENESIS.rollup.word(), &key, L1Address([3; 20]))
}

/// Well formed, and signed for another nonce.
pub(crate) fn forged(nonce: u32) -> SignedTransaction {
    let mut forged = transaction(nonce);
    forged.signature = transaction(nonce + 1_000_000).signature;
    forged
}

pub(crate) fn message(topic: Topic, number: u32) -> Message {
    let bytes = format!("{} {number}", topic.name()).into_bytes();
    match topic {
        Topic::Transactions => Message::Transaction(Box::new(transaction(number))),
        Topic::Blocks => Message::Block(bytes),
        Topic::Evidence => Message::Evidence(bytes),
        Topic::Proofs => Message::Proof(bytes),
    }
}

/// What a node says of a transaction before it looks at its state.
pub(crate) fn verdict(message: &Message) -> Verdict {
    match message {
        Message::Transaction(transaction) => match transaction.verify(&GENESIS.rollup.word()) {
            Ok(()) => Verdict::Accept,
            Err(_) => Verdict::Reject,
        },
        _ => Verdict::Accept,
    }
}

/// Knows a format: the topic's name, a space, a number.
pub(crate) struct Strict;

impl Decode for Strict {
    fn check(&self, topic: Topic, bytes: &[u8]) -> Result<(), DecodeError> {
        let refused = || DecodeError::Refused("not a test's message".to_owned());
        let text = std::str::from_utf8(bytes).map_err(|_| refused())?;
        let number = text.strip_prefix(topic.name()).and_then(|rest| rest.strip_prefix(' '));
        number
            .and_then(|number| number.parse::<u32>().ok())
            .map(|_| ())
            .ok_or_else(refused)
    }
}
