//! What can be wrong with a text.

use crate::error::ErrorCode;

/// Why a text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The bytes are not UTF-8.
    #[error("text is not valid UTF-8: the bytes at position {position} are no character")]
    InvalidUtf8 {
        /// Byte position of the first invalid sequence.
        position: usize,
    },
    /// There is nothing to read: no bytes, or only white space and control characters.
    #[error("field `text` is empty or holds only white space and control characters")]
    Empty,
    /// The text is over the limit.
    #[error("field `text` has {bytes} bytes, the limit is {limit}")]
    TooLong {
        /// Length of the text in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A page of HTML has too many tags.
    #[error("field `text` is a page of {tags} tags, the limit is {limit}")]
    TooManyTags {
        /// Tags of the page.
        tags: usize,
        /// The limit.
        limit: usize,
    },
    /// A page of HTML cannot be read.
    #[error("field `text` cannot be read as HTML: {message}")]
    UnreadableHtml {
        /// What the parser says.
        message: String,
    },
    /// The language code is no ISO 639-1 code.
    #[error("field `language`: `{given}` is not an ISO 639-1 code such as `ar` or `en`")]
    UnknownLanguage {
        /// The code as given, cut at 32 characters.
        given: String,
    },
}

impl ErrorCode for TextError {
    fn code(&self) -> &'static str {
        match self {
            Self::InvalidUtf8 { .. } => "invalid_utf8",
            Self::Empty => "empty_text",
            Self::TooLong { .. } => "text_too_long",
            Self::TooManyTags { .. } => "too_many_tags",
            Self::UnreadableHtml { .. } => "unreadable_html",
            Self::UnknownLanguage { .. } => "unknown_language",
        }
    }
}
