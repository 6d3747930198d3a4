//! Poseidon2, eight rows a permutation, and the program: the sponge that hashes the code is the read-only memory from
//! which the cpu takes its instructions.
//!
//! | columns | meaning |
//! |---|---|
//! | s0..s7 | the state |
//! | w0..w7 | S-box outputs; in row 7: how often the two instructions of the next group are used, and the mode |
//! | id | what the caller knows the permutation by; in a program group, its number |
//! | act | 1 if the permutation serves a call |
//! | rom | 1 if the permutation is one of the program's |
//!
//! | row | witnessed in w | next s |
//! |---|---|---|
//! | 0 | S-boxes of external round 1, after the initial linear layer | after external round 2 |
//! | 1 | external round 3 | after external round 4 |
//! | 2, 3 | eight internal rounds each | after them |
//! | 4 | six internal rounds | after them |
//! | 5, 6 | external rounds 5 and 7 | after external rounds 6 and 8 |
//! | 7 | - | the next group's input: s is the output |

use starling_vm::algebra::Algebra;
use starling_vm::poseidon2::constants::{EXTERNAL, INTERNAL};
use starling_vm::poseidon2::{WIDTH as LANES, external_layer, internal_layer};
use starling_vm::program::PROGRAM_DOMAIN;

use super::Sink;
use crate::bus::{BusColumns, tag};
use crate::definition::{Extends, MainFrame, Row};

/// First column.
pub const FIRST: usize = super::range::FIRST + super::range::WIDTH;
/// First column of the state.
pub const STATE: usize = FIRST;
/// First column of the S-box outputs.
pub const SBOX: usize = FIRST + 8;
/// Column of the number.
pub const ID: usize = FIRST + 16;
/// Column of the activity flag.
pub const ACTIVE: usize = FIRST + 17;
/// Column of the program flag.
pub const ROM: usize = FIRST + 18;
/// Columns in all.
pub const WIDTH: usize = 19;
/// Rows of a permutation.
pub const GROUP: usize = 8;

/// Uses of the next group's first and second instruction, in row 7.
pub const USES: usize = SBOX;
/// Whether all eight lanes of the output are served, in row 7.
pub const FULL: usize = SBOX + 2;

/// Index of this chip's first periodic column.
pub const PERIODIC: usize = 1;
/// Number of this chip's periodic columns.
pub const PERIODIC_COLUMNS: usize = 20;
const IS_FIRST: usize = PERIODIC;
const IS_EXTERNAL: usize = PERIODIC + 1;
const IS_INTERNAL8: usize = PERIODIC + 2;
const IS_INTERNAL6: usize = PERIODIC + 3;
const CONSTANTS_A: usize = PERIODIC + 4;
const CONSTANTS_B: usize = PERIODIC + 12;

/// The chip's periodic columns: the four kinds of rows, then two sets of eight round constants.
pub fn periodic_columns() -> Vec<Vec<u64>> {
    let flags = |rows: &[usize]| (0..GROUP).map(|row| u64::from(rows.contains(&row))).collect::<Vec<_>>();
    let mut out = vec![flags(&[0]), flags(&[1, 5, 6]), flags(&[2, 3]), flags(&[4])];
    for lane in 0..LANES {
        out.push((0..GROUP).map(|row| first_constant(row, lane)).collect());
    }
    for lane in 0..LANES {
        out.push(
            (0..GROUP)
                .map(|row| external_pair(row).map_or(0, |round| EXTERNAL[round + 1][lane]))
                .collect(),
        );
    }
    out
}

/// The first of the two external rounds of a row.
fn external_pair(row: usize) -> Option<usize> {
    match row {
        0 => Some(0),
        1 => Some(2),
        5 => Some(4),
        6 => Some(6),
        _ => None,
    }
}

fn first_constant(row: usize, lane: usize) -> u64 {
    match (external_pair(row), row) {
        (Some(round), _) => EXTERNAL[round][lane],
        (None, 2..=4) => INTERNAL.get(8 * (row - 2) + lane).copied().unwrap_or(0),
        _ => 0,
    }
}

/// Values of cells in the first row: the program's sponge starts here.
pub fn assertions(out: &mut Vec<(usize, Row, u64)>) {
    out.push((ROM, Row::First, 1));
    out.push((ID, Row::First, 0));
    out.push((STATE + 4, Row::First, PROGRAM_DOMAIN));
    for lane in 5..8 {
        out.push((STATE + lane, Row::First, 0));
    }
}

/// 1 in the first row of every group of eight.
pub fn is_first<A: Algebra>(frame: &MainFrame<'_, A>) -> A {
    frame.periodic[IS_FIRST].clone()
}

/// 1 in the last row of every group of eight.
pub fn is_last<A: Algebra>(frame: &MainFrame<'_, A>) -> A {
    let others = [IS_FIRST, IS_EXTERNAL, IS_INTERNAL8, IS_INTERNAL6];
    others
        .into_iter()
        .fold(A::one(), |rest, i| rest - frame.periodic[i].clone())
}

fn lanes<A: Algebra>(row: &[A], first: usize) -> [A; LANES] {
    core::array::from_fn(|i| row[first + i].clone())
}

