//! Tiles: what a product of them is of, and the product in plain Rust.

/// Columns of [`super::Simd::multiply_tiles`].
pub const TILE_COLUMNS: usize = 32;

/// Rows of a tile.
pub const TILE_ROWS: usize = 16;

/// Parts of [`TileKind::Parts`]: of 24 bits each has eight.
pub const TILE_PARTS: usize = 3;

/// What tiles hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TileKind {
    /// Two bf16 values in a word, added up in f32.
    Bf16,
    /// The same, but every step of the rows is there [`TILE_PARTS`] times, one after the other: they are parts that an
    /// f32 value is the sum of, and all of them are multiplied with the same step of the columns.
    Parts,
    /// Four bytes in a word, added up in 32-bit integers.
    Bytes,
}

impl TileKind {
    /// How often a step of the rows is there.
    pub fn parts(self) -> usize {
        match self {
            Self::Parts => TILE_PARTS,
            Self::Bf16 | Self::Bytes => 1,
        }
    }

    /// The bits of a dot product.
    fn dot(self, words: impl Iterator<Item = (u32, u32)>) -> u32 {
        match self {
            Self::Bf16 | Self::Parts => {
                let halves = |w: u32| [f32::from_bits(w << 16), f32::from_bits(w & 0xffff_0000)];
                let products = words.flat_map(|(a, b)| {
                    let (a, b) = (halves(a), halves(b));
                    [a[0] * b[0], a[1] * b[1]]
                });
                products.sum::<f32>().to_bits()
            }
            Self::Bytes => {
                let products = words.flat_map(|(a, b)| {
                    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
                    std::array::from_fn::<_, 4, _>(|i| i32::from(a[i] as i8) * i32::from(b[i]))
                });
                products.fold(0i32, i32::wrapping_add) as u32
            }
        }
    }
}

/// How much [`super::Simd::multiply_tiles`] multiplies.
#[derive(Clone, Copy, Debug)]
pub struct TileShape {
    /// Two tiles of rows, not one.
    pub two: bool,
    /// Steps of sixteen words, at least one.
    pub steps: usize,
}

impl TileShape {
    /// Rows.
    pub fn rows(self) -> usize {
        if self.two { 2 * TILE_ROWS } else { TILE_ROWS }
    }
}

/// A matrix of words of tiles that is read.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Its first word.
    pub start: *const u32,
    /// Grid from row to row.
    pub stride: usize,
}

/// A matrix of words of tiles that is written.
#[derive(Clone, Copy, Debug)]
pub struct GridMut {
    /// Its first word.
    pub start: *mut u32,
    /// Grid from row to row.
    pub stride: usize,
}

/// [`super::Simd::multiply_tiles`] in plain Rust, word by word.
///
/// # Safety
/// As there.
pub(super) unsafe fn multiply_words(
    kind: TileKind,
    shape: TileShape,
    a: Grid,
    b: Grid,
    c: GridMut,
) {
    for r in 0..shape.rows() {
        for j in 0..TILE_COLUMNS {
            // SAFETY: within the matrices, which the caller says are valid.
            let words = (0..TILE_ROWS * shape.steps * kind.parts()).map(|at| unsafe {
                let step = at / (TILE_ROWS * kind.parts());
                let g = step * TILE_ROWS + at % TILE_ROWS;
                (
                    *a.start.add(r * a.stride + at),
                    *b.start.add(g * b.stride + j),
                )
            });
            let dot = kind.dot(words);
            // SAFETY: as above.
            unsafe { *c.start.add(r * c.stride + j) = dot }
        }
    }
}
