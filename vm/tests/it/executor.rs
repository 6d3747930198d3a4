//! The executor against the model, and every trap.

use proptest::prelude::*;
use starling_vm::executor::{CpuRow, MemoryAccess, Outcome, Recorder, RunInputs, run, run_recorded};
use starling_vm::field::Felt;
use starling_vm::isa::{Instruction, OPCODES, Op};
use starling_vm::program::Program;
use starling_vm::schnorr::{SecretKey, Signature};
use starling_vm::trap::{Trap, TrapKind};

use crate::model::Model;
use crate::support::{execute, felts, instruction, ints, program, value};

// AGAINST THE MODEL
// ================================================================================================================

fn mov(register: usize, imm: u64) -> Instruction {
    Instruction {
        d: register as u8,
        use_imm: true,
        imm: Felt::new(imm),
        ..Instruction::new(Op::Mov)
    }
}

/// The name of a trap's variant.
fn name(kind: &TrapKind) -> String {
    let text = format!("{kind:?}");
    text.split([' ', '{', '(']).next().unwrap_or_default().to_string()
}

/// Counts what is recorded.
#[derive(Default)]
struct Count {
    cpu: Vec<CpuRow>,
    accesses: Vec<MemoryAccess>,
    ranges: usize,
    hashes: Vec<(u64, bool)>,
    bitwise: usize,
    signatures: usize,
}

impl Recorder for Count {
    fn cpu(&mut self, row: CpuRow) {
        self.cpu.push(row);
    }
    fn memory(&mut self, access: MemoryAccess) {
        self.accesses.push(access);
    }
    fn range(&mut self, _: u32, _: u32, _: bool) {
        self.ranges += 1;
    }
    fn hash(&mut self, clk: u64, _: [Felt; 8], full: bool) {
        self.hashes.push((clk, full));
    }
    fn and(&mut self, _: u32, _: u32) {
        self.bitwise += 1;
    }
    fn pow2(&mut self, _: u32) {
        self.bitwise += 1;
    }
    fn signature(&mut self, _: u64, _: [Felt; 5], _: [Felt; 4], _: [Felt; Signature::ELEMENTS]) {
        self.signatures += 1;
    }
}

#[test]
fn a_signature_verifies_in_one_cycle() {
    let key = SecretKey::derive(b"executor test");
    let message = [1, 2, 3, 4].map(Felt::new);
    let signature = key.sign(&message).to_elements();
    let mut code: Vec<Instruction> = key
        .public_key()
        .to_elements()
        .iter()
        .zip(0..)
        .map(|(x, r)| mov(r, x.as_int()))
        .collect();
    code.extend(message.iter().zip(8..).map(|(x, r)| mov(r, x.as_int())));
    code.extend([Instruction::new(Op::Sig), Program::halt()]);
    let program = Program::new(code).unwrap();
    let mut inputs = RunInputs {
        public: vec![],
        advice: signature.to_vec(),
    };
    let mut count = Count::default();
    assert_eq!(run_recorded(&program, &inputs, 100, &mut count).unwrap().advice_left, 0);
    assert_eq!(count.signatures, 1);
    for i in 0..inputs.advice.len() {
        inputs.advice[i] += Felt::new(1);
        let trap = run(&program, &inputs, 100).unwrap_err();
        assert_eq!(name(&trap.kind), "SignatureInvalid");
        inputs.advice[i] -= Felt::new(1);
    }
    inputs.advice.pop();
    assert_eq!(name(&run(&program, &inputs, 100).unwrap_err().kind), "AdviceExhausted");
}

/// Runs `code` on the executor, recording and not, and on the model; all three must agree.
fn agree(code: Vec<Instruction>, public: &[u64], advice: &[u64], limit: u64) -> Result<Outcome, Box<Trap>> {
    let program = Program::new(code).unwrap();
    let inputs = RunInputs {
        public: felts(public),
        advice: felts(advice),
    };
    let mut count = Count::default();
    let result = run(&program, &inputs, limit);
    assert_eq!(result, run_recorded(&program, &inputs, limit, &mut count));
    let mut model = Model::new(public, advice);
    let expected = model.run(program.instructions(), limit);
    match (&result, expected) {
        (Ok(outcome), Ok(())) => {
            assert_eq!(outcome.cycles, model.cycles);
            assert_eq!(ints(&outcome.registers), model.registers);
            assert_eq!(outcome.advice_left, model.advice.len());
            let outputs: Vec<u64> = (0..model.outputs.len() as u64).map(|k| model.outputs[&k]).collect();
            assert_eq!(ints(&outcome.outputs), outputs);
            assert_eq!(count.cpu.len() as u64, outcome.cycles);
        }
        (Err(trap), Err(expected)) => {
            assert_eq!(name(&trap.kind), expected, "{trap}");
            assert_eq!(trap.clk, model.cycles + 1, "{trap}");
            // A run that ends with a gap in its statement has left the last instruction.
            assert_eq!(trap.pc, model.pc, "{trap}");
            assert_eq!(ints(&trap.registers), model.registers, "{trap}");
        }
        (result, expected) => panic!("{result:?}, but the model says {expected:?}"),
    }
    for (k, row) in count.cpu.iter().enumerate() {
        assert_eq!(row.clk, k as u64 + 1);
    }
    result
}

