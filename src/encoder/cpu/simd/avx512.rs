//! AVX-512 with VNNI, and with BF16 and AMX where the processor has those too.

#![allow(clippy::wildcard_imports)] // a hundred instructions

use std::arch::x86_64::*;

use super::tile::multiply_words;
use super::{Grid, GridMut, Kernel, Simd, TileKind, TileShape, amx};

/// Sixteen lanes; `BF16` says whether the processor multiplies bf16, `AMX` whether it multiplies tiles.
#[derive(Clone, Copy)]
pub struct Avx512<const BF16: bool, const AMX: bool>;

/// Runs `kernel` where AVX-512 may be used.
///
/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma")]
pub unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function's own condition.
    unsafe { kernel.run::<Avx512<false, false>>() }
}

/// The same where BF16 may be used too.
///
/// # Safety
/// The processor must have the features named.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma")]
pub unsafe fn enter_bf16<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function's own condition.
    unsafe { kernel.run::<Avx512<true, false>>() }
}

/// The same where tiles may be used too.
///
/// # Safety
/// The processor must have the features named, and [`amx::permitted`] must have said so.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx512bf16,avx2,fma")]
pub unsafe fn enter_amx<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function's own condition.
    unsafe { kernel.run::<Avx512<true, true>>() }
}

/// Whether the processor is one of Intel's.
pub fn made_by_intel() -> bool {
    // Leaf 0 exists on every processor; its registers spell the name of who made it.
    let leaf = __cpuid(0);
    [leaf.ebx, leaf.edx, leaf.ecx]
        .map(u32::to_le_bytes)
        .concat()
        == b"GenuineIntel"
}

#[inline(always)]
fn mask(n: usize) -> u16 {
    ((1u32 << n) - 1) as u16
}

// SAFETY: each method is the instruction of its name; loads and stores are the unaligned ones,
// and the masked ones touch the first `n` values alone.
#[allow(clippy::inline_always)]
unsafe impl<const BF16: bool, const AMX: bool> Simd for Avx512<BF16, AMX> {
    const LANES: usize = 16;
    const ROWS: usize = 12;
    const OFFSET: i32 = 128;
    type V = __m512;
    type I = __m512i;

