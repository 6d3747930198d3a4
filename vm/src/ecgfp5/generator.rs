//! Multiples of the conventional generator, in constant time.

use std::sync::LazyLock;

use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::Zeroize;

use super::gf5::Gf5;
use super::point::{Point, TablePoint};
use super::scalar::Scalar;

/// The encoding of the conventional generator G (section 5 of the paper).
pub const GENERATOR: Gf5 = Gf5::new([4, 0, 0, 0, 0]);

/// `TABLE[i][j]` is (j + 1) 16^i G: 51 kB, computed on first use in well under a millisecond.
static TABLE: LazyLock<Vec<[TablePoint; 8]>> = LazyLock::new(|| {
    let mut base = Point::decode(GENERATOR).expect("the generator decodes");
    let mut points = Vec::with_capacity(80 * 8);
    for _ in 0..80 {
        let mut multiple = base;
        for _ in 0..8 {
            points.push(multiple);
            multiple = multiple + base;
        }
        base = base.doubled().doubled().doubled().doubled();
    }
    Point::to_entries(&points).as_chunks::<8>().0.to_vec()
});

/// `scalar` times G: 80 additions of table entries, each found by reading the whole row of the table, so that neither
/// branches nor addresses depend on the scalar.
pub fn times_generator(scalar: &Scalar) -> Point {
    let mut digits = scalar.signed_nibbles();
    let mut result = Point::NEUTRAL;
    for (row, &digit) in TABLE.iter().zip(&digits) {
        let sign = digit >> 7;
        let magnitude = ((digit ^ sign) - sign) as u8;
        // Digit 0 selects no entry and adds the neutral point: x = u = 0.
        let mut entry = TablePoint::default();
        for (j, candidate) in row.iter().enumerate() {
            entry.conditional_assign(candidate, magnitude.ct_eq(&(j as u8 + 1)));
        }
        entry = TablePoint::conditional_select(&entry, &-entry, ((sign & 1) as u8).into());
        result = result.plus_entry(&entry);
        entry.zeroize();
    }
    digits.zeroize();
    result
}
