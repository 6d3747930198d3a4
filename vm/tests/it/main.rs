//! Integration tests of the machine, one binary so that it links once.
#![allow(missing_docs)]

mod ecgfp5;
mod poseidon2;
mod schnorr;
