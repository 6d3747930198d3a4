//! Schnorr signatures over ecGFp5, 192 rows each: three groups of 64, as many as there are challenge words.
//!
//! The scheme, why these constraints are it, and what each cell is free to be are in `specs/signature.md`. A group's rows
//! are numbered 0 to 63; rows 32 to 63 of the third group *finish* the block, all other rows are *digits*.
//!
//! | columns | digit rows | finish |
//! |---|---|---|
//! | x, y | the accumulator A | by row, see below |
//! | i | inverse of x(T) - x(A) | |
//! | j | inverse of x(A) - x(A + T) | |
//! | tx, ty | the digit point T | |
//! | sign, u, v | ±1: T is sign (G + u G' + v Q) | points: which point; always: sign v is the challenge's digit |
//! | lane | the challenge word's bits so far | same |
//! | ones | 1 while all bits of the word's high half are 1, then whether they were | same |
//! | block | the block's number | same |
//! | kept0, kept1 | the words of the groups before | same; kept0 is E0 from row 38 on |
//! | phase0, phase1 | 1 in the block's first, second group | 0 |
//!
//! | finish row | holds |
//! |---|---|
//! | 32 to 37 | x, j0..j2: the eight lanes of a permutation's input (32, 34, 36) or the first four of its output (33, 35, 37); i0..i3: h1; tx: the key's encoding w; ty0: clk; ty1: 1 if the block serves a request; ty2: in row 32, the inverse of the block's number |
//! | 38 | x, y: the key Q; j: a square root of its x; tx: w |
//! | 39 to 42 | x, y: Q; i: inverse of x(Q) - x(G + u G'); tx, ty: G + u G' + v Q and sign times its y; j0: how often digits read it |

use starling_vm::algebra::Algebra;
use starling_vm::ecgfp5::gf5::CurveField;
use starling_vm::ecgfp5::{Gf5, Quintic, formulas};
use starling_vm::field::{Felt, MODULUS};
use starling_vm::schnorr::constants::{CHALLENGE_DOMAIN, G_DIFFERENCE, G_SUM, U};

use super::Sink;
use crate::bus::{BusColumns, tag};
use crate::definition::{Extends, MainFrame, Row};

pub mod fill;

/// Columns in all.
pub const WIDTH: usize = 40;
/// Rows of a group.
pub const GROUP: usize = 64;
/// Rows of a signature.
pub const ROWS: usize = 3 * GROUP;
/// First finishing row of the third group.
pub const FINISH: usize = 32;

/// The tag of the chip's own messages between digits and points is this, plus 8 times the block's number, plus u + 2v. It
/// is above every tag in [tag], and two blocks have none in common.
pub const POINT_TAG: u64 = 32;

/// Number of this chip's periodic columns.
pub const PERIODIC_COLUMNS: usize = 13;

/// The chip's columns, from the first of them on.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The accumulator's x.
    pub x: usize,
    /// The accumulator's y.
    pub y: usize,
    /// The first sum's inverse.
    pub i: usize,
    /// The second sum's inverse.
    pub j: usize,
    /// The digit point's x.
    pub tx: usize,
    /// The digit point's y.
    pub ty: usize,
    /// The digit over G.
    pub sign: usize,
    /// The digit over G', relative to the sign.
    pub u: usize,
    /// The digit over Q, relative to the sign.
    pub v: usize,
    /// The challenge word so far.
    pub lane: usize,
    /// Whether the word's high half is all ones.
    pub ones: usize,
    /// The block's number.
    pub block: usize,
    /// The words of the two groups before.
    pub kept: [usize; 2],
    /// Flags of the first and second group.
    pub phase: [usize; 2],
    /// Index of the first of the chip's periodic columns.
    pub periodic: usize,
    /// The auxiliary column that takes the chip's fractions.
    pub bus: usize,
}

impl Columns {
    /// The layout with the first column at `first`, the first periodic column at `periodic`, and the fractions in auxiliary
    /// column `bus`.
    pub fn new(first: usize, periodic: usize, bus: usize) -> Self {
        Self {
            x: first,
            y: first + 5,
            i: first + 10,
            j: first + 15,
            tx: first + 20,
            ty: first + 25,
            sign: first + 30,
            u: first + 31,
            v: first + 32,
            lane: first + 33,
            ones: first + 34,
            block: first + 35,
            kept: [first + 36, first + 37],
            phase: [first + 38, first + 39],
            periodic,
            bus,
        }
    }
}

