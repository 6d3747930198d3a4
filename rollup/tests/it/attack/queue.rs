//! The queue, and the data that the digest names.

use starling_rollup::address::L1Address;
use starling_rollup::batch::OpenBatch;
use starling_rollup::chain;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::witness::witness;
use starling_rollup::rules::Refusal;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, Transaction};
use starling_rollup::tree::CAPACITY;
use starling_vm::field::Felt;

use super::{START, code, eight, refused, transfer};
use crate::differential::kernel;
use crate::world::{ROLLUP, address, owner, sign, word};

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
