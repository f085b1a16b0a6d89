//! What can go wrong while measuring.

use std::path::{Path, PathBuf};

use stance::error::ErrorCode;

/// An error of the evaluation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EvalError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A row of a data file does not have the form it should have.
    #[error("{}, line {line}: {message}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// What is wrong with it.
        message: String,
    },
    /// A suite is not as it should be.
    #[error("suite {}: {message}", path.display())]
    Suite {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// `--only` names no task.
    #[error("no task matches '{name}'; the suite has {known}")]
    UnknownTask {
        /// What was asked for.
        name: String,
        /// Names of the tasks.
        known: String,
    },
    /// No row is left to measure.
    #[error("task {task}: no row is left to measure ({why})")]
    Empty {
        /// The task.
        task: String,
        /// Where the rows went.
        why: String,
    },
    /// The model cannot be loaded or cannot answer.
    #[error("model: {0}")]
    Model(String),
    /// Two results cannot be compared, or a result file is not one.
    #[error("{0}")]
    Results(String),
}

impl EvalError {
    /// A read error of a file, for `map_err`.
    pub fn read(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Read {
            path: path.to_owned(),
            source,
        }
    }

    /// A write error of a file, for `map_err`.
    pub fn write(path: &Path) -> impl FnOnce(std::io::Error) -> Self + '_ {
        move |source| Self::Write {
            path: path.to_owned(),
            source,
        }
    }
}

impl ErrorCode for EvalError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "unreadable_file",
            Self::Write { .. } => "unwritable_file",
            Self::Row { .. } => "invalid_row",
            Self::Suite { .. } => "invalid_suite",
            Self::UnknownTask { .. } => "unknown_task",
            Self::Empty { .. } => "empty_task",
            Self::Model(_) => "model_failed",
            Self::Results(_) => "invalid_results",
        }
    }
}
