//! Products of f32 by seven products of halves where the rule asks for eight (Strassen 1969, Numerische Mathematik 13),
//! in Winograd's form with the fewest additions (Douglas et al. 1994, GEMMW, Journal of Computational Physics 110).
//!
//! Rows, inputs and output channels are halved once. With the quarters `A11 … A22` of the rows and `B11 … B22` of the
//! transposed weights,
//!
//! ```text
//! S1 = A21 + A22    T1 = B12 - B11    P1 = A11 B11    P5 = S1 T1    C11 = P1 + P2
//! S2 = S1 - A11     T2 = B22 - T1     P2 = A12 B21    P6 = S2 T2    C12 = P1 + P6 + P5 + P3
//! S3 = A11 - A21    T3 = B22 - B12    P3 = S4 B22     P7 = S3 T3    C21 = P1 + P6 + P7 - P4
//! S4 = A12 - S2     T4 = T2 - B21     P4 = A22 T4                   C22 = P1 + P6 + P7 + P5
//! ```
//!
//! The sums of weights are made once, when the weights are packed; those of rows once a product. The products of a tile
//! follow each other in the same registers, and sums that two results share wait in the first cache. A result is off by
//! a few units more in the last place than that of the rule, and depends in that place on the row beside it.

use super::epilogue::{Epilogue, holds};
use super::gemm::Tile;
use super::microkernel::{Ahead, add_tile, strips};
use super::pack::{Packed, Precision};
use super::simd::{Kernel, Level, Simd};
use super::words::Words;

/// Rows from which on this takes less time than the rule: fewer are multiplied faster than the sums of the weights
/// are read.
pub const ROWS: usize = 32;

/// Inputs of a half from which on the sums of rows and results do not outweigh the product that is saved.
const DEEP: usize = 64;

/// Sums of the weights: T2, T3, -T4, T1.
const SUMS: usize = 4;

/// The sums of weights of a matrix whose quarters are whole panels, in panels of their own; empty for others.
pub fn sums(packed: &Packed) -> Words {
    let width = 2 * packed.level.lanes();
    let (groups, panels) = (packed.groups, packed.panels() / 2);
    let whole = packed.outputs.is_multiple_of(2 * width)
        && groups.is_multiple_of(width)
        && groups / 2 >= DEEP;
    if packed.precision != Precision::F32 || !whole {
        return Words::default();
    }
    let words = packed.words.as_slice();
    let quarter = groups / 2 * width;
    let mut out = Words::zeros(SUMS * panels * quarter);
    let (left, right) = words.split_at(words.len() / 2);
    let mut all = out.as_mut_slice().chunks_exact_mut(panels * quarter);
    let mut part = || all.next().unwrap_or_default();
    let (t2, t3, t4, t1) = (part(), part(), part(), part());
    for p in 0..panels {
        for i in 0..quarter {
            let (upper, lower) = (2 * p * quarter + i, (2 * p + 1) * quarter + i);
            let [b11, b21, b12, b22] =
                [left[upper], left[lower], right[upper], right[lower]].map(f32::from_bits);
            let at = p * quarter + i;
            let first = b12 - b11;
            let second = b22 - first;
            t1[at] = first.to_bits();
            t2[at] = second.to_bits();
            t3[at] = (b22 - b12).to_bits();
            t4[at] = (b21 - second).to_bits();
        }
    }
    out
}

/// Fills `out` with S1 to S4 of `rows` rows of `x`, and with A22 where there is one row less below than above: then its
/// last row is zeros.
struct Mixed<'a> {
    x: &'a [f32],
    ld: usize,
    rows: usize,
    /// Inputs of a half.
    half: usize,
    out: &'a mut [u32],
}

impl Kernel for Mixed<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            x,
            ld,
            rows,
            half,
            out,
        } = self;
        let above = rows.div_ceil(2);
        assert!(half % S::LANES == 0 && holds(x.len(), ld, rows, 2 * half));
        assert!(out.len() >= (SUMS + rows % 2) * above * half);
        let out = out.as_mut_ptr().cast::<f32>();
        // SAFETY: the asserts bound `x` and `out`; a row below is read where there is one.
        unsafe {
            for r in 0..above {
                let top = x.as_ptr().add(r * ld);
                let bottom = (above + r < rows).then(|| x.as_ptr().add((above + r) * ld));
                for i in (0..half).step_by(S::LANES) {
                    let (a11, a12) = (S::load(top.add(i)), S::load(top.add(half + i)));
                    let below = |i| bottom.map_or(S::splat(0.0), |row| S::load(row.add(i)));
                    let (a21, a22) = (below(i), below(half + i));
                    let s1 = S::add(a21, a22);
                    let s2 = S::sub(s1, a11);
                    let put = |n, value| S::store(out.add((n * above + r) * half + i), value);
                    put(0, s1);
                    put(1, s2);
                    put(2, S::sub(a11, a21));
                    put(3, S::sub(a12, s2));
                    if rows % 2 == 1 {
                        put(4, a22);
                    }
                }
            }
        }
    }
}

struct Product<'a, E> {
    x: &'a [f32],
    ld: usize,
    rows: usize,
    packed: &'a Packed,
    mixed: &'a [u32],
    bias: &'a [f32],
    epilogue: &'a mut E,
}

/// A quarter of the weights, or a sum of some: where a panel of it begins, and how many steps the next one begins
/// after it.
type Quarter = (*const u32, usize);

/// Rows of a quarter, or of a sum of some, and how far they are apart.
type Side = (*const f32, usize);

/// Results of some rows and one panel.
type Results<S, const R: usize> = [[<S as Simd>::V; 2]; R];

/// The strip that begins at `row` of the `above` rows of the upper half.
#[derive(Clone, Copy)]
struct Strip {
    row: usize,
    above: usize,
    /// Inputs of a half.
    half: usize,
}

