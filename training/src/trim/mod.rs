//! Stage `trim`: a multilingual base model with only the pieces that the languages of the corpora
//! use (Abdaoui et al. 2020, "Load What You Need", arXiv 2010.05609; Ushio et al. 2023, arXiv
//! 2305.15020).
//!
//! The base is multilingual-e5-small (Wang et al. 2024, arXiv 2402.05672) as `fetch_base.sh e5`
//! brings it: weights in 4-bit blocks ([`packed`]) and the tokenizer of XLM-R. Texts are drawn as
//! for the `tokenizer` stage, their pieces are counted, the frequent ones stay ([`vocabulary`]), and
//! the rows of the others leave the embedding matrix.

pub mod packed;
pub mod vocabulary;

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use candle_core::{Device, Tensor};
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::align::base::WORD_EMBEDDINGS;
use crate::data::corpus::RetrievalTest;
use crate::data::{DataError, lines};
use crate::tokenizer::{TokenizerError, report, sample};
use packed::Packed;
use vocabulary::Vocabulary;

/// Most ids: the pair store keeps them in 16 bits.
const MOST_PIECES: usize = 1 << 16;

/// What can go wrong in this stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrimError {
    /// Reading or writing data failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The tokenizer failed.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
    /// A file of the base cannot be used.
    #[error("{path}: {message}")]
    Base {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// The tensors could not be made or written.
    #[error("writing the model: {0}")]
    Tensors(#[from] candle_core::Error),
    /// `--vocab` is not possible.
    #[error("--vocab {asked}: at most {limit} pieces, and more than the special tokens")]
    VocabularySize {
        /// What was asked for.
        asked: usize,
        /// The most.
        limit: usize,
    },
}

impl stance::error::ErrorCode for TrimError {
    fn code(&self) -> &'static str {
        match self {
            Self::Data(error) => error.code(),
            Self::Tokenizer(error) => error.code(),
            Self::Base { .. } => "base_model",
            Self::Tensors(_) => "tensors",
            Self::VocabularySize { .. } => "invalid_argument",
        }
    }
}

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder with `corpus/`, `stance/`, `topic/` and `tokenizers/`.
    #[arg(long, default_value = "../shared/data")]
    pub data: PathBuf,
    /// Folder of the base, from `fetch_base.sh e5`: `e5-small-q4.bin` and `tokenizer.json`.
    #[arg(long)]
    pub base: PathBuf,
    /// Folder for the trimmed model: `config.json`, `tokenizer.json`, `model.safetensors` and
    /// `report.json`.
    #[arg(long)]
    pub out: PathBuf,
    /// Pieces that stay, special tokens included.
    #[arg(long, default_value_t = 64_000)]
    pub vocab: usize,
    /// Text to count pieces in, in millions of bytes.
    #[arg(long, default_value_t = 120)]
    pub megabytes: usize,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 17)]
    pub seed: u64,
}

#[derive(Debug, Serialize)]
struct Report {
    base_sha256: String,
    /// Share of the sample's tokens whose piece stays.
    kept_tokens: f64,
    tokens_per_word: report::Report,
}

/// Runs the stage.
///
/// # Errors
/// When the base or the data cannot be read, or the model cannot be written.
pub fn run(args: &Args) -> Result<(), TrimError> {
    let started = Instant::now();
    if args.vocab > MOST_PIECES {
        return Err(TrimError::VocabularySize {
            asked: args.vocab,
            limit: MOST_PIECES,
        });
    }
    let weights = args.base.join("e5-small-q4.bin");
    let bytes = std::fs::read(&weights).map_err(|error| DataError::io(&weights, error))?;
    let fault = |message: String| TrimError::Base {
        path: weights.clone(),
        message,
    };
    let packed = Packed::parse(&bytes).map_err(fault)?;
    let vocabulary = Vocabulary::load(&args.base.join("tokenizer.json"))?;
    let counts = count(args, &vocabulary)?;
    println!(
        "{:>5.0} s  {} different pieces in the sample",
        started.elapsed().as_secs_f32(),
        counts.len()
    );
    let kept = vocabulary.choose(&counts, args.vocab)?;
    let total: u64 = counts.values().sum();
    let stay: u64 = kept.iter().filter_map(|id| counts.get(id)).sum();
    std::fs::create_dir_all(&args.out).map_err(|error| DataError::io(&args.out, error))?;
    let tokenizer = args.out.join("tokenizer.json");
    lines::write_json(&tokenizer, &vocabulary.trimmed(&kept))?;

    let mut tensors: HashMap<String, Tensor> = packed.tensors().map_err(fault)?;
    let rows = Tensor::from_slice(&kept, kept.len(), &Device::Cpu)?;
    if let Some(embeddings) = tensors.get_mut(WORD_EMBEDDINGS) {
        *embeddings = embeddings.index_select(&rows, 0)?;
    }
    candle_core::safetensors::save(&tensors, args.out.join("model.safetensors"))?;
    lines::write_json(&args.out.join("config.json"), &packed.config(kept.len()))?;

    let report = Report {
        base_sha256: lines::sha256(&weights)?,
        kept_tokens: stay as f64 / total.max(1) as f64,
        tokens_per_word: report::measure(&args.data, &tokenizer)?,
    };
    println!(
        "{}\n{:>5.0} s  {} pieces stand for {:.2}% of the sample's tokens",
        report.tokens_per_word,
        started.elapsed().as_secs_f32(),
        kept.len(),
        100.0 * report.kept_tokens
    );
    lines::write_json(&args.out.join("report.json"), &report)?;
    Ok(())
}

/// How often each piece of the whole vocabulary occurs in the sample.
fn count(args: &Args, vocabulary: &Vocabulary) -> Result<FxHashMap<u32, u64>, TrimError> {
    let test = RetrievalTest::load(&args.data)?;
    let sources = sample::sources(&args.data, &test)?;
    let plan = sample::plan(&sources, args.megabytes * 1_000_000);
    println!("{plan}");
    let mut counts = FxHashMap::default();
    for (number, source) in sources.iter().enumerate() {
        let texts = sample::draw(source, number, &plan, &test, args.seed)?;
        for (id, count) in vocabulary.count(&texts)? {
            *counts.entry(id).or_default() += count;
        }
    }
    Ok(counts)
}
