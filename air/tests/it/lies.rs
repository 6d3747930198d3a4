//! Lying traces, built by hand: each breaks as little as it can, usually one constraint, boundary value or bus.

use starling_air::chips::{cpu, hash, memory, range};
use starling_air::machine::{ChipSet, Machine};
use starling_vm::field::Felt;
use starling_vm::isa::{MEMORY_WORDS, flag};
use starling_vm::program::Program;
use winterfell::math::FieldElement;

use crate::forge::{Forgery, MemoryRow, ONE, Slip, ZERO, bytes, felt, index_after, permutation};

/// A lie and what it says.
#[derive(Debug)]
pub(crate) struct Lie {
    pub(crate) name: String,
    pub(crate) forgery: Forgery,
}

/// All of them.
pub(crate) fn all() -> Vec<Lie> {
    let mut lies = Lies::default();
    op_word(&mut lies);
    cpu_by_hand(&mut lies);
    memory_chip(&mut lies);
    range_chip(&mut lies);
    hash_chip(&mut lies);
    bitwise_chip(&mut lies);
    boundaries(&mut lies);
    buses(&mut lies);
    lies.0
}

#[derive(Debug, Default)]
struct Lies(Vec<Lie>);

impl Lies {
    fn add(&mut self, name: impl Into<String>, forgery: Forgery) {
        let name = name.into();
        self.0.push(Lie { name, forgery });
    }
}

// CPU
// ================================================================================================================

