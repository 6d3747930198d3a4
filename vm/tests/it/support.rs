//! What several tests need: random instructions, and running a few lines of assembly.

use proptest::prelude::*;
use starling_vm::asm::{AsmError, Source, assemble};
use starling_vm::executor::{Outcome, RunInputs, run};
use starling_vm::field::{Felt, MODULUS};
use starling_vm::isa::{Instruction, OPCODES, OpInfo, Operand};
use starling_vm::program::Program;
use starling_vm::trap::Trap;

/// Far more cycles than any test needs.
pub(crate) const LIMIT: u64 = 1 << 22;

pub(crate) fn felts(values: &[u64]) -> Vec<Felt> {
    values.iter().map(|v| Felt::new(*v)).collect()
}

pub(crate) fn ints(values: &[Felt]) -> Vec<u64> {
    values.iter().map(|v| v.as_int()).collect()
}

/// Assembles a single file; prints the errors if there are any.
pub(crate) fn program(text: &str) -> Program {
    match assemble(&[Source::new("main.sasm", text)]) {
        Ok(program) => program,
        Err(errors) => {
            let all: Vec<_> = errors.iter().map(ToString::to_string).collect();
            panic!("{}\nin\n{text}", all.join("\n\n"));
        }
    }
}

/// The errors of a single file.
pub(crate) fn errors(text: &str) -> Vec<AsmError> {
    assemble(&[Source::new("main.sasm", text)]).expect_err("this must not assemble")
}

/// Runs a single file.
pub(crate) fn execute(text: &str, public: &[u64], advice: &[u64]) -> Result<Outcome, Box<Trap>> {
    let inputs = RunInputs {
        public: felts(public),
        advice: felts(advice),
    };
    run(&program(text), &inputs, LIMIT)
}

/// Values at the corners of everything, and arbitrary ones.
pub(crate) fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        3 => any::<u64>().prop_map(|v| v % MODULUS),
        3 => any::<u32>().prop_map(u64::from),
        1 => 0..40_u64,
        1 => (0..64_u32, 0..3_u128).prop_map(|(bit, offset)| (((1_u128 << bit) + offset - 1) % u128::from(MODULUS)) as u64),
        1 => (1..40_u64).prop_map(|v| MODULUS - v),
    ]
}

/// Any opcode.
pub(crate) fn opcode() -> impl Strategy<Value = &'static OpInfo> {
    (0..OPCODES.len()).prop_map(|i| &OPCODES[i])
}

/// Any valid instruction.
pub(crate) fn instruction() -> impl Strategy<Value = Instruction> {
    let parts = (opcode(), 0..16_u8, 0..16_u8, 0..16_u8, any::<bool>(), value());
    parts.prop_filter_map("not an instruction", |(info, d, a, b, use_imm, imm)| {
        let mut i = Instruction::new(info.op);
        for operand in info.operands {
            match operand {
                Operand::D => i.d = d,
                Operand::Dp => i.d = d & 14,
                Operand::Dq => i.d = d & 12,
                Operand::A => i.a = a,
                Operand::Aq => i.a = a & 12,
                Operand::B => i.b = b,
                Operand::Bq => i.b = b & 12,
                Operand::BImm if use_imm => (i.use_imm, i.imm) = (true, Felt::new(imm)),
                Operand::BImm => i.b = b,
                Operand::Mem => {
                    i.use_imm = use_imm;
                    i.a = if use_imm { 0 } else { a };
                    i.imm = Felt::new(imm);
                }
                Operand::Imm => i.imm = Felt::new(imm),
            }
        }
        i.validate().is_ok().then_some(i)
    })
}
