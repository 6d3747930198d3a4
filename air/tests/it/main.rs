//! Integration tests of the proof crate.

mod chain;
mod codegen;
mod differential;
mod settle;
mod support;
mod wire;
