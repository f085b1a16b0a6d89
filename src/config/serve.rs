//! Settings of the service.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::Args;

use super::{ByteSize, ConfigError, LimitArgs, SourceArgs};
use crate::engine::{BYTES_PER_TOKEN, BatchLimits, EngineLimits};
use crate::env;

/// A model to serve, and the name by which requests ask for it: `NAME=MODEL` or `MODEL`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// `default` when none was given.
    pub name: String,
    /// `default`, a folder, or a repository of the hub.
    pub model: String,
}

impl FromStr for ModelChoice {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = |name: &str| {
            !name.is_empty()
                && name
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
        };
        let (name, model) = match text.split_once('=') {
            Some((name, model)) if is_name(name) => (name, model),
            _ => ("default", text),
        };
        Ok(Self {
            name: name.to_owned(),
            model: model.to_owned(),
        })
    }
}

/// Bounds of the queue and of one pass of the encoder.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueArgs {
    /// Documents that may wait or be in work; more are answered by 429
    #[arg(long, env = env::QUEUE_DOCUMENTS, value_name = "COUNT", default_value_t = 1024)]
    pub queue_documents: usize,
    /// Bytes of text that may wait or be in work; more are answered by 429
    #[arg(long, env = env::QUEUE_BYTES, value_name = "SIZE", default_value = "256MiB")]
    pub queue_bytes: ByteSize,
    /// Tokens that may wait or be in work, 4 bytes taken for one until a text is read; more are
    /// answered by 429
    #[arg(long, env = env::QUEUE_TOKENS, value_name = "COUNT", default_value_t = 8_388_608)]
    pub queue_tokens: usize,
    /// Tokens of short requests that are encoded together at the most
    #[arg(long, env = env::BATCH_TOKENS, value_name = "COUNT", default_value_t = 4096)]
    pub batch_tokens: usize,
    /// Tokens of long requests that are encoded together at the most, which is what a short
    /// request may have to wait for; 512 on a CPU and the batch elsewhere when absent
    #[arg(long, env = env::SLICE_TOKENS, value_name = "COUNT")]
    pub slice_tokens: Option<usize>,
    /// Threads that read documents and write answers, at least 2
    #[arg(long, env = env::READERS, value_name = "COUNT", default_value_t = 2)]
    pub readers: usize,
}

/// Flags of `stance serve`.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Address to listen on
    #[arg(long, env = env::BIND, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub bind: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, env = env::PORT, value_name = "PORT", default_value_t = 8080)]
    pub port: u16,
    /// Seconds that admitted work may take after SIGTERM or ctrl-c
    #[arg(long, env = env::SHUTDOWN_GRACE, value_name = "SECONDS", default_value_t = 30)]
    pub shutdown_grace: u64,
    /// `default` (inside the program), a folder, or a repository of the hub as
    /// `owner/name@revision`; several as `name=MODEL`, of which the first answers requests that
    /// name none
    #[arg(long = "model", env = env::MODEL, value_name = "MODEL", default_value = "default",
          value_delimiter = ',', help_heading = "Model")]
    pub models: Vec<ModelChoice>,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub source: SourceArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub requests: RequestArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub queue: QueueArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub network: NetworkArgs,
    /// Collector of OpenTelemetry traces that speaks OTLP over HTTP, such as
    /// `http://localhost:4318`; spans go to `/v1/traces` below it. None are made when absent
    #[arg(long, env = env::OTLP_ENDPOINT, value_name = "URL", help_heading = "Log")]
    pub otlp_endpoint: Option<String>,
}

