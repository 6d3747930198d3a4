//! Why a run ended early.

use core::fmt;

use crate::field::Felt;
use crate::isa::REGISTERS;

/// What went wrong, without where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrapKind {
    /// An assertion of the program failed.
    #[error("assertion failed with code {code}: {left} is not {right}")]
    Assert {
        /// The error code in the instruction.
        code: u64,
        /// Left operand.
        left: u64,
        /// Right operand.
        right: u64,
    },
    /// Inverse of zero.
    #[error("zero has no inverse")]
    ZeroInverse,
    /// A condition is neither 0 nor 1.
    #[error("condition {value} is neither 0 nor 1")]
    NotBoolean {
        /// The operand.
        value: u64,
    },
    /// An operand or an intermediate result left the domain of a u32 operation.
    #[error("{value} is outside the domain of this u32 operation; check untrusted values with u32.chk first")]
    NotU32 {
        /// The value, as a canonical integer.
        value: u64,
    },
    /// A value left the domain of a 63-bit operation.
    #[error("{value} is outside the domain of this 63-bit operation; check untrusted values with u63.chk first")]
    NotU63 {
        /// The value, as a canonical integer.
        value: u64,
    },
    /// The result of a checked u32 operation does not fit.
    #[error("the result of a checked u32 operation does not fit 32 bits")]
    U32Overflow,
    /// Division by zero.
    #[error("division by zero")]
    DivideByZero,
    /// A shift by 32 or more.
    #[error("shift by {value}: it must be below 32")]
    ShiftTooLarge {
        /// The operand.
        value: u64,
    },
    /// A memory address out of range.
    #[error("memory address {address} is not below 2^24")]
    Address {
        /// The address, as a canonical integer.
        address: u64,
    },
    /// A jump out of the program, or a run past its end.
    #[error("address {target} is outside the program")]
    PcRange {
        /// The target.
        target: u64,
    },
    /// The advice tape is empty.
    #[error("the advice tape is exhausted: {wanted} more elements wanted, {left} left")]
    AdviceExhausted {
        /// Elements that the instruction takes.
        wanted: usize,
        /// Elements that are left.
        left: usize,
    },
    /// There is no public input of this number.
    #[error("there is no public input number {index}: {count} were given")]
    InputRange {
        /// The number.
        index: u64,
        /// How many there are.
        count: usize,
    },
    /// A public input was read before.
    #[error("public input number {index} is read for the second time; each is read exactly once")]
    InputReadTwice {
        /// The number.
        index: u64,
    },
    /// The run ended with a public input unread.
    #[error("public input number {index} was never read; each is read exactly once")]
    InputUnread {
        /// The number.
        index: u64,
    },
    /// A public output number is absurdly large.
    #[error("public output number {index} is not below {limit}")]
    OutputRange {
        /// The number.
        index: u64,
        /// The limit.
        limit: u64,
    },
    /// A public output was written before.
    #[error("public output number {index} is written for the second time")]
    OutputWrittenTwice {
        /// The number.
        index: u64,
    },
    /// The run ended with a gap in the outputs.
    #[error("public output number {index} was never written, although a later one was")]
    OutputMissing {
        /// The number.
        index: u64,
    },
    /// The signature on the advice tape does not verify.
    #[error("the signature does not verify: {reason}")]
    SignatureInvalid {
        /// What is wrong with it.
        reason: String,
    },
    /// A hint of unknown kind.
    #[error("there is no hint of kind {kind}")]
    HintUnknown {
        /// The immediate.
        kind: u64,
    },
    /// A hint's operands make no sense.
    #[error("hint {kind}: {reason}")]
    HintOperands {
        /// The immediate.
        kind: u64,
        /// What is wrong with them.
        reason: &'static str,
    },
    /// The cycle limit was reached.
    #[error("the cycle limit of {limit} was reached")]
    CycleLimit {
        /// The limit.
        limit: u64,
    },
}

/// Calls that the message of a trap shows; a runaway recursion has millions.
pub const SHOWN_CALLS: usize = 16;

/// A failed run: what went wrong, where, and in which state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trap {
    /// What went wrong.
    pub kind: TrapKind,
    /// Address of the instruction.
    pub pc: u64,
    /// Cycle, from 1.
    pub clk: u64,
    /// The registers before the instruction.
    pub registers: [Felt; REGISTERS],
    /// Addresses of the calls that had not returned, outermost first.
    pub call_stack: Vec<u64>,
    /// Where the innermost of these calls stand in the source, outermost first, as far as known: at most
    /// [SHOWN_CALLS].
    pub call_sources: Vec<Option<String>>,
    /// The source line, if known, as `file:line:column`.
    pub source: Option<String>,
    /// The instruction, disassembled.
    pub instruction: String,
}

impl std::error::Error for Trap {}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}\n  at pc {} (`{}`), cycle {}",
            self.kind, self.pc, self.instruction, self.clk
        )?;
        if let Some(source) = &self.source {
            write!(f, "\n  in {source}")?;
        }
        let shown = self.call_stack.iter().rev().zip(self.call_sources.iter().rev());
        for (pc, source) in shown {
            write!(f, "\n  called at pc {pc}")?;
            if let Some(source) = source {
                write!(f, ", {source}")?;
            }
        }
        let hidden = self.call_stack.len().saturating_sub(self.call_sources.len());
        if hidden > 0 {
            write!(f, "\n  and {hidden} calls more")?;
        }
        for (quad, registers) in self.registers.chunks(4).enumerate() {
            write!(f, "\n  q{quad}:")?;
            for (lane, value) in registers.iter().enumerate() {
                write!(f, " r{}={}", 4 * quad + lane, value.as_int())?;
            }
        }
        Ok(())
    }
}
