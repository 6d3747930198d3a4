//! Lanes in AVX-512 registers.
//!
//! Every `unsafe` here is a call of an intrinsic, or of a function compiled with them: they need the instructions,
//! and an [Avx512] exists only where [Avx512::detect] has found them. Memory is only reached through [Row], which is as
//! large and as aligned as a register.

use core::arch::x86_64::*;

use starling_vm::field::MODULUS;

use super::{EPSILON, Kernel, Lanes, Row, WIDTH};

/// Lanes of a processor with AVX-512F and AVX-512VL.
#[derive(Clone, Copy, Debug)]
pub struct Avx512 {
    // Only `detect` makes one.
    _found: (),
}

impl Avx512 {
    /// The lanes, if the processor has them.
    #[inline]
    pub fn detect() -> Option<Self> {
        let found = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        found.then_some(Self { _found: () })
    }

    /// Runs `kernel`, compiled with the lanes' instructions.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx512f,avx512vl")]
        fn with_feature<K: Kernel>(lanes: Avx512, kernel: K) -> K::Output {
            kernel.on(lanes)
        }
        // SAFETY: `self` exists, so the processor has the instructions.
        unsafe { with_feature(self, kernel) }
    }
}

/// The 128-bit products of the lanes: low words, then high words.
#[inline(always)]
fn wide_product(a: __m512i, b: __m512i) -> (__m512i, __m512i) {
    // SAFETY: only called with an `Avx512` at hand.
    unsafe {
        let high_half = |x| _mm512_castps_si512(_mm512_movehdup_ps(_mm512_castsi512_ps(x)));
        let (a_high, b_high) = (high_half(a), high_half(b));
        let (ll, lh) = (_mm512_mul_epu32(a, b), _mm512_mul_epu32(a, b_high));
        let (hl, hh) = (_mm512_mul_epu32(a_high, b), _mm512_mul_epu32(a_high, b_high));
        let middle = _mm512_add_epi64(hl, _mm512_srli_epi64::<32>(ll));
        let middle_low = _mm512_and_si512(middle, _mm512_set1_epi64(EPSILON as i64));
        let other = _mm512_add_epi64(lh, middle_low);
        let high = _mm512_add_epi64(
            _mm512_add_epi64(hh, _mm512_srli_epi64::<32>(middle)),
            _mm512_srli_epi64::<32>(other),
        );
        let other = _mm512_castps_si512(_mm512_moveldup_ps(_mm512_castsi512_ps(other)));
        (_mm512_mask_blend_epi32(0xaaaa, ll, other), high)
    }
}

/// `high - low / 2^64`, modulo p: Montgomery's reduction as winter-math does it.
#[inline(always)]
fn reduce(low: __m512i, high: __m512i) -> __m512i {
    // SAFETY: only called with an `Avx512` at hand.
    unsafe {
        let a = _mm512_add_epi64(low, _mm512_slli_epi64::<32>(low));
        let carry = _mm512_cmplt_epu64_mask(a, low);
        let b = _mm512_sub_epi64(a, _mm512_srli_epi64::<32>(a));
        let b = _mm512_mask_sub_epi64(b, carry, b, _mm512_set1_epi64(1));
        let borrow = _mm512_cmplt_epu64_mask(high, b);
        let difference = _mm512_sub_epi64(high, b);
        _mm512_mask_sub_epi64(difference, borrow, difference, _mm512_set1_epi64(EPSILON as i64))
    }
}

impl Lanes for Avx512 {
    type Words = __m512i;
    type Halves = __m256i;

