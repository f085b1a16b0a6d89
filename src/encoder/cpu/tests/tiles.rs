//! Products of tiles against those of words and of vectors.

use half::bf16;
use proptest::prelude::*;

use super::super::epilogue::{Gelu, GeluHalves, Store};
use super::super::gemm::{multiply, multiply_halves};
use super::super::pack::{Packed, Precision};
use super::super::quantise::{Rows, parts_row};
use super::super::simd::{
    Grid, GridMut, Kernel, Level, Simd, TILE_COLUMNS, TILE_PARTS, TILE_ROWS, TileKind, TileShape,
};
use super::super::tiles;
use super::kernels::{bounds, multiplied, product, within};
use super::{relative_error, values};
use crate::encoder::stored::Row;

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
        assert!(self.strides.0 >= TILE_ROWS * self.shape.steps * self.kind.parts());
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

/// Values that bf16 holds.
fn rounded(count: usize, seed: u64) -> Vec<f32> {
    let halves = values(count, seed).into_iter().map(bf16::from_f32);
    halves.map(bf16::to_f32).collect()
}

proptest! {
    // Of any width where weights are bf16, and of whole tiles where rows are in parts; with whatever the rows held before.
    #[test]
    fn an_inner_layer_of_bf16_is_as_if_it_were_stored_after(
        rows in 1usize..70,
        inputs in 1usize..70,
        inner in 1usize..100,
        outputs in 1usize..70,
        seed in 0u64..1000,
    ) {
        let x = values(rows * inputs, seed);
        for (level, precision) in Level::available()
            .into_iter()
            .flat_map(|level| [(level, Precision::Bf16), (level, Precision::F32)])
        {
            let inner = match precision {
                Precision::F32 if !level.multiplies_tiles() => continue,
                Precision::F32 => inner.next_multiple_of(2 * TILE_ROWS),
                _ => inner,
            };
            let (w, bias) = (values(inner * inputs, seed + 1), values(inner, seed + 2));
            let (v, after) = (rounded(outputs * inner, seed + 3), values(outputs, seed + 4));
            let pack = |outputs, inputs, w: &[f32]| {
                let row = |o: usize| &w[o * inputs..(o + 1) * inputs];
                Packed::by_output(level, precision, outputs, inputs, row)
            };
            let (up, down) = (pack(inner, inputs, &w), pack(outputs, inner, &v));
            prop_assert!(down.takes_bf16());
            let mut scratch = Rows::default();
            let mut before = [(); 2].map(|()| vec![f32::NAN; rows * inner]);
            let [first, second] = &mut before;
            let mut plain = vec![f32::NAN; rows * inner];
            let mut gelu = Gelu { out: &mut plain, before: first, ld: inner };
            multiply(&x, inputs, rows, &up, &bias, &mut scratch, &mut gelu);
            let expected = multiplied(&plain, inner, &down, &after);

            let mut halves = Rows::default();
            halves.shape(&down, rows);
            halves.words.as_mut_slice().fill(u32::MAX);
            halves.shape(&down, rows);
            let mut gelu = GeluHalves { out: &mut halves, before: second, ld: inner };
            multiply(&x, inputs, rows, &up, &bias, &mut scratch, &mut gelu);
            let mut out = vec![f32::NAN; rows * outputs];
            let mut store = Store { out: &mut out, ld: outputs };
            multiply_halves(&halves, rows, &down, &after, &mut store);
            prop_assert_eq!(&out, &expected, "{:?} {:?}", level, precision);
            prop_assert_eq!(&before[0], &before[1]);
        }
    }

    // Every f32 value that is not next to nothing, whatever its bits.
    #[test]
    fn parts_add_up_to_the_value(bits in prop::collection::vec(any::<u32>(), 64)) {
        let large = |x: &f32| x.is_finite() && x.abs() > 1e-30;
        let x: Vec<f32> = bits
            .iter()
            .map(|bits| Some(f32::from_bits(*bits)).filter(large).unwrap_or(0.0))
            .collect();
        for level in Level::available() {
            let mut words = vec![u32::MAX; x.len() / 2 * TILE_PARTS];
            parts_row(level, &x, &mut words);
            let halves: Vec<f32> = words
                .iter()
                .flat_map(|word| [word << 16, word & 0xffff_0000].map(f32::from_bits))
                .collect();
            for (i, x) in x.iter().enumerate() {
                let at = i / 32 * 32 * TILE_PARTS + i % 32;
                let parts = [halves[at], halves[at + 32], halves[at + 64]];
                let sum = parts[0] + (parts[1] + parts[2]);
                prop_assert_eq!(sum.to_bits(), x.to_bits(), "{:?} {:?}", level, parts);
            }
        }
    }

    // As exact as f32 is: weights that bf16 holds, as they are or as integers with a scale for each channel.
    #[test]
    fn products_in_parts_are_those_of_f32(
        rows in 1usize..70,
        outputs in 1usize..100,
        steps in 1usize..5,
        seed in 0u64..1000,
    ) {
        let inputs = 2 * TILE_ROWS * steps;
        let (x, bias) = (values(rows * inputs, seed), values(outputs, seed + 1));
        let floats = rounded(outputs * inputs, seed + 2);
        let bytes: Vec<u8> = values(outputs * inputs, seed + 3)
            .iter()
            .map(|x| (127.0 * x).round() as i8 as u8)
            .collect();
        let scales: Vec<f32> = values(outputs, seed + 4).iter().map(|x| x.abs() / 100.0).collect();
        let of_floats = |o: usize| Row::Floats(&floats[o * inputs..(o + 1) * inputs]);
        let of_bytes = |o: usize| Row::Integers(&bytes[o * inputs..(o + 1) * inputs], scales[o]);
        for row in [&of_floats as &(dyn Fn(usize) -> _ + Sync), &of_bytes] {
            let mut weights = vec![0.0; outputs * inputs];
            for (o, to) in weights.chunks_exact_mut(inputs).enumerate() {
                let mut space = vec![0.0; inputs];
                to.copy_from_slice(Row::values(row(o), &mut space));
            }
            let exact = product(&x, &weights, &bias, inputs);
            // Three sums for each of f32, and a scale that is rounded with the weight or after the sum.
            let bounds = bounds(Precision::F32, &x, &weights, &bias, inputs);
            let bounds: Vec<f64> = bounds.iter().map(|bound| 4.0 * bound).collect();
            for level in Level::available() {
                let packed = Packed::by_output(level, Precision::F32, outputs, inputs, row);
                let parts = tiles::kind(&packed) == Some(TileKind::Parts);
                prop_assert_eq!(parts, level.multiplies_tiles());
                within(level, &multiplied(&x, inputs, &packed, &bias), &exact, &bounds)?;
            }
        }
        // What bf16 does not hold is multiplied as it was.
        let mut floats = floats;
        *floats.last_mut().expect("weights") += f32::EPSILON;
        for level in Level::available() {
            let row = |o: usize| &floats[o * inputs..(o + 1) * inputs];
            let packed = Packed::by_output(level, Precision::F32, outputs, inputs, row);
            prop_assert!(tiles::kind(&packed).is_none());
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
        for kind in [TileKind::Bf16, TileKind::Parts, TileKind::Bytes] {
            let shape = TileShape { two, steps };
            let words = |len, seed| -> Vec<u32> {
                let halves = |x: &f32| u32::from(bf16::from_f32(*x).to_bits());
                let all = values(2 * len, seed);
                all.chunks(2).map(|x| halves(&x[0]) | halves(&x[1]) << 16).collect()
            };
            let strides = (TILE_ROWS * steps * kind.parts() + further, TILE_COLUMNS + further);
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
