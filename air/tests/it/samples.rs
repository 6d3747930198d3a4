//! Honest runs: programs that use every opcode and every chip, and random ones.

use std::collections::HashSet;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use starling_air::check::{Ext, Statement, check};
use starling_air::machine::{ChipSet, Machine};
use starling_air::trace::{MainTrace, build};
use starling_vm::asm::{Source, assemble};
use starling_vm::executor::{RunInputs, run};
use starling_vm::field::{Felt, MODULUS};
use starling_vm::isa::{Instruction, OPCODES, Op, Operand};
use starling_vm::program::Program;
use starling_vm::schnorr::{SecretKey, Signature};

/// A program, what it is given, and the trace of its run.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) program: Program,
    pub(crate) trace: MainTrace,
    pub(crate) statement: Statement,
    /// The elements that each `sig` took off the tape, in order.
    pub(crate) signatures: Vec<[Felt; Signature::ELEMENTS]>,
}

impl Sample {
    pub(crate) fn of(program: Program, public: &[u64], advice: &[u64]) -> Self {
        let felts = |list: &[u64]| list.iter().map(|x| Felt::new(*x)).collect::<Vec<_>>();
        let inputs = RunInputs {
            public: felts(public),
            advice: felts(advice),
        };
        let trace = build(&program, &inputs, 1 << 16).unwrap_or_else(|error| panic!("{error}"));
        let statement = Statement {
            program: program.hash(),
            inputs: inputs.public,
            outputs: trace.outcome.outputs.clone(),
        };
        Self {
            program,
            trace,
            statement,
            signatures: vec![],
        }
    }

    /// A program that checks `count` signatures, two by each key, and then runs `others`.
    pub(crate) fn signing(count: u64, others: &str) -> Self {
        let (mut text, mut advice, mut signatures) = (String::new(), vec![], vec![]);
        for i in 0..count {
            let key = SecretKey::derive(&[i as u8 / 2]);
            let message = [i, 7, 8, 9].map(Felt::new);
            for (r, value) in (0..).zip(key.public_key().to_elements()).chain((8..).zip(message)) {
                text += &format!("mov r{r}, {value}\n");
            }
            text += "sig\n";
            let signature = key.sign(&message).to_elements();
            advice.extend(signature.map(|x| x.as_int()));
            signatures.push(signature);
        }
        Self {
            signatures,
            ..Self::assemble(&(text + others + "halt"), &[], &advice)
        }
    }

    pub(crate) fn assemble(text: &str, public: &[u64], advice: &[u64]) -> Self {
        let program =
            assemble(&[Source::new("main.sasm", text)]).unwrap_or_else(|errors| panic!("{}\n{text}", errors[0]));
        Self::of(program, public, advice)
    }

    pub(crate) fn machine(&self) -> Machine {
        Machine::new(self.trace.chips)
    }

    /// Opcodes of the instructions that ran.
    pub(crate) fn executed(&self) -> HashSet<Op> {
        let pcs = &self.trace.columns[starling_air::chips::cpu::PC];
        let code = self.program.instructions();
        pcs.iter().map(|pc| code[pc.as_int() as usize].op).collect()
    }
}

/// Fixed challenges for checks without a proof.
pub(crate) fn challenges(seed: u64) -> Vec<Ext> {
    (0..starling_air::bus::CHALLENGES as u64)
        .map(|i| {
            let word = starling_vm::poseidon2::hash_elements(seed, &[Felt::new(i)]);
            Ext::new(word[0], word[1], word[2])
        })
        .collect()
}

// PROGRAMS
// ================================================================================================================

const FIELD: &str = "
    in r0, 0
    in r1, 1
    mov r2, 2
    in r3, r2
    add r4, r0, r1
    add r4, r4, -1
    sub r5, r0, r1
    sub r5, r5, 7
    mul r6, r4, r5
    mul r6, r6, 0xffff_ffff
    mov r7, r6
    inv r8, r7
    eq r9, r8, r7
    eq r10, r8, r8
    eq r11, r8, 1
    madd r4, r5, r6
    madd r4, r5, 3
    sel r5, r10, r6
    sel r5, r9, r7
    sel r6, r10, 77
    adv r11
    advq q1
    q.horner q1, q0, r8
    q.horner q1, q0, 5
    q.mov q2, q1
    q.emadd q1, q0, q2
    q.add q3, q0, q1
    out r4, 0
    mov r0, 1
    out r13, r0
    out r11, 2
    halt
";

