//! How the engine holds under load, as ratios within one run: `cargo bench --bench service`.
//!
//! - fairness: the time of short requests while a document of 100,000 words is read, against
//!   their time alone;
//! - throughput: documents a second with 64 callers, against the library on the same documents;
//! - overload: with four times as many callers as places, how long the admitted take.

#![allow(clippy::unwrap_used)] // a bench stops where it fails

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use stance::actors::Registry;
use stance::document::{Document, Options};
use stance::encoder::hub::HubOptions;
use stance::engine::{Engine, EngineError, EngineLimits, Flow, Model, Submission};
use stance::metrics::Metrics;
use stance::predict::{Predictor, Task};

const SENTENCE: &str = "The government of Spain said on Monday that France and Germany had agreed \
                        to meet in Brussels, although nobody in Moscow seemed to believe it. ";

/// About so many words.
fn text(words: usize) -> String {
    SENTENCE.repeat(words.div_ceil(SENTENCE.split_whitespace().count()))
}

#[derive(Clone)]
struct Bench {
    engine: Arc<Engine>,
    model: Arc<Predictor>,
}

impl Bench {
    fn new(model: &Arc<Predictor>, limits: EngineLimits) -> Self {
        Self {
            engine: Arc::new(Engine::start(limits, Arc::new(Metrics::default())).unwrap()),
            model: Arc::clone(model),
        }
    }

    async fn ask(&self, text: &str) -> Result<Duration, EngineError> {
        let started = Instant::now();
        let model: Arc<dyn Model> = Arc::clone(&self.model) as _;
        let submission = Submission {
            brief: Arc::new(model.brief(Task::Full, Options::default()).unwrap()),
            model,
            documents: vec![document(text)],
            deadline: None,
            flow: Flow::default(),
        };
        let results = self.engine.submit(submission).await?;
        for result in results {
            result.unwrap();
        }
        Ok(started.elapsed())
    }
}

fn document(text: &str) -> Document {
    Document {
        text: text.to_owned(),
        ..Document::default()
    }
}

fn percentile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    let at = ((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1;
    times[at].as_secs_f64()
}

async fn fairness(model: &Arc<Predictor>) {
    let bench = Bench::new(model, EngineLimits::default());
    let short = text(300);
    let mut alone = Vec::new();
    for _ in 0..100 {
        alone.push(bench.ask(&short).await.unwrap());
    }
    let long = text(100_000);
    let reading = Arc::new(AtomicBool::new(true));
    let whole = {
        let (bench, reading) = (bench.clone(), Arc::clone(&reading));
        tokio::spawn(async move {
            let took = bench.ask(&long).await.unwrap();
            reading.store(false, Ordering::Relaxed);
            took
        })
    };
    let mut beside = Vec::new();
    while reading.load(Ordering::Relaxed) {
        beside.push(bench.ask(&short).await.unwrap());
    }
    let whole = whole.await.unwrap();
    println!(
        "fairness: {} short requests beside 100,000 words ({:.1} s): p50 × {:.2}, p99 × {:.2}",
        beside.len(),
        whole.as_secs_f64(),
        percentile(&mut beside, 0.5) / percentile(&mut alone, 0.5),
        percentile(&mut beside, 0.99) / percentile(&mut alone, 0.99),
    );
}

async fn throughput(model: &Arc<Predictor>) {
    const DOCUMENTS: usize = 256;
    let texts = vec![text(300); DOCUMENTS];
    let documents: Vec<Document> = texts.iter().map(|text| document(text)).collect();
    let started = Instant::now();
    for chunk in documents.chunks(64) {
        let results = model.classify(chunk, &Options::default());
        assert!(results.iter().all(Result::is_ok));
    }
    let offline = started.elapsed();
    for callers in [1, 8, 64] {
        let bench = Bench::new(model, EngineLimits::default());
        let next = Arc::new(AtomicUsize::new(0));
        let texts = Arc::new(texts.clone());
        let started = Instant::now();
        let tasks: Vec<_> = (0..callers)
            .map(|_| {
                let (bench, next, texts) = (bench.clone(), Arc::clone(&next), Arc::clone(&texts));
                tokio::spawn(async move {
                    let mut times = Vec::new();
                    while let Some(text) = texts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        times.push(bench.ask(text).await.unwrap());
                    }
                    times
                })
            })
            .collect();
        let mut times = Vec::new();
        for task in tasks {
            times.extend(task.await.unwrap());
        }
        println!(
            "throughput: {callers} callers reach {:.2} of the library; p99 is {:.1} × p50",
            offline.as_secs_f64() / started.elapsed().as_secs_f64(),
            percentile(&mut times, 0.99) / percentile(&mut times, 0.5),
        );
    }
}

async fn overload(model: &Arc<Predictor>) {
    const PLACES: usize = 16;
    let limits = EngineLimits {
        queue_documents: PLACES,
        ..EngineLimits::default()
    };
    let bench = Bench::new(model, limits);
    let short = text(300);
    let alone = bench.ask(&short).await.unwrap().as_secs_f64();
    let until = Instant::now() + Duration::from_secs(10);
    let tasks: Vec<_> = (0..4 * PLACES)
        .map(|_| {
            let (bench, short) = (bench.clone(), short.clone());
            tokio::spawn(async move {
                let (mut times, mut refused) = (Vec::new(), 0_usize);
                while Instant::now() < until {
                    match bench.ask(&short).await {
                        Ok(took) => times.push(took),
                        Err(EngineError::QueueFull { .. }) => {
                            refused += 1;
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                        Err(error) => unreachable!("{error}"),
                    }
                }
                (times, refused)
            })
        })
        .collect();
    let (mut times, mut refused) = (Vec::new(), 0);
    for task in tasks {
        let (some, not) = task.await.unwrap();
        times.extend(some);
        refused += not;
    }
    println!(
        "overload: {} answered, {refused} refused; p99 of the admitted is {:.1} × one alone, \
         with {PLACES} places",
        times.len(),
        percentile(&mut times, 0.99) / alone,
    );
}

fn main() {
    let name = std::env::var("STANCE_MODEL").unwrap_or_else(|_| "default".to_owned());
    let device = candle_core::Device::Cpu;
    let registry = Registry::embedded().clone();
    let model = Predictor::load(&name, &HubOptions::default(), &device, registry).unwrap();
    let model = Arc::new(model);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        fairness(&model).await;
        throughput(&model).await;
        overload(&model).await;
    });
}
