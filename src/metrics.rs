//! Everything that the service counts, with its name: the one place for names of metrics.
//!
//! The names are those of the Prometheus text format; counters end in `_total` there. Nothing
//! here holds a text, an id of a document, or anything else of a caller.

use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Metric, Registry};

use crate::predict::Output;
use crate::prediction::{DocumentError, ModelInfo, Prediction};

/// One label and its value.
type Label = [(&'static str, String); 1];
type Labels<const N: usize> = [(&'static str, String); N];

const PREFIX: &str = "stance";

/// Requests by route and status: `stance_http_requests_total{route, status}`.
pub const HTTP_REQUESTS: &str = "http_requests";
/// Time from the first byte of a request to the head of its answer, by route.
pub const HTTP_SECONDS: &str = "http_request_duration_seconds";
/// Requests refused before any work, by the code of the problem.
pub const REFUSED: &str = "refused_requests";
/// Documents by outcome: `ok` or the code of the error.
pub const DOCUMENTS: &str = "documents";
/// Documents whose caller left or whose time was over before they were done.
pub const DROPPED_DOCUMENTS: &str = "dropped_documents";
/// Documents that wait or are in work.
pub const QUEUE_DOCUMENTS: &str = "queue_documents";
/// Tokens that wait or are in work, estimated until a text is read.
pub const QUEUE_TOKENS: &str = "queue_tokens";
/// Time a document that was read waits for the encoder.
pub const QUEUE_SECONDS: &str = "queue_wait_seconds";
/// Time to read a document: cleaning, tokenising, matching.
pub const READ_SECONDS: &str = "read_duration_seconds";
/// Tokens of one pass of the encoder.
pub const BATCH_TOKENS: &str = "batch_tokens";
/// Tokens of a pass as a share of what it may hold.
pub const BATCH_FILL: &str = "batch_fill_ratio";
/// Time of one pass of the encoder and the stance head.
pub const ENCODER_SECONDS: &str = "encoder_duration_seconds";
/// Tokens that the encoder read; its rate is tokens per second.
pub const ENCODER_TOKENS: &str = "encoder_tokens";
/// Passes of the encoder that failed.
pub const ENCODER_FAILURES: &str = "encoder_failures";
/// Restarts of the encoder's worker.
pub const WORKER_RESTARTS: &str = "worker_restarts";
/// Documents by language.
pub const LANGUAGES: &str = "documents_by_language";
/// Topics reported.
pub const TOPICS: &str = "topics";
/// Actors judged, by stance; `abstained` when the model did not commit itself.
pub const STANCES: &str = "stances";
/// Reloads of models and actors by outcome, `ok` or `failed`.
pub const RELOADS: &str = "reloads";
/// 1 for each model that is served: `stance_model_info{name, version, sha256}`.
pub const MODEL_INFO: &str = "model_info";

/// The counters of one service.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    http_requests: Family<Labels<2>, Counter>,
    http_seconds: Family<Label, Histogram, fn() -> Histogram>,
    refused: Family<Label, Counter>,
    documents: Family<Label, Counter>,
    /// [`DROPPED_DOCUMENTS`].
    pub dropped_documents: Counter,
    /// [`QUEUE_DOCUMENTS`].
    pub queue_documents: Gauge,
    /// [`QUEUE_TOKENS`].
    pub queue_tokens: Gauge,
    /// [`QUEUE_SECONDS`].
    pub queue_seconds: Histogram,
    /// [`READ_SECONDS`].
    pub read_seconds: Histogram,
    batch_tokens: Histogram,
    batch_fill: Histogram,
    encoder_seconds: Histogram,
    encoder_tokens: Counter,
    /// [`ENCODER_FAILURES`].
    pub encoder_failures: Counter,
    /// [`WORKER_RESTARTS`].
    pub worker_restarts: Counter,
    languages: Family<Label, Counter>,
    topics: Family<Label, Counter>,
    stances: Family<Label, Counter>,
    reloads: Family<Label, Counter>,
    model_info: Family<Labels<3>, Gauge>,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let mut it = Registrar(&mut registry);
        let routes: Family<Label, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(seconds);
        Self {
            http_requests: it.add(
                HTTP_REQUESTS,
                "Requests by route and status",
                Family::default(),
            ),
            http_seconds: it.add(HTTP_SECONDS, "Time until the head of the answer", routes),
            refused: it.add(REFUSED, "Requests refused, by code", Family::default()),
            documents: it.add(DOCUMENTS, "Documents by outcome", Family::default()),
            dropped_documents: it.add(
                DROPPED_DOCUMENTS,
                "Documents that nobody waited for any more",
                Counter::default(),
            ),
            queue_documents: it.add(QUEUE_DOCUMENTS, "Documents admitted", Gauge::default()),
            queue_tokens: it.add(QUEUE_TOKENS, "Tokens admitted", Gauge::default()),
            queue_seconds: it.add(QUEUE_SECONDS, "Wait for the encoder", seconds()),
            read_seconds: it.add(READ_SECONDS, "Time to read a document", seconds()),
            batch_tokens: it.add(
                BATCH_TOKENS,
                "Tokens of a pass",
                Histogram::new(exponential_buckets(16.0, 2.0, 12)),
            ),
            batch_fill: it.add(
                BATCH_FILL,
                "Share of a pass that is filled",
                Histogram::new((1..=10).map(|tenth| f64::from(tenth) / 10.0)),
            ),
            encoder_seconds: it.add(ENCODER_SECONDS, "Time of a pass", seconds()),
            encoder_tokens: it.add(ENCODER_TOKENS, "Tokens read", Counter::default()),
            encoder_failures: it.add(ENCODER_FAILURES, "Passes that failed", Counter::default()),
            worker_restarts: it.add(
                WORKER_RESTARTS,
                "Restarts of the worker",
                Counter::default(),
            ),
            languages: it.add(LANGUAGES, "Documents by language", Family::default()),
            topics: it.add(TOPICS, "Topics reported", Family::default()),
            stances: it.add(STANCES, "Actors judged, by stance", Family::default()),
            reloads: it.add(RELOADS, "Reloads by outcome", Family::default()),
            model_info: it.add(MODEL_INFO, "Models that are served", Family::default()),
            registry,
        }
    }
}

struct Registrar<'a>(&'a mut Registry);

impl Registrar<'_> {
    fn add<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(name, help, metric.clone());
        metric
    }
}

