//! What the kernel must make impossible: runs with advice that lies.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use starling_rollup::account::Account;
use starling_rollup::address::L1Address;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::chain;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::witness::{Start, Witness, lawless_witness, witness};
use starling_rollup::rules::Refusal;
use starling_rollup::state::{State, state_root};
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_rollup::tree::CAPACITY;
use starling_vm::field::Felt;
use starling_vm::trap::TrapKind;

use crate::differential::kernel;
use crate::world::{ROLLUP, address, key, operation, owner, sign, start, state, word};

const START: Start = Start {
    rollup: ROLLUP,
    number: 1,
    digest: chain::GENESIS,
    payee: L1Address([1; 20]),
};

/// Eight accounts with 1,000 gwei each, account i with key i.
fn eight() -> State {
    State::from_accounts((0..8).map(|k| Account::new(address(k), 1_000)).collect())
}

fn transfer(from: u32, to: u32, amount: u64, fee: u64) -> Transaction {
    let operation = Operation::Transfer {
        to,
        address: address(to as usize),
        amount,
    };
    Transaction {
        from,
        nonce: 0,
        fee,
        operation,
    }
}

/// The rules refuse the operation with this refusal, and the kernel has no run of it.
fn refused(state: &State, signed: &SignedTransaction, expected: &Refusal) {
    let mut open = OpenBatch::new(state, 0);
    assert_eq!(open.apply(state, &word(), signed).as_ref(), Err(expected));
    let batch = Batch {
        transactions: vec![signed.clone()],
        ..Batch::default()
    };
    let outcome = kernel(&lawless_witness(state, &START, &[batch]).unwrap());
    assert!(outcome.is_err(), "the kernel allows: {expected}");
}

/// The code of the assertion that fails.
fn code(witness: &Witness) -> Option<u64> {
    match kernel(witness) {
        Err(trap) => match trap.kind {
            TrapKind::Assert { code, .. } => Some(code),
            _ => Some(0),
        },
        Ok(_) => None,
    }
}

// OPERATIONS
// ================================================================================================================

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

// THE QUEUE
// ================================================================================================================

/// Whatever L1 can queue has an outcome, and the batch has a proof.
#[test]
fn no_entry_makes_a_batch_unprovable() {
    let mut accounts = eight().accounts().to_vec();
    accounts[4].balance = (1 << 63) - 1;
    let entry = |kind, k: usize| Entry {
        kind,
        sender: owner(k),
        address: address(k),
    };
    let nonsense = Entry {
        address: starling_rollup::address::Address::from_word([Felt::new(u64::MAX - (1 << 33)); 4]),
        ..entry(Kind::DepositNew { amount: 1 }, 1)
    };
    for next in [8, CAPACITY - 1, CAPACITY] {
        let state = State::with_next(accounts.clone(), next);
        let cases = [
            (entry(Kind::Deposit { index: 1, amount: 5 }, 1), 5),
            (entry(Kind::Deposit { index: 1, amount: 5 }, 2), 0),
            (entry(Kind::Deposit { index: 4, amount: 1 }, 4), 0),
            (entry(Kind::Exit { index: 2 }, 2), 1_000),
            (entry(Kind::Exit { index: 2 }, 3), 0),
            (
                entry(Kind::DepositNew { amount: 7 }, 1),
                if next == CAPACITY { 0 } else { 7 },
            ),
            (nonsense, u64::from(next == 8)),
        ];
        let absent = (next == 8).then_some([
            (entry(Kind::Exit { index: u32::MAX }, 3), 0),
            (
                entry(
                    Kind::Deposit {
                        index: u32::MAX,
                        amount: 3,
                    },
                    3,
                ),
                0,
            ),
            (entry(Kind::Deposit { index: 10, amount: 3 }, 3), 0),
        ]);
        let mut open = OpenBatch::new(&state, 0);
        for (entry, expected) in cases.into_iter().chain(absent.into_iter().flatten()) {
            assert_eq!(open.enter(&state, entry), Ok(expected), "{entry:?} with next {next}");
        }
        let batch = open.batch().clone();
        let witness = witness(&state, &START, &[batch]).unwrap();
        let outcome = kernel(&witness).unwrap();
        assert_eq!(outcome.outputs, witness.outputs(), "next {next}");
    }
    // The tree is full: a signed open is refused, and has no run.
    let state = State::with_next(accounts, CAPACITY);
    let operation = Operation::Open {
        address: address(9),
        amount: 1,
    };
    refused(
        &state,
        &sign(
            Transaction {
                operation,
                ..transfer(1, 1, 0, 0)
            },
            1,
        ),
        &Refusal::TreeFull,
    );
}

