//! Honest runs satisfy every constraint and balance every bus.

use starling_air::check::{Ext, Statement, check};
use starling_air::machine::{ChipSet, Machine};
use starling_air::preset::Preset;
use starling_air::prover::prove;
use starling_air::trace::build;
use starling_air::verifier::verify;
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::isa::{Instruction, Op};
use starling_vm::program::Program;
use starling_vm::schnorr::SecretKey;

pub(crate) fn challenges(seed: u64) -> Vec<Ext> {
    (0..starling_air::bus::CHALLENGES as u64)
        .map(|i| {
            let word = starling_vm::poseidon2::hash_elements(seed, &[Felt::new(i)]);
            Ext::new(word[0], word[1], word[2])
        })
        .collect()
}

fn ins(op: Op, d: u8, a: u8, b: u8) -> Instruction {
    Instruction {
        d,
        a,
        b,
        ..Instruction::new(op)
    }
}

fn imm(op: Op, d: u8, a: u8, value: u64) -> Instruction {
    Instruction {
        d,
        a,
        use_imm: true,
        imm: Felt::new(value),
        ..Instruction::new(op)
    }
}

#[test]
fn a_short_program() {
    let code = vec![
        imm(Op::In, 0, 0, 0),
        imm(Op::Mov, 1, 0, 5),
        ins(Op::Add, 2, 0, 1),
        ins(Op::Mul, 3, 2, 2),
        ins(Op::U32mulp, 4, 2, 3),
        ins(Op::U32divp, 6, 3, 1),
        ins(Op::U63lt, 8, 0, 1),
        ins(Op::U32lt, 9, 1, 0),
        imm(Op::St, 0, 0, 100),
        imm(Op::Ld, 4, 0, 100),
        ins(Op::Hash, 8, 0, 4),
        ins(Op::Mstep, 8, 8, 4),
        ins(Op::Perm, 0, 4, 8),
        Instruction {
            a: 12,
            ..ins(Op::Absorb, 0, 12, 4)
        },
        imm(Op::Out, 0, 8, 0),
        imm(Op::Mov, 2, 0, 0xdead_beef),
        imm(Op::U32and, 3, 2, 0xffff),
        imm(Op::U32xor, 4, 2, 0x1234_5678),
        imm(Op::U32or, 5, 2, 0x1234_5678),
        imm(Op::Pow2, 6, 0, 31),
        imm(Op::Pow2, 7, 0, 3),
        Program::halt(),
    ];
    let program = Program::new(code).unwrap();
    let inputs = RunInputs {
        public: vec![Felt::new(7)],
        advice: vec![],
    };
    let trace = build(&program, &inputs, 1000).unwrap();
    let statement = Statement {
        program: program.hash(),
        inputs: inputs.public.clone(),
        outputs: trace.outcome.outputs.clone(),
    };
    assert_eq!(trace.chips, ChipSet::Bitwise);
    let machine = Machine::new(trace.chips);
    assert_eq!(check(&machine, &trace.columns, &statement, &challenges(1)), None);
}

#[test]
fn a_short_program_proves_and_verifies() {
    let program = Program::new(vec![
        imm(Op::In, 0, 0, 0),
        imm(Op::Mul, 1, 0, 3),
        imm(Op::Out, 0, 1, 0),
        Program::halt(),
    ])
    .unwrap();
    let inputs = RunInputs {
        public: vec![Felt::new(7)],
        advice: vec![],
    };
    for preset in Preset::ALL {
        let proven = prove(&program, &inputs, preset).unwrap();
        println!("{preset}: {} bytes {:.3}s", proven.bytes.len(), proven.prove_seconds);
        let t = std::time::Instant::now();
        let verified = verify(&proven.statement, &[preset], &proven.bytes).unwrap();
        println!("{verified:?} {:?}", t.elapsed());
        let mut wrong = proven.statement.clone();
        wrong.outputs[0] += Felt::new(1);
        assert!(verify(&wrong, &[preset], &proven.bytes).is_err());
    }
}

#[test]
fn the_busiest_chip_sets_the_length() {
    // Ninety bitwise calls need more rows than anything else in this run, four signatures more still.
    let mut code: Vec<_> = (0..90).map(|i| imm(Op::U32and, 1, 0, i)).collect();
    code.push(Program::halt());
    let trace = build(&Program::new(code).unwrap(), &RunInputs::default(), 1000).unwrap();
    assert!(trace.rows.bitwise > 512 && trace.rows.hash <= 512);
    assert_eq!(trace.columns[0].len(), 1024);

    let key = SecretKey::derive(b"busy");
    let message = [1, 2, 3, 4].map(Felt::new);
    let mut code: Vec<_> = key
        .public_key()
        .to_elements()
        .iter()
        .zip(0..)
        .map(|(x, r)| imm(Op::Mov, r, 0, x.as_int()))
        .collect();
    code.extend(message.iter().zip(8..).map(|(x, r)| imm(Op::Mov, r, 0, x.as_int())));
    code.extend([Instruction::new(Op::Sig); 4]);
    code.push(Program::halt());
    let program = Program::new(code).unwrap();
    let advice = key.sign(&message).to_elements().repeat(4);
    let trace = build(&program, &RunInputs { public: vec![], advice }, 1000).unwrap();
    assert_eq!((trace.rows.signature, trace.columns[0].len()), (768, 1024));
    let statement = Statement {
        program: program.hash(),
        inputs: vec![],
        outputs: vec![],
    };
    assert_eq!(
        check(
            &Machine::new(ChipSet::Kernel),
            &trace.columns,
            &statement,
            &challenges(2)
        ),
        None
    );
}
