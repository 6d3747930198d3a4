//! The statement of a batch, proven.

use starling_air::check::Statement;
use starling_air::machine::ChipSet;
use starling_air::preset::Preset;
use starling_air::prover::prove;
use starling_air::verifier::verify;
use starling_rollup::account::Account;
use starling_rollup::address::L1Address;
use starling_rollup::batch::OpenBatch;
use starling_rollup::chain;
use starling_rollup::kernel::program;
use starling_rollup::kernel::witness::{Start, witness};
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, Transaction};
use starling_vm::field::Felt;

use crate::world::{ROLLUP, address, sign, word};

/// Words of a statement: 19 inputs and 4 outputs.
const WORDS: usize = 23;

/// The statement with one of its words changed.
fn changed(statement: &Statement, number: usize) -> Statement {
    let mut other = statement.clone();
    let word = other.inputs.iter_mut().chain(&mut other.outputs).nth(number).unwrap();
    *word += Felt::new(1);
    other
}

/// A proof of four transfers holds for the roots and digests that the native rules give, and for no other word.
#[test]
fn a_batch_of_four_transfers_is_proven() {
    let before = State::from_accounts((0..8).map(|k| Account::new(address(k), 1_000)).collect());
    let start = Start {
        rollup: ROLLUP,
        number: 1,
        digest: chain::GENESIS,
        payee: L1Address([0x77; 20]),
    };
    let mut open = OpenBatch::new(&before, 7);
    for from in 0..4 {
        let operation = Operation::Transfer {
            to: from + 1,
            address: address(from as usize + 1),
            amount: 100 + u64::from(from),
        };
        let transaction = Transaction {
            from,
            nonce: 0,
            fee: 2,
            operation,
        };
        open.apply(&before, &word(), &sign(transaction, from as usize)).unwrap();
    }
    let mut after = before.clone();
    let batch = open.seal(&mut after).unwrap();
    let digest = chain::next(&start.digest, &batch.data().to_words(), &ROLLUP, start.number);
    let payee = start.payee.to_elements();
    let inputs = [&before.root()[..], &start.digest, &word(), &payee, &digest].concat();
    let statement = Statement {
        program: program().hash(),
        inputs,
        outputs: after.root().to_vec(),
    };
    assert_eq!(statement.inputs.len() + statement.outputs.len(), WORDS);

    let run = witness(&before, &start, &[batch]).unwrap();
    for preset in [Preset::DevFast, Preset::Local100] {
        let proven = prove(program(), &run.inputs, preset).unwrap();
        println!("{preset}: {} bytes, {} rows", proven.bytes.len(), proven.trace_length);
        let verified = verify(&statement, &[preset], &proven.bytes).unwrap();
        assert_eq!((verified.preset, verified.chips), (preset, ChipSet::Kernel));
        for number in 0..WORDS {
            let other = changed(&statement, number);
            assert!(
                verify(&other, &[preset], &proven.bytes).is_err(),
                "{preset}: word {number}"
            );
        }
        let mut other = statement.clone();
        other.program[0] += Felt::new(1);
        assert!(verify(&other, &[preset], &proven.bytes).is_err(), "{preset}: program");
    }
}
