//! What every handler shares.

use std::sync::Arc;

use crate::config::RequestLimits;
use crate::engine::{Classifier, Engine, EngineError, EngineLimits};
use crate::prediction::ModelInfo;

use super::problem::Problem;

/// A model with the engine that feeds it.
pub struct ServedModel {
    info: ModelInfo,
    classifier: Arc<dyn Classifier>,
    engine: Engine,
}

impl ServedModel {
    /// Starts an engine for the classifier.
    ///
    /// # Errors
    /// See [`Engine::start`].
    pub fn start(
        classifier: Arc<dyn Classifier>,
        limits: EngineLimits,
    ) -> Result<Self, EngineError> {
        let engine = Engine::start(Arc::clone(&classifier), limits)?;
        Ok(Self {
            info: classifier.info(),
            classifier,
            engine,
        })
    }

    /// Name, version and hash.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The queue in front of the model.
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The classifier behind the queue.
    pub fn classifier(&self) -> &dyn Classifier {
        self.classifier.as_ref()
    }
}

struct Shared {
    model: ServedModel,
    limits: RequestLimits,
}

/// The state of the service; a clone shares it.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

impl AppState {
    /// The name under which the service's only model can always be asked for.
    pub const DEFAULT_MODEL: &'static str = "default";

    /// A service with one model.
    pub fn new(model: ServedModel, limits: RequestLimits) -> Self {
        Self(Arc::new(Shared { model, limits }))
    }

    /// The limits of one request.
    pub fn limits(&self) -> &RequestLimits {
        &self.0.limits
    }

    /// The model that answers when a request names none.
    pub fn default_model(&self) -> &ServedModel {
        &self.0.model
    }

    /// The model of this name, or the default model for `None`.
    pub(super) fn model(&self, name: Option<&str>) -> Result<&ServedModel, Problem> {
        let model = self.default_model();
        match name {
            None | Some(Self::DEFAULT_MODEL) => Ok(model),
            Some(name) if name == model.info.name => Ok(model),
            Some(name) => Err(Problem::unknown_model(name)),
        }
    }

    /// Whether the service takes new work.
    pub fn is_ready(&self) -> bool {
        self.default_model().engine().is_open()
    }

    /// Takes no new work; what was admitted goes on.
    pub fn close(&self) {
        self.default_model().engine().close();
    }

    /// Closes and blocks until everything admitted is answered.
    pub fn join(&self) {
        self.default_model().engine().join();
    }
}
