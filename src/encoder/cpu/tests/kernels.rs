use half::bf16;
use proptest::prelude::*;

use super::super::crew::Pool;
use super::super::epilogue::{AddTo, Gelu, GeluGrad, Store};
use super::super::gemm::multiply;
use super::super::heads::Heads;
use super::super::norm::{Sums, layer_norm, layer_norm_grad};
use super::super::pack::{Packed, Precision};
use super::super::quantise::{Around, Rows, bf16_row, quantise_row};
use super::super::simd::Level;
use super::super::strassen;
use super::{phi, relative_error, values};

/// Half a unit in the last place of f32 and of bf16, relative to the value.
const UNIT: f64 = 1.0 / (1u32 << 24) as f64;
const UNIT_BF16: f64 = 1.0 / (1u32 << 8) as f64;

/// Calls `make` for each row of `x` with each row of `w` and its bias.
fn each_pair<T>(
    x: &[f32],
    w: &[f32],
    bias: &[f32],
    inputs: usize,
    make: impl Fn(&[f32], &[f32], f32) -> T,
) -> Vec<T> {
    let mut out = Vec::new();
    for x in x.chunks_exact(inputs) {
        let channels = w.chunks_exact(inputs).zip(bias);
        out.extend(channels.map(|(w, b)| make(x, w, *b)));
    }
    out
}

/// `x · wᵀ + bias` in double precision.
pub fn product(x: &[f32], w: &[f32], bias: &[f32], inputs: usize) -> Vec<f64> {
    each_pair(x, w, bias, inputs, |x, w, b| {
        let terms = x.iter().zip(w).map(|(x, w)| f64::from(*x) * f64::from(*w));
        terms.sum::<f64>() + f64::from(b)
    })
}

/// How far from `product` the kernels may be: what rounding the operands and every partial sum can
/// do at the worst (Higham 2002, Accuracy and Stability of Numerical Algorithms, 3.1), so that no
/// random case goes beyond it.
pub fn bounds(precision: Precision, x: &[f32], w: &[f32], bias: &[f32], inputs: usize) -> Vec<f64> {
    let largest = |row: &[f32]| f64::from(row.iter().fold(0.0f32, |most, v| most.max(v.abs())));
    each_pair(x, w, bias, inputs, |x, w, b| {
        // Half a step of the integers, and what the division by the scale rounds.
        let (half_x, half_w) = (largest(x) / 253.0, largest(w) / 253.0);
        let (mut size, mut operands) = (f64::from(b).abs(), 0.0);
        for (x, w) in x.iter().zip(w) {
            let (x, w) = (f64::from(*x).abs(), f64::from(*w).abs());
            size += x * w;
            operands += match precision {
                Precision::F32 => 0.0,
                Precision::Bf16 => x * w * (2.0 * UNIT_BF16 + UNIT_BF16 * UNIT_BF16),
                Precision::Int8 => x * half_w + w * half_x + half_x * half_w,
            };
        }
        operands + (inputs + 4) as f64 * UNIT * (size + operands)
    })
}

/// How far from each other the attention of `all` may be in `precision` and in f32: a score that is
/// off by δ changes a weight by at most e^2δ (its own and that of the sum), and every weight and
/// value is rounded, so an output by that share of the weighted sum of the values' sizes.
fn attention_bounds(precision: Precision, all: &Heads, qkv: &[f32]) -> Vec<f64> {
    let (hidden, dim) = (all.hidden, all.hidden / all.heads);
    let sizes = |(at, v): (usize, &f32)| {
        let value = at % (3 * hidden) >= 2 * hidden;
        if value { v.abs() } else { *v }
    };
    let sizes: Vec<f32> = qkv.iter().enumerate().map(sizes).collect();
    let mut out = vec![f32::NAN; qkv.len() / 3];
    all.forward(Level::Portable, &mut Pool, &sizes, &mut out);
    let mut bounds: Vec<f64> = out.iter().map(|v| f64::from(*v)).collect();
    let unit = if precision == Precision::F32 {
        0.0
    } else {
        UNIT_BF16
    };
    let of = |row: usize, at: usize| &qkv[row * 3 * hidden + at..][..dim];
    for ends in all.offsets.windows(2) {
        let count = (ends[1] - ends[0]) as f64;
        for row in ends[0]..ends[1] {
            for head in (0..hidden).step_by(dim) {
                let score = |key: usize| -> f64 {
                    let (q, k) = (of(row, head), of(key, hidden + head));
                    q.iter().zip(k).map(|(q, k)| f64::from(*q * *k).abs()).sum()
                };
                let score = (ends[0]..ends[1]).map(score).fold(0.0, f64::max) / (dim as f64).sqrt();
                let rounding = |unit: f64| {
                    let scores = score * (2.0 * unit + unit * unit + (dim + 4) as f64 * UNIT);
                    (2.0 * scores).exp() * (1.0 + unit).powi(3) - 1.0 + (count + 32.0) * UNIT
                };
                for bound in &mut bounds[row * hidden + head..][..dim] {
                    *bound *= rounding(unit) + rounding(0.0);
                }
            }
        }
    }
    bounds
}

