//! The instruction set: opcodes, their operands, and the words that encode them.
//!
//! An instruction is two field elements, the *op word* and the *immediate*. The op word holds three register fields of
//! four bits and fourteen flags. The flags are the very columns that select constraints in the proof, so that no decoder
//! stands between the code and the constraints:
//!
//! | bits | field |
//! |---|---|
//! | 0-3 | `a`, first source register |
//! | 4-7 | `b`, second source register |
//! | 8-11 | `d`, destination register (a source of stores) |
//! | 12-18 | class: `al` `qd` `sp` `me` `ha` `ca` `br` |
//! | 19-22 | operation within the class: `o0` `o1` `o2` `o3` |
//! | 23-24 | write mode: `wa` `wb` |
//! | 25 | `im`: operand b is the immediate |
//!
//! [OPCODES] is the one table of all of this: encoder, decoder, assembler, disassembler, executor and the table in
//! `specs/vm.md` come from it.

use core::fmt;

use crate::field::Felt;

mod opcodes;
mod table;

pub use opcodes::{OPCODES, Op, OpInfo};
pub use table::opcode_table;

/// Number of registers.
pub const REGISTERS: usize = 16;

/// The register that `mstep` halves and `absorb` increments.
pub const INDEX_REGISTER: usize = 12;

/// The register that `call` writes and `ret` reads, by convention of the assembler.
pub const LINK_REGISTER: usize = 15;

/// Memory addresses are below this bound.
pub const MEMORY_WORDS: u64 = 1 << 24;

/// Address of the first instruction that runs. Address 0 holds the `halt` that every program starts with.
pub const ENTRY: u64 = 1;

/// Bits of an op word.
pub const OP_WORD_BITS: usize = 26;

// FLAGS
// ================================================================================================================

/// Bits of the op word that select behaviour.
pub mod flag {
    /// Field arithmetic and moves.
    pub const AL: u32 = 1 << 12;
    /// Arithmetic on quads.
    pub const QD: u32 = 1 << 13;
    /// Operations that split a value into two range-checked halves.
    pub const SP: u32 = 1 << 14;
    /// Memory access.
    pub const ME: u32 = 1 << 15;
    /// Hashing.
    pub const HA: u32 = 1 << 16;
    /// Calls on the public words and the bitwise chip; with [ME], on the signature chip.
    pub const CA: u32 = 1 << 17;
    /// Control flow, assertions and hints.
    pub const BR: u32 = 1 << 18;
    /// Operation bit 0.
    pub const O0: u32 = 1 << 19;
    /// Operation bit 1.
    pub const O1: u32 = 1 << 20;
    /// Operation bit 2.
    pub const O2: u32 = 1 << 21;
    /// Operation bit 3.
    pub const O3: u32 = 1 << 22;
    /// Write mode, first bit.
    pub const WA: u32 = 1 << 23;
    /// Write mode, second bit.
    pub const WB: u32 = 1 << 24;
    /// Operand b is the immediate.
    pub const IM: u32 = 1 << 25;
    /// Write x0 to register d.
    pub const SINGLE: u32 = WB;
    /// Write (x2, x3) to the pair of register d.
    pub const PAIR: u32 = WA;
    /// Write x0..x3 to the quad of register d; with [SP], write x3 to register d.
    pub const QUAD: u32 = WA | WB;
    /// All flags but [IM].
    pub const OPERATION: u32 = IM - AL;
}

// OPERANDS
// ================================================================================================================

/// One operand in an instruction's assembly syntax, in the order in which they are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// Register `d`.
    D,
    /// The pair of `d`, `p0` to `p7`.
    Dp,
    /// The quad of `d`, `q0` to `q3`.
    Dq,
    /// Register `a`.
    A,
    /// The quad of `a`.
    Aq,
    /// Register `b`.
    B,
    /// The quad of `b`.
    Bq,
    /// Register `b` or the immediate.
    BImm,
    /// `[a + immediate]` or `[immediate]`.
    Mem,
    /// The immediate: the address of an instruction, or an error code, or the kind of a hint.
    Imm,
}

// INSTRUCTION
// ================================================================================================================

/// A decoded instruction.
///
/// `d`, `a` and `b` are register numbers; a pair is named by its first register (2p), a quad likewise (4q). Fields that
/// the opcode does not use are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instruction {
    /// The opcode.
    pub op: Op,
    /// Destination register.
    pub d: u8,
    /// First source register.
    pub a: u8,
    /// Second source register; 0 when `use_imm` is set.
    pub b: u8,
    /// Whether operand b (or the whole address, for memory) is the immediate.
    pub use_imm: bool,
    /// The immediate.
    pub imm: Felt,
}

/// Why a pair of field elements is not an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// No opcode has these flags.
    #[error("op word {word:#x} has flags that no opcode has")]
    UnknownFlags {
        /// The word.
        word: u64,
    },
    /// A register field is set that the opcode does not use, or does not name the first register of a pair or a quad.
    #[error("op word {word:#x} ({mnemonic}) has a register field that the opcode does not allow")]
    RegisterField {
        /// The word.
        word: u64,
        /// The opcode's mnemonic.
        mnemonic: &'static str,
    },
    /// The immediate is set although the opcode does not use it.
    #[error("{mnemonic} takes no immediate here, but it is {imm}")]
    Immediate {
        /// The opcode's mnemonic.
        mnemonic: &'static str,
        /// The immediate.
        imm: u64,
    },
}

