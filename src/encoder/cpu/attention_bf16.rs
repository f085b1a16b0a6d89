//! Self-attention of one head over one sequence as in [`super::attention`], with both products in
//! bf16 and the softmax in f32.

use super::attention::{Head, Scratch, Shared, copy, exponentials, transpose};
use super::gemm::{strips, tile_bf16};
use super::simd::{Kernel, Level, Simd, load_up_to};

/// Copies `[rows, dim]` out of a wider matrix, times `scale`, as bf16 into rows of `width`, zeros
/// behind.
#[inline(always)]
unsafe fn gather<S: Simd>(
    from: *const f32,
    ld: usize,
    rows: usize,
    dim: usize,
    scale: f32,
    to: &mut [f32],
    width: usize,
) {
    assert!(2 * to.len() >= rows * width && width.is_multiple_of(S::LANES) && width >= dim);
    let to = to.as_mut_ptr().cast::<u16>();
    // SAFETY: the caller's matrix holds `rows` of `dim`; `to` is checked.
    unsafe {
        let scale = S::splat(scale);
        for r in 0..rows {
            let row = from.add(r * ld);
            for i in (0..width).step_by(S::LANES) {
                let x = if i < dim {
                    S::mul(load_up_to::<S>(row.add(i), dim - i), scale)
                } else {
                    S::splat(0.0)
                };
                S::store_bf16(to.add(r * width + i), x);
            }
        }
    }
}

/// Rows of bf16 two by two: each word of `to` is a value of a row, and below it, in the upper half,
/// that of the next row, or zero.
#[inline(always)]
fn pair(rows: &[f32], width: usize, to: &mut [f32]) {
    let half = width / 2;
    for (pair, to) in rows.chunks(width).zip(to.chunks_exact_mut(width)) {
        let (first, second) = pair.split_at(half);
        for (i, to) in to.chunks_exact_mut(2).enumerate() {
            let first = first[i].to_bits();
            let second = second.get(i).map_or(0, |word| word.to_bits());
            to[0] = f32::from_bits(first & 0xffff | second << 16);
            to[1] = f32::from_bits(first >> 16 | second & 0xffff_0000);
        }
    }
}

struct Forward<'a> {
    qkv: &'a [f32],
    head: Head,
    out: Shared,
    scratch: &'a mut Scratch,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Head {
            start,
            tokens,
            column,
            dim,
            hidden,
        } = self.head;
        let ld = 3 * hidden;
        let end = start + tokens;
        assert!(self.qkv.len() >= end * ld && self.out.len() >= end * hidden);
        assert!(column + dim <= hidden);
        let panel = 2 * S::LANES;
        let width = dim.next_multiple_of(panel);
        let padded = tokens.next_multiple_of(panel);
        // Words, of two values each, in a row of a head, for all its values, and for all keys.
        let (row_words, groups, key_words) = (width / 2, dim.div_ceil(2), padded / 2);
        let pairs = tokens.div_ceil(2);
        let [queries, rows, keys, values, strip, probs, sums] = self.scratch.cut([
            tokens * row_words,
            tokens * row_words,
            padded * groups,
            pairs * width,
            S::ROWS * padded,
            S::ROWS * key_words,
            S::ROWS * width,
        ]);
        let scale = 1.0 / (dim as f32).sqrt();
        // SAFETY: the asserts bound `qkv` and `out`; the scratch is cut to the sizes used below.
        unsafe {
            let from = self.qkv.as_ptr().add(start * ld + column);
            gather::<S>(from, ld, tokens, dim, scale, queries, width);
            gather::<S>(from.add(hidden), ld, tokens, dim, 1.0, rows, width);
            transpose::<S>(rows, row_words, tokens, groups, keys);
            gather::<S>(from.add(2 * hidden), ld, tokens, dim, 1.0, rows, width);
            pair(rows, width, values);
            let (strip, sums) = (strip.as_mut_ptr(), sums.as_mut_ptr());
            let probs = probs.as_mut_ptr().cast::<u16>();
            strips!(S, tokens, row, R, {
                let a = queries.as_ptr().add(row * row_words).cast();
                for (p, keys) in keys.chunks_exact(panel * groups).enumerate() {
                    let keys = keys.as_ptr().cast();
                    let found = tile_bf16::<S, R>(groups, a, row_words, keys, panel, |_, _| ());
                    for (r, found) in found.iter().enumerate() {
                        let to = strip.add(r * padded + p * panel);
                        S::store(to, found[0]);
                        S::store(to.add(S::LANES), found[1]);
                    }
                }
                let mut inverse = [0.0f32; R];
                for (r, inverse) in inverse.iter_mut().enumerate() {
                    let row = strip.add(r * padded);
                    *inverse = exponentials::<S>(row, tokens, padded);
                    for j in (0..padded).step_by(S::LANES) {
                        S::store_bf16(probs.add(r * padded + j), S::load(row.add(j)));
                    }
                }
                for c in (0..width).step_by(panel) {
                    let b = values.as_ptr().add(c).cast();
                    let a = probs.cast_const().cast();
                    let found = tile_bf16::<S, R>(pairs, a, key_words, b, width, |_, _| ());
                    for (r, found) in found.iter().enumerate() {
                        let scale = S::splat(inverse[r]);
                        for (h, sum) in found.iter().enumerate() {
                            let to = sums.add(r * width + c + h * S::LANES);
                            S::store(to, S::mul(*sum, scale));
                        }
                    }
                }
                for r in 0..R {
                    let to = self.out.at((start + row + r) * hidden + column);
                    copy::<S>(sums.add(r * width), to, dim);
                }
            });
        }
    }
}

/// Context of one head, as by [`super::attention::attention_head`].
///
/// # Safety
/// No other task may touch these rows and columns of `out` meanwhile, and what `out` was made of
/// must still be there.
///
/// # Panics
/// When the head does not lie in the matrices.
pub unsafe fn attention_head_bf16(
    level: Level,
    qkv: &[f32],
    head: Head,
    out: Shared,
    scratch: &mut Scratch,
) {
    level.run(Forward {
        qkv,
        head,
        out,
        scratch,
    });
}
