//! Who may ask, and what every answer says to browsers.

use reqwest::header::{AUTHORIZATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Method, Response};
use serde_json::json;
use stance::server::{Keys, Page};

use crate::support::{Service, Settings, double, problem, texts};

/// SHA-256 of `open sesame`, once without a limit and once with one; of `slow down`.
const KEYS: &str = r#"
[[key]]
name = "desk"
sha256 = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb"

[[key]]
name = "slow"
sha256 = "SLOW"
requests_per_minute = 1
burst = 2
"#;

fn keys() -> Keys {
    use sha2::{Digest, Sha256};
    let hash = format!("{:x}", Sha256::digest(b"slow down"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.toml");
    std::fs::write(&file, KEYS.replace("SLOW", &hash)).unwrap();
    Keys::load(&file).unwrap()
}

async fn ask(service: &Service, key: Option<&str>) -> Response {
    let mut request = service
        .client
        .post(format!("{}/v1/classify", service.url))
        .json(&texts(&["Spain"]));
    if let Some(key) = key {
        request = request.header(AUTHORIZATION, key);
    }
    request.send().await.unwrap()
}

#[tokio::test]
async fn only_a_known_key_lets_in() {
    let service = Service::start().await;
    service.state.set_keys(Some(keys()));
    for key in [
        None,
        Some("Bearer open"),
        Some("open sesame"),
        Some("Basic open sesame"),
    ] {
        let response = ask(&service, key).await;
        assert_eq!(response.headers()[WWW_AUTHENTICATE], "Bearer");
        service.refused(response, 401, "unauthorized").await;
    }
    for path in ["/v1/models", "/v1/actors", "/info"] {
        problem(service.get(path).await, 401, "unauthorized").await;
    }
    for path in ["/health/live", "/health/ready", "/openapi.json", "/docs"] {
        assert_eq!(service.get(path).await.status(), 200, "{path}");
    }
    assert_eq!(
        ask(&service, Some("Bearer open sesame")).await.status(),
        200
    );
    let request = service.client.get(format!("{}/v1/models", service.url));
    let response = request.header("x-api-key", "open sesame").send().await;
    assert_eq!(response.unwrap().status(), 200);
}

#[tokio::test]
async fn the_description_says_which_routes_take_a_key() {
    let service = Service::start().await;
    let response = service.get("/openapi.json").await;
    let description: serde_json::Value = response.json().await.unwrap();
    let schemes = &description["components"]["securitySchemes"];
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    assert_eq!(schemes["key"]["name"], "x-api-key");
    for (path, operations) in description["paths"].as_object().unwrap() {
        for operation in operations.as_object().unwrap().values() {
            let asks = operation.get("security").is_some();
            assert_eq!(asks, !path.starts_with("/health"), "{path}");
        }
    }
}

#[tokio::test]
async fn a_key_may_not_ask_more_often_than_it_may() {
    let service = Service::start().await;
    service.state.set_keys(Some(keys()));
    for _ in 0..2 {
        assert_eq!(ask(&service, Some("Bearer slow down")).await.status(), 200);
    }
    let response = ask(&service, Some("Bearer slow down")).await;
    let seconds: u64 = response.headers()[RETRY_AFTER]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    service.refused(response, 429, "rate_limited").await;
    // The rate of one key is not that of another.
    assert_eq!(
        ask(&service, Some("Bearer open sesame")).await.status(),
        200
    );
}

#[tokio::test]
async fn every_answer_has_an_id_and_tells_browsers_not_to_guess() {
    let service = Service::start().await;
    let mut ids = Vec::new();
    for path in ["/health/live", "/docs", "/v1/classify", "/nowhere"] {
        let response = service.get(path).await;
        let headers = response.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["referrer-policy"], "no-referrer");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'self'"), "{policy}");
        ids.push(headers["x-request-id"].to_str().unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4, "no id twice");
    for (given, kept) in [
        ("from-the-gateway.7", true),
        ("with space", false),
        ("", false),
    ] {
        let request = service.client.get(format!("{}/health/live", service.url));
        let response = request.header("x-request-id", given).send().await.unwrap();
        assert_eq!(response.headers()["x-request-id"] == given, kept, "{given}");
    }
}

#[tokio::test]
async fn other_origins_may_ask_only_when_they_are_named() {
    const ORIGIN: &str = "https://news.example";
    let preflight = async |service: &Service, origin: &'static str| {
        let request = service
            .client
            .request(Method::OPTIONS, format!("{}/v1/classify", service.url))
            .header("origin", origin)
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "content-type");
        let response = request.send().await.unwrap();
        response
            .headers()
            .get("access-control-allow-origin")
            .cloned()
    };
    let service = Service::start().await;
    assert_eq!(preflight(&service, ORIGIN).await, None);
    let (double, _control) = double();
    let settings = Settings {
        page: Page {
            cors_origins: vec![ORIGIN.to_owned()],
            ..Page::default()
        },
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    assert_eq!(preflight(&service, ORIGIN).await.unwrap(), ORIGIN);
    assert_eq!(preflight(&service, "https://other.example").await, None);
}

#[tokio::test]
async fn metrics_are_shown_only_where_they_are_wanted() {
    let service = Service::start().await;
    problem(service.get("/metrics").await, 404, "not_found").await;
    let (double, _control) = double();
    let settings = Settings {
        page: Page {
            metrics: true,
            ..Page::default()
        },
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    service
        .classify(json!({"documents": [{"text": "Spain"}, {"text": ""}]}))
        .await;
    service.get("/made/up/path").await;
    let text = service.get("/metrics").await.text().await.unwrap();
    for line in [
        "stance_documents_total{outcome=\"ok\"} 1",
        "stance_documents_total{outcome=\"empty_text\"} 1",
        "stance_http_requests_total{route=\"/v1/classify\",status=\"200\"} 1",
        "stance_http_requests_total{route=\"other\",status=\"404\"} 1",
        "stance_queue_documents 0",
    ] {
        assert!(text.contains(line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("made"), "a caller's path is no label");
}
