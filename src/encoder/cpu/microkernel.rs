//! The inner loops of matrix products, by vectors.
//!
//! A tile of [`Simd::ROWS`] rows by two vectors of columns stays in registers over the whole
//! inner dimension (Goto & van de Geijn 2008).

use super::simd::Simd;

/// Steps of a product over which a panel's words are fetched into the first cache before they are
/// needed.
const NEAR: usize = 12;

/// What a strip fetches for those after it while it computes: a share of the next panel, so that
/// the memory behind the second cache is read evenly and not by the panel's first strip alone.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    words: *const u32,
    /// Words per step.
    step: usize,
}

impl Ahead {
    /// The share of the strip that begins at `row` of `rows`, beside a panel of `steps` that the next one
    /// begins `next` steps after.
    #[inline(always)]
    pub(super) fn of<S: Simd>(
        panel: *const u32,
        (steps, next): (usize, usize),
        row: usize,
        rows: usize,
    ) -> Self {
        let width = 2 * S::LANES;
        Self {
            words: panel.wrapping_add((next + steps * row / rows) * width),
            step: width.div_ceil(rows.div_ceil(S::ROWS)),
        }
    }

    /// Fetches the words of step `i`, and those that `b`, at this step, needs soon.
    #[inline(always)]
    pub(super) unsafe fn fetch<S: Simd>(self, i: usize, b: *const u32) {
        let near: *const f32 = b.wrapping_add(NEAR * 2 * S::LANES).cast();
        // SAFETY: a prefetch reads nothing.
        unsafe {
            S::prefetch(near);
            S::prefetch(near.wrapping_add(S::LANES));
            S::prefetch_far(self.words.wrapping_add(i * self.step).cast());
        }
    }
}

/// `R` rows by two vectors: `Σ_k a[r · ar + k · ak] · b[k · bk ..]`.
///
/// # Safety
/// As [`Simd`]; all indices that the formula names are valid.
#[inline(always)]
pub unsafe fn tile<S: Simd, const R: usize>(
    k: usize,
    a: *const f32,
    (ar, ak): (usize, usize),
    b: *const f32,
    bk: usize,
) -> [[S::V; 2]; R] {
    // SAFETY: the function's own conditions.
    unsafe { add_tile::<S, R>([[S::splat(0.0); 2]; R], k, a, (ar, ak), b, bk, |_, _| ()) }
}

/// The same, added to `sums`; `before` sees every step and where `b` stands then.
///
/// # Safety
/// As [`tile`].
#[inline(always)]
pub(super) unsafe fn add_tile<S: Simd, const R: usize>(
    mut sums: [[S::V; 2]; R],
    k: usize,
    a: *const f32,
    (ar, ak): (usize, usize),
    b: *const f32,
    bk: usize,
    before: impl Fn(usize, *const f32),
) -> [[S::V; 2]; R] {
    // SAFETY: the caller's.
    unsafe {
        for i in 0..k {
            before(i, b.add(i * bk));
            let b0 = S::load(b.add(i * bk));
            let b1 = S::load(b.add(i * bk + S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat(*a.add(r * ar + i * ak));
                sums[0] = S::mul_add(x, b0, sums[0]);
                sums[1] = S::mul_add(x, b1, sums[1]);
            }
        }
        sums
    }
}

/// The same of 8-bit integers, four per word, before the scales.
#[inline(always)]
pub(super) unsafe fn tile_i8<S: Simd, const R: usize>(
    groups: usize,
    a: *const u32,
    ar: usize,
    b: *const u32,
    ahead: Ahead,
) -> [[S::I; 2]; R] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[S::zero_i(); 2]; R];
        for i in 0..groups {
            ahead.fetch::<S>(i, b.add(i * 2 * S::LANES));
            let b0 = S::load_i(b.add(i * 2 * S::LANES));
            let b1 = S::load_i(b.add(i * 2 * S::LANES + S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat_i(*a.add(r * ar + i) as i32);
                sums[0] = S::dot(sums[0], b0, x);
                sums[1] = S::dot(sums[1], b1, x);
            }
        }
        sums
    }
}

/// The same of bf16, two per word; `before` sees every step and where `b` stands then.
///
/// # Safety
/// As [`tile`], of words.
#[inline(always)]
pub unsafe fn tile_bf16<S: Simd, const R: usize>(
    groups: usize,
    a: *const u32,
    ar: usize,
    b: *const u32,
    bk: usize,
    before: impl Fn(usize, *const u32),
) -> [[S::V; 2]; R] {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[S::splat(0.0); 2]; R];
        for i in 0..groups {
            before(i, b.add(i * bk));
            let b0 = S::load_i(b.add(i * bk));
            let b1 = S::load_i(b.add(i * bk + S::LANES));
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = S::splat_i(*a.add(r * ar + i) as i32);
                sums[0] = S::dot_bf16(sums[0], b0, x);
                sums[1] = S::dot_bf16(sums[1], b1, x);
            }
        }
        sums
    }
}

/// Calls `$body` for strips of rows of a constant number `$R`, as many as are left; of sixteen two halves.
macro_rules! strips {
    ($S:ident, $rows:expr, $row:ident, $R:ident, $body:block) => {
        let mut $row = 0;
        while $row < $rows {
            let left = $rows - $row;
            if $S::ROWS >= 12 && left >= 12 && left != 16 {
                const $R: usize = 12;
                $body
                $row += 12;
            } else if $S::ROWS >= 8 && left >= 8 {
                const $R: usize = 8;
                $body
                $row += 8;
            } else if left >= 4 {
                const $R: usize = 4;
                $body
                $row += 4;
            } else if left >= 2 {
                const $R: usize = 2;
                $body
                $row += 2;
            } else {
                const $R: usize = 1;
                $body
                $row += 1;
            }
        }
    };
}
pub(super) use strips;
