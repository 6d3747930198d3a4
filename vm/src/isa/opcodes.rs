//! The table of opcodes.

use super::Operand::{self, *};
use super::flag::*;

/// What is known of an opcode.
#[derive(Clone, Copy, Debug)]
pub struct OpInfo {
    /// The opcode.
    pub op: Op,
    /// Its name in assembly.
    pub mnemonic: &'static str,
    /// Its flags in the op word. Where an operand may be a register or the immediate, `im` is added by the encoder.
    pub flags: u32,
    /// Its operands, as written.
    pub operands: &'static [Operand],
    /// The register field `a` where it is not an operand.
    pub fixed_a: u8,
    /// What it does.
    pub semantics: &'static str,
    /// When it traps.
    pub traps: &'static str,
    /// What it costs beside its row of the cpu: range pairs, memory accesses, permutations, calls.
    pub cost: &'static str,
}

/// An opcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Op {
    /// `add`: d = a + b.
    Add,
    /// `sub`: d = a - b.
    Sub,
    /// `mul`: d = a * b.
    Mul,
    /// `mov`: d = b.
    Mov,
    /// `inv`: d = 1 / a.
    Inv,
    /// `eq`: d = 1 if a = b, else 0.
    Eq,
    /// `adv`: d = next advice element.
    Adv,
    /// `advq`: d = next four advice elements.
    Advq,
    /// `madd`: d = d + a * b.
    Madd,
    /// `sel`: d = b if a = 1, unchanged if a = 0.
    Sel,
    /// `q.horner`: `d[i] = d[i] * a[i] + b`, lane by lane.
    Qhorner,
    /// `q.mov`: d = a.
    Qmov,
    /// `q.emadd`: `d[0..3] = d[0..3] + a[0..3] * b[0..3]` in the cubic extension x^3 = x + 1; `d[3]` unchanged.
    Qemadd,
    /// `q.add`: `d[i] = a[i] + b[i]`.
    Qadd,
    /// `u32.add`: d = a + b.
    U32add,
    /// `u32.addw`: d = (a + b) mod 2^32.
    U32addw,
    /// `u32.addp`: d = ((a + b) mod 2^32, carry).
    U32addp,
    /// `u32.sub`: d = a - b.
    U32sub,
    /// `u32.subw`: d = (a - b) mod 2^32.
    U32subw,
    /// `u32.subp`: d = ((a - b) mod 2^32, borrow).
    U32subp,
    /// `u32.lt`: d = 1 if a < b, else 0.
    U32lt,
    /// `u32.mul`: d = a * b.
    U32mul,
    /// `u32.mulw`: d = low half of a * b.
    U32mulw,
    /// `u32.mulh`: d = high half of a * b.
    U32mulh,
    /// `u32.mulp`: d = (low, high) halves of a * b.
    U32mulp,
    /// `u32.maddp`: d = (low, high) halves of a * b + d, where d is read from the pair's first register.
    U32maddp,
    /// `u32.div`: d = quotient of a / b.
    U32div,
    /// `u32.rem`: d = remainder of a / b.
    U32rem,
    /// `u32.divp`: d = (quotient, remainder) of a / b.
    U32divp,
    /// `u32.lo`: d = low half of a's canonical value.
    U32lo,
    /// `u32.hi`: d = high half of a's canonical value.
    U32hi,
    /// `u32.split`: d = (low, high) halves of a's canonical value.
    U32split,
    /// `u32.chk`: checks a < 2^32.
    U32chk,
    /// `u63.chk`: checks a < 2^63.
    U63chk,
    /// `u63.lt`: d = 1 if a < b, else 0, as canonical integers.
    U63lt,
    /// `u32.and`: d = a AND b.
    U32and,
    /// `u32.xor`: d = a XOR b.
    U32xor,
    /// `u32.or`: d = a OR b.
    U32or,
    /// `pow2`: d = 2^b.
    Pow2,
    /// `ld`: d = memory word.
    Ld,
    /// `ld1`: d = element 0 of the memory word.
    Ld1,
    /// `st`: memory word = d.
    St,
    /// `st1`: memory word = (d, 0, 0, 0).
    St1,
    /// `hash`: d = compress(a, b), two words to one.
    Hash,
    /// `mstep`: one step up a Merkle path: with bit = r12 mod 2, d = compress(a, b) if bit = 0, compress(b, a) if bit = 1; r12 = r12 / 2. The proof shows only that r12 = 2 r12' + bit: check that r12 is 0 after the last step.
    Mstep,
    /// `perm`: (q0, q1) = permutation of (a, b).
    Perm,
    /// `absorb`: (q0, q1) = permutation of (memory word at r12, b); r12 = r12 + 1.
    Absorb,
    /// `in`: d = public input number b; every input must be read exactly once.
    In,
    /// `out`: public output number b = a; outputs 0 to n-1 must each be written exactly once.
    Out,
    /// `sig`: checks a Schnorr signature, taken from advice, of the message r8..r11 under the public key r0..r4.
    Sig,
    /// `jmp`: pc = b; `halt` is `jmp 0`.
    Jmp,
    /// `jal`: d = pc + 1, pc = b; `call b` is `jal r15, b`, `ret` is `jmp r15`.
    Jal,
    /// `beq`: pc = immediate if a = b.
    Beq,
    /// `bne`: pc = immediate if a != b.
    Bne,
    /// `bz`: pc = immediate if a = 0.
    Bz,
    /// `bnz`: pc = immediate if a != 0.
    Bnz,
    /// `u32.blt`: pc = immediate if a < b.
    Blt,
    /// `u32.bge`: pc = immediate if a >= b.
    Bge,
    /// `assert.eq`: checks a = b; the immediate is the error code.
    AssertEq,
    /// `assert.z`: checks a = 0; the immediate is the error code.
    AssertZ,
    /// `hint`: puts the advice that the immediate names in front of the advice tape (see Hints); proves nothing.
    Hint,
}

