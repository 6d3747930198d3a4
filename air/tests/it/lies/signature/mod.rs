//! Lies in the signature chip of the machine. A block that serves nothing may end anywhere, so most of them are told
//! there: a lie that is told in a served block changes the challenge, which is a hash. Those are in `served`.

use starling_air::chips::signature::{self, Columns, FINISH, GROUP, ROWS};
use starling_vm::ecgfp5::{Gf5, formulas};
use starling_vm::field::Felt;
use starling_vm::schnorr::constants::{G_DIFFERENCE, G_SUM};
use winterfell::math::FieldElement;

use crate::forge::{Forgery, ONE, ZERO, felt};
use crate::lies::Lie;
use crate::samples::Sample;

mod blocks;
mod requests;
mod roots;
mod served;
mod walks;

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
    let mut out = walks::walks();
    out.extend(walks::keys());
    out.extend(blocks::words());
    out.extend(blocks::blocks());
    out.extend(requests::requests());
    out.extend(requests::cells());
    out.extend(served::all());
    out
}
