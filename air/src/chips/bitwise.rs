//! Bitwise AND of two u32, and powers of two: eight rows a call, four bits a row, highest first. XOR and OR follow from
//! AND on the cpu's side, shifts from the powers.
//!
//! | columns | meaning |
//! |---|---|
//! | a0..a3, b0..b3 | four bits of each operand, lowest first |
//! | aa, ab | the operands' bits so far |
//! | ar | AND: the result so far; power: in row 7, 2^b |
//! | uses | row 7: how often the result is used; free in other rows |
//! | mode | 0 for AND, 1 for a power |

use starling_vm::algebra::Algebra;

use super::{Sink, hash};
use crate::bus::{BusColumns, tag};
use crate::definition::{Extends, MainFrame};

/// Columns in all.
pub const WIDTH: usize = 13;
/// Rows of a call.
pub const GROUP: usize = 8;

/// The chip's columns, from the first of them on.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Bits of operand a.
    pub bits_a: usize,
    /// Bits of operand b.
    pub bits_b: usize,
    /// Operand a so far.
    pub sum_a: usize,
    /// Operand b so far.
    pub sum_b: usize,
    /// The result so far.
    pub result: usize,
    /// Uses of the result.
    pub uses: usize,
    /// AND or power.
    pub mode: usize,
    /// Index of the periodic column that is 1 in row 6.
    pub before_last: usize,
}

impl Columns {
    /// The layout with the first column at `first` and the chip's periodic column at `periodic`.
    pub fn new(first: usize, periodic: usize) -> Self {
        Self {
            bits_a: first,
            bits_b: first + 4,
            sum_a: first + 8,
            sum_b: first + 9,
            result: first + 10,
            uses: first + 11,
            mode: first + 12,
            before_last: periodic,
        }
    }
}

/// The chip's periodic column: 1 in row 6.
pub fn periodic_columns() -> Vec<Vec<u64>> {
    vec![vec![0, 0, 0, 0, 0, 0, 1, 0]]
}

fn nibble<A: Algebra>(bits: impl Fn(usize) -> A) -> A {
    let high = bits(2) + bits(3).doubled();
    bits(0) + bits(1).doubled() + high.doubled().doubled()
}

/// The chip's constraints.
pub fn constraints<A: Algebra>(c: &Columns, frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let one = A::one();
    let (first, last) = (hash::is_first(frame), hash::is_last(frame));
    let within = one.clone() - last.clone();
    for column in (c.bits_a..c.bits_a + 8).chain([c.mode]) {
        let bit = cur[column].clone();
        out.zero(
            "bitwise: every bit and the mode are 0 or 1",
            bit.clone() * (bit - one.clone()),
        );
    }
    let mode = cur[c.mode].clone();
    out.zero(
        "bitwise: the mode is the same in all rows of a call",
        within.clone() * (next[c.mode].clone() - mode.clone()),
    );

    let four = |row: &[A], at: usize| nibble(|i| row[at + i].clone());
    let both = |row: &[A]| nibble(|i| row[c.bits_a + i].clone() * row[c.bits_b + i].clone());
    let sixteen = |x: &A| x.clone() * A::constant(16);
    for (sum, bits) in [(c.sum_a, c.bits_a), (c.sum_b, c.bits_b)] {
        out.zero(
            "bitwise: an operand starts with its highest bits",
            first.clone() * (cur[sum].clone() - four(cur, bits)),
        );
        out.zero(
            "bitwise: an operand gains four bits a row",
            within.clone() * (next[sum].clone() - sixteen(&cur[sum]) - four(next, bits)),
        );
    }
    let is_and = one.clone() - mode.clone();
    let result = cur[c.result].clone();
    out.zero(
        "bitwise: AND starts with the highest bits",
        first * is_and.clone() * (result.clone() - both(cur)),
    );
    out.zero(
        "bitwise: AND gains four bits a row",
        within * is_and * (next[c.result].clone() - sixteen(&result) - both(next)),
    );

    // 2^b from the five bits of b: the highest stands alone in the sum of row 6, the others in row 7.
    let high = cur[c.sum_b].clone();
    let into_last = frame.periodic[c.before_last].clone() * mode.clone();
    let mut power = one.clone() + high.clone() * A::constant((1 << 16) - 1);
    for i in 0..4 {
        power = power * (one.clone() + next[c.bits_b + i].clone() * A::constant((1 << (1 << i)) - 1));
    }
    out.zero(
        "bitwise: the exponent is below 32",
        into_last.clone() * high.clone() * (high - one),
    );
    out.zero(
        "bitwise: the power is the product over the exponent's bits",
        into_last * (next[c.result].clone() - power),
    );
    out.zero("bitwise: a power has no operand a", last * mode * cur[c.sum_a].clone());
}

/// The message, into the accumulator's column 3.
pub fn messages<A: Algebra, E: Extends<A>>(c: &Columns, frame: &MainFrame<'_, A>, bus: &mut BusColumns<E>) {
    let at = |column: usize| frame.current[column].clone();
    let value: E = bus.value(tag::AND, &[at(c.sum_b), at(c.result), at(c.sum_a)]);
    bus.send_value(3, -(hash::is_last(frame) * at(c.uses)), value + E::embed(at(c.mode)));
}
