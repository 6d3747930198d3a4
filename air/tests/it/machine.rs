//! A program's proof on L1.

use starling_air::check;
use starling_air::keccak::{KeccakDigest, SettleCoin, SettleHasher};
use starling_air::machine::ChipSet;
use starling_air::prover::{Proven, prove};
use starling_air::settlement::{self, PRESET, verifier_parameters};
use starling_air::verifier::{Header, public_inputs};
use starling_air::wire::{Codec, Parts, Sections};
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;
use starling_vm::schnorr::SecretKey;

use crate::chain::{Outcome, Verifier, returned_words};
use crate::support::Statement;

/// A loop of about 2^`log_length` cycles: arithmetic, memory and hashing, with some public words.
fn program(log_length: u32) -> Program {
    let instruction = |op, d, a, b| Instruction {
        d,
        a,
        b,
        ..Instruction::new(op)
    };
    let immediate = |op, d, a, value| Instruction {
        d,
        a,
        use_imm: true,
        imm: Felt::new(value),
        ..Instruction::new(op)
    };
    let access = |op, d, offset| Instruction {
        d,
        a: 12,
        imm: Felt::new(offset),
        ..Instruction::new(op)
    };
    let turns = (1u64 << log_length) / 8 - 20;
    let code = vec![
        immediate(Op::In, 0, 0, 0),
        immediate(Op::In, 1, 0, 1),
        immediate(Op::Mov, 12, 0, turns),
        access(Op::St, 0, 5),
        access(Op::Ld, 4, 4),
        access(Op::Ld, 8, 5),
        instruction(Op::Hash, 0, 4, 8),
        immediate(Op::U32addw, 13, 12, 3),
        instruction(Op::Mul, 14, 13, 12),
        immediate(Op::Sub, 12, 12, 1),
        Instruction {
            a: 12,
            imm: Felt::new(4),
            ..Instruction::new(Op::Bnz)
        },
        immediate(Op::Out, 0, 0, 0),
        Program::halt(),
    ];
    Program::new(code).expect("a program")
}

/// [program] and its inputs.
pub(crate) fn loop_of(log_length: u32) -> (Program, RunInputs) {
    let inputs = RunInputs {
        public: vec![Felt::new(11), Felt::new(12)],
        ..RunInputs::default()
    };
    (program(log_length), inputs)
}

/// A check of a signature, and its inputs.
pub(crate) fn signature() -> (Program, RunInputs) {
    let source = include_str!("../../../vm/examples/signature.sasm");
    let program = assemble(&[Source::new("signature.sasm", source)]).expect("assembles");
    let message = [1, 2, 3, 4].map(Felt::new);
    let key = SecretKey::derive(b"the signer of an example");
    let public = [&key.public_key().to_elements()[..], &message].concat();
    let advice = key.sign(&message).to_elements().to_vec();
    (program, RunInputs { public, advice })
}

/// A proof for L1.
pub(crate) struct Settled {
    pub(crate) statement: Statement,
    pub(crate) log_length: u32,
    pub(crate) parts: Parts<KeccakDigest<25>>,
}

pub(crate) fn settle(program: &Program, inputs: &RunInputs) -> Settled {
    let Proven {
        bytes,
        statement,
        chips,
        prove_seconds,
        ..
    } = prove(program, inputs, PRESET).expect("proves");
    assert_eq!(chips, ChipSet::Kernel);
    let sections = settlement::sections(&statement, &bytes).expect("a proof for L1");
    assert_eq!(sections.concat(), bytes[Header::LEN..]);
    let shape = PRESET.shape(chips);
    let public = public_inputs(&statement, chips, PRESET);
    let codec = Codec::<_, SettleHasher, SettleCoin>::new(&shape, &public).expect("cubic");
    let parts = codec.read(&bytes[Header::LEN..]).expect("reads");
    println!("2^{} rows proven in {prove_seconds:.1} s", parts.log_length);
    let check::Statement {
        program,
        inputs,
        outputs,
    } = statement;
    Settled {
        statement: Statement {
            program,
            inputs,
            outputs,
        },
        log_length: parts.log_length,
        parts,
    }
}

pub(crate) fn verifier() -> Verifier {
    Verifier::new("Kernel", &verifier_parameters())
}

fn show(name: &str, outcome: &Outcome) {
    println!(
        "| {name} | {} | {} | {} | {} |",
        outcome.bytes, outcome.execution, outcome.floor, outcome.used
    );
}

fn settles_on_l1(log_length: u32) {
    let (program, inputs) = loop_of(log_length);
    let settled = settle(&program, &inputs);
    assert_eq!(settled.log_length, log_length);
    let mut verifier = verifier();
    let sections = settled.parts.to_sections();
    let Sections { head, openings, fri } = &sections;
    println!(
        "2^{log_length} rows: head {}, openings {}, FRI {}: {} bytes",
        head.len(),
        openings.len(),
        fri.len(),
        head.len() + openings.len() + fri.len()
    );
    println!("| step | calldata bytes | execution gas | calldata gas (floor) | gas paid |");
    let bytes = sections.concat();
    let outcome = verifier.verify(&settled.statement, &bytes);
    show("verify", &outcome);
    outcome.result.expect("the contract accepts");
    let mut paid = 0;
    let outcome = verifier.begin(&settled.statement, head);
    show("begin", &outcome);
    paid += outcome.used;
    let session = returned_words(&outcome.result.expect("begins"));
    let outcome = verifier.open(&session, openings);
    show("open", &outcome);
    paid += outcome.used;
    let values = returned_words(&outcome.result.expect("opens"));
    let outcome = verifier.finish(&session, &values, fri);
    show("finish", &outcome);
    paid += outcome.used;
    outcome.result.expect("finishes");
    assert!(paid <= GAS_BUDGET, "{paid} gas for 2^{log_length} rows");

    let mut wrong = settled.statement.clone();
    wrong.outputs[0] += Felt::new(1);
    assert!(verifier.verify(&wrong, &bytes).result.is_err());
}

/// What the three transactions of a proof of up to 2^18 rows may cost.
const GAS_BUDGET: u64 = 10_000_000;

/// Prints the gas table of `specs/l1.md`; a soaking run proves the long traces too, which takes minutes.
#[test]
fn programs_settle_on_l1() {
    let longest = if crate::soak(1) > 1 { 18 } else { 12 };
    for log_length in (10..=longest).step_by(2) {
        settles_on_l1(log_length);
    }
}
