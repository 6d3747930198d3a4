//! Mutated proofs and statements: the Rust verifier and the contract give one verdict.

use rand::seq::IndexedMutRandom;
use rand::{Rng, SeedableRng};
use starling_air::adapter::{PublicInputs, Shape, seed_words};
use starling_air::check;
use starling_air::codegen::Recording;
use starling_air::definition::Definition;
use starling_air::keccak::{KeccakDigest, SettleCoin, SettleHasher};
use starling_air::settlement::{CHIPS, PRESET};
use starling_air::verifier::public_inputs;
use starling_air::wire::{Codec, Ext, Parts, Sections, settle_options};
use starling_vm::field::{Felt, MODULUS};
use winterfell::math::FieldElement;

use crate::chain::{Verifier, error_names};
use crate::codegen::element;
use crate::machine;
use crate::settle::TOY;
use crate::support::{Honest, Statement};

type Parts25 = Parts<KeccakDigest<25>>;
type Random = rand_chacha::ChaCha8Rng;

/// Ways to change a proof's values.
const PART_CLASSES: [&str; 15] = [
    "trace length",
    "root",
    "value at z",
    "value at gz",
    "FRI root",
    "remainder hash",
    "nonce",
    "main row",
    "auxiliary row",
    "quotient row",
    "table node",
    "FRI value",
    "FRI node",
    "remainder",
    "order",
];
/// Ways to change its bytes or the statement.
const OTHER_CLASSES: [&str; 8] = [
    "byte",
    "truncated",
    "extended",
    "limb overflow",
    "missing item",
    "repeated item",
    "public word",
    "word count",
];

fn flip(digests: &mut [KeccakDigest<25>], rng: &mut Random) {
    if let Some(digest) = digests.choose_mut(rng) {
        digest.0[rng.random_range(0..25)] ^= 1 << rng.random_range(0..8);
    }
}

fn change(values: &mut [Ext], rng: &mut Random) {
    if let Some(value) = values.choose_mut(rng) {
        *value = element(rng);
    }
}

/// Changes the value class `class`.
fn mutate(parts: &mut Parts25, class: usize, rng: &mut Random) {
    match class {
        0 => parts.log_length = rng.random_range(0..40),
        1 => flip(&mut parts.roots, rng),
        2 => change(&mut parts.ood[0], rng),
        3 => change(&mut parts.ood[1], rng),
        4 => flip(&mut parts.fri_roots, rng),
        5 => flip(core::slice::from_mut(&mut parts.remainder_hash), rng),
        6 => parts.nonce = rng.random(),
        7 => {
            let row = parts.main_rows.choose_mut(rng).expect("a row");
            *row.choose_mut(rng).expect("a column") = Felt::new(rng.random_range(0..MODULUS));
        }
        8 | 9 => change(parts.ext_rows[class - 8].choose_mut(rng).expect("a row"), rng),
        10 => flip(parts.nodes.choose_mut(rng).expect("a tree"), rng),
        11 => change(&mut parts.layers.choose_mut(rng).expect("a layer").0, rng),
        12 => flip(&mut parts.layers.choose_mut(rng).expect("a layer").1, rng),
        13 => change(&mut parts.remainder, rng),
        _ => {
            let last = parts.main_rows.len() - 1;
            let (a, b) = (rng.random_range(0..last), rng.random_range(0..last));
            match rng.random_range(0..4) {
                0 => parts.main_rows.swap(a, b + 1),
                1 => parts.ext_rows[0].swap(a, b + 1),
                2 => parts.ood[0].swap(0, 1),
                _ => parts.nodes[0].swap(a, b + 1),
            }
        }
    }
}

