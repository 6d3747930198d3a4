//! Integration tests of the machine, one binary so that it links once.
#![allow(missing_docs)]

mod asm;
mod ecgfp5;
mod examples;
mod executor;
mod isa;
mod library;
mod model;
mod poseidon2;
mod schnorr;
mod specs;
mod stdlib_data;
mod stdlib_integers;
mod support;
