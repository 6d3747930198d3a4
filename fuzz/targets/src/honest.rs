//! What the targets of the network hold answers against: a rollup with honest parties in it.
//!
//! All of it is fixed, so that a corpus made with it stays valid. The keys are nobody's.

use std::sync::LazyLock;

use starling_rollup::account::Account;
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::block_header::{BlockHeader, SignedHeader};
use starling_rollup::chain::word_bytes;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::l1_key::L1Key;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::schnorr::SecretKey;

/// The rollup.
pub const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0x42; 20]),
};

/// Who owns the accounts on L1.
pub const OWNER: L1Address = L1Address([7; 20]);

/// An account's key.
pub fn account_key(number: u8) -> SecretKey {
    SecretKey::derive(&[number])
}

/// An account's address.
pub fn account_address(number: u8) -> Address {
    Address::new(account_key(number).public_key(), OWNER)
}

/// A key of L1: 1 has signed one header only, 2 has signed two of one place, 3 some for the other targets.
pub fn l1_key(number: u8) -> L1Key {
    L1Key::from_bytes(&[number; 32]).expect("a number below the group's order")
}

/// A state of two accounts.
pub static STATE: LazyLock<State> = LazyLock::new(|| {
    let accounts = [1, 2].map(|number| Account::new(account_address(number), 1_000_000));
    State::from_accounts(accounts.to_vec())
});

/// Signed transactions of the first account, one of each kind.
pub static TRANSACTIONS: LazyLock<Vec<SignedTransaction>> = LazyLock::new(|| {
    let (to, new) = (account_address(2), account_address(3));
    let operations = [
        Operation::Transfer {
            to: 1,
            address: to,
            amount: 10,
        },
        Operation::Open {
            address: new,
            amount: 11,
        },
        Operation::Withdraw {
            recipient: OWNER,
            amount: 12,
        },
        Operation::Rekey { address: new },
    ];
    let sign = |(nonce, operation)| {
        let transaction = Transaction {
            from: 0,
            nonce,
            fee: 3,
            operation,
        };
        transaction.sign(&ROLLUP.word(), &account_key(1), OWNER)
    };
    (0..).zip(operations).map(sign).collect()
});

/// A batch over [STATE]: entries of the queue, then [TRANSACTIONS].
pub static BATCH: LazyLock<Batch> = LazyLock::new(|| {
    let mut open = OpenBatch::new(&STATE, 0);
    for kind in [
        Kind::DepositNew { amount: 5 },
        Kind::Deposit { index: 1, amount: 6 },
        Kind::Exit { index: 9 },
    ] {
        let (sender, address) = (OWNER, account_address(1));
        let entry = Entry { kind, sender, address };
        open.enter(&STATE, entry).expect("room in the batch");
    }
    for signed in &*TRANSACTIONS {
        open.apply(&STATE, &ROLLUP.word(), signed)
            .expect("a transaction that can be executed");
    }
    open.batch().clone()
});

/// A header that claims [STATE], signed by the leader of its slot: the only header that this key has signed.
pub static HEADER: LazyLock<SignedHeader> = LazyLock::new(|| {
    let header = BlockHeader {
        slot: 9,
        batch: 4,
        index: 0,
        parent: [1; 32],
        operations: [2; 32],
        state: word_bytes(&STATE.root()),
    };
    header.sign(&ROLLUP, &l1_key(1)).expect("a signature")
});
