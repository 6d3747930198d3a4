//! Accounts with keys, and random operations on them.

use std::sync::LazyLock;

use rand::Rng;
use rand_chacha::ChaCha8Rng;
use starling_rollup::account::{AMOUNT_LIMIT, Account};
use starling_rollup::address::{Address, L1Address};
use starling_rollup::batch::OpenBatch;
use starling_rollup::chain::GENESIS;
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::witness::Start;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, RollupId, SignedTransaction, Transaction};
use starling_vm::field::{Felt, Word};
use starling_vm::schnorr::SecretKey;

/// Multiplies the counts of random tests in a soaking run.
pub(crate) fn cases(base: usize) -> usize {
    if std::env::var_os("STARLING_SOAK").is_some() {
        base * 10
    } else {
        base
    }
}

pub(crate) const ROLLUP: RollupId = RollupId {
    chain_id: 31_337,
    contract: L1Address([0xc0; 20]),
};

static KEYS: LazyLock<Vec<SecretKey>> =
    LazyLock::new(|| (0..64u64).map(|i| SecretKey::derive(&i.to_le_bytes())).collect());

/// Key number `k`, modulo the number of keys.
pub(crate) fn key(k: usize) -> &'static SecretKey {
    &KEYS[k % KEYS.len()]
}

pub(crate) fn owner(k: usize) -> L1Address {
    L1Address([(k % KEYS.len()) as u8 + 1; 20])
}

pub(crate) fn address(k: usize) -> Address {
    Address::new(key(k).public_key(), owner(k))
}

/// The key of an address of this world.
pub(crate) fn key_of(address: &Address) -> Option<usize> {
    static ADDRESSES: LazyLock<Vec<Address>> = LazyLock::new(|| (0..KEYS.len()).map(super::world::address).collect());
    ADDRESSES.iter().position(|known| known == address)
}

/// A state of `count` accounts with balances of all sizes.
pub(crate) fn state(rng: &mut ChaCha8Rng, count: usize) -> State {
    let account = |k| {
        let balance = match rng.random_range(0..6) {
            0 => 0,
            1 => AMOUNT_LIMIT - 1 - rng.random_range(0..1_000),
            2 => rng.random_range(0..AMOUNT_LIMIT),
            _ => rng.random_range(0..1_000_000_000_000),
        };
        Account {
            nonce: rng.random_range(0..5),
            ..Account::new(address(k), balance)
        }
    };
    State::from_accounts((0..count).map(account).collect())
}

pub(crate) fn start(rng: &mut ChaCha8Rng) -> Start {
    let digest = if rng.random_bool(0.5) {
        GENESIS
    } else {
        core::array::from_fn(|_| Felt::new(rng.random()))
    };
    Start {
        rollup: ROLLUP,
        number: rng.random_range(1..1_000),
        digest,
        payee: L1Address(rng.random()),
    }
}

pub(crate) fn word() -> Word {
    ROLLUP.word()
}

pub(crate) fn sign(transaction: Transaction, k: usize) -> SignedTransaction {
    transaction.sign(&word(), key(k), owner(k))
}

/// An entry of the queue, sensible or not.
pub(crate) fn entry(rng: &mut ChaCha8Rng, next: u64) -> Entry {
    let index = rng.random_range(0..next as u32 + 2);
    let k = rng.random_range(0..64);
    let amount = if rng.random_bool(0.1) {
        rng.random_range(1..AMOUNT_LIMIT)
    } else {
        rng.random_range(1..1 << 40)
    };
    let kind = match rng.random_range(0..3) {
        0 => Kind::Deposit { index, amount },
        1 => Kind::DepositNew { amount },
        _ => Kind::Exit { index },
    };
    Entry {
        kind,
        sender: owner(k),
        // Often the right address: accounts are made in the order of the keys.
        address: if rng.random_bool(0.7) {
            address(index as usize)
        } else {
            address(k)
        },
    }
}

/// A random operation, most often one that the rules allow, signed by whoever can.
pub(crate) fn operation(rng: &mut ChaCha8Rng, state: &State, open: &OpenBatch) -> Option<SignedTransaction> {
    let next = open.overlay().next() as u32;
    let account = |index| open.overlay().account(state, index);
    let from = rng.random_range(0..next.max(1));
    let sender = account(from)?;
    let part = |rng: &mut ChaCha8Rng, balance: u64| match rng.random_range(0..8) {
        0 => balance,
        1 => balance.saturating_add(1).min(AMOUNT_LIMIT - 1),
        2 => 0,
        3 => (rng.random_range(0..=balance) / 10u64.pow(rng.random_range(4..10))) * 10u64.pow(rng.random_range(0..4)),
        _ => rng.random_range(0..=balance / 4),
    };
    let amount = part(rng, sender.balance).min(AMOUNT_LIMIT - 1);
    let to = if rng.random_bool(0.1) {
        from
    } else {
        rng.random_range(0..next)
    };
    let k = rng.random_range(0..64);
    let operation = match rng.random_range(0..8) {
        0 => Operation::Open {
            address: address(k),
            amount,
        },
        1 => Operation::Withdraw {
            recipient: L1Address(rng.random()),
            amount,
        },
        2 => Operation::Rekey { address: address(k) },
        _ => Operation::Transfer {
            to,
            address: account(to)?.address,
            amount,
        },
    };
    let left = sender.balance.saturating_sub(amount);
    let fee = if rng.random_bool(0.3) {
        0
    } else {
        part(rng, left.min(100_000))
    };
    let transaction = Transaction {
        from,
        nonce: sender.nonce,
        fee,
        operation,
    };
    Some(sign(transaction, key_of(&sender.address)?))
}
