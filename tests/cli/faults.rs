//! What befalls a service that runs for weeks: more connections than it has work, the end of the
//! process under load, a log that cannot be written.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::{Value, json};

use crate::served::Served;
use crate::support::stance;

/// A whole request for one connection.
fn request(text: &str) -> String {
    let body = json!({"documents": [{"text": text}]}).to_string();
    format!(
        "POST /v1/classify HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Status and body of the answer; `None` when there is none, because nobody took the request.
fn ask(address: &str, text: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let mut answer = Vec::new();
    let sent = stream.write_all(request(text).as_bytes());
    // A connection that is reset may have had an answer before.
    let _ = stream.read_to_end(&mut answer);
    if answer.is_empty() {
        return None;
    }
    sent.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Some((status, serde_json::from_str(body).unwrap()))
}

#[test]
fn ten_thousand_idle_connections_harm_nobody() {
    const WANTED: u64 = 10_000;
    /// Files of the test itself, and of other tests beside it.
    const OTHERS: u64 = 300;
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit
        .maximum
        .map(|most| most.min(WANTED + OTHERS))
        .or(limit.current);
    setrlimit(Resource::Nofile, limit).unwrap();
    let open = limit.current.unwrap_or(u64::MAX);
    let wanted = WANTED.min(open - OTHERS);
    println!("{wanted} connections, by a limit of {open} open files");
    // The service starts with the usual limit and raises it by itself.
    let serve = "ulimit -S -n 1024; exec \"$0\" \"$@\"";
    let direct = stance(&["serve", "--port", "0", "--max-connections", "11000"]);
    let mut shell = std::process::Command::new("sh");
    shell
        .args(["-c", serve])
        .arg(direct.get_program())
        .args(direct.get_args());
    for (name, value) in direct.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null());
    let mut served = Served::run(&mut shell);
    let address = served.address().to_owned();
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 1..=wanted {
        let mut stream = TcpStream::connect(&address).unwrap();
        // Now and then one speaks, so that no more come than can be accepted.
        if number.is_multiple_of(500) {
            let question = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n";
            stream.write_all(question).unwrap();
            stream.read_exact(&mut [0; 15]).unwrap();
        }
        idle.push(stream);
    }
    for _ in 0..3 {
        let (status, answer) = ask(&address, "Spain").unwrap();
        assert_eq!(status, 200, "{answer}");
    }
    // They are open on the other side too: the last one is answered as soon as it asks.
    let last = idle.iter_mut().nth_back(1).unwrap();
    last.write_all(request("France").as_bytes()).unwrap();
    let mut answer = String::new();
    last.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert_eq!(served.stop("-TERM"), Some(0));
    drop(idle);
}

#[test]
fn sigterm_under_load_loses_nothing_that_was_admitted() {
    const CLIENTS: usize = 24;
    let mut served = Served::with(&["--log-format", "json"]);
    let err = served.child.stderr.take().unwrap();
    let log = std::thread::spawn(move || {
        let lines = BufReader::new(err).lines().map(Result::unwrap);
        lines.collect::<Vec<String>>()
    });
    let address = served.address().to_owned();
    let answered = AtomicUsize::new(0);
    let text = "Spain and France met again in Geneva. ".repeat(20);
    let refused = std::thread::scope(|scope| {
        let client = || {
            // Until nobody takes requests any more.
            while let Some((status, answer)) = ask(&address, &text) {
                match status {
                    200 => {
                        assert!(answer["results"][0]["stances"].is_array(), "{answer}");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                    503 => {
                        assert_eq!(answer["code"], "shutting_down");
                        return 1;
                    }
                    other => panic!("{other}: {answer}"),
                }
            }
            0
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        while answered.load(Ordering::Relaxed) < 2 * CLIENTS {
            std::thread::yield_now();
        }
        served.signal("-TERM");
        let ends = clients.into_iter().map(|client| client.join().unwrap());
        ends.sum::<usize>()
    });
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let log = log.join().unwrap();
    let with_status = |status: u16| {
        let lines = log
            .iter()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .filter(|line| line["fields"]["status"] == status)
            .count()
    };
    // What the service answered has arrived, whole, at somebody.
    assert_eq!(with_status(200), answered.into_inner());
    assert_eq!(with_status(503), refused);
    assert!(
        !log.iter().any(|line| line.contains("grace time")),
        "{log:?}"
    );
}

#[cfg(target_os = "linux")]
#[test]
fn a_log_on_a_full_disk_costs_lines_of_the_log_and_nothing_else() {
    for format in ["text", "json"] {
        let full = std::fs::File::options()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let arguments = ["serve", "--port", "0", "--log-format", format];
        let mut command = stance(&[&arguments[..], &["--log-level", "debug"]].concat());
        let mut served = Served::run(command.stderr(full));
        for text in ["Spain", ""] {
            let (status, answer) = ask(served.address(), text).unwrap();
            assert_eq!(status, 200, "{answer}");
        }
        assert_eq!(served.stop("-TERM"), Some(0));
    }
}
