//! Integration tests of the proof crate.

mod support;
mod wire;
