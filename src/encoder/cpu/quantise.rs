//! Rows in fewer bits: as 8-bit integers with one scale each, or as bf16; or in as many, as sums of parts of bf16.
//!
//! Weights are symmetric around zero. Activations are not: after GELU nearly all are above zero, and a
//! layer normalisation leaves a few channels far out on one side. Their integers stand for distances
//! from the middle between the least and the largest (asymmetric quantisation: Krishnamoorthi 2018,
//! arXiv 1806.08342), and what the middle adds to a product is the weights' sum times it.

use super::pack::{Packed, Precision};
use super::simd::{Kernel, Level, MAX_LANES, Simd, TILE_PARTS, TILE_ROWS, load_up_to};
use super::words::Words;

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

/// Where the integers of a row are taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// Zero: ±127 is the value farthest from it.
    Zero,
    /// The middle of the row: -127 is its least value, 127 its largest.
    Middle,
}

/// How the integers `q` of a row are read: `middle + scale · q`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quantised {
    /// A unit of the integers.
    pub scale: f32,
    /// What zero stands for.
    pub middle: f32,
    /// Sum of the integers.
    pub sum: i32,
}

struct Row<'a> {
    x: &'a [f32],
    around: Around,
    offset: i32,
    bytes: &'a mut [u32],
}

impl Kernel for Row<'_> {
    type Output = Quantised;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Quantised {
        let n = self.x.len();
        assert!(self.bytes.len() * 4 >= n.next_multiple_of(S::LANES));
        let x = self.x.as_ptr();
        let out = self.bytes.as_mut_ptr().cast::<u8>();
        // SAFETY: loads stay below `n`; stores of `LANES` bytes below `n` rounded up, which the
        // assert allows.
        unsafe {
            let first = self.x.first().copied().unwrap_or(0.0);
            let (mut least, mut most) = (S::splat(first), S::splat(first));
            let (vectors, rest) = self.x.split_at(n - n % S::LANES);
            for x in vectors.chunks_exact(S::LANES) {
                let x = S::load(x.as_ptr());
                (least, most) = (S::min(least, x), S::max(most, x));
            }
            let below = S::largest(S::sub(S::splat(0.0), least));
            let below = rest.iter().fold(below, |below, x| below.max(-x));
            let above = rest.iter().fold(S::largest(most), |above, x| above.max(*x));
            let (middle, farthest) = match self.around {
                Around::Zero => (0.0, below.max(above)),
                // Halves first: the range of a row may be more than a float holds.
                Around::Middle => (0.5 * above - 0.5 * below, 0.5 * above + 0.5 * below),
            };
            let Inverse { scale, factor } = inverse(farthest);
            let (factor, offset) = (S::splat(factor), S::splat_i(self.offset));
            let middles = [middle; MAX_LANES];
            let mut sum = S::zero_i();
            for i in (0..n).step_by(S::LANES) {
                // Zeros behind the last value stay zeros.
                let middle = load_up_to::<S>(middles.as_ptr(), n - i);
                let x = S::sub(load_up_to::<S>(x.add(i), n - i), middle);
                let q = S::to_i(S::mul(x, factor));
                sum = S::add_i(sum, q);
                S::store_bytes(out.add(i), S::add_i(q, offset));
            }
            Quantised {
                scale,
                middle,
                sum: S::sum_i(sum),
            }
        }
    }
}

/// Quantises `x`: bytes `round((x - middle) / scale) + offset` go to `bytes`, which must hold the length
/// of `x` rounded up to 64 bytes.
pub fn quantise_row(
    level: Level,
    x: &[f32],
    around: Around,
    offset: i32,
    bytes: &mut [u32],
) -> Quantised {
    level.run(Row {
        x,
        around,
        offset,
        bytes,
    })
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

/// Stores `v` as parts at `column` of a row, whose tiles of parts follow each other: the eight bits of each value
/// that bf16 has room for, then the next eight, and the last.
///
/// # Safety
/// As [`Simd`]; `row` holds the parts of `column` and as many more as a vector has.
#[inline(always)]
unsafe fn store_parts<S: Simd>(row: *mut u16, column: usize, v: S::V) {
    const TILE: usize = 2 * TILE_ROWS;
    // SAFETY: the caller's; a vector does not go beyond a tile, whose width is a multiple of every set's lanes.
    unsafe {
        let at = row.add(column / TILE * TILE_PARTS * TILE + column % TILE);
        let first = S::cut_to_bf16(v);
        let rest = S::sub(v, first);
        let second = S::cut_to_bf16(rest);
        S::store_bf16(at, first);
        S::store_bf16(at.add(TILE), second);
        S::store_bf16(at.add(2 * TILE), S::sub(rest, second));
    }
}

struct Parts<'a> {
    x: &'a [f32],
    words: &'a mut [u32],
}

