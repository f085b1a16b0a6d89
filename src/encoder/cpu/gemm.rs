//! Matrix products of a few rows with packed weights, and what becomes of each result before it
//! is stored ([`Epilogue`]).
//!
//! All rows pass one panel before the next, so that a panel is read from memory once per call.

use std::ops::Range;

use super::epilogue::{Epilogue, holds};
use super::microkernel::{Ahead, add_tile, strips, tile_bf16, tile_i8};
use super::pack::{Packed, Precision};
use super::quantise::{Quantised, Rows};
use super::simd::{Kernel, Simd, load_up_to};
use super::{strassen, tiles};

/// A product with packed weights.
struct Product<'a, E> {
    x: Operand<'a>,
    rows: usize,
    packed: &'a Packed,
    /// Which panels are multiplied.
    part: Range<usize>,
    bias: &'a [f32],
    epilogue: &'a mut E,
}

/// The rows that are multiplied.
enum Operand<'a> {
    F32 {
        x: &'a [f32],
        ld: usize,
    },
    /// Whole or, by tiles alone, in parts.
    Bf16(&'a Rows),
    Int8(&'a Rows),
}

/// Where the results of a tile belong.
pub(super) struct Tile<'a, E> {
    pub(super) epilogue: &'a mut E,
    pub(super) bias: &'a [f32],
    /// The first row, and how many there are from it on.
    pub(super) row: usize,
    pub(super) rows: usize,
    pub(super) column: usize,
    pub(super) columns: usize,
}

impl<E: Epilogue> Tile<'_, E> {
    /// Hands `value(r, h)`, of row `r` and vector `h`, to the epilogue.
    ///
    /// # Safety
    /// As [`Epilogue::take`]; `bias` is empty or holds all columns.
    #[inline(always)]
    pub(super) unsafe fn give<S: Simd, const R: usize>(
        &mut self,
        value: impl Fn(usize, usize) -> S::V,
    ) {
        // SAFETY: the caller's.
        unsafe {
            let column = |h: usize| self.column + h * S::LANES;
            let vectors = (self.columns - self.column).div_ceil(S::LANES).min(2);
            let mut bias = [S::splat(0.0); 2];
            if !self.bias.is_empty() {
                for (h, bias) in bias.iter_mut().enumerate().take(vectors) {
                    let rest = self.columns - column(h);
                    *bias = load_up_to::<S>(self.bias.as_ptr().add(column(h)), rest);
                }
            }
            for r in 0..R.min(self.rows) {
                for (h, bias) in bias.iter().enumerate().take(vectors) {
                    let y = S::add(value(r, h), *bias);
                    let (column, rest) = (column(h), self.columns - column(h));
                    self.epilogue.take::<S>(self.row + r, column, rest, y);
                }
            }
        }
    }
}

/// What the sums of products of integers of row `x` stand for; `at` is the first output channel.
///
/// # Safety
/// As [`Simd`]; the weights are of integers and have a vector of channels from `at` on.
#[inline(always)]
pub(super) unsafe fn dequantised<S: Simd>(
    packed: &Packed,
    at: usize,
    x: &Quantised,
    sums: S::I,
) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        let scales = S::load(packed.scales.as_ptr().add(at));
        let weights = S::load(packed.sums.as_ptr().add(at));
        let y = S::to_f(S::sub_i(sums, S::splat_i(S::OFFSET * x.sum)));
        let middle = S::mul(weights, S::splat(x.middle));
        S::mul_add(y, S::mul(scales, S::splat(x.scale)), middle)
    }
}

