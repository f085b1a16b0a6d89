//! Binding, serving, and stopping without losing what was admitted.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::actors::ActorError;
use crate::config::ServeSettings;
use crate::engine::EngineError;
use crate::error::ErrorCode;
use crate::predict::{PredictError, Predictor};

use super::state::{AppState, ServedModel};

/// Why the service could not start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// A file of actors cannot be used.
    #[error(transparent)]
    Actors(#[from] ActorError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(Box<PredictError>),
    /// The engine cannot be started.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Listening or printing failed.
    #[error("the service failed: {0}")]
    Io(#[from] io::Error),
}

impl From<PredictError> for ServeError {
    fn from(error: PredictError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl ErrorCode for ServeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "cannot_bind",
            Self::Actors(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Io(_) => "io_error",
        }
    }
}

/// Binds, loads the model, prints the URL, the model's name and its hash, and serves until
/// SIGTERM or ctrl-c.
///
/// # Errors
/// When the address is taken, or the model cannot be loaded.
pub async fn run(settings: ServeSettings) -> Result<(), ServeError> {
    let asked = settings.address;
    let bind_error = |source| ServeError::Bind {
        address: asked,
        source,
    };
    // First the port, so that a taken one is known before the model is read.
    let listener = TcpListener::bind(asked).await.map_err(bind_error)?;
    let address = listener.local_addr()?;
    let stop = stop_signal()?;
    let limits = settings.limits;
    let grace = settings.shutdown_grace;
    let state = tokio::task::spawn_blocking(move || -> Result<AppState, ServeError> {
        let predictor: Predictor = settings.model.load(settings.model.registry()?)?;
        let model = ServedModel::start(Arc::new(predictor), limits.engine)?;
        Ok(AppState::new(model, limits.request))
    })
    .await
    .map_err(io::Error::other)??;
    let info = state.default_model().info();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "stance serves http://{address} (docs at http://{address}/docs)"
    )?;
    writeln!(
        out,
        "model {} {} sha256 {}",
        info.name, info.version, info.sha256
    )?;
    out.flush()?;
    drop(out);
    serve(listener, state, stop, grace)
        .await
        .map_err(ServeError::from)
}

/// Serves until `stop` is ready, then finishes what was admitted within the grace time.
///
/// # Errors
/// When the listener fails.
pub async fn serve(
    listener: TcpListener,
    state: AppState,
    stop: impl Future<Output = ()> + Send + 'static,
    grace: Duration,
) -> io::Result<()> {
    let stopping = Arc::new(Notify::new());
    let stopped = {
        let (state, stopping) = (state.clone(), Arc::clone(&stopping));
        async move {
            stop.await;
            tracing::info!("shutting down: finishing what was admitted");
            state.close();
            stopping.notify_one();
        }
    };
    let server = axum::serve(listener, super::app(state.clone())).with_graceful_shutdown(stopped);
    let out_of_time = async {
        stopping.notified().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        result = server => result?,
        () = out_of_time => {
            tracing::warn!(seconds = grace.as_secs(), "the grace time is over; connections are cut");
            return Ok(());
        }
    }
    tokio::task::spawn_blocking(move || state.join())
        .await
        .map_err(io::Error::other)
}

/// Ready on SIGTERM or ctrl-c. Listens from the call on, not from the first poll.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Ready on ctrl-c. Listens from the call on, not from the first poll.
#[cfg(windows)]
fn stop_signal() -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
