//! Lies in the signature chip of the machine. A block that serves nothing may end anywhere, so most of them are told
//! there: a lie that is told in a served block changes the challenge, which is a hash.

use starling_air::chips::signature::{self, Columns, FINISH, GROUP, ROWS};
use starling_air::definition::{Definition, MainFrame};
use starling_air::machine::ChipSet;
use starling_air::trace::build_with;
use starling_vm::ecgfp5::{Gf5, formulas};
use starling_vm::executor::RunInputs;
use starling_vm::field::Felt;
use starling_vm::schnorr::constants::{G_DIFFERENCE, G_SUM, U};
use winterfell::math::FieldElement;

use crate::forge::{Forgery, ONE, ZERO, felt};
use crate::lies::Lie;
use crate::samples::Sample;

/// Where a block goes wrong; all the rest of it follows. The number is a coefficient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slip {
    /// The first inverse.
    I(usize),
    /// The second inverse.
    J(usize),
    /// The accumulator, or a point.
    X(usize),
    /// The same for y.
    Y(usize),
    /// The challenge's word.
    Lane,
    /// The flag of a high half of ones.
    Ones,
}

/// z^k.
fn unit(k: usize) -> Gf5 {
    Gf5(core::array::from_fn(|i| if i == k { ONE } else { ZERO }))
}

/// Which rows of a trace are a block.
#[derive(Clone, Copy, Debug)]
struct Block {
    start: usize,
    finish: usize,
}

/// A forgery with a signature chip.
struct Chip {
    f: Forgery,
    l: Columns,
}

impl Chip {
    /// With `count` signatures.
    fn new(count: u64) -> Self {
        let f = Forgery::of(&Sample::signing(count, ""));
        let l = f.machine.signature().expect("signatures");
        Self { f, l }
    }

    /// Block `number`, of three groups.
    fn block(&self, number: usize) -> Block {
        let start = number * ROWS - (ROWS - self.f.length() % ROWS);
        let finish = start + 2 * GROUP + FINISH;
        Block { start, finish }
    }

    fn gf5(&self, column: usize, i: usize) -> Gf5 {
        Gf5(core::array::from_fn(|k| self.f.columns[column + k][i]))
    }

    fn set(&mut self, column: usize, i: usize, value: Gf5) {
        for (k, c) in value.0.into_iter().enumerate() {
            self.f.columns[column + k][i] = c;
        }
    }

    fn at(&self, column: usize, i: usize) -> Felt {
        self.f.columns[column][i]
    }

    fn put(&mut self, column: usize, rows: impl IntoIterator<Item = usize>, value: Felt) {
        for i in rows {
            self.f.columns[column][i] = value;
        }
    }

    fn add(&mut self, column: usize, rows: impl IntoIterator<Item = usize>, value: Felt) {
        for i in rows {
            self.f.columns[column][i] += value;
        }
    }

    /// The inverse of a difference, or what a slip makes of it.
    fn inverse(difference: Gf5, slip: Option<usize>) -> Gf5 {
        let one = slip.map_or(Gf5::ONE, |k| Gf5::ONE + unit(k));
        difference.inverse_or_zero() * one
    }

    /// Fills a block that serves nothing from its digits, its key and the first accumulator.
    fn settle(&mut self, block: Block, slip: Option<(usize, Slip)>) {
        self.settle_points(block, slip);
        self.settle_digits(block);
        self.settle_rest(block, slip);
    }

    fn settle_points(&mut self, block: Block, slip: Option<(usize, Slip)>) {
        let l = self.l;
        let slip_at = |row: usize| slip.filter(|(at, _)| *at == row).map(|(_, slip)| slip);
        let key = block.finish + 6;
        let (x, y) = (self.gf5(l.x, key), self.gf5(l.y, key));
        for i in key + 1..key + 6 {
            self.set(l.x, i, x);
            self.set(l.y, i, y);
        }
        for i in key + 1..key + 5 {
            let base = if self.at(l.u, i) == ONE { G_SUM } else { G_DIFFERENCE };
            let k = if let Some(Slip::I(k)) = slip_at(i) {
                Some(k)
            } else {
                None
            };
            let inverse = Self::inverse(x - base.x, k);
            self.set(l.i, i, inverse);
            let slope = formulas::chord_slope(&base.y, &scaled(y, self.at(l.v, i)), &inverse);
            let mut tx = formulas::sum_x(&slope, &base.x, &x);
            if let Some(Slip::X(k)) = slip_at(i) {
                tx += unit(k);
            }
            let mut ty = formulas::sum_y(&slope, &base.x, &base.y, &tx);
            if let Some(Slip::Y(k)) = slip_at(i) {
                ty += unit(k);
            }
            self.set(l.tx, i, tx);
            self.set(l.ty, i, scaled(ty, self.at(l.sign, i)));
        }
    }

