//! Operations that the rules refuse.

use starling_rollup::address::L1Address;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::kernel::witness::{lawless_witness, witness};
use starling_rollup::rules::Refusal;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, Transaction};

use super::{START, eight, refused, transfer};
use crate::differential::kernel;
use crate::world::{ROLLUP, address, key, owner, sign, word};

#[test]
fn nobody_spends_without_the_key() {
    let state = eight();
    let stranger = transfer(1, 2, 10, 0).sign(&word(), key(5), owner(5));
    refused(&state, &stranger, &Refusal::NotTheOwner { index: 1 });
    // The right key, another owner: the address binds both.
    let wrong_owner = transfer(1, 2, 10, 0).sign(&word(), key(1), owner(2));
    refused(&state, &wrong_owner, &Refusal::NotTheOwner { index: 1 });
    // The right key and owner with a signature of somebody else, or of another operation.
    let mut forged = sign(transfer(1, 2, 10, 0), 1);
    for signature in [
        stranger.signature,
        sign(transfer(1, 2, 11, 0), 1).signature,
        sign(transfer(1, 3, 10, 0), 1).signature,
        sign(transfer(1, 2, 10, 1), 1).signature,
    ] {
        forged.signature = signature;
        let refusal = forged.verify(&word()).unwrap_err().into();
        refused(&state, &forged, &refusal);
    }
}

#[test]
fn a_signature_is_for_one_chain_one_rollup_and_one_nonce() {
    let state = eight();
    let elsewhere = [
        RollupId { chain_id: 1, ..ROLLUP },
        RollupId {
            contract: L1Address([0xc1; 20]),
            ..ROLLUP
        },
    ];
    for rollup in elsewhere {
        let signed = transfer(1, 2, 10, 0).sign(&rollup.word(), key(1), owner(1));
        let refusal = signed.verify(&word()).unwrap_err().into();
        refused(&state, &signed, &refusal);
    }
    let again = sign(
        Transaction {
            nonce: 1,
            ..transfer(1, 2, 10, 0)
        },
        1,
    );
    refused(
        &state,
        &again,
        &Refusal::Nonce {
            index: 1,
            expected: 0,
            found: 1,
        },
    );
    // Replay in one batch.
    let signed = sign(transfer(1, 2, 10, 0), 1);
    let batch = Batch {
        transactions: vec![signed.clone(), signed],
        ..Batch::default()
    };
    assert!(kernel(&lawless_witness(&state, &START, &[batch]).unwrap()).is_err());
    // No nonce left.
    let mut accounts = state.accounts().to_vec();
    accounts[1].nonce = u32::MAX;
    let state = State::from_accounts(accounts);
    let last = sign(
        Transaction {
            nonce: u32::MAX,
            ..transfer(1, 2, 10, 0)
        },
        1,
    );
    refused(&state, &last, &Refusal::NonceExhausted { index: 1 });
}

