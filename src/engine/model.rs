//! What the engine drives: the predictor, or a test's wrapper around one.

use std::sync::Arc;

use crate::actors::Registry;
use crate::document::{Document, Options};
use crate::encoder::TokenStates;
use crate::predict::{Brief, Output, PredictError, Predictor, Prepared, SequenceAnswer, Task};
use crate::prediction::ModelInfo;

/// A model in the steps that the engine takes on different threads. [`Predictor`] is the one
/// that the product uses; tests of the queue wrap it to wait, to fail or to panic on command.
pub trait Model: Send + Sync + 'static {
    /// Which model answers.
    fn info(&self) -> ModelInfo;

    /// The actors it looks for when a document brings none.
    fn registry(&self) -> &Registry;

    /// See [`Predictor::brief`].
    ///
    /// # Errors
    /// An option that cannot be followed.
    fn brief(&self, task: Task, options: Options) -> Result<Brief, PredictError>;

    /// See [`Predictor::prepare`]. Called on a reader's thread.
    ///
    /// # Errors
    /// What is wrong with the document.
    fn prepare(&self, brief: &Arc<Brief>, document: Document) -> Result<Prepared, PredictError>;

    /// See [`Predictor::encode`]. Called on the encoder's thread.
    ///
    /// # Errors
    /// When the device fails.
    fn encode(&self, windows: &[(&Prepared, usize)]) -> Result<TokenStates, PredictError>;

    /// See [`Predictor::ask_heads`]. Called on the encoder's thread.
    ///
    /// # Errors
    /// When the device fails.
    fn ask_heads(
        &self,
        windows: &[(&Prepared, usize)],
        states: &TokenStates,
    ) -> Result<Vec<SequenceAnswer>, PredictError>;

    /// See [`Predictor::finish`]. Called on a reader's thread.
    ///
    /// # Errors
    /// When the model's numbers are none.
    fn finish(
        &self,
        prepared: &Prepared,
        windows: &[SequenceAnswer],
    ) -> Result<Output, PredictError>;
}

impl Model for Predictor {
    fn info(&self) -> ModelInfo {
        Self::info(self)
    }

    fn registry(&self) -> &Registry {
        Self::registry(self)
    }

    fn brief(&self, task: Task, options: Options) -> Result<Brief, PredictError> {
        Self::brief(self, task, options)
    }

    fn prepare(&self, brief: &Arc<Brief>, document: Document) -> Result<Prepared, PredictError> {
        Self::prepare(self, brief, document)
    }

    fn encode(&self, windows: &[(&Prepared, usize)]) -> Result<TokenStates, PredictError> {
        Self::encode(self, windows)
    }

    fn ask_heads(
        &self,
        windows: &[(&Prepared, usize)],
        states: &TokenStates,
    ) -> Result<Vec<SequenceAnswer>, PredictError> {
        Self::ask_heads(self, windows, states)
    }

    fn finish(
        &self,
        prepared: &Prepared,
        windows: &[SequenceAnswer],
    ) -> Result<Output, PredictError> {
        Self::finish(self, prepared, windows)
    }
}
