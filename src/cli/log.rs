//! The log on standard error, and traces to a collector where one is named.
//!
//! Spans of traces are the program's own spans at debug level, whatever the log shows. Events stay
//! in the log: no message is ever sent to the collector.

use std::io::IsTerminal;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{EnvFilter, filter_fn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::{LogArgs, LogFormat};

use super::exit::Failure;

/// Where spans are sent below the address of a collector.
const TRACES: &str = "/v1/traces";

type AnyLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// What sends spans away; dropping it sends those that are left.
pub(super) struct Log(Option<SdkTracerProvider>);

impl Drop for Log {
    fn drop(&mut self) {
        if let Some(provider) = &self.0
            && let Err(error) = provider.shutdown()
        {
            tracing::warn!(%error, "the last spans were not sent");
        }
    }
}

/// Starts the log, and traces when a collector is named.
///
/// # Errors
/// A filter or an address that cannot be understood.
pub(super) fn start(
    args: &LogArgs,
    default_level: &str,
    collector: Option<&str>,
) -> Result<Log, Failure> {
    let filter = args.log_level.as_deref().unwrap_or(default_level);
    let filter = EnvFilter::try_new(filter)
        .map_err(|error| Failure::usage(format!("--log-level {filter:?}: {error}")))?;
    // A full disk costs lines of the log and nothing else.
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .log_internal_errors(false);
    let lines: AnyLayer = match args.log_format {
        LogFormat::Text => lines.with_filter(filter).boxed(),
        LogFormat::Json => lines.json().with_filter(filter).boxed(),
    };
    let mut layers = vec![lines];
    let provider = collector.map(provider).transpose()?;
    if let Some(provider) = &provider {
        let spans = filter_fn(|metadata| {
            metadata.is_span()
                && *metadata.level() == Level::DEBUG
                && metadata.target().starts_with("stance::")
        });
        let traces = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer("stance"))
            .with_tracked_inactivity(false)
            .with_location(false)
            .with_target(false)
            .with_threads(false)
            .with_filter(spans.with_max_level_hint(LevelFilter::DEBUG));
        layers.push(traces.boxed());
    }
    tracing_subscriber::registry().with(layers).init();
    Ok(Log(provider))
}

fn provider(collector: &str) -> Result<SdkTracerProvider, Failure> {
    let wrong = |why: &str| Failure::usage(format!("--otlp-endpoint {collector:?}: {why}"));
    if !(collector.starts_with("http://") || collector.starts_with("https://")) {
        return Err(wrong("it must begin with http:// or https://"));
    }
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}{TRACES}", collector.trim_end_matches('/')))
        .build()
        .map_err(|error| wrong(&error.to_string()))?;
    let mut resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if std::env::var_os("OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(env!("CARGO_PKG_NAME"));
    }
    Ok(SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource.build())
        .build())
}
