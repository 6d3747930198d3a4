//! Op words that are none, and instructions that do something else.

use starling_air::chips::{cpu, range};
use starling_vm::field::Felt;
use starling_vm::isa::flag;
use winterfell::math::FieldElement;

use super::{Lies, advise, advise_at, one};
use crate::forge::{Forgery, ONE, ZERO, bytes, felt, index_after, permutation};

/// Op words whose bits are no bits, but add up to the program's word.
pub(super) fn op_word(lies: &mut Lies) {
    // An assertion becomes an instruction with one flag only, which has whatever value the sum needs.
    let honest = Forgery::assemble("mov r0, 7\n mov r1, 9\n assert.z r2, 3\n halt", &[], &[]);
    let row = honest.row_at(3);
    let word = honest.op_word(row);
    for bit in (0..cpu::WORD_LEN).filter(|bit| ![15, 16, 17].contains(bit)) {
        let mut f = honest.clone();
        let value = felt(word) / felt(1 << bit);
        for other in 0..cpu::WORD_LEN {
            f.columns[cpu::WORD_BITS + other][row] = ZERO;
        }
        f.columns[cpu::WORD_BITS + bit][row] = value;
        f.operands(row);
        let a = f.columns[cpu::VA][row];
        let (r0, r1) = (f.register(row, 0), f.register(row, 1));
        match 1 << bit {
            flag::AL => f.set_x(row, [a + f.columns[cpu::VB][row], ZERO, ZERO, ZERO]),
            flag::SP => f.set_x(row, [a, ZERO, a, ZERO]),
            flag::WA => f.set_x(row, [ZERO, ZERO, r0, r1]),
            flag::WB => f.set_x(row, [r0, ZERO, ZERO, ZERO]),
            _ => f.set_x(row, [ZERO; 4]),
        }
        f.settle();
        if 1 << bit == flag::SP {
            f.add_pair(bytes(7), bytes(0), ZERO, value);
            f.add_pair(bytes(0), bytes(0), ZERO, value);
        }
        lies.add(format!("op word: only bit {bit}, with the value of the whole word"), f);
    }

    // `absorb` becomes a memory access of which 5/2 take place: its message is one of the range chip.
    let text = "mov r1, 1\n absorb q0\n halt";
    let mut f = Forgery::assemble(text, &[], &[]);
    let row = f.row_at(2);
    let half_five = felt(5) / felt(2);
    f.set_instruction(row, f.op_word(row) & 15 | u64::from(flag::SP | flag::O1), ZERO);
    f.columns[cpu::WORD_BITS + 15][row] = half_five;
    f.set_x(row, [ZERO; 4]);
    for r in 0..16 {
        f.set_register(row + 1, r, f.register(row, r));
    }
    let clk = f.columns[cpu::CLK][row];
    f.settle();
    f.add_pair(bytes(0), bytes((clk * half_five).as_int() as u32), ZERO, half_five);
    lies.add("op word: five halves of a memory access", f);

    // `pow2` becomes two hashes.
    let mut f = Forgery::assemble("mov r1, 1\n pow2 r8, 3\n halt", &[], &[]);
    let row = f.row_at(2);
    f.columns[cpu::WORD_BITS + 16][row] = felt(2);
    f.columns[cpu::WORD_BITS + 17][row] = ZERO;
    let (a, b) = (f.quad(row, 0), f.quad(row, 1));
    let input = core::array::from_fn(|i| if i < 4 { a[i] } else { b[i - 4] });
    let output = permutation(input, None)[7].0;
    f.set_x(row, core::array::from_fn(|i| output[i] + a[i]));
    f.write_back(row);
    f.settle();
    lies.add("op word: two hashes instead of a call", f);

    // `absorb` becomes three quarters of a call: its message is a byte.
    let mut f = Forgery::assemble("mov r0, 4\n absorb q0\n halt", &[], &[]);
    let row = f.row_at(2);
    f.set_instruction(row, f.op_word(row) & 15 | u64::from(flag::O1), ZERO);
    let share = felt(3) / felt(4);
    f.columns[cpu::WORD_BITS + 17][row] = share;
    f.set_x(row, [ZERO; 4]);
    for r in 0..16 {
        f.set_register(row + 1, r, f.register(row, r));
    }
    f.settle();
    f.columns[range::TABLE_USES][3] += share;
    lies.add("op word: three quarters of a call", f);
}

