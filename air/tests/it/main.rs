//! Integration tests of the proof crate.

mod chain;
mod codegen;
mod settle;
mod support;
mod wire;
