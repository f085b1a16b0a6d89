//! `stance serve`: what it prints, that it answers as `classify` does, and how it stops.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStdout};

use serde_json::{Value, json};

use crate::support::{Folder, run, stance};

/// A running service, killed if a test fails before it has stopped it.
struct Served {
    child: Child,
    out: BufReader<ChildStdout>,
    url: String,
    model: String,
}

impl Served {
    fn start() -> Self {
        let mut child = stance(&["serve", "--port", "0"]).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            out.read_line(&mut line).unwrap();
            line
        };
        let (first, model) = (line(), line());
        let url = first
            .split_whitespace()
            .find(|word| word.starts_with("http://"));
        let url = url
            .unwrap_or_else(|| panic!("no URL in {first:?}"))
            .to_owned();
        Self {
            child,
            out,
            url,
            model,
        }
    }

    /// Signals, and returns the exit code.
    fn stop(&mut self, signal: &str) -> Option<i32> {
        let id = self.child.id().to_string();
        let kill = std::process::Command::new("kill")
            .args([signal, &id])
            .status()
            .unwrap();
        assert!(kill.success());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn the_service_answers_what_the_command_line_prints() {
    let folder = Folder::new();
    let documents = json!([
        {"id": "en", "text": "Moscow was right to refuse. Washington made a grave mistake."},
        {"id": "ar", "text": "تدين الحكومة السورية القصف التركي. وقال الرئيس الروسي إن واشنطن مخطئة."},
        {"id": "own", "text": "Everybody praised the mayor.", "actors": [{"id": "m", "names": ["the mayor"]}]},
        {"id": "empty", "text": ""},
        {"id": "language", "text": "Text", "language": "qq"},
    ]);
    let lines: Vec<String> = documents
        .as_array()
        .unwrap()
        .iter()
        .map(Value::to_string)
        .collect();
    let file = folder.file("documents.jsonl", lines.join("\n"));
    let printed = run(&["classify", "--format", "json", &file]).code(3).json();

    let served = Served::start();
    let client = reqwest::Client::new();
    let request = client.post(format!("{}/v1/classify", served.url));
    let response = request
        .json(&json!({"documents": documents}))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    let answered: Value = response.json().await.unwrap();
    assert_eq!(answered, printed);

    let model = &printed["model"];
    for part in ["name", "version", "sha256"] {
        let part = model[part].as_str().unwrap();
        assert!(
            served.model.contains(part),
            "{part} is missing in {:?}",
            served.model
        );
    }
}

#[cfg(unix)]
#[test]
fn sigterm_and_ctrl_c_end_the_service_with_0() {
    for signal in ["-TERM", "-INT"] {
        let mut served = Served::start();
        assert_eq!(served.stop(signal), Some(0), "{signal}");
        let mut rest = String::new();
        served.out.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "nothing is printed but the URL and the model");
    }
}

#[test]
fn a_port_that_is_taken_ends_with_1_and_names_the_address() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let ended = run(&["serve", "--port", &port]).code(1);
    assert!(
        ended.err.contains("[cannot_bind]") && ended.err.contains(&port),
        "{}",
        ended.err
    );
}