/// A copy of `parts` with one item removed or repeated.
fn resize(parts: &mut Parts25, repeat: bool, rng: &mut Random) {
    fn list<T: Clone>(items: &mut Vec<T>, repeat: bool, rng: &mut Random) {
        let at = rng.random_range(0..items.len());
        match repeat {
            true => items.insert(at, items[at].clone()),
            false => drop(items.remove(at)),
        }
    }
    match rng.random_range(0..7) {
        0 => list(&mut parts.fri_roots, repeat, rng),
        1 => list(&mut parts.ood[1], repeat, rng),
        2 => list(&mut parts.main_rows, repeat, rng),
        3 => list(parts.nodes.choose_mut(rng).expect("a tree"), repeat, rng),
        4 => list(&mut parts.layers.choose_mut(rng).expect("a layer").0, repeat, rng),
        5 => list(&mut parts.layers.choose_mut(rng).expect("a layer").1, repeat, rng),
        _ => list(&mut parts.remainder, repeat, rng),
    }
}

/// Puts a value that is not below the modulus where a limb stands: out-of-domain, in a row of each table, in the first
/// coset, or in the remainder.
fn overflow(bytes: &mut [u8], parts: &Parts25, rng: &mut Random) {
    let Sections { head, openings, .. } = parts.to_sections();
    let main = head.len();
    let rows = parts.main_rows.len();
    let aux = main + 8 * rows * parts.main_rows[0].len() + 25 * parts.nodes[0].len();
    let quotients = aux + 24 * rows * parts.ext_rows[0][0].len() + 25 * parts.nodes[1].len();
    let fri = main + openings.len();
    let starts = [76, main, aux, quotients, fri, bytes.len() - 8 * 20];
    let at = starts[rng.random_range(0..starts.len())] + 8 * rng.random_range(0..20);
    bytes[at..at + 8].copy_from_slice(&rng.random_range(MODULUS..=u64::MAX).to_be_bytes());
}

fn mutate_statement(statement: &mut Statement, count: bool, rng: &mut Random) {
    let value = Felt::new(rng.random_range(0..MODULUS));
    match (count, rng.random_range(0..3)) {
        (false, 0) => statement.program[rng.random_range(0..4)] = value,
        (false, 1) => statement.inputs[rng.random_range(0..2)] = value,
        (false, _) => match statement.outputs.first_mut() {
            Some(output) => *output = value,
            None => statement.outputs.push(value),
        },
        (true, 0) => statement.inputs.push(Felt::ZERO),
        (true, 1) => drop(statement.inputs.pop()),
        (true, _) => {
            let moved = statement.inputs.pop().expect("an input");
            statement.outputs.insert(0, moved);
        }
    }
}

/// The public inputs of a statement.
type Public<D> = Box<dyn Fn(&Statement) -> PublicInputs<D>>;

/// A proof, and who judges it.
struct Case<D> {
    shape: Shape,
    public: Public<D>,
    statement: Statement,
    parts: Parts25,
    verifier: Verifier,
}

/// `STARLING_FUZZ_CASES` sets how many mutations are tried; a soaking run tries 5,000.
fn cases(quick: usize) -> usize {
    let soaking = crate::soak(1) > 1;
    std::env::var("STARLING_FUZZ_CASES")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(if soaking { 5_000 } else { quick })
}

#[test]
fn mutations_of_toy_proofs_get_one_verdict() {
    let recording = Recording::new(&TOY);
    let proofs = [9, 10, 12].map(|log_length| {
        let honest = Honest::new(TOY, log_length, settle_options(41, 16, 31));
        let (identity, options) = (recording.identity(&honest.shape), honest.shape.options.clone());
        Case {
            parts: honest.codec().parts(&honest.proof).expect("takes apart"),
            verifier: Verifier::toy(&recording, &honest.shape),
            shape: honest.shape,
            public: Box::new(move |statement| statement.public(TOY, &identity, &options)),
            statement: Statement::example(),
        }
    });
    mutations_get_one_verdict(proofs, cases(400));
}

