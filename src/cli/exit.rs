//! How the program ends: fixed exit codes, and the errors that lead to them.

use std::io;
use std::process::ExitCode;

use crate::archive::ArchiveError;
use crate::config::ConfigError;
use crate::error::ErrorCode;
use crate::predict::OptionsError;
use crate::server::ServeError;

/// The exit codes. They never change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done; also when the reader of the output left early (broken pipe).
    Success,
    /// 1: the command failed.
    Failure,
    /// 2: the arguments or the environment cannot be followed.
    Usage,
    /// 3: done, but some documents could not be judged; each has an error on its place.
    DocumentErrors,
}

impl Exit {
    /// Every code with what it means, for the documentation.
    pub(super) const MEANINGS: [(Self, &'static str); 4] = [
        (
            Self::Success,
            "done; also when the reader of the output left early (broken pipe)",
        ),
        (
            Self::Failure,
            "the command failed: the model cannot be loaded, the port is taken, a file of actors is wrong, …",
        ),
        (
            Self::Usage,
            "the arguments or the environment cannot be followed",
        ),
        (
            Self::DocumentErrors,
            "done, but some documents could not be judged; each has an error on its place, with `score` in the file of errors",
        ),
    ];

    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::Failure => 1,
            Self::Usage => 2,
            Self::DocumentErrors => 3,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// The arguments cannot be followed.
    #[error("{0}")]
    Usage(String),
    /// The command failed, with the stable code of the error.
    #[error("{message} [{code}]")]
    Failed {
        /// Stable code.
        code: &'static str,
        /// The same for people.
        message: String,
    },
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Failure {
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::Usage(message.into())
    }

    pub(super) fn failed(code: &'static str, message: impl Into<String>) -> Self {
        Self::Failed {
            code,
            message: message.into(),
        }
    }

    /// A failure of a boundary below, under its own code.
    pub(super) fn from_error(error: &impl ErrorCode) -> Self {
        Self::failed(error.code(), error.to_string())
    }

    /// Whether the reader of the output left, which is no failure.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The exit code this leads to.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Usage(_) => Exit::Usage,
            _ if self.is_broken_pipe() => Exit::Success,
            Self::Failed { .. } | Self::Io(_) => Exit::Failure,
        }
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<OptionsError> for Failure {
    fn from(error: OptionsError) -> Self {
        Self::usage(format!("{error} [{}]", error.code()))
    }
}

impl From<ArchiveError> for Failure {
    fn from(error: ArchiveError) -> Self {
        match error {
            ArchiveError::Stdout(error) => Self::Io(error),
            error => Self::from_error(&error),
        }
    }
}

impl From<ServeError> for Failure {
    fn from(error: ServeError) -> Self {
        Self::from_error(&error)
    }
}