/// Checks that every value is within its bound.
pub fn within(
    level: Level,
    out: &[f32],
    exact: &[f64],
    bounds: &[f64],
) -> Result<(), TestCaseError> {
    prop_assert_eq!(out.len(), exact.len());
    for ((a, b), bound) in out.iter().zip(exact).zip(bounds) {
        let error = (f64::from(*a) - b).abs();
        prop_assert!(error <= *bound, "{level:?} {a} {b}: {error} > {bound}");
    }
    Ok(())
}

/// Weights by input from weights by output.
fn turned(w: &[f32], outputs: usize, inputs: usize) -> Vec<f32> {
    (0..inputs * outputs)
        .map(|at| w[at % outputs * inputs + at / outputs])
        .collect()
}

/// What the kernels make of rows of `x`; a place they leave out is NaN.
pub fn multiplied(x: &[f32], inputs: usize, packed: &Packed, bias: &[f32]) -> Vec<f32> {
    let (rows, outputs) = (x.len() / inputs, bias.len());
    let mut out = vec![f32::NAN; rows * outputs];
    let mut store = Store {
        out: &mut out,
        ld: outputs,
    };
    multiply(
        x,
        inputs,
        rows,
        packed,
        bias,
        &mut Rows::default(),
        &mut store,
    );
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn products_of_any_shape(
        rows in 1usize..30,
        outputs in 1usize..80,
        inputs in 1usize..150,
        seed in 0u64..1000,
    ) {
        let x = values(rows * inputs, seed);
        let w = values(outputs * inputs, seed + 1);
        let bias = values(outputs, seed + 2);
        let exact = product(&x, &w, &bias, inputs);
        let across = turned(&w, outputs, inputs);
        let bounds = [Precision::F32, Precision::Bf16, Precision::Int8]
            .map(|precision| (precision, bounds(precision, &x, &w, &bias, inputs)));
        for level in Level::available() {
            let mut results = Vec::new();
            for (precision, bounds) in &bounds {
                let precision = *precision;
                let by_output = Packed::by_output(level, precision, outputs, inputs, |o| {
                    &w[o * inputs..(o + 1) * inputs]
                });
                let by_input = Packed::by_input(level, precision, outputs, inputs, |i| {
                    &across[i * outputs..(i + 1) * outputs]
                });
                for packed in [by_output, by_input] {
                    let out = multiplied(&x, inputs, &packed, &bias);
                    within(level, &out, &exact, bounds)?;
                    results.push(out);
                }
            }
            // Scales per output channel are the same, however the weights were stored.
            prop_assert_eq!(&results[0], &results[1]);
            prop_assert_eq!(&results[2], &results[3]);
            prop_assert_eq!(&results[4], &results[5]);
        }
    }

    // Seven products of halves: rows odd and even, fewer than they are meant for, and all epilogues.
    #[test]
    fn products_of_halves(
        rows in 1usize..90,
        outputs in prop::sample::select(vec![64usize, 128, 192]),
        inputs in prop::sample::select(vec![128usize, 160, 384]),
        seed in 0u64..1000,
    ) {
        let x = values(rows * inputs, seed);
        // Small ones, so that GELU has something to do.
        let w: Vec<f32> = values(outputs * inputs, seed + 1).iter().map(|w| 0.2 * w).collect();
        let bias = values(outputs, seed + 2);
        let residual = values(rows * outputs, seed + 3);
        let exact = product(&x, &w, &bias, inputs);
        let error = |out: &[f32], of: &dyn Fn(f64, f64) -> f64| {
            let expected: Vec<f32> = exact
                .iter()
                .zip(&residual)
                .map(|(y, r)| of(*y, f64::from(*r)) as f32)
                .collect();
            relative_error(out, &expected)
        };
        for level in Level::available() {
            let mut packed = Packed::by_output(level, Precision::F32, outputs, inputs, |o| {
                &w[o * inputs..(o + 1) * inputs]
            });
            let by_the_rule = multiplied(&x, inputs, &packed, &bias);
            packed.halve();
            let out = multiplied(&x, inputs, &packed, &bias);
            prop_assert!(rows < strassen::ROWS || out != by_the_rule, "{level:?}: not made of halves");
            prop_assert!(error(&out, &|y, _| y) < 2e-6, "{level:?} {}", error(&out, &|y, _| y));
            let mut scratch = Rows::default();
            let mut sum = vec![f32::NAN; out.len()];
            let mut add = AddTo { out: &mut sum, residual: &residual, ld: outputs };
            multiply(&x, inputs, rows, &packed, &bias, &mut scratch, &mut add);
            prop_assert!(error(&sum, &|y, r| y + r) < 2e-6);
            let (mut before, mut activated) = (vec![f32::NAN; out.len()], vec![f32::NAN; out.len()]);
            let mut gelu = Gelu { out: &mut activated, before: &mut before, ld: outputs };
            multiply(&x, inputs, rows, &packed, &bias, &mut scratch, &mut gelu);
            prop_assert!(error(&activated, &|y, _| y * phi(y)) < 2e-6);
            prop_assert_eq!(before, out);
        }
    }

    #[test]
    fn products_of_bf16_are_those_of_rounded_values(
        rows in 1usize..30,
        outputs in 1usize..80,
        inputs in 1usize..150,
        seed in 0u64..1000,
    ) {
        let x = values(rows * inputs, seed);
        let w = values(outputs * inputs, seed + 1);
        let bias = values(outputs, seed + 2);
        let rounded = |v: &[f32]| -> Vec<f32> {
            v.iter().map(|x| bf16::from_f32(*x).to_f32()).collect()
        };
        let (rounded_x, rounded_w) = (rounded(&x), rounded(&w));
        let exact = product(&rounded_x, &rounded_w, &bias, inputs);
        let bounds = bounds(Precision::F32, &rounded_x, &rounded_w, &bias, inputs);
        for level in Level::available() {
            let packed = Packed::by_output(level, Precision::Bf16, outputs, inputs, |o| {
                &w[o * inputs..(o + 1) * inputs]
            });
            let out = multiplied(&x, inputs, &packed, &bias);
            within(level, &out, &exact, &bounds)?;
        }
    }

    #[test]
    fn values_are_rounded_to_bf16_alike_at_every_level(
        x in prop::collection::vec(any::<f32>().prop_filter("normal", |x| !x.is_subnormal()), 1..200),
    ) {
        let bits: Vec<u16> = x.iter().map(|x| bf16::from_f32(*x).to_bits()).collect();
        for level in Level::available() {
            let mut words = vec![u32::MAX; x.len().div_ceil(32) * 16];
            bf16_row(level, &x, &mut words);
            let halves = words.iter().flat_map(|w| [*w as u16, (*w >> 16) as u16]);
            for ((found, bits), x) in halves.zip(&bits).zip(&x) {
                // A number that is none stays none, whatever else its bits say.
                let same = if x.is_nan() {
                    bf16::from_bits(found).is_nan()
                } else {
                    found == *bits
                };
                prop_assert!(same, "{level:?} {x} {found:x} {bits:x}");
            }
        }
    }

    #[test]
    fn integers_are_the_same_at_every_level(
        n in 1usize..300,
        around in prop::sample::select(vec![Around::Zero, Around::Middle]),
        above in prop::sample::select(vec![-3.0f32, 0.0, 0.9, 40.0]),
        seed in 0u64..1000,
    ) {
        let x: Vec<f32> = values(n, seed).iter().map(|x| x + above).collect();
        let mut outcomes = Level::available().into_iter().map(|level| {
            let mut bytes = vec![0; n.div_ceil(64) * 16];
            let row = quantise_row(level, &x, around, 128, &mut bytes);
            let bytes: Vec<u8> = bytes.iter().flat_map(|w| w.to_le_bytes()).take(n).collect();
            (row, bytes)
        });
        let first = outcomes.next().expect("one level at least");
        let (row, bytes) = &first;
        prop_assert!(around == Around::Middle || row.middle.abs() < f32::MIN_POSITIVE);
        let total: i32 = bytes.iter().map(|b| i32::from(*b) - 128).sum();
        prop_assert_eq!(total, row.sum);
        for (x, b) in x.iter().zip(bytes) {
            let back = row.middle + (f32::from(*b) - 128.0) * row.scale;
            prop_assert!((x - back).abs() <= row.scale * 0.501);
        }
        if around == Around::Middle {
            let range = x.iter().fold((x[0], x[0]), |(l, m), x| (l.min(*x), m.max(*x)));
            let range = range.1 - range.0;
            prop_assert!((row.scale * 254.0 - range).abs() <= 1e-6 * range.max(above.abs()));
        }
        for other in outcomes {
            prop_assert_eq!(&first, &other);
        }
    }

    #[test]
    fn epilogues(rows in 1usize..20, outputs in 1usize..70, seed in 0u64..1000) {
        let inputs = 8;
        let x = values(rows * inputs, seed);
        let w = values(outputs * inputs, seed + 1);
        let bias = values(outputs, seed + 2);
        let y = product(&x, &w, &bias, inputs);
        let other = values(y.len(), seed + 3);
        for level in Level::available() {
            let packed = Packed::by_output(level, Precision::F32, outputs, inputs, |o| {
                &w[o * inputs..(o + 1) * inputs]
            });
            let mut scratch = Rows::default();
            let mut out = vec![f32::NAN; y.len()];
            let mut add = AddTo { out: &mut out, residual: &other, ld: outputs };
            multiply(&x, inputs, rows, &packed, &bias, &mut scratch, &mut add);
            let mut before = vec![f32::NAN; y.len()];
            let mut activated = vec![f32::NAN; y.len()];
            let mut gelu = Gelu { out: &mut activated, before: &mut before, ld: outputs };
            multiply(&x, inputs, rows, &packed, &bias, &mut scratch, &mut gelu);
            let (mut grad, mut value) = (other.clone(), vec![f32::NAN; y.len()]);
            let mut back = GeluGrad { x: &mut grad, value: &mut value, ld: outputs };
            multiply(&x, inputs, rows, &packed, &bias, &mut scratch, &mut back);
            for i in 0..y.len() {
                let (y, o) = (y[i], f64::from(other[i]));
                let density = (-o * o / 2.0).exp() / std::f64::consts::TAU.sqrt();
                let close = |a: f32, b: f64| (f64::from(a) - b).abs() < 5e-6;
                prop_assert!(close(out[i], y + o));
                prop_assert!(close(before[i], y));
                prop_assert!(close(activated[i], y * phi(y)));
                prop_assert!(close(value[i], o * phi(o)));
                prop_assert!(close(grad[i], y * (phi(o) + o * density)), "{} {}", grad[i], o);
            }
        }
    }

    #[test]
    fn normalisations(rows in 1usize..9, width in 2usize..90, seed in 0u64..1000) {
        let x = values(rows * width, seed);
        let (gamma, beta) = (values(width, seed + 1), values(width, seed + 2));
        let grad = values(rows * width, seed + 3);
        let n = width as f64;
        for level in Level::available() {
            let mut out = vec![f32::NAN; x.len()];
            layer_norm(level, &x, &gamma, &beta, 1e-6, &mut out);
            let mut dx = vec![f32::NAN; x.len()];
            let (mut dg, mut db, mut di) = (vec![0.0; width], vec![0.0; width], vec![0.0; width]);
            let sums = Sums { gamma: &mut dg, beta: &mut db, input: &mut di };
            layer_norm_grad(level, &x, &gamma, 1e-6, &grad, &mut dx, sums);
            let (mut eg, mut eb) = (vec![0.0f64; width], vec![0.0f64; width]);
            for r in 0..rows {
                let row: Vec<f64> = x[r * width..][..width].iter().map(|x| f64::from(*x)).collect();
                let mean = row.iter().sum::<f64>() / n;
                let var = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
                let inv = 1.0 / (var + 1e-6).sqrt();
                let hat: Vec<f64> = row.iter().map(|x| (x - mean) * inv).collect();
                let g: Vec<f64> = grad[r * width..][..width].iter().map(|x| f64::from(*x)).collect();
                let scaled: Vec<f64> = g.iter().zip(&gamma).map(|(g, w)| g * f64::from(*w)).collect();
                let m = scaled.iter().sum::<f64>() / n;
                let mx = scaled.iter().zip(&hat).map(|(g, h)| g * h).sum::<f64>() / n;
                for i in 0..width {
                    eg[i] += g[i] * hat[i];
                    eb[i] += g[i];
                    let y = hat[i] * f64::from(gamma[i]) + f64::from(beta[i]);
                    prop_assert!((f64::from(out[r * width + i]) - y).abs() < 1e-4);
                    let d = inv * (scaled[i] - m - hat[i] * mx);
                    let tolerance = 1e-4 * inv.max(1.0) * inv.max(1.0);
                    prop_assert!((f64::from(dx[r * width + i]) - d).abs() < tolerance);
                }
            }
            for i in 0..width {
                prop_assert!((f64::from(dg[i]) - eg[i]).abs() < 1e-3);
                prop_assert!((f64::from(db[i]) - eb[i]).abs() < 1e-4);
                let column: f32 = (0..rows).map(|r| dx[r * width + i]).sum();
                prop_assert!((column - di[i]).abs() <= 1e-4 * column.abs().max(1.0));
            }
        }
    }

    #[test]
    fn attention_is_the_same_at_every_level(
        lengths in prop::collection::vec(0usize..120, 1..4),
        heads in 1usize..4,
        dim in prop::sample::select(vec![1usize, 5, 8, 16, 24, 32, 64, 80]),
        seed in 0u64..1000,
    ) {
        let hidden = heads * dim;
        let mut offsets = vec![0];
        for length in lengths {
            offsets.push(offsets[offsets.len() - 1] + length);
        }
        let rows = offsets[offsets.len() - 1];
        prop_assume!(rows > 0);
        let qkv: Vec<f32> = values(rows * 3 * hidden, seed).iter().map(|x| x * 2.0).collect();
        let grad = values(rows * hidden, seed + 1);
        let all = Heads { offsets: &offsets, heads, hidden };
        let run = |level| {
            let mut out = vec![f32::NAN; rows * hidden];
            all.forward(level, &mut Pool, &qkv, &mut out);
            let mut back = vec![f32::NAN; qkv.len()];
            all.backward(level, &qkv, &grad, &mut back);
            (out, back)
        };
        let (out, back) = run(Level::Portable);
        let exact: Vec<f64> = out.iter().map(|v| f64::from(*v)).collect();
        let bounds = attention_bounds(Precision::F32, &all, &qkv);
        let bounds_bf16 = attention_bounds(Precision::Bf16, &all, &qkv);
        for level in Level::available() {
            let (other, other_back) = run(level);
            within(level, &other, &exact, &bounds)?;
            prop_assert!(relative_error(&other_back, &back) < 1e-5);
            let mut halves = vec![f32::NAN; out.len()];
            all.forward_bf16(level, &mut Pool, &qkv, &mut halves);
            within(level, &halves, &exact, &bounds_bf16)?;
        }
    }
}

#[test]
fn only_quarters_of_whole_panels_are_summed() {
    for (precision, outputs, inputs, summed) in [
        (Precision::F32, 64, 128, true),
        (Precision::F32, 64, 96, false),
        (Precision::F32, 72, 128, false),
        (Precision::F32, 64, 130, false),
        (Precision::Bf16, 64, 128, false),
        (Precision::Int8, 64, 512, false),
    ] {
        let w = values(outputs * inputs, 1);
        for level in Level::available() {
            let mut packed = Packed::by_output(level, precision, outputs, inputs, |o| {
                &w[o * inputs..(o + 1) * inputs]
            });
            let bytes = packed.bytes();
            packed.halve();
            let more = packed.bytes() - bytes;
            let expected = if summed { 4 * outputs * inputs } else { 0 };
            assert_eq!(more, expected, "{level:?} {precision:?} {outputs} {inputs}");
        }
    }
}
