//! Transactions as bytes: one transaction, one encoding.

use proptest::prelude::*;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::envelope::{EnvelopeError, MAX_BYTES, TransactionId};
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};

fn operations(to: u32, amount: u64) -> [Operation; 4] {
    let address = Address::new(SecretKey::derive(b"recipient").public_key(), L1Address([7; 20]));
    [
        Operation::Transfer { to, address, amount },
        Operation::Open { address, amount },
        Operation::Withdraw {
            recipient: L1Address([8; 20]),
            amount,
        },
        Operation::Rekey { address },
    ]
}

fn sign(operation: Operation, nonce: u32, fee: u64) -> SignedTransaction {
    let transaction = Transaction {
        from: 7,
        nonce,
        fee,
        operation,
    };
    transaction.sign(&ROLLUP.word(), &SecretKey::derive(b"sender"), L1Address([3; 20]))
}

#[test]
fn every_operation_survives_its_encoding() {
    for operation in operations(u32::MAX, (1 << 63) - 1) {
        let signed = sign(operation, u32::MAX, (1 << 63) - 1);
        let bytes = signed.to_bytes();
        assert!(bytes.len() <= MAX_BYTES);
        let read = SignedTransaction::from_bytes(&bytes).unwrap();
        assert_eq!(read.transaction, signed.transaction);
        assert_eq!(read.sender(), signed.sender());
        read.verify(&ROLLUP.word()).unwrap();
        assert_eq!(read.to_bytes(), bytes);
        assert_eq!(SignedTransaction::from_hex(&signed.to_hex()).unwrap().to_bytes(), bytes);
    }
}

#[test]
fn a_missing_or_an_extra_byte_is_refused_at_every_length() {
    for operation in operations(1, 2) {
        let bytes = sign(operation, 0, 1).to_bytes();
        for length in 0..bytes.len() {
            assert!(SignedTransaction::from_bytes(&bytes[..length]).is_err(), "{length}");
        }
        let long = [&bytes[..], &[0]].concat();
        assert!(matches!(
            SignedTransaction::from_bytes(&long),
            Err(EnvelopeError::Length { found, .. }) if found == long.len()
        ));
    }
}

#[test]
fn what_is_not_canonical_is_refused_with_its_name() {
    let good = sign(operations(1, 2)[0], 0, 1).to_bytes();
    let with = |range: std::ops::Range<usize>, byte: u8| {
        let mut bytes = good.clone();
        bytes[range].fill(byte);
        SignedTransaction::from_bytes(&bytes).unwrap_err().to_string()
    };
    assert!(with(0..1, 2).contains("version is 2"));
    assert!(with(1..2, 2).contains("tag 2"));
    assert!(with(1..2, 6).contains("tag 6"));
    assert!(with(10..18, 0xff).contains("fee"));
    assert!(with(22..30, 0xff).contains("recipient's address"));
    assert!(with(54..62, 0x80).contains("amount"));
    assert!(with(62..70, 0xff).contains("sender's key"));
    assert!(with(good.len() - 1..good.len(), 0xff).contains("signature"));
}

#[test]
fn text_has_one_form() {
    let text = sign(operations(1, 2)[0], 0, 1).to_hex();
    let read = SignedTransaction::from_hex;
    assert!(read(&text).is_ok());
    assert!(read(&text[2..]).is_err());
    assert!(read(&text.to_uppercase()).is_err());
    assert!(read(&format!("0x{}", text[2..].to_uppercase())).is_err());
    assert!(read(&format!(" {text}")).is_err());
    assert!(read(&text[..text.len() - 1]).unwrap_err().to_string().contains("odd"));
    assert!(read("0x☃").is_err());
}

#[test]
fn the_id_is_what_is_signed() {
    let signed = sign(operations(1, 2)[0], 0, 1);
    let id = TransactionId::new(&signed.transaction, &ROLLUP.word());
    assert_eq!(id.to_string().parse::<TransactionId>(), Ok(id));
    let other = sign(operations(1, 2)[0], 1, 1);
    assert_ne!(id, TransactionId::new(&other.transaction, &ROLLUP.word()));
    assert!("0x00".parse::<TransactionId>().is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Whatever bytes are accepted are the encoding of what they were read as.
    #[test]
    fn accepted_bytes_are_the_encoding(which in 0..4usize, at in 0..400usize, byte: u8) {
        let mut bytes = sign(operations(1, 2)[which], 3, 4).to_bytes();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Ok(read) = SignedTransaction::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(read) = SignedTransaction::from_bytes(&bytes) {
            prop_assert_eq!(read.to_bytes(), bytes);
        }
    }
}