const U32: &str = "
    mov r0, 0xffff_ffff
    mov r1, 0x8000_0000
    mov r2, 1
    mov r3, 7
    u32.add r4, r1, r3
    u32.addw r5, r0, r2
    u32.addp p3, r0, r0
    u32.addp p3, r2, 5
    u32.sub r4, r0, r1
    u32.subw r5, r2, r3
    u32.subp p3, r2, r0
    u32.subp p3, r0, 3
    u32.lt r8, r2, r3
    u32.lt r9, r3, r2
    u32.lt r9, r3, r3
    u32.mul r4, r3, 9
    u32.mulw r5, r0, r0
    u32.mulh r6, r0, r0
    u32.mulp p4, r0, r1
    mov r10, 0xffff_fffe
    u32.maddp p5, r0, r0
    u32.div r4, r0, r3
    u32.rem r5, r0, r3
    u32.divp p3, r1, 10
    mov r12, -1
    u32.lo r4, r12
    u32.hi r5, r12
    u32.split p3, r12
    u32.divp p3, r9, r3
    u32.chk r1
    u63.chk r0
    mov r13, 0x7fff_ffff_ffff_ffff
    u63.chk r13
    u63.lt r8, r13, r0
    u63.lt r9, r0, r13
    u63.lt r9, r13, r13
    u63.lt r10, r3, 0x8000_0000_0000_0006
    mov r14, 0x8000_0000_0000_0006
    u63.lt r10, r14, r3
    halt
";

const MEMORY: &str = "
    mov r0, 5
    st q0, [r0 + 1]
    ld q1, [6]
    st1 r0, [r0]
    ld1 r8, [5]
    ld q2, [0]
    st q1, [0]
    ld q3, [0]
    mov r1, 0xff_ffff
    ld q3, [r1]
    st q1, [r1]
    st q0, [r1]
    ld q3, [r1]
    mov r2, 0x10000
    st1 r2, [r2]
    ld1 r9, [r2 + 0]
    ld1 r9, [r2 + 1]
    mov r3, 3
again:
    st q0, [r3 + 100]
    ld q2, [r3 + 101]
    sub r3, r3, 1
    bnz r3, again
    halt
";

const HASHES: &str = "
    mov r0, 11
    mov r5, 12
    hash q2, q0, q1
    hash q3, q2, q2
    hash q2, q0, q1
    mov r12, 2
    mstep q1, q1, q2
    mstep q1, q1, q2
    assert.z r12, 9
    perm q0, q1
    perm q2, q1
    st q0, [4]
    st q1, [5]
    mov r12, 4
    absorb q1
    absorb q1
    absorb q2
    out r12, 1
    out r0, 0
    halt
";

const CONTROL: &str = "
    mov r0, 3
    mov r1, 4
loop:
    sub r0, r0, 1
    bne r0, r2, loop
    beq r0, r1, fail
    beq r0, r2, one
    mov r9, 1
one:
    bz r1, fail
    bz r0, two
    mov r9, 2
two:
    bnz r0, fail
    u32.blt r0, r1, three
    mov r9, 3
three:
    u32.blt r1, r0, fail
    u32.bge r0, r1, fail
    u32.bge r1, r0, four
    mov r9, 4
four:
    u32.bge r1, r1, five
five:
    call double
    jal r14, six
    mov r9, 6
six:
    mov r13, double
    jal r15, r13
    assert.eq r1, r1, 5
    mov r0, 10
    mov r1, 1
    mov r2, 3
    mov r3, 0
    hint 1
    adv r5
    advq q2
    out r5, 0
    jmp done
fail:
    assert.z r1, 3
double:
    add r1, r1, r1
    ret
done:
    halt
";

const BITS: &str = "
    mov r0, 0xdead_beef
    mov r1, 0x1234_5678
    mov r2, 0xffff_ffff
    u32.and r4, r0, r1
    u32.and r4, r0, r2
    u32.and r4, r2, r2
    u32.and r4, r3, r2
    u32.and r4, r0, r1
    u32.xor r5, r0, r1
    u32.xor r5, r2, r2
    u32.or r6, r0, r1
    u32.or r6, r0, 0xff
    pow2 r7, r3
    pow2 r7, 1
    pow2 r7, 15
    pow2 r7, 16
    pow2 r7, 30
    pow2 r7, 31
    out r7, 0
    halt
";

/// One sample for each family of instructions.
pub(crate) fn tour() -> Vec<(&'static str, Sample)> {
    let big = MODULUS - 2;
    vec![
        ("field", Sample::assemble(FIELD, &[10, big, 9], &[1, big, 0, 5, 6])),
        ("u32", Sample::assemble(U32, &[], &[])),
        ("memory", Sample::assemble(MEMORY, &[], &[])),
        ("hashes", Sample::assemble(HASHES, &[], &[])),
        ("control", Sample::assemble(CONTROL, &[], &[5])),
        ("bits", Sample::assemble(BITS, &[], &[])),
        ("signatures", Sample::signing(3, "hash q2, q0, q1\n")),
        (
            "everything",
            Sample::signing(1, &format!("mov r3, 0\n{}", BITS.replace("halt", ""))),
        ),
    ]
}

// RANDOM PROGRAMS
// ================================================================================================================

/// A value at a corner of something, or any.
pub(crate) fn edge(rng: &mut ChaCha8Rng) -> u64 {
    match rng.random_range(0..6) {
        0 => rng.random_range(0..20),
        1 => u64::from(rng.random::<u32>()),
        2 => ((1_u128 << rng.random_range(0..64)) + rng.random_range(0..3) - 1) as u64 % MODULUS,
        3 => MODULUS - rng.random_range(1..20),
        _ => rng.random::<u64>() % MODULUS,
    }
}