impl Instruction {
    /// An instruction with the given operands, every other field zero.
    pub fn new(op: Op) -> Self {
        Self {
            op,
            d: 0,
            a: op.info().fixed_a,
            b: 0,
            use_imm: false,
            imm: Felt::new(0),
        }
    }

    /// Encodes the instruction as op word and immediate.
    pub fn encode(&self) -> (u64, Felt) {
        let info = self.op.info();
        let mut word = u64::from(info.flags) | u64::from(self.a) | u64::from(self.b) << 4 | u64::from(self.d) << 8;
        if self.use_imm {
            word |= u64::from(flag::IM);
        }
        (word, self.imm)
    }

    /// Decodes an op word and its immediate.
    ///
    /// # Errors
    /// When the pair is not one that [Instruction::encode] gives.
    pub fn decode(word: u64, imm: Felt) -> Result<Self, DecodeError> {
        if word >> OP_WORD_BITS != 0 {
            return Err(DecodeError::UnknownFlags { word });
        }
        let flags = word as u32 & !0xfff;
        let op = Op::from_flags(flags).ok_or(DecodeError::UnknownFlags { word })?;
        let info = op.info();
        let field = |shift: u32| (word >> shift) as u8 & 15;
        let use_imm = flags & flag::IM != 0 && info.flags & flag::IM == 0;
        let decoded = Self {
            op,
            d: field(8),
            a: field(0),
            b: field(4),
            use_imm,
            imm,
        };
        decoded.validate()?;
        Ok(decoded)
    }

    /// Checks that the fields are such as the opcode allows.
    ///
    /// # Errors
    /// When a register field is out of place or the immediate is set although it is not used.
    pub fn validate(&self) -> Result<(), DecodeError> {
        let info = self.op.info();
        let word = self.encode().0;
        let (mut d, mut a, mut b) = (Some(0), Some(info.fixed_a), Some(0));
        let mut imm_used = false;
        let mut choice = false;
        for operand in info.operands {
            match operand {
                Operand::D => d = (self.d < 16).then_some(self.d),
                Operand::Dp => d = (self.d < 16 && self.d.is_multiple_of(2)).then_some(self.d),
                Operand::Dq => d = (self.d < 16 && self.d.is_multiple_of(4)).then_some(self.d),
                Operand::A => a = (self.a < 16).then_some(self.a),
                Operand::Aq => a = (self.a < 16 && self.a.is_multiple_of(4)).then_some(self.a),
                Operand::B => b = (self.b < 16).then_some(self.b),
                Operand::Bq => b = (self.b < 16 && self.b.is_multiple_of(4)).then_some(self.b),
                Operand::BImm => {
                    choice = true;
                    imm_used |= self.use_imm;
                    b = if self.use_imm {
                        Some(0)
                    } else {
                        (self.b < 16).then_some(self.b)
                    };
                }
                Operand::Mem => {
                    choice = true;
                    imm_used = true;
                    a = if self.use_imm {
                        Some(0)
                    } else {
                        (self.a < 16).then_some(self.a)
                    };
                }
                Operand::Imm => imm_used = true,
            }
        }
        // `mstep` and `absorb` write the index register themselves; a second write to it would contradict.
        let clash = self.op == Op::Mstep && usize::from(self.d) == INDEX_REGISTER;
        if d != Some(self.d) || a != Some(self.a) || b != Some(self.b) || (self.use_imm && !choice) || clash {
            return Err(DecodeError::RegisterField {
                word,
                mnemonic: info.mnemonic,
            });
        }
        if !imm_used && self.imm != Felt::new(0) {
            return Err(DecodeError::Immediate {
                mnemonic: info.mnemonic,
                imm: self.imm.as_int(),
            });
        }
        Ok(())
    }
}

impl fmt::Display for Instruction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let info = self.op.info();
        f.write_str(info.mnemonic)?;
        for (i, operand) in info.operands.iter().enumerate() {
            f.write_str(if i == 0 { " " } else { ", " })?;
            match operand {
                Operand::D => write!(f, "r{}", self.d)?,
                Operand::Dp => write!(f, "p{}", self.d / 2)?,
                Operand::Dq => write!(f, "q{}", self.d / 4)?,
                Operand::A => write!(f, "r{}", self.a)?,
                Operand::Aq => write!(f, "q{}", self.a / 4)?,
                Operand::B => write!(f, "r{}", self.b)?,
                Operand::Bq => write!(f, "q{}", self.b / 4)?,
                Operand::BImm if self.use_imm => write!(f, "{}", self.imm.as_int())?,
                Operand::BImm => write!(f, "r{}", self.b)?,
                Operand::Mem if self.use_imm => write!(f, "[{}]", self.imm.as_int())?,
                Operand::Mem if self.imm == Felt::new(0) => write!(f, "[r{}]", self.a)?,
                Operand::Mem => write!(f, "[r{} + {}]", self.a, self.imm.as_int())?,
                Operand::Imm => write!(f, "{}", self.imm.as_int())?,
            }
        }
        Ok(())
    }
}
