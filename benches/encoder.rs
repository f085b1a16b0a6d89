//! Speed of the encoder: stock candle against the kernels in f32, bf16 and 8-bit integers, on the
//! same random weights, interleaved in one run. `held` is f32 too, of the same weights rounded to what bf16 holds, as those of
//! models that are stored in bf16 or in 8-bit integers are: tiles multiply them in parts.
//!
//! ```text
//! RAYON_NUM_THREADS=1 cargo bench --bench encoder
//! ```
//!
//! Times are medians, by the wall or, with `STANCE_BENCH_CLOCK=cpu`, of the processor, shared by the
//! threads, for cores that other programs use too. The last columns say what share of the machine's measured peak the whole
//! encoder reaches: multiply-adds of f32, and dot products of bf16 and of bytes, kept in registers.

#![allow(unsafe_code)] // the loops that measure the peak use the instruction sets directly
#![allow(clippy::inline_always)]

mod clock;

use std::collections::HashMap;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use stance::encoder::bert::Bert;
use stance::encoder::cpu::Precision;
use stance::encoder::cpu::simd::{
    Grid, GridMut, Kernel, Level, Simd, TILE_COLUMNS, TILE_ROWS, TileKind, TileShape,
};
use stance::encoder::load::expected_tensors;
use stance::encoder::{Encoder, EncoderConfig};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The network of the default model, and of the larger `MiniLM`.
const LAYERS: [usize; 2] = [6, 12];

/// What is measured beside stock candle.
const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

/// A mix of lengths as documents bring them.
const MIX: [usize; 16] = [
    12, 200, 35, 78, 23, 150, 61, 19, 110, 44, 92, 28, 175, 53, 16, 130,
];

/// Rounds per measurement at the least, and tokens after which it has been enough.
const ROUNDS: usize = 5;
const TOKENS: usize = 6_000;

fn config(layers: usize) -> Result<EncoderConfig, Box<dyn Error>> {
    let json = format!(
        r#"{{"model_type": "bert", "vocab_size": 4000, "hidden_size": 384,
        "num_hidden_layers": {layers}, "num_attention_heads": 12, "intermediate_size": 1536,
        "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
        "hidden_act": "gelu"}}"#
    );
    Ok(EncoderConfig::from_json(json.as_bytes())?)
}

type Tensors = HashMap<String, Tensor>;

/// Random weights of the size that training gives them.
fn weights(config: &EncoderConfig) -> Result<Tensors, Box<dyn Error>> {
    let mut tensors = HashMap::new();
    for (name, shape) in expected_tensors(config) {
        let tensor = if name.contains("LayerNorm.weight") {
            Tensor::ones(shape, DType::F32, &Device::Cpu)?
        } else {
            Tensor::randn(0.0f32, 0.05, shape, &Device::Cpu)?
        };
        tensors.insert(name, tensor);
    }
    Ok(tensors)
}

/// The same, rounded to bf16.
fn rounded(tensors: &Tensors) -> Result<Tensors, Box<dyn Error>> {
    let round = |tensor: &Tensor| tensor.to_dtype(DType::BF16)?.to_dtype(DType::F32);
    let each = tensors
        .iter()
        .map(|(name, t)| Ok((name.clone(), round(t)?)));
    each.collect()
}

fn view(tensors: Tensors) -> VarBuilder<'static> {
    VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu)
}

/// Operations of all products of a pass: two per multiply-add.
fn operations(config: &EncoderConfig, lengths: &[usize]) -> f64 {
    let (hidden, inner) = (config.hidden_size, config.intermediate_size);
    let per_token = 2 * (4 * hidden * hidden + 2 * hidden * inner);
    let total: usize = lengths
        .iter()
        .map(|n| n * (per_token + 4 * n * hidden))
        .sum();
    (total * config.num_hidden_layers) as f64
}

/// As many independent multiply-adds as the processor can have under way.
struct Peak {
    precision: Precision,
    turns: usize,
}

impl Kernel for Peak {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f64 {
        // SAFETY: arithmetic in registers alone.
        unsafe {
            let start = Instant::now();
            let mut floats = [S::splat(0.0); 12];
            let mut bytes = [S::zero_i(); 12];
            let per_lane = match self.precision {
                Precision::F32 => {
                    let (a, b) = (S::splat(black_box(0.5)), S::splat(black_box(0.25)));
                    for _ in 0..self.turns {
                        for sum in &mut floats {
                            *sum = S::mul_add(a, b, *sum);
                        }
                    }
                    2
                }
                Precision::Bf16 => {
                    let (a, b) = (
                        S::splat_i(black_box(0x3f00_3f00)),
                        S::splat_i(black_box(0x3e80)),
                    );
                    for _ in 0..self.turns {
                        for sum in &mut floats {
                            *sum = S::dot_bf16(*sum, a, b);
                        }
                    }
                    4
                }
                Precision::Int8 => {
                    let (a, b) = (S::splat_i(black_box(0x0101_0101)), S::splat_i(black_box(3)));
                    for _ in 0..self.turns {
                        for sum in &mut bytes {
                            *sum = S::dot(*sum, a, b);
                        }
                    }
                    8
                }
            };
            black_box(bytes.iter().fold(0, |t, s| t ^ S::sum_i(*s)));
            black_box(floats.iter().map(|s| S::sum(*s)).sum::<f32>());
            (self.turns * 12 * S::LANES * per_lane) as f64 / start.elapsed().as_secs_f64()
        }
    }
}

/// Products of tiles that stay in the first cache.
struct TilePeak {
    kind: TileKind,
    turns: usize,
}

impl Kernel for TilePeak {
    type Output = f64;