/// What the kernel executes is what the digest names: other data, in order, length or trailing zeros, has another digest.
#[test]
fn other_data_has_another_digest() {
    let state = eight();
    let mut open = OpenBatch::new(&state, 0);
    for k in 1..3 {
        open.enter(
            &state,
            Entry {
                kind: Kind::Exit { index: k },
                sender: owner(0),
                address: address(k as usize),
            },
        )
        .unwrap();
    }
    for k in 3..6 {
        open.apply(&state, &word(), &sign(transfer(k, 6, 10, 1), k as usize))
            .unwrap();
    }
    let batch = open.seal(&mut state.clone()).unwrap();
    let honest = batch.data().to_words();
    let digest = chain::next(&START.digest, &honest, &ROLLUP, 1);
    let mut skipped = batch.clone();
    skipped.entries.remove(0);
    let mut reordered = batch.clone();
    reordered.entries.swap(0, 1);
    let mut shorter = batch.clone();
    shorter.transactions.pop();
    let mut later = batch.clone();
    later.transactions.swap(0, 2);
    for other in [skipped, reordered, shorter, later] {
        let mut lie = witness(&state, &START, &[other]).unwrap();
        assert_ne!(lie.digest, digest);
        kernel(&lie).unwrap();
        lie.inputs.public[15..].copy_from_slice(&digest);
        assert_eq!(code(&lie), Some(13));
    }
    // At the honest points, every other vector of words has another digest, trailing zeros included.
    let points = chain::points(&honest, &ROLLUP, 1, &START.digest);
    for place in 0..honest.len() {
        let mut words = honest.clone();
        words[place] ^= 1;
        assert_ne!(chain::extend(&START.digest, &words, &points), digest);
    }
    for zeros in 1..9 {
        let words = [&honest[..], &vec![0; zeros]].concat();
        assert_ne!(chain::extend(&START.digest, &words, &points), digest);
    }
    // And the digest depends on everything that names the batch.
    assert_ne!(chain::next(&START.digest, &honest, &ROLLUP, 2), digest);
    assert_ne!(chain::next(&[Felt::new(1); 4], &honest, &ROLLUP, 1), digest);
    for rollup in [
        RollupId { chain_id: 2, ..ROLLUP },
        RollupId {
            contract: L1Address([1; 20]),
            ..ROLLUP
        },
    ] {
        assert_ne!(chain::next(&START.digest, &honest, &rollup, 1), digest);
    }
}

// ADVICE
// ================================================================================================================

/// Advice of a run: next free index, slots, and so on; see `witness.rs`.
const SLOT_LENGTH: usize = 8;

/// A slot that claims to wait for its opening, with an index below zero, would be found like an account: with an empty
/// address and no funds, at an index that nobody has. Money sent there would make the index impossible to open.
#[test]
fn an_unopened_slot_cannot_pose_as_an_account() {
    let state = eight();
    let operation = Operation::Transfer {
        to: 20,
        address: starling_rollup::address::Address::from_word([Felt::new(0); 4]),
        amount: 5,
    };
    let signed = sign(
        Transaction {
            operation,
            ..transfer(1, 2, 5, 0)
        },
        1,
    );
    let batch = Batch {
        transactions: vec![signed],
        ..Batch::default()
    };
    let mut lie = lawless_witness(&state, &START, &[batch]).unwrap();
    let advice = &mut lie.inputs.advice;
    assert_eq!(advice[1], Felt::new(1), "one slot: the sender's");
    advice[1] = Felt::new(2);
    let place = 2 + SLOT_LENGTH;
    advice.splice(place..place, [Felt::new(0), Felt::new(20) - Felt::new(1 << 32)]);
    let trap = kernel(&lie).unwrap_err();
    assert!(matches!(trap.kind, TrapKind::NotU32 { .. }), "{trap}");
}

/// Two slots for one account would let it spend twice.
#[test]
fn an_account_has_one_slot() {
    let state = eight();
    let mut open = OpenBatch::new(&state, 0);
    open.apply(&state, &word(), &sign(transfer(1, 2, 10, 0), 1)).unwrap();
    let batch = open.seal(&mut state.clone()).unwrap();
    let mut lie = witness(&state, &START, &[batch]).unwrap();
    let advice = &mut lie.inputs.advice;
    let copy: Vec<Felt> = advice[2..2 + SLOT_LENGTH].to_vec();
    advice[1] += Felt::new(1);
    advice.splice(2..2, copy);
    assert!(kernel(&lie).is_err());
}

