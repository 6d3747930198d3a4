//! The Starling machine.

pub mod algebra;
pub mod asm;
pub mod ecgfp5;
pub mod executor;
pub mod field;
pub mod hint;
pub mod isa;
pub mod memory;
pub mod poseidon2;
pub mod program;
pub mod schnorr;
pub mod stdlib;
pub mod trap;
