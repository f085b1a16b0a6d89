//! From flags and environment to checked settings, at the edge of the program.
//!
//! Groups of flags ([`ModelArgs`], [`LimitArgs`], [`ServeArgs`], [`LogArgs`]) are what clap
//! reads; [`ServeSettings`] is what the rest of the program is given.
//! What concerns more than one flag is checked in between. `serve` holds what only the service
//! needs.

mod serve;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::actors::{ActorError, Registry};
use crate::encoder::device::DeviceChoice;
use crate::encoder::dtype::DtypeChoice;
use crate::encoder::hub::HubOptions;
use crate::engine::DocumentLimits;
use crate::env;
use crate::error::ErrorCode;
use crate::memory;
use crate::model;
use crate::predict::{PredictError, Predictor};

pub use serve::{
    ModelChoice, NetworkArgs, QueueArgs, RequestArgs, RequestLimits, ServeArgs, ServeSettings,
    ServiceLimits, TlsFiles,
};

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
    /// Two models under one name.
    #[error("--model: two models are named {0:?}")]
    SameName(String),
    /// A flag that means nothing without another.
    #[error("{given} needs {missing} too")]
    Alone {
        /// The flag that was given.
        given: &'static str,
        /// The flag that is missing.
        missing: &'static str,
    },
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
    #[command(flatten)]
    #[allow(missing_docs)]
    pub source: SourceArgs,
}

/// Where models run and come from, and which actors they look for.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Model")]
pub struct SourceArgs {
    /// Where the encoder runs: `cpu`, `cuda`, `cuda:1`, `metal`, or `auto`
    #[arg(long, env = env::DEVICE, value_name = "DEVICE", default_value = "auto")]
    pub device: DeviceChoice,
    /// What the encoder multiplies in: `f32`, `bf16`, `int8`, or `auto` for the fastest that this
    /// processor has an instruction for and that stays near f32
    #[arg(long, env = env::DTYPE, value_name = "DTYPE", default_value = "f32")]
    pub dtype: DtypeChoice,
    /// Never ask the network: a model of the hub must be in the cache
    #[arg(long, env = env::OFFLINE)]
    pub offline: bool,
    /// File of further actors, added to the built-in registry; may be repeated
    #[arg(long, env = env::ACTORS, value_name = "FILE", value_delimiter = ',')]
    pub actors: Vec<PathBuf>,
}

impl SourceArgs {
    /// The built-in actors and those of the files.
    ///
    /// # Errors
    /// A file of actors that cannot be used.
    pub fn registry(&self) -> Result<Registry, ActorError> {
        Registry::load(&self.actors)
    }

    /// Loads the model that `name` means with the registry, and gives back the memory that this took.
    ///
    /// # Errors
    /// A model that cannot be used.
    pub fn load(&self, name: &str, registry: Registry) -> Result<Predictor, PredictError> {
        let mut hub = HubOptions::from_env();
        hub.offline |= self.offline;
        let device = self.device.open()?;
        let predictor = Predictor::load_as(name, &hub, &device, self.dtype, registry);
        model::forget_default();
        memory::give_back();
        predictor
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