// PERIODIC COLUMNS
// ================================================================================================================

/// The rows of a group in which each periodic column is 1.
const PERIODIC_ROWS: [(usize, usize); PERIODIC_COLUMNS] = [
    (0, 0),
    (62, 62),
    (63, 63),
    (32, 63),
    (31, 62),
    (32, 32),
    (33, 33),
    (34, 34),
    (35, 35),
    (36, 36),
    (37, 37),
    (38, 38),
    (39, 42),
];

/// The chip's periodic columns, each the indicator of some rows of a group.
pub fn periodic_columns() -> Vec<Vec<u64>> {
    PERIODIC_ROWS
        .iter()
        .map(|&(from, to)| (0..GROUP).map(|row| u64::from((from..=to).contains(&row))).collect())
        .collect()
}

/// Which row this is: the periodic columns, those of the finish gated by the third group.
struct Rows<A> {
    /// Row 0 of any group.
    first: A,
    /// Row 63 of any group.
    last: A,
    /// Rows 31 to 62 of any group: the next row shows a bit of the word's low half.
    before_low: A,
    /// Every row but the finishing ones.
    digits: A,
    /// Row 63 of the third group.
    end: A,
    /// Row 62 of the third group.
    before_end: A,
    /// Input and output rows of the three permutations.
    input: [A; 3],
    output: [A; 3],
    /// The row of the key.
    key: A,
    /// The four rows of points.
    points: A,
}

impl<A: Algebra> Rows<A> {
    #[inline(always)]
    fn new(c: &Columns, frame: &MainFrame<'_, A>) -> Self {
        let p = |k: usize| frame.periodic[c.periodic + k].clone();
        let third = A::one() - frame.current[c.phase[0]].clone() - frame.current[c.phase[1]].clone();
        let finish = |k: usize| third.clone() * p(k);
        Self {
            first: p(0),
            last: p(2),
            before_low: p(4),
            digits: A::one() - finish(3),
            end: finish(2),
            before_end: finish(1),
            input: [finish(5), finish(7), finish(9)],
            output: [finish(6), finish(8), finish(10)],
            key: finish(11),
            points: finish(12),
        }
    }
}

/// Values of cells in the first row: blocks are counted from 0.
pub fn assertions(c: &Columns, out: &mut Vec<(usize, Row, u64)>) {
    out.push((c.block, Row::First, 0));
}

// CONSTRAINTS
// ================================================================================================================

/// 1/2 modulo p.
const HALF: u64 = MODULUS.div_ceil(2);

/// Half the sum and half the difference of the coefficients of `a` and `b`.
const fn middle(a: &Gf5, b: &Gf5) -> [[u64; 5]; 2] {
    let p = MODULUS as u128;
    let mut out = [[0; 5]; 2];
    let mut i = 0;
    while i < 5 {
        let (x, y) = (a.0[i].as_int() as u128, b.0[i].as_int() as u128);
        out[0][i] = ((x + y) * HALF as u128 % p) as u64;
        out[1][i] = ((x + p - y) * HALF as u128 % p) as u64;
        i += 1;
    }
    out
}

const BASE_X: [[u64; 5]; 2] = middle(&G_SUM.x, &G_DIFFERENCE.x);
const BASE_Y: [[u64; 5]; 2] = middle(&G_SUM.y, &G_DIFFERENCE.y);

/// The coordinate of G + u G' for u = ±1, from [middle].
#[inline(always)]
fn base<A: Algebra>(middle: &[[u64; 5]; 2], u: &A) -> Quintic<A> {
    Quintic::coefficients(middle[0]) + Quintic::coefficients(middle[1]).scaled(u)
}

/// Emits the five coefficients of `value`.
#[inline(always)]
fn zeros<A: Algebra>(out: &mut impl Sink<A>, name: &'static str, value: Quintic<A>) {
    for coefficient in value.0 {
        out.zero(name, coefficient);
    }
}

/// The chip's constraints.
pub fn constraints<A: Algebra>(c: &Columns, frame: &MainFrame<'_, A>, out: &mut impl Sink<A>) {
    let rows = Rows::new(c, frame);
    phases(c, frame, &rows, out);
    bits(c, frame, &rows, out);
    points(c, frame, &rows, out);
    hashes(c, frame, &rows, out);
}

