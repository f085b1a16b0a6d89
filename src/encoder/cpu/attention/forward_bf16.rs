//! The context of a head, with both products in bf16 and the softmax in f32.

use super::{Head, Task, copy, exponentials, gather, transpose};
use crate::encoder::cpu::microkernel::{strips, tile_bf16};
use crate::encoder::cpu::simd::{Kernel, MAX_LANES, Simd};

/// Rows of bf16 two by two: each word of `to` is a value of a row, and below it, in the upper half,
/// that of the next row, or zero. A row is of `width` values, in half as many words.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn pair<S: Simd>(rows: &[f32], width: usize, to: &mut [f32]) {
    let half = width / 2;
    assert!(half.is_multiple_of(S::LANES));
    let none = [0.0; MAX_LANES].as_slice();
    for (pair, to) in rows.chunks(width).zip(to.chunks_exact_mut(width)) {
        let (first, second) = pair.split_at(half);
        for i in (0..half).step_by(S::LANES) {
            // The last of an odd number of rows has none below it.
            let below = if second.is_empty() {
                none
            } else {
                &second[i..]
            };
            // SAFETY: rows are of whole vectors, `none` is as long as the longest vector.
            unsafe {
                S::pair_halves(
                    first[i..].as_ptr(),
                    below.as_ptr(),
                    to[2 * i..].as_mut_ptr(),
                );
            }
        }
    }
}

/// Reads a head as bf16 from its first query on: queries, times the scale of scores, in rows of `width`; keys in
/// panels; values two by two. `rows` is room for the rows of one of them.
///
/// # Safety
/// As [`Simd`]; the head's queries, keys and values are valid.
#[inline(always)]
pub(super) unsafe fn read<S: Simd>(
    from: *const f32,
    head: Head,
    width: usize,
    queries: &mut [f32],
    rows: &mut [f32],
    keys: &mut [f32],
    values: &mut [f32],
) {
    let (ld, size) = (3 * head.hidden, (head.tokens, head.dim));
    // SAFETY: the caller's; `gather` checks where it writes.
    unsafe {
        gather::<S, u16>(from, ld, size, head.scale(), queries, width);
        gather::<S, u16>(from.add(head.hidden), ld, size, 1.0, rows, width);
        transpose::<S>(rows, width / 2, head.tokens, head.dim.div_ceil(2), keys);
        gather::<S, u16>(from.add(2 * head.hidden), ld, size, 1.0, rows, width);
        pair::<S>(rows, width, values);
    }
}

/// Writes the head's columns of the context `[tokens, hidden]`, as [`super::forward::Forward`].
///
/// # Panics
/// When the head does not lie in what is written.
pub struct ForwardBf16<'a>(pub Task<'a>);

impl Kernel for ForwardBf16<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let task = self.0;
        let from = task.queries();
        let (head, hidden, out) = (task.head, task.head.hidden, task.out);
        let (tokens, dim) = (head.tokens, head.dim);
        assert!(out.len() >= (head.start + tokens) * hidden);
        let (width, padded) = head.padded::<S>();
        let panel = 2 * S::LANES;
        // Words, of two values each, in a row of a head, for all its values, and for all keys.
        let (row_words, groups, key_words) = (width / 2, dim.div_ceil(2), padded / 2);
        let pairs = tokens.div_ceil(2);
        let [queries, rows, keys, values, strip, probs, sums] = task.scratch.cut([
            tokens * row_words,
            tokens * row_words,
            padded * groups,
            pairs * width,
            S::ROWS * padded,
            S::ROWS * key_words,
            S::ROWS * width,
        ]);
        // SAFETY: `Task::new` and the assert bound the matrices; the scratch is cut to the sizes
        // used below.
        unsafe {
            read::<S>(from, head, width, queries, rows, keys, values);
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
                    let to = probs.add(r * padded);
                    *inverse = exponentials::<S, u16>(row, tokens, padded, to);
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
                    let to = out.at((head.start + row + r) * hidden + head.column);
                    copy::<S>(sums.add(r * width), to, dim);
                }
            });
        }
    }
}