    /// The digit rows read the points that they name.
    fn settle_digits(&mut self, block: Block) {
        let l = self.l;
        let points = block.finish + 7..block.finish + 11;
        self.put(l.j, points.clone(), ZERO);
        for i in block.start..block.finish {
            let same = |&p: &usize| {
                [l.u, l.v]
                    .iter()
                    .all(|column| self.at(*column, p) == self.at(*column, i))
            };
            let p = points.clone().find(same).expect("a point");
            let (tx, ty) = (self.gf5(l.tx, p), self.gf5(l.ty, p));
            self.set(l.tx, i, tx);
            self.set(l.ty, i, scaled(ty, self.at(l.sign, p) * self.at(l.sign, i)));
            self.f.columns[l.j][p] += ONE;
        }
    }

    fn settle_rest(&mut self, block: Block, slip: Option<(usize, Slip)>) {
        let l = self.l;
        let slip_at = |row: usize| slip.filter(|(at, _)| *at == row).map(|(_, slip)| slip);
        for i in block.start..block.finish {
            let (x, y) = (self.gf5(l.x, i), self.gf5(l.y, i));
            let (tx, ty) = (self.gf5(l.tx, i), self.gf5(l.ty, i));
            let k = if let Some(Slip::I(k)) = slip_at(i) {
                Some(k)
            } else {
                None
            };
            let first = Self::inverse(tx - x, k);
            let slope = formulas::chord_slope(&y, &ty, &first);
            let sum = formulas::sum_x(&slope, &x, &tx);
            let k = if let Some(Slip::J(k)) = slip_at(i) {
                Some(k)
            } else {
                None
            };
            let second = Self::inverse(x - sum, k);
            self.set(l.i, i, first);
            self.set(l.j, i, second);
            let slope = formulas::second_slope(&slope, &y, &second);
            let mut next_x = formulas::sum_x(&slope, &x, &sum);
            if let Some(Slip::X(k)) = slip_at(i) {
                next_x += unit(k);
            }
            let mut next_y = formulas::sum_y(&slope, &x, &y, &next_x);
            if let Some(Slip::Y(k)) = slip_at(i) {
                next_y += unit(k);
            }
            self.set(l.x, i + 1, next_x);
            // Row 32 has no y.
            self.set(l.y, i + 1, next_y);
        }
        let end = block.finish + 32;
        for i in block.start..end {
            let bit = (self.at(l.sign, i) * self.at(l.v, i) + ONE) / felt(2);
            let t = i % GROUP;
            let (mut lane, mut ones) = match t {
                0 => (bit, bit),
                _ => (self.at(l.lane, i - 1).double() + bit, self.at(l.ones, i - 1)),
            };
            if (1..32).contains(&t) {
                ones *= bit;
            }
            match slip_at(i) {
                Some(Slip::Lane) => lane += ONE,
                Some(Slip::Ones) => ones += felt(7),
                _ => {}
            }
            self.f.columns[l.lane][i] = lane;
            self.f.columns[l.ones][i] = ones;
            let kept = match t {
                0 => [l.lane, l.kept[0]].map(|column| self.at(column, i - 1)),
                _ => l.kept.map(|column| self.at(column, i - 1)),
            };
            for k in 0..2 {
                self.f.columns[l.kept[k]][i] = kept[k];
            }
        }
        // The outputs are whatever fits.
        let word = self.at(l.lane, end - 1);
        self.put(l.kept[0], block.finish + 6..end, word);
        for k in 0..4 {
            let h1 = self.at(l.i + k, block.finish + 1);
            let r = self.at(l.x + k, block.finish);
            self.f.columns[l.x + k][block.finish + 1] = h1 - r;
        }
        let output = block.finish + 5;
        let words = [word, self.at(l.kept[0], output), self.at(l.kept[1], output)];
        for (k, word) in words.into_iter().enumerate() {
            self.f.columns[l.x + k][output] = word - self.at(l.i + k, output);
        }
    }

