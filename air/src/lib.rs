//! The Starling proof.

pub mod adapter;
pub mod blake;
pub mod bus;
pub mod check;
pub mod chips;
pub mod codegen;
pub mod definition;
pub mod degree;
pub mod keccak;
pub mod machine;
pub mod preset;
pub mod prover;
pub mod settlement;
pub mod toy;
pub mod trace;
pub mod verifier;
pub mod wire;
