//! Loading models, actors and API keys: at the start, and again while the service runs.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::config::ServeSettings;

use super::keys::Keys;
use super::run::ServeError;
use super::state::{AppState, ServedModel};

/// Loads what the settings name; a clone is the same.
#[derive(Clone)]
pub(super) struct Reloader(Arc<Inner>);

struct Inner {
    settings: ServeSettings,
    state: AppState,
    /// One at a time.
    busy: Mutex<()>,
}

impl Reloader {
    pub(super) fn new(settings: ServeSettings, state: AppState) -> Self {
        Self(Arc::new(Inner {
            settings,
            state,
            busy: Mutex::new(()),
        }))
    }

    /// Loads everything, and serves it from then on. When anything fails, nothing changes.
    ///
    /// # Errors
    /// What failed first.
    pub(super) async fn load(&self) -> Result<(), ServeError> {
        let _alone = self.0.busy.lock().await;
        let inner = Arc::clone(&self.0);
        let loaded = tokio::task::spawn_blocking(move || inner.load()).await;
        let (models, keys) = loaded.map_err(std::io::Error::other)??;
        self.0.state.set_keys(keys);
        self.0.state.install(models);
        Ok(())
    }

    /// As [`Reloader::load`], and says in the log and the metrics how it went.
    ///
    /// # Errors
    /// As [`Reloader::load`].
    pub(super) async fn reload(&self) -> Result<(), ServeError> {
        let result = self.load().await;
        self.0.state.metrics().reload(result.is_ok());
        match &result {
            Ok(()) => tracing::info!("models, actors and keys were loaded anew"),
            Err(error) => tracing::error!(%error, "the reload failed; the old models go on"),
        }
        result
    }
}

impl Inner {
    fn load(&self) -> Result<(Vec<ServedModel>, Option<Keys>), ServeError> {
        let settings = &self.settings;
        let keys = settings.api_keys.as_deref().map(Keys::load).transpose()?;
        let registry = settings.source.registry()?;
        let mut models = Vec::with_capacity(settings.models.len());
        for choice in &settings.models {
            let predictor = settings.source.load(&choice.model, registry.clone())?;
            models.push(ServedModel::new(&choice.name, Arc::new(predictor)));
        }
        Ok((models, keys))
    }
}