/// Values with which conditions are met now and then.
fn register_value() -> impl Strategy<Value = u64> {
    prop_oneof![2 => 0..3_u64, 2 => 0..1_u64 << 24, 6 => value()]
}

fn one_instruction(info_index: usize) -> impl Strategy<Value = Instruction> {
    let wanted = OPCODES[info_index].op;
    // Any instruction with its opcode replaced, where that fits.
    instruction().prop_filter_map("another opcode", move |i| {
        let i = Instruction {
            op: wanted,
            a: i.a.max(wanted.info().fixed_a),
            ..i
        };
        let bare = Instruction { imm: Felt::new(0), ..i };
        let no_b = Instruction { b: 0, ..i };
        [
            i,
            bare,
            no_b,
            Instruction { b: 0, ..bare },
            Instruction { d: 0, ..no_b },
            Instruction { d: 0, ..bare },
        ]
        .into_iter()
        .find(|i| i.validate().is_ok())
    })
}

/// Each opcode by itself, in thousands of states.
#[test]
fn every_opcode_does_what_the_model_does() {
    use proptest::test_runner::{Config, TestRunner};
    for (index, info) in OPCODES.iter().enumerate() {
        if matches!(info.op, Op::Sig | Op::Hint) {
            continue; // tested elsewhere
        }
        let mut runner = TestRunner::new(Config {
            max_global_rejects: 1 << 20,
            ..crate::support::cases(600)
        });
        let state = (
            one_instruction(index),
            prop::collection::vec(register_value(), 16),
            prop::option::of(register_value()),
        );
        let done = core::cell::Cell::new(0);
        let outcome = runner.run(&state, |(i, registers, imm)| {
            let mut code: Vec<_> = registers.iter().enumerate().map(|(r, v)| mov(r, *v)).collect();
            code.extend([Instruction { op: Op::St, d: 4, use_imm: true, imm: Felt::new(2), ..Instruction::new(Op::St) }]);
            let mut i = i;
            if let Some(imm) = imm
                && i.imm != Felt::new(0)
            {
                i.imm = Felt::new(imm);
            }
            code.extend([i, Program::halt()]);
            let result = agree(code, &[7], &[1, 2, 3, 4], 40);
            done.set(done.get() + u32::from(result.is_ok() || matches!(result, Err(t) if matches!(t.kind, TrapKind::InputUnread { .. } | TrapKind::OutputMissing { .. } | TrapKind::PcRange { .. }))));
            Ok(())
        });
        outcome.unwrap_or_else(|e| panic!("{}: {e}", info.mnemonic));
        assert!(
            done.get() >= 15,
            "{} succeeded only {} times",
            info.mnemonic,
            done.get()
        );
    }
}

proptest! {
    #![proptest_config(crate::support::cases(1_500))]

    #[test]
    fn random_programs_run_as_in_the_model(
        code in prop::collection::vec(instruction(), 1..30),
        targets in prop::collection::vec(0..32_u64, 30),
        registers in prop::collection::vec(register_value(), 16),
        public in prop::collection::vec(value(), 0..3),
        advice in prop::collection::vec(value(), 0..12),
    ) {
        let mut all: Vec<_> = registers.iter().enumerate().map(|(r, v)| mov(r, *v)).collect();
        for (k, i) in code.into_iter().enumerate() {
            let branch = matches!(i.op, Op::Beq | Op::Bne | Op::Bz | Op::Bnz | Op::Blt | Op::Bge);
            let jump = matches!(i.op, Op::Jmp | Op::Jal) && i.use_imm;
            let io = matches!(i.op, Op::In | Op::Out | Op::Pow2) && i.use_imm;
            match i.op {
                Op::Sig | Op::Hint => {}
                _ if branch || jump => all.push(Instruction { imm: Felt::new(targets[k] + 16), ..i }),
                _ if io => all.push(Instruction { imm: Felt::new(targets[k] % 3), ..i }),
                _ => all.push(i),
            }
        }
        all.push(Program::halt());
        let _ = agree(all, &public, &advice, 300);
    }
}

// WHAT IS RECORDED
// ================================================================================================================

