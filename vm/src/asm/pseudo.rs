//! Pseudo-instructions: mnemonics that stand for one or several instructions.
//!
//! [PSEUDO] is the one table of them: the assembler expands from it, and the table in `specs/vm.md` is printed from it.

use crate::isa::Op;

/// What a pseudo-instruction takes as an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A register; the letter is for the documentation.
    Register(&'static str),
    /// A pair.
    Pair(&'static str),
    /// A register or a constant.
    Either(&'static str),
    /// A label, a procedure or a constant.
    Target(&'static str),
    /// A constant shift, 0 to 31.
    Shift(&'static str),
}

impl Slot {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Register(name) | Self::Pair(name) | Self::Either(name) | Self::Target(name) | Self::Shift(name) => {
                name
            }
        }
    }
}

/// One operand of an instruction that a pseudo-instruction stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The operand of this number.
    Arg(usize),
    /// The first register of the pair of this number.
    First(usize),
    /// The second register of the pair of this number.
    Second(usize),
    /// A constant.
    Value(i128),
    /// A register.
    Register(u8),
    /// 2 to the constant of this number.
    Power(usize),
    /// 2 to 32 minus the constant of this number.
    PowerBack(usize),
}

use Part::{Arg, First, Power, PowerBack, Second, Value};
use Slot::{Either, Pair, Register, Shift, Target};

/// A pseudo-instruction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pseudo {
    pub(super) mnemonic: &'static str,
    pub(super) slots: &'static [Slot],
    pub(super) code: &'static [(Op, &'static [Part])],
    /// Operands that must not share a register, because the first is written before the second is read.
    pub(super) distinct: &'static [(usize, usize)],
    pub(super) about: &'static str,
}

const LINK: Part = Part::Register(15);
const ALL_ONES: i128 = 0xffff_ffff;
const D: Slot = Register("rD");
const A: Slot = Register("rA");
const B: Slot = Register("rB");
const PD: Slot = Pair("pD");
const N: Slot = Shift("n");
const CODE: Slot = Target("code");

const fn row(
    mnemonic: &'static str,
    slots: &'static [Slot],
    code: &'static [(Op, &'static [Part])],
    distinct: &'static [(usize, usize)],
    about: &'static str,
) -> Pseudo {
    Pseudo {
        mnemonic,
        slots,
        code,
        distinct,
        about,
    }
}

