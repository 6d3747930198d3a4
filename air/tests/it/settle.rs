//! The contracts against the Rust verifier.

use rand::SeedableRng;
use starling_air::codegen::Recording;
use starling_air::definition::Definition;
use starling_air::machine::{ChipSet, Machine};
use starling_air::toy::Toy;
use starling_air::wire::Ext;
use starling_vm::field::{Felt, MODULUS};
use winterfell::math::FieldElement;

use crate::chain::{Argument, Chain, Outcome, Verifier, returned_words, selector, word};
use crate::codegen::inputs;
use crate::support::{Honest, Statement};

pub(crate) const TOY: Toy = Toy { copies: 2 };

/// An element as a word of three 80-bit lanes.
fn packed(element: &Ext) -> [u8; 32] {
    let limbs = element.to_base_elements().map(|limb| u128::from(limb.as_int()));
    let mut word = [0; 32];
    for (i, limb) in limbs.into_iter().enumerate() {
        let end = 32 - 10 * i;
        word[end - 10..end].copy_from_slice(&limb.to_be_bytes()[6..]);
    }
    word
}

fn unpacked(word: &[u8]) -> Ext {
    let limb = |i: usize| {
        let end = 32 - 10 * i;
        let value = word[end - 10..end]
            .iter()
            .fold(0u128, |value, byte| value << 8 | u128::from(*byte));
        assert!(value < u128::from(MODULUS), "a lane is not reduced");
        Felt::new(value as u64)
    };
    Ext::new(limb(0), limb(1), limb(2))
}

/// The evaluators of `name` against the interpreter on 1,000 random frames.
fn compare<D: Definition>(name: &str, definition: &D) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
    let recording = Recording::new(definition);
    let statement = Statement::example();
    let messages = Toy::messages(&statement.program, &statement.inputs, &statement.outputs);
    let mut chain = Chain::new();
    let evaluators = chain.deploy_evaluators(name);
    let mut gas = 0;
    for i in 0..1000 {
        let (values, _) = inputs(&recording, &messages, 9 + i % 12, &mut rng);
        let data: Vec<u8> = values.iter().flat_map(packed).collect();
        let mut sums = [Ext::ZERO; 3];
        gas = 0;
        for evaluator in &evaluators {
            let outcome = chain.call(*evaluator, data.clone());
            gas += outcome.execution;
            let output = outcome.result.expect("evaluates");
            output
                .chunks_exact(32)
                .zip(&mut sums)
                .for_each(|(word, sum)| *sum += unpacked(word));
        }
        assert_eq!(sums, recording.combine(&values));
    }
    println!(
        "{name}: {gas} gas, {} contracts, {} nodes",
        evaluators.len(),
        recording.graph.nodes().len()
    );
}

#[test]
fn toy_evaluators_agree_with_the_interpreter() {
    compare("Toy", &TOY);
}

#[test]
fn kernel_evaluators_agree_with_the_interpreter() {
    compare("Kernel", &Machine::new(ChipSet::Kernel));
}

#[test]
fn honest_proofs_are_accepted() {
    let recording = Recording::new(&TOY);
    for log_length in [9, 10, 11, 12, 13] {
        let honest = Honest::settle(TOY, log_length);
        let bytes = honest.codec().encode(&honest.proof).expect("encodes").concat();
        honest.codec().verify(&bytes).expect("the Rust verifier accepts");
        let mut verifier = Verifier::toy(&recording, &honest.shape);
        let outcome = verifier.verify(&Statement::example(), &bytes);
        println!(
            "2^{log_length} rows: {} bytes of calldata, {} gas paid: execution {}, calldata {}",
            outcome.bytes, outcome.used, outcome.execution, outcome.floor
        );
        outcome.result.expect("the contract accepts");
    }
}

#[test]
fn a_proof_is_accepted_in_steps_by_anyone() {
    let recording = Recording::new(&TOY);
    let statement = Statement::example();
    let honest = Honest::settle(TOY, 10);
    let other = Honest::settle(TOY, 9);
    let sections = honest.codec().encode(&honest.proof).expect("encodes");
    let others = other.codec().encode(&other.proof).expect("encodes");
    let mut verifier = Verifier::toy(&recording, &honest.shape);
    let is_proven = |verifier: &mut Verifier| verifier.is_proven(&statement);
    let show = |name: &str, outcome: &Outcome| {
        println!(
            "{name}: {} bytes of calldata, {} gas paid: execution {}, calldata {}",
            outcome.bytes, outcome.used, outcome.execution, outcome.floor
        );
    };

    // Nothing can be opened or finished before it was begun.
    let fake = vec![word(0); 15];
    assert!(verifier.open(&fake, &sections.openings).result.is_err());
    assert!(verifier.finish(&fake, &[], &sections.fri).result.is_err());

    // Twice, as if somebody had copied the step.
    let first = verifier.begin(&statement, &sections.head);
    show("begin", &first);
    let session = returned_words(&first.result.expect("begins"));
    assert_eq!(
        returned_words(&verifier.begin(&statement, &sections.head).result.expect("begins again")),
        session
    );
    let other_session = returned_words(&verifier.begin(&statement, &others.head).result.expect("begins another"));

    // A step of another proof, or a changed session, serves nothing.
    assert!(verifier.open(&session, &others.openings).result.is_err());
    assert!(verifier.open(&other_session, &sections.openings).result.is_err());
    for i in 0..session.len() {
        let mut changed = session.clone();
        changed[i][31] ^= 1;
        assert_eq!(
            verifier.open(&changed, &sections.openings).error(),
            Some(selector("StarkVerifier__NoFact(bytes32)"))
        );
    }
    let opened = verifier.open(&session, &sections.openings);
    show("open", &opened);
    let values = returned_words(&opened.result.expect("opens"));
    let other_values = returned_words(&verifier.open(&other_session, &others.openings).result.expect("opens"));

    let mut changed = values.clone();
    changed[0][31] ^= 1;
    for wrong in [&changed, &other_values] {
        let outcome = verifier.finish(&session, wrong, &sections.fri);
        assert_eq!(outcome.error(), Some(selector("StarkVerifier__NoFact(bytes32)")));
    }
    assert!(verifier.finish(&session, &values, &others.fri).result.is_err());
    assert!(!is_proven(&mut verifier));
    let finished = verifier.finish(&session, &values, &sections.fri);
    show("finish", &finished);
    finished.result.expect("finishes");
    assert!(is_proven(&mut verifier));
    verifier
        .finish(&session, &values, &sections.fri)
        .result
        .expect("finishes again");
}