/// Groups and blocks.
#[inline(always)]
fn phases<A: Algebra>(c: &Columns, frame: &MainFrame<'_, A>, rows: &Rows<A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let [first, second] = c.phase.map(|column| cur[column].clone());
    let third = A::one() - first.clone() - second.clone();
    for phase in [&first, &second] {
        out.zero(
            "signature: a group's flag is 0 or 1",
            phase.clone() * (phase.clone() - A::one()),
        );
    }
    // Two flags at once would be followed by the flag -1.
    out.zero(
        "signature: the first group follows the third",
        next[c.phase[0]].clone() - first.clone() - rows.last.clone() * (third - first.clone()),
    );
    out.zero(
        "signature: the second group follows the first",
        next[c.phase[1]].clone() - second.clone() - rows.last.clone() * (first - second),
    );
    out.zero(
        "signature: blocks are counted",
        next[c.block].clone() - cur[c.block].clone() - rows.end.clone(),
    );
}

/// The bits of s and of the challenge.
#[inline(always)]
fn bits<A: Algebra>(c: &Columns, frame: &MainFrame<'_, A>, rows: &Rows<A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let one = A::one();
    for column in [c.sign, c.u, c.v] {
        out.zero(
            "signature: the digits of the next row are 1 or -1",
            next[column].squared() - one.clone(),
        );
    }
    let top = rows.first.clone() * cur[c.phase[0]].clone();
    for row in [cur, next] {
        out.zero(
            "signature: s is below 2^318: the first two digits over G' are -1",
            top.clone() * (row[c.sign].clone() * row[c.u].clone() + one.clone()),
        );
    }

    let bit = (next[c.sign].clone() * next[c.v].clone() + one.clone()) * A::constant(HALF);
    let inner = one.clone() - rows.last.clone();
    let lane = cur[c.lane].clone();
    out.zero(
        "signature: a challenge word gains a bit a row",
        next[c.lane].clone() - inner * lane.doubled() - bit.clone(),
    );
    let ones = cur[c.ones].clone();
    let so_far = ones.clone() + rows.last.clone() * (one.clone() - ones.clone());
    let high = so_far * bit.clone();
    out.zero(
        "signature: the flag of a high half of ones is the product of its bits",
        next[c.ones].clone() - high.clone() - rows.before_low.clone() * (ones - high),
    );
    out.zero(
        "signature: a challenge word is canonical: after a high half of ones the low half is 0",
        rows.before_low.clone() * next[c.ones].clone() * bit,
    );

    // E0, E1, E2 as the third permutation gives them.
    let word = |k: usize| cur[c.x + k].clone() + cur[c.i + k].clone();
    let kept = c.kept.map(|column| cur[column].clone());
    let [_, _, output] = &rows.output;
    out.zero(
        "signature: the last word is kept, and E0 once it is known",
        next[c.kept[0]].clone()
            - kept[0].clone()
            - rows.last.clone() * (lane - kept[0].clone())
            - output.clone() * (word(0) - kept[0].clone()),
    );
    out.zero(
        "signature: the word before the last is kept",
        next[c.kept[1]].clone() - kept[1].clone() - rows.last.clone() * (kept[0].clone() - kept[1].clone()),
    );
    for k in 0..2 {
        out.zero(
            "signature: the words of the first two groups are E2 and E1",
            output.clone() * (word(k + 1) - kept[k].clone()),
        );
    }
    out.zero(
        "signature: the word of the third group is E0",
        rows.before_end.clone() * (next[c.lane].clone() - next[c.kept[0]].clone()),
    );
}