fn count(family: &Family<Label, Counter>, name: &'static str, value: &str) {
    family.get_or_create(&[(name, value.to_owned())]).inc();
}

impl Metrics {
    /// A request that was answered; `route` is a pattern such as `/v1/classify`, never a path
    /// that a caller made up.
    pub fn request(&self, route: &str, status: u16, took: Duration) {
        let labels = [("route", route.to_owned()), ("status", status.to_string())];
        self.http_requests.get_or_create(&labels).inc();
        self.http_seconds
            .get_or_create(&[("route", route.to_owned())])
            .observe(took.as_secs_f64());
    }

    /// A request that was refused by a problem of this code.
    pub fn refuse(&self, code: &str) {
        count(&self.refused, "code", code);
    }

    /// A document that was answered.
    pub fn count_document(&self, result: Result<&Output, &DocumentError>) {
        match result {
            Ok(output) => {
                count(&self.documents, "outcome", "ok");
                if let Output::Prediction(prediction) = output {
                    self.judged(prediction);
                }
            }
            Err(error) => count(&self.documents, "outcome", &error.code),
        }
    }

    fn judged(&self, prediction: &Prediction) {
        count(&self.languages, "language", &prediction.language.code);
        for topic in &prediction.topics {
            count(&self.topics, "topic", &topic.id);
        }
        for stance in &prediction.stances {
            let name = if stance.abstained {
                "abstained"
            } else {
                stance.stance.as_str()
            };
            count(&self.stances, "stance", name);
        }
    }

    /// A pass of the encoder.
    pub fn batch(&self, tokens: usize, budget: usize, took: Duration) {
        self.batch_tokens.observe(tokens as f64);
        self.batch_fill
            .observe(tokens as f64 / budget.max(1) as f64);
        self.encoder_seconds.observe(took.as_secs_f64());
        self.encoder_tokens.inc_by(tokens as u64);
    }

    /// An attempt to load models and actors anew.
    pub fn reload(&self, well: bool) {
        count(&self.reloads, "outcome", if well { "ok" } else { "failed" });
    }

    /// The models that are served from now on.
    pub fn models<'a>(&self, models: impl Iterator<Item = (&'a str, &'a ModelInfo)>) {
        self.model_info.clear();
        for (name, info) in models {
            let labels = [
                ("name", name.to_owned()),
                ("version", info.version.clone()),
                ("sha256", info.sha256.clone()),
            ];
            self.model_info.get_or_create(&labels).set(1);
        }
    }

    /// All of them in the text format of Prometheus (`OpenMetrics` 1.0).
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown_under_its_name() {
        let metrics = Metrics::default();
        metrics.request("/v1/classify", 200, Duration::from_millis(3));
        metrics.batch(512, 1024, Duration::from_millis(20));
        let error = DocumentError::new("empty_text", "why");
        metrics.count_document(Err(&error));
        let text = metrics.text();
        for line in [
            "stance_http_requests_total{route=\"/v1/classify\",status=\"200\"} 1",
            "stance_encoder_tokens_total 512",
            "stance_batch_fill_ratio_bucket{le=\"0.5\"} 1",
            "stance_documents_total{outcome=\"empty_text\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing in\n{text}");
        }
    }
}
