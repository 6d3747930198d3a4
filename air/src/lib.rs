//! The Starling proof.

pub mod bus;
pub mod check;
pub mod chips;
pub mod definition;
pub mod degree;
pub mod machine;
pub mod trace;
