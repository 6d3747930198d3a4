//! Integration tests of the binary, one test binary so that it links once.
#![allow(missing_docs)]

mod bare;
mod chain;
mod cluster;
mod commit_encoding;
mod config;
mod devnet;
mod escape;
mod faults;
mod fetch;
mod foreign;
mod history;
mod journal;
mod l1;
mod light;
mod long_form;
mod mempool;
mod metrics;
mod onchain;
mod operator;
mod operators;
mod outside;
mod provers;
mod reorg;
mod rpc;
mod signing;
mod stake;
mod store;
mod subscriptions;
mod sync;
mod taken_back;
mod taken_over;
mod vm;
mod wallet;
mod withheld;
mod world;
