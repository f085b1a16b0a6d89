//! `stance serve`: what it prints, that it answers as `classify` does, and how it stops.

use std::io::Read;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::served::Served;
use crate::support::{Folder, run};

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
    same(&answered, &printed);

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

/// Equal but for the last digits of numbers, which depend on what is encoded together.
fn same(a: &Value, b: &Value) {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let apart = (a.as_f64().unwrap() - b.as_f64().unwrap()).abs();
            assert!(apart < 1e-4, "{a} and {b}");
        }
        (Value::Array(a), Value::Array(b)) => {
            assert_eq!(a.len(), b.len());
            a.iter().zip(b).for_each(|(a, b)| same(a, b));
        }
        (Value::Object(a), Value::Object(b)) => {
            assert!(a.keys().eq(b.keys()));
            a.values().zip(b.values()).for_each(|(a, b)| same(a, b));
        }
        _ => assert_eq!(a, b),
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

/// A copy of the tiny model that a test may break.
fn copy_of_model(folder: &Folder) -> std::path::PathBuf {
    let copy = folder.path().join("model");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(crate::model::tiny()).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    copy
}

#[cfg(unix)]
#[tokio::test]
async fn a_reload_takes_the_new_model_and_keeps_the_old_one_when_it_is_corrupt() {
    let folder = Folder::new();
    let model = copy_of_model(&folder);
    let named = format!("mine={}", model.display());
    let mut served = Served::with(&["--model", &named, "--admin-port", "0"]);
    let admin = served.line();
    let admin = admin.strip_prefix("admin ").unwrap().trim();
    let client = reqwest::Client::new();
    let reload = || client.post(format!("{admin}/admin/reload")).send();
    let ask = async || {
        let request = client.post(format!("{}/v1/classify", served.url));
        let body = json!({"documents": [{"text": "Spain"}], "model": "mine"});
        let response = request.json(&body).send().await.unwrap();
        assert_eq!(response.status(), 200);
        let answer: Value = response.json().await.unwrap();
        answer["model"].clone()
    };
    let before = ask().await;

    let weights = model.join("heads.safetensors");
    let good = std::fs::read(&weights).unwrap();
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;
    std::fs::write(&weights, &bad).unwrap();
    let response = reload().await.unwrap();
    assert_eq!(response.status(), 422);
    let problem: Value = response.json().await.unwrap();
    assert_eq!(problem["code"], "reload_failed");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("[hash_mismatch]"), "{detail}");
    assert_eq!(ask().await, before, "the old model goes on");

    std::fs::write(&weights, &good).unwrap();
    let manifest = model.join("manifest.json");
    let text = std::fs::read_to_string(&manifest).unwrap();
    assert!(text.contains("0.0.1"));
    std::fs::write(&manifest, text.replace("0.0.1", "0.0.2")).unwrap();
    // The port answers requests all the while.
    let (response, during) = tokio::join!(reload(), ask());
    assert_eq!(response.unwrap().status(), 200);
    assert!(during["version"] == "0.0.1" || during["version"] == "0.0.2");
    assert_eq!(ask().await["version"], "0.0.2");

    std::fs::write(&manifest, text.replace("0.0.1", "0.0.3")).unwrap();
    served.signal("-HUP");
    while ask().await["version"] != "0.0.3" {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let metrics = client.get(format!("{admin}/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    for line in [
        "stance_reloads_total{outcome=\"failed\"} 1",
        "stance_reloads_total{outcome=\"ok\"} 2",
        "stance_model_info{name=\"mine\",version=\"0.0.3\"",
    ] {
        assert!(metrics.contains(line), "{line} is missing in\n{metrics}");
    }
    let public = client.get(format!("{}/metrics", served.url)).send().await;
    assert_eq!(public.unwrap().status(), 404, "the admin port has them");
    assert_eq!(served.stop("-TERM"), Some(0));
}

#[tokio::test]
async fn with_a_certificate_it_speaks_tls() {
    const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/cert.pem");
    const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tls/key.pem");
    let served = Served::with(&["--tls-cert", CERTIFICATE, "--tls-key", KEY]);
    assert!(
        served.url.starts_with("https://127.0.0.1:"),
        "{}",
        served.url
    );
    let certificate = std::fs::read(CERTIFICATE).unwrap();
    let client = reqwest::Client::builder()
        .tls_certs_only([reqwest::Certificate::from_pem(&certificate).unwrap()])
        .build()
        .unwrap();
    let response = client
        .get(format!("{}/health/ready", served.url))
        .send()
        .await;
    assert_eq!(response.unwrap().status(), 200);
    let plain = served.url.replace("https", "http");
    assert!(client.get(plain).send().await.is_err());

    let ended = run(&[
        "serve",
        "--port",
        "0",
        "--tls-cert",
        CERTIFICATE,
        "--tls-key",
        CERTIFICATE,
    ]);
    assert!(ended.code(1).err.contains("[invalid_tls]"));
    let ended = run(&["serve", "--tls-cert", CERTIFICATE]).code(2);
    assert!(ended.err.contains("--tls-key"), "{}", ended.err);
}

#[test]
fn the_log_says_nothing_of_the_text() {
    use std::io::Write;
    let mut served = Served::start();
    let address = served.url.strip_prefix("http://").unwrap();
    let body = json!({"documents": [{"id": "secretid", "text": "secrettext"}]}).to_string();
    for (query, status) in [
        ("", "200"),
        ("?secretquery=1", "400"),
        ("?model=secret", "404"),
    ] {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        let request = format!(
            "POST /v1/classify{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(served.stop("-TERM"), Some(0));
    let mut log = String::new();
    let mut err = served.child.stderr.take().unwrap();
    err.read_to_string(&mut log).unwrap();
    assert!(log.contains("/v1/classify") && log.contains("200"), "{log}");
    assert!(!log.contains("secret"), "{log}");
}
