//! The context of a head, with both products by tiles of bf16 and the softmax in f32.

use super::forward_bf16::read;
use super::{Head, Task, exponentials};
use crate::encoder::cpu::simd::{
    Grid, GridMut, Kernel, Simd, TILE_COLUMNS, TILE_ROWS, TileKind, TileShape,
};

/// Rows of two tiles, which read keys and values once for both.
const STRIP: usize = 2 * TILE_ROWS;

/// Keys up to which two tiles of rows are taken: scores and weights of more are not in the first cache together.
const FEW: usize = 256;

/// Writes the head's columns of the context `[tokens, hidden]`, as [`super::forward_bf16::ForwardBf16`].
///
/// # Panics
/// When the head does not lie in what is written, or is none that tiles multiply ([`Head::fills_tiles`]).
pub struct ForwardTiles<'a>(pub Task<'a>);

impl Head {
    /// Whether its width is one of whole tiles.
    pub fn fills_tiles(&self) -> bool {
        self.dim > 0 && self.dim.is_multiple_of(2 * TILE_ROWS)
    }
}

impl Kernel for ForwardTiles<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let task = self.0;
        let from = task.queries();
        let (head, hidden, out) = (task.head, task.head.hidden, task.out);
        let (tokens, dim) = (head.tokens, head.dim);
        assert!(out.len() >= (head.start + tokens) * hidden);
        assert!(head.fills_tiles() && 2 * S::LANES == TILE_COLUMNS);
        let (width, padded) = head.padded::<S>();
        assert_eq!(width, dim);
        // Words, of two values each, in a row of a head and for all keys.
        let (groups, pairs) = (dim / 2, padded / 2);
        let [queries, rows, keys, values, strip, probs, sums] = task.scratch.cut([
            tokens.next_multiple_of(TILE_ROWS) * groups,
            tokens * groups,
            padded * groups,
            pairs * width,
            STRIP * padded,
            STRIP * pairs,
            STRIP * width,
        ]);
        let step = if padded > FEW { TILE_ROWS } else { STRIP };
        // SAFETY: `Task::new` and the assert bound the matrices; the scratch is cut to the sizes
        // used below, with whole tiles of queries and of keys.
        unsafe {
            read::<S>(from, head, width, queries, rows, keys, values);
            // No weight is given to what is behind the last token, but it must be a number.
            values[tokens.div_ceil(2) * width..].fill(0.0);
            let (strip, sums) = (strip.as_mut_ptr(), sums.as_mut_ptr());
            let probs = probs.as_mut_ptr();
            S::configure_tiles();
            for row in (0..tokens).step_by(step) {
                let here = step.min(tokens - row);
                let two = here > TILE_ROWS;
                let queries = Grid {
                    start: queries.as_ptr().add(row * groups).cast(),
                    stride: groups,
                };
                let shape = TileShape {
                    two,
                    steps: groups / TILE_ROWS,
                };
                for (p, keys) in keys.chunks_exact(TILE_COLUMNS * groups).enumerate() {
                    let keys = Grid {
                        start: keys.as_ptr().cast(),
                        stride: TILE_COLUMNS,
                    };
                    let scores = GridMut {
                        start: strip.add(p * TILE_COLUMNS).cast(),
                        stride: padded,
                    };
                    S::multiply_tiles(TileKind::Bf16, shape, queries, keys, scores);
                }
                let mut inverse = [0.0f32; STRIP];
                for (r, inverse) in inverse.iter_mut().enumerate().take(here) {
                    let to = probs.add(r * pairs).cast::<u16>();
                    *inverse = exponentials::<S, u16>(strip.add(r * padded), tokens, padded, to);
                }
                let probs = Grid {
                    start: probs.cast(),
                    stride: pairs,
                };
                let shape = TileShape {
                    two,
                    steps: pairs / TILE_ROWS,
                };
                for c in (0..width).step_by(TILE_COLUMNS) {
                    let values = Grid {
                        start: values.as_ptr().add(c).cast(),
                        stride: width,
                    };
                    let context = GridMut {
                        start: sums.add(c).cast(),
                        stride: width,
                    };
                    S::multiply_tiles(TileKind::Bf16, shape, probs, values, context);
                }
                for (r, inverse) in inverse.iter().enumerate().take(here) {
                    let to = out.at((head.start + row + r) * hidden + head.column);
                    for i in (0..dim).step_by(S::LANES) {
                        let sum = S::load(sums.add(r * width + i));
                        S::store(to.add(i), S::mul(sum, S::splat(*inverse)));
                    }
                }
            }
            S::release_tiles();
        }
    }
}