    #[inline(always)]
    unsafe fn run<S: Simd>(self) -> f64 {
        let shape = TileShape {
            two: true,
            steps: 6,
        };
        let words = shape.steps * TILE_ROWS;
        let (a, b) = (
            vec![0u32; shape.rows() * words * self.kind.parts()],
            vec![0u32; words * TILE_COLUMNS],
        );
        let mut out = vec![0u32; shape.rows() * TILE_COLUMNS];
        let start = Instant::now();
        // SAFETY: the matrices are as large as the shape says.
        unsafe {
            S::configure_tiles();
            for _ in 0..self.turns {
                let a = Grid {
                    start: a.as_ptr(),
                    stride: words * self.kind.parts(),
                };
                let b = Grid {
                    start: b.as_ptr(),
                    stride: TILE_COLUMNS,
                };
                let c = GridMut {
                    start: out.as_mut_ptr(),
                    stride: TILE_COLUMNS,
                };
                S::multiply_tiles(self.kind, shape, a, b, c);
            }
            S::release_tiles();
        }
        black_box(&out);
        let per_word = match self.kind {
            TileKind::Bf16 | TileKind::Parts => 4,
            TileKind::Bytes => 8,
        };
        let operations = self.turns * out.len() * words * per_word;
        operations as f64 / start.elapsed().as_secs_f64()
    }
}

/// Operations per second of all threads, if they add up.
fn peak(precision: Precision) -> f64 {
    let level = Level::best();
    let tiles = |kind| level.run(TilePeak { kind, turns: 2_000 });
    let turns = 200_000; // short enough to pass between two turns of other programs
    let best = (0..80)
        .map(|_| match precision {
            Precision::Bf16 if level.multiplies_tiles() => tiles(TileKind::Bf16),
            Precision::Int8 if level.multiplies_tiles() => tiles(TileKind::Bytes),
            _ => level.run(Peak { precision, turns }),
        })
        .fold(0.0, f64::max);
    best * rayon::current_num_threads() as f64
}

/// Median seconds of each encoder, taking turns.
fn medians(encoders: &[&Bert], ids: &[&[u32]]) -> Result<Vec<f64>, Box<dyn Error>> {
    let tokens: usize = ids.iter().map(|s| s.len()).sum();
    let rounds = (TOKENS / tokens).max(ROUNDS);
    let by_cpu = std::env::var("STANCE_BENCH_CLOCK").is_ok_and(|clock| clock == "cpu");
    let threads = rayon::current_num_threads() as f64;
    let mut times = vec![Vec::with_capacity(rounds); encoders.len()];
    for round in 0..=rounds {
        for (encoder, times) in encoders.iter().zip(&mut times) {
            let (states, taken) = clock::timed(|| encoder.encode(ids));
            black_box(states?);
            // The first round warms up.
            if round > 0 {
                times.push(if by_cpu {
                    taken.cpu / threads
                } else {
                    taken.wall
                });
            }
        }
    }
    for times in &mut times {
        times.sort_by(f64::total_cmp);
    }
    Ok(times.iter().map(|t| t[t.len() / 2]).collect())
}

fn main() -> Result<(), Box<dyn Error>> {
    let peaks = PRECISIONS.map(peak);
    println!(
        "{} kernels, {} threads; peak f32 {:.0} GFLOP/s, bf16 {:.0} GFLOP/s, int8 {:.0} GOP/s",
        Level::best().name(),
        rayon::current_num_threads(),
        peaks[0] / 1e9,
        peaks[1] / 1e9,
        peaks[2] / 1e9
    );
    println!(
        "layers  batch  length  candle ms   f32 ms  held ms  bf16 ms  int8 ms  f32/candle  held/f32  bf16/f32  \
         int8/f32  %peak f32  bf16  int8"
    );
    for layers in LAYERS {
        let config = config(layers)?;
        let tensors = weights(&config)?;
        let held = Bert::frozen(&view(rounded(&tensors)?), &config, Precision::F32)?;
        let vb = view(tensors);
        let stock = Bert::stock(&vb, &config)?;
        let [exact, halves, integers] =
            PRECISIONS.map(|precision| Bert::frozen(&vb, &config, precision));
        let (exact, halves, integers) = (exact?, halves?, integers?);
        let mut cases: Vec<(String, Vec<usize>)> = Vec::new();
        for length in [16, 128, 512] {
            for batch in [1, 16] {
                cases.push((length.to_string(), vec![length; batch]));
            }
        }
        cases.push(("mix".to_owned(), MIX.to_vec()));
        for (name, lengths) in cases {
            let ids: Vec<Vec<u32>> = lengths
                .iter()
                .map(|n| (0..*n).map(|i| (i * 37 % 4000) as u32).collect())
                .collect();
            let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
            let t = medians(&[&stock, &exact, &halves, &integers, &held], &ids)?;
            let work = operations(&config, &lengths);
            let reached = |which: usize| 100.0 * work / t[which + 1] / peaks[which];
            println!(
                "{layers:6}  {:5}  {name:>6}  {:9.2}  {:7.2}  {:7.2}  {:7.2}  {:7.2}  {:10.2}  {:8.2}  \
                 {:8.2}  {:8.2}  {:8.0}%  {:3.0}%  {:3.0}%",
                lengths.len(),
                t[0] * 1e3,
                t[1] * 1e3,
                t[4] * 1e3,
                t[2] * 1e3,
                t[3] * 1e3,
                t[0] / t[1],
                t[1] / t[4],
                t[1] / t[2],
                t[1] / t[3],
                reached(0),
                reached(1),
                reached(2),
            );
        }
    }
    Ok(())
}
