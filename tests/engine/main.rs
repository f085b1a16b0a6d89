//! The queue under control: what is admitted, whose turn it is, what a failure costs.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

#[path = "../common/double.rs"]
mod double;
#[path = "../common/tiny_model.rs"]
mod model;

mod admission;
mod failures;
mod fairness;

use std::sync::Arc;
use std::time::{Duration, Instant};

use stance::document::{Document, Options};
use stance::engine::{DocumentOutput, Engine, EngineError, EngineLimits, Flow, Model, Submission};
use stance::metrics::Metrics;
use stance::predict::{Output, Task};
use tokio::task::JoinHandle;

use double::{Control, Double};

/// An engine over a [`Double`].
struct Fixture {
    engine: Arc<Engine>,
    double: Arc<Double>,
    metrics: Arc<Metrics>,
}

type Answer = Result<Vec<DocumentOutput>, EngineError>;

impl Fixture {
    fn new(limits: EngineLimits) -> (Self, Control) {
        let (double, control) = Double::new(double::predictor(model::tiny));
        let metrics = Arc::new(Metrics::default());
        let engine = Arc::new(Engine::start(limits, Arc::clone(&metrics)).unwrap());
        let fixture = Self {
            engine,
            double,
            metrics,
        };
        (fixture, control)
    }

    fn submission(&self, texts: &[&str], options: Options) -> Submission {
        let model: Arc<dyn Model> = Arc::clone(&self.double) as _;
        let document = |text: &&str| Document {
            text: (*text).to_owned(),
            ..Document::default()
        };
        Submission {
            brief: Arc::new(model.brief(Task::Full, options).unwrap()),
            model,
            documents: texts.iter().map(document).collect(),
            deadline: None,
            flow: Flow::default(),
        }
    }

    async fn ask(&self, texts: &[&str]) -> Answer {
        let submission = self.submission(texts, Options::default());
        self.engine.submit(submission).await
    }

    /// Sends a request and returns when it is admitted.
    async fn queue(&self, texts: &[&str]) -> JoinHandle<Answer> {
        let submission = self.submission(texts, Options::default());
        self.queue_submission(submission).await
    }

    async fn queue_submission(&self, submission: Submission) -> JoinHandle<Answer> {
        let expected = self.engine.queued_documents() + submission.documents.len();
        let engine = Arc::clone(&self.engine);
        let task = tokio::spawn(async move { engine.submit(submission).await });
        while self.engine.queued_documents() != expected {
            tokio::task::yield_now().await;
        }
        task
    }

    /// Holds the encoder with one request, so that what follows gathers in the queue.
    async fn hold(&self, control: Control) -> (JoinHandle<Answer>, Control) {
        let task = self.queue(&["wait"]).await;
        let entered = tokio::task::spawn_blocking(move || {
            control.entered.recv().unwrap();
            control
        });
        (task, entered.await.unwrap())
    }

    /// A number among the metrics.
    fn count(&self, name: &str) -> f64 {
        let text = self.metrics.text();
        let line = text.lines().find(|line| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(' '))
        });
        let line = line.unwrap_or_else(|| panic!("{name} is missing in\n{text}"));
        line.split(' ').next_back().unwrap().parse().unwrap()
    }

    /// Waits until the readers have handed over everything that was admitted.
    async fn read(&self, documents: u32) {
        let until = Instant::now() + Duration::from_mins(1);
        while self.count("stance_read_duration_seconds_count") < f64::from(documents) {
            assert!(Instant::now() < until, "the readers stand still");
            tokio::task::yield_now().await;
        }
    }
}

/// `ok` or the code of the error, for each document.
fn outcome(results: &[DocumentOutput]) -> Vec<String> {
    let of = |result: &DocumentOutput| match result {
        Ok(Output::Prediction(_)) => "ok".to_owned(),
        Ok(Output::Embedding(_)) => "vector".to_owned(),
        Err(error) => error.code.to_string(),
    };
    results.iter().map(of).collect()
}

async fn finished(task: JoinHandle<Answer>) -> Vec<String> {
    outcome(&task.await.unwrap().unwrap())
}
