//! Spans of a request, as a collector receives them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use serde_json::json;

use crate::served::Served;
use crate::support::run;

/// The trace and the span of a caller.
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// A collector that keeps what it is sent: its address, and each request's path and body.
fn collector() -> (String, Receiver<(String, Vec<u8>)>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (sender, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let sender = sender.clone();
            std::thread::spawn(move || receive(stream.unwrap(), &sender));
        }
    });
    (address, received)
}

fn receive(stream: TcpStream, sender: &Sender<(String, Vec<u8>)>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut stream = stream;
    loop {
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line == "\r\n" {
                break;
            }
            head.push(line.to_lowercase());
        }
        let length = head
            .iter()
            .find_map(|line| line.strip_prefix("content-length:"));
        let mut body = vec![0; length.unwrap().trim().parse().unwrap()];
        reader.read_exact(&mut body).unwrap();
        let path = head[0].split(' ').nth(1).unwrap().to_owned();
        let _ = sender.send((path, body));
        let answer = "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\
                      Content-Length: 0\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

async fn classify(served: &Served) {
    let request = reqwest::Client::new()
        .post(format!("{}/v1/classify", served.url))
        .header("traceparent", format!("00-{TRACE}-{CALLER}-01"))
        .json(&json!({"documents": [{"id": "secretid", "text": "Spain is a secrettext."}]}));
    assert_eq!(request.send().await.unwrap().status(), 200);
}

#[cfg(unix)]
#[tokio::test]
async fn every_step_of_a_request_has_a_span_below_that_of_its_caller() {
    let (address, received) = collector();
    let mut served = Served::with(&["--otlp-endpoint", &address]);
    classify(&served).await;
    let line = reqwest::Client::new()
        .post(format!("{}/v1/classify", served.url))
        .header("content-type", "application/x-ndjson")
        .body("{\"text\": \"France\"}\n{\"text\": \"Italy\"}\n");
    assert_eq!(
        line.send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap()
            .lines()
            .count(),
        2
    );
    // What was not sent yet is sent at the end.
    assert_eq!(served.stop("-TERM"), Some(0));

    let mut spans: Vec<Span> = Vec::new();
    for (path, body) in received.try_iter() {
        assert_eq!(path, "/v1/traces");
        assert!(
            !body.windows(6).any(|bytes| bytes == b"secret"),
            "nothing of a document is sent"
        );
        let request = ExportTraceServiceRequest::decode(&body[..]).unwrap();
        for resource in request.resource_spans {
            let attributes = &resource.resource.as_ref().unwrap().attributes;
            let service = attributes
                .iter()
                .find(|attribute| attribute.key == "service.name");
            assert!(format!("{service:?}").contains("stance"), "{service:?}");
            let scopes = resource.scope_spans.into_iter();
            spans.extend(scopes.flat_map(|scope| scope.spans));
        }
    }
    let (mine, others): (Vec<&Span>, Vec<&Span>) =
        spans.iter().partition(|span| hex(&span.trace_id) == TRACE);
    let by_name: BTreeMap<&str, &Span> = mine
        .iter()
        .map(|span| (span.name.as_str(), *span))
        .collect();
    assert_eq!(by_name.len(), mine.len(), "one of each: {mine:?}");
    let root = by_name["POST /v1/classify"];
    assert_eq!(hex(&root.parent_span_id), CALLER);
    assert_eq!(root.kind, 2, "a server's");
    assert!(format!("{root:?}").contains("http.response.status_code"));
    let mut end = root.start_time_unix_nano;
    for name in ["admit", "tokenize", "queue", "encode", "heads", "answer"] {
        let span = by_name
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {by_name:?}"));
        assert_eq!(span.parent_span_id, root.span_id, "{name}");
        assert!(span.start_time_unix_nano >= end, "{name} begins too early");
        end = span.start_time_unix_nano;
    }
    assert_eq!(mine.len(), 7, "{by_name:?}");

    // The lines of a stream are below the request that sends them.
    let root = others
        .iter()
        .find(|span| span.name == "POST /v1/classify")
        .unwrap();
    let encoded = others.iter().filter(|span| span.name == "encode");
    let below = encoded.filter(|span| span.parent_span_id == root.span_id);
    assert_eq!(below.count(), 2);
}

#[cfg(unix)]
#[tokio::test]
async fn a_collector_that_is_away_costs_nobody_an_answer() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", taken.local_addr().unwrap());
    drop(taken);
    let mut served = Served::with(&["--otlp-endpoint", &address]);
    classify(&served).await;
    assert_eq!(served.stop("-TERM"), Some(0));
}

#[test]
fn an_address_that_is_none_is_refused() {
    let ended = run(&["serve", "--otlp-endpoint", "localhost:4318"]).code(2);
    assert!(ended.err.contains("--otlp-endpoint"), "{}", ended.err);
}
