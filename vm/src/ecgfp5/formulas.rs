//! The affine formulas on y^2 = x (x^2 + 2x + 263z), over any [CurveField].
//!
//! The signature chip's constraints and native verification both call these. They are the incomplete chord formulas: the
//! inverse of a denominator is an argument, so that the caller says where it comes from (a witness cell with a
//! constraint, or a batched inversion) and what happens when there is none.

use super::gf5::CurveField;

/// The curve's coefficient of x^2.
pub const A: u64 = 2;

/// The curve's coefficient of x, 263z.
pub const B: [u64; 5] = [0, 263, 0, 0, 0];

/// The slope of the chord through (x1, y1) and (x2, y2): (y2 - y1) times `inverse`, the inverse of x2 - x1.
#[inline(always)]
pub fn chord_slope<K: CurveField>(y1: &K, y2: &K, inverse: &K) -> K {
    (y2.clone() - y1.clone()) * inverse.clone()
}

/// The x-coordinate of the third point on the line of slope `slope` through points with the coordinates x1 and x2, which
/// is that of their sum.
#[inline(always)]
pub fn sum_x<K: CurveField>(slope: &K, x1: &K, x2: &K) -> K {
    slope.squared() - K::coefficients([A, 0, 0, 0, 0]) - x1.clone() - x2.clone()
}

/// The y-coordinate of the sum with the x-coordinate `x3`, on the line of slope `slope` through (x1, y1).
#[inline(always)]
pub fn sum_y<K: CurveField>(slope: &K, x1: &K, y1: &K, x3: &K) -> K {
    slope.clone() * (x1.clone() - x3.clone()) - y1.clone()
}

/// The slope of the chord through P and P + T, from the slope of the chord through P and T, without the y-coordinate of
/// P + T: 2 y(P) / (x(P) - x(P + T)) minus the first slope. `inverse` is the inverse of x(P) - x(P + T).
#[inline(always)]
pub fn second_slope<K: CurveField>(first: &K, y: &K, inverse: &K) -> K {
    y.doubled() * inverse.clone() - first.clone()
}

/// Zero if and only if x w^2 = x^2 + 2x + 263z, given y = -w x: (x, y) is on the curve and has the encoding w.
#[inline(always)]
pub fn curve_residue<K: CurveField>(w: &K, x: &K, y: &K) -> K {
    x.squared() + x.doubled() + K::coefficients(B) + w.clone() * y.clone()
}
