//! The Starling proof.

pub mod adapter;
pub mod bus;
pub mod check;
pub mod chips;
pub mod definition;
pub mod degree;
pub mod keccak;
pub mod machine;
pub mod toy;
pub mod trace;
pub mod wire;