impl Strip {
    /// `tile` and the product of one quarter with another.
    #[inline(always)]
    unsafe fn add<S: Simd, const R: usize>(
        self,
        tile: Results<S, R>,
        (a, ld): Side,
        (b, next): Quarter,
    ) -> Results<S, R> {
        let ahead = Ahead::of::<S>(b, (self.half, next), self.row, self.above);
        let width = 2 * S::LANES;
        // SAFETY: the caller's.
        unsafe {
            let fetch = |i, b: *const f32| ahead.fetch::<S>(i, b.cast());
            add_tile::<S, R>(tile, self.half, a, (ld, 1), b.cast(), width, fetch)
        }
    }
}

#[inline(always)]
unsafe fn plus<S: Simd, const R: usize>(mut a: Results<S, R>, b: &Results<S, R>) -> Results<S, R> {
    for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
        // SAFETY: the caller's.
        *a = unsafe { S::add(*a, *b) };
    }
    a
}

impl<E: Epilogue> Product<'_, E> {
    /// Hands a tile of the results to the epilogue: of the strip, above or below, and panel `panel` of all.
    #[inline(always)]
    unsafe fn give<S: Simd, const R: usize>(
        &mut self,
        tile: &Results<S, R>,
        first: usize,
        panel: usize,
    ) {
        let mut out = Tile {
            epilogue: &mut *self.epilogue,
            bias: self.bias,
            row: first,
            rows: self.rows - first.min(self.rows),
            column: panel * 2 * S::LANES,
            columns: self.packed.outputs,
        };
        // SAFETY: the caller's.
        unsafe { out.give::<S, R>(|r, h| tile[r][h]) }
    }
}

impl<E: Epilogue> Kernel for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let Self {
            x,
            ld,
            rows,
            packed,
            mixed,
            bias,
            ..
        } = self;
        let (n, groups, width) = (packed.outputs, packed.groups, 2 * S::LANES);
        let (half, panels, above) = (groups / 2, n / (2 * width), rows.div_ceil(2));
        let (words, sums) = (packed.words.as_slice(), packed.sums_of_quarters.as_slice());
        assert_eq!(packed.level.lanes(), S::LANES);
        assert_eq!(words.len(), 2 * panels * width * groups);
        assert_eq!(sums.len(), SUMS * panels * width * half);
        assert!(
            holds(x.len(), ld, rows, groups) && mixed.len() >= (SUMS + rows % 2) * above * half
        );
        assert!(bias.is_empty() || bias.len() == n);
        assert!(self.epilogue.fits(rows, n));
        let (x, mixed) = (x.as_ptr(), mixed.as_ptr().cast::<f32>());
        // SAFETY: the asserts bound rows, columns and words.
        unsafe {
            for p in 0..panels {
                // Quarters of the weights, and their sums.
                let panel = words.as_ptr().add(p * groups * width);
                let beside = panel.add(panels * groups * width);
                let (b11, b21) = ((panel, groups), (panel.add(half * width), groups));
                let b22 = (beside.add(half * width), groups);
                let sum = sums.as_ptr().add(p * half * width);
                let all = panels * half * width;
                let (t2, t3) = ((sum, half), (sum.add(all), half));
                let (t4, t1) = ((sum.add(2 * all), half), (sum.add(3 * all), half));
                strips!(S, above, row, R, {
                    let strip = Strip { row, above, half };
                    let a11: Side = (x.add(row * ld), ld);
                    let a12: Side = (a11.0.add(half), ld);
                    let own = mixed.add(row * half);
                    let all = above * half;
                    let (s1, s2) = ((own, half), (own.add(all), half));
                    let (s3, s4) = ((own.add(2 * all), half), (own.add(3 * all), half));
                    let a22: Side = if rows % 2 == 1 {
                        (own.add(4 * all), half)
                    } else {
                        (x.add((above + row) * ld + half), ld)
                    };
                    let zeros = [[S::splat(0.0); 2]; R];
                    let below = above + row;
                    let p1 = strip.add::<S, R>(zeros, a11, b11);
                    let c11 = strip.add::<S, R>(p1, a12, b21);
                    self.give::<S, R>(&c11, row, p);
                    let u2 = strip.add::<S, R>(p1, s2, t2);
                    let u3 = strip.add::<S, R>(u2, s3, t3);
                    let c21 = strip.add::<S, R>(u3, a22, t4);
                    self.give::<S, R>(&c21, below, p);
                    let p5 = strip.add::<S, R>(zeros, s1, t1);
                    self.give::<S, R>(&plus::<S, R>(p5, &u3), below, panels + p);
                    let c12 = strip.add::<S, R>(plus::<S, R>(p5, &u2), s4, b22);
                    self.give::<S, R>(&c12, row, panels + p);
                });
            }
        }
    }
}

/// `epilogue(x · wᵀ + bias)` as [`super::gemm::multiply`] gives it, of weights with sums of quarters.
///
/// # Panics
/// When the slices are shorter than `rows`, the weights and the epilogue ask.
pub fn multiply<E: Epilogue>(
    x: &[f32],
    (ld, rows): (usize, usize),
    packed: &Packed,
    bias: &[f32],
    mixed: &mut Words,
    epilogue: &mut E,
) {
    let (level, half): (Level, usize) = (packed.level, packed.groups / 2);
    mixed.reserve((SUMS + rows % 2) * rows.div_ceil(2) * half);
    let out = mixed.as_mut_slice();
    level.run(Mixed {
        x,
        ld,
        rows,
        half,
        out,
    });
    let mixed = mixed.as_slice();
    level.run(Product {
        x,
        ld,
        rows,
        packed,
        mixed,
        bias,
        epilogue,
    });
}
