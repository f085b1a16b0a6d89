//! What every handler shares.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use tokio::sync::watch;

use crate::config::RequestLimits;
use crate::document::{Document, Options};
use crate::engine::{DocumentOutput, Engine, EngineError, EngineLimits, Flow, Model, Submission};
use crate::metrics::Metrics;
use crate::predict::{Brief, Task};
use crate::prediction::ModelInfo;

use super::keys::Keys;
use super::problem::Problem;

/// A model under the name by which requests ask for it.
pub struct ServedModel {
    /// The name of the settings; `default` when they gave none.
    pub name: String,
    /// Name, version and hash of the model itself.
    pub info: ModelInfo,
    /// The model.
    pub model: Arc<dyn Model>,
}

impl ServedModel {
    /// Under this name.
    pub fn new(name: impl Into<String>, model: Arc<dyn Model>) -> Self {
        Self {
            name: name.into(),
            info: model.info(),
            model,
        }
    }
}

type Models = Arc<[Arc<ServedModel>]>;

struct Shared {
    engine: Engine,
    limits: RequestLimits,
    metrics: Arc<Metrics>,
    /// Empty while the first are loaded. The first is the default.
    models: RwLock<Models>,
    keys: RwLock<Option<Arc<Keys>>>,
    stopping: watch::Sender<bool>,
}

/// The state of the service; a clone shares it.
#[derive(Clone)]
pub struct AppState(Arc<Shared>);

/// One request to a model: what it asks, and of which version of the model.
pub(super) struct Asked {
    pub(super) served: Arc<ServedModel>,
    pub(super) brief: Arc<Brief>,
}

impl AppState {
    /// The name under which the first model can always be asked for.
    pub const DEFAULT_MODEL: &'static str = "default";

    /// A service that has no model yet: alive, and not ready.
    ///
    /// # Errors
    /// See [`Engine::start`].
    pub fn loading(limits: RequestLimits, engine: EngineLimits) -> Result<Self, EngineError> {
        let metrics = Arc::new(Metrics::default());
        Ok(Self(Arc::new(Shared {
            engine: Engine::start(engine, Arc::clone(&metrics))?,
            limits,
            metrics,
            models: RwLock::new(Arc::new([])),
            keys: RwLock::new(None),
            stopping: watch::Sender::new(false),
        })))
    }

    /// Answers by these models from now on; the first is the default. Requests that were
    /// admitted are finished by the models that they asked.
    pub fn install(&self, models: Vec<ServedModel>) {
        let models: Models = models.into_iter().map(Arc::new).collect();
        self.0.metrics.models(
            models
                .iter()
                .map(|model| (model.name.as_str(), &model.info)),
        );
        *self
            .0
            .models
            .write()
            .unwrap_or_else(PoisonError::into_inner) = models;
    }

    /// Asks for one of these keys from now on; `None` lets everybody in.
    pub fn set_keys(&self, keys: Option<Keys>) {
        *self.0.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.map(Arc::new);
    }

    /// The keys that let in, when keys are asked for.
    pub(super) fn keys(&self) -> Option<Arc<Keys>> {
        let keys = self.0.keys.read().unwrap_or_else(PoisonError::into_inner);
        keys.clone()
    }

    /// Ready when the service begins to stop.
    pub(super) async fn stopping(&self) {
        let mut stopping = self.0.stopping.subscribe();
        // The sender lives as long as this state.
        let _ = stopping.wait_for(|&stopping| stopping).await;
    }

    /// The limits of one request.
    pub fn limits(&self) -> &RequestLimits {
        &self.0.limits
    }

    /// What is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// The queue in front of the models.
    pub fn engine(&self) -> &Engine {
        &self.0.engine
    }

    /// The models, the default one first; none while they are loaded.
    pub fn models(&self) -> Arc<[Arc<ServedModel>]> {
        Arc::clone(&self.0.models.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The model of this name, or the default model for `None`. A model is known by the name
    /// of the settings and by its own.
    pub(super) fn model(&self, name: Option<&str>) -> Result<Arc<ServedModel>, Problem> {
        let models = self.models();
        let Some(first) = models.first() else {
            return Err(Problem::loading());
        };
        let Some(name) = name else {
            return Ok(Arc::clone(first));
        };
        let found = models
            .iter()
            .find(|model| model.name == name)
            .or_else(|| models.iter().find(|model| model.info.name == name));
        match found {
            Some(model) => Ok(Arc::clone(model)),
            None if name == Self::DEFAULT_MODEL => Ok(Arc::clone(first)),
            None => Err(Problem::unknown_model(name)),
        }
    }

    /// Chooses the model and checks the options.
    pub(super) fn ask(
        &self,
        model: Option<&str>,
        task: Task,
        options: Options,
    ) -> Result<Asked, Problem> {
        let served = self.model(model)?;
        let brief = Arc::new(served.model.brief(task, options)?);
        Ok(Asked { served, brief })
    }

    /// Answers documents; one result each, in their order.
    pub(super) async fn answer(
        &self,
        asked: &Asked,
        documents: Vec<Document>,
        deadline: Option<Instant>,
    ) -> Result<Vec<DocumentOutput>, Problem> {
        let submission = Submission {
            model: Arc::clone(&asked.served.model),
            brief: Arc::clone(&asked.brief),
            documents,
            deadline,
            flow: Flow::default(),
        };
        Ok(self.0.engine.submit(submission).await?)
    }

    /// Whether the service takes new work: a model is loaded, and it is not stopping.
    pub fn is_ready(&self) -> bool {
        self.0.engine.is_open() && !self.models().is_empty()
    }

    /// Takes no new work; what was admitted goes on.
    pub fn close(&self) {
        self.0.engine.close();
        self.0.stopping.send_replace(true);
    }

    /// Closes and blocks until everything admitted is answered.
    pub fn join(&self) {
        self.0.engine.join();
    }
}
