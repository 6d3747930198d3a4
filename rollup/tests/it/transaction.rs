//! Signatures cover everything.

use starling_rollup::address::{Address, L1Address};
use starling_rollup::transaction::{Operation, RollupId, Transaction};
use starling_vm::schnorr::SecretKey;

fn address(seed: &[u8]) -> Address {
    Address::new(SecretKey::derive(seed).public_key(), L1Address([1; 20]))
}

#[test]
fn every_field_changes_the_message() {
    let rollup = RollupId {
        chain_id: 31_337,
        contract: L1Address([9; 20]),
    };
    let transfer = Operation::Transfer {
        to: 5,
        address: address(b"to"),
        amount: 10,
    };
    let base = Transaction {
        from: 1,
        nonce: 2,
        fee: 3,
        operation: transfer,
    };
    let variants = [
        base,
        Transaction { from: 2, ..base },
        Transaction { nonce: 3, ..base },
        Transaction { fee: 4, ..base },
        Transaction {
            operation: Operation::Transfer {
                to: 6,
                address: address(b"to"),
                amount: 10,
            },
            ..base
        },
        Transaction {
            operation: Operation::Transfer {
                to: 5,
                address: address(b"other"),
                amount: 10,
            },
            ..base
        },
        Transaction {
            operation: Operation::Transfer {
                to: 5,
                address: address(b"to"),
                amount: 11,
            },
            ..base
        },
        Transaction {
            operation: Operation::Open {
                address: address(b"to"),
                amount: 10,
            },
            ..base
        },
        Transaction {
            operation: Operation::Withdraw {
                recipient: L1Address([5; 20]),
                amount: 10,
            },
            ..base
        },
        Transaction {
            operation: Operation::Withdraw {
                recipient: L1Address([6; 20]),
                amount: 10,
            },
            ..base
        },
        Transaction {
            operation: Operation::Rekey {
                address: address(b"to"),
            },
            ..base
        },
        Transaction {
            operation: Operation::Rekey {
                address: address(b"other"),
            },
            ..base
        },
    ];
    let words = [
        rollup.word(),
        RollupId { chain_id: 1, ..rollup }.word(),
        RollupId {
            contract: L1Address([8; 20]),
            ..rollup
        }
        .word(),
    ];
    let mut seen: Vec<[u64; 4]> = Vec::new();
    for transaction in &variants {
        for word in &words {
            let message = transaction.message(word).map(|element| element.as_int());
            assert!(!seen.contains(&message), "{transaction:?}");
            seen.push(message);
        }
    }
}

#[test]
fn a_signature_is_for_one_rollup_and_one_transaction() {
    let rollup = RollupId {
        chain_id: 31_337,
        contract: L1Address([9; 20]),
    };
    let key = SecretKey::derive(b"sender");
    let owner = L1Address([3; 20]);
    let operation = Operation::Withdraw {
        recipient: L1Address([5; 20]),
        amount: 10,
    };
    let signed = Transaction {
        from: 1,
        nonce: 0,
        fee: 3,
        operation,
    }
    .sign(&rollup.word(), &key, owner);
    assert_eq!(signed.sender(), Address::new(key.public_key(), owner));
    assert!(signed.verify(&rollup.word()).is_ok());
    assert!(signed.verify(&RollupId { chain_id: 1, ..rollup }.word()).is_err());
    let mut changed = signed.clone();
    changed.transaction.nonce = 1;
    assert!(changed.verify(&rollup.word()).is_err());
}
