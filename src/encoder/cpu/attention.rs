//! Self-attention of one head over one sequence (Vaswani et al. 2017, arXiv 1706.03762) and its
//! way back, by strips of queries.
//!
//! The head's columns are copied side by side first, then everything is a product of small
//! matrices in registers. A strip of queries holds its scores against all keys, never the whole
//! matrix; the way back computes the probabilities anew instead of keeping them, as
//! `FlashAttention` does (Dao et al. 2022, arXiv 2205.14135).

use super::gemm::{strips, tile};
use super::math::exp;
use super::simd::{Kernel, Level, Simd, load_up_to, store_up_to};

/// Queries that the way back takes together.
const BLOCK: usize = 96;

/// Where one head of one sequence lies in a packed `[tokens, 3 · hidden]` matrix of queries, keys
/// and values side by side.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// First row of the sequence.
    pub start: usize,
    /// Its length.
    pub tokens: usize,
    /// First column of the head within each third.
    pub column: usize,
    /// Width of the head.
    pub dim: usize,
    /// Width of a third.
    pub hidden: usize,
}

/// A matrix of which several tasks write different places.
#[derive(Clone, Copy)]
pub struct Shared {
    data: *mut f32,
    len: usize,
}

// SAFETY: whoever writes through it promises, in `attention_head` and its way back, that no two
// tasks write the same place at the same time.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// Gives `data` to several tasks.
    pub fn new(data: &mut [f32]) -> Self {
        Self {
            data: data.as_mut_ptr(),
            len: data.len(),
        }
    }

    pub(super) fn len(self) -> usize {
        self.len
    }

    /// Where value `at` lies.
    ///
    /// # Safety
    /// `at` is at most [`Shared::len`].
    pub(super) unsafe fn at(self, at: usize) -> *mut f32 {
        // SAFETY: the caller's.
        unsafe { self.data.add(at) }
    }
}

/// Memory of one task, reused from head to head.
#[derive(Default)]
pub struct Scratch(Vec<f32>);

impl Scratch {
    /// Cuts pieces of these lengths, whose contents are left over from before.
    pub(super) fn cut<const N: usize>(&mut self, lengths: [usize; N]) -> [&mut [f32]; N] {
        let total: usize = lengths.iter().sum();
        if self.0.len() < total {
            self.0.resize(total, 0.0);
        }
        let mut rest = self.0.as_mut_slice();
        lengths.map(|length| {
            let (piece, tail) = std::mem::take(&mut rest).split_at_mut(length);
            rest = tail;
            piece
        })
    }
}

/// Copies `[rows, dim]` out of a wider matrix, times `scale`, into rows of `width`, zeros behind.
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
    assert!(to.len() >= rows * width && width.is_multiple_of(S::LANES) && width >= dim);
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
                S::store(to.as_mut_ptr().add(r * width + i), x);
            }
        }
    }
}

/// The panels of a transposed `[rows, dim]` matrix whose rows are `width` long: for each two
/// vectors of rows, `dim` times two vectors; rows beyond the last are zeros.
#[inline(always)]
pub(super) fn transpose<S: Simd>(
    from: &[f32],
    width: usize,
    rows: usize,
    dim: usize,
    to: &mut [f32],
) {
    let panel = 2 * S::LANES;
    for (p, to) in to.chunks_exact_mut(panel * dim).enumerate() {
        let present = rows.saturating_sub(p * panel).min(panel);
        if present < panel {
            to.fill(0.0);
        }
        for j in 0..present {
            let row = &from[(p * panel + j) * width..][..dim];
            for (d, x) in row.iter().enumerate() {
                to[d * panel + j] = *x;
            }
        }
    }
}

/// `out[r, j] = Σ_d a[r, d] · bᵀ[d, j]` for a strip of `R` rows and all panels of `b`.
#[inline(always)]
unsafe fn scores<S: Simd, const R: usize>(
    a: *const f32,
    lda: usize,
    dim: usize,
    b: &[f32],
    out: *mut f32,
    ldo: usize,
) {
    let panel = 2 * S::LANES;
    // SAFETY: the caller's `a` holds R rows of `dim`, `out` R rows of all panels.
    unsafe {
        for (p, b) in b.chunks_exact(panel * dim).enumerate() {
            let sums = tile::<S, R>(dim, a, (lda, 1), b.as_ptr(), panel);
            for (r, sums) in sums.iter().enumerate() {
                let to = out.add(r * ldo + p * panel);
                S::store(to, sums[0]);
                S::store(to.add(S::LANES), sums[1]);
            }
        }
    }
}

