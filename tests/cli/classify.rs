//! `stance classify`: inputs, formats, order, and errors on their place.

use serde_json::{Value, json};

use crate::support::{Folder, run, run_with_input};

const TEXT: &str = "Moscow was right to refuse. The decision of Washington was a grave mistake.";

fn ids(results: &[Value]) -> Vec<&Value> {
    results.iter().map(|result| &result["id"]).collect()
}

#[test]
fn a_text_file_is_one_document_with_its_path_as_id() {
    let folder = Folder::new();
    let file = folder.file("a.txt", TEXT);
    let answer = run(&["classify", "--format", "json", &file]).code(0).json();
    assert_eq!(answer["results"].as_array().unwrap().len(), 1);
    assert_eq!(answer["results"][0]["id"], file);
    assert_eq!(answer["results"][0]["model"], answer["model"]);
}

#[test]
fn standard_input_is_read_when_asked_for_and_when_nothing_is_named() {
    let expected = run(&["classify", "--format", "json", "--text", TEXT])
        .code(0)
        .json();
    assert_eq!(expected["results"][0]["id"], Value::Null);
    for arguments in [
        &["classify", "--format", "json"][..],
        &["classify", "--format", "json", "-"],
    ] {
        let answer = run_with_input(arguments, TEXT.as_bytes()).code(0).json();
        assert_eq!(answer, expected);
    }
}

#[test]
fn lines_are_answered_in_order_and_errors_stand_on_their_place() {
    let folder = Folder::new();
    let lines = [
        json!({"id": "one", "text": TEXT}).to_string(),
        "{\"id\": \"broken\", ".to_owned(),
        String::new(),
        json!({"id": "two", "text": ""}).to_string(),
        json!({"id": "three", "txt": TEXT}).to_string(),
        json!({"id": "four", "text": TEXT, "language": "qq"}).to_string(),
        json!({"id": "five", "text": TEXT, "actors": [{"id": "x", "names": ["Moscow"], "spans": [[1, 2, 3]]}]}).to_string(),
        json!({"id": "six", "text": TEXT, "actors": [{"id": "nobody-at-all"}]}).to_string(),
        json!({"id": "last", "text": TEXT}).to_string(),
    ];
    let file = folder.file("documents.jsonl", lines.join("\r\n"));
    let ended = run(&["classify", "--format", "jsonl", &file]).code(3);
    let results = ended.lines();
    let null = &Value::Null;
    let [one, two, four, six, last] = ["one", "two", "four", "six", "last"].map(|id| json!(id));
    assert_eq!(
        ids(&results),
        [&one, null, &two, null, &four, null, &six, &last]
    );
    let codes: Vec<&str> = results
        .iter()
        .map(|result| result["error"]["code"].as_str().unwrap_or("ok"))
        .collect();
    let expected = [
        "ok",
        "invalid_json",
        "empty_text",
        "invalid_document",
        "unknown_language",
        "invalid_document",
        "unknown_actor",
        "ok",
    ];
    assert_eq!(codes, expected);
    let message = results[1]["error"]["message"].as_str().unwrap();
    assert!(message.contains("documents.jsonl line 2"), "{message}");
    assert!(
        ended.err.contains("6 of 8 documents could not be judged"),
        "{}",
        ended.err
    );
}

#[test]
fn more_lines_than_a_chunk_keep_their_order() {
    let count = 150;
    let line = |number: usize| {
        let text = if number.is_multiple_of(50) {
            ""
        } else {
            "Paris."
        };
        json!({"id": number.to_string(), "text": text}).to_string() + "\n"
    };
    let input: String = (0..count).map(line).collect();
    let arguments = ["classify", "--input-format", "jsonl", "--format", "jsonl"];
    let ended = run_with_input(&arguments, input.as_bytes()).code(3);
    let results = ended.lines();
    assert_eq!(results.len(), count);
    for (number, result) in results.iter().enumerate() {
        assert_eq!(result["id"], number.to_string());
        assert_eq!(result["error"].is_object(), number.is_multiple_of(50));
    }
}

#[test]
fn files_that_cannot_be_read_do_not_stop_the_others() {
    let folder = Folder::new();
    let good = folder.file("good.txt", TEXT);
    let latin = folder.file("latin1.txt", b"caf\xe9");
    let long = folder.file("long.txt", "a".repeat(2000));
    let missing = folder.path().join("missing.txt").display().to_string();
    let lines = folder.path().join("missing.jsonl").display().to_string();
    let arguments = ["classify", "--format", "jsonl", "--max-text-bytes", "1KiB"];
    let files = [&latin, &missing, &long, &lines, &good].map(String::as_str);
    let results = run(&[&arguments[..], &files].concat()).code(3).lines();
    assert_eq!(ids(&results), files.map(|id| json!(id)).each_ref());
    let codes: Vec<&str> = results
        .iter()
        .map(|result| result["error"]["code"].as_str().unwrap_or("ok"))
        .collect();
    let unreadable = "unreadable_file";
    assert_eq!(
        codes,
        [
            "invalid_utf8",
            unreadable,
            "text_too_long",
            unreadable,
            "ok"
        ]
    );
}

#[test]
fn actors_of_a_document_are_exactly_those_judged() {
    let folder = Folder::new();
    let actors =
        json!([{"id": "kremlin", "names": ["Moscow"]}, {"id": "unseen", "names": ["Atlantis"]}]);
    let line = json!({"text": TEXT, "actors": actors}).to_string();
    let file = folder.file("documents.jsonl", line);
    let results = run(&["classify", "--format", "jsonl", &file])
        .code(0)
        .lines();
    let stances = results[0]["stances"].as_array().unwrap();
    let mut ids: Vec<&str> = stances
        .iter()
        .map(|stance| stance["actor"]["id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    assert_eq!(ids, ["kremlin", "unseen"]);
}

#[test]
fn the_table_names_the_document_and_its_errors() {
    let folder = Folder::new();
    let good = folder.file("good.txt", TEXT);
    let empty = folder.file("empty.txt", " \n");
    let ended = run(&["classify", &good, &empty]).code(3);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[0], good);
    assert!(lines[1].starts_with("  language  "), "{}", ended.out);
    assert!(lines[2].starts_with("  topics    "), "{}", ended.out);
    let error = lines.last().unwrap();
    assert!(
        error.starts_with("  error     ") && error.ends_with("[empty_text]"),
        "{}",
        ended.out
    );
}

#[test]
fn options_of_the_command_line_reach_the_prediction() {
    let arguments = [
        "classify",
        "--format",
        "json",
        "--text",
        TEXT,
        "--offset-unit",
        "utf16",
    ];
    let answer = run(&arguments).code(0).json();
    assert_eq!(answer["results"][0]["offset_unit"], "utf16");
}
