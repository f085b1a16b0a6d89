//! The queue under control: a classifier that waits for the test, panics on command, and
//! remembers what it was asked.

use std::sync::{Arc, Mutex, mpsc};

use tokio::task::JoinHandle;

use super::*;
use crate::actors::Registry;
use crate::document::{ActorSpec, OffsetUnit};
use crate::prediction::{DocumentError, LanguageGuess, ModelInfo, Prediction, SCHEMA_VERSION};

/// Waits for one permission per call when it is held.
struct Double {
    calls: Mutex<Vec<Vec<String>>>,
    gate: Option<Mutex<mpsc::Receiver<()>>>,
}

impl Double {
    fn free() -> Arc<Self> {
        Arc::new(Self {
            calls: Mutex::default(),
            gate: None,
        })
    }

    fn held() -> (Arc<Self>, mpsc::Sender<()>) {
        let (permission, gate) = mpsc::channel();
        let double = Self {
            calls: Mutex::default(),
            gate: Some(Mutex::new(gate)),
        };
        (Arc::new(double), permission)
    }

    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().clone()
    }
}

impl Classifier for Double {
    fn classify(
        &self,
        documents: &[Document],
        _: &Options,
    ) -> Vec<Result<Prediction, DocumentError>> {
        self.calls
            .lock()
            .unwrap()
            .push(documents.iter().map(|d| d.text.clone()).collect());
        if let Some(gate) = &self.gate {
            // A dropped sender lets everything through.
            let _ = gate.lock().unwrap().recv();
        }
        assert!(
            documents.iter().all(|document| document.text != "panic"),
            "asked to panic"
        );
        documents
            .iter()
            .map(|document| Ok(prediction(document)))
            .collect()
    }

    fn info(&self) -> ModelInfo {
        ModelInfo {
            name: "double".into(),
            version: "1".into(),
            sha256: "00".into(),
        }
    }

    fn registry(&self) -> &Registry {
        Registry::embedded()
    }
}

fn prediction(document: &Document) -> Prediction {
    Prediction {
        schema_version: SCHEMA_VERSION.to_owned(),
        id: document.id.clone(),
        language: LanguageGuess {
            code: "en".into(),
            confidence: 1.0,
        },
        topics: Vec::new(),
        stances: Vec::new(),
        offset_unit: OffsetUnit::Char,
        windows: 1,
        model: ModelInfo {
            name: "double".into(),
            version: "1".into(),
            sha256: "00".into(),
        },
        warnings: Vec::new(),
    }
}

fn documents(texts: &[&str]) -> Vec<Document> {
    let document = |text: &&str| Document {
        id: Some((*text).to_owned()),
        text: (*text).to_owned(),
        ..Document::default()
    };
    texts.iter().map(document).collect()
}

/// `id` of each result, with the code of its error.
fn outcome(results: &[DocumentResult]) -> Vec<(String, String)> {
    let of = |result: &DocumentResult| match result {
        DocumentResult::Prediction(prediction) => (prediction.id.clone().unwrap(), "ok".to_owned()),
        DocumentResult::Failure(failure) => {
            (failure.id.clone().unwrap(), failure.error.code.to_string())
        }
    };
    results.iter().map(of).collect()
}

fn ok(texts: &[&str]) -> Vec<(String, String)> {
    texts
        .iter()
        .map(|text| ((*text).to_owned(), "ok".to_owned()))
        .collect()
}

type Answer = Result<Vec<DocumentResult>, EngineError>;

/// Sends a request and returns when it is in the queue.
async fn queue(engine: &Arc<Engine>, texts: &[&str], options: Options) -> JoinHandle<Answer> {
    let expected = engine.queued_documents() + texts.len();
    let documents = documents(texts);
    let task = {
        let engine = Arc::clone(engine);
        tokio::spawn(async move { engine.classify(documents, options).await })
    };
    while engine.queued_documents() != expected {
        tokio::task::yield_now().await;
    }
    task
}

