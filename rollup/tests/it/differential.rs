//! The kernel and the native rules: the same roots, digests and refusals.

use std::collections::BTreeMap;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use starling_rollup::account::AMOUNT_LIMIT;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::chain;
use starling_rollup::data::{BatchData, from_calldata, to_calldata};
use starling_rollup::entry::{Entry, Kind};
use starling_rollup::kernel::program;
use starling_rollup::kernel::witness::{Start, Witness, lawless_witness, witness};
use starling_rollup::record::{LAYOUTS, Record, TAG_BITS, layout};
use starling_rollup::rules::Refusal;
use starling_rollup::state::State;
use starling_rollup::transaction::{Operation, SignedTransaction, Transaction};
use starling_rollup::tree::CAPACITY;
use starling_vm::executor::{Outcome, run};
use starling_vm::field::Felt;
use starling_vm::trap::Trap;

use crate::world::{address, cases, entry, key_of, operation, sign, start, state, word};

/// Runs the kernel.
pub(crate) fn kernel(witness: &Witness) -> Result<Outcome, Box<Trap>> {
    run(program(), &witness.inputs, 1 << 24)
}

/// Fills a batch with up to `operations` random operations; those that the rules refuse are left out and returned.
fn fill(rng: &mut ChaCha8Rng, state: &State, fee_account: u32, operations: usize) -> (OpenBatch, usize) {
    let mut open = OpenBatch::new(state, fee_account);
    for _ in 0..rng.random_range(0..4) {
        let entry = entry(rng, open.overlay().next());
        open.enter(state, entry).unwrap();
    }
    let mut refused = 0;
    for _ in 0..operations {
        let Some(signed) = operation(rng, state, &open) else {
            continue;
        };
        refused += usize::from(open.apply(state, &word(), &signed).is_err());
    }
    (open, refused)
}

/// Random batches over a random state, one after the other; `None` if the fees of one had nowhere to go.
pub(crate) fn batches(rng: &mut ChaCha8Rng, state: &mut State, most: usize) -> Option<Vec<Batch>> {
    (0..rng.random_range(1..4))
        .map(|_| {
            let fee_account = rng.random_range(0..state.next().max(1) as u32 + 1);
            let operations = rng.random_range(0..=most);
            let (open, _) = fill(rng, state, fee_account, operations);
            open.seal(state).ok()
        })
        .collect()
}

fn agree(before: &State, start: &Start, batches: &[Batch], after: &State) {
    let witness = witness(before, start, batches).unwrap();
    let digest = (start.number..)
        .zip(batches)
        .fold(start.digest, |digest, (number, batch)| {
            chain::next(&digest, &batch.data().to_words(), &start.rollup, number)
        });
    assert_eq!((witness.root, witness.digest), (after.root(), digest));
    let outcome = kernel(&witness).unwrap_or_else(|trap| panic!("the kernel refuses what the rules allow: {trap}"));
    assert_eq!(outcome.outputs, witness.outputs());
    assert_eq!(outcome.advice_left, 0);
    // And the public data alone leads to the same state.
    let mut rebuilt = before.clone();
    for batch in batches {
        let words = from_calldata(&to_calldata(&batch.data().to_words())).unwrap();
        let data = BatchData::from_words(&words).unwrap();
        assert_eq!(data, batch.data());
        rebuilt.replay(&data).unwrap();
    }
    assert_eq!(rebuilt.root(), after.root());
    assert_eq!(rebuilt.accounts(), after.accounts());
}

#[test]
fn random_batches_agree() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut proven, mut seen) = (0, BTreeMap::new());
    while proven < cases(1_000) {
        let count = rng.random_range(0..40);
        let before = state(&mut rng, count);
        let start = start(&mut rng);
        let mut after = before.clone();
        let Some(batches) = batches(&mut rng, &mut after, 12) else {
            continue;
        };
        agree(&before, &start, &batches, &after);
        proven += batches.len();
        for batch in &batches {
            let data = batch.data();
            let entries = data.entries.iter().map(|(entry, moved)| entry.encode(*moved));
            for words in entries.chain(data.records.iter().map(Record::encode)) {
                let layout = layout(words[1] & ((1 << TAG_BITS) - 1)).unwrap();
                *seen.entry(layout.name).or_insert(0) += 1;
            }
        }
    }
    println!("{proven} batches, {seen:?}");
    assert_eq!(seen.len(), LAYOUTS.len(), "records of all kinds are proven");
}

#[test]
fn long_batches_agree() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for _ in 0..cases(4) {
        let before = state(&mut rng, 700);
        let start = start(&mut rng);
        let mut after = before.clone();
        let (open, _) = fill(&mut rng, &before, 0, 600);
        let Ok(mut batch) = open.seal(&mut after) else { continue };
        batch.transactions.truncate(512);
        let mut open = OpenBatch::new(&before, 0);
        for (entry, _) in &batch.entries {
            open.enter(&before, *entry).unwrap();
        }
        for signed in &batch.transactions {
            open.apply_verified(&before, signed).unwrap();
        }
        let mut after = before.clone();
        let batch = open.seal(&mut after).unwrap();
        assert!(batch.transactions.len() > 256);
        agree(&before, &start, &[batch], &after);
    }
}

