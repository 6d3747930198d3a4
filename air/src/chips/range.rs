//! Range checks, and the table of bytes that every range check of the machine ends in.
//!
//! Rows come in pairs, one canonical pair of u32 each: the even row holds the bytes of the low half, the odd row those
//! of the high half.
//!
//! | columns | meaning |
//! |---|---|
//! | b0..b3 | bytes of the half, lowest first |
//! | t | the table: 0, 1, .. 255, every value at least once |
//! | m | how often the table's entry in this row is used |
//! | mult | even row: how often the pair is used; free in odd rows |
//! | hx | even row: inverse of (high half - (2^32 - 1)); odd row: 1 if the high half is below 2^31 and so advertised |

use starling_vm::algebra::Algebra;

use super::Sink;
use crate::bus::{BusColumns, tag};
use crate::definition::{Extends, MainFrame, Row};

/// First column.
pub const FIRST: usize = super::memory::FIRST + super::memory::WIDTH;
/// First column of the bytes.
pub const BYTES: usize = FIRST;
/// Column of the table.
pub const TABLE: usize = FIRST + 4;
/// Column of the table's multiplicities.
pub const TABLE_USES: usize = FIRST + 5;
/// Column of the pairs' multiplicities.
pub const USES: usize = FIRST + 6;
/// Column of the inverse and of the mode.
pub const HX: usize = FIRST + 7;
/// Columns in all.
pub const WIDTH: usize = 8;

/// Index of the periodic column that is 1 in even rows.
pub const EVEN: usize = 0;

/// The chip's periodic columns.
pub fn periodic_columns() -> Vec<Vec<u64>> {
    vec![vec![1, 0]]
}

/// Values of cells in the first and the last row.
pub fn assertions(out: &mut Vec<(usize, Row, u64)>) {
    out.push((TABLE, Row::First, 0));
    out.push((TABLE, Row::Last, 255));
    // The last row sends no messages, so nothing would check the bytes of the last pair's high half.
    for i in 0..4 {
        out.push((BYTES + i, Row::Last, 0));
    }
}

fn half<A: Algebra>(row: &[A]) -> A {
    let byte = |i: usize| row[BYTES + i].clone() * A::constant(1 << (8 * i));
    row[BYTES].clone() + byte(1) + byte(2) + byte(3)
}

/// The chip's constraints.
pub fn constraints<A: Algebra>(frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let even = frame.periodic[EVEN].clone();
    let one = A::one();
    let growth = next[TABLE].clone() - cur[TABLE].clone();
    out.zero(
        "range: the table stays or grows by one",
        growth.clone() * (growth - one.clone()),
    );
    let gap = half(next) - A::constant((1 << 32) - 1);
    out.zero(
        "range: the pair is canonical: the low half is 0, or the high half is not 2^32 - 1",
        even.clone() * half(cur) * (one.clone() - gap * cur[HX].clone()),
    );
    out.zero(
        "range: the mode is 0 or 1",
        even * next[HX].clone() * (next[HX].clone() - one),
    );
}

/// The messages, all into the accumulator's column 3: bytes of this row, the doubled top byte of a 63-bit pair, the
/// table's entry, and the pair.
pub fn messages<A: Algebra, E: Extends<A>>(frame: &MainFrame<'_, A>, bus: &mut BusColumns<E>) {
    let (cur, next) = (frame.current, frame.next);
    let even = frame.periodic[EVEN].clone();
    for i in 0..4 {
        bus.send(3, A::one(), tag::BYTE, &[cur[BYTES + i].clone()]);
    }
    let odd = A::one() - even.clone();
    bus.send(3, odd * cur[HX].clone(), tag::BYTE, &[cur[BYTES + 3].doubled()]);
    bus.send(3, -cur[TABLE_USES].clone(), tag::BYTE, &[cur[TABLE].clone()]);
    bus.send(
        3,
        -(even * cur[USES].clone()),
        tag::RANGE,
        &[half(cur), half(next), next[HX].clone()],
    );
}
