//! The kernel and the native rules: the same roots, digests and refusals.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use starling_rollup::batch::{Batch, OpenBatch};
use starling_rollup::chain;
use starling_rollup::data::{BatchData, from_calldata, to_calldata};
use starling_rollup::kernel::program;
use starling_rollup::kernel::witness::{Start, Witness, lawless_witness, witness};
use starling_rollup::state::State;
use starling_vm::executor::{Outcome, run};
use starling_vm::field::Felt;
use starling_vm::trap::Trap;

use crate::world::{cases, entry, operation, start, state, word};

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
fn batches(rng: &mut ChaCha8Rng, state: &mut State, most: usize) -> Option<Vec<Batch>> {
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
    let (mut proven, mut operations) = (0, 0);
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
        operations += batches.iter().map(|batch| batch.transactions.len()).sum::<usize>();
    }
    println!("{proven} batches, {operations} operations");
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

/// Whatever the rules refuse the kernel refuses too: the refused operation is put into the batch all the same, with the
/// advice that a run of it would need.
#[test]
fn what_the_rules_refuse_the_kernel_traps_on() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut refused = 0;
    while refused < cases(500) {
        let count = rng.random_range(1..12);
        let before = state(&mut rng, count);
        let start = start(&mut rng);
        let (open, _) = fill(&mut rng, &before, 0, 4);
        let Some(signed) = operation(&mut rng, &before, &open) else {
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
        refused += 1;
    }
}

/// Every outcome of an entry but the one of the rules is refused.
#[test]
fn an_entry_has_one_outcome() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    for _ in 0..cases(300) {
        let count = rng.random_range(0..6);
        let before = state(&mut rng, count);
        let start = start(&mut rng);
        let mut open = OpenBatch::new(&before, 0);
        let entry = entry(&mut rng, before.next());
        let moved = open.enter(&before, entry).unwrap();
        let mut batch = open.batch().clone();
        for lie in [0, 1, moved ^ 1, moved + 1, rng.random_range(0..1 << 63)] {
            batch.entries[0].1 = lie;
            let outcome = kernel(&lawless_witness(&before, &start, std::slice::from_ref(&batch)).unwrap());
            assert_eq!(outcome.is_ok(), lie == moved, "{entry:?}: {lie} instead of {moved}");
        }
    }
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
