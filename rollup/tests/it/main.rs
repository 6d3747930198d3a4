//! Integration tests of the protocol, one binary so that it links once.
#![allow(missing_docs)]

mod address;
mod attack;
mod differential;
mod envelope;
mod kernel;
mod keyfile;
mod record;
mod spec;
mod transaction;
mod tree;
mod wallet;
mod world;
