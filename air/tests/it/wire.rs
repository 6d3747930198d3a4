//! The wire format: canonical, total, and the same relation as winterfell's.

use std::sync::LazyLock;

use proptest::prelude::*;
use starling_air::adapter::StarkAir;
use starling_air::keccak::{SettleCoin, SettleHasher};
use starling_air::toy::Toy;
use starling_air::wire::{VerifyError, WireError, settle_options};
use winterfell::AcceptableOptions;
use winterfell::crypto::MerkleTree;

use crate::support::Honest;

#[test]
fn honest_proofs_survive_the_wire() {
    for log_length in [9, 10, 11] {
        let honest = Honest::settle(Toy { copies: 1 }, log_length);
        let codec = honest.codec();
        let bytes = codec.encode(&honest.proof).expect("encodes").concat();
        let proof = codec.decode(&bytes).expect("decodes");
        assert_eq!(proof, honest.proof);
        assert_eq!(codec.encode(&proof).expect("encodes again").concat(), bytes);
        codec.verify(&bytes).expect("verifies");
        println!(
            "2^{log_length} rows: {} bytes on the wire, {} in winterfell's format",
            bytes.len(),
            proof.to_bytes().len()
        );
    }
}

#[test]
fn other_lengths_are_refused() {
    let honest = Honest::settle(Toy { copies: 1 }, 9);
    let codec = honest.codec();
    let bytes = codec.encode(&honest.proof).expect("encodes").concat();
    assert_eq!(
        codec.decode(&[&bytes[..], &[0]].concat()),
        Err(WireError::TrailingBytes(1))
    );
    for len in 0..bytes.len() {
        assert!(matches!(codec.decode(&bytes[..len]), Err(WireError::Truncated { .. })));
    }
}

#[test]
fn limbs_above_the_modulus_are_refused() {
    let honest = Honest::settle(Toy { copies: 1 }, 9);
    let codec = honest.codec();
    let mut bytes = codec.encode(&honest.proof).expect("encodes").concat();
    bytes[76..84].fill(0xff);
    assert_eq!(
        codec.decode(&bytes),
        Err(WireError::NotCanonical {
            offset: 76,
            value: u64::MAX
        })
    );
}

/// winterfell's own verifier accepts a remainder that the prover chose after the queries; ours does not.
#[test]
fn the_remainder_is_bound_to_its_commitment() {
    let honest = Honest::new(Toy { copies: 1 }, 9, settle_options(8, 16, 127));
    let codec = honest.codec();
    let parts = honest.with_chosen_remainder();
    let proof = codec.proof(&parts).expect("well formed");
    let options = AcceptableOptions::OptionSet(vec![honest.shape.options.clone()]);
    winterfell::verify::<StarkAir<Toy>, SettleHasher, SettleCoin, MerkleTree<SettleHasher>>(
        proof,
        honest.public.clone(),
        &options,
    )
    .expect("the gap that this test documents");
    let error = codec
        .verify(&parts.to_sections().concat())
        .expect_err("another remainder");
    assert!(matches!(error, VerifyError::Remainder), "{error}");
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..6000), log in 0u8..24) {
        static HONEST: LazyLock<Honest> = LazyLock::new(|| Honest::settle(Toy { copies: 1 }, 9));
        if let Some(first) = bytes.first_mut() {
            *first = log;
        }
        // Clear every limb's top bit, so that the bytes pass as elements and reach the later checks.
        bytes.iter_mut().skip(76).step_by(8).for_each(|byte| *byte &= 0x7f);
        prop_assert!(HONEST.codec().verify(&bytes).is_err());
    }

    #[test]
    fn changed_bytes_never_panic(offset in 0usize..100_000, value in 1u8..) {
        static HONEST: LazyLock<(Honest, Vec<u8>)> = LazyLock::new(|| {
            let honest = Honest::settle(Toy { copies: 1 }, 9);
            let bytes = honest.codec().encode(&honest.proof).expect("encodes").concat();
            (honest, bytes)
        });
        let (honest, mut bytes) = (&HONEST.0, HONEST.1.clone());
        let offset = offset % bytes.len();
        bytes[offset] ^= value;
        prop_assert!(honest.codec().verify(&bytes).is_err());
    }
}
