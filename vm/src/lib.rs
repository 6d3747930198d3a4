//! The Starling machine.

pub mod algebra;
pub mod field;
pub mod poseidon2;
