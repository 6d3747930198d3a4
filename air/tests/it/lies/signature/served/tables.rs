//! Points that are not those of the key, and keys that are not the one asked about.

use starling_vm::ecgfp5::{Gf5, Point, formulas};
use starling_vm::schnorr::SecretKey;
use starling_vm::schnorr::constants::{G_DIFFERENCE, G_SUM, U_HIGH};

use super::{
    COMMITMENT, COUNTED, Family, KEY, POINT_X, POINT_Y, SQUARE, challenge, encoding, generated, response, secret,
    served, victim, with_nonce,
};
use crate::forge::{ONE, ZERO, felt};
use crate::lies::Lie;
use crate::lies::signature::roots::root_of;
use crate::lies::signature::scaled;

/// All of them.
pub(super) fn all() -> Vec<(Lie, Family)> {
    let (owner, forger) = (victim(), SecretKey::derive(b"forger"));
    let key = owner.public_key();
    let mut out = vec![];

    // Of the points with v = 1, only the last digit reads one.
    let c = challenge(&COMMITMENT);
    let found = (0..100).find_map(|salt: u32| {
        let mut s = [0; 10];
        s[5] = salt;
        for j in 0..160 {
            if c.bit(j) == (j == 159) {
                s[4 - j / 32] |= 1 << (31 - j % 32);
            }
        }
        let block = served(key, s, &c);
        let (l, i) = (block.chip.l, block.last());
        let same = |p: &usize| [l.u, l.v].iter().all(|k| block.chip.at(*k, *p) == block.chip.at(*k, i));
        let p = (block.block.finish + 7..block.block.finish + 11)
            .find(same)
            .expect("a point");
        assert!(block.chip.at(l.v, p) == ONE && block.chip.at(l.j, p) == ONE);
        let base = if block.chip.at(l.u, p) == ONE {
            G_SUM
        } else {
            G_DIFFERENCE
        };
        let slope = formulas::chord_slope(&base.y, &block.chip.gf5(l.y, p), &block.chip.gf5(l.i, p));
        let point_y = |t: Gf5| formulas::sum_y(&slope, &base.x, &base.y, &t);
        let sign = block.chip.at(l.sign, i);
        let [x, y] = [l.x, l.y].map(|column| block.chip.gf5(column, i));
        // As [misses], times the sixth power of the chord's denominator, less its square, which divides it.
        let t = root_of(7, |t| {
            let (below, above) = (t - x, scaled(point_y(t), sign) - y);
            let square = below.square();
            let sum = above.square() + formulas::sum_x(&Gf5::ZERO, &x, &t) * square;
            let gap = x * square - sum;
            let left = (y + y) * square * below - above * gap;
            let right = COMMITMENT * square - formulas::sum_x(&Gf5::ZERO, &x, &Gf5::ZERO) * square + sum;
            (left.square() - right * gap.square()) * square.inverse_or_zero()
        })?;
        Some((block, p, t, point_y(t)))
    });
    let (mut block, p, t, y) = found.expect("some s");
    let (l, i) = (block.chip.l, block.last());
    for row in [i, p] {
        let sign = block.chip.at(l.sign, row);
        block.chip.set(l.tx, row, t);
        block.chip.set(l.ty, row, scaled(y, sign));
    }
    block.walk();
    out.push(block.breaks_one("a point of the table that leads to the commitment", POINT_X));

    // All points are those of minus the table.
    let mut block = with_nonce(|k| {
        let c = challenge(&(generated(&k) + Point::from(U_HIGH)).affine_x());
        Some(served(key, response(-k, c.scalar(), secret(&owner))?, &c))
    });
    let points = block.block.finish + 7..block.block.finish + 11;
    for i in (block.block.start..block.block.finish).chain(points) {
        let y = block.chip.gf5(l.ty, i);
        block.chip.set(l.ty, i, -y);
    }
    block.walk();
    out.push(block.breaks_one("the table is minus the key's", POINT_Y));

    // The forger's own key in the place of the victim's: it signs for the victim's encoding and message.
    let signed = || {
        with_nonce(|k| {
            let c = challenge(&(generated(&k) + Point::from(U_HIGH)).affine_x());
            let s = response(k, c.scalar(), secret(&forger))?;
            Some((s, c))
        })
    };
    let (s, c) = signed();
    let mut block = served(forger.public_key(), s, &c);
    block.show_encoding(0..7);
    block.show_point();
    block.walk();
    out.push(block.breaks("the table of another key", Family::Names(vec![POINT_X, POINT_Y])));
    let mut block = served(forger.public_key(), s, &c);
    block.show_encoding(0..6);
    block.walk();
    out.push(block.breaks_one("the key of the points is not the key asked about", KEY));

    // The points of the next block, which is idle and whose key everybody knows.
    let idle = SecretKey::derive(b"idle signature block");
    let (s, c) = with_nonce(|k| {
        let c = challenge(&(generated(&k) + Point::from(U_HIGH)).affine_x());
        Some((response(k, c.scalar(), secret(&idle))?, c))
    });
    let mut block = served(idle.public_key(), s, &c);
    block.show_encoding(0..7);
    block.show_point();
    let next = block.chip.block(2).finish;
    for t in 7..11 {
        let (here, there) = (block.block.finish + t, next + t);
        let uses = block.chip.at(l.j, here);
        block.chip.add(l.j, [there], uses);
        block.chip.put(l.j, [here], ZERO);
        let (point, sign) = (key.table().points[t - 7], block.chip.at(l.sign, here));
        block.chip.set(l.tx, here, point.x);
        block.chip.set(l.ty, here, scaled(point.y, sign));
    }
    block.chip.put(l.block, block.block.start..block.block.finish, felt(2));
    block.walk();
    out.push(block.breaks_one("the digits read the points of another block", COUNTED));

    // Minus the key, plus the point of order two, has the key's encoding; so the walk ends at the commitment plus that
    // point, whose x is this.
    let b = Gf5::new(formulas::B);
    let mut block = with_nonce(|k| {
        let c = challenge(&(b * (generated(&k) + Point::from(U_HIGH)).affine_x().inverse_or_zero()));
        Some(served(key, response(k, -c.scalar(), secret(&owner))?, &c))
    });
    let row = block.block.finish + 6;
    let x = b * key.point().x.inverse_or_zero();
    block.chip.set(l.x, row, x);
    block.chip.set(l.y, row, -(encoding(&owner) * x));
    block.chip.settle_points(block.block, None);
    block.chip.settle_digits(block.block);
    block.walk();
    out.push(block.breaks_one("the other point with the key's encoding", SQUARE));
    out
}
