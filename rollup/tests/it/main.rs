//! Integration tests of the protocol, one binary so that it links once.
#![allow(missing_docs)]

mod address;
mod attack;
mod checks;
mod differential;
mod envelope;
mod forge;
mod kernel;
mod keyfile;
mod lies;
mod proof;
mod record;
mod spec;
mod transaction;
mod tree;
mod truths;
mod walk_lies;
mod wallet;
mod world;
