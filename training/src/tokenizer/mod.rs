//! Stage `tokenizer`: a multilingual Unigram vocabulary learned from the corpora.
//!
//! Texts are drawn per language ([`sample`]), brought to the form that the model will read
//! ([`pipeline`]), counted as words without rare characters ([`words`]), and a Unigram model
//! is fitted ([`unigram`]) and given the frequent English words of the teacher's vocabulary
//! ([`train`]). [`report`] counts tokens per word beside other
//! tokenizers.

pub mod pipeline;
pub mod report;
pub mod sample;
pub mod train;
pub mod unigram;
pub mod words;

use std::path::PathBuf;
use std::time::Instant;

use tokenizers::Model;

use crate::data::corpus::RetrievalTest;
use crate::data::{DataError, lines};

/// What can go wrong in this stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// Reading or writing data failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The library `tokenizers` refused something.
    #[error("{doing}: {message}")]
    Library {
        /// What was being done.
        doing: String,
        /// The library's message.
        message: String,
    },
    /// An argument cannot be used.
    #[error("{name}: {message}")]
    Argument {
        /// The argument, as on the command line.
        name: &'static str,
        /// What is wrong with it.
        message: String,
    },
}

impl TokenizerError {
    pub(crate) fn library(
        doing: impl Into<String>,
    ) -> impl FnOnce(Box<dyn std::error::Error + Send + Sync>) -> Self {
        let doing = doing.into();
        move |error| Self::Library {
            doing,
            message: error.to_string(),
        }
    }
}

impl stance::error::ErrorCode for TokenizerError {
    fn code(&self) -> &'static str {
        match self {
            Self::Data(error) => error.code(),
            Self::Library { .. } => "tokenizer_library",
            Self::Argument { .. } => "invalid_argument",
        }
    }
}

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder with `corpus/`, `stance/`, `topic/` and `tokenizers/`.
    #[arg(long, default_value = "../shared/data")]
    pub data: PathBuf,
    /// Folder for `tokenizer.json` and `report.json`.
    #[arg(long)]
    pub out: PathBuf,
    /// Size of the vocabulary with the five special tokens.
    #[arg(long, default_value_t = 40_000)]
    pub vocab: usize,
    /// Text to draw, in millions of bytes.
    #[arg(long, default_value_t = 120)]
    pub megabytes: usize,
    /// Tokenizer of the English teacher (BERT's `tokenizer.json`); its frequent whole words
    /// get pieces of their own.
    #[arg(long)]
    pub teacher: Option<PathBuf>,
    /// Seed of the sampling.
    #[arg(long, default_value_t = 17)]
    pub seed: u64,
    /// Skip training: only measure the `tokenizer.json` that already lies in `--out`.
    #[arg(long)]
    pub report_only: bool,
}

/// Runs the stage: trains, writes `tokenizer.json`, and reports tokens per word.
pub fn run(args: &Args) -> Result<(), TokenizerError> {
    let path = args.out.join("tokenizer.json");
    if !args.report_only {
        train_and_save(args, &path)?;
    }
    let report = report::measure(&args.data, &path)?;
    println!("{report}");
    lines::write_json(&args.out.join("report.json"), &report)?;
    Ok(())
}

fn train_and_save(args: &Args, path: &std::path::Path) -> Result<(), TokenizerError> {
    let started = Instant::now();
    let pipeline = pipeline::Pipeline::new()?;
    let test = RetrievalTest::load(&args.data)?;
    let sources = sample::sources(&args.data, &test)?;
    let plan = sample::plan(&sources, args.megabytes * 1_000_000);
    println!("{plan}");
    let counts = words::count(&sources, &plan, &pipeline, &test, args.seed)?;
    println!(
        "{:.0} s: {} different words, {} characters kept, {} too rare",
        started.elapsed().as_secs_f32(),
        counts.words.len(),
        counts.alphabet.len(),
        counts.dropped_characters,
    );
    let model = train::train(&counts, args.vocab, args.teacher.as_deref())?;
    println!(
        "{:.0} s: {} pieces",
        started.elapsed().as_secs_f32(),
        model.get_vocab_size()
    );
    let tokenizer = pipeline.tokenizer(model)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| DataError::io(folder, error))?;
    }
    tokenizer
        .save(path, false)
        .map_err(TokenizerError::library("saving tokenizer.json"))?;
    Ok(())
}
