//! What becomes of the results of a matrix product before they are stored.

use super::attention::Shared;
use super::math::{gelu, gelu_with_derivative};
use super::quantise::Rows;
use super::simd::{MAX_LANES, Simd, load_up_to, store_up_to};

/// What happens to a vector of results.
pub trait Epilogue {
    /// Whether results of `rows` by `columns` fit in the slices.
    fn fits(&self, rows: usize, columns: usize) -> bool;

    /// Takes the results `y` of `row` from `column` on; the first `count` are meant, all if that
    /// is more than a vector.
    ///
    /// # Safety
    /// As [`Simd`], within what [`Epilogue::fits`] was asked.
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V);
}

/// Whether a slice of `len` holds `rows` of `columns`, each `ld` after the one before.
pub(super) fn holds(len: usize, ld: usize, rows: usize, columns: usize) -> bool {
    columns <= ld && (rows == 0 || (rows - 1) * ld + columns <= len)
}

/// `out = y`.
pub struct Store<'a> {
    /// Rows, `ld` apart.
    pub out: &'a mut [f32],
    /// Values from row to row.
    pub ld: usize,
}

impl Epilogue for Store<'_> {
    fn fits(&self, rows: usize, columns: usize) -> bool {
        holds(self.out.len(), self.ld, rows, columns)
    }

    #[inline(always)]
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V) {
        // SAFETY: within `out` by `fits`.
        unsafe { store_up_to::<S>(self.out.as_mut_ptr().add(row * self.ld + column), y, count) }
    }
}

/// `out = y + residual`.
pub struct AddTo<'a> {
    /// `[rows, columns]`.
    pub out: &'a mut [f32],
    /// `[rows, columns]`.
    pub residual: &'a [f32],
    /// Columns of both.
    pub ld: usize,
}

impl Epilogue for AddTo<'_> {
    fn fits(&self, rows: usize, columns: usize) -> bool {
        holds(self.out.len(), self.ld, rows, columns)
            && holds(self.residual.len(), self.ld, rows, columns)
    }

    #[inline(always)]
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V) {
        let at = row * self.ld + column;
        // SAFETY: within both slices by `fits`.
        unsafe {
            let residual = load_up_to::<S>(self.residual.as_ptr().add(at), count);
            store_up_to::<S>(self.out.as_mut_ptr().add(at), S::add(y, residual), count);
        }
    }
}

/// `out = gelu(y)`, and `before = y` where a backward pass will ask for it.
pub struct Gelu<'a> {
    /// `[rows, columns]`.
    pub out: &'a mut [f32],
    /// `[rows, columns]`, or empty.
    pub before: &'a mut [f32],
    /// Columns.
    pub ld: usize,
}

impl Epilogue for Gelu<'_> {
    fn fits(&self, rows: usize, columns: usize) -> bool {
        holds(self.out.len(), self.ld, rows, columns)
            && (self.before.is_empty() || holds(self.before.len(), self.ld, rows, columns))
    }

    #[inline(always)]
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V) {
        let at = row * self.ld + column;
        // SAFETY: within both slices by `fits`.
        unsafe {
            if !self.before.is_empty() {
                store_up_to::<S>(self.before.as_mut_ptr().add(at), y, count);
            }
            store_up_to::<S>(self.out.as_mut_ptr().add(at), gelu::<S>(y), count);
        }
    }
}

/// The same into rows of bf16, whole or in parts, which the next product multiplies as they are.
pub struct GeluHalves<'a> {
    /// Made room for by [`Rows::shape`].
    pub out: &'a mut Rows,
    /// `[rows, columns]`, or empty.
    pub before: &'a mut [f32],
    /// Columns of `before`.
    pub ld: usize,
}

impl Epilogue for GeluHalves<'_> {
    fn fits(&self, rows: usize, columns: usize) -> bool {
        // Vectors are stored whole: what is behind the last column is zeros, as the weights there are.
        let (words, stride) = (self.out.words.as_slice().len(), self.out.stride);
        columns.next_multiple_of(MAX_LANES) <= self.out.width()
            && holds(words, stride, rows, stride)
            && (self.before.is_empty() || holds(self.before.len(), self.ld, rows, columns))
    }

    #[inline(always)]
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V) {
        // SAFETY: within the rows and `before` by `fits`.
        unsafe {
            if !self.before.is_empty() {
                let before = self.before.as_mut_ptr().add(row * self.ld + column);
                store_up_to::<S>(before, y, count);
            }
            self.out.put::<S>(row, column, gelu::<S>(y));
        }
    }
}

/// The way back through GELU: `y` is the gradient of its result, `x` its argument; then
/// `value = gelu(x)` and `x = y · gelu'(x)`.
pub struct GeluGrad<'a> {
    /// `[rows, columns]`.
    pub x: &'a mut [f32],
    /// `[rows, columns]`.
    pub value: &'a mut [f32],
    /// Columns of both.
    pub ld: usize,
}

impl Epilogue for GeluGrad<'_> {
    fn fits(&self, rows: usize, columns: usize) -> bool {
        holds(self.x.len(), self.ld, rows, columns)
            && holds(self.value.len(), self.ld, rows, columns)
    }

    #[inline(always)]
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V) {
        let at = row * self.ld + column;
        // SAFETY: within both slices by `fits`.
        unsafe {
            let x = self.x.as_mut_ptr().add(at);
            let (value, derivative) = gelu_with_derivative::<S>(load_up_to::<S>(x, count));
            store_up_to::<S>(self.value.as_mut_ptr().add(at), value, count);
            store_up_to::<S>(x, S::mul(y, derivative), count);
        }
    }
}

/// `out = f(y)` in columns of a matrix whose other columns other threads write.
pub struct Columns<'a> {
    out: Shared,
    then: Then<'a>,
    ld: usize,
}

/// What becomes of a result before it is stored.
#[derive(Clone, Copy)]
pub enum Then<'a> {
    /// Nothing.
    Store,
    /// This matrix, of the same shape, is added.
    Add(&'a [f32]),
    /// GELU.
    Gelu,
}

impl<'a> Columns<'a> {
    /// `ld` are the columns of `out`.
    ///
    /// # Safety
    /// As long as this is used nobody reads `out`, and others write columns that are not given to
    /// [`Epilogue::take`] alone.
    pub unsafe fn new(out: Shared, ld: usize, then: Then<'a>) -> Self {
        Self { out, then, ld }
    }
}

impl Epilogue for Columns<'_> {
    fn fits(&self, rows: usize, columns: usize) -> bool {
        let added = match self.then {
            Then::Add(residual) => holds(residual.len(), self.ld, rows, columns),
            Then::Store | Then::Gelu => true,
        };
        added && holds(self.out.len(), self.ld, rows, columns)
    }

    #[inline(always)]
    unsafe fn take<S: Simd>(&mut self, row: usize, column: usize, count: usize, y: S::V) {
        let at = row * self.ld + column;
        // SAFETY: within both matrices by `fits`; the columns are this thread's by `new`.
        unsafe {
            let y = match self.then {
                Then::Store => y,
                Then::Add(x) => S::add(y, load_up_to::<S>(x.as_ptr().add(at), count)),
                Then::Gelu => gelu::<S>(y),
            };
            store_up_to::<S>(self.out.at(at), y, count);
        }
    }
}
