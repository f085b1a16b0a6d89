//! The layers of a BERT (Devlin et al. 2019, arXiv 1810.04805) on packed sequences.
//!
//! Attention needs the rows of a sequence alone, so a few whole sequences at a time pass a layer, and
//! their queries, keys and values are read from the cache. Within a group rows are taken in chunks: a
//! chunk passes the attention's output projection, both layer normalisations and the whole
//! feed-forward block before the next one begins. Attention multiplies bf16 where the weights are
//! not f32 and the processor does.

mod by_columns;
mod division;

use std::cell::RefCell;

use super::buffer::Buffer;
use super::crew::{self, Alone, Pool, Share};
use super::epilogue::{AddTo, Gelu, GeluHalves, Store};
use super::gemm::{multiply, multiply_halves};
use super::heads::Heads;
use super::norm::layer_norm;
use super::pack::{Packed, Precision};
use super::quantise::Rows;
use super::simd::{Level, TileKind};
use super::tiles;
use division::{Division, groups};

/// Rows of a chunk.
pub const CHUNK: usize = 48;

/// Rows of a chunk of f32 that is multiplied by tiles, in parts: their products take three times as long, so that memory
/// keeps up.
const CHUNK_OF_PARTS: usize = 128;

/// Rows of a chunk that is multiplied by tiles of bf16, in a group of so many tokens. Tiles are done before memory has
/// brought as many weights, so that a group of short sequences is one chunk; what a long sequence reads beside its
/// weights fills the second cache, and its chunks are two strips. (Of bytes 48 rows were faster: their weights stay in
/// the second cache.)
const fn chunk_of_tiles(tokens: usize) -> usize {
    if tokens <= 256 { 256 } else { 64 }
}

/// A dense layer.
pub struct Dense {
    /// `[out, in]`.
    pub weight: Packed,
    /// `[out]`.
    pub bias: Vec<f32>,
}

/// A layer normalisation.
pub struct Norm {
    /// `[hidden]`.
    pub gamma: Vec<f32>,
    /// `[hidden]`.
    pub beta: Vec<f32>,
    /// Added to the variance.
    pub eps: f32,
}

impl Norm {
    /// Normalises the rows of `x` into `out`.
    pub fn apply(&self, level: Level, x: &[f32], out: &mut [f32]) {
        layer_norm(level, x, &self.gamma, &self.beta, self.eps, out);
    }
}

/// One layer.
pub struct Layer {
    /// Queries, keys and values, `[3 · hidden, hidden]`.
    pub qkv: Dense,
    /// Output of the attention.
    pub output: Dense,
    /// After the attention.
    pub attention_norm: Norm,
    /// Up to the inner width, with GELU.
    pub up: Dense,
    /// Back down.
    pub down: Dense,
    /// After the feed-forward block.
    pub output_norm: Norm,
}

/// What one chunk reads and writes; all slices hold the same number of rows.
pub struct ChunkOf<'a> {
    /// Input of the layer.
    pub x: &'a [f32],
    /// Output of the attention, before its projection.
    pub context: &'a [f32],
    /// Projection and residual, before the first normalisation.
    pub attention_sum: &'a mut [f32],
    /// After it.
    pub middle: &'a mut [f32],
    /// Inner layer before GELU; empty where nobody asks for it.
    pub before: &'a mut [f32],
    /// Feed-forward block and residual, before the second normalisation.
    pub output_sum: &'a mut [f32],
    /// Output of the layer.
    pub out: &'a mut [f32],
}

/// Memory of one thread.
#[derive(Default)]
pub struct Scratch {
    /// The rows that are multiplied, quantised.
    pub quantised: Rows,
    /// Inner layer of a chunk.
    pub inner: Inner,
    rows: [Vec<f32>; 3],
}

/// The inner layer of a chunk, in the one form that the product back down multiplies.
#[derive(Default)]
pub struct Inner {
    /// Where the weights do not take bf16.
    pub plain: Vec<f32>,
    halves: Rows,
}

