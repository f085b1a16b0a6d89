//! What can go wrong between a model's name and its checked files.

use crate::encoder::EncoderError;
use crate::error::ErrorCode;

/// An error of finding, checking or writing a model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the model is not there.
    #[error("the model at {location} has no file `{file}`")]
    MissingFile {
        /// The file's name inside the model.
        file: String,
        /// The folder or other place that was searched.
        location: String,
    },
    /// A file's content is not what the manifest lists.
    #[error("`{file}` of the model at {location}: expected {expected}, found {found}")]
    HashMismatch {
        /// The file's name inside the model.
        file: String,
        /// The folder or other place of the model.
        location: String,
        /// The SHA-256 or the size in the manifest.
        expected: String,
        /// The SHA-256 or the size of the file.
        found: String,
    },
    /// `manifest.json` is no manifest that this version reads.
    #[error("manifest.json of the model at {location}: {message}")]
    InvalidManifest {
        /// The folder or other place of the model.
        location: String,
        /// What is wrong.
        message: String,
    },
    /// No model goes by this name.
    #[error("no model `{name}`: {message}")]
    UnknownModel {
        /// The name that was asked for.
        name: String,
        /// What was tried.
        message: String,
    },
    /// A file cannot be read or written.
    #[error("`{file}`: {source}")]
    Io {
        /// The file.
        file: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// The encoder's own files or the hub failed.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
}

impl ErrorCode for ModelError {
    fn code(&self) -> &'static str {
        match self {
            Self::MissingFile { .. } => "missing_file",
            Self::HashMismatch { .. } => "hash_mismatch",
            Self::InvalidManifest { .. } => "invalid_manifest",
            Self::UnknownModel { .. } => "unknown_model",
            Self::Io { .. } => "io",
            Self::Encoder(error) => error.code(),
        }
    }
}

pub(super) fn io_error(file: &std::path::Path, source: std::io::Error) -> ModelError {
    ModelError::Io {
        file: file.display().to_string(),
        source,
    }
}
