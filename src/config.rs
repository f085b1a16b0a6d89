//! From flags and environment to checked settings, at the edge of the program.
//!
//! Groups of flags ([`ModelArgs`], [`LimitArgs`], [`ServeArgs`], [`LogArgs`]) are what clap
//! reads; [`ServeSettings`] is what the rest of the program is given.
//! What concerns more than one flag is checked in between.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::actors::{ActorError, Registry};
use crate::encoder::device::DeviceChoice;
use crate::encoder::dtype::DtypeChoice;
use crate::encoder::hub::HubOptions;
use crate::engine::{DocumentLimits, EngineLimits};
use crate::env;
use crate::error::ErrorCode;
use crate::predict::{PredictError, Predictor};

/// Settings that contradict each other, or a value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// Not a number of bytes.
    #[error("{0:?} is no size: write a positive number of bytes, or one with KiB, MiB or GiB")]
    NotASize(String),
    /// A value must not be larger than another.
    #[error("{smaller} is {value}, which is more than {larger}, {limit}")]
    Contradiction {
        /// Flag whose value is too large.
        smaller: &'static str,
        /// Its value.
        value: usize,
        /// Flag that sets the limit.
        larger: &'static str,
        /// Its value.
        limit: usize,
    },
    /// A count of zero.
    #[error("{0} must be at least 1")]
    Zero(&'static str),
}

impl ErrorCode for ConfigError {
    fn code(&self) -> &'static str {
        "invalid_config"
    }
}

/// A number of bytes: `1048576`, `1MiB`, `64 KiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub usize);

impl ByteSize {
    const UNITS: [(&'static str, usize); 3] =
        [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
}

impl FromStr for ByteSize {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let error = || ConfigError::NotASize(text.to_owned());
        let (digits, unit) = Self::UNITS
            .iter()
            .find_map(|(name, bytes)| Some((text.strip_suffix(name)?, *bytes)))
            .unwrap_or((text, 1));
        let count: usize = digits.trim().parse().map_err(|_| error())?;
        count
            .checked_mul(unit)
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(error)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = Self::UNITS
            .iter()
            .find(|(_, bytes)| self.0 > 0 && self.0.is_multiple_of(*bytes));
        match unit {
            Some((name, bytes)) => write!(f, "{}{name}", self.0 / bytes),
            None => write!(f, "{}", self.0),
        }
    }
}

/// Which model reads, where, and for whom it looks.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct ModelArgs {
    /// `default` (inside the program), a folder, or a repository of the hub as
    /// `owner/name@revision`
    #[arg(long, env = env::MODEL, value_name = "MODEL", default_value = "default")]
    pub model: String,
    /// Where the encoder runs: `cpu`, `cuda`, `cuda:1`, `metal`, or `auto`
    #[arg(long, env = env::DEVICE, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// What the encoder multiplies in: `f32`, `int8`, `bf16` where it has kernels, or `auto` for
    /// the fastest that stays near f32
    #[arg(long, env = env::DTYPE, value_name = "DTYPE", default_value = "f32")]
    pub dtype: DtypeChoice,
    /// Never ask the network: a model of the hub must be in the cache
    #[arg(long, env = env::OFFLINE)]
    pub offline: bool,
    /// File of further actors, added to the built-in registry; may be repeated
    #[arg(long, env = env::ACTORS, value_name = "FILE", value_delimiter = ',')]
    pub actors: Vec<PathBuf>,
}

impl ModelArgs {
    /// The built-in actors and those of the files.
    ///
    /// # Errors
    /// A file of actors that cannot be used.
    pub fn registry(&self) -> Result<Registry, ActorError> {
        Registry::load(&self.actors)
    }

    /// Loads the model with the registry.
    ///
    /// # Errors
    /// A model that cannot be used.
    pub fn load(&self, registry: Registry) -> Result<Predictor, PredictError> {
        let mut hub = HubOptions::from_env();
        hub.offline |= self.offline;
        let device = self.device.open()?;
        Predictor::load_as(&self.model, &hub, &device, self.dtype, registry)
    }
}

/// What a single document may bring.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitArgs {
    /// Bytes of a document's text at the most
    #[arg(long, env = env::MAX_TEXT_BYTES, value_name = "SIZE", default_value = "16MiB")]
    pub max_text_bytes: ByteSize,
    /// Actors in a document's own list at the most
    #[arg(long, env = env::MAX_ACTORS, value_name = "COUNT", default_value_t = 256)]
    pub max_actors: usize,
}

impl LimitArgs {
    /// The same for the engine.
    pub const fn document(&self) -> DocumentLimits {
        DocumentLimits {
            max_text_bytes: self.max_text_bytes.0,
            max_actors: self.max_actors,
        }
    }
}