/// What a softmax leaves: exponentials, whose sum is one over the result.
#[inline(always)]
pub(super) unsafe fn exponentials<S: Simd>(row: *mut f32, tokens: usize, padded: usize) -> f32 {
    // SAFETY: `row` holds `padded` values, a multiple of `LANES`, by the caller.
    unsafe {
        for j in tokens..padded {
            *row.add(j) = -1e30;
        }
        let mut most = S::splat(-1e30);
        for j in (0..padded).step_by(S::LANES) {
            most = S::max(most, S::load(row.add(j)));
        }
        let most = S::splat(S::largest(most));
        let mut sum = S::splat(0.0);
        for j in (0..padded).step_by(S::LANES) {
            let e = exp::<S>(S::sub(S::load(row.add(j)), most));
            sum = S::add(sum, e);
            S::store(row.add(j), e);
        }
        // Padding gave about 1e-38 each, far below the sum's rounding.
        for j in tokens..padded {
            *row.add(j) = 0.0;
        }
        1.0 / S::sum(sum)
    }
}

/// `out[r, ..] (+)= scale[r] · Σ_k a(r, k) · b[k, ..]` for a strip of `R` rows; `b` and `out` have
/// rows of `width`.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // a matrix product has this many
unsafe fn product<S: Simd, const R: usize>(
    k: usize,
    a: *const f32,
    strides: (usize, usize),
    b: *const f32,
    width: usize,
    scale: impl Fn(usize) -> f32,
    add: bool,
    out: *mut f32,
) {
    // SAFETY: the caller's matrices are as large as the strides say.
    unsafe {
        for column in (0..width).step_by(2 * S::LANES) {
            let sums = tile::<S, R>(k, a, strides, b.add(column), width);
            for (r, sums) in sums.iter().enumerate() {
                let scale = S::splat(scale(r));
                for (h, sum) in sums.iter().enumerate() {
                    let to = out.add(r * width + column + h * S::LANES);
                    let before = if add { S::load(to) } else { S::splat(0.0) };
                    S::store(to, S::mul_add(*sum, scale, before));
                }
            }
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
        assert!(
            self.qkv.len() >= (start + tokens) * ld && self.out.len >= (start + tokens) * hidden
        );
        assert!(column + dim <= hidden);
        let panel = 2 * S::LANES;
        let width = dim.next_multiple_of(panel);
        let padded = tokens.next_multiple_of(panel);
        let [rows, keys, values, strip, sums] = self.scratch.cut([
            tokens * width,
            padded * dim,
            tokens * width,
            S::ROWS * padded,
            S::ROWS * width,
        ]);
        // SAFETY: the asserts bound `qkv` and `out`; the scratch is cut to the sizes used below.
        unsafe {
            let from = self.qkv.as_ptr().add(start * ld + column);
            gather::<S>(from.add(hidden), ld, tokens, dim, 1.0, rows, width);
            transpose::<S>(rows, width, tokens, dim, keys);
            gather::<S>(from.add(2 * hidden), ld, tokens, dim, 1.0, values, width);
            gather::<S>(
                from,
                ld,
                tokens,
                dim,
                1.0 / (dim as f32).sqrt(),
                rows,
                width,
            );
            let (strip, sums) = (strip.as_mut_ptr(), sums.as_mut_ptr());
            strips!(S, tokens, row, R, {
                let a = rows.as_ptr().add(row * width);
                scores::<S, R>(a, width, dim, keys, strip, padded);
                let mut inverse = [0.0f32; R];
                for (r, inverse) in inverse.iter_mut().enumerate() {
                    *inverse = exponentials::<S>(strip.add(r * padded), tokens, padded);
                }
                let scale = |r: usize| inverse[r];
                product::<S, R>(
                    tokens,
                    strip,
                    (padded, 1),
                    values.as_ptr(),
                    width,
                    scale,
                    false,
                    sums,
                );
                for r in 0..R {
                    let to = self.out.data.add((start + row + r) * hidden + column);
                    copy::<S>(sums.add(r * width), to, dim);
                }
            });
        }
    }
}

#[inline(always)]
pub(super) unsafe fn copy<S: Simd>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: both are valid for `n` values by the caller.
    unsafe {
        for i in (0..n).step_by(S::LANES) {
            store_up_to::<S>(to.add(i), load_up_to::<S>(from.add(i), n - i), n - i);
        }
    }
}

