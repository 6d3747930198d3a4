//! The contract's hash against the machine's.

use rand::{Rng, SeedableRng};
use starling_vm::field::{Felt, MODULUS, Word};
use starling_vm::poseidon2::{WIDTH, compress, permute};
use winterfell::math::FieldElement;

use crate::evm::{Argument, Chain, call, word};

/// Field elements, often the extreme ones.
fn element(rng: &mut impl Rng) -> Felt {
    match rng.random_range(0..8) {
        0 => Felt::ZERO,
        1 => Felt::new(MODULUS - 1),
        2 => Felt::new(u64::from(u32::MAX)),
        _ => Felt::new(rng.random_range(0..MODULUS)),
    }
}

fn bytes(word: &Word) -> [u8; 32] {
    let limbs: Vec<u8> = word.iter().flat_map(|limb| limb.as_int().to_be_bytes()).collect();
    limbs.try_into().expect("four limbs")
}

#[test]
fn the_contract_hashes_like_the_machine() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let mut chain = Chain::new();
    let harness = chain.deploy("Poseidon2Harness", &[]);
    let mut gas = 0;
    for i in 0..crate::soak(1_500) {
        let mut state: [Felt; WIDTH] = core::array::from_fn(|_| element(&mut rng));
        if i == 0 {
            state = [Felt::new(MODULUS - 1); WIDTH];
        }
        let (left, right) = (
            core::array::from_fn(|i| state[i]),
            core::array::from_fn(|i| state[4 + i]),
        );
        let arguments = state.map(|lane| Argument::Word(word(lane.as_int())));
        let permuted = chain
            .call(harness, call("permute(uint256[8])", &arguments))
            .result
            .expect("permutes");
        permute(&mut state);
        let expected: Vec<u8> = state.iter().flat_map(|lane| word(lane.as_int())).collect();
        assert_eq!(permuted, expected);

        let arguments = [bytes(&left), bytes(&right)].map(Argument::Word);
        let outcome = chain.call(harness, call("compress(bytes32,bytes32)", &arguments));
        gas = outcome.execution;
        assert_eq!(outcome.result.expect("compresses"), bytes(&compress(left, right)));
    }
    println!("one compression, with the call: {gas} gas");
}
