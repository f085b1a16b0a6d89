//! What a single document may bring, and the error of one that our own fault befell.

use crate::document::Document;
use crate::prediction::DocumentError;

/// What a single document may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DocumentLimits {
    /// Bytes of the text.
    pub max_text_bytes: usize,
    /// Actors in the document's own list.
    pub max_actors: usize,
}

impl Default for DocumentLimits {
    fn default() -> Self {
        Self {
            max_text_bytes: 16 << 20,
            max_actors: 256,
        }
    }
}

impl DocumentLimits {
    /// Checks a document before any work is spent on it.
    ///
    /// # Errors
    /// `text_too_long` or `too_many_actors`.
    pub fn check(&self, document: &Document) -> Result<(), DocumentError> {
        let bytes = document.text.len();
        if bytes > self.max_text_bytes {
            return Err(self.text_too_long(bytes as u64));
        }
        let actors = document.actors.as_ref().map_or(0, Vec::len);
        if actors > self.max_actors {
            let limit = self.max_actors;
            return Err(DocumentError::new(
                "too_many_actors",
                format!("`actors` has {actors} entries; the limit is {limit}"),
            ));
        }
        Ok(())
    }

    /// The error of a text of so many bytes.
    pub fn text_too_long(&self, bytes: u64) -> DocumentError {
        let limit = self.max_text_bytes;
        DocumentError::new(
            "text_too_long",
            format!("`text` has {bytes} bytes; the limit is {limit} bytes"),
        )
    }
}

/// A bug of ours befell the document.
pub(super) fn internal_error() -> DocumentError {
    DocumentError::new(
        "internal_error",
        "the document could not be read: an internal error",
    )
}