    #[inline(always)]
    unsafe fn splat(x: f32) -> __m512 {
        unsafe { _mm512_set1_ps(x) }
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
    unsafe fn load(p: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: __m512) {
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(mask(n), p) }
    }
    #[inline(always)]
    unsafe fn store_part(p: *mut f32, v: __m512, n: usize) {
        unsafe { _mm512_mask_storeu_ps(p, mask(n), v) }
    }
    #[inline(always)]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn sub(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn div(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn max(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn min(a: __m512, b: __m512) -> __m512 {
        unsafe { _mm512_min_ps(a, b) }
    }
    #[inline(always)]
    unsafe fn abs(a: __m512) -> __m512 {
        unsafe { _mm512_abs_ps(a) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn neg_mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        unsafe { _mm512_fnmadd_ps(a, b, c) }
    }
    #[inline(always)]
    unsafe fn round(a: __m512) -> __m512 {
        unsafe { _mm512_roundscale_ps::<8>(a) }
    }
    #[inline(always)]
    unsafe fn scale2(x: __m512, n: __m512) -> __m512 {
        unsafe { _mm512_scalef_ps(x, n) }
    }
    #[inline(always)]
    unsafe fn sum(a: __m512) -> f32 {
        unsafe { _mm512_reduce_add_ps(a) }
    }
    #[inline(always)]
    unsafe fn largest(a: __m512) -> f32 {
        unsafe { _mm512_reduce_max_ps(a) }
    }

    #[inline(always)]
    unsafe fn zero_i() -> __m512i {
        unsafe { _mm512_setzero_si512() }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> __m512i {
        unsafe { _mm512_set1_epi32(x) }
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u32) -> __m512i {
        unsafe { _mm512_loadu_si512(p.cast()) }
    }
    #[inline(always)]
    unsafe fn store_i(p: *mut u32, v: __m512i) {
        unsafe { _mm512_storeu_si512(p.cast(), v) }
    }
    #[inline(always)]
    unsafe fn add_i(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_add_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn sub_i(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_sub_epi32(a, b) }
    }
    #[inline(always)]
    unsafe fn or_i(a: __m512i, b: __m512i) -> __m512i {
        unsafe { _mm512_or_si512(a, b) }
    }
    #[inline(always)]
    unsafe fn shift_i<const BITS: i32>(a: __m512i) -> __m512i {
        unsafe { _mm512_sll_epi32(a, _mm_cvtsi32_si128(BITS)) }
    }
    #[inline(always)]
    unsafe fn sum_i(a: __m512i) -> i32 {
        unsafe { _mm512_reduce_add_epi32(a) }
    }
    #[inline(always)]
    unsafe fn to_i(v: __m512) -> __m512i {
        unsafe { _mm512_cvtps_epi32(v) }
    }
    #[inline(always)]
    unsafe fn to_f(v: __m512i) -> __m512 {
        unsafe { _mm512_cvtepi32_ps(v) }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: __m512i) {
        unsafe { _mm_storeu_si128(p.cast(), _mm512_cvtepi32_epi8(v)) }
    }
    #[inline(always)]
    unsafe fn dot(acc: __m512i, w: __m512i, a: __m512i) -> __m512i {
        unsafe { _mm512_dpbusd_epi32(acc, w, a) }
    }

    #[inline(always)]
    unsafe fn low_bf16(v: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_slli_epi32::<16>(v)) }
    }
    #[inline(always)]
    unsafe fn high_bf16(v: __m512i) -> __m512 {
        unsafe { _mm512_castsi512_ps(_mm512_and_si512(v, _mm512_set1_epi32(-0x1_0000))) }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, v: __m512) {
        // SAFETY: registers of the same width are the same bits.
        unsafe {
            let halves: __m256i = if BF16 {
                std::mem::transmute::<__m256bh, __m256i>(_mm512_cvtneps_pbh(v))
            } else {
                let bits = _mm512_castps_si512(v);
                let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), _mm512_set1_epi32(1));
                let up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
                let rounded = _mm512_srli_epi32::<16>(_mm512_add_epi32(bits, up));
                let quiet = _mm512_set1_epi32(0x7fc0);
                let nan = _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(v, v);
                _mm512_cvtepi32_epi16(_mm512_mask_mov_epi32(rounded, nan, quiet))
            };
            _mm256_storeu_si256(p.cast(), halves);
        }
    }
    #[inline(always)]
    unsafe fn dot_bf16(acc: __m512, w: __m512i, a: __m512i) -> __m512 {
        // SAFETY: as above.
        unsafe {
            // Processors with tiles are Intel's, which take long over it (`Level::available`).
            if BF16 && !AMX {
                let pairs = |v| std::mem::transmute::<__m512i, __m512bh>(v);
                _mm512_dpbf16_ps(acc, pairs(w), pairs(a))
            } else {
                let acc = Self::mul_add(Self::low_bf16(w), Self::low_bf16(a), acc);
                Self::mul_add(Self::high_bf16(w), Self::high_bf16(a), acc)
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose_block(from: *const f32, ld: usize, to: *mut f32, ldo: usize) {
        const EVEN: i32 = 0x88;
        const ODD: i32 = 0xdd;
        // Loops, as closures would be functions of their own that may not use the instructions.
        unsafe {
            // `fours[c][i]` holds columns c, c + 4, c + 8 and c + 12 of rows 4i to 4i + 3.
            let mut fours = [[_mm512_setzero_ps(); 4]; 4];
            #[allow(clippy::needless_range_loop)] // the index of a column of `fours`
            for i in 0..4 {
                let from = from.add(4 * i * ld);
                let (a, b) = (Self::load(from), Self::load(from.add(ld)));
                let (c, d) = (Self::load(from.add(2 * ld)), Self::load(from.add(3 * ld)));
                let first = _mm512_castps_pd(_mm512_unpacklo_ps(a, b));
                let third = _mm512_castps_pd(_mm512_unpackhi_ps(a, b));
                let second = _mm512_castps_pd(_mm512_unpacklo_ps(c, d));
                let fourth = _mm512_castps_pd(_mm512_unpackhi_ps(c, d));
                fours[0][i] = _mm512_castpd_ps(_mm512_unpacklo_pd(first, second));
                fours[1][i] = _mm512_castpd_ps(_mm512_unpackhi_pd(first, second));
                fours[2][i] = _mm512_castpd_ps(_mm512_unpacklo_pd(third, fourth));
                fours[3][i] = _mm512_castpd_ps(_mm512_unpackhi_pd(third, fourth));
            }
            for (c, &[a, b, d, e]) in fours.iter().enumerate() {
                let upper_even = _mm512_shuffle_f32x4::<EVEN>(a, b);
                let upper_odd = _mm512_shuffle_f32x4::<ODD>(a, b);
                let lower_even = _mm512_shuffle_f32x4::<EVEN>(d, e);
                let lower_odd = _mm512_shuffle_f32x4::<ODD>(d, e);
                let to = to.add(c * ldo);
                let columns = [
                    _mm512_shuffle_f32x4::<EVEN>(upper_even, lower_even),
                    _mm512_shuffle_f32x4::<EVEN>(upper_odd, lower_odd),
                    _mm512_shuffle_f32x4::<ODD>(upper_even, lower_even),
                    _mm512_shuffle_f32x4::<ODD>(upper_odd, lower_odd),
                ];
                for (at, column) in columns.iter().enumerate() {
                    Self::store(to.add(4 * at * ldo), *column);
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn pair_halves(low: *const f32, high: *const f32, to: *mut f32) {
        /// Halves of two registers in turns, from the `n`th on; those of the second are 32 and up.
        const fn turns(n: u16) -> [u16; 32] {
            let mut places = [0; 32];
            let mut i = 0;
            while i < 16 {
                places[2 * i] = n + i as u16;
                places[2 * i + 1] = 32 + n + i as u16;
                i += 1;
            }
            places
        }
        const TURNS: [[u16; 32]; 2] = [turns(0), turns(16)];
        unsafe {
            let low = _mm512_loadu_si512(low.cast());
            let high = _mm512_loadu_si512(high.cast());
            for (part, turns) in TURNS.iter().enumerate() {
                let turns = _mm512_loadu_si512(turns.as_ptr().cast());
                let words = _mm512_permutex2var_epi16(low, turns, high);
                _mm512_storeu_si512(to.add(16 * part).cast(), words);
            }
        }
    }

    #[inline(always)]
    unsafe fn configure_tiles() {
        if AMX {
            unsafe { amx::configure() }
        }
    }
    #[inline(always)]
    unsafe fn release_tiles() {
        if AMX {
            unsafe { amx::release() }
        }
    }
    #[inline(always)]
    unsafe fn multiply_tiles(kind: TileKind, shape: TileShape, a: Grid, b: Grid, c: GridMut) {
        unsafe {
            if AMX {
                amx::multiply(kind, shape, a, b, c);
            } else {
                multiply_words(kind, shape, a, b, c);
            }
        }
    }
}
