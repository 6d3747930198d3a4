//! Integration tests of the proof, one binary so that it links once.
#![allow(missing_docs)]

mod chain;
mod cheating;
mod codegen;
mod differential;
mod honest;
mod machine;
mod settle;
mod signature;
mod support;
mod wire;
