//! Self-attention of one head over one sequence (Vaswani et al. 2017, arXiv 1706.03762), by strips
//! of queries.
//!
//! The head's columns are copied side by side first, then everything is a product of small
//! matrices in registers. A strip of queries holds its scores against all keys, never the whole
//! matrix. [`forward`] gives the context, [`forward_bf16`] the same with products in bf16,
//! [`forward_tiles`] these by tiles, and [`backward`] the gradients; [`super::heads`] shares the heads among threads.

pub mod backward;
pub mod forward;
pub mod forward_bf16;
pub mod forward_tiles;

use super::math::exp_below;
use super::microkernel::tile;
use super::simd::{Simd, load_up_to, store_up_to};

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

// SAFETY: whoever writes through it promised, in `Task::new` or `Columns::new`, that no two tasks
// write the same place at the same time.
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
    fn cut<const N: usize>(&mut self, lengths: [usize; N]) -> [&mut [f32]; N] {
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

/// One head to attend with: what is read, where it is written, and memory to do it in.
pub struct Task<'a> {
    qkv: &'a [f32],
    head: Head,
    out: Shared,
    scratch: &'a mut Scratch,
}

impl<'a> Task<'a> {
    /// A task on `qkv` `[tokens, 3 · hidden]` that writes the head's rows and columns of `out`.
    ///
    /// # Safety
    /// No other task may touch these rows and columns of `out` meanwhile, and what `out` was made of
    /// must still be there.
    ///
    /// # Panics
    /// When the head does not lie in `qkv`.
    pub unsafe fn new(qkv: &'a [f32], head: Head, out: Shared, scratch: &'a mut Scratch) -> Self {
        assert!(qkv.len() >= (head.start + head.tokens) * 3 * head.hidden);
        assert!(head.column + head.dim <= head.hidden);
        Self {
            qkv,
            head,
            out,
            scratch,
        }
    }

    /// The head that it is about.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The head's first query; its keys and values are `hidden` and twice that further on.
    fn queries(&self) -> *const f32 {
        let at = self.head.start * 3 * self.head.hidden + self.head.column;
        // SAFETY: `new` checked that the head lies in `qkv`.
        unsafe { self.qkv.as_ptr().add(at) }
    }
}

impl Head {
    /// Its width and its tokens, rounded up to whole panels of two vectors.
    fn padded<S: Simd>(&self) -> (usize, usize) {
        let panel = 2 * S::LANES;
        (
            self.dim.next_multiple_of(panel),
            self.tokens.next_multiple_of(panel),
        )
    }

    /// What scores are multiplied with.
    fn scale(&self) -> f32 {
        1.0 / (self.dim as f32).sqrt()
    }
}

/// A value as it is multiplied: f32, or the bits of bf16.
trait Cell: Copy + Default {
    /// Stores a vector of values.
    ///
    /// # Safety
    /// `to` is valid for `LANES` of them, and the instruction set of `S` is there.
    unsafe fn store<S: Simd>(to: *mut Self, x: S::V);
}

impl Cell for f32 {
    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, x: S::V) {
        // SAFETY: the caller's.
        unsafe { S::store(to, x) }
    }
}

impl Cell for u16 {
    #[inline(always)]
    unsafe fn store<S: Simd>(to: *mut Self, x: S::V) {
        // SAFETY: the caller's.
        unsafe { S::store_bf16(to, x) }
    }
}

/// Copies `[rows, dim]` out of a matrix whose rows are `ld` apart, times `scale`, into rows of
/// `width` cells, zeros behind.
#[inline(always)]
unsafe fn gather<S: Simd, C: Cell>(
    from: *const f32,
    ld: usize,
    (rows, dim): (usize, usize),
    scale: f32,
    to: &mut [f32],
    width: usize,
) {
    assert!(size_of_val(to) >= rows * width * size_of::<C>());
    assert!(width.is_multiple_of(S::LANES) && width >= dim);
    let to = to.as_mut_ptr().cast::<C>();
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
                C::store::<S>(to.add(r * width + i), x);
            }
        }
    }
}

/// The panels of a transposed `[rows, dim]` matrix whose rows are `width` long: for each two
/// vectors of rows, `dim` times two vectors; rows beyond the last are zeros.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
unsafe fn transpose<S: Simd>(from: &[f32], width: usize, rows: usize, dim: usize, to: &mut [f32]) {
    let panel = 2 * S::LANES;
    // Columns of whole blocks.
    let blocks = dim - dim % S::LANES;
    for (p, to) in to.chunks_exact_mut(panel * dim).enumerate() {
        let present = rows.saturating_sub(p * panel).min(panel);
        if present < panel {
            to.fill(0.0);
        }
        let whole = present - present % S::LANES;
        for j in (0..whole).step_by(S::LANES) {
            let rows = &from[(p * panel + j) * width..][..(S::LANES - 1) * width + dim];
            for d in (0..blocks).step_by(S::LANES) {
                let to = &mut to[d * panel + j..][..(S::LANES - 1) * panel + S::LANES];
                // SAFETY: the slices hold the block.
                unsafe { S::transpose_block(rows[d..].as_ptr(), width, to.as_mut_ptr(), panel) }
            }
        }
        for j in 0..present {
            let row = &from[(p * panel + j) * width..][..dim];
            let done = if j < whole { blocks } else { 0 };
            for (d, x) in row.iter().enumerate().skip(done) {
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

/// What a softmax leaves: exponentials of `row` in `to`, whose sum is one over the result; zeros behind
/// the last token.
#[inline(always)]
unsafe fn exponentials<S: Simd, C: Cell>(
    row: *mut f32,
    tokens: usize,
    padded: usize,
    to: *mut C,
) -> f32 {
    // SAFETY: both hold `padded` values, a multiple of `LANES`, by the caller.
    unsafe {
        for j in tokens..padded {
            *row.add(j) = -1e30;
        }
        let mut most = S::splat(-1e30);
        for j in (0..padded).step_by(S::LANES) {
            most = S::max(most, S::load(row.add(j)));
        }
        let shift = S::splat(-S::largest(most) * std::f32::consts::LOG2_E);
        let mut sum = S::splat(0.0);
        for j in (0..padded).step_by(S::LANES) {
            let e = exp_below::<S>(S::load(row.add(j)), shift);
            sum = S::add(sum, e);
            C::store::<S>(to.add(j), e);
        }
        // Padding gave about 1e-38 each, far below the sum's rounding.
        for j in tokens..padded {
            *to.add(j) = C::default();
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

#[inline(always)]
unsafe fn copy<S: Simd>(from: *const f32, to: *mut f32, n: usize) {
    // SAFETY: both are valid for `n` values by the caller.
    unsafe {
        for i in (0..n).step_by(S::LANES) {
            store_up_to::<S>(to.add(i), load_up_to::<S>(from.add(i), n - i), n - i);
        }
    }
}
