//! The Starling proof.

pub mod adapter;
pub mod bus;
pub mod codegen;
pub mod definition;
pub mod keccak;
pub mod toy;
pub mod wire;
