//! Integration tests of the binary, one test binary so that it links once.
#![allow(missing_docs)]

mod devnet;
mod faults;
mod operator;
mod store;
mod vm;
mod world;
