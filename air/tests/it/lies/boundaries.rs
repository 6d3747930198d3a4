//! First and last rows that hold something else.

use starling_air::chips::{cpu, hash, memory, range};
use starling_vm::field::Felt;
use starling_vm::isa::MEMORY_WORDS;

use super::{Lies, advise, checked, one};
use crate::forge::{Forgery, MemoryRow, ONE, ZERO, bytes, felt, permutation};

pub(super) fn boundaries(lies: &mut Lies) {
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
