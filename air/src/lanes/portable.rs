//! Lanes in plain Rust.

use starling_vm::field::{Felt, MODULUS};

use super::{EPSILON, Lanes, Row, WIDTH};

/// Lanes that every machine has.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

#[inline(always)]
fn map(a: [u64; WIDTH], f: impl Fn(u64) -> u64) -> [u64; WIDTH] {
    let mut out = a;
    for lane in 0..WIDTH {
        out[lane] = f(a[lane]);
    }
    out
}

#[inline(always)]
fn map2(a: [u64; WIDTH], b: [u64; WIDTH], f: impl Fn(u64, u64) -> u64) -> [u64; WIDTH] {
    let mut out = a;
    for lane in 0..WIDTH {
        out[lane] = f(a[lane], b[lane]);
    }
    out
}

impl Lanes for Portable {
    type Words = [u64; WIDTH];
    type Halves = [u32; WIDTH];

    #[inline(always)]
    fn splat(self, word: u64) -> Self::Words {
        [word; WIDTH]
    }

    #[inline(always)]
    fn load(self, row: &Row) -> Self::Words {
        row.0
    }

    #[inline(always)]
    fn store(self, words: Self::Words, row: &mut Row) {
        row.0 = words;
    }

    #[inline(always)]
    fn add(self, a: Self::Words, b: Self::Words) -> Self::Words {
        // a - (p - b), and p more when that borrows.
        map2(a, b, |a, b| {
            let (sum, borrow) = a.overflowing_sub(MODULUS - b);
            sum.wrapping_sub(EPSILON & u64::from(borrow).wrapping_neg())
        })
    }

    #[inline(always)]
    fn sub(self, a: Self::Words, b: Self::Words) -> Self::Words {
        map2(a, b, |a, b| {
            let (difference, borrow) = a.overflowing_sub(b);
            difference.wrapping_sub(EPSILON & u64::from(borrow).wrapping_neg())
        })
    }

    #[inline(always)]
    fn mul(self, a: Self::Words, b: Self::Words) -> Self::Words {
        map2(a, b, |a, b| (Felt::from_mont(a) * Felt::from_mont(b)).inner())
    }

    #[inline(always)]
    fn to_integer(self, a: Self::Words) -> Self::Words {
        map(a, |a| Felt::from_mont(a).as_int())
    }

    #[inline(always)]
    fn xor(self, a: Self::Words, b: Self::Words) -> Self::Words {
        map2(a, b, |a, b| a ^ b)
    }

    #[inline(always)]
    fn xor3(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words {
        self.xor(self.xor(a, b), c)
    }

    #[inline(always)]
    fn xor_and_not(self, a: Self::Words, b: Self::Words, c: Self::Words) -> Self::Words {
        self.xor(a, map2(b, c, |b, c| !b & c))
    }

    #[inline(always)]
    fn rotate<const N: i32>(self, a: Self::Words) -> Self::Words {
        map(a, |a| a.rotate_left(N as u32))
    }

    #[inline(always)]
    fn funnel<const N: u32, const M: u32>(self, high: Self::Words, low: Self::Words) -> Self::Words {
        map2(high, low, |high, low| high << N | low >> M)
    }

    #[inline(always)]
    fn swap_bytes(self, a: Self::Words) -> Self::Words {
        map(a, u64::swap_bytes)
    }

    #[inline(always)]
    fn low(self, a: Self::Words) -> Self::Halves {
        a.map(|a| a as u32)
    }

    #[inline(always)]
    fn high(self, a: Self::Words) -> Self::Halves {
        a.map(|a| (a >> 32) as u32)
    }

    #[inline(always)]
    fn joined(self, low: Self::Halves, high: Self::Halves) -> Self::Words {
        core::array::from_fn(|lane| u64::from(low[lane]) | u64::from(high[lane]) << 32)
    }

    #[inline(always)]
    fn splat_half(self, half: u32) -> Self::Halves {
        [half; WIDTH]
    }

    #[inline(always)]
    fn add_halves(self, a: Self::Halves, b: Self::Halves) -> Self::Halves {
        core::array::from_fn(|lane| a[lane].wrapping_add(b[lane]))
    }

    #[inline(always)]
    fn xor_rotate_halves<const N: i32>(self, a: Self::Halves, b: Self::Halves) -> Self::Halves {
        core::array::from_fn(|lane| (a[lane] ^ b[lane]).rotate_right(N as u32))
    }

    #[inline(always)]
    fn transpose(self, rows: [Self::Words; WIDTH]) -> [Self::Words; WIDTH] {
        let mut out = rows;
        for i in 0..WIDTH {
            for j in 0..WIDTH {
                out[j][i] = rows[i][j];
            }
        }
        out
    }
}