    /// Makes `(x, y)` the key of a block, with a root of x.
    fn rekey(&mut self, block: Block, x: Gf5, y: Gf5) {
        let (l, row) = (self.l, block.finish + 6);
        self.set(l.x, row, x);
        self.set(l.y, row, y);
        self.set(l.j, row, x.sqrt_vartime().expect("a square"));
        self.settle(block, None);
    }

    /// Copies rows of the chip, but for the block's number.
    fn copy(&mut self, from: usize, to: usize, rows: usize) {
        let l = self.l;
        for column in (l.x..l.x + signature::WIDTH).filter(|column| *column != l.block) {
            let values = self.f.columns[column][from..from + rows].to_vec();
            self.f.columns[column][to..to + rows].copy_from_slice(&values);
        }
    }

    /// Sets how often the digits from row `from` on read the points of a block.
    fn count_uses(&mut self, from: usize, finish: usize) {
        let l = self.l;
        for p in finish + 7..finish + 11 {
            let same = |i: &usize| {
                [l.u, l.v]
                    .iter()
                    .all(|column| self.at(*column, p) == self.at(*column, *i))
            };
            let uses = (from..finish).filter(same).count();
            self.f.columns[l.j][p] = felt(uses as u64);
        }
    }

    fn lie(self, name: impl Into<String>) -> Lie {
        Lie {
            name: name.into(),
            forgery: self.f,
        }
    }
}

fn scaled(value: Gf5, by: Felt) -> Gf5 {
    Gf5(value.0.map(|c| c * by))
}

/// All of them.
pub(crate) fn all() -> Vec<Lie> {
    let mut out = walks();
    out.extend(keys());
    out.extend(words());
    out.extend(blocks());
    out.extend(requests());
    out.extend(cells());
    out
}

/// Accumulators, inverses, points of the table, the start.
fn walks() -> Vec<Lie> {
    let mut out = vec![];
    let honest = || Chip::new(1);
    let last = honest().block(2);
    for k in 0..5 {
        for slip in [Slip::I(k), Slip::J(k), Slip::X(k), Slip::Y(k)] {
            for t in [0, 77, 159] {
                let mut chip = honest();
                chip.settle(last, Some((last.start + t, slip)));
                out.push(chip.lie(format!("digit {t} of an idle block: {slip:?}")));
            }
            if !matches!(slip, Slip::J(_)) {
                let mut chip = honest();
                chip.settle(last, Some((last.finish + 9, slip)));
                out.push(chip.lie(format!("point 2 of an idle block: {slip:?}")));
            }
        }
        for y in [false, true] {
            let mut chip = honest();
            let l = chip.l;
            let (column, value) = if y { (l.y, U.y) } else { (l.x, U.x) };
            chip.set(column, last.start, value + unit(k));
            chip.settle(last, None);
            out.push(chip.lie(format!("an idle block does not start at U: coefficient {k}, y: {y}")));
        }
    }
    // The points of the two halves of s: a digit reads another point than the one that it names.
    for tag in 0..4_usize {
        let mut chip = honest();
        let l = chip.l;
        let sign = |set: bool| if set { ONE } else { -ONE };
        let named =
            |chip: &Chip, i: usize| chip.at(l.u, i) == sign(tag & 1 == 1) && chip.at(l.v, i) == sign(tag & 2 == 2);
        let row = (last.start..last.finish).find(|i| named(&chip, *i)).expect("a digit");
        chip.settle(last, None);
        chip.set(l.tx, row, U.x + unit(1));
        chip.settle_rest(last, None);
        out.push(chip.lie(format!("a digit reads no point: tag {}", 45 + 2 * tag)));
    }
    // The first two digits over G'.
    for t in 0..2 {
        let mut chip = honest();
        let u = chip.l.u;
        let value = -chip.at(u, last.start + t);
        chip.put(u, [last.start + t], value);
        chip.settle(last, None);
        out.push(chip.lie(format!("s has bit {}", 319 - t)));
    }
    out
}

