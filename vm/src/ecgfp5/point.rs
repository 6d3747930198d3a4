//! Points: [Point] with complete formulas, [Affine] for the chord formulas.

use core::ops::{Add, Neg, Sub};

use subtle::{Choice, ConditionallySelectable};
use zeroize::DefaultIsZeroes;

use super::formulas::{A, B, curve_residue};
use super::gf5::Gf5;
use super::scalar::Scalar;

/// The coefficient 263 of b = 263z.
const B1: u32 = B[1] as u32;

/// The product with b = 263z.
fn times_b(x: Gf5) -> Gf5 {
    let [c0, c1, c2, c3, c4] = x.times(B1).0;
    Gf5([c4 + c4 + c4, c0, c1, c2, c3])
}

// AFFINE
// ================================================================================================================

/// A point of order n, not the neutral one, as (x, y) on y^2 = x (x^2 + 2x + 263z).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Affine {
    /// The x-coordinate, a nonzero square.
    pub x: Gf5,
    /// The y-coordinate, never zero.
    pub y: Gf5,
}

impl Affine {
    /// The point with the encoding `w`, and a square root of its x-coordinate, which is what shows that the point has
    /// order n. `None` when `w` encodes no point, or the neutral one. Time depends on `w`.
    pub fn decode_with_root(w: Gf5) -> Option<(Self, Gf5)> {
        // x^2 - (w^2 - 2) x + b = 0. Of the two roots the square one belongs to the point of order n.
        let e = w.square() - Gf5::new([A, 0, 0, 0, 0]);
        let four_b = Gf5::new([0, 4 * B[1], 0, 0, 0]);
        let root = (e.square() - four_b).sqrt_vartime()?;
        let twice = e + root;
        let x = if half(twice).is_square() {
            half(twice)
        } else {
            half(e - root)
        };
        let x_root = x.sqrt_vartime()?;
        Some((Self { x, y: -(w * x) }, x_root))
    }

    /// The point with the encoding `w`; `None` when there is none, or it is the neutral one. Time depends on `w`.
    pub fn decode(w: Gf5) -> Option<Self> {
        Self::decode_with_root(w).map(|(point, _)| point)
    }

    /// The encoding, w = -y/x.
    pub fn encode(&self) -> Gf5 {
        -(self.y * self.x.inverse_or_zero())
    }

    /// Whether the coordinates belong to the curve and to its subgroup of order n.
    pub fn is_valid(&self) -> bool {
        !self.x.is_zero() && self.x.is_square() && curve_residue(&self.encode(), &self.x, &self.y).is_zero()
    }
}

impl Neg for Affine {
    type Output = Self;
    fn neg(self) -> Self {
        Self { x: self.x, y: -self.y }
    }
}

fn half(x: Gf5) -> Gf5 {
    const HALF: u64 = crate::field::MODULUS.div_ceil(2);
    let half = crate::field::Felt::new(HALF);
    Gf5(x.0.map(|c| c * half))
}

// COMPLETE
// ================================================================================================================

/// A point of the paper's group, in fractional coordinates: x = X/Z, u = x/y = U/T, and (0, 0) for the neutral point.
///
/// Every operation is a fixed sequence of field operations.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    x: Gf5,
    z: Gf5,
    u: Gf5,
    t: Gf5,
}

/// A table entry: a [Point] with Z = T = 1.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TablePoint {
    x: Gf5,
    u: Gf5,
}

impl Point {
    /// The neutral point.
    pub const NEUTRAL: Self = Self {
        x: Gf5::ZERO,
        z: Gf5::ONE,
        u: Gf5::ZERO,
        t: Gf5::ONE,
    };

    /// The point with the encoding `w`, or `None`. Time depends on `w`.
    pub fn decode(w: Gf5) -> Option<Self> {
        if w.is_zero() {
            return Some(Self::NEUTRAL);
        }
        Affine::decode(w).map(Self::from)
    }

    /// The encoding w = y/x, zero for the neutral point. It is canonical: equal points have equal encodings.
    pub fn encode(&self) -> Gf5 {
        self.t * self.u.inverse_or_zero()
    }

    /// Whether this is the neutral point.
    pub fn is_neutral(&self) -> bool {
        self.u.is_zero()
    }

    /// The point as one of order n, (263z / x, -263z / (x u)); `None` for the neutral point.
    pub fn to_affine(&self) -> Option<Affine> {
        if self.is_neutral() {
            return None;
        }
        let inverse = (self.x * self.u).inverse_or_zero();
        Some(Affine {
            x: times_b(self.z * self.u * inverse),
            y: -times_b(self.z * self.t * inverse),
        })
    }

