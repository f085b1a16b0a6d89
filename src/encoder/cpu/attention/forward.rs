//! The context of a head, in f32.

use super::{Task, copy, exponentials, gather, product, scores, transpose};
use crate::encoder::cpu::microkernel::strips;
use crate::encoder::cpu::simd::{Kernel, Simd};

/// Writes the head's columns of the context `[tokens, hidden]`.
///
/// # Panics
/// When the head does not lie in what is written.
pub struct Forward<'a>(pub Task<'a>);

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let task = self.0;
        let from = task.queries();
        let (head, hidden, out) = (task.head, task.head.hidden, task.out);
        let (tokens, dim, ld) = (head.tokens, head.dim, 3 * hidden);
        assert!(out.len() >= (head.start + tokens) * hidden);
        let (width, padded) = head.padded::<S>();
        let [rows, keys, values, strip, sums] = task.scratch.cut([
            tokens * width,
            padded * dim,
            tokens * width,
            S::ROWS * padded,
            S::ROWS * width,
        ]);
        let size = (tokens, dim);
        // SAFETY: `Task::new` and the assert bound the matrices; the scratch is cut to the sizes
        // used below.
        unsafe {
            gather::<S, f32>(from.add(hidden), ld, size, 1.0, rows, width);
            transpose::<S>(rows, width, tokens, dim, keys);
            gather::<S, f32>(from.add(2 * hidden), ld, size, 1.0, values, width);
            gather::<S, f32>(from, ld, size, head.scale(), rows, width);
            let (strip, sums) = (strip.as_mut_ptr(), sums.as_mut_ptr());
            strips!(S, tokens, row, R, {
                let a = rows.as_ptr().add(row * width);
                scores::<S, R>(a, width, dim, keys, strip, padded);
                let mut inverse = [0.0f32; R];
                for (r, inverse) in inverse.iter_mut().enumerate() {
                    let row = strip.add(r * padded);
                    *inverse = exponentials::<S, f32>(row, tokens, padded, row);
                }
                let (strides, scale) = ((padded, 1), |r: usize| inverse[r]);
                let b = values.as_ptr();
                product::<S, R>(tokens, strip, strides, b, width, scale, false, sums);
                for r in 0..R {
                    let to = out.at((head.start + row + r) * hidden + head.column);
                    copy::<S>(sums.add(r * width), to, dim);
                }
            });
        }
    }
}