#[test]
fn the_recorder_sees_every_row_access_and_hash() {
    let text = "
        mov r1, 5
        u32.add r2, r1, 6
        u32.div r3, r2, r1
        st q0, [100]
        ld1 r4, [r1 + 95]
        hash q1, q0, q0
        mov r12, 100
        absorb q1
        u32.and r0, r12, 3
        pow2 r1, 4
        halt";
    let mut count = Count::default();
    let outcome = run_recorded(&program(text), &RunInputs::default(), 100, &mut count).unwrap();
    assert_eq!(outcome.cycles, 11);
    assert_eq!(
        count.cpu.iter().map(|row| row.pc).collect::<Vec<_>>(),
        (1..=11).collect::<Vec<_>>()
    );
    let accesses: Vec<_> = count.accesses.iter().map(|a| (a.address, a.clk, a.write)).collect();
    assert_eq!(accesses, [(100, 4, true), (100, 5, false), (100, 8, false)]);
    assert_eq!(count.hashes, [(6, false), (8, true)]);
    assert_eq!(
        count.ranges, 4,
        "two pairs for each of the two range-checked instructions"
    );
    assert_eq!(count.bitwise, 2);
}

// TRAPS
// ================================================================================================================

fn trap(text: &str, public: &[u64], advice: &[u64]) -> Box<Trap> {
    execute(text, public, advice).expect_err(text)
}

#[test]
fn every_trap_can_be_reached() {
    use TrapKind::*;
    let big = 0xffff_ffff_0000_0000;
    let cases: Vec<(&str, TrapKind)> = vec![
        (
            "mov r1, 3\n assert.eq r1, r2, 77\n halt",
            Assert {
                code: 77,
                left: 3,
                right: 0,
            },
        ),
        (
            "mov r1, 3\n assert.z r1, 78\n halt",
            Assert {
                code: 78,
                left: 3,
                right: 0,
            },
        ),
        (
            "fail r1, 79\n",
            Assert {
                code: 79,
                left: 1,
                right: 0,
            },
        ),
        ("inv r1, r2\n halt", ZeroInverse),
        ("mov r1, 2\n sel r0, r1, 5\n halt", NotBoolean { value: 2 }),
        ("mov r1, 1 << 32\n u32.chk r1\n halt", NotU32 { value: 1 << 32 }),
        ("mov r1, 1 << 32\n u32.and r2, r1, 5\n halt", NotU32 { value: 1 << 32 }),
        ("mov r1, 1 << 33\n u32.addw r2, r1, 0\n halt", NotU32 { value: 1 << 33 }),
        ("mov r1, 1 << 32\n u32.lt r2, r1, 0\n halt", NotU32 { value: 1 << 32 }),
        (
            "mov r1, 1 << 32\n u32.div r2, r1, 1 << 33\n halt",
            NotU32 { value: 1 << 33 },
        ),
        ("mov r1, 1 << 63\n u63.chk r1\n halt", NotU63 { value: 1 << 63 }),
        ("mov r1, -1\n u63.lt r2, r1, 5\n halt", NotU63 { value: big - 5 }),
        (
            "mov r1, 0xfffffffe_00000000\n u63.lt r2, r1, 0x7fffffff_00000000\n halt",
            NotU63 {
                value: 0xfffffffe_00000000,
            },
        ),
        ("mov r1, 0xffffffff\n u32.add r2, r1, 1\n halt", U32Overflow),
        ("u32.sub r2, r1, 1\n halt", U32Overflow),
        ("mov r1, 0x10000\n u32.mul r2, r1, r1\n halt", U32Overflow),
        ("mov r1, 1 << 32\n u32.div r2, r1, 1\n halt", U32Overflow),
        ("u32.rem r2, r1, r3\n halt", DivideByZero),
        ("mov r1, 32\n pow2 r2, r1\n halt", ShiftTooLarge { value: 32 }),
        ("ld q0, [1 << 24]\n halt", Address { address: 1 << 24 }),
        ("st1 r0, [r1 - 1]\n halt", Address { address: big }),
        ("mov r12, 1 << 24\n absorb q1\n halt", Address { address: 1 << 24 }),
        ("jmp 1000", PcRange { target: 1000 }),
        ("nop", PcRange { target: 2 }),
        ("mov r1, -1\n jal r3, r1", PcRange { target: big }),
        ("advq q0\n halt", AdviceExhausted { wanted: 4, left: 3 }),
        ("in r0, 0\n in r0, 1\n halt", InputRange { index: 1, count: 1 }),
        ("in r0, 0\n in r0, 0\n halt", InputReadTwice { index: 0 }),
        ("halt", InputUnread { index: 0 }),
        (
            "out r0, 1 << 16\n halt",
            OutputRange {
                index: 1 << 16,
                limit: 1 << 16,
            },
        ),
        ("out r0, 0\n out r0, 0\n halt", OutputWrittenTwice { index: 0 }),
        ("in r0, 0\n out r0, 1\n halt", OutputMissing { index: 0 }),
        ("hint 999\n halt", HintUnknown { kind: 999 }),
        (
            "hint 1\n halt",
            HintOperands {
                kind: 1,
                reason: "the divisor is zero",
            },
        ),
        (
            "loop: jmp loop",
            CycleLimit {
                limit: crate::support::LIMIT,
            },
        ),
    ];
    let mut seen: Vec<String> = Vec::new();
    for (text, kind) in cases {
        let trap = trap(text, &[5], &[1, 2, 3]);
        assert_eq!(trap.kind, kind, "{text}");
        assert!(trap.to_string().starts_with(&kind.to_string()), "{trap}");
        seen.push(name(&kind));
    }
    seen.push(name(&trap("sig\n halt", &[], &[]).kind));
    seen.sort();
    seen.dedup();
    // 21 kinds of trap; with no signature on the tape, `sig` finds the advice exhausted or the signature invalid.
    assert!(seen.len() >= 20, "{seen:?}");
}

