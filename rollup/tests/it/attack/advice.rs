//! Advice that lies about slots, walk and state.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::witness::{lawless_witness, witness};
use starling_rollup::state::state_root;
use starling_rollup::transaction::{Operation, Transaction};
use starling_vm::field::Felt;
use starling_vm::trap::TrapKind;

use super::{START, code, eight, transfer};
use crate::differential::kernel;
use crate::world::{address, operation, owner, sign, start, state, word};

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
