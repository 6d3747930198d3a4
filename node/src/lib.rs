//! The node: what the `starling` binary is made of. A thin `main` calls [cli::run].
//!
//! In reading order: [store] keeps what must survive a restart, [l1] talks to Ethereum, [mempool] holds transactions until
//! a batch takes them, [config] is what an operator sets, [metrics] and [logging] what it sees, [rpc] what users call; [rebuild] and
//! [escape] need nobody but L1; [answers] is what nodes answer each other, [light] a node without the state. The pages are
//! `specs/node.md` and `specs/light.md`.

pub mod answers;
pub mod cli;
pub mod client;
pub mod config;
pub mod escape;
pub mod l1;
pub mod light;
pub mod logging;
pub mod mempool;
pub mod metrics;
pub mod operator;
pub mod rebuild;
pub mod rpc;
pub mod store;