impl<E: Epilogue> Kernel for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::many_single_char_names)] // the names of the formula
    unsafe fn run<S: Simd>(self) {
        let Self {
            x,
            rows,
            packed,
            part,
            bias,
            epilogue,
        } = self;
        let (n, groups) = (packed.outputs, packed.groups);
        let width = 2 * S::LANES;
        let words = packed.words.as_slice();
        packed.check::<S>(&part, bias);
        assert!(epilogue.fits(rows, n.min(part.end * width)));
        match &x {
            Operand::F32 { x, ld } => {
                assert!(packed.precision == Precision::F32 && !packed.in_parts);
                assert!(holds(x.len(), *ld, rows, groups));
            }
            Operand::Bf16(x) => assert!(
                packed.precision == Precision::Bf16
                    && holds(x.words.as_slice().len(), x.stride, rows, groups)
            ),
            Operand::Int8(x) => assert!(
                packed.precision == Precision::Int8
                    && holds(x.words.as_slice().len(), x.stride, rows, groups)
                    && x.quantised.len() >= rows
            ),
        }
        // SAFETY: the asserts bound rows, columns and words; `col < n` before `bias` is read.
        unsafe {
            for p in part {
                let b = words.as_ptr().add(p * width * groups);
                strips!(S, rows, row, R, {
                    let ahead = Ahead::of::<S>(b, (groups, groups), row, rows);
                    let mut tile = Tile {
                        epilogue: &mut *epilogue,
                        bias,
                        row,
                        rows: R,
                        column: p * width,
                        columns: n,
                    };
                    match &x {
                        Operand::F32 { x, ld } => {
                            let a = x.as_ptr().add(row * ld);
                            let fetch = |i, b: *const f32| ahead.fetch::<S>(i, b.cast());
                            let a_steps = (*ld, 1);
                            let zeros = [[S::splat(0.0); 2]; R];
                            let sums =
                                add_tile::<S, R>(zeros, groups, a, a_steps, b.cast(), width, fetch);
                            tile.give::<S, R>(|r, h| sums[r][h]);
                        }
                        Operand::Bf16(x) => {
                            let a = x.words.as_slice().as_ptr().add(row * x.stride);
                            let fetch = |i, b| ahead.fetch::<S>(i, b);
                            let sums = tile_bf16::<S, R>(groups, a, x.stride, b, width, fetch);
                            tile.give::<S, R>(|r, h| sums[r][h]);
                        }
                        Operand::Int8(x) => {
                            let a = x.words.as_slice().as_ptr().add(row * x.stride);
                            let sums = tile_i8::<S, R>(groups, a, x.stride, b, ahead);
                            tile.give::<S, R>(|r, h| {
                                let x = x.quantised.get_unchecked(row + r);
                                dequantised::<S>(packed, p * width + h * S::LANES, x, sums[r][h])
                            });
                        }
                    }
                });
            }
        }
    }
}

/// `epilogue(x · wᵀ + bias)` for `rows` rows of `x`, each `ld` after the one before; an empty
/// `bias` is none. `scratch` holds the rows in the precision of the weights.
///
/// # Panics
/// When the slices are shorter than `rows`, the weights and the epilogue ask.
pub fn multiply<E: Epilogue>(
    x: &[f32],
    ld: usize,
    rows: usize,
    packed: &Packed,
    bias: &[f32],
    scratch: &mut Rows,
    epilogue: &mut E,
) {
    if rows >= strassen::ROWS && !packed.sums_of_quarters.as_slice().is_empty() {
        strassen::multiply(x, (ld, rows), packed, bias, &mut scratch.words, epilogue);
        return;
    }
    let part = 0..packed.panels();
    multiply_part(x, (ld, rows), packed, part, bias, scratch, epilogue);
}

/// The same for the output channels of some panels alone; `shape` is `ld` and `rows`.
///
/// # Panics
/// As [`multiply`], and when the weights have not so many panels.
pub fn multiply_part<E: Epilogue>(
    x: &[f32],
    shape: (usize, usize),
    packed: &Packed,
    part: Range<usize>,
    bias: &[f32],
    scratch: &mut Rows,
    epilogue: &mut E,
) {
    let (ld, rows) = shape;
    if packed.precision == Precision::F32 && !packed.in_parts {
        run(Operand::F32 { x, ld }, rows, packed, part, bias, epilogue);
        return;
    }
    scratch.fill(packed, x, ld, rows);
    let operand = if packed.takes_bf16() {
        Operand::Bf16(scratch)
    } else {
        Operand::Int8(scratch)
    };
    run(operand, rows, packed, part, bias, epilogue);
}

/// The same for the first `rows` of rows that are bf16 already, whole or in parts, as the weights ask
/// ([`Rows::shape`]).
///
/// # Panics
/// As [`multiply`], and when the weights ask for others.
pub fn multiply_halves<E: Epilogue>(
    x: &Rows,
    rows: usize,
    packed: &Packed,
    bias: &[f32],
    epilogue: &mut E,
) {
    assert!(packed.takes_bf16() && x.in_parts == packed.in_parts);
    let part = 0..packed.panels();
    run(Operand::Bf16(x), rows, packed, part, bias, epilogue);
}

fn run<E: Epilogue>(
    x: Operand<'_>,
    rows: usize,
    packed: &Packed,
    part: Range<usize>,
    bias: &[f32],
    epilogue: &mut E,
) {
    if let (Some(kind), Operand::Bf16(x) | Operand::Int8(x)) = (tiles::kind(packed), &x) {
        packed.level.run(tiles::Product {
            kind,
            x,
            rows,
            packed,
            part,
            bias,
            epilogue,
        });
        return;
    }
    packed.level.run(Product {
        x,
        rows,
        packed,
        part,
        bias,
        epilogue,
    });
}
