//! The gradients of a head, which computes the probabilities anew instead of keeping them, as
//! `FlashAttention` does (Dao et al. 2022, arXiv 2205.14135).

use super::{Task, copy, exponentials, gather, product, scores, transpose};
use crate::encoder::cpu::microkernel::strips;
use crate::encoder::cpu::simd::{Kernel, Simd};

/// Queries that are taken together.
const BLOCK: usize = 96;

/// Writes the gradients of the head's queries, keys and values to its columns of
/// `[tokens, 3 · hidden]`.
///
/// # Panics
/// When the head does not lie in `grad` or in what is written.
pub struct Backward<'a> {
    /// The head; what it writes is as wide as what it reads.
    pub task: Task<'a>,
    /// Gradient of the context `[tokens, hidden]`.
    pub grad: &'a [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    // The names of the formula; and one pass over shared scratch, which parts would only hide.
    #[allow(clippy::many_single_char_names, clippy::too_many_lines)]
    unsafe fn run<S: Simd>(self) {
        let task = self.task;
        let from = task.queries();
        let (head, hidden, out) = (task.head, task.head.hidden, task.out);
        let (tokens, dim, ld) = (head.tokens, head.dim, 3 * hidden);
        let end = head.start + tokens;
        assert!(out.len() >= end * ld && self.grad.len() >= end * hidden);
        let (width, padded) = head.padded::<S>();
        let block = BLOCK.min(tokens).max(1);
        let scale = head.scale();
        let matrix = tokens * width;
        let [q, k, dout, dq, dk, dv, keys, values, probs, scored] = task.scratch.cut([
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
        let size = (tokens, dim);
        // SAFETY: `Task::new` and the asserts bound the matrices; the scratch is cut to the sizes
        // used below.
        unsafe {
            gather::<S, f32>(from.add(2 * hidden), ld, size, 1.0, k, width);
            transpose::<S>(k, width, tokens, dim, values);
            gather::<S, f32>(from.add(hidden), ld, size, 1.0, k, width);
            transpose::<S>(k, width, tokens, dim, keys);
            gather::<S, f32>(from, ld, size, scale, q, width);
            let grad = self.grad.as_ptr().add(head.start * hidden + head.column);
            gather::<S, f32>(grad, hidden, size, 1.0, dout, width);
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
            let to = out.at(head.start * ld + head.column);
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
        let inverse = S::splat(exponentials::<S, f32>(p, tokens, padded, p));
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