/// Moves the walk's parts about: every reading of the advice from the walk on that ends has the honest roots.
#[test]
fn the_walk_has_one_result() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let state = state(&mut rng, 8);
    let mut open = OpenBatch::new(&state, 0);
    open.enter(
        &state,
        Entry {
            kind: Kind::DepositNew { amount: 5 },
            sender: owner(1),
            address: address(1),
        },
    )
    .unwrap();
    for k in [1, 2, 5] {
        open.enter(
            &state,
            Entry {
                kind: Kind::Exit { index: k },
                sender: owner(1),
                address: address(k as usize),
            },
        )
        .unwrap();
    }
    let batch = open.seal(&mut state.clone()).unwrap();
    let honest = witness(&state, &START, &[batch]).unwrap();
    let outputs = honest.outputs();
    let length = honest.inputs.advice.len();
    let tried: usize = (0..crate::world::cases(3_000))
        .into_par_iter()
        .map(|seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed as u64);
            let mut lie = honest.clone();
            let advice = &mut lie.inputs.advice;
            let (a, b) = (
                rng.random_range(length / 3..length),
                rng.random_range(length / 3..length),
            );
            match rng.random_range(0..4) {
                0 => advice.swap(a, b),
                1 => drop(advice.remove(a)),
                2 => advice.insert(a, Felt::new(rng.random_range(0..3))),
                _ => advice[a] = Felt::new(rng.random_range(0..3)),
            }
            match kernel(&lie) {
                Ok(outcome) => assert_eq!(outcome.outputs, outputs),
                Err(_) => return 1,
            }
            0
        })
        .sum();
    assert!(tried > 1_000);
}

/// Any single word of the advice of a batch of 64 operations of every kind.
#[test]
fn no_word_of_advice_is_free() {
    let mut rng = ChaCha8Rng::seed_from_u64(12);
    let state = state(&mut rng, 40);
    let start = start(&mut rng);
    let mut open = OpenBatch::new(&state, 3);
    for entry in [
        Entry {
            kind: Kind::DepositNew { amount: 5 },
            sender: owner(1),
            address: address(1),
        },
        Entry {
            kind: Kind::Exit { index: 2 },
            sender: owner(2),
            address: address(2),
        },
        Entry {
            kind: Kind::Deposit { index: 50, amount: 5 },
            sender: owner(2),
            address: address(2),
        },
        Entry {
            kind: Kind::Deposit { index: 0, amount: 5 },
            sender: owner(2),
            address: address(2),
        },
    ] {
        open.enter(&state, entry).unwrap();
    }
    while open.batch().transactions.len() < 60 {
        if let Some(signed) = operation(&mut rng, &state, &open) {
            let _ = open.apply(&state, &word(), &signed);
        }
    }
    let batch = open.seal(&mut state.clone()).unwrap();
    let honest = witness(&state, &start, &[batch]).unwrap();
    let outputs = kernel(&honest).unwrap().outputs;
    assert_eq!(outputs, honest.outputs());
    let length = honest.inputs.advice.len();
    let unchanged: usize = (0..length)
        .into_par_iter()
        .map(|place| {
            let mut rng = ChaCha8Rng::seed_from_u64(place as u64);
            let mut lie = honest.clone();
            let word = &mut lie.inputs.advice[place];
            *word = match rng.random_range(0..3) {
                0 => *word + Felt::new(1),
                1 => *word - Felt::new(1),
                _ => Felt::new(rng.random()),
            };
            match kernel(&lie) {
                Ok(outcome) => assert_eq!(outcome.outputs, outputs, "advice word {place}"),
                Err(_) => return 0,
            }
            1
        })
        .sum();
    println!("{length} words; {unchanged} may change without changing the statement");
    assert!(unchanged < length / 20);
}

/// The state root binds the next free index.
#[test]
fn the_next_index_is_part_of_the_state() {
    let state = eight();
    let honest = lawless_witness(&state, &START, &[]).unwrap();
    assert_eq!(kernel(&honest).unwrap().outputs[..4], state.root());
    let mut lie = honest;
    lie.inputs.advice[0] = Felt::new(7);
    assert_eq!(code(&lie), Some(12));
    assert_ne!(state_root(state.tree().root(), 7), state.root());
}
