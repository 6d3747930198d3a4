//! Permutations that go wrong or change places, and programs under another digest.

use starling_air::chips::{cpu, hash};
use starling_vm::field::Felt;
use starling_vm::program::Program;

use super::{Lies, hash_gives};
use crate::forge::{Forgery, ONE, Slip, ZERO, felt, permutation};

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

pub(super) fn hash_chip(lies: &mut Lies) {
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
fn injected(i: u64) -> Forgery {
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
