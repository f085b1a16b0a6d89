//! Matrix products by tiles, where the processor has them ([`Simd::multiply_tiles`]): panels are stored
//! as tiles read them, and results pass through a block of memory to the epilogue.

use std::ops::Range;

use super::epilogue::{Epilogue, holds};
use super::gemm::{Tile, dequantised};
use super::pack::{Packed, Precision};
use super::quantise::Rows;
use super::simd::{Grid, GridMut, Kernel, Simd, TILE_COLUMNS, TILE_ROWS, TileKind, TileShape};

/// Rows of two tiles.
const STRIP: usize = 2 * TILE_ROWS;

/// Results of a strip and a panel, as bits.
#[repr(C, align(64))]
struct Results([u32; STRIP * TILE_COLUMNS]);

/// What the tiles of these weights hold, if tiles multiply them: whole steps alone, so that nothing behind a
/// row is read as if it were one of its values.
pub fn kind(packed: &Packed) -> Option<TileKind> {
    let kind = match packed.precision {
        Precision::F32 if packed.in_parts => TileKind::Parts,
        Precision::F32 => return None,
        Precision::Bf16 => TileKind::Bf16,
        Precision::Int8 => TileKind::Bytes,
    };
    let whole = packed.groups > 0 && packed.groups.is_multiple_of(TILE_ROWS);
    (packed.level.multiplies_tiles() && whole).then_some(kind)
}

/// A product with packed weights of [`kind`].
pub struct Product<'a, E> {
    /// What the tiles hold.
    pub kind: TileKind,
    /// The rows that are multiplied.
    pub x: &'a Rows,
    /// How many they are.
    pub rows: usize,
    /// The weights.
    pub packed: &'a Packed,
    /// Which panels are multiplied.
    pub part: Range<usize>,
    /// Added to every row; empty is none.
    pub bias: &'a [f32],
    /// What becomes of the results.
    pub epilogue: &'a mut E,
}

impl<E: Epilogue> Kernel for Product<'_, E> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self {
            kind,
            x,
            rows,
            packed,
            part,
            bias,
            epilogue,
        } = self;
        let (columns, groups) = (packed.outputs, packed.groups);
        let words = packed.words.as_slice();
        assert_eq!(2 * S::LANES, TILE_COLUMNS);
        packed.check::<S>(&part, bias);
        assert!(epilogue.fits(rows, columns.min(part.end * TILE_COLUMNS)));
        assert!(holds(
            x.words.as_slice().len(),
            x.stride,
            rows.next_multiple_of(TILE_ROWS),
            kind.parts() * groups
        ));
        assert!(kind != TileKind::Bytes || x.quantised.len() >= rows);
        let mut results = Results([0; STRIP * TILE_COLUMNS]);
        // SAFETY: the asserts bound rows, columns and words, of rows up to the last tile's end.
        unsafe {
            S::configure_tiles();
            for p in part {
                let b = Grid {
                    start: words.as_ptr().add(p * TILE_COLUMNS * groups),
                    stride: TILE_COLUMNS,
                };
                for row in (0..rows).step_by(STRIP) {
                    let shape = TileShape {
                        two: rows - row > TILE_ROWS,
                        steps: groups / TILE_ROWS,
                    };
                    let a = Grid {
                        start: x.words.as_slice().as_ptr().add(row * x.stride),
                        stride: x.stride,
                    };
                    let c = GridMut {
                        start: results.0.as_mut_ptr(),
                        stride: TILE_COLUMNS,
                    };
                    S::multiply_tiles(kind, shape, a, b, c);
                    let mut tile = Tile {
                        epilogue: &mut *epilogue,
                        bias,
                        row,
                        rows: rows - row,
                        column: p * TILE_COLUMNS,
                        columns,
                    };
                    let found = |r: usize, h: usize| c.start.add(r * TILE_COLUMNS + h * S::LANES);
                    match kind {
                        TileKind::Bf16 => tile.give::<S, STRIP>(|r, h| S::load(found(r, h).cast())),
                        TileKind::Parts => tile.give::<S, STRIP>(|r, h| {
                            let at = p * TILE_COLUMNS + h * S::LANES;
                            let scales = S::load(packed.scales.as_ptr().add(at));
                            S::mul(S::load(found(r, h).cast()), scales)
                        }),
                        TileKind::Bytes => tile.give::<S, STRIP>(|r, h| {
                            let quantised = x.quantised.get_unchecked(row + r);
                            let at = p * TILE_COLUMNS + h * S::LANES;
                            dequantised::<S>(packed, at, quantised, S::load_i(found(r, h)))
                        }),
                    }
                }
            }
            S::release_tiles();
        }
    }
}
