//! Changed proofs: none is accepted, none makes the verifier panic, and every kind of error is reached.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use starling_air::blake::{Blake, LocalCoin};
use starling_air::check::Statement;
use starling_air::machine::Machine;
use starling_air::preset::Preset;
use starling_air::prover::prove_trace;
use starling_air::verifier::{Header, VerifyError, public_inputs, verify};
use starling_air::wire::{self, Codec, Ext, Parts, WireError};
use starling_vm::field::{Felt, MODULUS};
use winter_crypto::{Digest, Hasher};
use winterfell::math::FieldElement;

use crate::samples::{Sample, tour};
use crate::soak;

type Node = <Blake as Hasher>::Digest;

/// An honest proof.
struct Proof {
    sample: Sample,
    preset: Preset,
    bytes: Vec<u8>,
    parts: Parts<Node>,
}

impl Proof {
    fn new(sample: Sample, preset: Preset) -> Self {
        let (statement, chips) = (&sample.statement, sample.trace.chips);
        let bytes = prove_trace(sample.trace.columns.clone(), statement, chips, preset).expect("a proof");
        let (shape, public) = (preset.shape(chips), public_inputs(statement, chips, preset));
        let codec = Codec::<Machine, Blake, LocalCoin>::new(&shape, &public).expect("cubic");
        let parts = codec.read(&bytes[Header::LEN..]).expect("well formed");
        verify(statement, &[preset], &bytes).expect("honest");
        let proof = Self {
            sample,
            preset,
            bytes,
            parts,
        };
        assert_eq!(proof.encoded(&proof.parts), proof.bytes, "one encoding");
        proof
    }

    fn encoded(&self, parts: &Parts<Node>) -> Vec<u8> {
        [&self.bytes[..Header::LEN], &parts.to_sections().concat()].concat()
    }

    /// The name of the error with which `bytes` are refused.
    fn refusal(&self, bytes: &[u8]) -> String {
        name(&self.verdict(&self.sample.statement, bytes))
    }

    fn verdict(&self, statement: &Statement, bytes: &[u8]) -> VerifyError {
        match catch_unwind(AssertUnwindSafe(|| verify(statement, &[self.preset], bytes))) {
            Ok(Ok(_)) => panic!("accepted"),
            Ok(Err(error)) => error,
            Err(_) => panic!("the verifier panics"),
        }
    }
}

fn name(error: &VerifyError) -> String {
    let inner = match error {
        VerifyError::Refused(wire::VerifyError::Wire(error)) => format!("{error:?}"),
        VerifyError::Refused(wire::VerifyError::Verifier(error)) => format!("{error:?}"),
        VerifyError::Refused(error) => format!("{error:?}"),
        error => format!("{error:?}"),
    };
    inner.chars().take_while(|c| c.is_alphanumeric()).collect()
}

// CLASSES
// ================================================================================================================

fn any_felt(rng: &mut ChaCha8Rng, old: Felt) -> Felt {
    match rng.random_range(0..5) {
        0 => old + Felt::new(1),
        1 => old - Felt::new(1),
        2 => Felt::new(if old == Felt::new(0) { 1 } else { 0 }),
        _ => old + Felt::new(1 + rng.random::<u64>() % (MODULUS - 1)),
    }
}

fn change_ext(rng: &mut ChaCha8Rng, value: &mut Ext) {
    let mut limbs = [0, 1, 2].map(|i| value.base_element(i));
    let limb = rng.random_range(0..3);
    limbs[limb] = any_felt(rng, limbs[limb]);
    *value = Ext::new(limbs[0], limbs[1], limbs[2]);
}

fn change_node(rng: &mut ChaCha8Rng, node: &mut Node) {
    let mut bytes = node.as_bytes();
    bytes[rng.random_range(0..32)] ^= 1 << rng.random_range(0..8);
    *node = Blake::hash(&bytes);
    if rng.random() {
        *node = Node::default();
    }
}

/// An element of a list, if it has any.
fn pick<'a, T>(rng: &mut ChaCha8Rng, list: &'a mut [T]) -> Option<&'a mut T> {
    match list.len() {
        0 => None,
        len => list.get_mut(rng.random_range(0..len)),
    }
}

/// Shortens or lengthens a list by one element, somewhere.
fn resize<T: Clone>(rng: &mut ChaCha8Rng, list: &mut Vec<T>) -> Option<()> {
    let at = (!list.is_empty()).then(|| rng.random_range(0..list.len()))?;
    if rng.random() {
        list.remove(at);
    } else {
        list.insert(at, list[at].clone());
    }
    Some(())
}

/// Exchanges two elements of a list, if they differ.
fn exchange<T: PartialEq>(rng: &mut ChaCha8Rng, list: &mut [T]) -> Option<()> {
    let len = list.len();
    let (a, b) = (len > 1).then(|| (rng.random_range(0..len), rng.random_range(0..len)))?;
    (list[a] != list[b]).then(|| list.swap(a, b))
}