/// The chip's constraints.
pub fn constraints<A: Algebra>(frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let p = |i: usize| frame.periodic[i].clone();
    let (is_first, is_external) = (p(IS_FIRST), p(IS_EXTERNAL));
    let (is_internal8, is_internal6) = (p(IS_INTERNAL8), p(IS_INTERNAL6));
    let external = is_first.clone() + is_external.clone();
    let within = external.clone() + is_internal8.clone() + is_internal6.clone();
    let last = A::one() - within.clone();
    let (s, w) = (lanes(cur, STATE), lanes(cur, SBOX));

    // S-box outputs, in each kind of row.
    let mixed = external_layer(s.clone());
    let mut internal = s.clone();
    let mut after6 = s.clone();
    for i in 0..LANES {
        let constant = p(CONSTANTS_A + i);
        let first = (mixed[i].clone() + constant.clone()).pow7();
        let later = (s[i].clone() + constant.clone()).pow7();
        let inner = (internal[0].clone() + constant).pow7();
        internal[0] = w[i].clone();
        internal = internal_layer(internal);
        if i == 5 {
            after6 = internal.clone();
        }
        let in_internal = if i < 6 {
            (is_internal8.clone() + is_internal6.clone()) * (w[i].clone() - inner)
        } else {
            is_internal8.clone() * (w[i].clone() - inner) + is_internal6.clone() * w[i].clone()
        };
        out.zero(
            "hash: w is the S-box of the row's round",
            is_first.clone() * (w[i].clone() - first) + is_external.clone() * (w[i].clone() - later) + in_internal,
        );
    }

    // The next state.
    let mut second = external_layer(w);
    for (lane, value) in second.iter_mut().enumerate() {
        *value = (value.clone() + p(CONSTANTS_B + lane)).pow7();
    }
    let second = external_layer(second);
    for i in 0..LANES {
        let state = next[STATE + i].clone();
        out.zero(
            "hash: the next state follows from w and s",
            external.clone() * (state.clone() - second[i].clone())
                + is_internal8.clone() * (state.clone() - internal[i].clone())
                + is_internal6.clone() * (state - after6[i].clone()),
        );
    }

    // What identifies the group.
    let (id, act, rom) = (cur[ID].clone(), cur[ACTIVE].clone(), cur[ROM].clone());
    let (next_id, next_rom) = (next[ID].clone(), next[ROM].clone());
    out.zero(
        "hash: the number is the same in all rows of a group",
        within.clone() * (next_id.clone() - id.clone()),
    );
    out.zero(
        "hash: the activity flag is the same in all rows of a group",
        within.clone() * (next[ACTIVE].clone() - act.clone()),
    );
    out.zero(
        "hash: the program flag is the same in all rows of a group",
        within * (next_rom.clone() - rom.clone()),
    );
    out.zero(
        "hash: the activity flag is 0 or 1",
        act.clone() * (act.clone() - A::one()),
    );
    out.zero(
        "hash: the program flag is 0 or 1",
        rom.clone() * (rom.clone() - A::one()),
    );
    out.zero("hash: a program group serves no call", act * rom.clone());
    out.zero(
        "hash: the mode is 0 or 1",
        last.clone() * cur[FULL].clone() * (cur[FULL].clone() - A::one()),
    );

    // The program's sponge.
    let into_rom = last.clone() * next_rom.clone();
    out.zero(
        "hash: a program group follows only a program group",
        into_rom.clone() * (A::one() - rom),
    );
    out.zero(
        "hash: program groups are numbered",
        into_rom.clone() * (next_id - id - A::one()),
    );
    for lane in 4..8 {
        out.zero(
            "hash: the capacity passes from one program group to the next",
            into_rom.clone() * (next[STATE + lane].clone() - s[lane].clone()),
        );
    }
    let not_into_rom = last - into_rom;
    for i in 0..2 {
        out.zero(
            "hash: only a program group holds instructions",
            not_into_rom.clone() * cur[USES + i].clone(),
        );
    }
}

/// The messages, all into column 2.
pub fn messages<A: Algebra, E: Extends<A>>(frame: &MainFrame<'_, A>, bus: &mut BusColumns<E>) {
    let (cur, next) = (frame.current, frame.next);
    let (first, last) = (is_first(frame), is_last(frame));
    let (id, act, rom) = (cur[ID].clone(), cur[ACTIVE].clone(), cur[ROM].clone());
    let s = lanes(cur, STATE);

    // Input in row 0, output in row 7, the program's digest in row 7 of its last group: never two of them at once.
    let input: [A; 9] = core::array::from_fn(|i| if i == 0 { id.clone() } else { s[i - 1].clone() });
    let input: E = bus.value(tag::HASH_IN, &input);
    let full = cur[FULL].clone();
    let output: [A; 10] = core::array::from_fn(|i| match i {
        0 => id.clone() * act.clone(),
        1 => full.clone(),
        2..=5 => s[i - 2].clone(),
        _ => full.clone() * s[i - 2].clone(),
    });
    let output: E = bus.value(tag::HASH_OUT, &output);
    let output = output + E::embed(rom.clone() * A::constant(tag::PROGRAM - tag::HASH_OUT));
    let served = (first.clone() + last.clone()) * act + last.clone() * (rom - next[ROM].clone());
    bus.send_value(2, -served, input.scale(first) + output.scale(last.clone()));

    // The two instructions in the first half of the next group.
    for i in 0..2 {
        let pc = id.doubled() + A::constant(i as u64);
        let fields = [pc, next[STATE + 2 * i].clone(), next[STATE + 2 * i + 1].clone()];
        bus.send(2, -(last.clone() * cur[USES + i].clone()), tag::ROM, &fields);
    }
}
