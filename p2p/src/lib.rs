//! The network: how nodes find each other, pass on what is valid, ask for what they lack, and keep out who misbehaves.
//!
//! libp2p carries it: TCP and QUIC, encryption by noise, gossipsub for messages, request-response for questions, kad for
//! finding peers. This crate decides who may connect, how much each may send, what goes on to others, and what everything costs.
//! It knows the formats of a rollup and nothing of its state: a message that is well formed goes to the node with its
//! [message::MessageId], and moves on only when the node has accepted it with [Handle::report]. Every queue is bounded and says
//! what happens when it is full.
//!
//! ```text
//!  peers ─▶ gate ─▶ introduction ─▶ gossip ─▶ quota ─▶ form ─▶ queue ─▶ Events ─▶ the node
//!                                                                                   │
//!  peers ◀─────────────────────────── gossip ◀── verdict ◀── Handle::report ◀───────┘
//! ```
//!
//! In reading order: [genesis] says which network this is and names everything after it; [status] is what peers tell each
//! other first; [message] is what is gossiped and [request] what is asked; [config] holds every limit with its reason; [network]
//! starts it all; [events] and [handle] are the two ends that the node holds. Inside, `service` is the one task: `peers` is
//! introductions and scores, `gossip` and `sync` are messages and questions, `discovery` looks for others; `gate` and `meter` stand
//! in front of libp2p's parts, which `behaviour` puts together; `bans`, [conduct] and [quota] count. [key] is the node's key
//! file, [metrics] what can be watched. The page is `specs/p2p.md`.
//!
//! What this does not protect from: whoever has many addresses in many networks; someone who watches the lines and sees who
//! was first to send a transaction; and a flood of packets that fills the line before anything here is asked.
//!
//! ```
//! use starling_p2p::message::{Message, Verdict};
//! use starling_p2p::{Config, Event, Genesis, Keypair, Network};
//! use starling_rollup::{address::L1Address, transaction::RollupId};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let rollup = RollupId { chain_id: 31_337, contract: L1Address([0x42; 20]) };
//! let genesis = Genesis { rollup, kernel: [7; 32] };
//! let config = Config { listen: vec!["/ip4/127.0.0.1/tcp/0".parse()?], ..Config::default() };
//! let (alice, mut heard_by_alice) = Network::start(config.clone(), Keypair::generate_ed25519(), genesis).await?;
//! let (bob, mut heard_by_bob) = Network::start(config, Keypair::generate_ed25519(), genesis).await?;
//!
//! bob.dial(alice.addresses().await?[0].clone()).await?;
//! while !matches!(heard_by_alice.next().await, Some(Event::Peer(_))) {}
//! // Bob listens to the topic as soon as he has said so.
//! while alice.publish(Message::Block(b"a block".to_vec())).await.is_err() {
//!     tokio::time::sleep(std::time::Duration::from_millis(50)).await;
//! }
//! loop {
//!     if let Some(Event::Message { id, message: Message::Block(bytes), .. }) = heard_by_bob.next().await {
//!         assert_eq!(bytes, b"a block");
//!         bob.report(id, Verdict::Accept).await?;
//!         break;
//!     }
//! }
//! alice.shutdown().await?;
//! bob.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod address;
mod bans;
mod behaviour;
pub mod check;
mod codec;
pub mod conduct;
pub mod config;
mod discovery;
pub mod events;
mod gate;
pub mod genesis;
mod gossip;
pub mod handle;
pub mod key;
mod limits;
pub mod message;
mod meter;
pub mod metrics;
mod names;
pub mod network;
mod peers;
pub mod quota;
pub mod request;
mod score;
mod service;
pub mod status;
mod sync;
mod tasks;
pub mod wire;

pub use config::Config;
pub use events::{Event, Events};
pub use genesis::Genesis;
pub use handle::Handle;
pub use libp2p::identity::Keypair;
pub use libp2p::{Multiaddr, PeerId};
pub use network::Network;
