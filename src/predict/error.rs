//! Why a document has no prediction.

use super::OptionsError;
use crate::actors::ActorError;
use crate::encoder::EncoderError;
use crate::error::ErrorCode;
use crate::model::ModelError;
use crate::prediction::DocumentError;
use crate::text::TextError;

/// An error of one document, or of the model that was to read it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PredictError {
    /// The text cannot be read.
    #[error(transparent)]
    Text(#[from] TextError),
    /// An actor of the request cannot be judged.
    #[error(transparent)]
    Actor(#[from] ActorError),
    /// A mention span of the request does not lie in the text.
    #[error(
        "field `actors`: span [{start}, {end}) of actor `{actor}` does not lie in the text's {length} {unit} on whole characters"
    )]
    InvalidSpan {
        /// The actor's id.
        actor: String,
        /// Start as given.
        start: usize,
        /// End as given.
        end: usize,
        /// Length of the text in the same unit.
        length: usize,
        /// The unit.
        unit: &'static str,
    },
    /// The name of an actor that the text never mentions is too long to stand in front of it.
    #[error("field `actors`: the name of actor `{actor}` has {tokens} tokens, over {limit}")]
    NameTooLong {
        /// The actor's id.
        actor: String,
        /// Tokens of the name.
        tokens: usize,
        /// The most that fit.
        limit: usize,
    },
    /// An option cannot be followed.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The model's folder cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The encoder or its files failed.
    #[error(transparent)]
    Encoder(#[from] EncoderError),
    /// The heads' files do not fit the encoder or each other.
    #[error("stance.json or heads.safetensors: {0}")]
    InvalidHeads(String),
    /// What befell the whole batch that a document was in.
    #[error("{message}")]
    Batch {
        /// Code of the error.
        code: &'static str,
        /// Its message.
        message: String,
    },
    /// The heads gave numbers that are no numbers.
    #[error("the model's answer is not finite")]
    NotFinite,
    /// The program panicked on the document: a bug of ours.
    #[error("the document could not be read: an internal error")]
    Panicked,
    /// A vector was expected of a task that judges, or the other way round.
    #[error("the answer is not of the kind that was expected")]
    OtherTask,
}

impl PredictError {
    /// An error of the whole batch, for each of its documents: code and message stay.
    pub(super) fn shared(error: &impl ErrorCode) -> Self {
        Self::Batch {
            code: error.code(),
            message: error.to_string(),
        }
    }
}

impl From<candle_core::Error> for PredictError {
    fn from(error: candle_core::Error) -> Self {
        Self::Encoder(EncoderError::from(error))
    }
}

impl ErrorCode for PredictError {
    fn code(&self) -> &'static str {
        match self {
            Self::Text(error) => error.code(),
            Self::Actor(error) => error.code(),
            Self::InvalidSpan { .. } => "invalid_span",
            Self::NameTooLong { .. } => "name_too_long",
            Self::Options(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::Encoder(error) => error.code(),
            Self::InvalidHeads(_) => "invalid_heads",
            Self::Batch { code, .. } => code,
            Self::NotFinite => "not_finite",
            Self::OtherTask | Self::Panicked => "internal_error",
        }
    }
}

impl From<PredictError> for DocumentError {
    fn from(error: PredictError) -> Self {
        Self::from(&error)
    }
}
