//! The Starling proof.

pub mod adapter;
pub mod blake;
pub mod bus;
pub mod check;
pub mod chips;
pub mod codegen;
pub mod commitment;
pub mod cubic;
pub mod definition;
pub mod degree;
pub mod evaluator;
pub mod keccak;
pub mod lanes;
pub mod machine;
mod pages;
pub mod preset;
pub mod prover;
pub mod segment;
pub mod tape;
pub mod toy;
pub mod trace;
pub mod transform;
pub mod tree;
pub mod verifier;
pub mod wire;
