//! Clients that vanish, dawdle or send nonsense.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;
use stance::server::{ConnectionLimits, RequestLimits};

use crate::stream::{open, send};
use crate::support::{Service, Settings, double, texts};

const PATIENCE: Duration = Duration::from_millis(300);

async fn impatient() -> Service {
    let (double, _control) = double();
    let settings = Settings {
        request: RequestLimits {
            client_timeout: PATIENCE,
            ..RequestLimits::default()
        },
        connections: ConnectionLimits {
            client_timeout: PATIENCE,
            ..ConnectionLimits::default()
        },
        ..Settings::default()
    };
    Service::with(double, settings).await
}

fn head(length: usize) -> String {
    format!(
        "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n\r\n"
    )
}

/// What the service says, until it closes the connection.
fn rest(mut stream: TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_mins(1)))
        .unwrap();
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("it waits for ever"),
        _ => String::from_utf8_lossy(&answer).into_owned(),
    }
}

async fn blocking<T: Send + 'static>(talk: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off() {
    let service = impatient().await;
    let address = service.address();
    blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let started = Instant::now();
        // A byte at a time, as slow-loris does: never long silent, never done.
        for byte in head(10).bytes().cycle() {
            if stream.write_all(&[byte.max(b'a')]).is_err() {
                break;
            }
            assert!(started.elapsed() < Duration::from_mins(1), "never cut off");
            std::thread::sleep(Duration::from_millis(20));
        }
    })
    .await;
    service.classify(texts(&["and others are answered"])).await;
}

#[tokio::test]
async fn a_body_that_trickles_in_is_refused() {
    let service = impatient().await;
    let address = service.address();
    let answer = blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head(1000).as_bytes()).unwrap();
        for _ in 0..100 {
            if stream.write_all(b" ").is_err() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        rest(stream)
    })
    .await;
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"code\":\"body_timeout\""), "{answer}");
}

#[tokio::test]
async fn idle_connections_are_closed_and_harm_nobody() {
    let service = impatient().await;
    let address = service.address();
    let idle = blocking(move || {
        let connect = |_| TcpStream::connect(&address).unwrap();
        (0..300).map(connect).collect::<Vec<_>>()
    })
    .await;
    service.classify(texts(&["meanwhile"])).await;
    blocking(move || {
        for stream in idle {
            assert_eq!(rest(stream), "");
        }
    })
    .await;
}

#[tokio::test]
async fn clients_that_vanish_leave_nothing_behind() {
    let service = Service::start().await;
    let address = service.address();
    blocking(move || {
        for vanish_after in [20, 60, 110] {
            let mut stream = TcpStream::connect(&address).unwrap();
            let body = texts(&["gone"]).to_string();
            let request = head(body.len() + 50) + &body;
            let end = vanish_after.min(request.len());
            stream.write_all(&request.as_bytes()[..end]).unwrap();
        }
        // Whole request, but nobody there to take the answer.
        for _ in 0..20 {
            let mut stream = TcpStream::connect(&address).unwrap();
            let body = texts(&["gone"]).to_string();
            stream
                .write_all((head(body.len()) + &body).as_bytes())
                .unwrap();
        }
    })
    .await;
    service.classify(texts(&["still here"])).await;
    nothing_is_left(&service).await;
}

async fn nothing_is_left(service: &Service) {
    let until = Instant::now() + Duration::from_mins(1);
    while service.state.engine().queued_documents() > 0 {
        assert!(Instant::now() < until, "work of those who left is kept");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_client_that_vanishes_in_the_middle_of_its_answer_leaves_nothing_behind() {
    let (double, control) = double();
    let service = Service::with(double, Settings::default()).await;
    let address = service.address();
    let stream = blocking(move || {
        let mut stream = open(&address);
        send(&mut stream, "{\"text\": \"Spain\"}").unwrap();
        // The first result is there, the second is being worked on, more wait.
        let mut answers = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        while !line.starts_with('{') {
            line.clear();
            assert!(answers.read_line(&mut line).unwrap() > 0);
        }
        for text in ["wait", "never read", "never read"] {
            send(&mut stream, &format!("{{\"text\": \"{text}\"}}")).unwrap();
        }
        stream
    })
    .await;
    let control = blocking(move || {
        control.entered.recv().unwrap();
        control
    })
    .await;
    assert!(service.state.engine().queued_documents() > 0);
    drop(stream);
    drop(control);
    nothing_is_left(&service).await;
    service.classify(texts(&["still here"])).await;
}

#[tokio::test]
async fn a_gigabyte_without_a_length_is_refused_at_the_limit() {
    const CHUNK: usize = 1 << 20;
    let service = Service::start().await;
    let address = service.address();
    let (sent, answer) = blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        let head = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
                    Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [format!("{CHUNK:x}\r\n"), " ".repeat(CHUNK), "\r\n".into()].concat();
        let mut sent = 0;
        while sent < 1 << 30 && stream.write_all(chunk.as_bytes()).is_ok() {
            sent += CHUNK;
        }
        (sent, rest(stream))
    })
    .await;
    // Some of it is under way in the buffers of the system.
    assert!(sent < 64 << 20, "{sent} bytes were taken");
    // A client that goes on sending may miss the answer: its connection is reset.
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 413 "),
        "{answer}"
    );
    service.classify(texts(&["and others are answered"])).await;
}

#[tokio::test]
async fn a_body_of_a_gigabyte_is_refused_before_it_is_sent() {
    let service = Service::start().await;
    let address = service.address();
    let answer = blocking(move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(head(1 << 30).as_bytes()).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    })
    .await;
    assert_eq!(answer, "HTTP/1.1 413");
}

#[tokio::test]
async fn requests_under_way_are_answered_when_the_service_stops() {
    let mut service = Service::start().await;
    let ask = |number: usize| {
        let request = service
            .client
            .post(format!("{}/v1/classify", service.url))
            .json(&texts(&[
                &format!("Spain and France met {number} times. ").repeat(20)
            ]));
        tokio::spawn(async move { request.send().await })
    };
    let asked: Vec<_> = (0..24).map(ask).collect();
    // Some are admitted, some still on their way.
    while service.state.engine().queued_documents() == 0 {
        tokio::task::yield_now().await;
    }
    service.stop();
    let mut answered = 0;
    for task in asked {
        // Who was not taken in any more is refused or not connected, but never half answered.
        if let Ok(response) = task.await.unwrap() {
            let status = response.status().as_u16();
            let body: Value = response.json().await.unwrap();
            match status {
                200 => answered += usize::from(body["results"][0].get("error").is_none()),
                503 => assert_eq!(body["code"], "shutting_down"),
                other => panic!("{other}: {body}"),
            }
        }
    }
    assert!(answered > 0);
    let state = service.state.clone();
    service.ended().await.unwrap();
    // Every document that was admitted was answered, and every answer arrived.
    let counted = state.metrics().text();
    let line = format!("stance_documents_total{{outcome=\"ok\"}} {answered}\n");
    assert!(counted.contains(&line), "{answered} of\n{counted}");
    assert!(
        counted.contains("stance_dropped_documents_total 0\n"),
        "{counted}"
    );
}
