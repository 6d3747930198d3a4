//! Integration tests of the binary, one test binary so that it links once.
#![allow(missing_docs)]

mod bare;
mod config;
mod devnet;
mod faults;
mod journal;
mod l1;
mod mempool;
mod metrics;
mod onchain;
mod operator;
mod rpc;
mod store;
mod vm;
mod wallet;
mod world;