pub(super) fn cpu_by_hand(lies: &mut Lies) {
    // Control flow.
    let mut f = Forgery::assemble("mov r5, 1\n assert.z r6, 3\n mov r6, 2\n halt", &[], &[]);
    f.drop_row(1);
    f.settle();
    lies.add("an assertion is skipped", f);
    let mut f = Forgery::assemble("mov r5, 1\n mov r6, 2\n halt", &[], &[]);
    for row in 1..f.length() {
        f.columns[cpu::CLK][row] += felt(5);
    }
    f.settle();
    lies.add("the cycle jumps", f);
    let mut f = Forgery::assemble("mov r5, 1\n bne r5, r5, 4\n mov r6, 1\n halt", &[], &[]);
    f.drop_row(2);
    f.set_register(2, 6, ZERO);
    f.settle();
    lies.add("a branch is taken", f);
    let mut f = Forgery::assemble("mov r5, 1\n beq r5, r5, 4\n halt\n mov r6, 2\n halt", &[], &[]);
    f.drop_row(2);
    f.columns[cpu::PC][2] = felt(3);
    f.columns[cpu::X][2] = felt(4);
    f.set_register(2, 6, ZERO);
    f.settle();
    lies.add("a branch is not taken", f);
    let mut f = Forgery::assemble("jmp 3\n halt\n mov r6, 2\n halt", &[], &[]);
    f.drop_row(1);
    f.columns[cpu::PC][1] = felt(2);
    f.columns[cpu::X][1] = felt(3);
    f.set_register(1, 6, ZERO);
    f.settle();
    lies.add("a jump goes elsewhere", f);

    // Registers.
    for r in 0..16 {
        let mut f = Forgery::assemble("mov r3, 4\n halt", &[], &[]);
        f.set_register(4, r, felt(77));
        f.settle();
        lies.add(format!("register {r} changes by itself"), f);
        let (mut f, row) = one("mov r3, 4", "add r3, r3, 1", &[]);
        if r != 3 {
            f.set_register(row + 1, r, felt(5));
            f.settle();
            lies.add(format!("an addition writes register {r} too"), f);
        }
    }

    // Comparisons.
    for instruction in ["eq r8, r5, r6", "beq r5, r6, next", "bne r5, r6, next"] {
        for (a, b, x0) in [(3, 4, ONE), (4, 4, ZERO)] {
            let (mut f, row) = one(&format!("mov r5, {a}\n mov r6, {b}"), instruction, &[]);
            f.columns[cpu::X][row] = x0;
            f.columns[cpu::H][row] = if a == b { ONE } else { ZERO };
            f.write_back(row);
            f.settle();
            lies.add(format!("{instruction} of {a} and {b} is {x0}"), f);
        }
    }

    // Conditions and public words.
    let (mut f, row) = one("adv r4\n mov r6, 6\n mov r8, 8", "sel r8, r4, r6", &[1]);
    advise(&mut f, felt(2));
    f.set_x(row, [felt(4), ZERO, ZERO, ZERO]);
    f.write_back(row);
    f.settle();
    lies.add("sel with the condition 2", f);
    let (mut f, row) = one("adv r5", "assert.z r5, 1", &[0]);
    advise(&mut f, felt(5));
    f.settle();
    lies.add(format!("an assertion of row {row} fails"), f);
    let (mut f, row) = one("mov r5, 5", "out r5, 0", &[]);
    f.set_x(row, [felt(6), ZERO, felt(6), ZERO]);
    f.statement.outputs[0] = felt(6);
    f.settle();
    lies.add("an output that is not the register", f);

    // Splits whose halves are no u32, or of which one has two solutions.
    let (mut f, row) = one("adv r5\n mov r6, 5", "u32.addp p4, r5, r6", &[1]);
    advise(&mut f, felt((1 << 33) + 1));
    f.set_x(row, [felt(6), ZERO, felt(6), felt(2)]);
    f.write_back(row);
    f.settle();
    lies.add("a carry of two", f);
    let (mut f, row) = one("adv r5\n mov r6, 5", "u32.subp p4, r6, r5", &[1]);
    advise(&mut f, felt(1 << 33));
    f.set_x(row, [felt(5), ZERO, felt(5), felt(2)]);
    f.write_back(row);
    f.settle();
    lies.add("a borrow of two", f);
    let (mut f, row) = one("mov r5, 0xffffffff\n adv r6", "u32.add r8, r5, r6", &[0]);
    advise_at(&mut f, 2, felt(9));
    f.set_x(row, [felt(8), ZERO, felt(8), ONE]);
    f.write_back(row);
    f.settle();
    lies.add("a checked addition overflows", f);
    let (mut f, row) = one("adv r5\n mov r6, 5", "u32.chk r5", &[0]);
    advise(&mut f, felt(1 << 32));
    f.set_x(row, [ZERO, ZERO, ZERO, ONE]);
    f.settle();
    lies.add("2^32 passes for a u32", f);

    // Division.
    let (mut f, row) = one("mov r5, 17\n mov r6, 5", "u32.divp p4, r5, r6", &[]);
    f.set_x(row, [felt(2), ZERO, felt(2), felt(7)]);
    f.write_back(row);
    f.settle();
    lies.add("a remainder above the divisor", f);
    let (mut f, row) = one("adv r5\n adv r6", "u32.divp p4, r5, r6", &[17, 5]);
    // b = 2^32 + 5, quotient 4, remainder 6: b - 6 - 1 is a u32.
    let divisor = felt((1 << 32) + 5);
    advise(&mut f, felt(4) * divisor + felt(6));
    advise_at(&mut f, 2, divisor);
    f.set_x(row, [felt(4), divisor - felt(7), felt(4), felt(6)]);
    f.columns[cpu::C][row] = ZERO;
    f.write_back(row);
    f.settle();
    lies.add("a divisor above 2^32", f);

    // u63.lt.
    let big = (1_u64 << 63) + 5;
    let (mut f, row) = one("adv r5\n adv r6", "u63.lt r8, r5, r6", &[1, 2]);
    advise(&mut f, felt(big));
    advise_at(&mut f, 2, felt(3));
    // big < 3: the second pair is big, the first 3 - big - 1.
    let gap = felt(3) - felt(big) - ONE;
    f.set_x(
        row,
        [
            ONE,
            felt(big >> 32),
            felt(gap.as_int() & 0xffff_ffff),
            felt(gap.as_int() >> 32),
        ],
    );
    f.columns[cpu::C][row] = felt(big & 0xffff_ffff);
    f.columns[cpu::H][row] = (f.x(row, 1) + f.x(row, 3) - felt((1 << 32) - 2)).inv();
    f.write_back(row);
    f.settle();
    lies.add("2^63 + 5 < 3, with pairs that are no u63", f);

    // Both high halves at their largest: s + k wraps around the modulus.
    let (mut f, row) = one("adv r5\n adv r6", "u63.lt r8, r5, r6", &[2, 3]);
    let (s, k) = (
        u64::from(u32::MAX >> 1) << 32 | 0xffff_ffff,
        u64::from(u32::MAX >> 1) << 32 | 5,
    );
    let a = felt(s);
    let b = a + felt(k) + ONE;
    assert!(b.as_int() < a.as_int());
    advise(&mut f, a);
    advise_at(&mut f, 2, b);
    f.set_x(row, [ONE, felt(s >> 32), felt(k & 0xffff_ffff), felt(k >> 32)]);
    f.columns[cpu::C][row] = felt(s & 0xffff_ffff);
    f.columns[cpu::H][row] = ZERO;
    f.write_back(row);
    f.settle();
    lies.add("u63.lt around the modulus", f);

    let (mut f, row) = one("mov r5, 3\n mov r6, 9", "u63.lt r8, r5, r6", &[]);
    f.set_x(row, [ONE, felt(4), felt(5), ZERO]);
    f.write_back(row);
    f.settle();
    lies.add("u63.lt with another second pair", f);
    let (mut f, row) = one("mov r5, 3\n mov r6, 9", "u63.lt r8, r5, r6", &[]);
    f.set_x(row, [ONE, ZERO, felt(6), ZERO]);
    f.write_back(row);
    f.settle();
    lies.add("u63.lt with another first pair", f);
    // x0 = 2: the first pair is 3 (b - a) - 2, the second 2 a - b.
    let (mut f, row) = one("mov r5, 9\n adv r6", "u63.lt r8, r5, r6", &[3]);
    let t = felt(2);
    let (a, b) = (felt(9), felt(17));
    advise_at(&mut f, 2, b);
    f.set_x(row, [t, ZERO, (ONE - t - t) * (a - b) - t, ZERO]);
    f.columns[cpu::C][row] = b + t * (a - b);
    f.columns[cpu::H][row] = (f.x(row, 1) + f.x(row, 3) - felt((1 << 32) - 2)).inv();
    f.write_back(row);
    f.settle();
    lies.add("u63.lt is two", f);

    // Hashinf.
    for (name, bit) in [
        ("mstep swaps by two", felt(2)),
        ("mstep swaps by a half", felt(1) / felt(2)),
    ] {
        let (mut f, row) = one("mov r1, 5\n mov r6, 6\n mov r12, 8", "mstep q2, q0, q1", &[]);
        swap(&mut f, row, bit);
        let index = index_after(&f, row, bit);
        f.set_register(row + 1, 12, index);
        f.settle();
        lies.add(name, f);
    }
    let (mut f, row) = one("mov r1, 5\n mov r6, 6\n mov r12, 8", "hash q2, q0, q1", &[]);
    swap(&mut f, row, ONE);
    f.settle();
    lies.add("hash swaps", f);
    let (mut f, row) = one("mov r1, 5\n mov r6, 6\n mov r12, 8", "mstep q2, q0, q1", &[]);
    swap(&mut f, row, ONE);
    f.settle();
    lies.add("mstep swaps against its index", f);
    let (mut f, row) = one("mov r1, 5\n mov r6, 6\n mov r12, 8", "absorb q1", &[]);
    f.set_register(row + 1, 12, felt(8));
    f.settle();
    lies.add("absorb does not advance", f);
}

/// Swaps the inputs of the hash in `row` by `bit` and makes its result agree.
fn swap(f: &mut Forgery, row: usize, bit: Felt) {
    let (a, b) = (f.quad(row, 0), f.quad(row, 1));
    let left: [Felt; 4] = core::array::from_fn(|i| a[i] + bit * (b[i] - a[i]));
    let right: [Felt; 4] = core::array::from_fn(|i| b[i] - bit * (b[i] - a[i]));
    let output = permutation(
        core::array::from_fn(|i| if i < 4 { left[i] } else { right[i - 4] }),
        None,
    )[7]
    .0;
    f.columns[cpu::C][row] = bit;
    f.set_x(row, core::array::from_fn(|i| output[i] + left[i]));
    f.write_back(row);
}
