//! A program's proof on L1.

use starling_air::bus::{Side, tag};
use starling_air::check;
use starling_air::codegen::{PublicBuses, Recording, VerifierParameters};
use starling_air::keccak::{SettleCoin, SettleHasher};
use starling_air::machine::{ChipSet, Machine};
use starling_air::preset::Preset;
use starling_air::prover::{Proven, prove};
use starling_air::verifier::{Header, public_inputs};
use starling_air::wire::{Codec, Sections};
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;

use crate::chain::{Outcome, Verifier, returned_words};
use crate::support::Statement;

const PRESET: Preset = Preset::Settle100;

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

struct Settled {
    statement: Statement,
    log_length: u32,
    sections: Sections,
}

fn settle(log_length: u32) -> Settled {
    let inputs = RunInputs {
        public: vec![Felt::new(11), Felt::new(12)],
        ..RunInputs::default()
    };
    let Proven {
        bytes,
        statement,
        chips,
        prove_seconds,
        ..
    } = prove(&program(log_length), &inputs, PRESET).expect("proves");
    assert_eq!(chips, ChipSet::Core);
    println!("2^{log_length} rows proven in {prove_seconds:.1} s");
    let shape = PRESET.shape(chips);
    let public = public_inputs(&statement, chips, PRESET);
    let codec = Codec::<_, SettleHasher, SettleCoin>::new(&shape, &public).expect("cubic");
    let parts = codec.read(&bytes[Header::LEN..]).expect("reads");
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
        sections: parts.to_sections(),
    }
}

fn verifier() -> Verifier {
    let machine = Machine::new(ChipSet::Core);
    let recording = Recording::new(&machine);
    let buses = PublicBuses([
        (tag::PROGRAM, Side::Plus),
        (tag::INPUT, Side::Minus),
        (tag::OUTPUT, Side::Minus),
    ]);
    let shape = PRESET.shape(ChipSet::Core);
    let id = u64::from(ChipSet::Core.id());
    Verifier::new(
        "Core",
        &VerifierParameters::new(&recording, &shape, machine.identity(), id, buses),
    )
}

fn show(name: &str, outcome: &Outcome) {
    println!(
        "| {name} | {} | {} | {} | {} |",
        outcome.bytes, outcome.execution, outcome.floor, outcome.used
    );
}

fn settles_on_l1(log_length: u32) {
    let settled = settle(log_length);
    assert_eq!(settled.log_length, log_length);
    let mut verifier = verifier();
    let Sections { head, openings, fri } = &settled.sections;
    println!(
        "2^{log_length} rows: head {}, openings {}, FRI {}: {} bytes",
        head.len(),
        openings.len(),
        fri.len(),
        head.len() + openings.len() + fri.len()
    );
    println!("| step | calldata bytes | execution gas | calldata gas (floor) | gas paid |");
    let bytes = settled.sections.concat();
    let outcome = verifier.verify(&settled.statement, &bytes);
    show("verify", &outcome);
    outcome.result.expect("the contract accepts");
    let outcome = verifier.begin(&settled.statement, head);
    show("begin", &outcome);
    let session = returned_words(&outcome.result.expect("begins"));
    let outcome = verifier.open(&session, openings);
    show("open", &outcome);
    let values = returned_words(&outcome.result.expect("opens"));
    let outcome = verifier.finish(&session, &values, fri);
    show("finish", &outcome);
    outcome.result.expect("finishes");

    let mut wrong = settled.statement.clone();
    wrong.outputs[0] += Felt::new(1);
    assert!(verifier.verify(&wrong, &bytes).result.is_err());
}

/// Prints the gas table of `specs/l1.md`; a soaking run proves the long traces too, which takes minutes.
#[test]
fn programs_settle_on_l1() {
    let longest = if crate::soak(1) > 1 { 18 } else { 12 };
    for log_length in (10..=longest).step_by(2) {
        settles_on_l1(log_length);
    }
}