type Mutation = fn(&mut ChaCha8Rng, &mut Parts<Node>) -> Option<()>;

/// One class for each field of a proof; `None` where a mutation does not apply.
const CLASSES: &[(&str, Mutation)] = &[
    ("log_length", |rng, p| {
        let old = p.log_length;
        p.log_length = if rng.random() {
            old + 1
        } else {
            rng.random_range(0..256)
        };
        (p.log_length != old).then_some(())
    }),
    ("roots", |rng, p| {
        let i = rng.random_range(0..3);
        change_node(rng, &mut p.roots[i]);
        Some(())
    }),
    ("out-of-domain values", |rng, p| {
        let row = rng.random_range(0..2);
        let i = rng.random_range(0..p.ood[row].len());
        change_ext(rng, &mut p.ood[row][i]);
        Some(())
    }),
    ("FRI roots", |rng, p| {
        let i = (!p.fri_roots.is_empty()).then(|| rng.random_range(0..p.fri_roots.len()))?;
        change_node(rng, &mut p.fri_roots[i]);
        Some(())
    }),
    ("remainder hash", |rng, p| {
        change_node(rng, &mut p.remainder_hash);
        Some(())
    }),
    ("nonce", |rng, p| {
        p.nonce = p.nonce.wrapping_add(rng.random_range(1..u64::MAX));
        Some(())
    }),
    ("main rows", |rng, p| {
        let i = rng.random_range(0..p.main_rows.len());
        let column = rng.random_range(0..p.main_rows[i].len());
        p.main_rows[i][column] = any_felt(rng, p.main_rows[i][column]);
        Some(())
    }),
    ("auxiliary rows", |rng, p| change_ext_row(rng, &mut p.ext_rows[0])),
    ("quotient rows", |rng, p| change_ext_row(rng, &mut p.ext_rows[1])),
    ("Merkle nodes", |rng, p| {
        let tree = rng.random_range(0..3);
        let i = (!p.nodes[tree].is_empty()).then(|| rng.random_range(0..p.nodes[tree].len()))?;
        change_node(rng, &mut p.nodes[tree][i]);
        Some(())
    }),
    ("layer values", |rng, p| {
        let layer = (!p.layers.is_empty()).then(|| rng.random_range(0..p.layers.len()))?;
        let values = &mut p.layers[layer].0;
        let i = (!values.is_empty()).then(|| rng.random_range(0..values.len()))?;
        change_ext(rng, &mut values[i]);
        Some(())
    }),
    ("layer nodes", |rng, p| {
        let layer = (!p.layers.is_empty()).then(|| rng.random_range(0..p.layers.len()))?;
        let nodes = &mut p.layers[layer].1;
        let i = (!nodes.is_empty()).then(|| rng.random_range(0..nodes.len()))?;
        change_node(rng, &mut nodes[i]);
        Some(())
    }),
    ("remainder", |rng, p| {
        let i = rng.random_range(0..p.remainder.len());
        change_ext(rng, &mut p.remainder[i]);
        Some(())
    }),
    ("lengths", |rng, p| match rng.random_range(0..9) {
        0 => resize(rng, &mut p.ood[0]),
        1 => resize(rng, &mut p.ood[1]),
        2 => resize(rng, &mut p.fri_roots),
        3 => resize(rng, &mut p.main_rows),
        4 => resize(rng, &mut p.main_rows[0]),
        5 => resize(rng, &mut p.ext_rows[0]),
        6 => resize(rng, &mut p.nodes[0]),
        7 => resize(rng, &mut p.layers),
        _ => resize(rng, &mut p.remainder),
    }),
    ("order", |rng, p| match rng.random_range(0..8) {
        0 => exchange(rng, &mut p.roots),
        1 => exchange(rng, &mut p.ood[0]),
        2 => exchange(rng, &mut p.main_rows),
        3 => exchange(rng, &mut p.ext_rows[0]),
        4 => exchange(rng, &mut p.nodes[1]),
        5 => exchange(rng, &mut p.nodes),
        6 => exchange(rng, &mut p.ood),
        _ => exchange(rng, &mut p.remainder),
    }),
];

fn change_ext_row(rng: &mut ChaCha8Rng, rows: &mut [Vec<Ext>]) -> Option<()> {
    let row = pick(rng, rows)?;
    let i = rng.random_range(0..row.len());
    change_ext(rng, &mut row[i]);
    Some(())
}

/// Changes of the bytes themselves.
fn change_bytes(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    let len = bytes.len();
    match rng.random_range(0..6) {
        0 => bytes[rng.random_range(0..len)] ^= 1 << rng.random_range(0..8),
        1 => bytes.truncate(rng.random_range(0..len)),
        2 => bytes.extend((0..rng.random_range(1..100)).map(|_| rng.random::<u8>())),
        3 => {
            let from = rng.random_range(0..len - 8);
            bytes[from..from + 8].fill(0xff);
        }
        4 => {
            bytes.remove(rng.random_range(0..len));
        }
        _ => {
            let (from, to) = (rng.random_range(0..len), rng.random_range(0..len));
            bytes.copy_within(from..len.min(from + 64), to.min(len - 64));
        }
    }
}

