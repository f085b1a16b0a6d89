//! Requests that get no answer: each with its status, its stable code, and the place.

use reqwest::Method;
use reqwest::header::{ALLOW, HeaderValue};
use serde_json::json;
use stance::engine::{DocumentLimits, EngineLimits};
use stance::server::RequestLimits;

use crate::support::{Service, Settings, double, problem, texts};

#[tokio::test]
async fn invalid_json_is_placed_by_line_and_column() {
    let service = Service::start().await;
    for (body, line, column) in [
        ("{\"documents\": [\n  {\"text\" 1}]}", 2, 11),
        ("", 1, 0),
        ("{\"documents\": []} x", 1, 19),
    ] {
        let body = service
            .refused(service.post(body).await, 400, "invalid_json")
            .await;
        assert_eq!(
            (&body["line"], &body["column"]),
            (&json!(line), &json!(column)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn json_nested_too_deeply_is_invalid() {
    let service = Service::start().await;
    let body = format!("{{\"documents\": {}", "[".repeat(100_000));
    service
        .refused(service.post(body).await, 422, "invalid_value")
        .await;
    let body = "[".repeat(100_000);
    let response = service.post(body).await;
    assert!([400, 422].contains(&response.status().as_u16()));
}

#[tokio::test]
async fn invalid_utf8_is_placed_by_byte() {
    let service = Service::start().await;
    let json = Some(HeaderValue::from_static("application/json"));
    let body = b"{\"documents\": [{\"text\": \"\xff\"}]}".to_vec();
    let response = service.send(Method::POST, "/v1/classify", json, body).await;
    let body = service.refused(response, 400, "invalid_utf8").await;
    assert!(
        body["detail"].as_str().unwrap().contains("byte 25"),
        "{body}"
    );
}

#[tokio::test]
async fn a_field_at_fault_is_named_by_its_path() {
    let service = Service::start().await;
    let document = |document| json!({"documents": [{"text": "Good"}, document]});
    let cases = [
        (
            document(json!({"text": 5})),
            "invalid_value",
            "documents[1].text",
        ),
        (
            document(json!({"text": "a", "txt": "b"})),
            "unknown_field",
            "documents[1].txt",
        ),
        (
            document(json!({"id": "a"})),
            "missing_field",
            "documents[1]",
        ),
        (
            document(json!({"text": "a", "actors": [{"id": "x", "spans": [[1, 2, 3]]}]})),
            "invalid_value",
            "documents[1].actors[0].spans[0]",
        ),
        (
            document(json!({"text": "a", "actors": [{"id": "x", "spans": [[-1, 2]]}]})),
            "invalid_value",
            "documents[1].actors[0].spans[0][0]",
        ),
        (
            json!({"documents": [], "options": {"offset_unit": "line"}}),
            "invalid_value",
            "options.offset_unit",
        ),
        (
            json!({"documents": [], "options": {"evidence": 1}}),
            "unknown_field",
            "options.evidence",
        ),
        (
            json!({"documents": [], "options": {"max_evidence": 51}}),
            "invalid_value",
            "options.max_evidence",
        ),
        (
            json!({"documents": [], "options": {"topic_threshold": 2}}),
            "invalid_value",
            "options.topic_threshold",
        ),
        (
            json!({"documents": [], "options": {"label_language": "zz"}}),
            "unknown_language",
            "options.label_language",
        ),
        (
            json!({"documents": [], "options": {"restrict_to": ["nobody-at-all"]}}),
            "unknown_actor",
            "options.restrict_to",
        ),
    ];
    for (request, code, field) in cases {
        let response = service.post(request.to_string()).await;
        let body = service.refused(response, 422, code).await;
        assert_eq!(body["field"], field, "{body}");
    }
    let body = service
        .refused(service.post("{}").await, 422, "missing_field")
        .await;
    assert!(
        body["detail"].as_str().unwrap().contains("documents"),
        "{body}"
    );
    let body = service
        .refused(service.post("[]").await, 422, "invalid_value")
        .await;
    assert!(body.get("field").is_none(), "{body}");
}

#[tokio::test]
async fn limits_are_named() {
    let (double, _) = double();
    let request = RequestLimits {
        max_body_bytes: 200,
        max_documents: 2,
        ..RequestLimits::default()
    };
    let document = DocumentLimits {
        max_text_bytes: 10,
        max_actors: 1,
    };
    let engine = EngineLimits {
        document,
        ..EngineLimits::default()
    };
    let settings = Settings {
        request,
        engine,
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;

    let response = service.post(texts(&[&"a".repeat(200)]).to_string()).await;
    let body = service.refused(response, 413, "body_too_large").await;
    assert_eq!(body["limit"], 200);

    let response = service.post(texts(&["a", "b", "c"]).to_string()).await;
    let body = service.refused(response, 413, "too_many_documents").await;
    assert_eq!(
        (&body["limit"], &body["field"]),
        (&json!(2), &json!("documents"))
    );

    let actors = json!([{"id": "a"}, {"id": "b"}]);
    let documents = json!([{"text": "eleven char"}, {"text": "a", "actors": actors}]);
    let answer = service.classify(json!({"documents": documents})).await;
    let error = &answer["results"][0]["error"];
    assert_eq!(error["code"], "text_too_long");
    assert_eq!(
        error["message"],
        "`text` has 11 bytes; the limit is 10 bytes"
    );
    assert_eq!(answer["results"][1]["error"]["code"], "too_many_actors");
}

#[tokio::test]
async fn a_body_without_a_length_is_stopped_at_the_limit() {
    let (double, _) = double();
    let request = RequestLimits {
        max_body_bytes: 100,
        ..RequestLimits::default()
    };
    let settings = Settings {
        request,
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    let address = service.address();
    let answer = tokio::task::spawn_blocking(move || {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                    Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        stream
            .write_all(format!("80\r\n{}\r\n", "[".repeat(0x80)).as_bytes())
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer = answer.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_too_large\""), "{answer}");
}

#[tokio::test]
async fn only_json_is_taken() {
    let service = Service::start().await;
    let body = texts(&["A text"]).to_string().into_bytes();
    for media_type in [None, Some("text/plain"), Some("json")] {
        let media_type = media_type.map(HeaderValue::from_static);
        let response = service
            .send(Method::POST, "/v1/classify", media_type, body.clone())
            .await;
        service
            .refused(response, 415, "unsupported_media_type")
            .await;
    }
    let media_type = Some(HeaderValue::from_static("application/JSON; charset=utf-8"));
    let response = service
        .send(Method::POST, "/v1/classify", media_type, body)
        .await;
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn an_unknown_model_is_named() {
    let service = Service::start().await;
    let mut request = texts(&["A text"]);
    request["model"] = json!("other");
    let response = service.post(request.to_string()).await;
    let body = service.refused(response, 404, "unknown_model").await;
    assert_eq!(body["field"], "model");
    assert!(body["detail"].as_str().unwrap().contains("other"));
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_are_problems_too() {
    let service = Service::start().await;
    for path in [
        "/index.html",
        "/v1",
        "/v1/classify/",
        "/docs/no-such-file.js",
    ] {
        problem(service.get(path).await, 404, "not_found").await;
    }
    let response = service.get("/v1/classify").await;
    assert_eq!(response.headers()[ALLOW], "POST");
    problem(response, 405, "method_not_allowed").await;
    let response = service
        .send(Method::DELETE, "/v1/models", None, Vec::new())
        .await;
    problem(response, 405, "method_not_allowed").await;
}