/// Context of one head, written to its columns of `out` `[tokens, hidden]`.
///
/// # Safety
/// No other task may touch these rows and columns of `out` meanwhile, and what `out` was made of
/// must still be there.
///
/// # Panics
/// When the head does not lie in the matrices.
pub unsafe fn attention_head(
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

struct Backward<'a> {
    qkv: &'a [f32],
    grad: &'a [f32],
    head: Head,
    out: Shared,
    scratch: &'a mut Scratch,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    // The names of the formula; and one pass over shared scratch, which parts would only hide.
    #[allow(clippy::many_single_char_names, clippy::too_many_lines)]
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
        assert!(self.qkv.len() >= end * ld && self.out.len >= end * ld);
        assert!(self.grad.len() >= end * hidden && column + dim <= hidden);
        let panel = 2 * S::LANES;
        let width = dim.next_multiple_of(panel);
        let padded = tokens.next_multiple_of(panel);
        let block = BLOCK.min(tokens).max(1);
        let scale = 1.0 / (dim as f32).sqrt();
        let matrix = tokens * width;
        let [q, k, dout, dq, dk, dv, keys, values, probs, scored] = self.scratch.cut([
            matrix,
            matrix,
            matrix,
            matrix,
            matrix,
            matrix,
            padded * dim,
            padded * dim,
            block * padded,
            block * padded,
        ]);
        // SAFETY: the asserts bound the matrices; the scratch is cut to the sizes used below.
        unsafe {
            let from = self.qkv.as_ptr().add(start * ld + column);
            gather::<S>(from.add(2 * hidden), ld, tokens, dim, 1.0, k, width);
            transpose::<S>(k, width, tokens, dim, values);
            gather::<S>(from.add(hidden), ld, tokens, dim, 1.0, k, width);
            transpose::<S>(k, width, tokens, dim, keys);
            gather::<S>(from, ld, tokens, dim, scale, q, width);
            let grad = self.grad.as_ptr().add(start * hidden + column);
            gather::<S>(grad, hidden, tokens, dim, 1.0, dout, width);
            let (probs, scored) = (probs.as_mut_ptr(), scored.as_mut_ptr());
            for first in (0..tokens).step_by(block) {
                let queries = block.min(tokens - first);
                let again = first > 0;
                let at = first * width;
                strips!(S, queries, row, R, {
                    let a = q.as_ptr().add(at + row * width);
                    let p = probs.add(row * padded);
                    scores::<S, R>(a, width, dim, keys, p, padded);
                    let a = dout.as_ptr().add(at + row * width);
                    let d = scored.add(row * padded);
                    scores::<S, R>(a, width, dim, values, d, padded);
                    for r in 0..R {
                        back_softmax::<S>(p.add(r * padded), d.add(r * padded), tokens, padded);
                    }
                    product::<S, R>(
                        tokens,
                        d,
                        (padded, 1),
                        k.as_ptr(),
                        width,
                        |_| scale,
                        false,
                        dq.as_mut_ptr().add(at + row * width),
                    );
                });
                let (q, dout) = (q.as_ptr().add(at), dout.as_ptr().add(at));
                strips!(S, tokens, row, R, {
                    let (dk, dv) = (
                        dk.as_mut_ptr().add(row * width),
                        dv.as_mut_ptr().add(row * width),
                    );
                    let strides = (1, padded);
                    // `q` carries the scale already.
                    product::<S, R>(
                        queries,
                        scored.add(row),
                        strides,
                        q,
                        width,
                        |_| 1.0,
                        again,
                        dk,
                    );
                    product::<S, R>(
                        queries,
                        probs.add(row),
                        strides,
                        dout,
                        width,
                        |_| 1.0,
                        again,
                        dv,
                    );
                });
            }
            let to = self.out.data.add(start * ld + column);
            for (third, from) in [&*dq, &*dk, &*dv].into_iter().enumerate() {
                for r in 0..tokens {
                    copy::<S>(
                        from.as_ptr().add(r * width),
                        to.add(r * ld + third * hidden),
                        dim,
                    );
                }
            }
        }
    }
}

/// Scores and gradients of probabilities in; probabilities and gradients of scores out.
#[inline(always)]
unsafe fn back_softmax<S: Simd>(p: *mut f32, d: *mut f32, tokens: usize, padded: usize) {
    // SAFETY: both rows hold `padded` values, a multiple of `LANES`, by the caller.
    unsafe {
        let inverse = S::splat(exponentials::<S>(p, tokens, padded));
        let mut inner = S::splat(0.0);
        for j in (0..padded).step_by(S::LANES) {
            let x = S::mul(S::load(p.add(j)), inverse);
            S::store(p.add(j), x);
            inner = S::mul_add(x, S::load(d.add(j)), inner);
        }
        let inner = S::splat(S::sum(inner));
        for j in (0..padded).step_by(S::LANES) {
            let x = S::mul(S::load(p.add(j)), S::sub(S::load(d.add(j)), inner));
            S::store(d.add(j), x);
        }
    }
}

/// Gradients of one head's queries, keys and values, written to its columns of `out`
/// `[tokens, 3 · hidden]`; `grad` `[tokens, hidden]` is the gradient of the context.
///
/// # Safety
/// No other task may touch these rows and columns of `out` meanwhile, and what `out` was made of
/// must still be there.
///
/// # Panics
/// When the head does not lie in the matrices.
pub unsafe fn attention_head_grad(
    level: Level,
    qkv: &[f32],
    grad: &[f32],
    head: Head,
    out: Shared,
    scratch: &mut Scratch,
) {
    level.run(Backward {
        qkv,
        grad,
        head,
        out,
        scratch,
    });
}
