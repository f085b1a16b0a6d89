//! The functions of vectors against double precision, at every level.

use super::super::math::{exp_below, gelu};
use super::super::simd::{Kernel, Level, Simd, load_up_to, store_up_to};
use super::phi;

/// What is computed of every value.
#[derive(Clone, Copy)]
enum Function {
    Gelu,
    /// `exp(x - most)`.
    ExpBelow(f32),
}

struct Each<'a> {
    function: Function,
    x: &'a mut [f32],
}

impl Kernel for Each<'_> {
    type Output = ();

    #[inline(always)]
    #[allow(clippy::inline_always)]
    unsafe fn run<S: Simd>(self) {
        for x in self.x.chunks_mut(S::LANES) {
            // SAFETY: loads and stores stay within the chunk.
            unsafe {
                let value = load_up_to::<S>(x.as_ptr(), x.len());
                let y = match self.function {
                    Function::Gelu => gelu::<S>(value),
                    Function::ExpBelow(most) => {
                        exp_below::<S>(value, S::splat(-most * std::f32::consts::LOG2_E))
                    }
                };
                store_up_to::<S>(x.as_mut_ptr(), y, x.len());
            }
        }
    }
}

/// Checks `function` of `x` against `exact`; `allowed` is the error that `x` and its value may have.
fn check(function: Function, x: &[f32], exact: impl Fn(f64) -> f64, allowed: impl Fn(f64) -> f64) {
    for level in Level::available() {
        let mut found = x.to_vec();
        level.run(Each {
            function,
            x: &mut found,
        });
        for (x, y) in x.iter().zip(&found) {
            let x = f64::from(*x);
            let error = (f64::from(*y) - exact(x)).abs();
            assert!(error <= allowed(x), "{level:?} {x}: {y}, off by {error}");
        }
    }
}

#[test]
fn gelu_is_exact_to_a_millionth() {
    let near: Vec<f32> = (-60_000..60_000).map(|i| i as f32 * 1e-4).collect();
    check(Function::Gelu, &near, |x| x * phi(x), |_| 2e-6);
    // Near zero the result is as exact as its size: x/2 (1 + …).
    let small: Vec<f32> = (-99..100).map(|i| i as f32 * 1e-7).collect();
    check(Function::Gelu, &small, |x| x * phi(x), |x| 1e-6 * x.abs());
    // Beyond 6, Φ is 1 or 0 to within 1e-9.
    for x in [6.0, 7.5, 30.0, 1e4, 1e18, 1e30f32] {
        check(Function::Gelu, &[x], |x| x, |x| 1e-6 * x);
        check(Function::Gelu, &[-x], |_| 0.0, |_| 1e-7);
    }
}

#[test]
fn exponentials_of_a_softmax_are_exact_to_a_millionth() {
    for most in [-40.0, 0.0, 3.7, 55.0f32] {
        let x: Vec<f32> = (0..10_000).map(|i| most - i as f32 * 1e-3).collect();
        let exact = |x: f64| (x - f64::from(most)).exp();
        // What rounding the argument does is the same for a whole row and drops out of a softmax.
        let argument = 1.5e-7 * f64::from(most).abs();
        let allowed = |x: f64| (1e-6 + argument) * exact(x);
        check(Function::ExpBelow(most), &x, exact, allowed);
    }
    // What is masked, and what is too small for a float.
    for x in [-88.0, -1e4, -1e30f32] {
        check(Function::ExpBelow(0.0), &[x], |_| 0.0, |_| 2e-38);
    }
}