/// What a single request may bring.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct RequestArgs {
    /// Bytes of a request's body, or of one line of a stream, at the most; more is answered by
    /// 413
    #[arg(long, env = env::MAX_BODY_BYTES, value_name = "SIZE", default_value = "32MiB")]
    pub max_body_bytes: ByteSize,
    /// Documents in one request at the most; more are answered by 413
    #[arg(long, env = env::MAX_DOCUMENTS, value_name = "COUNT", default_value_t = 256)]
    pub max_documents: usize,
    /// Seconds a request may take; 0 for as long as it takes. The header `x-request-timeout-ms`
    /// asks for less
    #[arg(long, env = env::REQUEST_TIMEOUT, value_name = "SECONDS", default_value_t = 0)]
    pub request_timeout: u64,
    /// Seconds a client may take to send the head of a request, its body, or the next line of a
    /// stream, and to take any part of its answer
    #[arg(long, env = env::CLIENT_TIMEOUT, value_name = "SECONDS", default_value_t = 30)]
    pub client_timeout: u64,
    /// Connections at the same time; more wait to be accepted
    #[arg(long, env = env::MAX_CONNECTIONS, value_name = "COUNT", default_value_t = 10_000)]
    pub max_connections: usize,
}

/// Who may ask, and over what.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Security")]
pub struct NetworkArgs {
    /// File of API keys; without one everybody may ask. See docs/service.md
    #[arg(long, env = env::API_KEYS, value_name = "FILE")]
    pub api_keys: Option<PathBuf>,
    /// Certificate chain in PEM; the service then speaks TLS only
    #[arg(long, env = env::TLS_CERT, value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,
    /// Private key of the certificate in PEM
    #[arg(long, env = env::TLS_KEY, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,
    /// Port of `/admin/reload`, `/metrics` and the health probes, on the address of
    /// `--admin-bind`; 0 takes a free one. Without it there is no admin route, and `/metrics` is
    /// on the main port
    #[arg(long, env = env::ADMIN_PORT, value_name = "PORT")]
    pub admin_port: Option<u16>,
    /// Address of the admin port
    #[arg(long, env = env::ADMIN_BIND, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub admin_bind: IpAddr,
    /// Origin whose pages may ask from a browser, such as `https://news.example`; may be
    /// repeated. None may when absent
    #[arg(long, env = env::CORS_ORIGINS, value_name = "ORIGIN", value_delimiter = ',')]
    pub cors_origin: Vec<String>,
}

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of the body, or of one line of a stream.
    pub max_body_bytes: usize,
    /// Documents in one request.
    pub max_documents: usize,
    /// Time until its answer must be ready.
    pub timeout: Option<Duration>,
    /// Time for the client to send its body, or the next line of a stream.
    pub client_timeout: Duration,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_documents: 256,
            timeout: None,
            client_timeout: Duration::from_secs(30),
        }
    }
}

/// Limits of requests, queue and documents, which fit each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceLimits {
    /// Of one request.
    pub request: RequestLimits,
    /// Of the queue, the batches and the documents.
    pub engine: EngineLimits,
    /// Connections at the same time.
    pub connections: usize,
}

/// Files of a certificate and its key, in PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// Checked settings of the service.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// Where to listen for the admin routes.
    pub admin: Option<SocketAddr>,
    /// How long admitted work may take after the signal to stop.
    pub shutdown_grace: Duration,
    /// The models to serve, the default one first.
    pub models: Vec<ModelChoice>,
    /// Where they run and come from.
    pub source: SourceArgs,
    /// Limits that fit each other.
    pub limits: ServiceLimits,
    /// Whether the slice is to be as large as the batch on anything but a CPU.
    pub slice_follows_device: bool,
    /// File of API keys.
    pub api_keys: Option<PathBuf>,
    /// TLS, when it is spoken.
    pub tls: Option<TlsFiles>,
    /// Origins whose pages may ask.
    pub cors_origins: Vec<String>,
}

/// Slice of long requests on a CPU, where larger passes are hardly faster.
const CPU_SLICE_TOKENS: usize = 512;

