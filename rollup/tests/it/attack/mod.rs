//! What the kernel must make impossible: runs with advice that lies.

use starling_rollup::account::Account;
use starling_rollup::address::L1Address;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::chain;
use starling_rollup::kernel::witness::{Start, Witness, lawless_witness};
use starling_rollup::rules::Refusal;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, SignedTransaction, Transaction};
use starling_vm::trap::TrapKind;

use crate::differential::kernel;
use crate::world::{ROLLUP, address, word};

mod advice;
mod operations;
mod queue;

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
