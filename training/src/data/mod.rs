//! Reading what models are trained on: corpora, labelled rows in five file forms, and the
//! prepared examples that the training loop consumes.
//!
//! Readers name the file and the row of whatever they cannot read; nothing is skipped in
//! silence.

pub mod corpus;
pub mod examples;
pub mod formats;
pub mod lines;
pub mod record;
pub mod splits;

use std::path::{Path, PathBuf};

/// What can go wrong while data is read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file could not be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A row does not have the form that its file promises.
    #[error("{path}, row {row}: {message}")]
    Row {
        /// The file.
        path: PathBuf,
        /// Row counted from 1; for formats of one JSON array, the element.
        row: usize,
        /// What is wrong, naming the field.
        message: String,
    },
    /// A file as a whole does not have the form expected.
    #[error("{path}: {message}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

impl DataError {
    /// An input or output error of `path`.
    pub fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io {
            path: path.to_owned(),
            source,
        }
    }

    /// Row `row` (from 1) of `path` cannot be used.
    pub fn row(path: &Path, row: usize, message: impl Into<String>) -> Self {
        Self::Row {
            path: path.to_owned(),
            row,
            message: message.into(),
        }
    }

    /// The file `path` cannot be used.
    pub fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}

impl stance::error::ErrorCode for DataError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "data_io",
            Self::Row { .. } => "data_row",
            Self::File { .. } => "data_file",
        }
    }
}
