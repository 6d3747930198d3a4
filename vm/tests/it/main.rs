//! Integration tests of the machine, one binary so that it links once.
#![allow(missing_docs)]

mod asm;
mod isa;
mod poseidon2;
mod support;
