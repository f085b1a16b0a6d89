//! Rows that cannot be scored: they are told, and the others go on.

use serde_json::{Value, json};

use crate::rows::{lines, path};
use crate::support::{Folder, run, run_with_input};

fn told(lines: &[Value]) -> Vec<(u64, &str)> {
    let one = |line: &Value| line["row"].as_u64().unwrap();
    lines
        .iter()
        .map(|line| (one(line), line["code"].as_str().unwrap()))
        .collect()
}

#[test]
fn bad_lines_go_to_the_file_of_errors() {
    let folder = Folder::new();
    let mut input = Vec::new();
    let good = json!({"id": "good", "text": "France is right."}).to_string();
    let long = json!({"id": "long", "text": "a".repeat(2000)}).to_string();
    let huge = json!({"id": "huge", "text": "a".repeat(3 << 20)}).to_string();
    let lines_in: [&[u8]; 12] = [
        good.as_bytes(),
        br#"{"id": "empty", "text": " "}"#,
        b"",
        b"{\"id\": \"latin\", \"text\": \"caf\xe9\"}",
        long.as_bytes(),
        huge.as_bytes(),
        br#"{"id": "number", "text": 5}"#,
        br#"{"id": "null", "text": null}"#,
        br#"{"id": "none"}"#,
        br#"{"id": "#,
        br#"{"id": "who", "text": "France.", "actors": [{"names": ["x"]}]}"#,
        good.as_bytes(),
    ];
    for line in lines_in {
        input.extend_from_slice(line);
        input.push(b'\n');
    }
    let file = folder.file("in.jsonl", input);
    let out = path(&folder, "out.jsonl");
    let ended = run(&[
        "score",
        &file,
        "-o",
        &out,
        "--max-text-bytes",
        "1KiB",
        "--part-rows",
        "3",
    ])
    .code(3);
    assert!(
        ended.err.contains("2 documents scored, 9 failed"),
        "{}",
        ended.err
    );
    assert_eq!(lines(&out).len(), 2);
    let errors = lines(&format!("{out}.errors.jsonl"));
    let expected = [
        (2, "empty_text"),
        (4, "invalid_utf8"),
        (5, "text_too_long"),
        (6, "text_too_long"),
        (7, "invalid_document"),
        (8, "empty_text"),
        (9, "invalid_document"),
        (10, "invalid_json"),
        (11, "invalid_document"),
    ];
    assert_eq!(told(&errors), expected);
    assert_eq!(errors[0]["id"], "empty");
    assert_eq!(errors[0]["source"], file);
    assert!(
        errors[4]["message"]
            .as_str()
            .unwrap()
            .contains("found a number")
    );
}

#[test]
fn bad_rows_of_a_table_are_told_by_their_number() {
    let folder = Folder::new();
    let csv = b"id,text\n1,France is right.\n2,\n3,caf\xe9\n4\n5,Spain is right.,more\n6,Spain is right.\n";
    let file = folder.file("in.csv", csv);
    let ended = run(&["score", &file]).code(3);
    let ids: Vec<Value> = ended
        .lines()
        .iter()
        .map(|line| line["id"].clone())
        .collect();
    assert_eq!(ids, ["1", "6"]);
    let errors: Vec<Value> = ended
        .err
        .lines()
        .filter(|line| line.starts_with('{'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let expected = [
        (2, "empty_text"),
        (3, "invalid_utf8"),
        (4, "invalid_document"),
        (5, "invalid_document"),
    ];
    assert_eq!(told(&errors), expected);
}

#[test]
fn a_text_file_that_cannot_be_read_costs_only_itself() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    folder.file("in/a.txt", b"caf\xe9");
    folder.file("in/b.txt", "");
    folder.file("in/c.txt", "Spain is right.");
    folder.file("in/d.txt.gz", b"no gzip");
    let out = path(&folder, "out.csv");
    run(&["score", &path(&folder, "in"), "-o", &out]).code(3);
    let errors = lines(&format!("{out}.errors.jsonl"));
    let codes: Vec<&str> = errors
        .iter()
        .map(|line| line["code"].as_str().unwrap())
        .collect();
    assert_eq!(codes, ["invalid_utf8", "empty_text", "unreadable_file"]);
}

#[test]
fn a_table_that_breaks_off_stops_the_run() {
    let folder = Folder::new();
    let whole = crate::rows::gzip(crate::rows::jsonl(&crate::rows::docs(400)).as_bytes());
    let file = folder.file("in.jsonl.gz", &whole[..whole.len() / 2]);
    let ended = run(&["score", &file]).code(1);
    assert!(ended.err.contains("[unreadable_input]"), "{}", ended.err);
    let file = folder.file("in.parquet", b"no Parquet at all");
    let ended = run(&["score", &file]).code(1);
    assert!(ended.err.contains("[unreadable_input]"), "{}", ended.err);
}

#[test]
fn too_many_errors_stop_the_run_and_more_patience_goes_on() {
    let folder = Folder::new();
    let input = "{\"text\": \"France is right.\"}\n{\"text\": \"\"}\n".repeat(3);
    let file = folder.file("in.jsonl", input);
    let out = path(&folder, "out.jsonl");
    let score = |more: &[&str]| {
        run(&[&["score", &file, "-o", &out, "--part-rows", "2"][..], more].concat())
    };
    let stopped = score(&["--max-errors", "1"]).code(1);
    assert!(stopped.err.contains("[too_many_errors]"), "{}", stopped.err);
    assert!(!folder.path().join("out.jsonl").exists());
    let done = score(&["--max-errors", "3"]).code(3);
    assert!(
        done.err.contains("3 documents scored, 3 failed"),
        "{}",
        done.err
    );
    assert_eq!(lines(&out).len(), 3);
}

#[test]
fn flags_that_cannot_be_followed_are_told() {
    let input = b"{\"text\": \"France.\"}";
    for (arguments, hint) in [
        (&["score", "--part-rows", "0"][..], "--part-rows"),
        (&["score", "-o", "out.xlsx"], "--output-format"),
        (&["score", "-o", "s3://bucket/out.jsonl"], "--work"),
        (&["score", "--judge", "nowhere.json"], "nowhere.json"),
        (&["score", "--max-evidence", "99"], "max_evidence"),
        (&["score", "--overwrite", "--resume"], "--resume"),
        (&["score", "-", "-"], "only once"),
    ] {
        let ended = run_with_input(arguments, input).code(2);
        assert!(ended.err.contains(hint), "{arguments:?}: {}", ended.err);
    }
}