/// Keys that are none.
fn keys() -> Vec<Lie> {
    let mut out = vec![];
    let b = Gf5::new(formulas::B);
    for k in 0..5 {
        let honest = Chip::new(1);
        let (l, last) = (honest.l, honest.block(2));
        let row = last.finish + 6;
        let (w, x) = (honest.gf5(l.tx, row), honest.gf5(l.x, row));
        let multiples = || (1..).map(|d| scaled(unit(k), felt(d)));
        let mut chip = Chip::new(1);
        let root = multiples().find_map(|d| (x - d).sqrt_vartime()).expect("a root");
        chip.set(l.j, row, root);
        out.push(chip.lie(format!("the key's x is no square: coefficient {k}")));
        // x^2 + (2 - w^2) x + c = 0 with a square x.
        let solve = |c: Gf5| {
            let half = scaled(w.square() - Gf5::ONE - Gf5::ONE, ONE / felt(2));
            let root = (half.square() - c).sqrt_vartime()?;
            [half + root, half - root].into_iter().find(|x| x.is_square())
        };
        let (d, x) = multiples().find_map(|d| Some((d, solve(b + w * d)?))).expect("a key");
        let mut chip = Chip::new(1);
        chip.rekey(last, x, d - w * x);
        out.push(chip.lie(format!("the key's y is not -w x: coefficient {k}")));
        let x = multiples().find_map(|d| solve(b - d)).expect("a key");
        let mut chip = Chip::new(1);
        chip.rekey(last, x, -(w * x));
        out.push(chip.lie(format!("the key is not on the curve: coefficient {k}")));
    }
    for k in 0..5 {
        let mut chip = Chip::new(1);
        let (l, finish) = (chip.l, chip.block(2).finish);
        if k < 3 {
            chip.add(l.tx + k, [finish], ONE);
            chip.add(l.j + k, [finish], ONE);
        } else {
            chip.add(l.tx + k, finish..finish + 4, ONE);
            chip.add(l.x + k - 3, [finish + 2], ONE);
            chip.add(l.x + k - 3, [finish + 3], -ONE);
        }
        out.push(chip.lie(format!("the hash is of another key: lane {k}")));
    }
    out
}

/// Digits of the challenge and its words.
fn words() -> Vec<Lie> {
    let mut out = vec![];
    let last = Chip::new(1).block(2);
    for slip in [Slip::Lane, Slip::Ones] {
        let mut chip = Chip::new(1);
        chip.settle(last, Some((last.start + 5, slip)));
        out.push(chip.lie(format!("a word of the challenge: {slip:?}")));
    }
    let l = Chip::new(1).l;
    for (name, column) in [("sign", l.sign), ("u", l.u), ("v", l.v)] {
        let mut chip = Chip::new(1);
        chip.put(column, [last.finish + 20], felt(3));
        chip.settle(last, None);
        out.push(chip.lie(format!("a digit is 3: {name}")));
    }
    let mut chip = Chip::new(1);
    for i in last.start + 2 * GROUP..last.start + 2 * GROUP + 33 {
        let sign = chip.at(l.sign, i);
        chip.put(l.v, [i], sign);
    }
    chip.settle(last, None);
    out.push(chip.lie("a word of the challenge is p or more"));
    let mut chip = Chip::new(1);
    chip.add(l.kept[1], last.finish + 6..last.finish + 32, ONE);
    out.push(chip.lie("the word before the last is forgotten"));
    let mut chip = Chip::new(1);
    chip.add(l.kept[0], last.finish + 6..last.finish + 32, ONE);
    chip.add(l.x, [last.finish + 5], ONE);
    out.push(chip.lie("the third word is another"));
    out
}