// TESTS
// ================================================================================================================

/// 100 changes in each class and 10,000 in all; ten times as many when soaking.
#[test]
fn no_changed_proof_is_accepted() {
    let samples = tour();
    let proofs: Vec<Proof> = [0, 5].map(|i| Proof::new(samples[i].1.clone(), Preset::DevFast)).into();
    let each = soak(450);
    let mut seen: BTreeMap<&str, BTreeMap<String, usize>> = BTreeMap::new();
    let jobs: Vec<(usize, u64)> = (0..CLASSES.len())
        .flat_map(|class| (0..each as u64).map(move |i| (class, i)))
        .collect();
    let refusals: Vec<Option<(&str, String)>> = jobs
        .into_par_iter()
        .map(|(class, i)| {
            let proof = &proofs[i as usize % proofs.len()];
            let mut rng = ChaCha8Rng::seed_from_u64(i << 8 | class as u64);
            let mut parts = proof.parts.clone();
            let (name, mutate) = CLASSES[class];
            mutate(&mut rng, &mut parts)?;
            let bytes = proof.encoded(&parts);
            (bytes != proof.bytes).then(|| (name, proof.refusal(&bytes)))
        })
        .collect();
    let raw: Vec<Option<(&str, String)>> = (0..soak(4000) as u64)
        .into_par_iter()
        .map(|i| {
            let proof = &proofs[i as usize % proofs.len()];
            let mut rng = ChaCha8Rng::seed_from_u64(i << 8 | 0xff);
            let mut bytes = proof.bytes.clone();
            change_bytes(&mut rng, &mut bytes);
            (bytes != proof.bytes).then(|| ("bytes", proof.refusal(&bytes)))
        })
        .collect();
    let mut all = 0;
    for (class, error) in refusals.into_iter().chain(raw).flatten() {
        *seen.entry(class).or_default().entry(error).or_default() += 1;
        all += 1;
    }
    for (class, errors) in &seen {
        println!("{class}: {errors:?}");
        assert!(errors.values().sum::<usize>() >= soak(100), "{class}");
    }
    println!("{all} changed proofs");
    assert!(all >= soak(10_000), "{all} changed proofs");
    let errors: BTreeSet<&str> = seen
        .values()
        .flat_map(|errors| errors.keys().map(String::as_str))
        .collect();
    for expected in [
        "Truncated",
        "TrailingBytes",
        "NotCanonical",
        "TraceLength",
        "Remainder",
        "InconsistentOodConstraintEvaluations",
        "TraceQueryDoesNotMatchCommitment",
        "ConstraintQueryDoesNotMatchCommitment",
        "FriVerificationFailed",
    ] {
        assert!(errors.contains(expected), "{expected} in {errors:?}");
    }
}

/// The errors that the changes above do not reach, or not by name.
#[test]
fn the_rarer_errors() {
    let (_, sample) = tour().swap_remove(0);
    let proof = Proof::new(sample, Preset::Local100);
    for i in 1..soak(40) as u64 {
        let mut parts = proof.parts.clone();
        parts.nonce ^= i;
        let bytes = proof.encoded(&parts);
        // Another nonce opens other positions: without its work the proof is refused before they are looked at.
        let refusal = proof.refusal(&bytes);
        assert!(
            [
                "Truncated",
                "TrailingBytes",
                "NotCanonical",
                "QuerySeedProofOfWorkVerificationFailed"
            ]
            .contains(&refusal.as_str()),
            "{refusal}"
        );
    }
    let mut statement = proof.sample.statement.clone();
    statement.inputs = vec![Felt::new(0); (1 << 16) + 1];
    assert!(matches!(
        proof.verdict(&statement, &proof.bytes),
        VerifyError::StatementTooLong { .. }
    ));
    for (byte, value, expected) in [
        (0, b'X', "NotAProof"),
        (3, b'2', "NotAProof"),
        (4, 99, "UnknownPreset"),
        (4, Preset::DevFast.id(), "PresetNotAccepted"),
        (5, 99, "UnknownChips"),
    ] {
        let mut bytes = proof.bytes.clone();
        bytes[byte] = value;
        assert_eq!(proof.refusal(&bytes), expected);
    }
    for len in 0..Header::LEN {
        assert_eq!(proof.refusal(&proof.bytes[..len]), "NotAProof");
    }
    // What is left: `Coin` takes a coin that fails to draw a thousand times, `Extension` and `Malformed` are about proofs
    // that a prover of another kind hands over for encoding.
    let _ = [
        WireError::Coin,
        WireError::Extension(2),
        WireError::Malformed(String::new()),
    ];
}
