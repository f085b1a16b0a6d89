//! Layer normalisation (Ba et al. 2016, arXiv 1607.06450) of rows, and its way back.

use super::simd::{Kernel, Level, Simd, load_up_to, store_up_to};

/// Mean and reciprocal standard deviation of `n` values.
#[inline(always)]
unsafe fn moments<S: Simd>(x: *const f32, n: usize, eps: f32) -> (f32, f32) {
    // SAFETY: `x` is valid for `n` values by the caller.
    unsafe {
        let mut sum = S::splat(0.0);
        for i in (0..n).step_by(S::LANES) {
            sum = S::add(sum, load_up_to::<S>(x.add(i), n - i));
        }
        let mean = S::sum(sum) / n as f32;
        let (m, mut squares) = (S::splat(mean), S::splat(0.0));
        let whole = n / S::LANES * S::LANES;
        for i in (0..whole).step_by(S::LANES) {
            let d = S::sub(S::load(x.add(i)), m);
            squares = S::mul_add(d, d, squares);
        }
        let mut total = S::sum(squares);
        for i in whole..n {
            let d = *x.add(i) - mean;
            total += d * d;
        }
        (mean, 1.0 / (total / n as f32 + eps).sqrt())
    }
}

struct Normalise<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    eps: f32,
    out: &'a mut [f32],
}

impl Kernel for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = self.gamma.len();
        assert!(self.beta.len() == n && self.x.len() == self.out.len());
        for (x, out) in self.x.chunks_exact(n).zip(self.out.chunks_exact_mut(n)) {
            // SAFETY: all four slices hold `n` values.
            unsafe {
                let (mean, inv) = moments::<S>(x.as_ptr(), n, self.eps);
                let (mean, inv) = (S::splat(mean), S::splat(inv));
                for i in (0..n).step_by(S::LANES) {
                    let left = n - i;
                    let hat = S::mul(S::sub(load_up_to::<S>(x.as_ptr().add(i), left), mean), inv);
                    let y = S::mul_add(
                        hat,
                        load_up_to::<S>(self.gamma.as_ptr().add(i), left),
                        load_up_to::<S>(self.beta.as_ptr().add(i), left),
                    );
                    store_up_to::<S>(out.as_mut_ptr().add(i), y, left);
                }
            }
        }
    }
}

/// Normalises every row of `x` into `out`; rows are as long as `gamma` and `beta`.
///
/// # Panics
/// When the lengths do not fit.
pub fn layer_norm(level: Level, x: &[f32], gamma: &[f32], beta: &[f32], eps: f32, out: &mut [f32]) {
    level.run(Normalise {
        x,
        gamma,
        beta,
        eps,
        out,
    });
}

/// Column sums that the way back adds up, each one row long.
pub struct Sums<'a> {
    /// Gradient of the scale.
    pub gamma: &'a mut [f32],
    /// Gradient of the shift.
    pub beta: &'a mut [f32],
    /// Sum of the gradients of the input, which is the gradient of a bias added before; may be
    /// empty.
    pub input: &'a mut [f32],
}

struct NormGrad<'a> {
    x: &'a [f32],
    gamma: &'a [f32],
    eps: f32,
    grad: &'a [f32],
    out: &'a mut [f32],
    sums: Sums<'a>,
}

impl Kernel for NormGrad<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::many_single_char_names)] // the names of the formula
    unsafe fn run<S: Simd>(self) {
        let n = self.gamma.len();
        let Sums { gamma, beta, input } = self.sums;
        assert!(self.x.len() == self.out.len() && self.x.len() == self.grad.len());
        assert!(gamma.len() == n && beta.len() == n && (input.is_empty() || input.len() == n));
        let rows = self.x.chunks_exact(n).zip(self.grad.chunks_exact(n));
        for ((x, grad), out) in rows.zip(self.out.chunks_exact_mut(n)) {
            // SAFETY: every slice is `n` long, or empty and not touched.
            unsafe {
                let (mean, inv) = moments::<S>(x.as_ptr(), n, self.eps);
                let (m, v) = (S::splat(mean), S::splat(inv));
                let (mut sum_g, mut sum_gx) = (S::splat(0.0), S::splat(0.0));
                for i in (0..n).step_by(S::LANES) {
                    let left = n - i;
                    let g = load_up_to::<S>(grad.as_ptr().add(i), left);
                    let hat = S::mul(S::sub(load_up_to::<S>(x.as_ptr().add(i), left), m), v);
                    let dgamma = gamma.as_mut_ptr().add(i);
                    let dbeta = beta.as_mut_ptr().add(i);
                    store_up_to::<S>(
                        dgamma,
                        S::mul_add(g, hat, load_up_to::<S>(dgamma, left)),
                        left,
                    );
                    store_up_to::<S>(dbeta, S::add(load_up_to::<S>(dbeta, left), g), left);
                    // Lanes beyond the row hold zeros of `g`.
                    let scaled = S::mul(g, load_up_to::<S>(self.gamma.as_ptr().add(i), left));
                    sum_g = S::add(sum_g, scaled);
                    sum_gx = S::mul_add(scaled, hat, sum_gx);
                }
                let mean_g = S::splat(S::sum(sum_g) / n as f32);
                let mean_gx = S::splat(S::sum(sum_gx) / n as f32);
                for i in (0..n).step_by(S::LANES) {
                    let left = n - i;
                    let g = load_up_to::<S>(grad.as_ptr().add(i), left);
                    let hat = S::mul(S::sub(load_up_to::<S>(x.as_ptr().add(i), left), m), v);
                    let scaled = S::mul(g, load_up_to::<S>(self.gamma.as_ptr().add(i), left));
                    let d = S::mul(v, S::neg_mul_add(hat, mean_gx, S::sub(scaled, mean_g)));
                    store_up_to::<S>(out.as_mut_ptr().add(i), d, left);
                    if !input.is_empty() {
                        let sum = input.as_mut_ptr().add(i);
                        store_up_to::<S>(sum, S::add(load_up_to::<S>(sum, left), d), left);
                    }
                }
            }
        }
    }
}

/// Gradient of the input `x` of [`layer_norm`], of which `grad` is the gradient of the output;
/// adds to `sums`.
///
/// # Panics
/// When the lengths do not fit.
pub fn layer_norm_grad(
    level: Level,
    x: &[f32],
    gamma: &[f32],
    eps: f32,
    grad: &[f32],
    out: &mut [f32],
    sums: Sums<'_>,
) {
    level.run(NormGrad {
        x,
        gamma,
        eps,
        grad,
        out,
        sums,
    });
}

struct AddRows<'a> {
    x: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let n = self.sums.len();
        for x in self.x.chunks_exact(n) {
            // SAFETY: both are `n` long.
            unsafe {
                for i in (0..n).step_by(S::LANES) {
                    let sum = self.sums.as_mut_ptr().add(i);
                    let y = S::add(
                        load_up_to::<S>(sum, n - i),
                        load_up_to::<S>(x.as_ptr().add(i), n - i),
                    );
                    store_up_to::<S>(sum, y, n - i);
                }
            }
        }
    }
}

/// Adds every row of `x` to `sums`.
pub fn add_rows(level: Level, x: &[f32], sums: &mut [f32]) {
    level.run(AddRows { x, sums });
}
