//! Addresses are canonical in both forms.

use proptest::prelude::*;
use starling_rollup::address::{Address, L1Address};
use starling_vm::field::{Felt, MODULUS};
use starling_vm::schnorr::SecretKey;

#[test]
fn an_address_binds_key_and_owner() {
    let key = SecretKey::derive(b"one");
    let other = SecretKey::derive(b"two");
    let owner = L1Address([7; 20]);
    let address = Address::new(key.public_key(), owner);
    assert_ne!(address, Address::new(other.public_key(), owner));
    for byte in 0..20 {
        let mut changed = owner;
        changed.0[byte] ^= 1;
        assert_ne!(
            address,
            Address::new(key.public_key(), changed),
            "byte {byte} of the owner"
        );
    }
}

proptest! {
    #[test]
    fn text_round_trips_and_damage_is_noticed(limbs in any::<[u64; 4]>(), at in 5usize..60, by in 1u8..31) {
        let address = Address::from_word(limbs.map(Felt::new));
        let text = address.to_string();
        prop_assert_eq!(text.parse::<Address>().unwrap(), address);
        let alphabet = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
        let mut damaged = text.into_bytes();
        let position = alphabet.iter().position(|c| *c == damaged[at]).unwrap();
        damaged[at] = alphabet[(position + by as usize) % 32];
        prop_assert!(String::from_utf8(damaged).unwrap().parse::<Address>().is_err());
    }

    #[test]
    fn l1_addresses_round_trip(bytes in any::<[u8; 20]>()) {
        let address = L1Address(bytes);
        prop_assert_eq!(address.to_string().parse::<L1Address>().unwrap(), address);
    }

    #[test]
    fn no_text_panics(text in ".{0,80}") {
        let _ = text.parse::<Address>();
        let _ = text.parse::<L1Address>();
    }
}

#[test]
fn limbs_past_the_modulus_are_refused() {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&MODULUS.to_be_bytes());
    assert_eq!(Address::from_bytes(&bytes), None);
    bytes[..8].copy_from_slice(&(MODULUS - 1).to_be_bytes());
    assert!(Address::from_bytes(&bytes).is_some());
}