impl Kernel for Parts<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = self.x.len();
        assert!(n.is_multiple_of(2 * TILE_ROWS) && 2 * self.words.len() >= TILE_PARTS * n);
        let out = self.words.as_mut_ptr().cast::<u16>();
        for i in (0..n).step_by(S::LANES) {
            // SAFETY: whole vectors, of which `n` is a multiple, and room for their parts by the assert.
            unsafe { store_parts::<S>(out, i, S::load(self.x.as_ptr().add(i))) }
        }
    }
}

/// Stores `x`, of whole tiles, as sums of [`TILE_PARTS`] bf16 values each, exactly but for what is less than
/// `f32::MIN_POSITIVE`; `words` must hold half as many words as there are parts.
pub fn parts_row(level: Level, x: &[f32], words: &mut [u32]) {
    level.run(Parts { x, words });
}

/// Rows in fewer bits, or in parts, reused from call to call.
#[derive(Default)]
pub struct Rows {
    pub(super) words: Words,
    /// Words from row to row.
    pub(super) stride: usize,
    /// Whether they are [`TILE_PARTS`] parts of bf16.
    pub(super) in_parts: bool,
    /// One per row of integers; none for bf16.
    pub(super) quantised: Vec<Quantised>,
}

impl Rows {
    /// Makes room for `rows` rows that these weights, of fewer bits than f32 or in parts, are multiplied with; they
    /// hold whatever they do.
    pub fn shape(&mut self, packed: &Packed, rows: usize) {
        let parts = if packed.in_parts { TILE_PARTS } else { 1 };
        self.stride = packed.groups.next_multiple_of(16) * parts;
        self.in_parts = packed.in_parts;
        // Tiles read whole tiles of rows, whatever those behind the last are.
        self.words
            .reserve(self.stride * rows.next_multiple_of(TILE_ROWS));
        self.quantised.clear();
    }

    /// Stores a vector of results at `column` of `row`, of rows of bf16, whole or in parts.
    ///
    /// # Safety
    /// As [`Simd`]; [`Rows::shape`] made room for the row and for a whole vector from `column` on.
    #[inline(always)]
    pub(super) unsafe fn put<S: Simd>(&mut self, row: usize, column: usize, v: S::V) {
        // SAFETY: the caller's.
        unsafe {
            let words = self.words.as_mut_slice().as_mut_ptr();
            let row = words.add(row * self.stride).cast::<u16>();
            if self.in_parts {
                store_parts::<S>(row, column, v);
            } else {
                S::store_bf16(row.add(column), v);
            }
        }
    }

    /// Values that a row of bf16, whole or in parts, has room for.
    pub(super) fn width(&self) -> usize {
        2 * self.stride / if self.in_parts { TILE_PARTS } else { 1 }
    }

    /// Takes up the rows of `x`, each `ld` after the one before, as these weights, of fewer bits than f32 or in parts,
    /// ask for.
    pub fn fill(&mut self, packed: &Packed, x: &[f32], ld: usize, rows: usize) {
        let (level, width) = (packed.level, packed.inputs);
        self.shape(packed, rows);
        for (r, words) in self
            .words
            .as_mut_slice()
            .chunks_exact_mut(self.stride)
            .take(rows)
            .enumerate()
        {
            let x = &x[r * ld..r * ld + width];
            if packed.in_parts {
                parts_row(level, x, words);
            } else if packed.precision == Precision::Int8 {
                let row = quantise_row(level, x, Around::Middle, 0, words);
                self.quantised.push(row);
            } else {
                bf16_row(level, x, words);
            }
        }
    }
}
