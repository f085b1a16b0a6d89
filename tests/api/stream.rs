//! A document per line in, a result per line out.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use serde_json::{Value, json};
use stance::engine::EngineLimits;
use stance::server::RequestLimits;

use crate::support::{Service, Settings, double, problem};

fn ndjson() -> HeaderValue {
    HeaderValue::from_static("application/x-ndjson")
}

async fn stream(service: &Service, query: &str, body: impl Into<Vec<u8>>) -> Vec<Value> {
    let path = format!("/v1/classify{query}");
    let response = service
        .send(Method::POST, &path, Some(ndjson()), body.into())
        .await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()[CONTENT_TYPE], "application/x-ndjson");
    let text = response.text().await.unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[tokio::test]
async fn each_line_is_answered_on_its_place() {
    let service = Service::start().await;
    let body = b"{\"id\": \"one\", \"text\": \"Spain waits.\"}\n\n{\"text\": \n\
                 {\"id\": \"empty\", \"text\": \"\"}\r\n{\"text\": \"\xff\"}\n{\"txt\": 1}\n\
                 {\"id\": \"bad\", \"text\": \"panic\"}\n{\"id\": \"last\", \"text\": \"No feed\"}";
    let lines = stream(&service, "", &body[..]).await;
    let codes: Vec<(&Value, &Value)> = lines
        .iter()
        .map(|line| (&line["id"], &line["error"]["code"]))
        .collect();
    let null = &Value::Null;
    assert_eq!(
        codes,
        [
            (&json!("one"), null),
            (null, &json!("invalid_json")),
            (&json!("empty"), &json!("empty_text")),
            (null, &json!("invalid_utf8")),
            (null, &json!("unknown_field")),
            (&json!("bad"), &json!("internal_error")),
            (&json!("last"), null),
        ]
    );
    let message = lines[1]["error"]["message"].as_str().unwrap();
    assert!(message.starts_with("line 3: "), "{message}");
    assert!(stream(&service, "", "").await.is_empty());
}

#[tokio::test]
async fn the_query_holds_the_options() {
    let service = Service::start().await;
    let line = "{\"text\": \"Spain thanked France.\"}";
    let lines = stream(
        &service,
        "?offset_unit=byte&restrict_to=spain&model=double",
        line,
    )
    .await;
    assert_eq!(lines[0]["offset_unit"], "byte");
    let stances = lines[0]["stances"].as_array().unwrap();
    assert_eq!(stances.len(), 1);
    for (query, status, code) in [
        ("?max_evidence=51", 422, "invalid_value"),
        ("?max_evidenc=5", 400, "invalid_query"),
        ("?model=none", 404, "unknown_model"),
    ] {
        let path = format!("/v1/classify{query}");
        let response = service
            .send(Method::POST, &path, Some(ndjson()), line.into())
            .await;
        problem(response, status, code).await;
    }
}

#[tokio::test]
async fn the_query_goes_before_the_options_of_a_json_body() {
    let service = Service::start().await;
    let body = json!({
        "documents": [{"text": "Spain thanked France."}],
        "options": {"offset_unit": "byte", "restrict_to": ["france"]},
        "model": "none",
    });
    let answer = service
        .ask("/v1/classify?restrict_to=spain&model=double", body.clone())
        .await;
    let result = &answer["results"][0];
    assert_eq!(
        result["offset_unit"], "byte",
        "the query says nothing of it"
    );
    assert_eq!(result["stances"][0]["actor"]["id"], "spain");
    for (query, status, code) in [
        ("?topic_threshold=-1", 422, "invalid_value"),
        ("?topic_treshold=0.5", 400, "invalid_query"),
    ] {
        let path = format!("/v1/classify{query}&model=double");
        let response = service.post_to(&path, body.to_string()).await;
        problem(response, status, code).await;
    }
}

