//! Integration tests of the binary, one test binary so that it links once.
#![allow(missing_docs)]

mod faults;
mod devnet;
mod operator;
mod store;
mod vm;
mod world;