/// A refusal without its numbers.
fn kind(refusal: &Refusal) -> String {
    let text = format!("{refusal:?}");
    text.split([' ', '(']).next().unwrap_or_default().into()
}

/// As [operation], most often with something wrong; with the state that it is wrong in and the batch before it.
fn hostile(rng: &mut ChaCha8Rng, before: &State) -> Option<(State, OpenBatch, SignedTransaction)> {
    let wrong = rng.random_range(0..14);
    let mut accounts = before.accounts().to_vec();
    match wrong {
        0 => accounts.iter_mut().for_each(|account| account.nonce = u32::MAX),
        1 => accounts
            .iter_mut()
            .for_each(|account| account.balance = AMOUNT_LIMIT - 1),
        _ => {}
    }
    let next = if wrong == 2 { CAPACITY } else { before.next() };
    let state = State::with_next(accounts, next);
    let spends = |index: usize, fee, operation| {
        let from = index as u32;
        let nonce = state.accounts()[index].nonce;
        let transaction = Transaction {
            from,
            nonce,
            fee,
            operation,
        };
        sign(transaction, index)
    };
    let rekey = |k| Operation::Rekey { address: address(k) };
    let mut open = OpenBatch::new(&state, 0);
    let signed = match wrong {
        1 if state.accounts().len() > 1 => {
            let all = spends(0, AMOUNT_LIMIT - 1, rekey(0));
            open.apply(&state, &word(), &all).unwrap();
            spends(1, rng.random_range(1..AMOUNT_LIMIT), rekey(1))
        }
        2 => {
            let address = address(1);
            spends(0, 0, Operation::Open { address, amount: 0 })
        }
        _ => {
            (open, _) = fill(rng, &state, 0, 4);
            operation(rng, &state, &open)?
        }
    };
    let SignedTransaction {
        mut transaction,
        signature,
        ..
    } = signed;
    let k = key_of(&open.overlay().account(&state, transaction.from)?.address)?;
    let (absent, other) = (
        open.overlay().next() as u32 + rng.random_range(0..3),
        rng.random_range(0..64),
    );
    let too_large = AMOUNT_LIMIT + rng.random_range(0..AMOUNT_LIMIT / 2);
    let signed = match (wrong, &mut transaction.operation) {
        (3, _) => sign(transaction, k + 1),
        (4, _) => {
            transaction.nonce += rng.random_range(1..3);
            sign(transaction, k)
        }
        (5, _) => {
            transaction.from = absent;
            sign(transaction, k)
        }
        (6, Operation::Transfer { to, .. }) => {
            *to = absent;
            sign(transaction, k)
        }
        (7, Operation::Transfer { address: named, .. }) => {
            *named = address(other);
            sign(transaction, k)
        }
        (
            8,
            Operation::Transfer { amount, .. } | Operation::Open { amount, .. } | Operation::Withdraw { amount, .. },
        ) => {
            *amount = too_large;
            sign(transaction, k)
        }
        (9, _) => {
            transaction.fee = too_large;
            sign(transaction, k)
        }
        (10, _) => {
            transaction.fee ^= 1;
            SignedTransaction {
                signature,
                ..sign(transaction, k)
            }
        }
        _ => signed,
    };
    Some((state, open, signed))
}

/// Whatever the rules refuse the kernel refuses too: the refused operation is put into the batch all the same, with the
/// advice that a run of it would need.
#[test]
fn what_the_rules_refuse_the_kernel_traps_on() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut refused = BTreeMap::new();
    while refused.values().sum::<usize>() < cases(1_000) {
        let count = rng.random_range(1..12);
        let before = state(&mut rng, count);
        let start = start(&mut rng);
        let Some((before, open, signed)) = hostile(&mut rng, &before) else {
            continue;
        };
        let Err(refusal) = open.clone().apply(&before, &word(), &signed) else {
            continue;
        };
        let mut batch = open.batch().clone();
        batch.transactions.push(signed);
        let witness = lawless_witness(&before, &start, &[batch]).unwrap();
        let outcome = kernel(&witness);
        assert!(outcome.is_err(), "the kernel allows what the rules refuse: {refusal}");
        *refused.entry(kind(&refusal)).or_insert(0) += 1;
    }
    println!("{refused:?}");
    let kinds = [
        "FeeOverflow",
        "Funds",
        "NoSuchAccount",
        "Nonce",
        "NonceExhausted",
        "NotTheOwner",
        "Overflow",
        "Recipient",
        "Signature",
        "TooLarge",
        "TreeFull",
    ];
    assert!(refused.keys().eq(kinds), "every refusal is reached");
}

