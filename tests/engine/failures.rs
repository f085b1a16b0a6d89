//! A failure costs the document that caused it, and nothing else.

use stance::engine::EngineLimits;

use super::{Fixture, finished, outcome};

#[tokio::test]
async fn a_panic_while_reading_costs_only_its_document() {
    let (fixture, _control) = Fixture::new(EngineLimits::default());
    let results = fixture.ask(&["a", "panic", "", "b"]).await.unwrap();
    assert_eq!(
        outcome(&results),
        ["ok", "internal_error", "empty_text", "ok"]
    );
    let message = &results[1].as_ref().unwrap_err().message;
    assert!(!message.contains("asked to panic"), "{message}");
    // Both readers live: more documents than there are threads.
    let again = fixture
        .ask(&["panic", "panic", "panic", "c"])
        .await
        .unwrap();
    assert_eq!(outcome(&again)[3], "ok");
}

#[tokio::test]
async fn a_pass_that_fails_costs_only_the_document_that_fails_alone() {
    for (text, code) in [
        ("encoder panics", "internal_error"),
        ("encoder fails", "not_finite"),
    ] {
        let (fixture, control) = Fixture::new(EngineLimits::default());
        let (first, control) = fixture.hold(control).await;
        // Gathered while the encoder is held: one pass for all of them.
        let bad = fixture.queue(&["a", text, "b"]).await;
        let good = fixture.queue(&["c"]).await;
        fixture.read(5).await;
        drop(control);
        assert_eq!(finished(bad).await, ["ok", code, "ok"]);
        assert_eq!(finished(good).await, ["ok"]);
        assert_eq!(finished(first).await, ["ok"]);
        assert!(fixture.count("stance_encoder_failures_total") >= 1.0);
        assert_eq!(outcome(&fixture.ask(&["d"]).await.unwrap()), ["ok"]);
        assert_eq!(fixture.engine.queued_documents(), 0);
    }
}

#[tokio::test]
async fn a_worker_that_breaks_starts_again_and_its_requests_get_an_error() {
    let (fixture, control) = Fixture::new(EngineLimits::default());
    let (first, control) = fixture.hold(control).await;
    let bad = fixture.queue(&["encoder breaks", "a"]).await;
    let beside = fixture.queue(&["b"]).await;
    fixture.read(4).await;
    drop(control);
    assert_eq!(finished(first).await, ["ok"]);
    // Everything that the worker held is lost, and nobody is left waiting.
    assert_eq!(finished(bad).await, ["internal_error"; 2]);
    assert_eq!(finished(beside).await, ["internal_error"]);
    assert_eq!(outcome(&fixture.ask(&["c"]).await.unwrap()), ["ok"]);
    assert!((fixture.count("stance_worker_restarts_total") - 1.0).abs() < 0.1);
    assert_eq!(fixture.engine.queued_documents(), 0);
}

#[tokio::test]
async fn readers_that_break_start_again_and_cost_only_their_documents() {
    let (fixture, _control) = Fixture::new(EngineLimits::default());
    // More of them than there are readers.
    let texts = ["reader breaks", "a", "reader breaks", "reader breaks"];
    let broken = "internal_error";
    let results = fixture.ask(&texts).await.unwrap();
    assert_eq!(outcome(&results), [broken, "ok", broken, broken]);
    assert_eq!(outcome(&fixture.ask(&["b"]).await.unwrap()), ["ok"]);
    assert!((fixture.count("stance_worker_restarts_total") - 3.0).abs() < 0.1);
}