/// The accumulator, the key and the digit points.
#[inline(always)]
fn points<A: Algebra>(c: &Columns, frame: &MainFrame<'_, A>, rows: &Rows<A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let at = |column: usize| Quintic::from_cells(&cur[column..]);
    let (x, y, i, j) = (at(c.x), at(c.y), at(c.i), at(c.j));
    let (tx, ty) = (at(c.tx), at(c.ty));
    let (next_x, next_y) = (Quintic::from_cells(&next[c.x..]), Quintic::from_cells(&next[c.y..]));
    let one = || Quintic::coefficients([1, 0, 0, 0, 0]);

    // Digits: B = A + T, then B + A.
    let slope = formulas::chord_slope(&y, &ty, &i);
    let sum = formulas::sum_x(&slope, &x, &tx);
    let second = formulas::second_slope(&slope, &y, &j);
    let result_x = formulas::sum_x(&second, &x, &sum);
    let result_y = formulas::sum_y(&second, &x, &y, &next_x);

    // Points: G + u G' and v Q.
    let (base_x, base_y) = (base(&BASE_X, &cur[c.u]), base(&BASE_Y, &cur[c.u]));
    let point_slope = formulas::chord_slope(&base_y, &y.scaled(&cur[c.v]), &i);
    let point_x = formulas::sum_x(&point_slope, &base_x, &x);
    let point_y = formulas::sum_y(&point_slope, &base_x, &base_y, &tx);

    zeros(
        out,
        "signature: i is the inverse of x(T) - x(A), or of x(Q) - x(G + u G')",
        (i.clone() * (tx.clone() - x.clone()) - one()).scaled(&rows.digits)
            + (i * (x.clone() - base_x) - one()).scaled(&rows.points),
    );
    zeros(
        out,
        "signature: j is the inverse of x(A) - x(A + T)",
        (j.clone() * (x.clone() - sum) - one()).scaled(&rows.digits),
    );
    let stays = rows.key.clone() + rows.points.clone();
    zeros(
        out,
        "signature: the next x is that of 2A + T, of U where a block starts, of Q where the points are",
        (next_x.clone() - result_x).scaled(&rows.digits)
            + (next_x.clone() - Quintic::coefficients(U.x.to_u64s())).scaled(&rows.end)
            + (next_x - x.clone()).scaled(&stays),
    );
    zeros(
        out,
        "signature: the next y is that of 2A + T, of U where a block starts, of Q where the points are",
        (next_y.clone() - result_y).scaled(&rows.digits)
            + (next_y.clone() - Quintic::coefficients(U.y.to_u64s())).scaled(&rows.end)
            + (next_y - y.clone()).scaled(&stays),
    );

    // The key.
    zeros(
        out,
        "signature: the key's x is a square",
        (x.clone() - j.squared()).scaled(&rows.key),
    );
    zeros(
        out,
        "signature: the key's y is -w x",
        (y.clone() + tx.clone() * x.clone()).scaled(&rows.key),
    );
    zeros(
        out,
        "signature: the key is on the curve",
        formulas::curve_residue(&tx, &x, &y).scaled(&rows.key),
    );

    zeros(
        out,
        "signature: a point's x is that of G + u G' + v Q",
        (tx - point_x).scaled(&rows.points),
    );
    zeros(
        out,
        "signature: a point's y, with the sign, is that of G + u G' + v Q",
        (ty.scaled(&cur[c.sign]) - point_y).scaled(&rows.points),
    );
}

/// The challenge's three permutations, and what a block serves.
#[inline(always)]
fn hashes<A: Algebra>(c: &Columns, frame: &MainFrame<'_, A>, rows: &Rows<A>, out: &mut impl Sink<A>) {
    let (cur, next) = (frame.current, frame.next);
    let [in1, in2, in3] = &rows.input;
    let [out1, out2, out3] = &rows.output;
    let lane = |row: &[A], k: usize| row[lane_column(c, k)].clone();
    let h1 = |row: &[A], k: usize| row[c.i + k].clone();
    let w = |k: usize| cur[c.tx + k].clone();

    for k in 0..3 {
        out.zero(
            "signature: the first input ends with w0, w1, w2",
            in1.clone() * (lane(cur, 5 + k) - w(k)),
        );
    }
    let left = [w(3), w(4), A::constant(CHALLENGE_DOMAIN), A::zero()];
    for k in 0..4 {
        out.zero(
            "signature: the second input starts with w3, w4, the domain and 0, the third with h1",
            in2.clone() * (lane(cur, k) - left[k].clone()) + in3.clone() * (lane(cur, k) - h1(cur, k)),
        );
        out.zero(
            "signature: the third input ends with h2, the second output with the feed-forward",
            out2.clone() * (lane(next, 4 + k) - lane(cur, k) - left[k].clone()),
        );
        out.zero(
            "signature: h1 is the first output with the feed-forward, and is kept",
            in1.clone() * (h1(next, k) - lane(next, k) - lane(cur, k))
                + (out1.clone() + in2.clone() + out2.clone() + in3.clone()) * (h1(next, k) - h1(cur, k)),
        );
    }

    let hashing = in1.clone() + out1.clone() + in2.clone() + out2.clone() + in3.clone() + out3.clone();
    for column in (c.tx..c.tx + 5).chain([clk_column(c), active_column(c)]) {
        out.zero(
            "signature: w, clk and the activity flag are kept until the key's row",
            hashing.clone() * (next[column].clone() - cur[column].clone()),
        );
    }
    let active = cur[active_column(c)].clone();
    out.zero(
        "signature: the activity flag is 0 or 1",
        in1.clone() * active.clone() * (active.clone() - A::one()),
    );
    out.zero(
        "signature: block 0, whose start may lie before the trace, serves nothing",
        in1.clone() * active * (cur[c.block].clone() * cur[c.ty + 2].clone() - A::one()),
    );
}