impl ServeArgs {
    /// Checks the flags against each other.
    ///
    /// # Errors
    /// A count of zero, a request that is allowed and could never be admitted, a model name
    /// twice, or half of a certificate.
    pub fn settings(self) -> Result<ServeSettings, ConfigError> {
        let (queue, requests) = (self.queue, self.requests);
        let slice_tokens = queue.slice_tokens.unwrap_or(CPU_SLICE_TOKENS);
        let counts = [
            ("--max-documents", requests.max_documents),
            ("--queue-documents", queue.queue_documents),
            ("--queue-tokens", queue.queue_tokens),
            ("--batch-tokens", queue.batch_tokens),
            ("--slice-tokens", slice_tokens),
            ("--max-connections", requests.max_connections),
            ("--client-timeout", requests.client_timeout as usize),
        ];
        if let Some((flag, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(ConfigError::Zero(flag));
        }
        at_most(counts[0], counts[1])?;
        let body = ("--max-body-bytes", requests.max_body_bytes.0);
        at_most(body, ("--queue-bytes", queue.queue_bytes.0))?;
        at_most(
            ("--max-body-bytes / 4", body.1.div_ceil(BYTES_PER_TOKEN)),
            counts[2],
        )?;
        let mut names: Vec<&str> = self.models.iter().map(|m| m.name.as_str()).collect();
        names.sort_unstable();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(ConfigError::SameName(pair[0].to_owned()));
        }
        let limits = ServiceLimits {
            request: RequestLimits {
                max_body_bytes: requests.max_body_bytes.0,
                max_documents: requests.max_documents,
                timeout: (requests.request_timeout > 0)
                    .then(|| Duration::from_secs(requests.request_timeout)),
                client_timeout: Duration::from_secs(requests.client_timeout),
            },
            engine: EngineLimits {
                queue_documents: queue.queue_documents,
                queue_bytes: queue.queue_bytes.0,
                queue_tokens: queue.queue_tokens,
                readers: queue.readers,
                batch: BatchLimits {
                    batch_tokens: queue.batch_tokens,
                    slice_tokens,
                    fresh_tokens: BatchLimits::default().fresh_tokens,
                },
                document: self.limits.document(),
            },
            connections: requests.max_connections,
        };
        Ok(ServeSettings {
            address: SocketAddr::new(self.bind, self.port),
            admin: self
                .network
                .admin_port
                .map(|port| SocketAddr::new(self.network.admin_bind, port)),
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            models: self.models,
            source: self.source,
            limits,
            slice_follows_device: queue.slice_tokens.is_none(),
            api_keys: self.network.api_keys,
            tls: tls_files(self.network.tls_cert, self.network.tls_key)?,
            cors_origins: self.network.cors_origin,
        })
    }
}

fn tls_files(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Result<Option<TlsFiles>, ConfigError> {
    let alone = |given, missing| Err(ConfigError::Alone { given, missing });
    match (certificate, key) {
        (Some(certificate), Some(key)) => Ok(Some(TlsFiles { certificate, key })),
        (None, None) => Ok(None),
        (Some(_), None) => alone("--tls-cert", "--tls-key"),
        (None, Some(_)) => alone("--tls-key", "--tls-cert"),
    }
}

fn at_most(
    (smaller, value): (&'static str, usize),
    (larger, limit): (&'static str, usize),
) -> Result<(), ConfigError> {
    if value > limit {
        return Err(ConfigError::Contradiction {
            smaller,
            value,
            larger,
            limit,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_may_have_a_name() {
        let read = |text: &str| {
            let Ok(choice) = text.parse::<ModelChoice>();
            (choice.name, choice.model)
        };
        let pair = |name: &str, model: &str| (name.to_owned(), model.to_owned());
        assert_eq!(read("default"), pair("default", "default"));
        assert_eq!(read("big=/models/big"), pair("big", "/models/big"));
        assert_eq!(read("/odd/a=b"), pair("default", "/odd/a=b"));
        assert_eq!(
            read("v1.2=owner/name@main"),
            pair("v1.2", "owner/name@main")
        );
    }
}