fn any_instruction(rng: &mut ChaCha8Rng, at: u64, inputs: u64, outputs: u64) -> Instruction {
    let info = &OPCODES[rng.random_range(0..OPCODES.len())];
    let mut i = Instruction::new(info.op);
    let (d, a, b) = (
        rng.random_range(0..16),
        rng.random_range(0..16),
        rng.random_range(0..16),
    );
    for operand in info.operands {
        match operand {
            Operand::D => i.d = d,
            Operand::Dp => i.d = d & 14,
            Operand::Dq => i.d = d & 12,
            Operand::A => i.a = a,
            Operand::Aq => i.a = a & 12,
            Operand::B => i.b = b,
            Operand::Bq => i.b = b & 12,
            Operand::BImm if rng.random() => (i.use_imm, i.imm) = (true, Felt::new(edge(rng))),
            Operand::BImm => i.b = b,
            Operand::Mem => {
                i.use_imm = rng.random();
                i.a = if i.use_imm { 0 } else { a };
                i.imm = Felt::new(if rng.random() {
                    rng.random_range(0..9)
                } else {
                    edge(rng)
                });
            }
            Operand::Imm => i.imm = Felt::new(at + 1),
        }
    }
    match info.op {
        Op::In => (i.use_imm, i.b, i.imm) = (true, 0, Felt::new(inputs)),
        Op::Out => (i.use_imm, i.b, i.imm) = (true, 0, Felt::new(outputs)),
        Op::Jmp | Op::Jal => (i.use_imm, i.b, i.imm) = (true, 0, Felt::new(at + 1)),
        Op::Hint => i.imm = Felt::new(1),
        _ => {}
    }
    i
}

/// A random program of `length` instructions that runs to its end, grown one instruction at a time.
pub(crate) fn random(seed: u64, length: usize) -> Sample {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bitwise: bool = rng.random();
    let mut body: Vec<Instruction> = (0..16)
        .map(|d| Instruction {
            d,
            use_imm: true,
            imm: Felt::new(edge(&mut rng)),
            ..Instruction::new(Op::Mov)
        })
        .collect();
    let public: Vec<u64> = (0..length).map(|_| edge(&mut rng)).collect();
    let advice: Vec<u64> = (0..4 * length).map(|_| edge(&mut rng)).collect();
    let (mut inputs, mut outputs) = (0, 0);
    while body.len() < length {
        let i = any_instruction(&mut rng, body.len() as u64 + 1, inputs, outputs);
        if matches!(i.op, Op::U32and | Op::U32xor | Op::U32or | Op::Pow2) && !bitwise || i.op == Op::Sig {
            continue;
        }
        let (read, written) = (u64::from(i.op == Op::In), u64::from(i.op == Op::Out));
        body.push(i);
        let mut trial = body.clone();
        trial.push(Program::halt());
        let felts = |list: &[u64]| list.iter().map(|x| Felt::new(*x)).collect();
        let given = RunInputs {
            public: felts(&public[..(inputs + read) as usize]),
            advice: felts(&advice),
        };
        let ran = Program::new(trial).is_ok_and(|program| run(&program, &given, 1 << 16).is_ok());
        match ran {
            true => (inputs, outputs) = (inputs + read, outputs + written),
            false => {
                body.pop();
            }
        }
    }
    body.push(Program::halt());
    let program = Program::new(body).unwrap_or_else(|error| panic!("{error}"));
    Sample::of(program, &public[..inputs as usize], &advice)
}

// TESTS
// ================================================================================================================

fn assert_honest(name: &str, sample: &Sample) {
    let violation = check(
        &sample.machine(),
        &sample.trace.columns,
        &sample.statement,
        &challenges(1),
    );
    assert_eq!(violation, None, "{name}");
}

#[test]
fn the_tour_is_honest_and_complete() {
    let mut executed = HashSet::new();
    let mut chips = HashSet::new();
    for (name, sample) in tour() {
        assert_honest(name, &sample);
        executed.extend(sample.executed());
        chips.insert(sample.trace.chips);
    }
    for info in &OPCODES {
        assert!(executed.contains(&info.op), "{} is not used", info.mnemonic);
    }
    assert_eq!(chips, ChipSet::EVERY.into_iter().collect());
}

#[test]
fn random_programs_are_honest() {
    let mut executed = HashSet::new();
    for seed in 0..60 {
        let sample = random(seed, 40 + 3 * seed as usize);
        assert_honest(&format!("seed {seed}"), &sample);
        executed.extend(sample.executed());
    }
    println!("{} opcodes", executed.len());
}

/// The bitwise chip can be the busiest.
#[test]
fn the_bitwise_chip_decides_the_length() {
    let mut text = String::new();
    for i in 0..90 {
        text += &format!("u32.and r1, r0, {i}\n");
    }
    let sample = Sample::assemble(&(text + "halt"), &[], &[]);
    assert_eq!(sample.trace.rows.bitwise, 8 * 91);
    assert_eq!(sample.trace.columns[0].len(), 1024);
    assert_honest("many calls", &sample);
}