/// The schedule of groups and blocks.
fn blocks() -> Vec<Lie> {
    let mut out = vec![];
    let mut chip = Chip::new(1);
    let (l, last) = (chip.l, chip.block(2));
    chip.put(l.block, last.start..last.finish + 32, felt(7));
    out.push(chip.lie("a block has another number"));
    // Blocks of one or of two groups, in the place of two idle ones.
    for (name, groups) in [("the third group comes first", 1), ("the third group comes second", 2)] {
        let mut chip = Chip::new(3);
        let first = chip.block(4);
        let third = first.start + 2 * GROUP;
        let pattern = chip.f.columns[l.x..l.x + signature::WIDTH]
            .iter()
            .map(|column| column[third..third + GROUP].to_vec())
            .collect::<Vec<_>>();
        for n in 0..6 / groups {
            let start = first.start + n * groups * GROUP;
            let finish = start + groups * GROUP - FINISH;
            let block = Block { start, finish };
            for g in 0..groups {
                for (column, values) in (l.x..).zip(&pattern) {
                    chip.f.columns[column][start + g * GROUP..start + (g + 1) * GROUP].copy_from_slice(values);
                }
            }
            let rows = start..finish + 32;
            chip.put(l.block, rows, felt(4 + n as u64));
            chip.put(l.phase[0], start..start + (groups - 1) * GROUP, ONE);
            // The first two digits over G' are -1 where a first group starts.
            if groups == 2 {
                for i in start..start + 2 {
                    let value = -chip.at(l.sign, i);
                    chip.put(l.u, [i], value);
                }
            }
            chip.set(l.x, start, U.x);
            chip.set(l.y, start, U.y);
            chip.settle(block, None);
        }
        out.push(chip.lie(name));
    }
    // A request is served by block 0, of which 128 rows are there.
    for counted_from in [0, 1] {
        let mut chip = Chip::new(1);
        let (one, two) = (chip.block(1), chip.block(2));
        chip.copy(one.start + GROUP, 0, 2 * GROUP);
        chip.copy(two.start, one.start, ROWS);
        // What block 0 leaves, and what the idle block does.
        for (block, before) in [(one, 2 * GROUP - 1), (two, one.finish + 31)] {
            let (lane, rows) = (chip.at(l.lane, before), block.start..block.start + GROUP);
            chip.put(l.kept[0], rows.clone(), lane);
            let kept = chip.at(l.kept[0], before);
            chip.put(l.kept[1], rows, kept);
            chip.put(l.kept[1], block.start + GROUP..block.start + 2 * GROUP, lane);
        }
        chip.count_uses(0, GROUP + FINISH);
        chip.add(l.block, 0..512, felt(counted_from));
        for (number, finish) in [GROUP + FINISH, one.finish, two.finish].into_iter().enumerate() {
            chip.put(l.ty + 2, [finish], felt(number as u64 + counted_from).inv());
        }
        out.push(chip.lie(format!("block 0 serves a request, as number {counted_from}")));
    }
    // One request, two blocks that serve it twice and minus once.
    let mut chip = Chip::new(1);
    let (one, two) = (chip.block(1), chip.block(2));
    chip.copy(one.start + 2 * GROUP, two.start + 2 * GROUP, GROUP);
    chip.copy(one.start, two.start, 2 * GROUP);
    let lane = chip.at(l.lane, two.start - 1);
    chip.put(l.kept[0], two.start..two.start + GROUP, lane);
    chip.put(l.kept[1], two.start..two.start + GROUP, lane);
    chip.put(l.kept[1], two.start + GROUP..two.start + 2 * GROUP, lane);
    chip.put(l.ty + 2, [two.finish], felt(2).inv());
    for (block, active) in [(one, felt(2)), (two, -ONE)] {
        chip.put(l.ty + 1, block.finish..block.finish + 7, active);
    }
    out.push(chip.lie("a request is served twice, and minus once"));
    out
}

