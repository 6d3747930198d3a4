//! Accumulators, inverses, points and keys of an idle block.

use starling_vm::ecgfp5::{Gf5, formulas};
use starling_vm::schnorr::constants::U;

use super::{Chip, Slip, scaled, unit};
use crate::forge::{ONE, felt};
use crate::lies::Lie;

/// Accumulators, inverses, points of the table, the start.
pub(super) fn walks() -> Vec<Lie> {
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
pub(super) fn keys() -> Vec<Lie> {
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