/// Holds the worker with one request, so that what follows gathers in the queue.
async fn hold(engine: &Arc<Engine>, double: &Double) -> JoinHandle<Answer> {
    let task = queue(engine, &["first"], Options::default()).await;
    while double.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    task
}

fn start(double: &Arc<Double>, limits: EngineLimits) -> Arc<Engine> {
    Arc::new(Engine::start(Arc::clone(double) as Arc<dyn Classifier>, limits).unwrap())
}

#[tokio::test]
async fn a_full_queue_refuses_the_whole_request_and_recovers() {
    let (double, permission) = Double::held();
    let limits = EngineLimits {
        queue_documents: 3,
        ..EngineLimits::default()
    };
    let engine = start(&double, limits);
    let first = hold(&engine, &double).await;
    let second = queue(&engine, &["a"], Options::default()).await;
    let refused = engine
        .classify(documents(&["b", "c"]), Options::default())
        .await
        .unwrap_err();
    assert_eq!(refused.code(), "queue_full");
    assert_eq!(
        refused.to_string(),
        "the queue is full: its limit is 3 documents; try again later"
    );
    assert_eq!(
        engine.queued_documents(),
        2,
        "a refused request takes no place"
    );
    drop(permission);
    assert_eq!(outcome(&first.await.unwrap().unwrap()), ok(&["first"]));
    assert_eq!(outcome(&second.await.unwrap().unwrap()), ok(&["a"]));
    assert_eq!(engine.queued_documents(), 0);
    let again = engine
        .classify(documents(&["b", "c"]), Options::default())
        .await
        .unwrap();
    assert_eq!(outcome(&again), ok(&["b", "c"]));
}

#[tokio::test]
async fn the_queue_is_bounded_by_bytes_too() {
    let double = Double::free();
    let engine = start(
        &double,
        EngineLimits {
            queue_bytes: 5,
            ..EngineLimits::default()
        },
    );
    let error = engine
        .classify(documents(&["123456"]), Options::default())
        .await
        .unwrap_err();
    assert!(matches!(
        error,
        EngineError::QueueFull {
            limit: 5,
            unit: "bytes of text"
        }
    ));
    let results = engine
        .classify(documents(&["12345"]), Options::default())
        .await
        .unwrap();
    assert_eq!(outcome(&results), ok(&["12345"]));
}

#[tokio::test]
async fn requests_with_the_same_options_are_read_together() {
    let (double, permission) = Double::held();
    let engine = start(&double, EngineLimits::default());
    let other = Options {
        max_evidence: 1,
        ..Options::default()
    };
    let tasks = [
        hold(&engine, &double).await,
        queue(&engine, &["a", "b"], Options::default()).await,
        queue(&engine, &["c"], other).await,
        queue(&engine, &["d"], Options::default()).await,
    ];
    drop(permission);
    let expected: [&[&str]; 4] = [&["first"], &["a", "b"], &["c"], &["d"]];
    for (task, expected) in tasks.into_iter().zip(expected) {
        assert_eq!(outcome(&task.await.unwrap().unwrap()), ok(expected));
    }
    let calls: [&[&str]; 3] = [&["first"], &["a", "d", "b"], &["c"]];
    assert_eq!(double.calls(), calls);
}

#[tokio::test]
async fn a_long_request_takes_turns_with_a_short_one() {
    let (double, permission) = Double::held();
    let engine = start(
        &double,
        EngineLimits {
            batch_documents: 2,
            ..EngineLimits::default()
        },
    );
    let first = hold(&engine, &double).await;
    let long = queue(&engine, &["a1", "a2", "a3", "a4"], Options::default()).await;
    let short = queue(&engine, &["b"], Options::default()).await;
    drop(permission);
    assert_eq!(outcome(&short.await.unwrap().unwrap()), ok(&["b"]));
    assert_eq!(
        outcome(&long.await.unwrap().unwrap()),
        ok(&["a1", "a2", "a3", "a4"])
    );
    first.await.unwrap().unwrap();
    let calls: [&[&str]; 4] = [&["first"], &["a1", "b"], &["a2", "a3"], &["a4"]];
    assert_eq!(double.calls(), calls);
}

