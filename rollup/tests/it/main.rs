//! Integration tests of the protocol, one binary so that it links once.
//!
//! Counts are those of a quick run; `STARLING_SOAK=1` multiplies them by ten.
#![allow(missing_docs)]

mod address;
mod attack;
mod checks;
mod contract;
mod differential;
mod envelope;
#[path = "../../../air/tests/it/evm.rs"]
mod evm;
mod forge;
mod kernel;
mod keyfile;
mod lies;
mod proof;
mod record;
mod schedule;
mod settlement;
mod spec;
mod transaction;
mod tree;
mod truths;
mod walk_lies;
mod wallet;
mod world;

/// How often to try something: `count`, or ten times as often when `STARLING_SOAK` is set.
fn soak(count: usize) -> usize {
    match std::env::var_os("STARLING_SOAK") {
        Some(_) => 10 * count,
        None => count,
    }
}