/// All pseudo-instructions. A mnemonic may have several forms; the first that fits the operands is taken.
#[rustfmt::skip]
pub(super) const PSEUDO: &[Pseudo] = &[
    // Control flow.
    row("halt", &[], &[(Op::Jmp, &[Value(0)])], &[], "ends the run"),
    row("nop", &[], &[(Op::Mov, &[Part::Register(0), Part::Register(0)])], &[], "does nothing"),
    row("call", &[Target("L")], &[(Op::Jal, &[LINK, Arg(0)])], &[], "calls L, return address in r15"),
    row("call", &[A], &[(Op::Jal, &[LINK, Arg(0)])], &[], "calls the address in a register"),
    row("ret", &[], &[(Op::Jmp, &[LINK])], &[], "returns to the address in r15"),
    row("fail", &[D, CODE], &[(Op::Mov, &[Arg(0), Value(1)]), (Op::AssertZ, &[Arg(0), Arg(1)])], &[], "always traps with `code`; D is scratch"),
    row("u32.bgt", &[A, B, Target("L")], &[(Op::Blt, &[Arg(1), Arg(0), Arg(2)])], &[], "jumps to L if A > B"),
    row("u32.ble", &[A, B, Target("L")], &[(Op::Bge, &[Arg(1), Arg(0), Arg(2)])], &[], "jumps to L if A <= B"),
    // The field.
    row("neg", &[D, A], &[(Op::Mul, &[Arg(0), Arg(1), Value(-1)])], &[], "D = -A"),
    row("not", &[D, A], &[(Op::Eq, &[Arg(0), Arg(1), Value(0)])], &[], "D = 1 if A = 0, else 0: the negation of a boolean"),
    row("ne", &[D, A, Either("rB\\|imm")], &[(Op::Eq, &[Arg(0), Arg(1), Arg(2)]), (Op::Eq, &[Arg(0), Arg(0), Value(0)])], &[], "D = 1 if A differs from B, else 0"),
    row("div", &[D, A, B], &[(Op::Inv, &[Arg(0), Arg(2)]), (Op::Mul, &[Arg(0), Arg(1), Arg(0)])], &[(0, 1)], "D = A / B in the field; D is not A"),
    // Assertions. D is scratch: it must not be A where A is needed again.
    row("assert.ne", &[D, A, Either("rB\\|imm"), CODE], &[(Op::Eq, &[Arg(0), Arg(1), Arg(2)]), (Op::AssertZ, &[Arg(0), Arg(3)])], &[], "checks A != B; D is scratch"),
    row("assert.nz", &[D, A, CODE], &[(Op::Eq, &[Arg(0), Arg(1), Value(0)]), (Op::AssertZ, &[Arg(0), Arg(2)])], &[], "checks A != 0; D is scratch"),
    row("assert.is", &[D, A, Either("rB\\|imm"), CODE], &[(Op::Sub, &[Arg(0), Arg(1), Arg(2)]), (Op::AssertZ, &[Arg(0), Arg(3)])], &[], "checks A = B or imm; D is scratch"),
    row("assert.bool", &[D, A, CODE], &[(Op::Mul, &[Arg(0), Arg(1), Arg(1)]), (Op::AssertEq, &[Arg(0), Arg(1), Arg(2)])], &[(0, 1)], "checks that A is 0 or 1; D is scratch and not A"),
    row("u32.assert.le", &[D, A, B, CODE], &[(Op::U32lt, &[Arg(0), Arg(2), Arg(1)]), (Op::AssertZ, &[Arg(0), Arg(3)])], &[], "checks A <= B, both below 2^32; D is scratch"),
    // u32 comparison.
    row("u32.gt", &[D, A, B], &[(Op::U32lt, &[Arg(0), Arg(2), Arg(1)])], &[], "D = 1 if A > B, else 0"),
    row("u32.le", &[D, A, B], &[(Op::U32lt, &[Arg(0), Arg(2), Arg(1)]), (Op::Eq, &[Arg(0), Arg(0), Value(0)])], &[], "D = 1 if A <= B, else 0"),
    row("u32.ge", &[D, A, Either("rB\\|imm")], &[(Op::U32lt, &[Arg(0), Arg(1), Arg(2)]), (Op::Eq, &[Arg(0), Arg(0), Value(0)])], &[], "D = 1 if A >= B, else 0"),
    // Bits. Operands are below 2^32; none of these needs the bitwise chip but where `pow2` is named.
    row("u32.not", &[D, A], &[(Op::Sub, &[Arg(0), Arg(1), Value(ALL_ONES)]), (Op::Mul, &[Arg(0), Arg(0), Value(-1)])], &[], "D = 2^32 - 1 - A"),
    row("u32.shl", &[D, A, N], &[(Op::U32mulw, &[Arg(0), Arg(1), Power(2)])], &[], "D = A << n, wrapping"),
    row("u32.shl", &[D, A, B], &[(Op::Pow2, &[Arg(0), Arg(2)]), (Op::U32mulw, &[Arg(0), Arg(1), Arg(0)])], &[(0, 1)], "D = A << B, wrapping; D is not A"),
    row("u32.shr", &[D, A, N], &[(Op::U32mulh, &[Arg(0), Arg(1), PowerBack(2)])], &[], "D = A >> n"),
    row("u32.shr", &[D, A, B], &[(Op::Pow2, &[Arg(0), Arg(2)]), (Op::U32div, &[Arg(0), Arg(1), Arg(0)])], &[(0, 1)], "D = A >> B; D is not A"),
    row("u32.rotl", &[PD, A, N], &[(Op::U32mulp, &[Arg(0), Arg(1), Power(2)]), (Op::Add, &[First(0), First(0), Second(0)])], &[], "D = A rotated left by n; the pair's second register is scratch"),
    row("u32.rotl", &[PD, A, B], &[(Op::Pow2, &[First(0), Arg(2)]), (Op::U32mulp, &[Arg(0), Arg(1), First(0)]), (Op::Add, &[First(0), First(0), Second(0)])], &[(0, 1)], "D = A rotated left by B; the second register is scratch, the first is not A"),
    row("u32.rotr", &[PD, A, N], &[(Op::U32mulp, &[Arg(0), Arg(1), PowerBack(2)]), (Op::Add, &[First(0), First(0), Second(0)])], &[], "D = A rotated right by n; the pair's second register is scratch"),
    row("u32.rotr", &[PD, A, B], &[(Op::Pow2, &[First(0), Arg(2)]), (Op::Inv, &[First(0), First(0)]), (Op::Mul, &[First(0), First(0), Value(1 << 32)]), (Op::U32mulp, &[Arg(0), Arg(1), First(0)]), (Op::Add, &[First(0), First(0), Second(0)])], &[(0, 1)], "D = A rotated right by B; the second register is scratch, the first is not A"),
];

/// The forms of `mnemonic`.
pub(super) fn forms(mnemonic: &str) -> impl Iterator<Item = &'static Pseudo> + use<'_> {
    PSEUDO.iter().filter(move |pseudo| pseudo.mnemonic == mnemonic)
}

/// The pseudo-instruction as it is written.
pub(super) fn syntax(pseudo: &Pseudo) -> String {
    let slots: Vec<_> = pseudo.slots.iter().map(|slot| slot.name().replace('\\', "")).collect();
    format!("{} {}", pseudo.mnemonic, slots.join(", "))
        .trim_end()
        .to_string()
}

fn part(pseudo: &Pseudo, part: Part) -> String {
    let slot = |i: usize| pseudo.slots[i].name().replace("\\|imm", "");
    match part {
        Arg(i) => slot(i),
        First(i) => slot(i).replace('p', "r"),
        Second(i) => format!("{}+1", slot(i).replace('p', "r")),
        Value(value) => value.to_string(),
        Part::Register(n) => format!("r{n}"),
        Power(i) => format!("2^{}", slot(i)),
        PowerBack(i) => format!("2^(32-{})", slot(i)),
    }
}

/// The table of pseudo-instructions as Markdown, for `specs/vm.md`.
pub fn pseudo_table() -> String {
    let mut out = String::from("| written | stands for | rows | does |\n|---|---|---|---|\n");
    for pseudo in PSEUDO {
        let code: Vec<_> = pseudo
            .code
            .iter()
            .map(|(op, parts)| {
                let parts: Vec<_> = parts.iter().map(|p| part(pseudo, *p)).collect();
                format!("`{} {}`", op.info().mnemonic, parts.join(", "))
            })
            .collect();
        let slots: Vec<_> = pseudo.slots.iter().map(|slot| slot.name()).collect();
        let written = format!("{} {}", pseudo.mnemonic, slots.join(", "));
        out.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            written.trim_end(),
            code.join("; "),
            pseudo.code.len(),
            pseudo.about
        ));
    }
    out
}
