//! Hints: advice that the machine computes for itself.
//!
//! A hint saves the caller from putting derived values onto the advice tape. It proves nothing: what it supplies is
//! advice like any other, and the program must check it.

use crate::field::Felt;
use crate::isa::REGISTERS;
use crate::memory::Memory;
use crate::trap::TrapKind;

/// `hint 1`: with n = r0 + 2^32 r1 and m = r2 + 2^32 r3, the quotient and the remainder of n / m, as
/// (quotient low, quotient high, remainder low, remainder high).
pub const U64_DIV: u64 = 1;

/// The advice that hint `kind` supplies.
///
/// # Errors
/// When there is no such hint, or its operands are out of range.
pub fn supply(kind: u64, registers: &[Felt; REGISTERS], _memory: &Memory) -> Result<Vec<Felt>, TrapKind> {
    match kind {
        U64_DIV => {
            let limb = |i: usize| {
                u32::try_from(registers[i].as_int()).map_err(|_| TrapKind::HintOperands {
                    kind,
                    reason: "r0..r3 must be below 2^32",
                })
            };
            let n = u64::from(limb(0)?) | u64::from(limb(1)?) << 32;
            let m = u64::from(limb(2)?) | u64::from(limb(3)?) << 32;
            if m == 0 {
                return Err(TrapKind::HintOperands {
                    kind,
                    reason: "the divisor is zero",
                });
            }
            let (q, r) = (n / m, n % m);
            Ok([q as u32, (q >> 32) as u32, r as u32, (r >> 32) as u32]
                .map(|x| Felt::new(u64::from(x)))
                .to_vec())
        }
        _ => Err(TrapKind::HintUnknown { kind }),
    }
}
