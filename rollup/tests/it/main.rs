//! Integration tests of the protocol, one binary so that it links once.
#![allow(missing_docs)]

mod address;
mod envelope;
mod keyfile;
mod record;
mod transaction;
mod tree;
mod wallet;
