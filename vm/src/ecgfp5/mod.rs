//! ecGFp5: a curve of prime order, about 2^319, over the quintic extension of Goldilocks.
//!
//! Source: Thomas Pornin, *EcGFp5: a Specialized Elliptic Curve*, eprint 2022/274, and its reference implementation,
//! whose published vectors our tests run.
//!
//! The curve is E: y^2 = x (x^2 + 2x + 263z) over GF(p^5) = GF(p)\[z\]/(z^5 - 3). It has 2n points, n prime; the only
//! point of order two is N = (0, 0). The paper's group is the set of points P + N with P of order n (or neutral), with
//! the sum (P + N) + (Q + N) = (P + Q) + N, because complete formulas exist for it. That group and the subgroup of order
//! n are the same group in two disguises, and both are used here:
//!
//! - [Point] is the paper's group in fractional (x, u) coordinates: complete formulas, no exceptional cases. Keys and
//!   commitments are computed with it, in constant time.
//! - [Affine] is a point other than the neutral one of the subgroup of order n, as (x, y) on E. What the proof's
//!   signature chip computes, and so what verification computes, is written in these coordinates
//!   ([formulas]).
//!
//! One field element encodes both: w = y/x of P + N, which is also -y/x of P (section 3.3 of the paper). Every w has
//! at most one P, because the two x-coordinates that belong to w multiply to 263z, no square, and P is the one whose
//! x is a square.
//!
//! Reading order: [gf5], [scalar], [formulas], [point].

pub mod formulas;
pub mod generator;
pub mod gf5;
pub mod point;
pub mod scalar;

pub use gf5::{Gf5, Quintic};
pub use point::{Affine, Point};
pub use scalar::Scalar;
