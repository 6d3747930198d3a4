//! The permutation against an independent implementation.

use p3_field::PrimeField64;
use p3_goldilocks::{Goldilocks, default_goldilocks_poseidon2_8};
use p3_symmetric::Permutation;
use proptest::prelude::*;
use starling_vm::field::Felt;
use starling_vm::poseidon2::{constants, permute};

fn reference(input: [u64; 8]) -> [u64; 8] {
    let mut s = input.map(Goldilocks::new);
    default_goldilocks_poseidon2_8().permute_mut(&mut s);
    s.map(|x| x.as_canonical_u64())
}

fn ours(input: [u64; 8]) -> [u64; 8] {
    let mut s = input.map(Felt::new);
    permute(&mut s);
    s.map(|x| x.as_int())
}

#[test]
fn first_lane_of_the_counting_input() {
    assert_eq!(ours([0, 1, 2, 3, 4, 5, 6, 7])[0], 0x020cf04a1b214d14);
}

#[test]
fn constants_are_the_reference_ones() {
    assert_eq!(
        constants::DIAGONAL.map(Goldilocks::new),
        p3_goldilocks::MATRIX_DIAG_8_GOLDILOCKS
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn permutation_matches_the_reference(input in any::<[u64; 8]>()) {
        prop_assert_eq!(ours(input), reference(input));
    }
}