impl Op {
    /// The opcode's row of the table.
    pub const fn info(self) -> &'static OpInfo {
        &OPCODES[self as usize]
    }

    /// The opcode with these flags, whether or not `im` is set where it is a choice.
    pub fn from_flags(flags: u32) -> Option<Self> {
        let find = |wanted: u32| OPCODES.iter().find(|info| info.flags == wanted);
        let exact = find(flags);
        let info = match exact {
            Some(info) => Some(info),
            None if flags & IM != 0 => {
                find(flags & !IM).filter(|info| info.operands.iter().any(|o| matches!(o, BImm | Mem)))
            }
            None => None,
        };
        info.map(|info| info.op)
    }

    /// The opcode with this mnemonic.
    pub fn from_mnemonic(mnemonic: &str) -> Option<Self> {
        OPCODES
            .iter()
            .find(|info| info.mnemonic == mnemonic)
            .map(|info| info.op)
    }
}

/// All opcodes, in the order of [Op].
pub const OPCODES: [OpInfo; 61] = [
    OpInfo {
        op: Op::Add,
        mnemonic: "add",
        flags: AL | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a + b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Sub,
        mnemonic: "sub",
        flags: AL | O0 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a - b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Mul,
        mnemonic: "mul",
        flags: AL | O1 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a * b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Mov,
        mnemonic: "mov",
        flags: AL | O1 | O0 | SINGLE,
        operands: &[D, BImm],
        fixed_a: 0,
        semantics: "d = b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Inv,
        mnemonic: "inv",
        flags: AL | O2 | SINGLE,
        operands: &[D, A],
        fixed_a: 0,
        semantics: "d = 1 / a",
        traps: "`ZeroInverse`: a is 0",
        cost: "-",
    },
    OpInfo {
        op: Op::Eq,
        mnemonic: "eq",
        flags: AL | O2 | O0 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = 1 if a = b, else 0",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Adv,
        mnemonic: "adv",
        flags: AL | O2 | O1 | SINGLE,
        operands: &[D],
        fixed_a: 0,
        semantics: "d = next advice element",
        traps: "`AdviceExhausted`",
        cost: "-",
    },
    OpInfo {
        op: Op::Advq,
        mnemonic: "advq",
        flags: AL | O2 | O1 | QUAD,
        operands: &[Dq],
        fixed_a: 0,
        semantics: "d = next four advice elements",
        traps: "`AdviceExhausted`",
        cost: "-",
    },
    OpInfo {
        op: Op::Madd,
        mnemonic: "madd",
        flags: AL | O3 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = d + a * b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Sel,
        mnemonic: "sel",
        flags: AL | O3 | O0 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = b if a = 1, unchanged if a = 0",
        traps: "`NotBoolean`: a is neither 0 nor 1",
        cost: "-",
    },
    OpInfo {
        op: Op::Qhorner,
        mnemonic: "q.horner",
        flags: QD | O0 | QUAD,
        operands: &[Dq, Aq, BImm],
        fixed_a: 0,
        semantics: "d[i] = d[i] * a[i] + b, lane by lane",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Qmov,
        mnemonic: "q.mov",
        flags: QD | O1 | QUAD,
        operands: &[Dq, Aq],
        fixed_a: 0,
        semantics: "d = a",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Qemadd,
        mnemonic: "q.emadd",
        flags: QD | O2 | QUAD,
        operands: &[Dq, Aq, Bq],
        fixed_a: 0,
        semantics: "d[0..3] = d[0..3] + a[0..3] * b[0..3] in the cubic extension x^3 = x + 1; d[3] unchanged",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Qadd,
        mnemonic: "q.add",
        flags: QD | O3 | QUAD,
        operands: &[Dq, Aq, Bq],
        fixed_a: 0,
        semantics: "d[i] = a[i] + b[i]",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::U32add,
        mnemonic: "u32.add",
        flags: SP | O1 | O3 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a + b",
        traps: "`NotU32`: a + b is not below 2^33; `U32Overflow`: not below 2^32",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32addw,
        mnemonic: "u32.addw",
        flags: SP | O1 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = (a + b) mod 2^32",
        traps: "`NotU32`: a + b is not below 2^33",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32addp,
        mnemonic: "u32.addp",
        flags: SP | O1 | PAIR,
        operands: &[Dp, A, BImm],
        fixed_a: 0,
        semantics: "d = ((a + b) mod 2^32, carry)",
        traps: "`NotU32`: a + b is not below 2^33",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32sub,
        mnemonic: "u32.sub",
        flags: SP | O1 | O0 | O3 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a - b",
        traps: "`NotU32`: a - b is not within 2^32 of 0; `U32Overflow`: negative",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32subw,
        mnemonic: "u32.subw",
        flags: SP | O1 | O0 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = (a - b) mod 2^32",
        traps: "`NotU32`: a - b is not within 2^32 of 0",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32subp,
        mnemonic: "u32.subp",
        flags: SP | O1 | O0 | PAIR,
        operands: &[Dp, A, BImm],
        fixed_a: 0,
        semantics: "d = ((a - b) mod 2^32, borrow)",
        traps: "`NotU32`: a - b is not within 2^32 of 0",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32lt,
        mnemonic: "u32.lt",
        flags: SP | O1 | O0 | QUAD,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = 1 if a < b, else 0",
        traps: "`NotU32`: a - b is not within 2^32 of 0",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32mul,
        mnemonic: "u32.mul",
        flags: SP | O2 | O3 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a * b",
        traps: "`U32Overflow`: a * b (in the field) is not below 2^32",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32mulw,
        mnemonic: "u32.mulw",
        flags: SP | O2 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = low half of a * b",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32mulh,
        mnemonic: "u32.mulh",
        flags: SP | O2 | QUAD,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = high half of a * b",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32mulp,
        mnemonic: "u32.mulp",
        flags: SP | O2 | PAIR,
        operands: &[Dp, A, BImm],
        fixed_a: 0,
        semantics: "d = (low, high) halves of a * b",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32maddp,
        mnemonic: "u32.maddp",
        flags: SP | O2 | O0 | PAIR,
        operands: &[Dp, A, BImm],
        fixed_a: 0,
        semantics: "d = (low, high) halves of a * b + d, where d is read from the pair's first register",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32div,
        mnemonic: "u32.div",
        flags: SP | O0 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = quotient of a / b",
        traps: "`DivideByZero`; `NotU32`: b is not below 2^32; `U32Overflow`: the quotient is not below 2^32",
        cost: "2 pairs",
    },
    OpInfo {
        op: Op::U32rem,
        mnemonic: "u32.rem",
        flags: SP | O0 | QUAD,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = remainder of a / b",
        traps: "`DivideByZero`; `NotU32`: b is not below 2^32; `U32Overflow`: the quotient is not below 2^32",
        cost: "2 pairs",
    },
    OpInfo {
        op: Op::U32divp,
        mnemonic: "u32.divp",
        flags: SP | O0 | PAIR,
        operands: &[Dp, A, BImm],
        fixed_a: 0,
        semantics: "d = (quotient, remainder) of a / b",
        traps: "`DivideByZero`; `NotU32`: b is not below 2^32; `U32Overflow`: the quotient is not below 2^32",
        cost: "2 pairs",
    },
    OpInfo {
        op: Op::U32lo,
        mnemonic: "u32.lo",
        flags: SP | SINGLE,
        operands: &[D, A],
        fixed_a: 0,
        semantics: "d = low half of a's canonical value",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32hi,
        mnemonic: "u32.hi",
        flags: SP | QUAD,
        operands: &[D, A],
        fixed_a: 0,
        semantics: "d = high half of a's canonical value",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32split,
        mnemonic: "u32.split",
        flags: SP | PAIR,
        operands: &[Dp, A],
        fixed_a: 0,
        semantics: "d = (low, high) halves of a's canonical value",
        traps: "-",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U32chk,
        mnemonic: "u32.chk",
        flags: SP | O3,
        operands: &[A],
        fixed_a: 0,
        semantics: "checks a < 2^32",
        traps: "`NotU32`",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U63chk,
        mnemonic: "u63.chk",
        flags: SP | O1 | O2,
        operands: &[A],
        fixed_a: 0,
        semantics: "checks a < 2^63",
        traps: "`NotU63`",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::U63lt,
        mnemonic: "u63.lt",
        flags: SP | O0 | O1 | O2 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = 1 if a < b, else 0, as canonical integers",
        traps: "`NotU63`: the smaller of a and b, or their difference, is not below 2^63; or the high halves of both are 2^31 - 1",
        cost: "2 pairs",
    },
    OpInfo {
        op: Op::U32and,
        mnemonic: "u32.and",
        flags: CA | O2 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a AND b",
        traps: "`NotU32`",
        cost: "1 bitwise",
    },
    OpInfo {
        op: Op::U32xor,
        mnemonic: "u32.xor",
        flags: CA | O2 | O0 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a XOR b",
        traps: "`NotU32`",
        cost: "1 bitwise",
    },
    OpInfo {
        op: Op::U32or,
        mnemonic: "u32.or",
        flags: CA | O2 | O1 | SINGLE,
        operands: &[D, A, BImm],
        fixed_a: 0,
        semantics: "d = a OR b",
        traps: "`NotU32`",
        cost: "1 bitwise",
    },
    OpInfo {
        op: Op::Pow2,
        mnemonic: "pow2",
        flags: CA | O2 | O3 | SINGLE,
        operands: &[D, BImm],
        fixed_a: 0,
        semantics: "d = 2^b",
        traps: "`ShiftTooLarge`: b is not below 32",
        cost: "1 bitwise",
    },
    OpInfo {
        op: Op::Ld,
        mnemonic: "ld",
        flags: ME | QUAD,
        operands: &[Dq, Mem],
        fixed_a: 0,
        semantics: "d = memory word",
        traps: "`Address`: not below 2^24",
        cost: "1 memory",
    },
    OpInfo {
        op: Op::Ld1,
        mnemonic: "ld1",
        flags: ME | SINGLE,
        operands: &[D, Mem],
        fixed_a: 0,
        semantics: "d = element 0 of the memory word",
        traps: "`Address`: not below 2^24",
        cost: "1 memory",
    },
    OpInfo {
        op: Op::St,
        mnemonic: "st",
        flags: ME | O0,
        operands: &[Dq, Mem],
        fixed_a: 0,
        semantics: "memory word = d",
        traps: "`Address`: not below 2^24",
        cost: "1 memory",
    },
    OpInfo {
        op: Op::St1,
        mnemonic: "st1",
        flags: ME | O0 | O1,
        operands: &[D, Mem],
        fixed_a: 0,
        semantics: "memory word = (d, 0, 0, 0)",
        traps: "`Address`: not below 2^24",
        cost: "1 memory",
    },
    OpInfo {
        op: Op::Hash,
        mnemonic: "hash",
        flags: HA | QUAD,
        operands: &[Dq, Aq, Bq],
        fixed_a: 0,
        semantics: "d = compress(a, b), two words to one",
        traps: "-",
        cost: "1 hash",
    },
    OpInfo {
        op: Op::Mstep,
        mnemonic: "mstep",
        flags: HA | O0 | QUAD,
        operands: &[Dq, Aq, Bq],
        fixed_a: 0,
        semantics: "one step up a Merkle path: with bit = r12 mod 2, d = compress(a, b) if bit = 0, compress(b, a) if bit = 1; r12 = r12 / 2. The proof shows only that r12 = 2 r12' + bit: check that r12 is 0 after the last step",
        traps: "-",
        cost: "1 hash",
    },
    OpInfo {
        op: Op::Perm,
        mnemonic: "perm",
        flags: HA | O1,
        operands: &[Aq, Bq],
        fixed_a: 0,
        semantics: "(q0, q1) = permutation of (a, b)",
        traps: "-",
        cost: "1 hash",
    },
    OpInfo {
        op: Op::Absorb,
        mnemonic: "absorb",
        flags: HA | ME | O1,
        operands: &[Bq],
        fixed_a: 12,
        semantics: "(q0, q1) = permutation of (memory word at r12, b); r12 = r12 + 1",
        traps: "`Address`: not below 2^24",
        cost: "1 hash, 1 memory",
    },
    OpInfo {
        op: Op::In,
        mnemonic: "in",
        flags: CA | SINGLE,
        operands: &[D, BImm],
        fixed_a: 0,
        semantics: "d = public input number b; every input must be read exactly once",
        traps: "`InputRange`, `InputReadTwice`; at the end `InputUnread`",
        cost: "1 public",
    },
    OpInfo {
        op: Op::Out,
        mnemonic: "out",
        flags: CA | O3,
        operands: &[A, BImm],
        fixed_a: 0,
        semantics: "public output number b = a; outputs 0 to n-1 must each be written exactly once",
        traps: "`OutputWrittenTwice`; at the end `OutputMissing`",
        cost: "1 public",
    },
    OpInfo {
        op: Op::Sig,
        mnemonic: "sig",
        flags: CA | ME,
        operands: &[],
        fixed_a: 0,
        semantics: "checks a Schnorr signature, taken from advice, of the message r8..r11 under the public key r0..r4",
        traps: "`SignatureInvalid`, `AdviceExhausted`",
        cost: "1 signature",
    },
    OpInfo {
        op: Op::Jmp,
        mnemonic: "jmp",
        flags: BR | O2,
        operands: &[BImm],
        fixed_a: 0,
        semantics: "pc = b; `halt` is `jmp 0`",
        traps: "`PcRange`",
        cost: "-",
    },
    OpInfo {
        op: Op::Jal,
        mnemonic: "jal",
        flags: BR | O2 | SINGLE,
        operands: &[D, BImm],
        fixed_a: 0,
        semantics: "d = pc + 1, pc = b; `call b` is `jal r15, b`, `ret` is `jmp r15`",
        traps: "`PcRange`",
        cost: "-",
    },
    OpInfo {
        op: Op::Beq,
        mnemonic: "beq",
        flags: BR | O3,
        operands: &[A, B, Imm],
        fixed_a: 0,
        semantics: "pc = immediate if a = b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Bne,
        mnemonic: "bne",
        flags: BR | O3 | O1,
        operands: &[A, B, Imm],
        fixed_a: 0,
        semantics: "pc = immediate if a != b",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Bz,
        mnemonic: "bz",
        flags: BR | O3 | IM,
        operands: &[A, Imm],
        fixed_a: 0,
        semantics: "pc = immediate if a = 0",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Bnz,
        mnemonic: "bnz",
        flags: BR | O3 | O1 | IM,
        operands: &[A, Imm],
        fixed_a: 0,
        semantics: "pc = immediate if a != 0",
        traps: "-",
        cost: "-",
    },
    OpInfo {
        op: Op::Blt,
        mnemonic: "u32.blt",
        flags: BR | SP | O3 | O0,
        operands: &[A, B, Imm],
        fixed_a: 0,
        semantics: "pc = immediate if a < b",
        traps: "`NotU32`: a - b is not within 2^32 of 0",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::Bge,
        mnemonic: "u32.bge",
        flags: BR | SP | O3 | O0 | O1,
        operands: &[A, B, Imm],
        fixed_a: 0,
        semantics: "pc = immediate if a >= b",
        traps: "`NotU32`: a - b is not within 2^32 of 0",
        cost: "1 pair",
    },
    OpInfo {
        op: Op::AssertEq,
        mnemonic: "assert.eq",
        flags: BR | O0,
        operands: &[A, B, Imm],
        fixed_a: 0,
        semantics: "checks a = b; the immediate is the error code",
        traps: "`Assert`: a != b",
        cost: "-",
    },
    OpInfo {
        op: Op::AssertZ,
        mnemonic: "assert.z",
        flags: BR | O0 | IM,
        operands: &[A, Imm],
        fixed_a: 0,
        semantics: "checks a = 0; the immediate is the error code",
        traps: "`Assert`: a != 0",
        cost: "-",
    },
    OpInfo {
        op: Op::Hint,
        mnemonic: "hint",
        flags: BR,
        operands: &[Imm],
        fixed_a: 0,
        semantics: "puts the advice that the immediate names in front of the advice tape (see Hints); proves nothing",
        traps: "`HintUnknown`, `HintOperands`",
        cost: "-",
    },
];
