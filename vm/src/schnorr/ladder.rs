//! The schedule: 160 steps A <- 2A + T from A = U, T = ±G ±G' ±Q.
//!
//! A step is (A + T) + A with the chord formulas, as in the proof's signature chip. They have no answer when two
//! x-coordinates meet; the chip is unsatisfiable there, and here the walk fails. Two implementations of the same walk:
//! [Walk::run] in Jacobian coordinates for one signature, [run_batch] in affine coordinates, as the chip, for many.

use super::challenge::{Challenge, DIGITS};
use super::constants::{G_DIFFERENCE, G_SUM, U};
use crate::ecgfp5::{Affine, Gf5, formulas};
use crate::field::MODULUS;

/// 2/3, by which x is shifted where the curve's short Weierstrass form saves a multiplication.
const TWO_THIRDS: u64 = MODULUS.div_ceil(3); // (p + 2)/3, as p = 1 mod 3

// DIGITS
// ================================================================================================================

/// A digit point: T = sign (G + u G' + v Q), all three ±1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digit {
    /// Whether u is +1.
    pub u: bool,
    /// Whether v is +1.
    pub v: bool,
    /// Whether the sign is +1.
    pub positive: bool,
}

impl Digit {
    /// The digit for one bit of each scalar: low half of s, high half of s, challenge. A bit b stands for 2b - 1.
    #[inline(always)]
    pub fn new(low: bool, high: bool, challenge: bool) -> Self {
        Self {
            u: low == high,
            v: low == challenge,
            positive: low,
        }
    }

    /// Where [Table] keeps G + u G' + v Q.
    #[inline(always)]
    pub fn index(self) -> usize {
        self.u as usize + 2 * self.v as usize
    }
}

/// The limbs of s with the challenge, digit by digit.
#[derive(Clone, Debug)]
pub struct Digits<'a> {
    /// s, ten limbs of 32 bits, least significant first.
    pub s: &'a [u32; 10],
    /// The challenge.
    pub challenge: &'a Challenge,
}

impl Digits<'_> {
    /// Digit `j`, 0 being the most significant.
    #[inline(always)]
    pub fn get(&self, j: usize) -> Digit {
        let (limb, shift) = (4 - j / 32, 31 - j % 32);
        let bit = |limb: u32| limb >> shift & 1 == 1;
        Digit::new(bit(self.s[limb]), bit(self.s[limb + 5]), self.challenge.bit(j))
    }
}

// DIGIT POINTS
// ================================================================================================================

/// G + u G' + v Q for the four (u, v), in the order of [Digit::index].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// The points.
    pub points: [Affine; 4],
    /// The inverses of x(Q) - x(G + u G') for u = -1 and +1.
    pub inverses: [Gf5; 2],
}

impl Table {
    /// The digit points for the key `q`; `None` when its x-coordinate is that of G + G' or G - G'.
    pub fn new(q: &Affine) -> Option<Self> {
        let bases = [G_DIFFERENCE, G_SUM];
        let mut inverses = bases.map(|base| q.x - base.x);
        Gf5::invert_all(&mut inverses).ok()?;
        let points = core::array::from_fn(|i| {
            let (base, inverse) = (bases[i & 1], inverses[i & 1]);
            let q = if i & 2 == 0 { -*q } else { *q };
            let slope = formulas::chord_slope(&base.y, &q.y, &inverse);
            let x = formulas::sum_x(&slope, &base.x, &q.x);
            Affine {
                x,
                y: formulas::sum_y(&slope, &base.x, &base.y, &x),
            }
        });
        Some(Self { points, inverses })
    }

    #[inline(always)]
    fn get(&self, digit: Digit) -> Affine {
        let point = self.points[digit.index()];
        if digit.positive { point } else { -point }
    }
}

// ONE SIGNATURE
// ================================================================================================================

/// One walk: the digit points and the digits.
#[derive(Clone, Debug)]
pub struct Walk<'a> {
    /// The key's digit points.
    pub table: &'a Table,
    /// The digits.
    pub digits: Digits<'a>,
}

/// The end of a walk in Jacobian coordinates, x = X/Z^2 - 2/3, with Z not zero.
#[derive(Clone, Copy, Debug)]
pub struct End {
    x: Gf5,
    zz: Gf5,
}

impl End {
    /// Whether the end has the x-coordinate `x`.
    pub fn has_x(&self, x: &Gf5) -> bool {
        self.x == shifted(x) * self.zz
    }
}

