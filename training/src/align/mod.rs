//! Stage `align`: what the new pieces mean, learned from parallel text.
//!
//! Per language, English in the teacher's pieces is aligned with the other side in the new
//! pieces ([`model`], an IBM model 2 with a diagonal prior), English with itself by character
//! offsets ([`corpus`]). The counts start the new embeddings ([`embed`]), and the pairs with
//! their links become the pair store ([`crate::pairs`]) for distillation.

pub mod base;
pub mod corpus;
pub mod counts;
pub mod embed;
pub mod model;
mod stage;

use std::path::PathBuf;

pub use stage::run;

use crate::data::DataError;
use crate::pairs::PairError;

/// What can go wrong in this stage.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AlignError {
    /// Reading or writing data failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The pair store could not be written.
    #[error(transparent)]
    Pairs(#[from] PairError),
    /// The base model or a tokenizer cannot be used.
    #[error("{path}: {message}")]
    Base {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A tokenizer failed on a text.
    #[error("tokenizing {side}: {message}")]
    Tokenizer {
        /// Which side.
        side: &'static str,
        /// The library's message.
        message: String,
    },
}

impl stance::error::ErrorCode for AlignError {
    fn code(&self) -> &'static str {
        match self {
            Self::Data(error) => error.code(),
            Self::Pairs(error) => error.code(),
            Self::Base { .. } => "base_model",
            Self::Tokenizer { .. } => "tokenizer_library",
        }
    }
}

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder with `corpus/`.
    #[arg(long, default_value = "../shared/data")]
    pub data: PathBuf,
    /// The new tokenizer.
    #[arg(long)]
    pub tokenizer: PathBuf,
    /// Folder of the English base model: `config.json`, `tokenizer.json`,
    /// `model.safetensors` (see `fetch_base.sh`).
    #[arg(long)]
    pub base: PathBuf,
    /// Folder for `init/`, `pairs/` and `report.json`.
    #[arg(long)]
    pub out: PathBuf,
    /// Rounds of expectation maximisation.
    #[arg(long, default_value_t = 5)]
    pub iterations: usize,
    /// Languages aligned at the same time; each needs up to 2 GB of memory.
    #[arg(long, default_value_t = 2)]
    pub jobs: usize,
    /// English text without translation that is read for the English side, in millions of
    /// bytes.
    #[arg(long, default_value_t = 20)]
    pub english_megabytes: usize,
    /// Write the pair store alone, for a base that keeps its own pieces: `--tokenizer` is then the
    /// base's.
    #[arg(long)]
    pub pairs_only: bool,
    /// Only these languages, separated by commas (for trying things out).
    #[arg(long, value_delimiter = ',')]
    pub languages: Option<Vec<String>>,
}
