//! AVX2 with FMA.

#![allow(clippy::wildcard_imports)] // a hundred instructions

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// Eight lanes.
#[derive(Clone, Copy)]
pub struct Avx2;

/// Runs `kernel` where AVX2 and FMA may be used.
///
/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function's own condition.
    unsafe { kernel.run::<Avx2>() }
}

/// All bits of the first `n` lanes.
#[inline(always)]
unsafe fn mask(n: usize) -> __m256i {
    unsafe {
        let lanes = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        _mm256_cmpgt_epi32(_mm256_set1_epi32(n as i32), lanes)
    }
}

// SAFETY: each method is the instruction of its name, or a few of them; loads and stores are the
// unaligned ones, and the masked ones touch the first `n` values alone.
#[allow(clippy::inline_always)]
unsafe impl Simd for Avx2 {
    const LANES: usize = 8;
    const ROWS: usize = 4;
    const OFFSET: i32 = 128;
    type V = __m256;
    type I = __m256i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m256 {
        unsafe { _mm256_set1_ps(x) }
    }
    #[inline(always)]
    unsafe fn prefetch(p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T0>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn prefetch_far(p: *const f32) {
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> __m256 {
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m256) {
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> __m256 {
        unsafe { _mm256_maskload_ps(p, mask(n)) }
    }
    #[inline(always)]
    unsafe fn store_part(p: *mut f32, v: __m256, n: usize) {
        unsafe { _mm256_maskstore_ps(p, mask(n), v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m256, b: __m256) -> __m256 {
        unsafe { _mm256_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m256) -> __m256 {
        unsafe { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn neg_mul_add(a: __m256, b: __m256, c: __m256) -> __m256 {
        unsafe { _mm256_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(a: __m256) -> __m256 {
        unsafe { _mm256_round_ps::<8>(a) }
    }
    #[inline(always)]
    unsafe fn scale2(x: __m256, n: __m256) -> __m256 {
        unsafe {
            let biased = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
            _mm256_mul_ps(x, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(biased)))
        }
    }
    #[inline(always)]
    unsafe fn sum(a: __m256) -> f32 {
        unsafe {
            let x = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
        }
    }
    #[inline(always)]
    unsafe fn largest(a: __m256) -> f32 {
        unsafe {
            let x = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
            _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
        }
    }

    #[inline(always)]
    unsafe fn zero_i() -> __m256i {
        unsafe { _mm256_setzero_si256() }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> __m256i {
        unsafe { _mm256_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u32) -> __m256i {
        unsafe { _mm256_loadu_si256(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_i(p: *mut u32, v: __m256i) {
        unsafe { _mm256_storeu_si256(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn add_i(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub_i(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_sub_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn or_i(a: __m256i, b: __m256i) -> __m256i {
        unsafe { _mm256_or_si256(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_i<const BITS: i32>(a: __m256i) -> __m256i {
        unsafe { _mm256_sll_epi32(a, _mm_cvtsi32_si128(BITS)) }
    }
    #[inline(always)]
    unsafe fn sum_i(a: __m256i) -> i32 {
        unsafe {
            let x = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256::<1>(a));
            let x = _mm_add_epi32(x, _mm_shuffle_epi32::<0b1110>(x));
            _mm_cvtsi128_si32(_mm_add_epi32(x, _mm_shuffle_epi32::<0b01>(x)))
        }
    }
    #[inline(always)]
    unsafe fn to_i(v: __m256) -> __m256i {
        unsafe { _mm256_cvtps_epi32(v) }
    }
    #[inline(always)]
    unsafe fn to_f(v: __m256i) -> __m256 {
        unsafe { _mm256_cvtepi32_ps(v) }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: __m256i) {
        unsafe {
            // The low byte of each integer to the front of its half, then both fronts together.
            let pick = _mm256_set1_epi64x(0x8080_8080_0c08_0400_u64 as i64);
            let packed = _mm256_shuffle_epi8(v, pick);
            let low = _mm_cvtsi128_si32(_mm256_castsi256_si128(packed));
            let high = _mm_cvtsi128_si32(_mm256_extracti128_si256::<1>(packed));
            p.cast::<i32>().write_unaligned(low);
            p.add(4).cast::<i32>().write_unaligned(high);
        }
    }
    #[inline(always)]
    unsafe fn dot(acc: __m256i, w: __m256i, a: __m256i) -> __m256i {
        // `maddubs` would saturate: bytes 0 and 2, then 1 and 3, as 16-bit products.
        unsafe {
            let (w_even, w_odd) = (
                _mm256_and_si256(w, _mm256_set1_epi16(0xff)),
                _mm256_srli_epi16::<8>(w),
            );
            let (a_even, a_odd) = (
                _mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(a)),
                _mm256_srai_epi16::<8>(a),
            );
            let even = _mm256_madd_epi16(w_even, a_even);
            let odd = _mm256_madd_epi16(w_odd, a_odd);
            _mm256_add_epi32(acc, _mm256_add_epi32(even, odd))
        }
    }
    #[inline(always)]
    unsafe fn low_bf16(v: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_slli_epi32::<16>(v)) }
    }
    #[inline(always)]
    unsafe fn high_bf16(v: __m256i) -> __m256 {
        unsafe { _mm256_castsi256_ps(_mm256_and_si256(v, _mm256_set1_epi32(-0x1_0000))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, v: __m256) {
        unsafe {
            let bits = _mm256_castps_si256(v);
            let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), _mm256_set1_epi32(1));
            let up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
            let rounded = _mm256_srli_epi32::<16>(_mm256_add_epi32(bits, up));
            let nan = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_UNORD_Q>(v, v));
            let words = _mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc0), nan);
            // Packs within halves; the second and third quarters change places.
            let packed = _mm256_permute4x64_epi64::<0b1101_1000>(_mm256_packus_epi32(words, words));
            _mm_storeu_si128(p.cast(), _mm256_castsi256_si128(packed));
        }
    }
}
