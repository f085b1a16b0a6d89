//! Plain Rust: for processors without kernels of their own, and what the tests compare with.

use half::bf16;

use super::Simd;

/// Eight lanes, as arrays.
#[derive(Clone, Copy)]
pub struct Portable;

const N: usize = 8;

#[inline(always)]
fn map(a: [f32; N], f: impl Fn(f32) -> f32) -> [f32; N] {
    a.map(f)
}

#[inline(always)]
fn zip(a: [f32; N], b: [f32; N], f: impl Fn(f32, f32) -> f32) -> [f32; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

#[inline(always)]
fn zip_i(a: [i32; N], b: [i32; N], f: impl Fn(i32, i32) -> i32) -> [i32; N] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

// SAFETY: loads and stores move exactly `LANES`, or `n`, values.
#[allow(clippy::inline_always)]
unsafe impl Simd for Portable {
    const LANES: usize = N;
    const ROWS: usize = 4;
    const OFFSET: i32 = 128;
    type V = [f32; N];
    type I = [i32; N];

    #[inline(always)]
    unsafe fn splat(x: f32) -> [f32; N] {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> [f32; N] {
        unsafe { p.cast::<[f32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: [f32; N]) {
        unsafe { p.cast::<[f32; N]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_part(p: *const f32, n: usize) -> [f32; N] {
        std::array::from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_part(p: *mut f32, v: [f32; N], n: usize) {
        for (i, x) in v.iter().enumerate().take(n) {
            unsafe { *p.add(i) = *x }
        }
    }
    #[inline(always)]
    unsafe fn add(a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    unsafe fn sub(a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    unsafe fn mul(a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    unsafe fn div(a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    unsafe fn max(a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, f32::max)
    }
    #[inline(always)]
    unsafe fn min(a: [f32; N], b: [f32; N]) -> [f32; N] {
        zip(a, b, f32::min)
    }
    #[inline(always)]
    unsafe fn abs(a: [f32; N]) -> [f32; N] {
        map(a, f32::abs)
    }
    #[inline(always)]
    unsafe fn mul_add(a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn neg_mul_add(a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn round(a: [f32; N]) -> [f32; N] {
        map(a, f32::round_ties_even)
    }
    #[inline(always)]
    unsafe fn scale2(x: [f32; N], n: [f32; N]) -> [f32; N] {
        zip(x, n, |x, n| {
            x * f32::from_bits(((n as i32 + 127) as u32) << 23)
        })
    }
    #[inline(always)]
    unsafe fn sum(a: [f32; N]) -> f32 {
        a.iter().sum()
    }
    #[inline(always)]
    unsafe fn largest(a: [f32; N]) -> f32 {
        a.iter().copied().fold(f32::NEG_INFINITY, f32::max)
    }

    #[inline(always)]
    unsafe fn zero_i() -> [i32; N] {
        [0; N]
    }
    #[inline(always)]
    unsafe fn splat_i(x: i32) -> [i32; N] {
        [x; N]
    }
    #[inline(always)]
    unsafe fn load_i(p: *const u32) -> [i32; N] {
        unsafe { p.cast::<[i32; N]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store_i(p: *mut u32, v: [i32; N]) {
        unsafe { p.cast::<[i32; N]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn add_i(a: [i32; N], b: [i32; N]) -> [i32; N] {
        zip_i(a, b, i32::wrapping_add)
    }
    #[inline(always)]
    unsafe fn sub_i(a: [i32; N], b: [i32; N]) -> [i32; N] {
        zip_i(a, b, i32::wrapping_sub)
    }
    #[inline(always)]
    unsafe fn or_i(a: [i32; N], b: [i32; N]) -> [i32; N] {
        zip_i(a, b, |a, b| a | b)
    }
    #[inline(always)]
    unsafe fn shift_i<const BITS: i32>(a: [i32; N]) -> [i32; N] {
        a.map(|a| a << BITS)
    }
    #[inline(always)]
    unsafe fn sum_i(a: [i32; N]) -> i32 {
        a.iter().sum()
    }
    #[inline(always)]
    unsafe fn to_i(v: [f32; N]) -> [i32; N] {
        v.map(|x| x.round_ties_even() as i32)
    }
    #[inline(always)]
    unsafe fn to_f(v: [i32; N]) -> [f32; N] {
        v.map(|x| x as f32)
    }
    #[inline(always)]
    unsafe fn store_bytes(p: *mut u8, v: [i32; N]) {
        for (i, x) in v.iter().enumerate() {
            unsafe { *p.add(i) = *x as u8 }
        }
    }
    #[inline(always)]
    unsafe fn dot(acc: [i32; N], w: [i32; N], a: [i32; N]) -> [i32; N] {
        std::array::from_fn(|i| {
            let (w, a) = (w[i].to_le_bytes(), a[i].to_le_bytes());
            (0..4).fold(acc[i], |sum, j| {
                sum + i32::from(w[j]) * i32::from(a[j] as i8)
            })
        })
    }
    #[inline(always)]
    unsafe fn low_bf16(v: [i32; N]) -> [f32; N] {
        v.map(|v| f32::from_bits((v as u32) << 16))
    }
    #[inline(always)]
    unsafe fn high_bf16(v: [i32; N]) -> [f32; N] {
        v.map(|v| f32::from_bits(v as u32 & 0xffff_0000))
    }
    #[inline(always)]
    unsafe fn store_bf16(p: *mut u16, v: [f32; N]) {
        for (i, x) in v.iter().enumerate() {
            unsafe { *p.add(i) = bf16::from_f32(*x).to_bits() }
        }
    }
}
