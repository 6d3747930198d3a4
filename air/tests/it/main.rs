//! Integration tests of the proof, one binary so that it links once.
#![allow(missing_docs)]

mod honest;
mod signature;
mod support;
mod wire;
