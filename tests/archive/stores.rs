//! Object stores: a small server of files on this machine stands in for them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::rows::{docs, gzip, jsonl, parquet, path};
use crate::support::{Ended, Folder, run, stance};

type Objects = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// Speaks enough of HTTP, and of S3, for single requests.
struct Server {
    port: u16,
    objects: Objects,
}

impl Server {
    fn new(objects: &[(&str, Vec<u8>)]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let objects = objects
            .iter()
            .map(|(key, bytes)| ((*key).to_owned(), bytes.clone()));
        let objects: Objects = Arc::new(Mutex::new(objects.collect()));
        let shared = Arc::clone(&objects);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let objects = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream.unwrap(), &objects));
            }
        });
        Self { port, objects }
    }

    /// The program with this server as S3.
    fn run(&self, arguments: &[&str]) -> Ended {
        stance(arguments)
            .env("AWS_ENDPOINT", format!("http://127.0.0.1:{}", self.port))
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", "nobody")
            .env("AWS_SECRET_ACCESS_KEY", "nothing")
            .env("AWS_REGION", "here")
            .output()
            .unwrap()
            .into()
    }
}

fn serve(mut stream: TcpStream, objects: &Objects) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split_whitespace();
        let (method, target) = (
            words.next().unwrap().to_owned(),
            words.next().unwrap().to_owned(),
        );
        let (mut length, mut range) = (0, None);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).unwrap();
            let Some((name, value)) = header.trim().split_once(':') else {
                break;
            };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap(),
                "range" => range = value.trim().strip_prefix("bytes=").map(str::to_owned),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let answer = answer(&method, &target, range.as_deref(), body, objects);
        if stream.write_all(&answer).is_err() {
            return;
        }
    }
}

fn answer(
    method: &str,
    target: &str,
    range: Option<&str>,
    body: Vec<u8>,
    objects: &Objects,
) -> Vec<u8> {
    let mut objects = objects.lock().unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let key = path.trim_start_matches('/').to_owned();
    let with = |status: &str, headers: &str, body: &[u8]| {
        let fixed = "ETag: \"x\"\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\n";
        let head = format!("HTTP/1.1 {status}\r\n{fixed}{headers}");
        let mut answer = head.into_bytes();
        if !headers.contains("Content-Length") {
            answer.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
        }
        answer.extend(b"\r\n");
        answer.extend(body);
        answer
    };
    if query.contains("list-type=2") {
        let prefix = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("prefix="))
            .unwrap_or("");
        let prefix = format!("{key}/{}", prefix.replace("%2F", "/"));
        let mut xml = String::from("<ListBucketResult>");
        for (object, bytes) in objects
            .range(prefix.clone()..)
            .take_while(|(o, _)| o.starts_with(&prefix))
        {
            let _ = write!(
                xml,
                "<Contents><Key>{}</Key><Size>{}</Size><LastModified>2024-01-01T00:00:00.000Z</LastModified><ETag>\"x\"</ETag></Contents>",
                object.split_once('/').unwrap().1,
                bytes.len()
            );
        }
        return with("200 OK", "", (xml + "</ListBucketResult>").as_bytes());
    }
    if method == "PUT" {
        objects.insert(key, body);
        return with("200 OK", "", b"");
    }
    let Some(bytes) = objects.get(&key) else {
        return with("404 Not Found", "", b"");
    };
    if method == "HEAD" {
        return with(
            "200 OK",
            &format!("Content-Length: {}\r\n", bytes.len()),
            b"",
        );
    }
    let Some((start, end)) = range.and_then(|range| range.split_once('-')) else {
        return with("200 OK", "", bytes);
    };
    let (start, end): (usize, usize) = (start.parse().unwrap(), end.parse().unwrap());
    let end = end.min(bytes.len() - 1);
    let place = format!("Content-Range: bytes {start}-{end}/{}\r\n", bytes.len());
    with("206 Partial Content", &place, &bytes[start..=end])
}

fn without_input(lines: Vec<Value>) -> Vec<Value> {
    let bare = |mut line: Value| {
        line.as_object_mut().unwrap().remove("input");
        line
    };
    lines.into_iter().map(bare).collect()
}

#[test]
fn archives_are_read_from_the_web_and_from_a_store() {
    let folder = Folder::new();
    let docs = docs(20);
    let file = folder.file("in.jsonl", jsonl(&docs));
    let expected = without_input(run(&["score", &file]).code(0).lines());
    let server = Server::new(&[
        ("bucket/in/a.jsonl", jsonl(&docs[..10]).into_bytes()),
        ("bucket/in/b.jsonl.gz", gzip(jsonl(&docs[10..]).as_bytes())),
        ("bucket/in/notes.md", b"not read".to_vec()),
        ("bucket/whole.parquet", parquet(&docs)),
    ]);
    let web = format!("http://127.0.0.1:{}/bucket/whole.parquet", server.port);
    for inputs in [
        &["s3://bucket/whole.parquet"][..],
        &["s3://bucket/in/a.jsonl", "s3://bucket/in/b.jsonl.gz"],
        &[&web],
    ] {
        let ended = server.run(&[&["score"][..], inputs].concat()).code(0);
        let found = without_input(ended.lines());
        assert_eq!(found.len(), 20, "{inputs:?}");
        for (found, expected) in found.iter().zip(&expected) {
            assert_eq!(found["id"], expected["id"], "{inputs:?}");
            assert_eq!(found["language"], expected["language"]);
        }
    }
    // Together in one chunk, the answers are the same to the bit.
    let listed = server.run(&["score", "s3://bucket/in/"]).code(0);
    assert_eq!(without_input(listed.lines()), expected);
    let globbed = server.run(&["score", "s3://bucket/in/*.jsonl*"]).code(0);
    assert_eq!(without_input(globbed.lines()), expected);
    let missing = server.run(&["score", "s3://bucket/nothing.jsonl"]).code(1);
    assert!(
        missing.err.contains("[store_failed]") && missing.err.contains("nothing.jsonl"),
        "{}",
        missing.err
    );
}

#[test]
fn results_are_put_into_a_store_whole() {
    let folder = Folder::new();
    let file = folder.file("in.jsonl", jsonl(&docs(10)) + "{}\n");
    let (work, local) = (path(&folder, "work"), path(&folder, "local.parquet"));
    let server = Server::new(&[]);
    let fixed = ["score", &file, "--part-rows", "4", "-o"];
    run(&[&fixed[..], &[&local]].concat()).code(3);
    server
        .run(
            &[
                &fixed[..],
                &["s3://bucket/out/scores.parquet", "--work", &work],
            ]
            .concat(),
        )
        .code(3);
    let objects = server.objects.lock().unwrap().clone();
    assert_eq!(
        objects["bucket/out/scores.parquet"],
        std::fs::read(&local).unwrap()
    );
    server
        .run(&[&fixed[..], &["s3://bucket/parts/", "--work", &work]].concat())
        .code(3);
    let objects = server.objects.lock().unwrap().clone();
    let parts: Vec<&String> = objects
        .keys()
        .filter(|key| key.starts_with("bucket/parts/"))
        .collect();
    let names = [
        "_SUCCESS",
        "part-000000.parquet",
        "part-000001.parquet",
        "part-000002.parquet",
    ];
    assert_eq!(
        parts,
        names.map(|name| format!("bucket/parts/{name}")).each_ref()
    );
}
