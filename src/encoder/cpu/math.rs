//! Functions of vectors: the exponential and GELU with its derivative.

use super::simd::Simd;

/// `exp(x)`, relative error below 2e-7 (Cephes `expf`); inputs below -87 give about 1e-38.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
#[allow(clippy::inline_always, clippy::many_single_char_names)] // the names of the formula
pub unsafe fn exp<S: Simd>(x: S::V) -> S::V {
    const POWER: [f32; 6] = [
        1.987_569_2e-4,
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        0.166_666_66,
        0.5,
    ];
    unsafe {
        let x = S::min(S::max(x, S::splat(-87.0)), S::splat(88.0));
        let n = S::round(S::mul(x, S::splat(std::f32::consts::LOG2_E)));
        let r = S::neg_mul_add(n, S::splat(0.693_359_4), x);
        let r = S::mul_add(n, S::splat(2.121_944_4e-4), r);
        let p = polynomial::<S, 6>(&POWER, r);
        let y = S::mul_add(S::mul(p, r), r, S::add(r, S::splat(1.0)));
        S::scale2(y, n)
    }
}

/// `erf(|x|/√2)` by Abramowitz & Stegun 7.1.26 (absolute error below 1.5e-7), and `exp(-x²/2)`.
#[inline(always)]
#[allow(clippy::inline_always, clippy::many_single_char_names)] // the names of the formula
unsafe fn erf_parts<S: Simd>(x: S::V) -> (S::V, S::V) {
    const ERF: [f32; 5] = [
        1.061_405_4,
        -1.453_152,
        1.421_413_8,
        -0.284_496_72,
        0.254_829_6,
    ];
    unsafe {
        let one = S::splat(1.0);
        let a = S::mul(S::abs(x), S::splat(std::f32::consts::FRAC_1_SQRT_2));
        let t = S::div(one, S::mul_add(a, S::splat(0.327_591_1), one));
        let p = polynomial::<S, 5>(&ERF, t);
        let e = exp::<S>(S::neg_mul_add(a, a, S::splat(0.0)));
        (S::neg_mul_add(S::mul(p, t), e, one), e)
    }
}

/// `exp(x - most)` for `x ≤ most`, as a softmax asks, of `shift = -most · log₂ e`. Relative error below
/// 7e-7 down to -10, and 7e-6 to -87; further down it gives about 1e-38.
///
/// As a power of two, by a polynomial through the Chebyshev nodes of [-½, ½].
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
#[allow(clippy::inline_always)]
pub unsafe fn exp_below<S: Simd>(x: S::V, shift: S::V) -> S::V {
    const POWER: [f32; 6] = [
        1.339_086_3e-3,
        9.676_032e-3,
        5.550_357e-2,
        0.240_221_07,
        std::f32::consts::LN_2,
        1.0,
    ];
    unsafe {
        let t = S::mul_add(x, S::splat(std::f32::consts::LOG2_E), shift);
        let t = S::max(t, S::splat(-126.0));
        let n = S::round(t);
        S::scale2(polynomial::<S, 6>(&POWER, S::sub(t, n)), n)
    }
}

/// `Σ c[i] · x^(N - 1 - i)` (Horner).
#[inline(always)]
#[allow(clippy::inline_always)]
unsafe fn polynomial<S: Simd, const N: usize>(c: &[f32; N], x: S::V) -> S::V {
    unsafe {
        let mut p = S::splat(c[0]);
        for c in &c[1..] {
            p = S::mul_add(p, x, S::splat(*c));
        }
        p
    }
}

/// Exact GELU (Hendrycks & Gimpel 2016, arXiv 1606.08415), `x Φ(x)`: absolute error below 2e-6 where
/// `|x| < 8`, none beyond.
///
/// `erf(x/√2)` is an odd polynomial through the Chebyshev nodes of [-5, 5], cut off at ±1, where it stays
/// beyond; a quotient and an exponential take more than twice the time.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
#[allow(clippy::inline_always)]
pub unsafe fn gelu<S: Simd>(x: S::V) -> S::V {
    /// Of `erf(x/√2) / x`, in `2 (x/5)² - 1`.
    const ERF: [f32; 13] = [
        1.411_906e-3,
        -3.348_062e-3,
        2.925_263_3e-3,
        -5.068_645e-3,
        1.333_561_8e-2,
        -2.259_948_7e-2,
        3.257_414e-2,
        -4.643_269e-2,
        6.292_974e-2,
        -8.090_142e-2,
        0.103_037_89,
        -0.140_591_87,
        0.282_727_6,
    ];
    unsafe {
        let u = S::mul_add(S::mul(x, x), S::splat(2.0 / 25.0), S::splat(-1.0));
        let erf = S::mul(polynomial::<S, 13>(&ERF, u), x);
        let erf = S::max(S::min(erf, S::splat(1.0)), S::splat(-1.0));
        // x/2 (1 + erf(x/√2))
        let half = S::mul(x, S::splat(0.5));
        S::mul_add(half, erf, half)
    }
}

/// GELU and its derivative `Φ(x) + x φ(x)`.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
#[allow(clippy::inline_always)]
pub unsafe fn gelu_with_derivative<S: Simd>(x: S::V) -> (S::V, S::V) {
    const INV_SQRT_2PI: f32 = 0.398_942_3;
    unsafe {
        let (erf, e) = erf_parts::<S>(x);
        let half = S::mul(x, S::splat(0.5));
        let value = S::mul_add(S::abs(half), erf, half);
        // Φ(x) = 1 - Q for x ≥ 0 and Q below, where Q = (1 - erf)/2.
        let tail = S::mul(S::sub(S::splat(1.0), erf), S::splat(0.5));
        let positive = S::min(
            S::max(S::mul(x, S::splat(f32::MAX)), S::splat(0.0)),
            S::splat(1.0),
        );
        // positive·(1 - 2 tail) + tail
        let phi = S::mul_add(
            positive,
            S::neg_mul_add(S::splat(2.0), tail, S::splat(1.0)),
            tail,
        );
        let density = S::mul(S::mul(x, S::splat(INV_SQRT_2PI)), e);
        (value, S::add(phi, density))
    }
}
