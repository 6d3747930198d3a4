//! Hints: advice that the machine computes for itself.
//!
//! A hint saves the caller from putting derived values onto the advice tape. It proves nothing: what it supplies is
//! advice like any other, and the program must check it.

use crate::field::{Felt, Word};
use crate::isa::REGISTERS;
use crate::memory::Memory;
use crate::trap::TrapKind;

/// `hint 1`: with n = r0 + 2^32 r1 and m = r2 + 2^32 r3, the quotient and the remainder of n / m, as
/// (quotient low, quotient high, remainder low, remainder high).
pub const U64_DIV: u64 = 1;

/// `hint 2`: with n in the limbs q0 and m in the limbs q1, lowest first, the four limbs of the quotient of n / m and the
/// four limbs of the remainder.
pub const U128_DIV: u64 = 2;

/// `hint 3`: with n in the eight limbs of the memory words at r0 and r0 + 1 and m in those at r1 and r1 + 1, lowest
/// first, the eight limbs of the quotient of n / m and the eight limbs of the remainder.
pub const U256_DIV: u64 = 3;

/// A hint, for the table in `specs/vm.md`.
#[derive(Clone, Copy, Debug)]
pub struct HintInfo {
    /// The immediate that names it.
    pub kind: u64,
    /// Where its operands stand.
    pub operands: &'static str,
    /// What it supplies.
    pub supplies: &'static str,
}

/// All hints.
pub const HINTS: [HintInfo; 3] = [
    HintInfo {
        kind: U64_DIV,
        operands: "n = r0 r1, m = r2 r3: u32 limbs, lowest first",
        supplies: "quotient and remainder of n / m, two limbs each",
    },
    HintInfo {
        kind: U128_DIV,
        operands: "n = q0, m = q1: u32 limbs, lowest first",
        supplies: "quotient and remainder of n / m, four limbs each",
    },
    HintInfo {
        kind: U256_DIV,
        operands: "n at the memory words r0, r0 + 1; m at r1, r1 + 1: u32 limbs, lowest first",
        supplies: "quotient and remainder of n / m, eight limbs each",
    },
];

/// The table of hints as Markdown, for `specs/vm.md`.
pub fn hint_table() -> String {
    let mut out = String::from("| hint | operands | supplies |\n|---|---|---|\n");
    for hint in &HINTS {
        out.push_str(&format!(
            "| `hint {}` | {} | {} |\n",
            hint.kind, hint.operands, hint.supplies
        ));
    }
    out
}

/// The advice that hint `kind` supplies.
///
/// # Errors
/// When there is no such hint, or its operands are out of range.
pub fn supply(kind: u64, registers: &[Felt; REGISTERS], memory: &Memory) -> Result<Vec<Felt>, TrapKind> {
    let (n, m) = match kind {
        U64_DIV => (registers[..2].to_vec(), registers[2..4].to_vec()),
        U128_DIV => (registers[..4].to_vec(), registers[4..8].to_vec()),
        U256_DIV => (
            two_words(registers[0], memory)?.to_vec(),
            two_words(registers[1], memory)?.to_vec(),
        ),
        _ => return Err(TrapKind::HintUnknown { kind }),
    };
    let limbs = |elements: Vec<Felt>| {
        elements
            .into_iter()
            .map(|element| u32::try_from(element.as_int()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|_| TrapKind::HintOperands {
                kind,
                reason: "limbs must be below 2^32",
            })
    };
    let (quotient, remainder) = divide(&limbs(n)?, &limbs(m)?).ok_or(TrapKind::HintOperands {
        kind,
        reason: "the divisor is zero",
    })?;
    Ok(quotient
        .into_iter()
        .chain(remainder)
        .map(|limb| Felt::new(u64::from(limb)))
        .collect())
}

fn two_words(address: Felt, memory: &Memory) -> Result<[Felt; 8], TrapKind> {
    let first = address.as_int();
    let read = |address: u64| -> Result<Word, TrapKind> { memory.read(address).ok_or(TrapKind::Address { address }) };
    let (low, high) = (read(first)?, read(first.saturating_add(1))?);
    Ok(core::array::from_fn(|i| if i < 4 { low[i] } else { high[i - 4] }))
}

/// Quotient and remainder of integers of as many limbs, by long division in base 2; `None` when `m` is zero.
fn divide(n: &[u32], m: &[u32]) -> Option<(Vec<u32>, Vec<u32>)> {
    if m.iter().all(|limb| *limb == 0) {
        return None;
    }
    let mut quotient = vec![0; n.len()];
    // One limb more: the remainder doubles before it is reduced.
    let mut remainder = vec![0_u32; m.len() + 1];
    for bit in (0..32 * n.len()).rev() {
        let mut carry = n[bit / 32] >> (bit % 32) & 1;
        for limb in &mut remainder {
            (*limb, carry) = (*limb << 1 | carry, *limb >> 31);
        }
        if let Some(difference) = subtract(&remainder, m) {
            remainder = difference;
            quotient[bit / 32] |= 1 << (bit % 32);
        }
    }
    remainder.truncate(m.len());
    Some((quotient, remainder))
}

/// `a - b`, or `None` when it is negative; `b` may have fewer limbs.
fn subtract(a: &[u32], b: &[u32]) -> Option<Vec<u32>> {
    let mut borrow = false;
    let difference = a
        .iter()
        .enumerate()
        .map(|(i, &limb)| {
            let (first, under) = limb.overflowing_sub(b.get(i).copied().unwrap_or(0));
            let (second, again) = first.overflowing_sub(u32::from(borrow));
            borrow = under || again;
            second
        })
        .collect();
    (!borrow).then_some(difference)
}
