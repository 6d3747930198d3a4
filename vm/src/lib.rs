//! The Starling machine.

pub mod algebra;
pub mod ecgfp5;
pub mod field;
pub mod poseidon2;
pub mod schnorr;
