//! The generator of the on-chain constraint evaluator.
//!
//! [symbol] runs a [Definition](crate::definition::Definition) on symbols, which records its constraints as a graph;
//! [recording] is that graph with its inputs, its interpreter and its fingerprint; [solidity] prints it as contracts.
//! [poseidon2] prints the machine's permutation, for contracts that check Merkle paths of the state.

pub mod parameters;
pub mod poseidon2;
pub mod recording;
pub mod solidity;
pub mod symbol;

pub use parameters::{PublicBuses, VerifierParameters};
pub use recording::{Inputs, Recording};
pub use solidity::{Contract, Emitter};
pub use symbol::{Graph, Node, Symbol};
