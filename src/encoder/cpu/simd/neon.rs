//! NEON, two registers to a vector.

#![allow(clippy::wildcard_imports)] // a hundred instructions

use std::arch::aarch64::*;

use super::{Kernel, Simd};

/// Eight lanes.
#[derive(Clone, Copy)]
pub struct Neon;

/// Runs `kernel` where NEON may be used.
///
/// # Safety
/// The processor must have NEON.
#[target_feature(enable = "neon")]
pub unsafe fn enter<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: this function's own condition.
    unsafe { kernel.run::<Neon>() }
}

/// Eight floats.
#[derive(Clone, Copy)]
pub struct F(float32x4_t, float32x4_t);

/// Eight integers.
#[derive(Clone, Copy)]
pub struct I(int32x4_t, int32x4_t);

// SAFETY: each method is the instruction of its name, twice; partial loads and stores touch the
// first `n` values alone.
#[allow(clippy::inline_always)]
unsafe impl Simd for Neon {
    const LANES: usize = 8;
    const ROWS: usize = 4;
    // Products of signed bytes: the weights' offset is taken off before.
    const OFFSET: i32 = 0;
    type V = F;
    type I = I;

    #[inline(always)]
    unsafe fn splat(x: f32) -> F {
        unsafe { F(vdupq_n_f32(x), vdupq_n_f32(x)) }
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> F {
        unsafe { F(vld1q_f32(p), vld1q_f32(p.add(4))) }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: F) {
        unsafe {
            vst1q_f32(p, v.0);
            vst1q_f32(p.add(4), v.1);
        }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> F {
        unsafe {
            let mut all = [0.0f32; 8];
            std::ptr::copy_nonoverlapping(p, all.as_mut_ptr(), n);
            Self::load(all.as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn store_part(p: *mut f32, v: F, n: usize) {
        unsafe {
            let mut all = [0.0f32; 8];
            Self::store(all.as_mut_ptr(), v);
            std::ptr::copy_nonoverlapping(all.as_ptr(), p, n);
        }
    }
    #[inline(always)]
    unsafe fn add(a: F, b: F) -> F {
        unsafe { F(vaddq_f32(a.0, b.0), vaddq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn sub(a: F, b: F) -> F {
        unsafe { F(vsubq_f32(a.0, b.0), vsubq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn mul(a: F, b: F) -> F {
        unsafe { F(vmulq_f32(a.0, b.0), vmulq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn div(a: F, b: F) -> F {
        unsafe { F(vdivq_f32(a.0, b.0), vdivq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn max(a: F, b: F) -> F {
        unsafe { F(vmaxq_f32(a.0, b.0), vmaxq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn min(a: F, b: F) -> F {
        unsafe { F(vminq_f32(a.0, b.0), vminq_f32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn abs(a: F) -> F {
        unsafe { F(vabsq_f32(a.0), vabsq_f32(a.1)) }
    }
    #[inline(always)]
    unsafe fn mul_add(a: F, b: F, c: F) -> F {
        unsafe { F(vfmaq_f32(c.0, a.0, b.0), vfmaq_f32(c.1, a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn neg_mul_add(a: F, b: F, c: F) -> F {
        unsafe { F(vfmsq_f32(c.0, a.0, b.0), vfmsq_f32(c.1, a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn round(a: F) -> F {
        unsafe { F(vrndnq_f32(a.0), vrndnq_f32(a.1)) }
    }
    #[inline(always)]
    unsafe fn scale2(x: F, n: F) -> F {
        unsafe {
            let scaled = |x, n| {
                let biased = vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127));
                vmulq_f32(x, vreinterpretq_f32_s32(vshlq_n_s32::<23>(biased)))
            };
            F(scaled(x.0, n.0), scaled(x.1, n.1))
        }
    }
    #[inline(always)]
    unsafe fn sum(a: F) -> f32 {
        unsafe { vaddvq_f32(vaddq_f32(a.0, a.1)) }
    }
    #[inline(always)]
    unsafe fn largest(a: F) -> f32 {
        unsafe { vmaxvq_f32(vmaxq_f32(a.0, a.1)) }
    }

    #[inline(always)]
    unsafe fn zero_i() -> I {
        unsafe { I(vdupq_n_s32(0), vdupq_n_s32(0)) }
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> I {
        unsafe { I(vdupq_n_s32(x), vdupq_n_s32(x)) }
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u32) -> I {
        unsafe { I(vld1q_s32(p.cast()), vld1q_s32(p.add(4).cast())) }
    }
    #[inline(always)]
    unsafe fn store_i(p: *mut u32, v: I) {
        unsafe {
            vst1q_s32(p.cast(), v.0);
            vst1q_s32(p.add(4).cast(), v.1);
        }
    }
    #[inline(always)]
    unsafe fn add_i(a: I, b: I) -> I {
        unsafe { I(vaddq_s32(a.0, b.0), vaddq_s32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn sub_i(a: I, b: I) -> I {
        unsafe { I(vsubq_s32(a.0, b.0), vsubq_s32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn or_i(a: I, b: I) -> I {
        unsafe { I(vorrq_s32(a.0, b.0), vorrq_s32(a.1, b.1)) }
    }
    #[inline(always)]
    unsafe fn shift_i<const BITS: i32>(a: I) -> I {
        unsafe {
            let bits = vdupq_n_s32(BITS);
            I(vshlq_s32(a.0, bits), vshlq_s32(a.1, bits))
        }
    }
    #[inline(always)]
    unsafe fn sum_i(a: I) -> i32 {
        unsafe { vaddvq_s32(vaddq_s32(a.0, a.1)) }
    }
    #[inline(always)]
    unsafe fn to_i(v: F) -> I {
        unsafe { I(vcvtnq_s32_f32(v.0), vcvtnq_s32_f32(v.1)) }
    }
    #[inline(always)]
    unsafe fn to_f(v: I) -> F {
        unsafe { F(vcvtq_f32_s32(v.0), vcvtq_f32_s32(v.1)) }
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: I) {
        unsafe {
            let halves = vcombine_s16(vmovn_s32(v.0), vmovn_s32(v.1));
            vst1_s8(p.cast(), vmovn_s16(halves));
        }
    }
    #[inline(always)]
    unsafe fn dot(acc: I, w: I, a: I) -> I {
        unsafe {
            let one = |acc, w, a| {
                let w = veorq_s8(vreinterpretq_s8_s32(w), vdupq_n_s8(-128));
                let a = vreinterpretq_s8_s32(a);
                let low = vmull_s8(vget_low_s8(w), vget_low_s8(a));
                let high = vmull_high_s8(w, a);
                // Pairs, then pairs of pairs: exact, as a product of bytes fits in 15 bits.
                let pairs = vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high));
                vaddq_s32(acc, pairs)
            };
            I(one(acc.0, w.0, a.0), one(acc.1, w.1, a.1))
        }
    }
    #[inline(always)]
    unsafe fn low_bf16(v: I) -> F {
        unsafe {
            let one = |v| vreinterpretq_f32_s32(vshlq_n_s32::<16>(v));
            F(one(v.0), one(v.1))
        }
    }
    #[inline(always)]
    unsafe fn high_bf16(v: I) -> F {
        unsafe {
            let one = |v| vreinterpretq_f32_s32(vandq_s32(v, vdupq_n_s32(-0x1_0000)));
            F(one(v.0), one(v.1))
        }
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, v: F) {
        unsafe {
            let one = |v| {
                let bits = vreinterpretq_u32_f32(v);
                let odd = vandq_u32(vshrq_n_u32::<16>(bits), vdupq_n_u32(1));
                let up = vaddq_u32(odd, vdupq_n_u32(0x7fff));
                let rounded = vshrq_n_u32::<16>(vaddq_u32(bits, up));
                vmovn_u32(vbslq_u32(vceqq_f32(v, v), rounded, vdupq_n_u32(0x7fc0)))
            };
            vst1q_u16(p, vcombine_u16(one(v.0), one(v.1)));
        }
    }
}