#[test]
fn a_trap_says_where_and_in_which_state() {
    let text = "proc main\n  mov r1, 7\n  call outer\n  halt\nend\nproc outer\n  mov r14, r15\n  call inner\n  jmp r14\nend\nproc inner\n  assert.z r1, 42\n  ret\nend\n";
    let trap = trap(text, &[], &[]);
    assert_eq!((trap.pc, trap.clk), (7, 5));
    assert_eq!(trap.call_stack, [2, 5]);
    assert_eq!(trap.source.as_deref(), Some("main.sasm:12:3"));
    assert_eq!(trap.instruction, "assert.z r1, 42");
    let shown = trap.to_string();
    for part in [
        "assertion failed with code 42: 7 is not 0",
        "at pc 7 (`assert.z r1, 42`), cycle 5",
        "in main.sasm:12:3",
        "called at pc 5, main.sasm:8:3\n  called at pc 2, main.sasm:3:3",
        "q0: r0=0 r1=7 r2=0 r3=0",
        "q3: r12=0 r13=0 r14=3 r15=6",
    ] {
        assert!(shown.contains(part), "{part} is not in\n{shown}");
    }
}

#[test]
fn a_runaway_recursion_shows_its_innermost_calls() {
    let inputs = RunInputs::default();
    let trap = run(&program("f: call f"), &inputs, 1_000).unwrap_err();
    assert_eq!(trap.call_stack.len(), 1_000);
    assert_eq!(trap.to_string().matches("called at pc 1, main.sasm:1:4").count(), 16);
    assert!(trap.to_string().contains("and 984 calls more"), "{trap}");
}

#[test]
fn the_call_stack_forgets_what_returned() {
    let text = "proc main\n call f\n call f\n mov r1, 1\n call g\n halt\nend\nproc f\n ret\nend\nproc g\n assert.z r1, 1\n ret\nend";
    assert_eq!(trap(text, &[], &[]).call_stack, [4]);
}

#[test]
fn the_cycle_limit_counts_instructions() {
    let program = program("nop\n nop\n halt");
    let inputs = RunInputs::default();
    assert_eq!(run(&program, &inputs, 3).unwrap().cycles, 3);
    let trap = run(&program, &inputs, 2).unwrap_err();
    assert_eq!(
        (trap.kind.clone(), trap.clk, trap.pc),
        (TrapKind::CycleLimit { limit: 2 }, 3, 3)
    );
    assert_eq!(run(&program, &inputs, 0).unwrap_err().clk, 1);
}

#[test]
fn runs_are_deterministic() {
    let text = "adv r1\n advq q1\n hash q2, q1, q0\n in r3, 0\n out r8, 0\n out r3, 1\n halt";
    let first = execute(text, &[9], &[1, 2, 3, 4, 5]).unwrap();
    assert_eq!(first, execute(text, &[9], &[1, 2, 3, 4, 5]).unwrap());
    assert_eq!(first.advice_left, 0);
    assert_eq!(execute(text, &[9], &[1, 2, 3, 4, 5, 6]).unwrap().advice_left, 1);
}

/// What a hint supplies comes before the rest of the tape, in order.
#[test]
fn hints_come_before_the_tape() {
    let text = "mov r0, 17\n mov r2, 5\n hint 1\n adv r4\n hint 1\n advq q2\n adv r5\n adv r6\n out r4, 0\n out r5, 1\n out r6, 2\n halt";
    let outcome = execute(text, &[], &[100, 200]).unwrap();
    // The first hint leaves (quotient high, remainder low, remainder high) under the second.
    assert_eq!(ints(&outcome.outputs), [3, 0, 2]);
    assert_eq!(ints(&outcome.registers[8..12]), [3, 0, 2, 0]);
    assert_eq!(outcome.advice_left, 3);
}
