//! Products of tiles against those of words and of vectors.

use half::bf16;
use proptest::prelude::*;

use super::super::epilogue::{Gelu, GeluHalves, Store};
use super::super::gemm::{multiply, multiply_halves};
use super::super::pack::{Packed, Precision};
use super::super::quantise::Rows;
use super::super::simd::{
    Grid, GridMut, Kernel, Level, Simd, TILE_COLUMNS, TILE_ROWS, TileKind, TileShape,
};
use super::super::tiles;
use super::kernels::multiplied;
use super::{relative_error, values};

/// A product of tiles by a level.
struct TilesOf<'a> {
    kind: TileKind,
    shape: TileShape,
    a: &'a [u32],
    b: &'a [u32],
    /// Words from row to row of both; of the result as of `b`.
    strides: (usize, usize),
}

impl Kernel for TilesOf<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> Vec<u32> {
        let (rows, stride) = (self.shape.rows(), self.strides.1);
        assert!(self.a.len() >= rows * self.strides.0);
        assert!(self.b.len() >= TILE_ROWS * self.shape.steps * stride);
        let mut out = vec![0; rows * stride];
        let a = Grid {
            start: self.a.as_ptr(),
            stride: self.strides.0,
        };
        let b = Grid {
            start: self.b.as_ptr(),
            stride,
        };
        let c = GridMut {
            start: out.as_mut_ptr(),
            stride,
        };
        // SAFETY: the matrices are as large as the asserts say, and `out` as made.
        unsafe {
            S::configure_tiles();
            S::multiply_tiles(self.kind, self.shape, a, b, c);
            S::release_tiles();
        }
        out
    }
}

proptest! {
    // Of any width, with whatever the rows held before.
    #[test]
    fn an_inner_layer_of_bf16_is_as_if_it_were_rounded_after(
        rows in 1usize..70,
        inputs in 1usize..70,
        inner in 1usize..100,
        outputs in 1usize..70,
        seed in 0u64..1000,
    ) {
        let x = values(rows * inputs, seed);
        let (w, bias) = (values(inner * inputs, seed + 1), values(inner, seed + 2));
        let (v, after) = (values(outputs * inner, seed + 3), values(outputs, seed + 4));
        for level in Level::available() {
            let pack = |outputs, inputs, w: &[f32]| {
                let row = |o: usize| &w[o * inputs..(o + 1) * inputs];
                Packed::by_output(level, Precision::Bf16, outputs, inputs, row)
            };
            let (up, down) = (pack(inner, inputs, &w), pack(outputs, inner, &v));
            let mut scratch = Rows::default();
            let mut before = [(); 2].map(|()| vec![f32::NAN; rows * inner]);
            let [first, second] = &mut before;
            let mut plain = vec![f32::NAN; rows * inner];
            let mut gelu = Gelu { out: &mut plain, before: first, ld: inner };
            multiply(&x, inputs, rows, &up, &bias, &mut scratch, &mut gelu);
            let expected = multiplied(&plain, inner, &down, &after);

            let mut halves = Rows::default();
            halves.shape(Precision::Bf16, inner, rows);
            halves.words.as_mut_slice().fill(u32::MAX);
            halves.shape(Precision::Bf16, inner, rows);
            let mut gelu = GeluHalves { out: &mut halves, before: second, ld: inner };
            multiply(&x, inputs, rows, &up, &bias, &mut scratch, &mut gelu);
            let mut out = vec![f32::NAN; rows * outputs];
            let mut store = Store { out: &mut out, ld: outputs };
            multiply_halves(&halves, rows, &down, &after, &mut store);
            prop_assert_eq!(&out, &expected, "{:?}", level);
            prop_assert_eq!(&before[0], &before[1]);
        }
    }

    // Widths of whole tiles: rows of a part of a tile, of one and of several, and panels that are cut.
    #[test]
    fn products_by_tiles_are_those_of_vectors(
        rows in 1usize..70,
        outputs in 1usize..100,
        steps in 1usize..5,
        seed in 0u64..1000,
    ) {
        for precision in [Precision::Bf16, Precision::Int8] {
            let inputs = steps * TILE_ROWS * precision.per_word();
            let x = values(rows * inputs, seed);
            let w = values(outputs * inputs, seed + 1);
            let bias = values(outputs, seed + 2);
            let products = |level| {
                let packed = Packed::by_output(level, precision, outputs, inputs, |o| {
                    &w[o * inputs..(o + 1) * inputs]
                });
                (tiles::kind(&packed), multiplied(&x, inputs, &packed, &bias))
            };
            let (_, expected) = products(Level::Portable);
            for level in Level::available() {
                let (kind, out) = products(level);
                prop_assert_eq!(kind.is_some(), level.multiplies_tiles());
                prop_assert!(relative_error(&out, &expected) < 1e-6, "{level:?} {precision:?}");
            }
        }
    }

    #[test]
    fn tiles_are_multiplied_as_word_by_word(
        two in any::<bool>(),
        steps in 1usize..4,
        further in 0usize..20,
        seed in 0u64..1000,
    ) {
        for kind in [TileKind::Bf16, TileKind::Bytes] {
            let shape = TileShape { two, steps };
            let words = |len, seed| -> Vec<u32> {
                let halves = |x: &f32| u32::from(bf16::from_f32(*x).to_bits());
                let all = values(2 * len, seed);
                all.chunks(2).map(|x| halves(&x[0]) | halves(&x[1]) << 16).collect()
            };
            let strides = (TILE_ROWS * steps + further, TILE_COLUMNS + further);
            let a = words(shape.rows() * strides.0, seed);
            let b = words(TILE_ROWS * steps * strides.1, seed + 1);
            let outcomes: Vec<Vec<u32>> = Level::available().into_iter().map(|level| {
                level.run(TilesOf { kind, shape, a: &a, b: &b, strides })
            }).collect();
            for found in &outcomes[1..] {
                if kind == TileKind::Bytes {
                    prop_assert_eq!(found, &outcomes[0]);
                } else {
                    let floats = |words: &[u32]| -> Vec<f32> {
                        words.iter().map(|w| f32::from_bits(*w)).collect()
                    };
                    prop_assert!(relative_error(&floats(found), &floats(&outcomes[0])) < 1e-6);
                }
            }
        }
    }
}
