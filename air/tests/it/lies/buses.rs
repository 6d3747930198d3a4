//! Messages that one side leaves out or makes up, with everything else in order.

use starling_air::chips::{cpu, hash};

use super::{Lies, checked, hash_gives, one};
use crate::forge::{Forgery, ONE, ZERO, felt, permutation};

pub(super) fn buses(lies: &mut Lies) {
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
