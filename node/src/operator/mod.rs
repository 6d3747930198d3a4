//! The operator: orders transactions, seals batches, commits them to L1, proves them, and settles the proofs.

mod building;
pub mod chain;
pub mod fate;
pub mod feed;
pub mod fetch;
pub mod journal;
pub mod neglect;
mod outside;
pub mod process;
pub mod prover;
pub mod proving;
pub mod seeds;
pub mod sequencer;
pub mod settler;
pub mod signing;
mod take_back;
pub mod take_over;
pub mod turns;

use starling_vm::field::Word;

/// A word as hexadecimal digits.
pub fn hex_word(word: &Word) -> String {
    format!("0x{}", crate::l1::hex(&starling_rollup::chain::word_bytes(word)))
}
