//! Attention of all heads of all sequences, shared among threads.

use std::cell::RefCell;

use super::attention::backward::Backward;
use super::attention::forward::Forward;
use super::attention::forward_bf16::ForwardBf16;
use super::attention::forward_tiles::ForwardTiles;
use super::attention::{Head, Scratch, Shared, Task};
use super::crew::{Pool, Share};
use super::simd::Level;

/// Scores below which heads are not worth another thread's waking up.
const WORTH: usize = 64 * 64;

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// The heads of packed sequences.
#[derive(Clone, Copy)]
pub struct Heads<'a> {
    /// Where each sequence begins, and the end of the last.
    pub offsets: &'a [usize],
    /// Heads per sequence.
    pub heads: usize,
    /// Width of all heads together.
    pub hidden: usize,
}

impl Heads<'_> {
    /// A head of a sequence, of all of them one after the other; their columns do not overlap.
    fn head(self, at: usize) -> Head {
        let (sequence, head) = (at / self.heads, at % self.heads);
        let dim = self.hidden / self.heads;
        Head {
            start: self.offsets[sequence],
            tokens: self.offsets[sequence + 1] - self.offsets[sequence],
            column: head * dim,
            dim,
            hidden: self.hidden,
        }
    }

    /// Whether the offsets increase and end at `rows`, and the heads divide the width.
    pub fn fit(self, rows: usize) -> bool {
        self.offsets.first() == Some(&0)
            && self.offsets.last() == Some(&rows)
            && self.offsets.is_sorted()
            && self.heads > 0
            && self.hidden.is_multiple_of(self.heads)
    }

    /// Context `[tokens, hidden]` of `qkv` `[tokens, 3 · hidden]`.
    ///
    /// # Panics
    /// When the matrices do not fit the heads.
    pub fn forward(self, level: Level, share: &mut impl Share, qkv: &[f32], out: &mut [f32]) {
        assert_eq!(out.len() * 3, qkv.len());
        self.each(share, qkv, out, |task| level.run(Forward(task)));
    }

    /// The same with products in bf16.
    ///
    /// # Panics
    /// As [`Heads::forward`].
    pub fn forward_bf16(self, level: Level, share: &mut impl Share, qkv: &[f32], out: &mut [f32]) {
        assert_eq!(out.len() * 3, qkv.len());
        self.each(share, qkv, out, |task| {
            if level.multiplies_tiles() && task.head().fills_tiles() {
                level.run(ForwardTiles(task));
            } else {
                level.run(ForwardBf16(task));
            }
        });
    }

    /// Gradient `[tokens, 3 · hidden]` of `qkv`; `grad` `[tokens, hidden]` is the context's.
    ///
    /// # Panics
    /// When the matrices do not fit the heads.
    pub fn backward(self, level: Level, qkv: &[f32], grad: &[f32], out: &mut [f32]) {
        assert!(grad.len() * 3 == qkv.len() && out.len() == qkv.len());
        self.each(&mut Pool, qkv, out, |task| {
            level.run(Backward { task, grad });
        });
    }

    /// Calls `run` for every head of `qkv`, which writes its rows and columns of `out`.
    fn each(self, share: &mut impl Share, qkv: &[f32], out: &mut [f32], run: impl Fn(Task) + Sync) {
        let rows = qkv.len() / (3 * self.hidden);
        assert!(self.fit(rows) && qkv.len() == rows * 3 * self.hidden);
        let out = Shared::new(out);
        let sequences = self.offsets.len() - 1;
        let heads = sequences * self.heads;
        let tokens = rows / sequences.max(1);
        let together = (WORTH / (tokens * tokens).max(1)).max(1);
        share.run(heads.div_ceil(together), |part| {
            SCRATCH.with_borrow_mut(|scratch| {
                for at in part * together..heads.min((part + 1) * together) {
                    // SAFETY: offsets increase and heads lie side by side, so every task has rows
                    // and columns of its own; `out` is borrowed for the whole call.
                    run(unsafe { Task::new(qkv, self.head(at), out, scratch) });
                }
            });
        });
    }
}