/// What the cpu is told.
fn requests() -> Vec<Lie> {
    let mut out = vec![];
    let l = Chip::new(1).l;
    let row = Chip::new(1).f.row_at(10);
    // The message and the key that the cpu holds are others than those of the block.
    for r in [0, 1, 2, 3, 4, 8, 9, 10, 11] {
        let mut chip = Chip::new(1);
        let mov = (0..row)
            .rev()
            .find(|i| chip.f.register(*i, r) != chip.f.register(i + 1, r));
        let Some(mov) = mov else { continue };
        chip.f.columns[starling_air::chips::cpu::X][mov] += ONE;
        chip.f.columns[starling_air::chips::cpu::IMM][mov] += ONE;
        chip.f.operands(mov);
        chip.f.write_back(mov);
        out.push(chip.lie(format!("the signature is not for register {r}")));
    }
    // Nobody answers, and nobody asks.
    let mut chip = Chip::new(1);
    let finish = chip.block(1).finish;
    chip.put(l.ty + 1, finish..finish + 7, ZERO);
    for i in 0..chip.f.length() {
        let group = i - i % 8;
        let id = chip.at(starling_air::chips::hash::ID, group).as_int();
        if !id.is_multiple_of(4) {
            chip.put(starling_air::chips::hash::ACTIVE, [i], ZERO);
        }
    }
    out.push(chip.lie("a signature that no block checks"));
    let mut chip = Chip::new(1);
    chip.add(l.ty, finish..finish + 7, felt(100));
    for i in 0..chip.f.length() {
        let id = chip.at(starling_air::chips::hash::ID, i);
        if !id.as_int().is_multiple_of(4) {
            chip.add(starling_air::chips::hash::ID, [i], felt(400));
        }
    }
    out.push(chip.lie("a signature that was asked for in another cycle"));
    // The blocks of a run without signatures hold a valid one, of cycle 0.
    let sample = Sample::assemble("mov r0, 1\nhalt", &[], &[]);
    let trace = build_with(&sample.program, &RunInputs::default(), 1000, Some(ChipSet::Kernel)).expect("a trace");
    let mut chip = Chip {
        f: Forgery::of(&Sample { trace, ..sample }),
        l,
    };
    let finish = chip.block(2).finish;
    chip.put(l.ty + 1, finish..finish + 7, ONE);
    let group = chip.f.first_call();
    for k in 0..3 {
        let column = |lane: usize| if lane < 5 { l.x + lane } else { l.j + lane - 5 };
        let input = core::array::from_fn(|lane| chip.at(column(lane), finish + 2 * k));
        chip.f.set_call(group + k, input, felt(k as u64 + 1), ONE, false);
    }
    out.push(chip.lie("a signature that nobody asked for"));
    let mut chip = Chip::new(1);
    chip.put(l.ty + 1, [finish + 6], ONE);
    out.push(chip.lie("a block serves a request at its key only"));
    // Two instructions, one block.
    let mut chip = Chip::new(2);
    let finish = chip.block(2).finish;
    let clk = chip.at(l.ty, finish).as_int();
    chip.put(l.ty + 1, finish..finish + 7, ZERO);
    for i in 0..chip.f.length() {
        let id = chip.at(starling_air::chips::hash::ID, i).as_int();
        if !id.is_multiple_of(4) && id / 4 == clk {
            chip.put(starling_air::chips::hash::ACTIVE, [i], ZERO);
        }
    }
    out.push(chip.lie("two instructions, one served block"));
    out
}

/// Changes of single cells of an idle block that exactly one constraint notices, at most two for each constraint.
fn cells() -> Vec<Lie> {
    let honest = Chip::new(1);
    let (l, last) = (honest.l, honest.block(2));
    let machine = honest.f.machine;
    let periodic = machine.periodic_columns();
    let mut values = vec![ZERO; machine.main_degrees().len()];
    let mut violated = |f: &Forgery, row: usize| {
        let line = |i: usize| f.columns.iter().map(|column| column[i]).collect::<Vec<_>>();
        let periodic: Vec<Felt> = periodic.iter().map(|c| felt(c[row % c.len()])).collect();
        let frame = MainFrame {
            current: &line(row),
            next: &line(row + 1),
            periodic: &periodic,
        };
        machine.eval_main(&frame, &mut values);
        (0..values.len()).filter(|i| values[*i] != ZERO).collect::<Vec<_>>()
    };
    let mut found = std::collections::BTreeMap::<usize, usize>::new();
    let mut out = vec![];
    let mut f = honest.f.clone();
    for row in last.finish..last.finish + 31 {
        for column in l.x..l.x + signature::WIDTH {
            let old = f.columns[column][row];
            f.columns[column][row] += felt(5);
            let mut all = violated(&f, row - 1);
            all.extend(violated(&f, row));
            all.sort_unstable();
            all.dedup();
            if let [only] = all[..] {
                let count = found.entry(only).or_default();
                if *count < 2 {
                    *count += 1;
                    out.push(Lie {
                        name: format!("row {} of an idle block: column {column}", row - last.start),
                        forgery: f.clone(),
                    });
                }
            }
            f.columns[column][row] = old;
        }
    }
    out
}