/// Column of lane `k` of a permutation.
fn lane_column(c: &Columns, k: usize) -> usize {
    if k < 5 { c.x + k } else { c.j + k - 5 }
}

fn clk_column(c: &Columns) -> usize {
    c.ty
}

fn active_column(c: &Columns) -> usize {
    c.ty + 1
}

fn uses_column(c: &Columns) -> usize {
    c.j
}

// MESSAGES
// ================================================================================================================

/// The messages, all into the chip's own auxiliary column: the digit points, permutations, and the request.
pub fn messages<A: Algebra, E: Extends<A>>(c: &Columns, frame: &MainFrame<'_, A>, bus: &mut BusColumns<E>) {
    let rows = Rows::new(c, frame);
    let at = |column: usize| frame.current[column].clone();
    let active = at(active_column(c));

    // Digit rows read a point, point rows offer one: the same cells, the same denominator.
    let point: [A; 10] = core::array::from_fn(|k| match k {
        0..5 => at(c.tx + k),
        _ => at(c.ty + k - 5) * at(c.sign),
    });
    let key = at(c.block) * A::constant(8) + at(c.u) + at(c.v).doubled();
    let point: E = bus.value(POINT_TAG, &point) + E::embed(key);
    bus.send_value(c.bus, rows.digits - rows.points * at(uses_column(c)), point);

    let id = |[a, b, c]: [A; 3], clk: A| {
        let number = a + b.doubled() + c.clone() + c.doubled();
        clk.doubled().doubled() + number
    };
    let p = |k: usize| frame.periodic[c.periodic + k].clone();
    let input: [A; 9] = core::array::from_fn(|k| match k {
        0 => id([p(5), p(7), p(9)], at(clk_column(c))),
        _ => at(lane_column(c, k - 1)),
    });
    let [in1, in2, in3] = rows.input;
    let asked = (in1 + in2.clone() + in3) * active.clone();
    bus.send(c.bus, asked, tag::HASH_IN, &input);

    let output: [A; 6] = core::array::from_fn(|k| match k {
        0 => id([p(6), p(8), p(10)], at(clk_column(c))),
        1 => A::zero(),
        _ => at(lane_column(c, k - 2)),
    });
    let [out1, out2, out3] = rows.output;
    let asked = (out1 + out2 + out3) * active.clone();
    bus.send(c.bus, asked, tag::HASH_OUT, &output);

    // In the second input's row, whose lanes 4 to 7 are the message.
    let request: [A; 10] = core::array::from_fn(|k| match k {
        0 => at(clk_column(c)),
        1..6 => at(c.tx + k - 1),
        _ => at(lane_column(c, k - 2)),
    });
    bus.send(c.bus, -(in2 * active), tag::SIGNATURE, &request);
}

/// The identifier of permutation `k` (1 to 3) of the signature asked for at `clk`. The cpu's own permutation has `k` = 0.
pub fn hash_id(clk: u64, k: u64) -> u64 {
    4 * clk + k
}

/// Signatures that a trace of `length` rows has room for. The rows that are left over come first: the end of block 0.
pub fn capacity(length: usize) -> usize {
    length / ROWS
}

/// The permutation input of one request that the chip makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCall {
    /// The identifier.
    pub id: u64,
    /// The input's lanes.
    pub input: [Felt; 8],
}