#[tokio::test]
async fn more_lines_than_the_queue_holds_wait_for_their_turn() {
    let (double, _control) = double();
    let settings = Settings {
        engine: EngineLimits {
            queue_documents: 2,
            ..EngineLimits::default()
        },
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    let line = |number: usize| json!({"id": number.to_string(), "text": "Spain"}).to_string();
    let body: Vec<String> = (0..200).map(line).collect();
    let lines = stream(&service, "", body.join("\n")).await;
    let ids: Vec<String> = lines
        .iter()
        .map(|line| line["id"].as_str().unwrap().to_owned())
        .collect();
    let expected: Vec<String> = (0..200).map(|number| number.to_string()).collect();
    assert_eq!(ids, expected);
    assert!(lines.iter().all(|line| line.get("error").is_none()));
}

#[tokio::test]
async fn a_line_that_is_too_long_costs_only_its_place() {
    let (double, _control) = double();
    let settings = Settings {
        request: RequestLimits {
            max_body_bytes: 100,
            ..RequestLimits::default()
        },
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    let line = |text: &str| json!({"text": text}).to_string();
    let body = [line("a"), line(&"long ".repeat(100_000)), line("b")].join("\n");
    let lines = stream(&service, "", body).await;
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[1]["error"]["code"], "body_too_large");
    assert!(lines[0].get("error").is_none() && lines[2].get("error").is_none());
}

/// A stream by hand: the test decides when it sends and when it reads.
pub fn open(address: &str) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\n\
                Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    stream.write_all(head.as_bytes()).unwrap();
    stream
}

pub fn send(stream: &mut TcpStream, line: &str) -> std::io::Result<()> {
    stream.write_all(format!("{:x}\r\n{line}\n\r\n", line.len() + 1).as_bytes())
}

#[tokio::test]
async fn a_result_is_sent_before_the_next_line_comes() {
    let service = Service::start().await;
    let address = service.address();
    let talk = move || {
        let mut stream = open(&address);
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        for id in ["one", "two"] {
            let line = json!({"id": id, "text": "Spain"}).to_string();
            send(&mut stream, &line).unwrap();
            // Without an answer this would wait for ever: the next line is not sent.
            let mut line = String::new();
            while !line.starts_with('{') {
                line.clear();
                assert!(answers.read_line(&mut line).unwrap() > 0);
            }
            let answer: Value = serde_json::from_str(&line).unwrap();
            assert_eq!(answer["id"], id);
        }
    };
    tokio::task::spawn_blocking(talk).await.unwrap();
}

#[tokio::test]
async fn a_client_that_sends_no_more_is_told_so() {
    let (double, _control) = double();
    let settings = Settings {
        request: RequestLimits {
            client_timeout: Duration::from_millis(200),
            ..RequestLimits::default()
        },
        ..Settings::default()
    };
    let service = Service::with(double, settings).await;
    let address = service.address();
    let talk = move || {
        let mut stream = open(&address);
        send(&mut stream, "{\"text\": \"Spain\"}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    let answer = tokio::task::spawn_blocking(talk).await.unwrap();
    assert!(answer.contains("\"stances\":"), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
}

#[tokio::test]
async fn a_stream_ends_with_the_service() {
    let mut service = Service::start().await;
    let address = service.address();
    let (sent, was_sent) = tokio::sync::oneshot::channel();
    let talk = move || {
        let mut stream = open(&address);
        send(&mut stream, "{\"text\": \"Spain\"}").unwrap();
        let mut answers = BufReader::new(stream);
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            assert!(answers.read_line(&mut line).unwrap() > 0);
        }
        sent.send(()).unwrap();
        let mut rest = String::new();
        answers.read_to_string(&mut rest).unwrap();
        rest
    };
    let talk = tokio::task::spawn_blocking(talk);
    was_sent.await.unwrap();
    service.stop();
    let rest = talk.await.unwrap();
    assert!(rest.contains("\"code\":\"shutting_down\""), "{rest}");
    service.ended().await.unwrap();
}