#[test]
fn no_money_is_made() {
    let mut accounts = eight().accounts().to_vec();
    accounts[2].balance = (1 << 63) - 5;
    accounts[3].balance = (1 << 63) - 1;
    accounts[4].balance = (1 << 63) - 1;
    let state = State::from_accounts(accounts);
    let funds = |needed| Refusal::Funds {
        index: 1,
        balance: 1_000,
        needed,
    };
    refused(&state, &sign(transfer(1, 5, 1_001, 0), 1), &funds(1_001));
    refused(&state, &sign(transfer(1, 5, 1_000, 1), 1), &funds(1_001));
    refused(&state, &sign(transfer(1, 5, 0, 1_001), 1), &funds(1_001));
    // Amount and fee whose sum wraps around the modulus, and around 2^64.
    let large = (1 << 63) - 1;
    refused(&state, &sign(transfer(1, 5, large, large), 1), &funds(u64::MAX - 1));
    refused(&state, &sign(transfer(1, 2, 6, 0), 1), &Refusal::Overflow { index: 2 });
    refused(
        &state,
        &sign(transfer(3, 4, large, 0), 3),
        &Refusal::Overflow { index: 4 },
    );
    for operation in [
        Operation::Withdraw {
            recipient: owner(1),
            amount: 1_001,
        },
        Operation::Open {
            address: address(9),
            amount: 1_001,
        },
    ] {
        let transaction = Transaction {
            operation,
            ..transfer(1, 1, 0, 0)
        };
        refused(&state, &sign(transaction, 1), &funds(1_001));
    }
    // Fees that overflow together.
    let batch = Batch {
        transactions: vec![sign(transfer(3, 5, 0, large), 3), sign(transfer(4, 5, 0, large), 4)],
        ..Batch::default()
    };
    assert!(kernel(&lawless_witness(&state, &START, &[batch]).unwrap()).is_err());
    // Supply: what leaves by fee arrives.
    let mut after = eight();
    let mut open = OpenBatch::new(&eight(), 7);
    open.apply(&eight(), &word(), &sign(transfer(1, 2, 10, 3), 1)).unwrap();
    open.seal(&mut after).unwrap();
    assert_eq!(
        after.accounts().iter().map(|account| account.balance).sum::<u64>(),
        8_000
    );
}

#[test]
fn a_reassigned_index_pays_nobody() {
    let state = eight();
    let operation = Operation::Transfer {
        to: 2,
        address: address(3),
        amount: 5,
    };
    let signed = sign(
        Transaction {
            operation,
            ..transfer(1, 2, 5, 0)
        },
        1,
    );
    refused(&state, &signed, &Refusal::Recipient { index: 2 });
    let operation = Operation::Transfer {
        to: 8,
        address: address(8),
        amount: 5,
    };
    let absent = sign(
        Transaction {
            operation,
            ..transfer(1, 2, 5, 0)
        },
        1,
    );
    refused(&state, &absent, &Refusal::NoSuchAccount { index: 8 });
    refused(
        &state,
        &sign(
            Transaction {
                from: 9,
                ..transfer(1, 2, 5, 0)
            },
            9,
        ),
        &Refusal::NoSuchAccount { index: 9 },
    );
}

/// An account opened in a batch, used in it, rekeyed in it, and used with the new key.
#[test]
fn an_account_lives_within_one_batch() {
    let state = eight();
    let mut after = state.clone();
    let mut open = OpenBatch::new(&state, 8);
    let opened = |nonce, operation| Transaction {
        from: 8,
        nonce,
        fee: 1,
        operation,
    };
    let steps = [
        sign(
            Transaction {
                operation: Operation::Open {
                    address: address(20),
                    amount: 500,
                },
                ..transfer(1, 1, 0, 0)
            },
            1,
        ),
        sign(
            opened(
                0,
                Operation::Transfer {
                    to: 8,
                    address: address(20),
                    amount: 100,
                },
            ),
            20,
        ),
        sign(opened(1, Operation::Rekey { address: address(21) }), 20),
        sign(
            opened(
                2,
                Operation::Transfer {
                    to: 2,
                    address: address(2),
                    amount: 100,
                },
            ),
            21,
        ),
        sign(
            opened(
                3,
                Operation::Withdraw {
                    recipient: owner(3),
                    amount: 50,
                },
            ),
            21,
        ),
    ];
    for signed in &steps {
        open.apply(&state, &word(), signed).unwrap();
    }
    let old_key = sign(opened(4, Operation::Rekey { address: address(20) }), 20);
    assert_eq!(
        open.apply(&state, &word(), &old_key),
        Err(Refusal::NotTheOwner { index: 8 })
    );
    let batch = open.seal(&mut after).unwrap();
    // Sender and recipient and fee account are one: only what goes to others is gone.
    assert_eq!(after.account(8).unwrap().balance, 500 - 100 - 50);
    let witness = witness(&state, &START, &[batch]).unwrap();
    assert_eq!(kernel(&witness).unwrap().outputs, witness.outputs());
}