/// Bounds of the queue and of one call of the encoder.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Queue")]
pub struct QueueArgs {
    /// Documents that may wait or be in work; more are answered by 429
    #[arg(long, env = env::QUEUE_DOCUMENTS, value_name = "COUNT", default_value_t = 1024)]
    pub queue_documents: usize,
    /// Bytes of text that may wait or be in work; more are answered by 429
    #[arg(long, env = env::QUEUE_BYTES, value_name = "SIZE", default_value = "256MiB")]
    pub queue_bytes: ByteSize,
    /// Documents of several requests read together at the most
    #[arg(long, env = env::BATCH_DOCUMENTS, value_name = "COUNT", default_value_t = 32)]
    pub batch_documents: usize,
    /// Bytes of text read together at the most; a longer document is read alone
    #[arg(long, env = env::BATCH_BYTES, value_name = "SIZE", default_value = "256KiB")]
    pub batch_bytes: ByteSize,
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
    #[command(flatten)]
    #[allow(missing_docs)]
    pub model: ModelArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub limits: LimitArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub requests: RequestArgs,
    #[command(flatten)]
    #[allow(missing_docs)]
    pub queue: QueueArgs,
}

/// What a single request may bring.
#[derive(Debug, Clone, Copy, Args)]
#[command(next_help_heading = "Limits")]
pub struct RequestArgs {
    /// Bytes of a request's body at the most; more is answered by 413
    #[arg(long, env = env::MAX_BODY_BYTES, value_name = "SIZE", default_value = "32MiB")]
    pub max_body_bytes: ByteSize,
    /// Documents in one request at the most; more are answered by 413
    #[arg(long, env = env::MAX_DOCUMENTS, value_name = "COUNT", default_value_t = 256)]
    pub max_documents: usize,
}

/// Limits of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestLimits {
    /// Bytes of the body.
    pub max_body_bytes: usize,
    /// Documents in one request.
    pub max_documents: usize,
}

impl Default for RequestLimits {
    fn default() -> Self {
        Self {
            max_body_bytes: 32 << 20,
            max_documents: 256,
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
}

/// Checked settings of the service.
#[derive(Debug, Clone)]
pub struct ServeSettings {
    /// Where to listen.
    pub address: SocketAddr,
    /// How long admitted work may take after the signal to stop.
    pub shutdown_grace: Duration,
    /// The model to serve.
    pub model: ModelArgs,
    /// Limits that fit each other.
    pub limits: ServiceLimits,
}

impl ServeArgs {
    /// Checks the flags against each other.
    ///
    /// # Errors
    /// A count of zero, or a request that is allowed and could never be admitted.
    pub fn settings(self) -> Result<ServeSettings, ConfigError> {
        let counts = [
            ("--max-documents", self.requests.max_documents),
            ("--queue-documents", self.queue.queue_documents),
            ("--batch-documents", self.queue.batch_documents),
        ];
        if let Some((flag, _)) = counts.into_iter().find(|(_, count)| *count == 0) {
            return Err(ConfigError::Zero(flag));
        }
        at_most(counts[0], counts[1])?;
        at_most(
            ("--max-body-bytes", self.requests.max_body_bytes.0),
            ("--queue-bytes", self.queue.queue_bytes.0),
        )?;
        let limits = ServiceLimits {
            request: RequestLimits {
                max_body_bytes: self.requests.max_body_bytes.0,
                max_documents: self.requests.max_documents,
            },
            engine: EngineLimits {
                queue_documents: self.queue.queue_documents,
                queue_bytes: self.queue.queue_bytes.0,
                batch_documents: self.queue.batch_documents,
                batch_bytes: self.queue.batch_bytes.0,
                document: self.limits.document(),
            },
        };
        Ok(ServeSettings {
            address: SocketAddr::new(self.bind, self.port),
            shutdown_grace: Duration::from_secs(self.shutdown_grace),
            model: self.model,
            limits,
        })
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

/// How the program reports on itself, on standard error.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Log")]
pub struct LogArgs {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
    /// `warn,stance=debug`; `info` for `serve` and `warn` otherwise when absent
    #[arg(long, global = true, env = env::LOG_LEVEL, value_name = "FILTER")]
    pub log_level: Option<String>,
    /// Shape of a log line
    #[arg(long, global = true, env = env::LOG_FORMAT, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

/// Shape of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line.
    Json,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        assert_eq!("1".parse(), Ok(ByteSize(1)));
        assert_eq!("64 KiB".parse(), Ok(ByteSize(65_536)));
        assert_eq!("3MiB".parse(), Ok(ByteSize(3 << 20)));
        assert_eq!(ByteSize(3 << 20).to_string(), "3MiB");
        assert_eq!(ByteSize(1500).to_string(), "1500");
    }

    #[test]
    fn what_is_no_size_is_named() {
        for text in [
            "",
            "0",
            "0MiB",
            "-1",
            "1MB",
            "MiB",
            "1.5GiB",
            "99999999999GiB",
        ] {
            assert_eq!(
                text.parse::<ByteSize>(),
                Err(ConfigError::NotASize(text.to_owned()))
            );
        }
    }
}