    /// The x-coordinate of [Point::to_affine], and zero for the neutral point, without a branch.
    pub fn affine_x(&self) -> Gf5 {
        times_b(self.z * self.x.inverse_or_zero())
    }

    /// Section 4.2 of the paper, 10 multiplications, complete.
    fn plus(&self, rhs: &Self) -> Self {
        let xx = self.x * rhs.x;
        let zz = self.z * rhs.z;
        let uu = self.u * rhs.u;
        let tt = self.t * rhs.t;
        let xz = (self.x + self.z) * (rhs.x + rhs.z) - xx - zz;
        let ut = (self.u + self.t) * (rhs.u + rhs.t) - uu - tt;
        Self::finish_sum(xx, zz, uu, tt, xz, ut)
    }

    /// [Point::plus] for an entry of a table, 8 multiplications, complete.
    pub(crate) fn plus_entry(&self, rhs: &TablePoint) -> Self {
        let xx = self.x * rhs.x;
        let uu = self.u * rhs.u;
        let xz = self.x + rhs.x * self.z;
        let ut = self.u + rhs.u * self.t;
        Self::finish_sum(xx, self.z, uu, self.t, xz, ut)
    }

    #[inline(always)]
    fn finish_sum(xx: Gf5, zz: Gf5, uu: Gf5, tt: Gf5, xz: Gf5, ut: Gf5) -> Self {
        let bz = times_b(zz);
        let sum = xx + bz;
        let straight = tt * sum;
        let twist = uu * (times_b(xz + xz) + sum + sum);
        let cross = (tt + uu + uu) * (xz + sum);
        Self {
            x: times_b(cross - straight),
            z: straight - twist,
            u: ut * (bz - xx),
            t: straight + twist,
        }
    }

    /// Twice the point: 4 multiplications and 5 squarings.
    pub fn doubled(&self) -> Self {
        let zt = self.z * self.t;
        let ztt = zt * self.t;
        let z1 = zt * self.u;
        let xz = self.x + self.z;
        let w1 = ztt - (xz + xz) * self.u.square();
        let zz = z1.square();
        let ww = w1.square();
        let x1 = ztt.square();
        let four_zz = zz.times(4);
        Self {
            x: times_b(four_zz),
            z: ww,
            u: (w1 + z1).square() - zz - ww,
            t: x1 + x1 - four_zz - ww,
        }
    }

    /// `scalar` times the point. Time depends on the scalar.
    pub fn times_vartime(&self, scalar: &Scalar) -> Self {
        let mut result = Self::NEUTRAL;
        for word in scalar.words().iter().rev() {
            for i in (0..64).rev() {
                result = result.doubled();
                if word >> i & 1 == 1 {
                    result = result + *self;
                }
            }
        }
        result
    }

    /// The points with Z = T = 1, with one inversion.
    pub(crate) fn to_entries(points: &[Self]) -> Vec<TablePoint> {
        let mut inverses: Vec<Gf5> = points.iter().flat_map(|p| [p.z, p.t]).collect();
        Gf5::invert_all(&mut inverses).expect("Z and T are never zero");
        points
            .iter()
            .zip(inverses.as_chunks::<2>().0)
            .map(|(p, [z, t])| TablePoint {
                x: p.x * *z,
                u: p.u * *t,
            })
            .collect()
    }
}

impl From<Affine> for Point {
    fn from(p: Affine) -> Self {
        // Adding N: (x, y) becomes (b/x, -b y/x^2), whose u is -x/y.
        Self {
            x: times_b(Gf5::ONE),
            z: p.x,
            u: -p.x,
            t: p.y,
        }
    }
}

impl PartialEq for Point {
    fn eq(&self, other: &Self) -> bool {
        self.u * other.t == other.u * self.t
    }
}

impl Eq for Point {}

impl Add for Point {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        self.plus(&rhs)
    }
}

impl Neg for Point {
    type Output = Self;
    fn neg(self) -> Self {
        Self { u: -self.u, ..self }
    }
}

impl Sub for Point {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        self.plus(&-rhs)
    }
}

impl Neg for TablePoint {
    type Output = Self;
    fn neg(self) -> Self {
        Self { x: self.x, u: -self.u }
    }
}

impl ConditionallySelectable for TablePoint {
    fn conditional_select(a: &Self, b: &Self, choice: Choice) -> Self {
        Self {
            x: Gf5::conditional_select(&a.x, &b.x, choice),
            u: Gf5::conditional_select(&a.u, &b.u, choice),
        }
    }
}

// Volatile overwriting.
impl DefaultIsZeroes for TablePoint {}
