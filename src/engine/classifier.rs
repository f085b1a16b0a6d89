//! What the engine drives: the predictor, or a stand-in of a test.

use crate::actors::Registry;
use crate::document::{Document, Options};
use crate::predict::Predictor;
use crate::prediction::{DocumentError, ModelInfo, Prediction};

/// Something that judges documents. [`Predictor`] is the one that the product uses; tests of
/// the queue bring one that waits or panics on command.
pub trait Classifier: Send + Sync + 'static {
    /// One result for each document, in their order.
    fn classify(
        &self,
        documents: &[Document],
        options: &Options,
    ) -> Vec<Result<Prediction, DocumentError>>;

    /// Which model answers.
    fn info(&self) -> ModelInfo;

    /// The actors it looks for when a document brings none.
    fn registry(&self) -> &Registry;
}

impl Classifier for Predictor {
    fn classify(
        &self,
        documents: &[Document],
        options: &Options,
    ) -> Vec<Result<Prediction, DocumentError>> {
        Self::classify(self, documents, options)
            .into_iter()
            .map(|result| result.map_err(|error| DocumentError::from(&error)))
            .collect()
    }

    fn info(&self) -> ModelInfo {
        Self::info(self)
    }

    fn registry(&self) -> &Registry {
        Self::registry(self)
    }
}
