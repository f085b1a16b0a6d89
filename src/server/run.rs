//! Binding, serving, and stopping without losing what was admitted.

use std::future::Future;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;

use crate::actors::ActorError;
use crate::config::ServeSettings;
use crate::encoder::EncoderError;
use crate::engine::EngineError;
use crate::error::ErrorCode;
use crate::predict::PredictError;

use super::connection::{self, ConnectionLimits, TlsError};
use super::keys::KeysError;
use super::reload::Reloader;
use super::state::AppState;

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
    /// The file of API keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Listening or printing failed.
    #[error("the service failed: {0}")]
    Io(#[from] io::Error),
}

impl From<PredictError> for ServeError {
    fn from(error: PredictError) -> Self {
        Self::Model(Box::new(error))
    }
}

impl From<EncoderError> for ServeError {
    fn from(error: EncoderError) -> Self {
        PredictError::from(error).into()
    }
}

impl ErrorCode for ServeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Bind { .. } => "cannot_bind",
            Self::Actors(error) => error.code(),
            Self::Model(error) => error.code(),
            Self::Engine(error) => error.code(),
            Self::Keys(error) => error.code(),
            Self::Tls(error) => error.code(),
            Self::Io(_) => "io_error",
        }
    }
}

/// Binds, loads the models, prints the URL and each model's name and hash, and serves until
/// SIGTERM or ctrl-c. SIGHUP loads models, actors and keys anew.
///
/// The port is open while the models are loaded: the service is then alive and not ready.
///
/// # Errors
/// When an address is taken, or what the settings name cannot be loaded.
pub async fn run(mut settings: ServeSettings) -> Result<(), ServeError> {
    quiet_panics();
    allow_connections(settings.limits.connections);
    // First the ports, so that a taken one is known before a model is read.
    let listener = bind(settings.address).await?;
    let admin = match settings.admin {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let address = listener.local_addr()?;
    let tls = settings.tls.as_ref().map(connection::tls).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let stop = stop_signal()?;
    if settings.slice_follows_device && !settings.source.device.open()?.is_cpu() {
        settings.limits.engine.batch.slice_tokens = settings.limits.engine.batch.batch_tokens;
    }
    let limits = settings.limits;
    let state = AppState::loading(limits.request, limits.engine)?;
    let reloader = Reloader::new(settings.clone(), state.clone());
    let connections = ConnectionLimits {
        connections: limits.connections,
        client_timeout: limits.request.client_timeout,
    };
    let mut page = Page {
        cors_origins: settings.cors_origins.clone(),
        metrics: admin.is_none(),
    };
    let mut admin_address = None;
    if let Some(admin) = admin {
        admin_address = Some(admin.local_addr()?);
        let app = super::admin::app(state.clone(), reloader.clone());
        // Probes must be answered until the end: nobody tells this one to stop.
        let (running, stop) = watch::channel(false);
        let limits = connections.clone();
        tokio::spawn(async move {
            connection::serve(admin, app, None, limits, stop).await;
            drop(running);
        });
        page.metrics = false;
    }
    let serving = Serving {
        listener,
        state: state.clone(),
        page,
        connections,
        tls,
        grace: settings.shutdown_grace,
    };
    let loading = async {
        reloader.load().await?;
        announce(scheme, address, admin_address, &state)?;
        reload_on_hangup(&reloader).await
    };
    tokio::select! {
        result = serving.until(stop) => Ok(result?),
        result = loading => result,
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address)
        .await
        .map_err(|source| ServeError::Bind { address, source })
}

/// Says on standard output where the service listens and what it serves.
fn announce(
    scheme: &str,
    address: SocketAddr,
    admin: Option<SocketAddr>,
    state: &AppState,
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "stance serves {scheme}://{address} (docs at {scheme}://{address}/docs)"
    )?;
    for model in state.models().iter() {
        let info = &model.info;
        let (name, version, sha256) = (&info.name, &info.version, &info.sha256);
        writeln!(out, "model {name} {version} sha256 {sha256}")?;
    }
    if let Some(admin) = admin {
        writeln!(out, "admin http://{admin}")?;
    }
    out.flush()
}

/// The message of a panic may quote a text: the log gets its place alone.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "a panic");
    }));
}

/// Files that the service opens beside its connections, with room to spare.
const OTHER_FILES: u64 = 128;

/// Lets the process open as many files as its connections need: the limit that it starts with is
/// often 1024, and it may raise it up to a second one.
#[cfg(unix)]
fn allow_connections(connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let wanted = connections as u64 + OTHER_FILES;
    let mut limit = getrlimit(Resource::Nofile);
    // No limit is enough.
    if limit.current.is_none_or(|now| now >= wanted) {
        return;
    }
    let reachable = limit.maximum.map_or(wanted, |most| most.min(wanted));
    limit.current = Some(reachable);
    if setrlimit(Resource::Nofile, limit).is_err() || reachable < wanted {
        let open = getrlimit(Resource::Nofile).current;
        tracing::warn!(
            open,
            wanted,
            "fewer files may be open than --max-connections needs"
        );
    }
}

/// There is no such limit.
#[cfg(not(unix))]
fn allow_connections(_: usize) {}

/// What the main port shows beside the API.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Origins whose pages may ask.
    pub cors_origins: Vec<String>,
    /// Whether `/metrics` is among the routes.
    pub metrics: bool,
}

/// A service that is ready to take connections.
pub struct Serving {
    /// Where it listens.
    pub listener: TcpListener,
    /// What it answers with.
    pub state: AppState,
    /// What it shows beside the API.
    pub page: Page,
    /// How connections are taken.
    pub connections: ConnectionLimits,
    /// TLS, when it is spoken.
    pub tls: Option<TlsAcceptor>,
    /// How long admitted work may take after the stop.
    pub grace: Duration,
}

impl Serving {
    /// Serves until `stop` is ready, then finishes what was admitted within the grace time.
    ///
    /// # Errors
    /// When the last thread of the engine cannot be waited for.
    pub async fn until(self, stop: impl Future<Output = ()> + Send) -> io::Result<()> {
        let Self {
            listener,
            state,
            page,
            connections,
            tls,
            grace,
        } = self;
        let (stopping, stopped) = watch::channel(false);
        let app = super::app(state.clone(), &page);
        let server = connection::serve(listener, app, tls, connections, stopped);
        let mut server = std::pin::pin!(server);
        tokio::select! {
            () = &mut server => return Ok(()),
            () = stop => {}
        }
        tracing::info!("shutting down: finishing what was admitted");
        state.close();
        stopping.send_replace(true);
        if tokio::time::timeout(grace, server).await.is_err() {
            let seconds = grace.as_secs();
            tracing::warn!(seconds, "the grace time is over; connections are cut");
            return Ok(());
        }
        tokio::task::spawn_blocking(move || state.join())
            .await
            .map_err(io::Error::other)
    }
}

/// Loads anew on each SIGHUP. Ends only by an error.
#[cfg(unix)]
async fn reload_on_hangup(reloader: &Reloader) -> Result<(), ServeError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    while hangup.recv().await.is_some() {
        // What went wrong is in the log.
        let _ = reloader.reload().await;
    }
    std::future::pending().await
}

/// There is no such signal.
#[cfg(windows)]
async fn reload_on_hangup(_: &Reloader) -> Result<(), ServeError> {
    std::future::pending().await
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
