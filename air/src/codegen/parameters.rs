//! What the verifier contract is deployed with.

use super::recording::Recording;
use crate::adapter::Shape;
use crate::bus::Side;

/// The buses that carry the public words: for program, inputs and outputs each the tag, and the verifier's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicBuses(pub [(u64, Side); 3]);

/// The arguments of `StarkVerifier`'s constructor, without the evaluators' addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifierParameters {
    /// The AIR's identity.
    pub identity: [u8; 32],
    /// The numbers of `StarkVerifier.Parameters`, in its order.
    pub numbers: [u64; 13],
    /// The buses of the public words.
    pub buses: PublicBuses,
}

impl VerifierParameters {
    /// The parameters for the AIR that was recorded, known to the transcript by `identity` and `chip_set`, with proofs
    /// of the given shape.
    pub fn new(recording: &Recording, shape: &Shape, identity: [u8; 32], chip_set: u64, buses: PublicBuses) -> Self {
        let options = &shape.options;
        let numbers = [
            shape.main_width as u64,
            shape.aux_width as u64,
            shape.quotients as u64,
            (shape.transitions.0 + shape.transitions.1) as u64,
            (shape.assertions.0 + shape.assertions.1) as u64,
            u64::from(recording.max_cycle.ilog2()),
            options.num_queries() as u64,
            u64::from(options.blowup_factor().ilog2()),
            u64::from(options.grinding_factor()),
            u64::from((options.to_fri_options().remainder_max_degree() + 1).ilog2()),
            u64::from(shape.log_lengths.0),
            u64::from(shape.log_lengths.1),
            chip_set,
        ];
        Self {
            identity,
            numbers,
            buses,
        }
    }

    /// The constructor's arguments, ABI-encoded.
    pub fn abi_encode(&self, evaluators: &[[u8; 20]]) -> Vec<u8> {
        let mut words: Vec<[u8; 32]> = vec![self.identity];
        words.extend(self.numbers.map(word));
        words.extend(self.buses.0.map(|(tag, _)| word(tag)));
        words.extend(self.buses.0.map(|(_, side)| word(u64::from(side == Side::Minus))));
        // The list of addresses is dynamic: its offset, its length, its items.
        words.push(word(32 * (words.len() as u64 + 1)));
        words.push(word(evaluators.len() as u64));
        words.extend(evaluators.iter().map(|address| {
            let mut word = [0; 32];
            word[12..].copy_from_slice(address);
            word
        }));
        words.concat()
    }
}

fn word(value: u64) -> [u8; 32] {
    let mut word = [0; 32];
    word[24..].copy_from_slice(&value.to_be_bytes());
    word
}
