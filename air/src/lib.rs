//! The Starling proof.

pub mod definition;
