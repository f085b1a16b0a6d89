//! More work than there is room for, and the end of the service.

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde_json::Value;
use stance::engine::EngineLimits;
use stance::server::ServedModel;
use tokio::task::JoinHandle;

use crate::support::{Control, Service, Settings, double, problem, texts};

/// A service of so many places whose worker is held, and the request that holds it.
async fn held(places: usize) -> (Service, Control, JoinHandle<Value>) {
    let (double, control) = double();
    let engine = EngineLimits {
        queue_documents: places,
        ..EngineLimits::default()
    };
    let settings = Settings {
        engine,
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    let request = service
        .client
        .post(format!("{}/v1/classify", service.url))
        .json(&texts(&["wait"]));
    let answer = tokio::spawn(async move { request.send().await.unwrap().json().await.unwrap() });
    let entered = tokio::task::spawn_blocking(move || {
        control.entered.recv().unwrap();
        control
    });
    (service, entered.await.unwrap(), answer)
}

#[tokio::test]
async fn a_full_queue_is_answered_by_429_and_a_time_to_come_back() {
    let (service, control, first) = held(1).await;
    let response = service.post(texts(&["one too many"]).to_string()).await;
    let seconds: u64 = response.headers()[RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(seconds >= 1);
    let body = service.refused(response, 429, "queue_full").await;
    assert_eq!(body["limit"], 1);
    drop(control);
    assert!(first.await.unwrap()["results"][0]["error"].is_null());
    let response = service
        .post(texts(&["now there is room"]).to_string())
        .await;
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn health_never_waits_for_the_queue() {
    let (service, control, first) = held(1).await;
    // The worker is held: an answer that waited for it would never come.
    assert_eq!(service.get("/health/live").await.status(), StatusCode::OK);
    assert_eq!(service.get("/health/ready").await.status(), StatusCode::OK);
    assert_eq!(service.get("/v1/models").await.status(), StatusCode::OK);
    drop(control);
    first.await.unwrap();
}

#[tokio::test]
async fn a_service_without_a_model_is_alive_but_not_ready() {
    let service = Service::loading(Settings::default()).await;
    assert_eq!(service.get("/health/live").await.status(), StatusCode::OK);
    let response = service.get("/health/ready").await;
    assert!(response.headers().contains_key(RETRY_AFTER));
    problem(response, 503, "loading").await;
    let response = service.post(texts(&["A text"]).to_string()).await;
    service.refused(response, 503, "loading").await;
    let (double, _control) = double();
    let model = ServedModel::new("default", double);
    service.state.install(vec![model]);
    assert_eq!(service.get("/health/ready").await.status(), StatusCode::OK);
    service.classify(texts(&["A text"])).await;
}

#[tokio::test]
async fn a_request_says_how_long_it_waits() {
    let (service, control, first) = held(2).await;
    let ask = |milliseconds: &'static str| {
        service
            .client
            .post(format!("{}/v1/classify", service.url))
            .header("x-request-timeout-ms", milliseconds)
            .json(&texts(&["too late"]))
            .send()
    };
    // The encoder is held: an answer that waited for it would never come.
    let response = ask("30").await.unwrap();
    service.refused(response, 504, "deadline_exceeded").await;
    for wrong in ["0", "-1", "soon", "1.5", "9223372036854775808"] {
        let response = ask(wrong).await.unwrap();
        service.refused(response, 400, "invalid_header").await;
    }
    drop(control);
    assert!(first.await.unwrap()["results"][0]["error"].is_null());
}

#[tokio::test]
async fn a_closing_service_is_alive_but_not_ready() {
    let service = Service::start().await;
    service.state.close();
    assert_eq!(service.get("/health/live").await.status(), StatusCode::OK);
    problem(service.get("/health/ready").await, 503, "shutting_down").await;
    let response = service.post(texts(&["A text"]).to_string()).await;
    service.refused(response, 503, "shutting_down").await;
}

#[tokio::test]
async fn what_was_admitted_is_answered_before_the_service_ends() {
    let (mut service, control, first) = held(2).await;
    service.stop();
    while service.state.is_ready() {
        tokio::task::yield_now().await;
    }
    drop(control);
    assert!(first.await.unwrap()["results"][0]["error"].is_null());
    service.ended().await.unwrap();
}
