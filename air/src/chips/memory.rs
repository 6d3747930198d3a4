//! Memory: its accesses, ordered by address and then by cycle.
//!
//! | columns | meaning |
//! |---|---|
//! | addr | the word's address |
//! | clk | cycle of the access |
//! | v0..v3 | the word, after a write |
//! | w | 1 if the access writes |
//! | act | 1 if the cpu made this access; other rows only bridge gaps, and they read |
//! | new | 1 if the next row has another address |
//! | d0, d1, d2 | bytes of the step to the next row, less one: of the address if new = 1, else of the cycle |

use starling_vm::algebra::Algebra;
use starling_vm::isa::MEMORY_WORDS;

use super::Sink;
use crate::bus::{BusColumns, tag};
use crate::definition::{Extends, MainFrame, Row};

/// First column.
pub const FIRST: usize = super::cpu::FIRST + super::cpu::WIDTH;
/// Column of the address.
pub const ADDRESS: usize = FIRST;
/// Column of the cycle.
pub const CLK: usize = FIRST + 1;
/// First column of the word.
pub const WORD: usize = FIRST + 2;
/// Column of the write flag.
pub const WRITE: usize = FIRST + 6;
/// Column of the activity flag.
pub const ACTIVE: usize = FIRST + 7;
/// Column of the flag of a new address.
pub const NEW: usize = FIRST + 8;
/// First column of the step's bytes.
pub const STEP: usize = FIRST + 9;
/// Columns in all.
pub const WIDTH: usize = 12;

/// Values of cells in the first and the last row.
///
/// Addresses only grow, by at most 2^24 a row, from 0 to 2^24 - 1: so each is below 2^24, and none wraps around.
pub fn assertions(out: &mut Vec<(usize, Row, u64)>) {
    out.push((ADDRESS, Row::First, 0));
    for i in 0..4 {
        out.push((WORD + i, Row::First, 0));
    }
    out.push((ADDRESS, Row::Last, MEMORY_WORDS - 1));
}

/// The chip's constraints.
pub fn constraints<A: Algebra>(frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let at = |column: usize| cur[column].clone();
    let one = A::one();
    for (name, column) in [
        ("memory: the write flag is 0 or 1", WRITE),
        ("memory: the activity flag is 0 or 1", ACTIVE),
        ("memory: the flag of a new address is 0 or 1", NEW),
    ] {
        out.zero(name, at(column) * (at(column) - one.clone()));
    }
    out.zero(
        "memory: a row that bridges a gap writes nothing",
        (one.clone() - at(ACTIVE)) * at(WRITE),
    );
    let step = at(STEP) + at(STEP + 1) * A::constant(1 << 8) + at(STEP + 2) * A::constant(1 << 16) + one.clone();
    let same = one.clone() - at(NEW);
    out.zero(
        "memory: the address stays, or grows by the step",
        next[ADDRESS].clone() - at(ADDRESS) - at(NEW) * step.clone(),
    );
    out.zero(
        "memory: at one address, the cycle grows by the step",
        same.clone() * (next[CLK].clone() - at(CLK) - step),
    );
    let read = one - next[WRITE].clone();
    for i in 0..4 {
        out.zero(
            "memory: a read gives the last word at its address, zero at a new one",
            read.clone() * (next[WORD + i].clone() - same.clone() * at(WORD + i)),
        );
    }
}

/// The messages: the access into column 1, the step's bytes into column 2.
pub fn messages<A: Algebra, E: Extends<A>>(frame: &MainFrame<'_, A>, bus: &mut BusColumns<E>) {
    let at = |column: usize| frame.current[column].clone();
    let fields = [
        at(ADDRESS),
        at(CLK),
        at(WRITE),
        at(WORD),
        at(WORD + 1),
        at(WORD + 2),
        at(WORD + 3),
    ];
    bus.send(1, -at(ACTIVE), tag::MEMORY, &fields);
    for i in 0..3 {
        bus.send(2, A::one(), tag::BYTE, &[at(STEP + i)]);
    }
}
