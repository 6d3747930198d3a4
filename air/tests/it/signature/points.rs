//! Inverses, keys and points that are none.

use std::collections::BTreeSet;

use starling_air::chips::signature::GROUP;
use starling_vm::ecgfp5::{Gf5, formulas};

use super::{Chip, layout, names_at, request};

#[test]
fn inverses_are_inverses() {
    let requests = [request(5, 1)];
    let honest = Chip::new(512, &requests);
    let l = layout();
    let any = Gf5::new([5, 4, 3, 2, 1]);
    for t in [0, 1, 63, 64, 150, 158] {
        let i = honest.start(1) + t;
        // A sum that is none: any inverse, and the rest computed from it as the formulas say.
        for which in 0..2 {
            let mut chip = honest.clone();
            let (x, y) = (chip.gf5(l.x, i), chip.gf5(l.y, i));
            if which == 0 {
                chip.set(l.i, i, any);
            }
            let slope = formulas::chord_slope(&y, &chip.gf5(l.ty, i), &chip.gf5(l.i, i));
            let sum = formulas::sum_x(&slope, &x, &chip.gf5(l.tx, i));
            chip.set(l.j, i, if which == 0 { (x - sum).inverse_or_zero() } else { any });
            let second = formulas::second_slope(&slope, &y, &chip.gf5(l.j, i));
            let next_x = formulas::sum_x(&second, &x, &sum);
            chip.set(l.x, i + 1, next_x);
            chip.set(l.y, i + 1, formulas::sum_y(&second, &x, &y, &next_x));
            let name = [
                "signature: i is the inverse of x(T) - x(A), or of x(Q) - x(G + u G')",
                "signature: j is the inverse of x(A) - x(A + T)",
            ][which];
            assert_eq!(names_at(&chip, i), BTreeSet::from([name]), "row {t}");
        }
    }
}

#[test]
fn exceptional_cases_have_no_witness() {
    // With x(T) = x(A) the first coefficient of i (x(T) - x(A)) - 1 is -1 whatever i is; the same for j.
    let honest = Chip::new(512, &[request(5, 1)]);
    let l = layout();
    let i = honest.start(1) + 77;
    let mut chip = honest.clone();
    chip.set(l.tx, i, chip.gf5(l.x, i));
    for inverse in [Gf5::ZERO, Gf5::ONE, Gf5::new([5, 4, 3, 2, 1])] {
        chip.set(l.i, i, inverse);
        assert!(names_at(&chip, i).contains("signature: i is the inverse of x(T) - x(A), or of x(Q) - x(G + u G')"));
    }
    // T = -2A: A + T = -A.
    let (a, twice) = (honest.gf5(l.x, i), {
        let (x, y) = (honest.gf5(l.x, i), honest.gf5(l.y, i));
        let point = starling_vm::ecgfp5::Affine { x, y };
        (-starling_vm::ecgfp5::Point::from(point).doubled())
            .to_affine()
            .unwrap()
    });
    let mut chip = honest.clone();
    chip.set(l.tx, i, twice.x);
    chip.set(l.ty, i, twice.y);
    chip.set(l.i, i, (twice.x - a).inverse_or_zero());
    for inverse in [Gf5::ZERO, Gf5::ONE, Gf5::new([5, 4, 3, 2, 1])] {
        chip.set(l.j, i, inverse);
        assert!(names_at(&chip, i).contains("signature: j is the inverse of x(A) - x(A + T)"));
    }
}

#[test]
fn keys_are_points_of_the_group() {
    let honest = Chip::new(512, &[request(5, 1)]);
    let l = layout();
    let i = honest.start(1) + 2 * GROUP + 38;
    let w = honest.gf5(l.tx, i);
    let b = Gf5::new(formulas::B);
    let set = |x: Gf5, y: Gf5, root: Gf5| {
        let mut chip = honest.clone();
        for row in [i, i + 1] {
            chip.set(l.x, row, x);
            chip.set(l.y, row, y);
        }
        chip.set(l.j, i, root);
        names_at(&chip, i)
    };
    let (x, y) = (honest.gf5(l.x, i), honest.gf5(l.y, i));
    let root = honest.gf5(l.j, i);
    assert_eq!(set(x, y, root), BTreeSet::new());
    assert_eq!(set(x, y, -root), BTreeSet::new());
    // The other point with this w, which is not of order n.
    let other = b * x.inverse_or_zero();
    assert!(!other.is_square());
    let name = "signature: the key's x is a square";
    assert_eq!(set(other, -(w * other), root), BTreeSet::from([name]));
    // A square x and a y that satisfy x^2 + 2x + 263z = -w y alone.
    let x = Gf5::new([3, 1, 4, 1, 5]).square();
    let y = -((x.square() + x + x + b) * w.inverse_or_zero());
    let root = x.sqrt_vartime().unwrap();
    assert_eq!(set(x, y, root), BTreeSet::from(["signature: the key's y is -w x"]));
    // A square x and y = -w x, not on the curve.
    let name = "signature: the key is on the curve";
    assert_eq!(set(x, -(w * x), root), BTreeSet::from([name]));
}

#[test]
fn points_are_sums() {
    let honest = Chip::new(512, &[request(5, 1)]);
    let l = layout();
    for k in 0..4 {
        let i = honest.start(1) + 2 * GROUP + 39 + k;
        assert_eq!(names_at(&honest, i), BTreeSet::new());
        // Another point in its place, its negative, and its double.
        let mut chip = honest.clone();
        chip.set(
            l.tx,
            i,
            honest.gf5(l.tx, honest.start(1) + 2 * GROUP + 39 + (k + 1) % 4),
        );
        assert!(names_at(&chip, i).contains("signature: a point's x is that of G + u G' + v Q"));
        let mut chip = honest.clone();
        chip.set(l.ty, i, -honest.gf5(l.ty, i));
        let name = "signature: a point's y, with the sign, is that of G + u G' + v Q";
        assert_eq!(names_at(&chip, i), BTreeSet::from([name]));
        // A row may only name the point that it holds.
        for column in [l.u, l.v] {
            let mut chip = honest.clone();
            chip.columns[column][i] = -chip.columns[column][i];
            assert!(!names_at(&chip, i).is_empty());
        }
    }
}
