//! What is taken in, what is refused, and what nobody waits for any more.

use std::time::{Duration, Instant};

use stance::document::{ActorSpec, Options};
use stance::engine::{DocumentLimits, EngineError, EngineLimits};
use stance::error::ErrorCode;

use super::{Fixture, finished, outcome};

#[tokio::test]
async fn a_full_queue_refuses_the_whole_request_and_recovers() {
    let limits = EngineLimits {
        queue_documents: 3,
        ..EngineLimits::default()
    };
    let (fixture, control) = Fixture::new(limits);
    let (first, control) = fixture.hold(control).await;
    let second = fixture.queue(&["a"]).await;
    let refused = fixture.ask(&["b", "c"]).await.unwrap_err();
    assert_eq!(refused.code(), "queue_full");
    assert_eq!(
        refused.to_string(),
        "the queue is full: its limit is 3 documents; try again later"
    );
    let queued = fixture.engine.queued_documents();
    assert_eq!(queued, 2, "a refused request takes no place");
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    assert_eq!(finished(second).await, ["ok"]);
    assert_eq!(fixture.engine.queued_documents(), 0);
    assert_eq!(fixture.engine.queued_tokens(), 0);
    assert_eq!(
        outcome(&fixture.ask(&["b", "c"]).await.unwrap()),
        ["ok", "ok"]
    );
}

#[tokio::test]
async fn the_queue_is_bounded_by_bytes_and_by_tokens_too() {
    let by_bytes = EngineLimits {
        queue_bytes: 5,
        ..EngineLimits::default()
    };
    let by_tokens = EngineLimits {
        queue_tokens: 2,
        ..EngineLimits::default()
    };
    for (limits, text, limit, unit) in [
        (by_bytes, "123456", 5, "bytes of text"),
        (by_tokens, "123456789", 2, "tokens"),
    ] {
        let (fixture, _control) = Fixture::new(limits);
        match fixture.ask(&[text]).await.unwrap_err() {
            EngineError::QueueFull {
                limit: found,
                unit: named,
                ..
            } => assert_eq!((found, named), (limit, unit)),
            error => panic!("{error}"),
        }
        assert_eq!(outcome(&fixture.ask(&["1234"]).await.unwrap()), ["ok"]);
    }
}

#[tokio::test]
async fn a_patient_request_waits_for_its_place() {
    let limits = EngineLimits {
        queue_documents: 1,
        ..EngineLimits::default()
    };
    let (fixture, control) = Fixture::new(limits);
    let (first, control) = fixture.hold(control).await;
    let too_much = fixture.submission(&["a", "b"], Options::default());
    let refused = fixture.engine.submit_patiently(too_much).await;
    assert_eq!(refused.unwrap_err().code(), "queue_full", "it never fits");
    let mut impatient = fixture.submission(&["a"], Options::default());
    impatient.deadline = Some(Instant::now() + Duration::from_millis(20));
    let refused = fixture.engine.submit_patiently(impatient).await;
    assert_eq!(refused.unwrap_err().code(), "deadline_exceeded");
    let submission = fixture.submission(&["a"], Options::default());
    let engine = std::sync::Arc::clone(&fixture.engine);
    let patient = tokio::spawn(async move { engine.submit_patiently(submission).await });
    tokio::task::yield_now().await;
    assert!(!patient.is_finished());
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    assert_eq!(finished(patient).await, ["ok"]);
}

#[tokio::test]
async fn a_request_whose_caller_left_is_skipped() {
    let (fixture, control) = Fixture::new(EngineLimits::default());
    let (first, control) = fixture.hold(control).await;
    let left = fixture.queue(&["left"]).await;
    let stayed = fixture.queue(&["stayed"]).await;
    fixture.read(3).await;
    left.abort();
    assert!(left.await.unwrap_err().is_cancelled());
    drop(control);
    assert_eq!(finished(stayed).await, ["ok"]);
    assert_eq!(finished(first).await, ["ok"]);
    let batches = fixture.double.batches();
    assert!(
        !batches.concat().contains(&"left".to_owned()),
        "{batches:?}"
    );
    assert_eq!(fixture.engine.queued_documents(), 0, "its place is free");
    assert!(fixture.count("stance_dropped_documents_total") > 0.0);
}

#[tokio::test]
async fn a_request_whose_time_is_over_is_answered_at_once_and_skipped() {
    let (fixture, control) = Fixture::new(EngineLimits::default());
    let (first, control) = fixture.hold(control).await;
    let mut late = fixture.submission(&["late"], Options::default());
    late.deadline = Some(Instant::now() + Duration::from_millis(30));
    // The encoder is held: only the deadline can end this.
    let error = fixture.engine.submit(late).await.unwrap_err();
    assert_eq!(error.code(), "deadline_exceeded");
    let mut expired = fixture.submission(&["expired"], Options::default());
    expired.deadline = Some(Instant::now());
    let error = fixture.engine.submit(expired).await.unwrap_err();
    assert_eq!(error.code(), "deadline_exceeded");
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    assert_eq!(outcome(&fixture.ask(&["next"]).await.unwrap()), ["ok"]);
    let words = fixture.double.batches().concat();
    assert_eq!(words, ["wait", "next"], "no compute for what expired");
}

#[tokio::test]
async fn closing_answers_what_was_admitted_and_refuses_the_rest() {
    let (fixture, control) = Fixture::new(EngineLimits::default());
    let (first, control) = fixture.hold(control).await;
    let second = fixture.queue(&["a"]).await;
    fixture.engine.close();
    assert!(!fixture.engine.is_open());
    let error = fixture.ask(&["b"]).await.unwrap_err();
    assert_eq!(error.code(), "shutting_down");
    drop(control);
    let joining = std::sync::Arc::clone(&fixture.engine);
    tokio::task::spawn_blocking(move || joining.join())
        .await
        .unwrap();
    assert_eq!(finished(first).await, ["ok"]);
    assert_eq!(finished(second).await, ["ok"]);
}

#[tokio::test]
async fn a_document_over_its_limits_is_answered_without_being_read() {
    let document = DocumentLimits {
        max_text_bytes: 4,
        max_actors: 1,
    };
    let limits = EngineLimits {
        document,
        ..EngineLimits::default()
    };
    let (fixture, _control) = Fixture::new(limits);
    let mut request = fixture.submission(&["long text", "many", "good"], Options::default());
    request.documents[1].actors = Some(vec![ActorSpec::default(), ActorSpec::default()]);
    let results = fixture.engine.submit(request).await.unwrap();
    assert_eq!(
        outcome(&results),
        ["text_too_long", "too_many_actors", "ok"]
    );
    let error = results[0].as_ref().unwrap_err();
    assert_eq!(error.message, "`text` has 9 bytes; the limit is 4 bytes");
    assert_eq!(fixture.double.batches(), [["good"]]);
}
