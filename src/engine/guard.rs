//! From documents to results, whatever happens: limits first, and a panic costs only the
//! document that caused it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::document::Document;
use crate::prediction::{DocumentError, DocumentResult, Prediction};

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

/// One answer per document, in their order.
pub type Judge<'a> = dyn Fn(&[Document]) -> Vec<Result<Prediction, DocumentError>> + 'a;

/// Judges documents; one result each, in their order. `judge` gives one answer per document.
///
/// A document over its limits is answered by an error without being read. When `judge` panics,
/// the documents are tried again one by one, and only those that panic alone get the error
/// `internal_error`.
pub fn classify_guarded(
    judge: &Judge<'_>,
    limits: &DocumentLimits,
    documents: Vec<Document>,
) -> Vec<DocumentResult> {
    let mut results = Vec::with_capacity(documents.len());
    let mut good = Vec::with_capacity(documents.len());
    for document in documents {
        match limits.check(&document) {
            Ok(()) => {
                results.push(None);
                good.push(document);
            }
            Err(error) => results.push(Some(DocumentResult::failure(document.id, error))),
        }
    }
    let mut answers = contained(judge, &good).into_iter().zip(good);
    results
        .into_iter()
        .filter_map(|result| result.or_else(|| answers.next().map(into_result)))
        .collect()
}

fn into_result(
    (answer, document): (Result<Prediction, DocumentError>, Document),
) -> DocumentResult {
    match answer {
        Ok(prediction) => DocumentResult::Prediction(Box::new(prediction)),
        Err(error) => DocumentResult::failure(document.id, error),
    }
}

/// Exactly one answer per document.
fn contained(judge: &Judge<'_>, documents: &[Document]) -> Vec<Result<Prediction, DocumentError>> {
    if documents.is_empty() {
        return Vec::new();
    }
    if let Some(answers) = attempt(judge, documents) {
        return answers;
    }
    if documents.len() == 1 {
        return vec![Err(internal_error())];
    }
    documents
        .iter()
        .map(|document| {
            attempt(judge, std::slice::from_ref(document))
                .and_then(|mut answers| answers.pop())
                .unwrap_or_else(|| Err(internal_error()))
        })
        .collect()
}

/// The answers; `None` after a panic or when their number is wrong.
fn attempt(
    judge: &Judge<'_>,
    documents: &[Document],
) -> Option<Vec<Result<Prediction, DocumentError>>> {
    let answers = catch_unwind(AssertUnwindSafe(|| judge(documents))).ok()?;
    (answers.len() == documents.len()).then_some(answers)
}

pub(super) fn internal_error() -> DocumentError {
    DocumentError::new(
        "internal_error",
        "the document could not be read: an internal error",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_costs_only_the_document_that_caused_it() {
        let judge = |documents: &[Document]| {
            assert!(documents.iter().all(|d| d.text != "panic"), "asked to");
            let answer = |_| Err(DocumentError::new("judged", "it was"));
            documents.iter().map(answer).collect()
        };
        let texts = ["a", "panic", "too long", "b"].map(|text| Document {
            text: text.to_owned(),
            ..Document::default()
        });
        let limits = DocumentLimits {
            max_text_bytes: 5,
            max_actors: 1,
        };
        let results = classify_guarded(&judge, &limits, texts.to_vec());
        let codes: Vec<&str> = results
            .iter()
            .map(|result| match result {
                DocumentResult::Prediction(_) => "prediction",
                DocumentResult::Failure(failure) => &failure.error.code,
            })
            .collect();
        assert_eq!(
            codes,
            ["judged", "internal_error", "text_too_long", "judged"]
        );
    }
}
