//! Taking connections: TLS where it is spoken, limits on slow clients, and an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::config::TlsFiles;

use super::slow::Impatient;

/// Pause after a failure to accept, such as too many open files.
const BREATH: Duration = Duration::from_millis(50);

/// How connections are taken.
#[derive(Clone)]
pub struct ConnectionLimits {
    /// Connections at the same time; more wait to be accepted.
    pub connections: usize,
    /// Time for the head of a request, for a TLS handshake, and for the client to take a part
    /// of its answer. A connection without a request is closed after it too.
    pub client_timeout: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            client_timeout: Duration::from_secs(30),
        }
    }
}

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or holds nothing of its kind.
    #[error("cannot use {path}: {message}")]
    File {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
    /// Certificate and key do not fit.
    #[error("the certificate and its key cannot be used: {0}")]
    Rejected(#[from] tokio_rustls::rustls::Error),
}

impl crate::error::ErrorCode for TlsError {
    fn code(&self) -> &'static str {
        "invalid_tls"
    }
}

/// Reads a certificate chain and its key.
///
/// # Errors
/// [`TlsError`], which names the file.
pub fn tls(files: &TlsFiles) -> Result<TlsAcceptor, TlsError> {
    let wrong = |path: &std::path::Path, message: String| TlsError::File {
        path: path.display().to_string(),
        message,
    };
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect)
        .map_err(|error| wrong(&files.certificate, error.to_string()))?;
    if chain.is_empty() {
        let message = "there is no certificate in it".to_owned();
        return Err(wrong(&files.certificate, message));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key)
        .map_err(|error| wrong(&files.key, error.to_string()))?;
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// Serves until `stop` becomes true, then finishes the requests that are under way.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    tls: Option<TlsAcceptor>,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let places = Arc::new(Semaphore::new(
        limits.connections.min(Semaphore::MAX_PERMITS),
    ));
    loop {
        let next = async {
            // The semaphore is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            // An error means that nobody can stop it any more: the same as a stop.
            _ = stop.wait_for(|&stop| stop) => break,
            next = next => next,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                if !is_of_one_connection(&error) {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(BREATH).await;
                }
                continue;
            }
        };
        let (app, tls, limits) = (app.clone(), tls.clone(), limits.clone());
        let watcher = graceful.watcher();
        tokio::spawn(async move {
            // Small answers are sent at once; a socket that refuses is slower, no more.
            let _ = stream.set_nodelay(true);
            match tls {
                None => converse(stream, app, &limits, watcher).await,
                Some(tls) => {
                    if let Some(stream) = shake_hands(&tls, stream, &limits).await {
                        converse(stream, app, &limits, watcher).await;
                    }
                }
            }
            drop(place);
        });
    }
    drop(listener);
    if let Some(graceful) = Arc::into_inner(graceful) {
        graceful.shutdown().await;
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

async fn shake_hands(
    tls: &TlsAcceptor,
    stream: TcpStream,
    limits: &ConnectionLimits,
) -> Option<tokio_rustls::server::TlsStream<TcpStream>> {
    match timeout(limits.client_timeout, tls.accept(stream)).await {
        Ok(Ok(stream)) => Some(stream),
        Ok(Err(error)) => {
            tracing::debug!(%error, "a TLS handshake failed");
            None
        }
        Err(_) => None,
    }
}

async fn converse<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    app: Router,
    limits: &ConnectionLimits,
    watcher: hyper_util::server::graceful::Watcher,
) {
    let stream = TokioIo::new(Impatient::new(stream, limits.client_timeout));
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.client_timeout);
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(limits.client_timeout)
        .keep_alive_timeout(limits.client_timeout);
    let service = TowerToHyperService::new(app);
    let connection = builder.serve_connection(stream, service).into_owned();
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "a connection broke off");
    }
}
