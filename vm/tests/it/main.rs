//! Integration tests of the machine, one binary so that it links once.
#![allow(missing_docs)]

mod asm;
mod ecgfp5;
mod executor;
mod isa;
mod model;
mod poseidon2;
mod schnorr;
mod support;
