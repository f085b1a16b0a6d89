//! The training loops and what they share.

pub mod augment;
pub mod average;
pub mod calibrate;
pub mod card;
pub mod checkpoint;
pub mod distill;
pub mod draw;
pub mod export;
pub mod finetune;
pub mod fit;
pub mod item;
pub mod join;
pub mod journal;
pub mod labelled;
pub mod marks;
pub mod measure;
pub mod merge;
pub mod mlm;
pub mod model_folder;
pub mod optim;
pub mod params;
mod pool;
pub mod pretrain;
pub mod session;
pub mod states;
pub mod student;
pub mod switch;
pub mod teach;
pub mod user_rows;

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// A generator that depends on `seed` and on `parts` alone, such as the name of a weight or the
/// number of a step: a run that is taken up draws what it would have drawn.
pub fn generator(seed: u64, parts: &[&[u8]]) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(seed.to_le_bytes());
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// SHA-256 over texts that decide a run, such as its recipe and the hash of its data.
pub fn fingerprint(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    format!("{:x}", hash.finalize())
}

/// `count` draws from a normal distribution of this standard deviation (Box–Muller).
pub fn normal(seed: u64, name: &str, count: usize, deviation: f32) -> Vec<f32> {
    let mut rng = generator(seed, &[name.as_bytes()]);
    let mut out = Vec::with_capacity(count + 1);
    while out.len() < count {
        let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt() * deviation;
        let angle = rng.random::<f32>() * std::f32::consts::TAU;
        out.push(radius * angle.cos());
        out.push(radius * angle.sin());
    }
    out.truncate(count);
    out
}

/// Learning rate factor: linear warm-up to 1, then cosine decay to 0 (Loshchilov & Hutter 2017,
/// arXiv 1608.03983).
pub fn schedule(step: u64, warmup: u64, steps: u64) -> f64 {
    if step < warmup {
        return (step + 1) as f64 / warmup as f64;
    }
    let progress = (step - warmup) as f64 / (steps.saturating_sub(warmup)).max(1) as f64;
    0.5 * (1.0 + (std::f64::consts::PI * progress.min(1.0)).cos())
}