    #[inline(always)]
    fn splat(self, word: u64) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_set1_epi64(word as i64) }
    }

    #[inline(always)]
    fn load(self, row: &Row) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_load_si512(core::ptr::from_ref(row).cast()) }
    }

    #[inline(always)]
    fn store(self, words: __m512i, row: &mut Row) {
        // SAFETY: see the module.
        unsafe { _mm512_store_si512(core::ptr::from_mut(row).cast(), words) }
    }

    #[inline(always)]
    fn add(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { self.sub(a, _mm512_sub_epi64(_mm512_set1_epi64(MODULUS as i64), b)) }
    }

    #[inline(always)]
    fn sub(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe {
            let borrow = _mm512_cmplt_epu64_mask(a, b);
            let difference = _mm512_sub_epi64(a, b);
            _mm512_mask_sub_epi64(difference, borrow, difference, _mm512_set1_epi64(EPSILON as i64))
        }
    }

    #[inline(always)]
    fn mul(self, a: __m512i, b: __m512i) -> __m512i {
        let (low, high) = wide_product(a, b);
        reduce(low, high)
    }

    #[inline(always)]
    fn to_integer(self, a: __m512i) -> __m512i {
        reduce(a, self.splat(0))
    }

    #[inline(always)]
    fn xor(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_xor_si512(a, b) }
    }

    #[inline(always)]
    fn xor3(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_ternarylogic_epi64::<0x96>(a, b, c) }
    }

    #[inline(always)]
    fn xor_and_not(self, a: __m512i, b: __m512i, c: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_ternarylogic_epi64::<0xd2>(a, b, c) }
    }

    #[inline(always)]
    fn rotate<const N: i32>(self, a: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_rol_epi64::<N>(a) }
    }

    #[inline(always)]
    fn funnel<const N: u32, const M: u32>(self, high: __m512i, low: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe { _mm512_or_si512(_mm512_slli_epi64::<N>(high), _mm512_srli_epi64::<M>(low)) }
    }

    #[inline(always)]
    fn swap_bytes(self, a: __m512i) -> __m512i {
        // SAFETY: see the module.
        unsafe {
            // Swapped within each half by two rotations, then the halves.
            let odd = _mm512_set1_epi32(0x00ff_00ff);
            let (left, right) = (_mm512_rol_epi32::<8>(a), _mm512_ror_epi32::<8>(a));
            let halves = _mm512_ternarylogic_epi64::<0xca>(odd, left, right);
            _mm512_rol_epi64::<32>(halves)
        }
    }

    #[inline(always)]
    fn low(self, a: __m512i) -> __m256i {
        // SAFETY: see the module.
        unsafe { _mm512_cvtepi64_epi32(a) }
    }

    #[inline(always)]
    fn high(self, a: __m512i) -> __m256i {
        // SAFETY: see the module.
        unsafe { _mm512_cvtepi64_epi32(_mm512_srli_epi64::<32>(a)) }
    }

    #[inline(always)]
    fn joined(self, low: __m256i, high: __m256i) -> __m512i {
        // SAFETY: see the module.
        unsafe {
            let high = _mm512_slli_epi64::<32>(_mm512_cvtepu32_epi64(high));
            _mm512_or_si512(_mm512_cvtepu32_epi64(low), high)
        }
    }

    #[inline(always)]
    fn splat_half(self, half: u32) -> __m256i {
        // SAFETY: see the module.
        unsafe { _mm256_set1_epi32(half as i32) }
    }

    #[inline(always)]
    fn add_halves(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the module.
        unsafe { _mm256_add_epi32(a, b) }
    }

    #[inline(always)]
    fn xor_rotate_halves<const N: i32>(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: see the module.
        unsafe { _mm256_ror_epi32::<N>(_mm256_xor_si256(a, b)) }
    }

    #[inline(always)]
    fn transpose(self, r: [__m512i; WIDTH]) -> [__m512i; WIDTH] {
        // SAFETY: see the module.
        unsafe {
            // Pairs of lanes, then pairs of 128-bit quarters, then halves.
            let low = |a, b| _mm512_unpacklo_epi64(a, b);
            let high = |a, b| _mm512_unpackhi_epi64(a, b);
            let p = [
                low(r[0], r[1]),
                high(r[0], r[1]),
                low(r[2], r[3]),
                high(r[2], r[3]),
                low(r[4], r[5]),
                high(r[4], r[5]),
                low(r[6], r[7]),
                high(r[6], r[7]),
            ];
            let even = |a, b| _mm512_shuffle_i64x2::<0x88>(a, b);
            let odd = |a, b| _mm512_shuffle_i64x2::<0xdd>(a, b);
            // Quarters 0 and 2 (even) or 1 and 3 (odd) of two registers.
            let q = [
                even(p[0], p[2]),
                even(p[1], p[3]),
                odd(p[0], p[2]),
                odd(p[1], p[3]),
                even(p[4], p[6]),
                even(p[5], p[7]),
                odd(p[4], p[6]),
                odd(p[5], p[7]),
            ];
            [
                even(q[0], q[4]),
                even(q[1], q[5]),
                even(q[2], q[6]),
                even(q[3], q[7]),
                odd(q[0], q[4]),
                odd(q[1], q[5]),
                odd(q[2], q[6]),
                odd(q[3], q[7]),
            ]
        }
    }
}
