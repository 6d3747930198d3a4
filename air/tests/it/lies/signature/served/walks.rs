//! The walk lands on the commitment because one thing in it is wrong.

use starling_air::chips::signature::POINT_TAG;
use starling_vm::ecgfp5::{Affine, Gf5, Point, Scalar, formulas};
use starling_vm::schnorr::constants::{U, U_HIGH};

use super::{
    COMMITMENT, FIRST_INVERSE, Family, NEXT_X, NEXT_Y, S, SECOND_INVERSE, challenge, generated, misses, offset,
    response, salted, secret, served, victim, with_nonce,
};
use crate::forge::felt;
use crate::lies::Lie;
use crate::lies::signature::roots::root_of;

/// All of them.
pub(super) fn all() -> Vec<(Lie, Family)> {
    let key = victim();
    let key = key.public_key();
    let challenge = challenge(&COMMITMENT);
    let mut out = vec![];

    let mut block = served(key, S, &challenge);
    let (l, i) = (block.chip.l, block.last());
    let [x, y] = [l.x, l.y].map(|column| block.chip.gf5(column, i));
    let sum = {
        let slope = formulas::chord_slope(&y, &block.chip.gf5(l.ty, i), &block.chip.gf5(l.i, i));
        (slope, formulas::sum_x(&slope, &x, &block.chip.gf5(l.tx, i)))
    };
    let second = formulas::second_slope(&sum.0, &y, &block.chip.gf5(l.j, i));
    block
        .chip
        .set(l.y, i + 1, formulas::sum_y(&second, &x, &y, &COMMITMENT));
    out.push(block.breaks_one("the last x is the commitment, wherever the walk ends", NEXT_X));

    let (mut block, slope) = (0..100)
        .find_map(|salt| {
            let block = served(key, salted(salt), &challenge);
            let [x, y, tx, ty] = [l.x, l.y, l.tx, l.ty].map(|column| block.chip.gf5(column, i));
            let sum = formulas::sum_x(&formulas::chord_slope(&y, &ty, &block.chip.gf5(l.i, i)), &x, &tx);
            let square = COMMITMENT - formulas::sum_x(&Gf5::ZERO, &x, &sum);
            Some((block, square.sqrt_vartime()?))
        })
        .expect("every second s");
    let [x, y, ty] = [l.x, l.y, l.ty].map(|column| block.chip.gf5(column, i));
    let first = formulas::chord_slope(&y, &ty, &block.chip.gf5(l.i, i));
    block.chip.set(l.j, i, (slope + first) * (y + y).inverse_or_zero());
    block.chip.set(l.y, i + 1, formulas::sum_y(&slope, &x, &y, &COMMITMENT));
    out.push(block.breaks_one("a second inverse that leads to the commitment", SECOND_INVERSE));

    let (mut block, slope) = (0..100)
        .find_map(|salt| {
            let block = served(key, salted(salt), &challenge);
            let [x, y, tx] = [l.x, l.y, l.tx].map(|column| block.chip.gf5(column, i));
            Some((block, root_of(6, |slope| misses(COMMITMENT, x, y, tx, slope))?))
        })
        .expect("some s");
    let gap = block.chip.gf5(l.ty, i) - block.chip.gf5(l.y, i);
    block.chip.set(l.i, i, slope * gap.inverse_or_zero());
    block.last_step(slope);
    out.push(block.breaks_one("a first inverse that leads to the commitment", FIRST_INVERSE));

    let (mut block, slope) = (0..100)
        .find_map(|salt| {
            let block = served(key, salted(salt), &challenge);
            let [x, tx, ty] = [l.x, l.tx, l.ty].map(|column| block.chip.gf5(column, i));
            let y = |slope: Gf5| ty - slope * (tx - x);
            Some((block, root_of(6, |slope| misses(COMMITMENT, x, y(slope), tx, slope))?))
        })
        .expect("some s");
    let [x, tx, ty] = [l.x, l.tx, l.ty].map(|column| block.chip.gf5(column, i));
    block.chip.set(l.y, i, ty - slope * (tx - x));
    block.last_step(slope);
    out.push(block.breaks_one(
        "an accumulator off the curve, from which one step leads to the commitment",
        NEXT_Y,
    ));

    // Where the walk must start to end at a point that the forger likes.
    let end = generated(&Scalar::from_u64(77));
    let s = Scalar::from_words(core::array::from_fn(|k| {
        u64::from(S[2 * k]) | u64::from(S[2 * k + 1]) << 32
    }));
    let s = s.expect("below the order");
    let c = super::challenge(&end.affine_x());
    let walked = generated(&(s + s - offset())) + Point::from(*key.point()).times_vartime(&c.scalar());
    let inverse = (0..160).fold(Scalar::ONE, |power, _| power.halved());
    let start = (end - walked).times_vartime(&inverse).to_affine().expect("not neutral");
    let mut block = served(key, S, &c);
    block.chip.set(l.x, block.block.start, start.x);
    block.chip.set(l.y, block.block.start, start.y);
    block.walk();
    out.push(block.breaks(
        "the walk starts where it must to end at the commitment",
        Family::Names(vec![NEXT_X, NEXT_Y]),
    ));

    // The owner starts at -U.
    let owner = victim();
    let mut block = with_nonce(|k| {
        let c = super::challenge(&(generated(&k) - Point::from(U_HIGH)).affine_x());
        Some(served(key, response(k, c.scalar(), secret(&owner))?, &c))
    });
    block.chip.set(l.y, block.block.start, -U.y);
    block.walk();
    out.push(block.breaks_one("the walk starts at -U", NEXT_Y));

    // The last digit reads the point that is missing.
    let end = generated(&Scalar::from_u64(78));
    let c = super::challenge(&end.affine_x());
    let mut block = served(key, S, &c);
    let a = Affine {
        x: block.chip.gf5(l.x, i),
        y: block.chip.gf5(l.y, i),
    };
    let t = (end - Point::from(a).doubled()).to_affine().expect("not neutral");
    block.chip.set(l.tx, i, t.x);
    block.chip.set(l.ty, i, t.y);
    block.walk();
    let tag = [l.u, l.v].map(|column| block.chip.at(column, i));
    let tag = felt(POINT_TAG + 8) + tag[0] + tag[1] + tag[1];
    out.push(block.breaks(
        "the last digit reads the point that leads to the commitment",
        Family::Tags(vec![tag.as_int()]),
    ));
    out
}
