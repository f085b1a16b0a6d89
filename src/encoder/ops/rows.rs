//! Shared plumbing of the CPU kernels: borrowing f32 storage and walking rows in parallel.

use candle_core::{CpuStorage, Layout, Result, bail};
use rayon::prelude::*;

/// Rows that one task walks at a time: enough to pay for the scheduling, few enough to share.
pub const ROWS_PER_TASK: usize = 32;

/// The contiguous f32 values behind `storage`.
pub fn f32_slice<'a>(storage: &'a CpuStorage, layout: &Layout, what: &str) -> Result<&'a [f32]> {
    let CpuStorage::F32(data) = storage else {
        bail!("{what}: f32 expected")
    };
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&data[start..end]),
        None => bail!("{what}: contiguous tensor expected"),
    }
}

/// `out[r] = f(r, out row)` for all rows of `width` values, in parallel.
pub fn for_each_row(out: &mut [f32], width: usize, f: impl Fn(usize, &mut [f32]) + Sync) {
    out.par_chunks_mut(ROWS_PER_TASK * width)
        .enumerate()
        .for_each(|(task, chunk)| {
            for (i, row) in chunk.chunks_exact_mut(width).enumerate() {
                f(task * ROWS_PER_TASK + i, row);
            }
        });
}

/// Column sums of `rows` rows, by per-task partial sums: `f(r, sums)` adds row `r`.
pub fn column_sums(rows: usize, width: usize, f: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let tasks = rows.div_ceil(ROWS_PER_TASK);
    let partial: Vec<Vec<f32>> = (0..tasks)
        .into_par_iter()
        .map(|task| {
            let mut sums = vec![0.0; width];
            for r in task * ROWS_PER_TASK..((task + 1) * ROWS_PER_TASK).min(rows) {
                f(r, &mut sums);
            }
            sums
        })
        .collect();
    let mut total = vec![0.0; width];
    for sums in partial {
        for (t, s) in total.iter_mut().zip(sums) {
            *t += s;
        }
    }
    total
}

/// `Σ f(i)` for `i` below `n`, in sixteen lanes so that the compiler vectorises it; the order of
/// addition depends on `n` alone.
#[inline]
pub fn lane_sum(n: usize, f: impl Fn(usize) -> f32) -> f32 {
    let mut lanes = [0.0f32; 16];
    let whole = n / 16 * 16;
    for base in (0..whole).step_by(16) {
        for (k, lane) in lanes.iter_mut().enumerate() {
            *lane += f(base + k);
        }
    }
    for i in whole..n {
        lanes[i % 16] += f(i);
    }
    lanes.iter().sum()
}

/// `exp(x)` without branches, so that the compiler vectorises the loop around it; relative
/// error below 2e-7 (Cephes `expf`), inputs below -87 give about 1e-38.
#[inline]
#[allow(clippy::many_single_char_names)] // the names of the formula
pub fn exp(x: f32) -> f32 {
    const ROUND: f32 = 12_582_912.0; // 1.5 · 2^23: adding and subtracting it rounds to integer
    let x = x.clamp(-87.0, 88.0);
    let n = (x * std::f32::consts::LOG2_E + ROUND) - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_2e-4;
    let p = p * r + 1.398_2e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 0.166_666_66;
    let p = p * r + 0.5;
    let y = p * r * r + r + 1.0;
    y * f32::from_bits(((n as i32 + 127) as u32) << 23)
}

#[cfg(test)]
mod tests {
    #[test]
    fn exp_is_close_to_the_library() {
        for i in -870..880 {
            let x = i as f32 / 10.0;
            let (a, b) = (super::exp(x), x.exp());
            assert!((a - b).abs() <= 4e-7 * b, "{x}: {a} {b}");
        }
        assert!(super::exp(-1e30) < 1e-37);
    }
}
