//! Rows in fewer bits: as 8-bit integers with one scale each, symmetric around zero, or as bf16.

use super::pack::{Precision, Words};
use super::simd::{Kernel, Level, Simd, load_up_to};

/// A scale and what values are multiplied with to be quantised by it.
pub struct Inverse {
    /// A unit of the integers.
    pub scale: f32,
    /// One over the scale, or 0 where all values are 0.
    pub factor: f32,
}

/// Maps `±largest` to ±127.
#[inline(always)]
#[allow(clippy::inline_always)]
pub fn inverse(largest: f32) -> Inverse {
    let largest = largest.abs();
    if largest < f32::MIN_POSITIVE {
        return Inverse {
            scale: 0.0,
            factor: 0.0,
        };
    }
    Inverse {
        scale: largest / 127.0,
        factor: 127.0 / largest,
    }
}

struct Row<'a> {
    x: &'a [f32],
    offset: i32,
    bytes: &'a mut [u32],
}

impl Kernel for Row<'_> {
    type Output = (f32, i32);

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> (f32, i32) {
        let n = self.x.len();
        assert!(self.bytes.len() * 4 >= n.next_multiple_of(S::LANES));
        let x = self.x.as_ptr();
        let out = self.bytes.as_mut_ptr().cast::<u8>();
        // SAFETY: loads stay below `n`; stores of `LANES` bytes below `n` rounded up, which the
        // assert allows.
        unsafe {
            let mut most = S::splat(0.0);
            for i in (0..n).step_by(S::LANES) {
                most = S::max(most, S::abs(load_up_to::<S>(x.add(i), n - i)));
            }
            let Inverse { scale, factor } = inverse(S::largest(most));
            let (factor, offset) = (S::splat(factor), S::splat_i(self.offset));
            let mut sum = S::zero_i();
            for i in (0..n).step_by(S::LANES) {
                let q = S::to_i(S::mul(load_up_to::<S>(x.add(i), n - i), factor));
                sum = S::add_i(sum, q);
                S::store_bytes(out.add(i), S::add_i(q, offset));
            }
            (scale, S::sum_i(sum))
        }
    }
}

/// Quantises `x`: bytes `round(x / scale) + offset` go to `bytes`, which must hold the length of
/// `x` rounded up to 64 bytes. Gives the scale and the sum of the integers without the offset.
pub fn quantise_row(level: Level, x: &[f32], offset: i32, bytes: &mut [u32]) -> (f32, i32) {
    level.run(Row { x, offset, bytes })
}

struct Halves<'a> {
    x: &'a [f32],
    words: &'a mut [u32],
}

impl Kernel for Halves<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = self.x.len();
        assert!(self.words.len() * 2 >= n.next_multiple_of(S::LANES));
        let out = self.words.as_mut_ptr().cast::<u16>();
        // SAFETY: loads stay below `n`; stores of `LANES` halves below `n` rounded up, which the
        // assert allows.
        unsafe {
            for i in (0..n).step_by(S::LANES) {
                S::store_bf16(out.add(i), load_up_to::<S>(self.x.as_ptr().add(i), n - i));
            }
        }
    }
}

/// Rounds `x` to bf16, two values a word; `words` must hold the length of `x` rounded up to 64
/// bytes. What is rounded up is zeros, to the next vector at least.
pub fn bf16_row(level: Level, x: &[f32], words: &mut [u32]) {
    level.run(Halves { x, words });
}

/// Rows in fewer bits, reused from call to call.
#[derive(Default)]
pub struct Rows {
    pub(super) words: Words,
    /// Words from row to row.
    pub(super) stride: usize,
    /// One per row of integers; none for bf16.
    pub(super) scales: Vec<f32>,
    pub(super) sums: Vec<i32>,
}

impl Rows {
    /// Takes up the rows of `x`, each `width` long and `ld` after the one before, in `precision`,
    /// which is not f32.
    pub fn fill(
        &mut self,
        level: Level,
        precision: Precision,
        x: &[f32],
        ld: usize,
        width: usize,
        rows: usize,
    ) {
        self.stride = width.div_ceil(16 * precision.per_word()) * 16;
        self.words.reserve(self.stride * rows);
        self.scales.clear();
        self.sums.clear();
        for (r, words) in self
            .words
            .as_mut_slice()
            .chunks_exact_mut(self.stride)
            .take(rows)
            .enumerate()
        {
            let x = &x[r * ld..r * ld + width];
            if precision == Precision::Int8 {
                let (scale, sum) = quantise_row(level, x, 0, words);
                self.scales.push(scale);
                self.sums.push(sum);
            } else {
                bf16_row(level, x, words);
            }
        }
    }
}
