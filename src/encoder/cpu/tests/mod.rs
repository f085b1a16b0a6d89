//! Every kernel at every level of this machine against plain loops, over odd shapes; then the
//! whole encoder against candle, forward and backward.

mod blocks;
mod functions;
mod kernels;
mod tiles;
mod whole;

/// Deterministic values in (-1, 1).
fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed * 2_654_435_761 + 1;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
        })
        .collect()
}

/// Norm of the difference over the norm of `b`.
fn relative_error(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let error: f64 = a.iter().zip(b).map(|(a, b)| square(a - b)).sum();
    let size: f64 = b.iter().map(|b| square(*b)).sum();
    (error / size.max(1e-30)).sqrt() as f32
}

/// Φ by the series of erf, exact to 1e-10 for |x| ≤ 6.
fn phi(x: f64) -> f64 {
    let z = x / 2f64.sqrt();
    let (mut term, mut sum) = (z, z);
    for n in 1..120 {
        let n = f64::from(n);
        term *= -z * z / n;
        sum += term / (2.0 * n + 1.0);
    }
    0.5 + sum / std::f64::consts::PI.sqrt()
}