/// `verify` keeps nothing, `prove` keeps the fact, and only of what was shown.
#[test]
fn a_proof_that_is_checked_at_once_can_be_kept() {
    let recording = Recording::new(&TOY);
    let statement = Statement::example();
    let honest = Honest::settle(TOY, 9);
    let proof = honest.codec().encode(&honest.proof).expect("encodes").concat();
    let mut verifier = Verifier::toy(&recording, &honest.shape);
    verifier.verify(&statement, &proof).result.expect("accepts");
    assert!(!verifier.is_proven(&statement));
    let mut wrong = proof.clone();
    wrong[100] ^= 1;
    assert!(verifier.prove(&statement, &wrong).result.is_err());
    assert!(!verifier.is_proven(&statement));
    verifier.prove(&statement, &proof).result.expect("accepts");
    assert!(verifier.is_proven(&statement));
    let mut other = statement.clone();
    other.outputs[0] += Felt::ONE;
    assert!(!verifier.is_proven(&other));
}

#[test]
fn malformed_calls_are_refused_by_the_contract() {
    let recording = Recording::new(&TOY);
    let honest = Honest::settle(TOY, 9);
    let sections = honest.codec().encode(&honest.proof).expect("encodes");
    let proof = sections.concat();
    let mut verifier = Verifier::toy(&recording, &honest.shape);
    let statement = Statement::example();
    let arguments = statement.arguments(&[]);

    // Public words that are not canonical, as they arrive: 3 and the modulus more, a limb of the program, 2^64.
    let public_word = Some(selector("StarkVerifier__PublicWord()"));
    let mut raw = |program: &[u8; 32], inputs: &[[u8; 32]]| {
        let rest = [Argument::Words(&statement.outputs), Argument::Bytes(&proof)];
        let arguments = [&[Argument::Word(*program), Argument::RawWords(inputs)], &rest[..]].concat();
        verifier.send("verify(bytes32,uint64[],uint64[],bytes)", &arguments)
    };
    let Argument::Word(program) = arguments[0] else {
        panic!("the program comes first")
    };
    let inputs: Vec<[u8; 32]> = statement.inputs.iter().map(|input| word(input.as_int())).collect();
    raw(&program, &inputs).result.expect("accepted as it is");
    let mut zero_again = inputs.clone();
    zero_again[1] = word(MODULUS);
    assert_eq!(raw(&program, &zero_again).error(), public_word);
    let mut too_long = inputs.clone();
    too_long[1][0] = 1;
    assert_eq!(raw(&program, &too_long).error(), public_word);
    let mut limb = program;
    limb[8..16].copy_from_slice(&(MODULUS + 2).to_be_bytes());
    assert_eq!(raw(&limb, &inputs).error(), public_word);

    // Sections of another length.
    let length = Some(selector("StarkVerifier__Length(uint256,uint256)"));
    let longer = |bytes: &[u8]| [bytes, &[0]].concat();
    assert_eq!(verifier.verify(&statement, &[]).error(), length);
    assert_eq!(verifier.verify(&statement, &sections.head[..40]).error(), length);
    assert_eq!(verifier.begin(&statement, &longer(&sections.head)).error(), length);
    assert_eq!(
        verifier
            .begin(&statement, &sections.head[..sections.head.len() - 1])
            .error(),
        length
    );
    let session = returned_words(&verifier.begin(&statement, &sections.head).result.expect("begins"));
    assert_eq!(verifier.open(&session, &longer(&sections.openings)).error(), length);
    let values = returned_words(&verifier.open(&session, &sections.openings).result.expect("opens"));
    assert_eq!(
        verifier.finish(&session, &values, &longer(&sections.fri)).error(),
        length
    );
    // Values that were never opened.
    let none = verifier.finish(&session, &[], &sections.fri).error();
    assert_eq!(none, Some(selector("StarkVerifier__NoFact(bytes32)")));
}
