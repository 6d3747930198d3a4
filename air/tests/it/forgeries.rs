//! Lies through the real prover: whatever it makes of them, the verifier refuses.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use starling_air::check::Statement;
use starling_air::machine::ChipSet;
use starling_air::preset::Preset;
use starling_air::prover::prove_trace;
use starling_air::verifier::{VerifyError, verify};
use starling_vm::field::{Felt, MODULUS};

use crate::forge::{Forgery, felt};
use crate::lies::Lie;
use crate::samples::tour;
use crate::soak;
use crate::sweep::free;
use crate::switches::LIES;

/// How a lie ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum End {
    /// The prover makes a proof, which the verifier refuses.
    Refused,
    /// The prover makes no proof.
    NoProof,
    /// The prover panics.
    Panic,
}

/// Proves and verifies; `None` when the proof is accepted.
fn end(columns: &[Vec<Felt>], statement: &Statement, chips: ChipSet, preset: Preset) -> Option<End> {
    let prove = || prove_trace(columns.to_vec(), statement, chips, preset);
    match catch_unwind(AssertUnwindSafe(prove)) {
        Err(_) => Some(End::Panic),
        Ok(Err(_)) => Some(End::NoProof),
        Ok(Ok(bytes)) => verify(statement, &[preset], &bytes).is_err().then_some(End::Refused),
    }
}

fn assert_refused<'a>(lies: impl Iterator<Item = (&'a str, &'a Forgery)>, preset: Preset) -> usize {
    crate::quiet_panics_of_the_prover();
    let mut ends: HashMap<End, usize> = HashMap::new();
    let mut honest = HashMap::new();
    for (name, forgery) in lies {
        let end = end(&forgery.columns, &forgery.statement, forgery.machine.chips(), preset);
        *ends
            .entry(end.unwrap_or_else(|| panic!("accepted: {name}")))
            .or_default() += 1;
        let base = &forgery.honest;
        honest
            .entry((base.statement.program.map(|x| x.as_int()), base.trace.columns[0].len()))
            .or_insert(base);
    }
    for base in honest.values() {
        let end = end(&base.trace.columns, &base.statement, base.trace.chips, preset);
        assert_eq!(end, None, "the unaltered trace");
    }
    println!("{preset}: {ends:?}; {} honest traces accepted", honest.len());
    ends.values().sum()
}

#[test]
fn no_lie_is_accepted() {
    let lies = LIES.iter().map(|(Lie { name, forgery }, _)| (name.as_str(), forgery));
    let count = assert_refused(lies, Preset::DevFast);
    assert!(count >= 200, "{count} lies");
}

#[test]
fn no_lie_is_accepted_at_full_strength() {
    let every = LIES.len() / soak(6);
    let lies = LIES
        .iter()
        .step_by(every.max(1))
        .map(|(Lie { name, forgery }, _)| (name.as_str(), forgery));
    assert_refused(lies, Preset::Local100);
}

/// Random cells, among those that are not free.
#[test]
fn no_changed_cell_is_accepted() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let mut forgeries = vec![];
    for (name, sample) in tour() {
        for _ in 0..soak(5) {
            let mut forgery = Forgery::of(&sample);
            let (column, row) = (
                rng.random_range(0..forgery.columns.len()),
                rng.random_range(0..forgery.length()),
            );
            let value = felt(rng.random::<u64>() % MODULUS);
            let bound = free(&forgery.machine, &forgery.columns, column, row, value).is_none();
            if bound && forgery.columns[column][row] != value {
                forgery.columns[column][row] = value;
                forgeries.push((format!("{name}, column {column}, row {row}"), forgery));
            }
        }
    }
    assert_refused(forgeries.iter().map(|(name, f)| (name.as_str(), f)), Preset::DevFast);
}

/// A proof is a proof of its own statement only: of its program, inputs, outputs, chips and preset.
#[test]
fn no_other_statement_is_accepted() {
    let (_, sample) = tour().swap_remove(0);
    let preset = Preset::DevFast;
    let bytes = prove_trace(
        sample.trace.columns.clone(),
        &sample.statement,
        sample.trace.chips,
        preset,
    )
    .expect("a proof");
    let accepted = |statement: &Statement, bytes: &[u8]| verify(statement, &[preset], bytes).is_ok();
    assert!(accepted(&sample.statement, &bytes));
    let one = felt(1);
    let changes: [fn(&mut Statement, Felt); 8] = [
        |s, one| s.program[3] += one,
        |s, one| s.inputs[0] += one,
        |s, one| s.outputs[0] += one,
        |s, _| _ = s.inputs.pop(),
        |s, _| _ = s.outputs.pop(),
        |s, one| s.inputs.push(one),
        |s, one| s.outputs.push(one),
        // The same words, cut elsewhere.
        |s, _| {
            let word = s.outputs.remove(0);
            s.inputs.push(word);
        },
    ];
    for change in changes {
        let mut statement = sample.statement.clone();
        change(&mut statement, one);
        assert!(!accepted(&statement, &bytes));
    }
    let mut other = bytes.clone();
    other[5] = ChipSet::Bitwise.id();
    assert!(!accepted(&sample.statement, &other));
    other[5] = 0xff;
    assert!(matches!(
        verify(&sample.statement, &[preset], &other),
        Err(VerifyError::UnknownChips(0xff))
    ));
    for id in 1..=u8::MAX {
        let mut other = bytes.clone();
        other[4] = id;
        assert!(verify(&sample.statement, &Preset::ALL, &other).is_err());
    }
}