/// The same for the AIR, the presets and the contracts that settle: one run without signatures, and one with.
#[test]
fn mutations_of_kernel_proofs_get_one_verdict() {
    let runs = [machine::loop_of(10), machine::loop_of(12), machine::signature()];
    let proofs = runs.map(|(program, inputs)| {
        let settled = machine::settle(&program, &inputs);
        let (chips, preset) = (CHIPS, PRESET);
        Case {
            shape: preset.shape(chips),
            public: Box::new(move |statement: &Statement| {
                let Statement {
                    program,
                    inputs,
                    outputs,
                } = statement.clone();
                let statement = check::Statement {
                    program,
                    inputs,
                    outputs,
                };
                public_inputs(&statement, chips, preset)
            }),
            statement: settled.statement,
            parts: settled.parts,
            verifier: machine::verifier(),
        }
    });
    mutations_get_one_verdict(proofs, cases(150));
}

fn mutations_get_one_verdict<D: Definition>(mut proofs: [Case<D>; 3], cases: usize) {
    let mut rng = Random::seed_from_u64(3);
    let known = error_names("StarkVerifier");
    let mut accepted = 0;
    let mut seen = std::collections::BTreeMap::<(String, &str), usize>::new();
    for i in 0..cases {
        let case = &mut proofs[i % 3];
        let class = rng.random_range(0..=PART_CLASSES.len() + OTHER_CLASSES.len());
        let mut statement = case.statement.clone();
        let mut parts = case.parts.clone();
        let mut bytes = parts.to_sections().concat();
        let name = match class {
            _ if class < PART_CLASSES.len() => {
                mutate(&mut parts, class, &mut rng);
                bytes = parts.to_sections().concat();
                PART_CLASSES[class]
            }
            _ if class < PART_CLASSES.len() + OTHER_CLASSES.len() => {
                let class = class - PART_CLASSES.len();
                match class {
                    0 => {
                        let at = rng.random_range(0..bytes.len());
                        bytes[at] ^= rng.random_range(1..=255u8);
                    }
                    1 => bytes.truncate(rng.random_range(0..bytes.len())),
                    2 => bytes.extend(vec![0; rng.random_range(1..100)]),
                    3 => overflow(&mut bytes, &parts, &mut rng),
                    4 | 5 => {
                        resize(&mut parts, class == 5, &mut rng);
                        bytes = parts.to_sections().concat();
                    }
                    _ => mutate_statement(&mut statement, class == 7, &mut rng),
                }
                OTHER_CLASSES[class]
            }
            _ => "nothing",
        };

        let public = (case.public)(&statement);
        let codec = Codec::<D, SettleHasher, SettleCoin>::new(&case.shape, &public).expect("cubic");
        let ours = codec.verify(&bytes);
        let theirs = case.verifier.verify(&statement, &bytes);
        assert_eq!(
            ours.is_ok(),
            theirs.result.is_ok(),
            "{name}: {ours:?} against {:?}",
            theirs.result
        );
        match theirs.result {
            Ok(_) => accepted += 1,
            Err(_) => {
                let error = theirs.error().expect("a typed error");
                let error = known
                    .get(&error)
                    .unwrap_or_else(|| panic!("{name}: unknown error {error:02x?}"));
                assert_eq!(
                    error.ends_with("NotCanonical"),
                    name == "limb overflow" || is_raw(name) && error.ends_with("NotCanonical")
                );
                *seen.entry((error.clone(), name)).or_default() += 1;
            }
        }
        let unchanged = statement.words() == case.statement.words() && bytes == case.parts.to_sections().concat();
        assert_eq!(unchanged, ours.is_ok(), "{name}");
    }
    println!("{cases} cases, {accepted} unchanged");
    for ((error, name), count) in seen {
        println!("{error:44} {name:16} {count}");
    }
}

/// Whether a class may overflow a limb by accident.
fn is_raw(name: &str) -> bool {
    matches!(name, "byte" | "truncated" | "missing item" | "repeated item" | "order")
}

#[test]
fn the_seed_binds_identity_options_and_words() {
    let options = settle_options(41, 16, 127);
    let words = Statement::example().words();
    let seed = seed_words(&[1; 32], &options, &words);
    assert_ne!(seed, seed_words(&[2; 32], &options, &words));
    assert_ne!(seed, seed_words(&[1; 32], &options, &words[1..]));
    let partitions = options.with_partitions(2, 8);
    assert_ne!(seed, seed_words(&[1; 32], &partitions, &words));
}