/// `len` values of `buffer`, whatever they are.
pub fn some(buffer: &mut Vec<f32>, len: usize) -> &mut [f32] {
    if buffer.len() < len {
        buffer.resize(len, 0.0);
    }
    &mut buffer[..len]
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Runs `work` with this thread's memory.
pub fn with_scratch<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    SCRATCH.with_borrow_mut(work)
}

impl Layer {
    /// Lets products of many rows of f32 be made of halves ([`Packed::halve`]), as far as `room` bytes of memory
    /// reach; what is taken of them is subtracted.
    pub fn halve(&mut self, room: &mut usize) {
        for dense in [
            &mut self.up,
            &mut self.down,
            &mut self.qkv,
            &mut self.output,
        ] {
            let before = dense.weight.bytes();
            if before <= *room {
                dense.weight.halve();
                *room -= dense.weight.bytes() - before;
            }
        }
    }

    /// Width of a token state.
    pub fn hidden(&self) -> usize {
        self.output.weight.outputs()
    }

    /// Width of the feed-forward block.
    pub fn inner(&self) -> usize {
        self.up.weight.outputs()
    }

    /// Queries, keys and values of a chunk.
    pub fn project(&self, x: &[f32], out: &mut [f32], scratch: &mut Rows) {
        let hidden = self.hidden();
        let mut store = Store {
            out,
            ld: 3 * hidden,
        };
        let rows = x.len() / hidden;
        multiply(
            x,
            hidden,
            rows,
            &self.qkv.weight,
            &self.qkv.bias,
            scratch,
            &mut store,
        );
    }

    /// Everything after the attention.
    #[allow(clippy::needless_pass_by_value)] // its slices are written
    pub fn finish(&self, level: Level, chunk: ChunkOf<'_>, scratch: &mut Rows, inner: &mut Inner) {
        let (hidden, width) = (self.hidden(), self.inner());
        let rows = chunk.x.len() / hidden;
        let mut sum = AddTo {
            out: &mut *chunk.attention_sum,
            residual: chunk.x,
            ld: hidden,
        };
        let Dense { weight, bias } = &self.output;
        multiply(chunk.context, hidden, rows, weight, bias, scratch, &mut sum);
        self.attention_norm
            .apply(level, chunk.attention_sum, chunk.middle);
        let mut sum = AddTo {
            out: &mut *chunk.output_sum,
            residual: chunk.middle,
            ld: hidden,
        };
        let (x, before) = (&*chunk.middle, chunk.before);
        let Dense { weight, bias } = &self.up;
        let down = &self.down;
        if down.weight.takes_bf16() {
            inner.halves.shape(&down.weight, rows);
            let mut gelu = GeluHalves {
                out: &mut inner.halves,
                before,
                ld: width,
            };
            multiply(x, hidden, rows, weight, bias, scratch, &mut gelu);
            multiply_halves(&inner.halves, rows, &down.weight, &down.bias, &mut sum);
        } else {
            let inner = some(&mut inner.plain, rows * width);
            let mut gelu = Gelu {
                out: inner,
                before,
                ld: width,
            };
            multiply(x, hidden, rows, weight, bias, scratch, &mut gelu);
            let Dense { weight, bias } = down;
            multiply(inner, width, rows, weight, bias, scratch, &mut sum);
        }
        self.output_norm.apply(level, chunk.output_sum, chunk.out);
    }
}

/// Layers one after the other.
pub struct Stack {
    /// The instruction set that the weights are packed for.
    pub level: Level,
    /// First to last.
    pub layers: Vec<Layer>,
    /// Attention heads.
    pub heads: usize,
}

impl Stack {
    /// Runs `x` `[tokens, hidden]` through all layers; `seen` sees what each gives.
    ///
    /// All of it runs on a thread of the pool: one that only waits would have to be woken, and wake
    /// others, in every part of every layer.
    pub fn run(&self, x: Buffer, offsets: &[usize], seen: impl FnMut(&[f32]) + Send) -> Buffer {
        rayon::scope(|_| self.run_here(x, offsets, seen))
    }

