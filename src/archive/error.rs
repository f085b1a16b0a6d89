//! What stops the scoring of an archive, or the sums over it.

use std::io;
use std::path::{Path, PathBuf};

use crate::error::ErrorCode;
use crate::predict::PredictError;

/// Why a run ended early. What a single row had is no such error: it goes to the file of errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// A path, glob or address that means nothing that could be read.
    #[error("{name}: {message}")]
    UnknownInput {
        /// As it was given.
        name: String,
        /// Why not.
        message: String,
    },
    /// A file that cannot be read to its end.
    #[error("{name}: {message}")]
    UnreadableInput {
        /// Name of the file.
        name: String,
        /// Why not.
        message: String,
    },
    /// A column that was asked for is missing, or holds something else.
    #[error("{name}: column `{column}` {problem}")]
    Column {
        /// Name of the file.
        name: String,
        /// The column.
        column: String,
        /// What is wrong.
        problem: String,
    },
    /// Columns of a file are not those of the first one, and the output has one table for all.
    #[error(
        "{name}: its columns are not those of the first input ({difference}); choose common ones \
         by --keep, or write JSONL"
    )]
    OtherColumns {
        /// Name of the file.
        name: String,
        /// What is different.
        difference: String,
    },
    /// An option that cannot be followed.
    #[error("{0}")]
    InvalidOption(String),
    /// There is an output already that this run did not begin.
    #[error("{} exists and has no journal of a run that could go on; --overwrite replaces it", .0.display())]
    OutputExists(PathBuf),
    /// The journal is that of a run with other settings.
    #[error(
        "{} was begun with other settings: {differences}; give the same again, or --overwrite to \
         begin anew",
        path.display()
    )]
    JournalMismatch {
        /// The journal.
        path: PathBuf,
        /// Each setting with both values.
        differences: String,
    },
    /// The output of a run that is done was changed afterwards.
    #[error("{} is not what the run that is done left there; --overwrite begins anew", .0.display())]
    OutputChanged(PathBuf),
    /// Another process writes the same output.
    #[error("{}: another process is writing this output", .0.display())]
    OutputBusy(PathBuf),
    /// The output cannot be written.
    #[error("{}: {source}", path.display())]
    Output {
        /// Where.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// More rows failed than allowed.
    #[error("{failed} rows could not be scored, more than --max-errors {limit}")]
    TooManyErrors {
        /// Rows that failed so far.
        failed: u64,
        /// The limit.
        limit: u64,
    },
    /// Arrow or Parquet cannot hold what was to be written.
    #[error("writing: {0}")]
    Encoding(String),
    /// An object store that cannot be reached, or refuses.
    #[error("{name}: {message}")]
    Store {
        /// The address.
        name: String,
        /// What it says.
        message: String,
    },
    /// The model cannot follow the options.
    #[error(transparent)]
    Predict(Box<PredictError>),
    /// Standard output cannot be written; a reader who left is no failure.
    #[error("standard output: {0}")]
    Stdout(io::Error),
    /// A thread of the run ended by a panic.
    #[error("the {0} thread ended by an internal error")]
    Lost(&'static str),
}

impl ArchiveError {
    pub(super) fn unreadable(name: &str, error: impl std::fmt::Display) -> Self {
        Self::UnreadableInput {
            name: name.to_owned(),
            message: error.to_string(),
        }
    }

    pub(super) fn output(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |source| Self::Output {
            path: path.to_owned(),
            source,
        }
    }

    pub(super) fn encoding(error: impl std::fmt::Display) -> Self {
        Self::Encoding(error.to_string())
    }

    /// Whether the reader of standard output left, which is no failure.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Stdout(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }
}

impl From<PredictError> for ArchiveError {
    fn from(error: PredictError) -> Self {
        Self::Predict(Box::new(error))
    }
}

impl ErrorCode for ArchiveError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownInput { .. } => "unknown_input",
            Self::UnreadableInput { .. } => "unreadable_input",
            Self::Column { .. } => "invalid_column",
            Self::OtherColumns { .. } => "other_columns",
            Self::InvalidOption(_) => "invalid_option",
            Self::OutputExists(_) => "output_exists",
            Self::JournalMismatch { .. } => "journal_mismatch",
            Self::OutputChanged(_) => "output_changed",
            Self::OutputBusy(_) => "output_busy",
            Self::Output { .. } | Self::Stdout(_) => "output_failed",
            Self::TooManyErrors { .. } => "too_many_errors",
            Self::Encoding(_) => "encoding_failed",
            Self::Store { .. } => "store_failed",
            Self::Predict(error) => error.code(),
            Self::Lost(_) => "internal_error",
        }
    }
}