/// Op words whose bits are no bits, but add up to the program's word.
fn op_word(lies: &mut Lies) {
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

/// A program of one instruction after `setup`, its forgery, and the row of the instruction.
fn one(setup: &str, instruction: &str, advice: &[u64]) -> (Forgery, usize) {
    let f = Forgery::assemble(&format!("{setup}\n{instruction}\nnext:\nhalt"), &[], advice);
    let pc = f.blocks[0][0].as_int() - 2;
    let row = f.row_at(pc);
    (f, row)
}

/// Puts `value` where the first instruction, an `adv`, put advice, and into the operands of later rows.
fn advise(f: &mut Forgery, value: Felt) {
    advise_at(f, 1, value);
}

/// The same for the `adv` at `pc`.
fn advise_at(f: &mut Forgery, pc: u64, value: Felt) {
    let row = f.row_at(pc);
    f.columns[cpu::X][row] = value;
    f.write_back(row);
}

fn cpu_by_hand(lies: &mut Lies) {
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

// MEMORY
// ================================================================================================================

/// A store at 5 in cycle 2, a load from `from` in cycle 3 that gives `word`.
fn load_gives(from: u64, word: [Felt; 4]) -> Forgery {
    let text = format!("advq q0\n st q0, [5]\n ld q2, [{from}]\n halt");
    let mut f = Forgery::assemble(&text, &[], &[11, 12, 13, 14]);
    let row = f.row_at(3);
    f.set_x(row, word);
    f.write_back(row);
    f.settle();
    f
}

fn memory_chip(lies: &mut Lies) {
    let stored = [11, 12, 13, 14].map(felt);
    for lane in 0..4 {
        let mut word = stored;
        word[lane] = felt(99);
        lies.add(format!("lane {lane} of a load is stale"), load_gives(5, word));
        let mut word = [ZERO; 4];
        word[lane] = felt(99);
        lies.add(
            format!("lane {lane} of unwritten memory is not zero"),
            load_gives(7, word),
        );
    }

    // The flag of a new address is 2: the address steps by twice the step, the word changes its sign.
    let mut f = load_gives(7, stored.map(|x| -x));
    f.columns[memory::NEW][1] = felt(2);
    f.set_step_bytes(1, 0);
    f.settle_bytes();
    lies.add("half an address on, minus the word", f);

    let word = [99; 4].map(felt);
    let text = "advq q0\n st q0, [5]\n mov r4, 1\n ld q2, [5]\n halt";
    let mut f = Forgery::assemble(text, &[], &[11, 12, 13, 14]);
    let row = f.row_at(4);
    f.set_x(row, word);
    f.write_back(row);
    f.settle();
    f.set_memory(&[
        MemoryRow::new(5, 2, true, stored),
        MemoryRow {
            active: false,
            ..MemoryRow::new(5, 3, true, word)
        },
        MemoryRow::new(5, 4, false, word),
    ]);
    lies.add("an inactive row writes", f);

    // The row of the load stands at another address, as if it were the same.
    let mut f = load_gives(8, stored);
    f.set_memory(&[MemoryRow::new(5, 2, true, stored), MemoryRow::new(8, 3, false, stored)]);
    f.columns[memory::NEW][1] = ZERO;
    f.set_step_bytes(1, 0);
    f.settle_bytes();
    lies.add("the address changes without notice", f);

    // A load sees what a later store writes.
    for (name, step) in [
        ("", 0),
        (" by a step of minus three", 1),
        (" in its second byte", 2),
        (" in its third byte", 3),
    ] {
        let text = "advq q0\n ld q2, [5]\n st q0, [5]\n halt";
        let mut f = Forgery::assemble(text, &[], &[11, 12, 13, 14]);
        let row = f.row_at(2);
        f.set_x(row, stored);
        f.write_back(row);
        f.settle();
        f.set_memory(&[MemoryRow::new(5, 3, true, stored), MemoryRow::new(5, 2, false, stored)]);
        f.set_step_bytes(1, 0);
        if step > 0 {
            f.columns[memory::STEP + step - 1][1] = -felt(2) / felt(1 << (8 * (step - 1)));
        }
        match step {
            0 => f.settle_bytes(),
            _ => f.settle_bytes_but(&[memory::STEP + step - 1], false),
        }
        lies.add(format!("a load sees a later store{name}"), f);
    }

    // Memory is read before it is written, in another order of rows.
    let mut f = load_gives(5, [ZERO; 4]);
    f.set_memory(&[
        MemoryRow::new(5, 3, false, [ZERO; 4]),
        MemoryRow::new(5, 2, true, stored),
    ]);
    lies.add("a load comes before an earlier store", f);

    for (name, column, value) in [
        ("a load counts twice", memory::ACTIVE, 2),
        ("a load is not answered", memory::ACTIVE, 0),
        ("a load is answered as a store", memory::WRITE, 1),
        ("a store that is half a store", memory::WRITE, 2),
    ] {
        let mut f = load_gives(5, stored);
        f.columns[column][2] = felt(value);
        lies.add(name, f);
    }
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.columns[memory::ACTIVE][3] = ONE;
    lies.add("an access that no instruction made", f);
}

// RANGE
// ================================================================================================================

/// `u32.chk` of a value that is no u32, in which the halves are as if it were one.
fn checked(value: Felt) -> Forgery {
    let (mut f, row) = one("adv r5", "u32.chk r5", &[0]);
    advise(&mut f, value);
    f.set_x(row, [value, ZERO, value, ZERO]);
    f.settle();
    f
}

fn range_chip(lies: &mut Lies) {
    let none = bytes(0);
    // The table holds 300, one row before its end.
    let top = [ZERO, ZERO, ZERO, felt(300)];
    let mut f = checked(felt(300 << 24));
    f.columns[range::TABLE][400] = felt(300);
    f.add_pair(top, none, ZERO, ONE);
    lies.add("the table jumps to 300", f);

    let (mut f, row) = one("mov r4, 1", "u32.split p4, r5", &[]);
    f.set_x(row, [ONE, ZERO, ONE, felt(u64::from(u32::MAX))]);
    f.write_back(row);
    f.settle();
    f.add_pair(bytes(1), bytes(u32::MAX), ZERO, ONE);
    lies.add("0 is split as the modulus", f);

    // The top byte of another pair, doubled, is taken minus once.
    let mut f = checked(felt(300 << 24));
    f.add_pair(top, none, ZERO, ONE);
    let other = [ZERO, ZERO, ZERO, felt(150)];
    f.add_pair(none, other, -ONE, ZERO);
    lies.add("a mode of minus one hides a wrong byte", f);

    // A byte that is none.
    for i in 0..4 {
        for high in [false, true] {
            let mut wrong = none;
            wrong[i] = -ONE / felt(1 << (8 * i));
            let mut f = match high {
                false => checked(-ONE),
                true => {
                    let (mut f, row) = one("adv r5", "u32.hi r6, r5", &[0]);
                    advise(&mut f, -felt(1 << 32));
                    f.set_x(row, [-ONE, ZERO, ZERO, -ONE]);
                    f.write_back(row);
                    f.settle();
                    f
                }
            };
            let (lo, hi) = if high { (none, wrong) } else { (wrong, none) };
            f.add_pair(lo, hi, ZERO, ONE);
            f.settle_bytes_but(&[range::BYTES + i], false);
            lies.add(format!("byte {i} is no byte, high half: {high}"), f);
        }
    }

    let (mut f, row) = one("adv r5", "u63.chk r5", &[0]);
    advise(&mut f, felt(1 << 63));
    f.set_x(row, [ZERO, ZERO, ZERO, felt(1 << 31)]);
    f.settle();
    f.add_pair(none, bytes(1 << 31), ONE, ONE);
    f.settle_bytes_but(&[], true);
    lies.add("2^63 passes for a u63", f);

    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.columns[range::USES][10] = ONE;
    lies.add("a pair that nobody asked for", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.columns[range::TABLE_USES][10] += ONE;
    lies.add("a byte that nobody asked for", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    for row in 9..f.length() - 1 {
        let value = f.columns[range::TABLE][row];
        f.columns[range::TABLE][row] = felt((value.as_int() + 1).min(255));
    }
    f.settle_bytes();
    lies.add("the table leaves out 9", f);
}

// HASH
// ================================================================================================================

/// A hash of q0 and q1 into q2 whose result is `output` (all eight lanes of a permutation), less the feed-forward.
fn hash_gives(output: [Felt; 8]) -> (Forgery, usize) {
    let (mut f, row) = one("advq q0\n advq q1", "hash q2, q0, q1", &[1, 2, 3, 4, 5, 6, 7, 8]);
    let left = f.quad(row, 0);
    f.set_x(row, core::array::from_fn(|i| output[i] + left[i]));
    f.write_back(row);
    f.settle();
    (f, row)
}

const HASHED: [u64; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

/// Two hashes whose results are each other's.
const CROSSED: &str =
    "advq q0\n advq q1\n mov r12, 3\n hash q2, q0, q1\n mov r3, r3\n mov r3, r3\n mov r3, r3\n hash q3, q1, q0\n halt";

fn crossed() -> (Forgery, [usize; 2]) {
    let mut f = Forgery::assemble(CROSSED, &[], &HASHED);
    let rows = [f.row_at(4), f.row_at(8)];
    let group = f.first_call();
    let outputs = [f.output_of(group), f.output_of(group + 1)];
    for (i, row) in rows.into_iter().enumerate() {
        let left = f.quad(row, 0);
        f.set_x(row, core::array::from_fn(|lane| outputs[1 - i][lane] + left[lane]));
    }
    // The second hash does not read what the first wrote.
    f.write_back(rows[0]);
    f.write_back(rows[1]);
    f.settle();
    (f, rows)
}

fn hash_chip(lies: &mut Lies) {
    let input = HASHED.map(felt);
    let slips = (0..8).flat_map(|lane| {
        let rows = [0, 1, 5, 6].map(|row| Slip::Sbox(row, lane));
        let states = (0..7).map(move |row| Slip::State(row, lane));
        rows.into_iter()
            .chain((2..5).map(move |row| Slip::Sbox(row, lane)))
            .chain(states)
    });
    for slip in slips {
        let rows = permutation(input, Some(slip));
        let (mut f, _) = hash_gives(rows[7].0);
        f.set_group(f.first_call(), &rows);
        lies.add(format!("a permutation with {slip:?}"), f);
    }

    // Outputs change places.
    let (mut f, rows) = crossed();
    let (first, second) = (f.first_call(), f.first_call() + 1);
    let ids = rows.map(|row| f.columns[cpu::CLK][row] * felt(4));
    f.set_in_group(first, 4..8, hash::ID, ids[1]);
    f.set_in_group(second, 4..8, hash::ID, ids[0]);
    lies.add("two permutations change their numbers on the way", f);
    // Other inputs for both outputs, from groups that become active on the way.
    let (mut f, _) = hash_gives(permutation([9; 8].map(felt), None)[7].0);
    let group = f.first_call();
    let id = f.columns[hash::ID][group * 8];
    f.set_call(group + 1, [9; 8].map(felt), id, ZERO, false);
    f.set_in_group(group, 4..8, hash::ACTIVE, ZERO);
    f.set_in_group(group + 1, 4..8, hash::ACTIVE, ONE);
    lies.add("the output of another permutation", f);
    // The same with fractions of activity: see the soundness argument of the hash chip.
    let (mut f, rows) = crossed();
    let (k1, k2) = (f.columns[cpu::CLK][rows[0]], f.columns[cpu::CLK][rows[1]]);
    assert_eq!(k2, k1 + k1);
    let group = f.first_call();
    let (first, second) = (f.input_of(group), f.input_of(group + 1));
    let (id1, id2) = (k1 * felt(4), k2 * felt(4));
    let half = ONE / felt(2);
    let calls = [
        // The second input's output goes to half its number.
        (second, id2, half),
        (second, id2, half),
        // The first input's output goes from its number to minus twice, and on to twice.
        (first, id1, ONE),
        (first, -id2, -half),
        (first, -id2, -half),
        (first, -id2, ONE),
        (first, id2, ONE),
        (first, id2, -ONE),
    ];
    for (i, (input, id, active)) in calls.into_iter().enumerate() {
        f.set_call(group + i, input, id, active, false);
    }
    lies.add("two permutations change places by fractions of activity", f);

    let (mut f, _) = hash_gives(permutation(input, None)[7].0);
    f.set_in_group(f.first_call(), 7..8, hash::FULL, ONE);
    lies.add("all lanes are served for a hash", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.set_in_group(f.first_call(), 7..8, hash::FULL, felt(2));
    lies.add("an idle permutation's mode is two", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.set_in_group(f.first_call(), 0..8, hash::ACTIVE, ONE);
    lies.add("a permutation that nobody asked for", f);

    // The program's digest.
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    let group = f.first_call();
    f.set_in_group(group - 1, 7..8, hash::ROM, ZERO);
    f.set_in_group(group, 7..8, hash::ROM, ONE);
    f.statement.program = core::array::from_fn(|i| f.output_of(group)[i]);
    lies.add("another permutation gives the digest", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.statement.program = [1; 4].map(felt);
    lies.add("another program hash", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    let group = f.first_call() - 1;
    f.set_in_group(group, 0..8, hash::ACTIVE, ONE);
    lies.add("a program group serves a call", f);
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    f.set_in_group(f.first_call() - 1, 0..8, hash::ROM, felt(2));
    lies.add("the last program group counts twice", f);

    // Code at other addresses: the block after the first pair moves on by eight.
    let text = "jmp 10\n mov r1, 7\n halt\n mov r3, 1\n mov r3, 2\n mov r3, 3\n mov r3, 4\n mov r3, 5\n mov r3, 6\n mov r5, 2\n halt";
    let base = Forgery::assemble(text, &[], &[]);
    // The instruction at 10 is `mov r5, 2`; the forger moves block 2 (mov r1, 7; halt) there.
    let moved = |f: &mut Forgery| {
        let row = f.row_at(10);
        let block = f.blocks[2];
        f.set_instruction(row, block[0].as_int(), block[1]);
        f.set_x(row, [felt(7), ZERO, ZERO, ZERO]);
        f.set_register(row + 1, 5, ZERO);
        f.write_back(row);
        let block = f.blocks[2];
        f.set_instruction(row + 1, block[2].as_int(), block[3]);
        f.set_x(row + 1, [felt(12), ZERO, ZERO, ZERO]);
        f.settle();
    };
    let mut f = base.clone();
    moved(&mut f);
    // Groups 0, 1 as they are, group 2 numbered as block 6; the others follow.
    for group in 2..f.first_call() {
        f.set_in_group(group, 0..8, hash::ID, felt(4 + group as u64));
    }
    let uses = [0, 1].map(|i| f.columns[hash::USES + i][5 * 8 + 7]);
    for i in 0..2 {
        f.columns[hash::USES + i][5 * 8 + 7] = ZERO;
        f.columns[hash::USES + i][8 + 7] = ZERO;
    }
    // The group before block 2 is number 1: its frame names addresses 2 and 3. Number it 5, too.
    f.set_in_group(1, 0..8, hash::ID, felt(5));
    for i in 0..2 {
        f.columns[hash::USES + i][8 + 7] = uses[i];
    }
    lies.add("program groups skip numbers", f);
    // A copy of group 1, which is no program group, numbered 5; then the program goes on from block 2.
    let mut f = base.clone();
    moved(&mut f);
    let uses = [0, 1].map(|i| f.columns[hash::USES + i][5 * 8 + 7]);
    let (last, length) = (f.first_call(), f.length());
    for column in hash::FIRST..hash::FIRST + hash::WIDTH {
        let values = &mut f.columns[column];
        let copy: Vec<Felt> = values[8..16].to_vec();
        values.splice(16..16, copy);
        values.truncate(length);
    }
    f.set_in_group(2, 0..8, hash::ROM, ZERO);
    f.set_in_group(2, 0..8, hash::ID, felt(5));
    for group in 3..=last {
        f.set_in_group(group, 0..8, hash::ID, felt(3 + group as u64));
        f.set_in_group(group, 7..8, hash::USES, ZERO);
        f.set_in_group(group, 7..8, hash::USES + 1, ZERO);
    }
    for i in 0..2 {
        f.set_in_group(1, 7..8, hash::USES + i, ZERO);
        f.set_in_group(2, 7..8, hash::USES + i, uses[i]);
    }
    lies.add("the program starts again after another group", f);

    for lane in 4..8 {
        let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
        let mut input = f.input_of(1);
        input[lane] += ONE;
        for group in 1..f.first_call() {
            f.set_group(group, &permutation(input, None));
            let output = f.output_of(group);
            let block = f.blocks.get(group + 1).copied().unwrap_or_default();
            input = core::array::from_fn(|i| if i < 4 { block[i] } else { output[i] });
        }
        let last = f.first_call() - 1;
        f.statement.program = core::array::from_fn(|i| f.output_of(last)[i]);
        lies.add(format!("lane {lane} of the capacity changes between program groups"), f);
    }

    // Code beyond the program's end, under the digest of the program itself.
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    let group = f.first_call();
    let capacity = f.output_of(group - 1);
    let input = core::array::from_fn(|i| if i < 4 { ZERO } else { capacity[i] });
    f.set_call(group, input, felt(group as u64), ZERO, false);
    f.set_in_group(group, 0..8, hash::ROM, ONE);
    lies.add("a program group too many", f);

    // Instructions from a group that is not the program's.
    for i in 0..2 {
        let f = injected(i);
        lies.add(
            format!("instruction {i} comes from a group that is not the program's"),
            f,
        );
    }
}

/// Jumps to address 100 + `i`, where the program has nothing, and halts there.
pub(crate) fn injected(i: u64) -> Forgery {
    let mut f = Forgery::assemble("adv r1\n jmp r1\n halt", &[], &[3]);
    let (adv, jump) = (f.row_at(1), f.row_at(2));
    f.columns[cpu::X][adv] = felt(100 + i);
    f.write_back(adv);
    f.columns[cpu::PC][jump + 1] = felt(100 + i);
    let (word, imm) = Program::halt().encode();
    f.set_instruction(jump + 1, word, imm);
    f.columns[cpu::X][jump + 1] = felt(101 + i);
    f.settle();
    let group = f.first_call();
    let mut input = [ZERO; 8];
    input[2 * i as usize] = felt(word);
    f.set_call(group + 1, input, ZERO, ZERO, false);
    f.set_in_group(group, 0..8, hash::ID, felt(50));
    f.set_in_group(group, 7..8, hash::USES + i as usize, ONE);
    f
}

// BITWISE
// ================================================================================================================

/// `u32.and r8, a, b` whose operands and result are those of the first group of the bitwise chip in `change`.
fn and_of(a: u32, b: u32, change: impl FnOnce(&mut Forgery)) -> Forgery {
    let (mut f, row) = one("adv r5\n adv r6", "u32.and r8, r5, r6", &[u64::from(a), u64::from(b)]);
    change(&mut f);
    let layout = f.machine.bitwise().expect("the chip");
    let [a, b, result] = [layout.sum_a, layout.sum_b, layout.result].map(|column| f.columns[column][7]);
    advise(&mut f, a);
    advise_at(&mut f, 2, b);
    f.set_x(row, [result, a, result, ZERO]);
    f.write_back(row);
    f
}

fn bitwise_chip(lies: &mut Lies) {
    let layout = Machine::new(ChipSet::Bitwise).bitwise().expect("the chip");
    // Bits that are no bits, but add up to their nibble: the product is another.
    for bit in 0..4 {
        for (bits, other) in [(layout.bits_a, layout.bits_b), (layout.bits_b, layout.bits_a)] {
            let f = and_of(0x10, 0x10, |f| {
                let row = 6;
                // The nibble 1, all of it in this bit; its partner has only this bit.
                for i in 0..4 {
                    f.columns[bits + i][row] = ZERO;
                    f.columns[other + i][row] = ZERO;
                }
                f.columns[bits + bit][row] = if bit == 0 { felt(3) } else { ONE / felt(1 << bit) };
                f.columns[other + bit][row] = ONE;
                let value = f.columns[bits + bit][row] * felt(1 << bit);
                let (sum, of_other) = if bits == layout.bits_a {
                    (layout.sum_a, layout.sum_b)
                } else {
                    (layout.sum_b, layout.sum_a)
                };
                f.columns[sum][6] = value;
                f.columns[sum][7] = value * felt(16);
                f.columns[of_other][6] = felt(1 << bit);
                f.columns[of_other][7] = felt(1 << bit) * felt(16);
                f.columns[layout.result][6] = value;
                f.columns[layout.result][7] = value * felt(16);
            });
            lies.add(format!("bit {bit} of column {bits} is no bit"), f);
        }
    }
    for (name, column) in [("a", layout.sum_a), ("b", layout.sum_b), ("the result", layout.result)] {
        for first in [0, 3] {
            let f = and_of(0x1234_5678, 0xff00_ff00, |f| {
                let mut extra = ONE;
                for row in first..8 {
                    f.columns[column][row] += extra;
                    extra *= felt(16);
                }
            });
            lies.add(format!("{name} gains a bit in row {first}"), f);
        }
    }
    // The mode changes on the way: between power and AND, the result is free.
    let f = and_of(0x1234_5678, 0xff00_ff00, |f| {
        for row in 0..5 {
            f.columns[layout.mode][row] = ONE;
        }
        for row in 5..8 {
            f.columns[layout.result][row] += felt(1 << (4 * (row - 5)));
        }
    });
    lies.add("an AND begins as a power", f);

    let power = |exponent: u64, change: &dyn Fn(&mut Forgery)| {
        let (mut f, row) = one("adv r6", "pow2 r8, r6", &[exponent]);
        change(&mut f);
        let [b, result] = [layout.sum_b, layout.result].map(|column| f.columns[column][7]);
        advise(&mut f, b);
        f.set_x(row, [result, ZERO, result, ZERO]);
        f.write_back(row);
        f
    };
    let f = power(3, &|f| {
        f.columns[layout.bits_b + 1][6] = ONE;
        f.columns[layout.sum_b][6] = felt(2);
        f.columns[layout.sum_b][7] = felt(2 * 16 + 3);
        f.columns[layout.result][7] = felt(8 * (1 + 2 * 0xffff));
    });
    lies.add("2^35 is a power", f);
    lies.add("2^3 is 9", power(3, &|f| f.columns[layout.result][7] = felt(9)));
    let f = power(3, &|f: &mut Forgery| {
        f.columns[layout.bits_a][15] = ONE;
        f.columns[layout.sum_a][15] = ONE;
        f.columns[layout.result][15] = ONE;
        for row in 8..16 {
            f.columns[layout.mode][row] = ONE;
        }
    });
    lies.add("an idle power with an operand a", f);
    let mut f = Forgery::assemble("u32.and r4, r5, r6\n halt", &[], &[]);
    f.columns[layout.uses][7] = felt(2);
    lies.add("an AND that nobody asked for", f);
    let mut f = Forgery::assemble("u32.and r4, r5, r6\n halt", &[], &[]);
    f.machine = Machine::new(ChipSet::Core);
    f.columns.truncate(92);
    lies.add("a bitwise instruction without the bitwise chip", f);
    let mut f = Forgery::assemble("mov r4, 1\n halt", &[], &[]);
    f.machine = Machine::new(ChipSet::Bitwise);
    let length = f.length();
    f.columns.resize(105, vec![ZERO; length]);
    f.columns[layout.uses][7] = ONE;
    lies.add("an AND in a run without bitwise instructions", f);
}

// BOUNDARIES
// ================================================================================================================

fn boundaries(lies: &mut Lies) {
    let mut f = Forgery::assemble("mov r5, 1\n halt", &[], &[]);
    for row in 0..f.length() {
        f.columns[cpu::CLK][row] += felt(3);
    }
    f.settle();
    lies.add("the first cycle is 4", f);
    let mut f = Forgery::assemble("mov r5, 1\n mov r6, 2\n halt", &[], &[]);
    f.set_register(1, 5, ZERO);
    f.drop_row(0);
    f.settle();
    lies.add("the run starts at 2", f);
    for r in 0..16 {
        let mut f = Forgery::assemble("halt", &[], &[]);
        f.set_register(0, r, felt(5));
        f.settle();
        lies.add(format!("register {r} is 5 at the start"), f);
    }
    let mut f = Forgery::assemble("adv r1\n bnz r1, 2\n halt", &[], &[0]);
    let (row, length) = (f.row_at(2), f.length());
    let (word, imm) = (f.op_word(row), f.columns[cpu::IMM][row]);
    f.columns[cpu::X][0] = ONE;
    for row in row..length {
        f.columns[cpu::PC][row] = felt(2);
        f.set_x(row, [ZERO; 4]);
        f.columns[cpu::H][row] = ONE;
        f.set_instruction(row, word, imm);
    }
    f.set_register(1, 1, ONE);
    f.settle();
    lies.add("a run that does not end", f);

    // Memory.
    let accesses = |address: Felt| {
        let mut f = Forgery::assemble("adv r7\n mov r0, 9\n st q0, [r7]\n ld q2, [r7]\n halt", &[], &[5]);
        advise(&mut f, address);
        f.settle();
        let word = [9, 0, 0, 0].map(felt);
        let row = |clk, write| MemoryRow {
            address,
            ..MemoryRow::new(0, clk, write, word)
        };
        (f, [row(3, true), row(4, false)])
    };
    let (mut f, rows) = accesses(-felt(5));
    f.set_memory(&[]);
    let bridge = MemoryRow {
        active: false,
        ..MemoryRow::new(0, 1, false, [ZERO; 4])
    };
    f.set_memory(&[rows[0], rows[1], bridge]);
    f.set_memory_row(
        0,
        &MemoryRow {
            address: -felt(9),
            ..bridge
        },
    );
    (0..3).for_each(|row| f.set_memory_step(row));
    f.settle_bytes();
    lies.add("memory starts below zero", f);
    let (mut f, rows) = accesses(felt(MEMORY_WORDS + 5));
    let bridge = MemoryRow {
        active: false,
        ..MemoryRow::new(MEMORY_WORDS - 1, 1, false, [ZERO; 4])
    };
    f.set_memory(&[bridge, rows[0], rows[1]]);
    for i in 4..f.length() {
        let clk = felt(i as u64 + 1);
        let row = MemoryRow {
            clk,
            active: false,
            write: false,
            ..rows[1]
        };
        f.set_memory_row(i, &row);
    }
    (0..f.length() - 1).for_each(|row| f.set_memory_step(row));
    f.settle_bytes();
    lies.add("memory ends above its size", f);
    for lane in 0..4 {
        let mut word = [ZERO; 4];
        word[lane] = felt(3);
        let (mut f, row) = one("mov r5, 1", "ld q2, [0]", &[]);
        f.set_x(row, word);
        f.write_back(row);
        f.settle();
        f.columns[memory::WORD + lane][0] = felt(3);
        lies.add(format!("lane {lane} of address 0 is not zero at the start"), f);
    }

    // The table of bytes.
    let shifted = |f: &mut Forgery, from: i64| {
        for row in 0..f.length() {
            let value = (from + row as i64).min(if from < 0 { 255 } else { 300 });
            f.columns[range::TABLE][row] = if value < 0 {
                -felt(value.unsigned_abs())
            } else {
                felt(value as u64)
            };
        }
        f.settle_bytes();
    };
    let mut f = checked(-ONE);
    f.add_pair([-ONE, ZERO, ZERO, ZERO], bytes(0), ZERO, ONE);
    shifted(&mut f, -1);
    lies.add("the table starts at minus one", f);
    let mut f = checked(felt(300 << 24));
    f.add_pair([ZERO, ZERO, ZERO, felt(300)], bytes(0), ZERO, ONE);
    shifted(&mut f, 0);
    lies.add("the table ends at 300", f);
    // The last row's bytes.
    for i in 0..4 {
        let high = felt(1 << 33);
        let (mut f, row) = one("adv r5", "u32.hi r6, r5", &[0]);
        advise(&mut f, felt(5) + felt(1 << 32) * high);
        f.set_x(row, [high, ZERO, felt(5), high]);
        f.write_back(row);
        f.settle();
        let mut wrong = [ZERO; 4];
        wrong[i] = high / felt(1 << (8 * i));
        let last = f.length() - 2;
        f.set_pair(last, bytes(5), wrong, ZERO, ONE);
        f.settle_bytes();
        lies.add(format!("byte {i} of the last row"), f);
    }

    // The program.
    let mut f = Forgery::assemble("mov r5, 1\n halt\n mov r5, 2\n halt", &[], &[]);
    // Group 0 is number -1: address 1 holds what stands at 3, address 0 the halt at 2.
    f.columns[cpu::X][0] = felt(2);
    f.columns[cpu::IMM][0] = felt(2);
    f.operands(0);
    f.write_back(0);
    f.settle();
    for group in 0..f.first_call() {
        f.set_in_group(group, 0..8, hash::ID, felt(group as u64) - ONE);
    }
    let at = |group: usize| group * hash::GROUP + hash::GROUP - 1;
    for i in 0..2 {
        let [first, second] = [0, 1].map(|group| f.columns[hash::USES + i][at(group)]);
        f.columns[hash::USES + i][at(0)] = ZERO;
        f.columns[hash::USES + i][at(1)] = first;
        f.columns[hash::USES + i][at(2)] = second;
    }
    lies.add("the program's first group is number minus one", f);
    for lane in 4..8 {
        let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
        let mut input = f.input_of(0);
        input[lane] += ONE;
        for group in 0..f.first_call() {
            f.set_group(group, &permutation(input, None));
            let output = f.output_of(group);
            let block = f.blocks.get(group + 1).copied().unwrap_or_default();
            input = core::array::from_fn(|i| if i < 4 { block[i] } else { output[i] });
        }
        let last = f.first_call() - 1;
        f.statement.program = core::array::from_fn(|i| f.output_of(last)[i]);
        lies.add(
            format!("lane {lane} of the program's capacity starts with another value"),
            f,
        );
    }
    let mut f = Forgery::assemble("mov r1, 1\n halt", &[], &[]);
    for group in 0..f.first_call() {
        f.set_in_group(group, 0..8, hash::ROM, ZERO);
    }
    lies.add("no group is the program's", f);
}

// BUSES
// ================================================================================================================

/// Messages that one side leaves out or makes up, with everything else in order.
fn buses(lies: &mut Lies) {
    // The last permutation's output is never sent.
    let (mut f, _) = hash_gives([5; 8].map(felt));
    let (first, last) = (f.first_call(), f.length() / hash::GROUP - 1);
    let (input, id) = (f.input_of(first), f.columns[hash::ID][first * hash::GROUP]);
    f.set_call(first, [ZERO; 8], ZERO, ZERO, false);
    f.set_call(last, input, id, ONE, false);
    lies.add("the last permutation serves a call whose output is made up", f);
    let (f, _) = hash_gives([5; 8].map(felt));
    lies.add("a hash is made up", f);
    let (mut f, _) = hash_gives(permutation([9; 8].map(felt), None)[7].0);
    let first = f.first_call();
    let id = f.columns[hash::ID][first * hash::GROUP];
    f.set_call(first, [9; 8].map(felt), id, ONE, false);
    lies.add("a hash of something else", f);

    let (mut f, row) = one("mov r5, 1", "ld q2, [7]", &[]);
    f.set_x(row, [3; 4].map(felt));
    f.write_back(row);
    f.settle();
    f.set_memory(&[]);
    lies.add("a load that memory does not know", f);
    let mut f = Forgery::assemble("mov r5, 1\n halt", &[], &[]);
    f.columns[cpu::IMM][0] = felt(2);
    f.operands(0);
    f.columns[cpu::X][0] = felt(2);
    f.write_back(0);
    lies.add("another immediate than the program's", f.clone());
    for group in 0..f.first_call() {
        for i in 0..2 {
            f.set_in_group(group, 7..8, hash::USES + i, ZERO);
        }
    }
    lies.add("a program that is not looked at", f);
    lies.add("a first pair that the range chip does not know", checked(-ONE));
    let (mut f, row) = one("mov r5, 17\n mov r6, 5", "u32.divp p4, r5, r6", &[]);
    f.set_x(row, [felt(2), felt(5) - felt(8), felt(2), felt(7)]);
    f.write_back(row);
    f.settle();
    lies.add("a second pair that the range chip does not know", f);

    let (mut f, row) = (Forgery::assemble("in r5, 0\n halt", &[3], &[]), 0);
    f.set_x(row, [felt(4), ZERO, felt(4), ZERO]);
    f.write_back(row);
    lies.add("another input", f);
    let mut f = Forgery::assemble("in r5, 0\n halt", &[3], &[]);
    f.statement.inputs.push(ONE);
    lies.add("an input too many", f);
    let mut f = Forgery::assemble("in r5, 0\n out r5, 0\n halt", &[3], &[]);
    f.statement.outputs[0] = ONE;
    lies.add("another output", f);
    let mut f = Forgery::assemble("in r5, 0\n out r5, 0\n halt", &[3], &[]);
    f.statement.outputs.push(ONE);
    lies.add("an output too many", f);
    for instruction in [
        "u32.and r8, r5, r6",
        "u32.xor r8, r5, r6",
        "u32.or r8, r5, r6",
        "pow2 r8, r6",
    ] {
        let (mut f, row) = one("mov r5, 12\n mov r6, 10", instruction, &[]);
        let answer = f.x(row, 2) + ONE;
        f.columns[cpu::X + 2][row] = answer;
        let other = felt(22) - answer - answer;
        f.columns[cpu::X][row] = match instruction {
            "u32.xor r8, r5, r6" => other,
            "u32.or r8, r5, r6" => other + answer,
            _ => answer,
        };
        f.write_back(row);
        f.settle();
        let layout = f.machine.bitwise().expect("the chip");
        f.columns[layout.uses][7] = ZERO;
        lies.add(format!("{instruction} with another answer"), f);
    }
}