    fn run_here(&self, x: Buffer, offsets: &[usize], seen: impl FnMut(&[f32]) + Send) -> Buffer {
        let groups = groups(offsets);
        let division = Division::of(&groups);
        crew::lead(division.helpers(), |crew| {
            self.each_layer(x, seen, |layer, x, out| match division {
                Division::Columns => by_columns::pass(self, layer, crew, offsets, x, out),
                Division::Groups { .. } => {
                    self.by_groups(layer, crew, Alone, &groups, x, out);
                }
                Division::Chunks { rows, .. } => self.pass(layer, crew, offsets, rows, x, out),
                Division::Pool => self.by_groups(layer, &mut Pool, Pool, &groups, x, out),
            })
        })
    }

    /// `pass` for one layer after the other, from `x` into as much memory.
    fn each_layer(
        &self,
        mut x: Buffer,
        mut seen: impl FnMut(&[f32]),
        mut pass: impl FnMut(&Layer, &[f32], &mut [f32]),
    ) -> Buffer {
        let mut next = Buffer::taken(x.len());
        for layer in &self.layers {
            pass(layer, &x, &mut next);
            std::mem::swap(&mut x, &mut next);
            seen(&x);
        }
        x
    }

    /// One layer, group by group; `within` says who shares a group.
    fn by_groups(
        &self,
        layer: &Layer,
        share: &mut impl Share,
        within: impl Share + Copy + Sync,
        groups: &[Vec<usize>],
        mut x: &[f32],
        mut out: &mut [f32],
    ) {
        let parts = groups.iter().map(|offsets| {
            let len = offsets.last().map_or(0, |tokens| tokens * layer.hidden());
            let x = x.split_off(..len).unwrap_or_default();
            let out = out.split_off_mut(..len).unwrap_or_default();
            (offsets, x, out)
        });
        let kind = tiles::kind(&layer.up.weight);
        share.each(parts, |(offsets, x, out)| {
            let rows = match kind {
                Some(TileKind::Bf16) => chunk_of_tiles(x.len() / layer.hidden()),
                Some(TileKind::Parts) => CHUNK_OF_PARTS,
                Some(TileKind::Bytes) | None => CHUNK,
            };
            let mut within = within;
            self.pass(layer, &mut within, offsets, rows, x, out);
        });
    }

    /// Attention of the sequences of a group.
    fn attend(
        &self,
        layer: &Layer,
        share: &mut impl Share,
        offsets: &[usize],
        qkv: &[f32],
        context: &mut [f32],
    ) {
        let heads = Heads {
            offsets,
            heads: self.heads,
            hidden: layer.hidden(),
        };
        if layer.qkv.weight.precision != Precision::F32 && self.level.multiplies_bf16() {
            heads.forward_bf16(self.level, share, qkv, context);
        } else {
            heads.forward(self.level, share, qkv, context);
        }
    }

    /// One layer for the sequences of a group, in chunks of so many rows.
    fn pass(
        &self,
        layer: &Layer,
        share: &mut impl Share,
        offsets: &[usize],
        rows: usize,
        x: &[f32],
        out: &mut [f32],
    ) {
        let level = self.level;
        let hidden = layer.hidden();
        let chunk = rows * hidden;
        let mut qkv = Buffer::taken(3 * x.len());
        let mut context = Buffer::taken(x.len());
        let parts = x.chunks(chunk).zip(qkv.chunks_mut(3 * chunk));
        share.each(parts, |(x, qkv)| {
            with_scratch(|s| layer.project(x, qkv, &mut s.quantised));
        });
        self.attend(layer, share, offsets, &qkv, &mut context);
        let parts = x.chunks(chunk).zip(context.chunks(chunk));
        share.each(parts.zip(out.chunks_mut(chunk)), |((x, context), out)| {
            with_scratch(|s| {
                let [a, b, c] = &mut s.rows;
                let chunk = ChunkOf {
                    x,
                    context,
                    attention_sum: some(a, x.len()),
                    middle: some(b, x.len()),
                    before: &mut [],
                    output_sum: some(c, x.len()),
                    out,
                };
                layer.finish(level, chunk, &mut s.quantised, &mut s.inner);
            });
        });
    }
}