#[tokio::test]
async fn a_document_over_the_batch_bytes_is_read_alone() {
    let (double, permission) = Double::held();
    let engine = start(
        &double,
        EngineLimits {
            batch_bytes: 4,
            ..EngineLimits::default()
        },
    );
    let first = hold(&engine, &double).await;
    let task = queue(
        &engine,
        &["12", "34", "long text", "56"],
        Options::default(),
    )
    .await;
    drop(permission);
    task.await.unwrap().unwrap();
    first.await.unwrap().unwrap();
    let calls: [&[&str]; 4] = [&["first"], &["12", "34"], &["long text"], &["56"]];
    assert_eq!(double.calls(), calls);
}

#[tokio::test]
async fn a_request_whose_caller_left_is_skipped() {
    let (double, permission) = Double::held();
    let engine = start(&double, EngineLimits::default());
    let first = hold(&engine, &double).await;
    let left = queue(&engine, &["left"], Options::default()).await;
    let stayed = queue(&engine, &["stayed"], Options::default()).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    drop(permission);
    assert_eq!(outcome(&stayed.await.unwrap().unwrap()), ok(&["stayed"]));
    first.await.unwrap().unwrap();
    assert!(
        !double.calls().iter().flatten().any(|text| text == "left"),
        "{:?}",
        double.calls()
    );
    assert_eq!(engine.queued_documents(), 0, "its place is free again");
}

#[tokio::test]
async fn a_panic_costs_only_the_document_that_caused_it() {
    let double = Double::free();
    let engine = start(&double, EngineLimits::default());
    let request = documents(&["a", "panic", "b"]);
    let results = engine.classify(request, Options::default()).await.unwrap();
    let code = |text: &str, code: &str| (text.to_owned(), code.to_owned());
    assert_eq!(
        outcome(&results),
        [
            code("a", "ok"),
            code("panic", "internal_error"),
            code("b", "ok")
        ]
    );
    let results = engine
        .classify(documents(&["c"]), Options::default())
        .await
        .unwrap();
    assert_eq!(outcome(&results), ok(&["c"]), "the worker goes on");
}

#[tokio::test]
async fn closing_answers_what_was_admitted_and_refuses_the_rest() {
    let (double, permission) = Double::held();
    let engine = start(&double, EngineLimits::default());
    let first = hold(&engine, &double).await;
    let second = queue(&engine, &["a"], Options::default()).await;
    engine.close();
    assert!(!engine.is_open());
    let error = engine
        .classify(documents(&["b"]), Options::default())
        .await
        .unwrap_err();
    assert_eq!(error.code(), "shutting_down");
    drop(permission);
    let joining = Arc::clone(&engine);
    tokio::task::spawn_blocking(move || joining.join())
        .await
        .unwrap();
    assert_eq!(outcome(&first.await.unwrap().unwrap()), ok(&["first"]));
    assert_eq!(outcome(&second.await.unwrap().unwrap()), ok(&["a"]));
}

#[tokio::test]
async fn a_document_over_its_limits_is_answered_without_being_read() {
    let double = Double::free();
    let document = DocumentLimits {
        max_text_bytes: 4,
        max_actors: 1,
    };
    let engine = start(
        &double,
        EngineLimits {
            document,
            ..EngineLimits::default()
        },
    );
    let mut request = documents(&["long text", "many", "good"]);
    request[1].actors = Some(vec![ActorSpec::default(), ActorSpec::default()]);
    let results = engine.classify(request, Options::default()).await.unwrap();
    let codes: Vec<String> = outcome(&results)
        .into_iter()
        .map(|(_, code)| code)
        .collect();
    assert_eq!(codes, ["text_too_long", "too_many_actors", "ok"]);
    let DocumentResult::Failure(failure) = &results[0] else {
        unreachable!("checked above")
    };
    assert_eq!(
        failure.error.message,
        "`text` has 9 bytes; the limit is 4 bytes"
    );
    assert_eq!(double.calls(), [["good"]]);
}