/// Why an entry has the outcome that it has.
fn reason(state: &State, entry: &Entry) -> &'static str {
    let named = |index| {
        state
            .account(index)
            .map(|account| (account.address == entry.address, account.balance))
    };
    match entry.kind {
        Kind::DepositNew { .. } if state.next() == CAPACITY => "deposit_new: the tree is full",
        Kind::DepositNew { .. } => "deposit_new",
        Kind::Deposit { index, amount } => match named(index) {
            None => "deposit: no account",
            Some((false, _)) => "deposit: another address",
            Some((true, balance)) if balance + amount >= AMOUNT_LIMIT => "deposit: too much",
            Some(_) => "deposit",
        },
        Kind::Exit { index } => match named(index) {
            None => "exit: no account",
            Some((false, _)) => "exit: another address",
            Some(_) => "exit",
        },
    }
}

/// Every outcome of an entry but the one of the rules is refused.
#[test]
fn an_entry_has_one_outcome() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let mut reasons = BTreeMap::new();
    for _ in 0..cases(300) {
        let count = rng.random_range(2..6);
        let mut before = state(&mut rng, count);
        let mut indices = before.next();
        if rng.random_bool(0.1) {
            // A full tree, of which only the first accounts are there.
            before = State::with_next(before.accounts().to_vec(), CAPACITY);
            indices -= 2;
        }
        let start = start(&mut rng);
        let mut open = OpenBatch::new(&before, 0);
        let entry = entry(&mut rng, indices);
        *reasons.entry(reason(&before, &entry)).or_insert(0) += 1;
        let moved = open.enter(&before, entry).unwrap();
        let mut batch = open.batch().clone();
        for lie in [0, 1, moved ^ 1, moved + 1, rng.random_range(0..1 << 63)] {
            batch.entries[0].1 = lie;
            let outcome = kernel(&lawless_witness(&before, &start, std::slice::from_ref(&batch)).unwrap());
            assert_eq!(outcome.is_ok(), lie == moved, "{entry:?}: {lie} instead of {moved}");
        }
    }
    println!("{reasons:?}");
    assert_eq!(reasons.len(), 9, "every outcome is reached");
}

/// Fees that have nowhere to go have no proof.
#[test]
fn fees_need_an_account_that_can_take_them() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    let mut refused = BTreeMap::new();
    while refused.values().sum::<usize>() < cases(100) {
        let mut accounts = state(&mut rng, 4).accounts().to_vec();
        accounts[3].balance = AMOUNT_LIMIT - 1;
        let before = State::from_accounts(accounts);
        let start = start(&mut rng);
        let fee_account = rng.random_range(3..20);
        let (open, _) = fill(&mut rng, &before, fee_account, 4);
        let batch = open.batch().clone();
        let Err(refusal) = open.seal(&mut before.clone()) else {
            continue;
        };
        let witness = lawless_witness(&before, &start, &[batch]).unwrap();
        assert!(kernel(&witness).is_err(), "{refusal}");
        *refused.entry(kind(&refusal)).or_insert(0) += 1;
    }
    println!("{refused:?}");
    assert!(refused.keys().eq(["NoSuchAccount", "Overflow"]));
}

/// Nothing but the batch's own root and digest can come out when the statement's inputs are others.
#[test]
fn a_wrong_start_is_refused() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let before = state(&mut rng, 20);
    let start = start(&mut rng);
    let (open, _) = fill(&mut rng, &before, 3, 8);
    let batch = open.seal(&mut before.clone()).unwrap();
    let honest = witness(&before, &start, &[batch]).unwrap();
    let outcome = kernel(&honest).unwrap();
    for input in 0..honest.inputs.public.len() {
        let mut changed = honest.clone();
        changed.inputs.public[input] += Felt::new(1);
        let found = kernel(&changed);
        if (12..15).contains(&input) {
            // The payee is only named.
            assert_eq!(found.unwrap().outputs, outcome.outputs, "input {input}");
        } else {
            assert!(found.is_err(), "input {input}");
        }
    }
}

/// What a node keeps of a batch is the batch; every shorter or changed byte string is refused or is another batch.
#[test]
fn batches_round_trip() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for _ in 0..cases(40) {
        let before = state(&mut rng, 8);
        let (open, _) = fill(&mut rng, &before, 2, 6);
        let bytes = open.batch().to_bytes();
        let batch = Batch::from_bytes(&bytes).unwrap();
        assert_eq!(batch.to_bytes(), bytes);
        assert_eq!(batch.data(), open.batch().data());
        for length in 0..bytes.len() {
            assert!(Batch::from_bytes(&bytes[..length]).is_err());
        }
        assert!(Batch::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
        for _ in 0..100 {
            let mut changed = bytes.clone();
            changed[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8);
            if let Ok(other) = Batch::from_bytes(&changed) {
                assert_eq!(other.to_bytes(), changed);
            }
        }
    }
}
