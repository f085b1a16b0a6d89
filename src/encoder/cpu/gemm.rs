//! Matrix products of a few rows with packed weights, and what becomes of each result before it
//! is stored ([`Epilogue`]).
//!
//! A tile of [`Simd::ROWS`] rows by two vectors of columns stays in registers over the whole
//! inner dimension (Goto & van de Geijn 2008). All rows pass one panel before the next, so that
//! a panel is read from memory once per call.

use std::ops::Range;

use super::epilogue::{Epilogue, holds};
use super::pack::{Packed, Precision};
use super::quantise::{Quantised, Rows};
use super::simd::{Kernel, Simd, load_up_to};
use super::{strassen, tiles};

/// Steps of a product over which a panel's words are fetched into the first cache before they are
/// needed.
const NEAR: usize = 12;

/// What a strip fetches for those after it while it computes: a share of the next panel, so that
/// the memory behind the second cache is read evenly and not by the panel's first strip alone.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    words: *const u32,
    /// Words per step.
    step: usize,
}

impl Ahead {
    /// The share of the strip that begins at `row` of `rows`, beside a panel of `steps` that the next one
    /// begins `next` steps after.
    #[inline(always)]
    pub(super) fn of<S: Simd>(
        panel: *const u32,
        (steps, next): (usize, usize),
        row: usize,
        rows: usize,
    ) -> Self {
        let width = 2 * S::LANES;
        Self {
            words: panel.wrapping_add((next + steps * row / rows) * width),
            step: width.div_ceil(rows.div_ceil(S::ROWS)),
        }
    }

    /// Fetches the words of step `i`, and those that `b`, at this step, needs soon.
    #[inline(always)]
    pub(super) unsafe fn fetch<S: Simd>(self, i: usize, b: *const u32) {
        let near: *const f32 = b.wrapping_add(NEAR * 2 * S::LANES).cast();
        // SAFETY: a prefetch reads nothing.
        unsafe {
            S::prefetch(near);
            S::prefetch(near.wrapping_add(S::LANES));
            S::prefetch_far(self.words.wrapping_add(i * self.step).cast());
        }
    }
}

/// `R` rows by two vectors: `Σ_k a[r · ar + k · ak] · b[k · bk ..]`.
///
/// # Safety
/// As [`Simd`]; all indices that the formula names are valid.
#[inline(always)]
pub unsafe fn tile<S: Simd, const R: usize>(
    k: usize,
    a: *const f32,
    (ar, ak): (usize, usize),
    b: *const f32,
    bk: usize,
) -> [[S::V; 2]; R] {
    // SAFETY: the function's own conditions.
    unsafe { add_tile::<S, R>([[S::splat(0.0); 2]; R], k, a, (ar, ak), b, bk, |_, _| ()) }
}

/// The same, added to `sums`; `before` sees every step and where `b` stands then.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(super) unsafe fn add_tile<S: Simd, const R: usize>(
    mut sums: [[S::V; 2]; R],
    k: usize,
    a: *const f32,
    (ar, ak): (usize, usize),
    b: *const f32,
    bk: usize,
    before: impl Fn(usize, *const f32),
) -> [[S::V; 2]; R] {
    // SAFETY: the caller's.
    unsafe {
        for i in 0..k {
            before(i, b.add(i * bk));
            let b0 = S::load(b.add(i * bk));
            let b1 = S::load(b.add(i * bk + S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(r * ar + i * ak));
                sums[0] = S::mul_add(x, b0, sums[0]);
                sums[1] = S::mul_add(x, b1, sums[1]);
            }
        }
        sums
    }
}

/// The same of 8-bit integers, four per word, before the scales.
#[inline(always)]
unsafe fn tile_i8<S: Simd, const R: usize>(
    groups: usize,
    a: *const u32,
    ar: usize,
    b: *const u32,
    ahead: Ahead,
) -> [[S::I; 2]; R] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[S::zero_i(); 2]; R];
        for i in 0..groups {
            ahead.fetch::<S>(i, b.add(i * 2 * S::LANES));
            let b0 = S::load_i(b.add(i * 2 * S::LANES));
            let b1 = S::load_i(b.add(i * 2 * S::LANES + S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat_i(*a.add(r * ar + i) as i32);
                sums[0] = S::dot(sums[0], b0, x);
                sums[1] = S::dot(sums[1], b1, x);
            }
        }
        sums
    }
}

/// The same of bf16, two per word; `before` sees every step and where `b` stands then.
///
/// # Safety
/// As [`tile`], of words.
#[inline(always)]
pub unsafe fn tile_bf16<S: Simd, const R: usize>(
    groups: usize,
    a: *const u32,
    ar: usize,
    b: *const u32,
    bk: usize,
    before: impl Fn(usize, *const u32),
) -> [[S::V; 2]; R] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[S::splat(0.0); 2]; R];
        for i in 0..groups {
            before(i, b.add(i * bk));
            let b0 = S::load_i(b.add(i * bk));
            let b1 = S::load_i(b.add(i * bk + S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat_i(*a.add(r * ar + i) as i32);
                sums[0] = S::dot_bf16(sums[0], b0, x);
                sums[1] = S::dot_bf16(sums[1], b1, x);
            }
        }
        sums
    }
}

/// Calls `$body` for strips of rows of a constant number `$R`, as many as are left; of sixteen two halves.
macro_rules! strips {
    ($S:ident, $rows:expr, $row:ident, $R:ident, $body:block) => {
        let mut $row = 0;
        while $row < $rows {
            let left = $rows - $row;
            if $S::ROWS >= 12 && left >= 12 && left != 16 {
                const $R: usize = 12;
                $body
                $row += 12;
            } else if $S::ROWS >= 8 && left >= 8 {
                const $R: usize = 8;
                $body
                $row += 8;
            } else if left >= 4 {
                const $R: usize = 4;
                $body
                $row += 4;
            } else if left >= 2 {
                const $R: usize = 2;
                $body
                $row += 2;
            } else {
                const $R: usize = 1;
                $body
                $row += 1;
            }
        }
    };
}
pub(super) use strips;

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
    assert!(packed.takes_bf16());
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