#[inline(always)]
fn shifted(x: &Gf5) -> Gf5 {
    *x + Gf5::new([TWO_THIRDS, 0, 0, 0, 0])
}

impl Walk<'_> {
    /// Walks, or says that a denominator is zero on the way: that there is no end in the chip.
    ///
    /// In Jacobian coordinates the denominators multiply up in Z, so that one comparison at the end sees a zero in any of
    /// them. Shifted by 2/3, x obeys the chord formula of the short Weierstrass form, slope^2 = x1 + x2 + x3.
    pub fn run(&self) -> Option<End> {
        let table = self.table.points.map(|p| (shifted(&p.x), p.y));
        let (mut x, mut y, mut z) = (shifted(&U.x), U.y, Gf5::ONE);
        for j in 0..DIGITS {
            let digit = self.digits.get(j);
            let (tx, ty) = table[digit.index()];
            let ty = if digit.positive { ty } else { -ty };
            // A + T: h and r are numerator and denominator of the slope, up to powers of Z.
            let zz = z.square();
            let h = tx * zz - x;
            let r = ty * (zz * z) - y;
            let hh = h.square();
            let hhh = hh * h;
            // A again, over the Z of the sum.
            z *= h;
            x *= hh;
            y *= hhh;
            // The x-coordinate of the sum is x - w.
            let w = x + x + x + hhh - r.square();
            let yy = y + y;
            let n = yy - r * w;
            let ww = w.square();
            let www = ww * w;
            let xw = x * ww;
            z *= w;
            x = n.square() - (xw + xw) + www;
            y = n * (xw - x) - y * www;
        }
        (!z.is_zero()).then(|| End { x, zz: z.square() })
    }
}

// MANY SIGNATURES
// ================================================================================================================

/// One step of a walk in affine coordinates: the values of one row of the chip.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// The accumulator before the step.
    pub a: Affine,
    /// Which digit point is added.
    pub digit: Digit,
    /// The inverse of x(T) - x(A).
    pub first_inverse: Gf5,
    /// The inverse of x(A) - x(A + T).
    pub second_inverse: Gf5,
}

/// Runs the walks side by side, so that the inversions of a step cost one for all of them. `observe` sees every step of
/// every walk as (walk, step number, step). The result of a walk is its end, or the number of the step at which a
/// denominator is zero; what `observe` sees of such a walk from there on means nothing.
pub fn run_batch(walks: &[Walk<'_>], mut observe: impl FnMut(usize, usize, &Step)) -> Vec<Result<Affine, usize>> {
    let mut failed = vec![None; walks.len()];
    let mut ends = vec![U; walks.len()];
    let mut first = vec![Gf5::ZERO; walks.len()];
    let mut second = vec![Gf5::ZERO; walks.len()];
    // x(A + T) and the first slope.
    let mut sums = vec![(Gf5::ZERO, Gf5::ZERO); walks.len()];
    for j in 0..DIGITS {
        let mut invert = |denominators: &mut [Gf5]| {
            for (denominator, failed) in denominators.iter_mut().zip(&mut failed) {
                if denominator.is_zero() {
                    failed.get_or_insert(j);
                    *denominator = Gf5::ONE;
                }
            }
            Gf5::invert_all(denominators).expect("zeros were replaced");
        };
        for ((walk, a), denominator) in walks.iter().zip(&ends).zip(&mut first) {
            *denominator = walk.table.get(walk.digits.get(j)).x - a.x;
        }
        invert(&mut first);
        for (i, (walk, a)) in walks.iter().zip(&ends).enumerate() {
            let t = walk.table.get(walk.digits.get(j));
            let slope = formulas::chord_slope(&a.y, &t.y, &first[i]);
            let x = formulas::sum_x(&slope, &a.x, &t.x);
            sums[i] = (x, slope);
            second[i] = a.x - x;
        }
        invert(&mut second);
        for (i, (walk, a)) in walks.iter().zip(&mut ends).enumerate() {
            let step = Step {
                a: *a,
                digit: walk.digits.get(j),
                first_inverse: first[i],
                second_inverse: second[i],
            };
            observe(i, j, &step);
            let (x, slope) = sums[i];
            let slope = formulas::second_slope(&slope, &a.y, &second[i]);
            let x = formulas::sum_x(&slope, &a.x, &x);
            *a = Affine {
                x,
                y: formulas::sum_y(&slope, &a.x, &a.y, &x),
            };
        }
    }
    ends.into_iter()
        .zip(failed)
        .map(|(end, failed)| failed.map_or(Ok(end), Err))
        .collect()
}
