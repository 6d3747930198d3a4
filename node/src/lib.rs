//! The node: what the `starling` binary is made of. A thin `main` calls [cli::run].
//!
//! In reading order: [store] keeps what must survive a restart, [l1] talks to Ethereum, [mempool] holds transactions until
//! a block takes them, [operator] makes, follows, commits and proves the chain, [block], [gossip] and [batch_body] are what nodes
//! tell each other of it and [network] their talk; [config] is what whoever runs a node sets, [metrics] and [logging] what it sees, [rpc] what
//! users call; [rebuild] and [escape] need nobody but L1; [answers] is what nodes answer each other, [serve] does so, [light] is a node
//! without the state. The pages are `specs/node.md` and `specs/light.md`.

pub mod answers;
pub mod batch_body;
pub mod block;
pub mod cli;
pub mod client;
pub mod config;
pub mod escape;
pub mod gossip;
pub mod interrupt;
pub mod l1;
pub mod light;
pub mod logging;
pub mod mempool;
pub mod metrics;
pub mod network;
pub mod operator;
pub mod rebuild;
pub mod rpc;
pub mod serve;
pub mod store;
