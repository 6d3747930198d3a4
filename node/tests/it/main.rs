//! Integration tests of the binary, one test binary so that it links once.
#![allow(missing_docs)]

mod faults;
mod mempool;
mod metrics;
mod operator;
mod store;
mod vm;
mod world;
