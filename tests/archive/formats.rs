//! The same documents in every format come to the same answers.

use serde_json::Value;

use crate::rows::{docs, gzip, ipc_file, ipc_stream, jsonl, lines, parquet, path, table};
use crate::support::{Folder, run, run_with_input};

/// Answers without the further columns, whose types the formats tell apart.
fn answers(mut lines: Vec<Value>) -> Vec<Value> {
    for line in &mut lines {
        line.as_object_mut().unwrap().remove("input");
    }
    lines
}

#[test]
fn every_format_is_read_to_the_same_answers() {
    let folder = Folder::new();
    // More than a block of rows.
    let docs = docs(70);
    let expected = run_with_input(&["score"], jsonl(&docs).as_bytes()).code(0);
    let expected = answers(expected.lines());
    assert_eq!(expected.len(), docs.len());
    for (doc, answer) in docs.iter().zip(&expected) {
        assert_eq!(answer["id"], doc.id);
    }
    let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 1).unwrap();
    let files = [
        ("a.jsonl", jsonl(&docs).into_bytes()),
        ("a.jsonl.gz", gzip(jsonl(&docs).as_bytes())),
        ("a.ndjson.zst", zstd(jsonl(&docs).as_bytes())),
        ("a.csv", table(&docs, b',')),
        ("a.csv.gz", gzip(&table(&docs, b','))),
        ("a.tsv", table(&docs, b'\t')),
        ("a.parquet", parquet(&docs)),
        ("b.parquet.zst", zstd(&parquet(&docs))),
        ("a.arrow", ipc_file(&docs)),
        ("b.arrows", ipc_stream(&docs)),
        ("b.arrows.gz", gzip(&ipc_stream(&docs))),
    ];
    for (name, bytes) in files {
        let file = folder.file(name, bytes);
        let found = run(&["score", &file]).code(0);
        assert_eq!(answers(found.lines()), expected, "{name}");
    }
    let arguments = ["score", "--input-format", "parquet", "-"];
    let found = run_with_input(&arguments, &parquet(&docs)).code(0);
    assert_eq!(
        answers(found.lines()),
        expected,
        "Parquet on standard input"
    );
}

#[test]
fn a_line_says_what_classify_says_and_repeats_the_other_fields() {
    let folder = Folder::new();
    let docs = docs(5);
    let file = folder.file("a.jsonl", jsonl(&docs));
    let scored = run(&["score", &file]).code(0).lines();
    for (doc, mut line) in docs.iter().zip(scored) {
        let arguments = ["classify", "--format", "jsonl", "--text", &doc.text];
        let mut alone = run(&arguments).code(0).json();
        alone["id"] = Value::from(doc.id.as_str());
        let input = line.as_object_mut().unwrap().remove("input").unwrap();
        assert_eq!(
            input,
            serde_json::json!({"date": doc.date, "views": doc.views})
        );
        // Other documents in the same pass may change the last bits of a number.
        assert_eq!(
            line["stances"].as_array().map(Vec::len),
            alone["stances"].as_array().map(Vec::len)
        );
        assert_eq!(
            (&line["id"], &line["language"]),
            (&alone["id"], &alone["language"])
        );
        let favor = |value: &Value| value["stances"][0]["probabilities"]["favor"].as_f64();
        if let (Some(a), Some(b)) = (favor(&line), favor(&alone)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn folders_and_globs_are_read_in_the_order_of_names() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path().join("in")).unwrap();
    std::fs::create_dir(folder.path().join("in/deep")).unwrap();
    folder.file("in/b.txt", "Spain has never been a better neighbour.");
    folder.file(
        "in/a.html",
        "<html><body><p>France &amp; Germany quarrel.</p></body></html>",
    );
    folder.file("in/deep/c.txt.gz", gzip(b"It rains in Paris."));
    folder.file("in/readme.md", "not read");
    folder.file("in/_ignored.txt", "not read");
    let root = path(&folder, "in");
    let results = run(&["score", &root]).code(0).lines();
    let ids: Vec<&str> = results
        .iter()
        .map(|line| line["id"].as_str().unwrap())
        .collect();
    let expected = ["a.html", "b.txt", "deep/c.txt.gz"].map(|name| format!("{root}/{name}"));
    assert_eq!(ids, expected);
    // Of a page the text is judged, and given, for the spans point into it.
    assert!(
        results[0]["text"]
            .as_str()
            .unwrap()
            .contains("France & Germany")
    );
    assert!(results[1].get("text").is_none());
    let names: Vec<&str> = results[0]["stances"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stance| stance["actor"]["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"Germany"), "{names:?}");
    let globbed = run(&["score", &format!("{root}/[a-z]*.txt")])
        .code(0)
        .lines();
    assert_eq!(globbed.len(), 1);
    assert_eq!(globbed[0]["id"], results[1]["id"]);
    let missing = run(&["score", &format!("{root}/*.csv")]).code(1);
    assert!(missing.err.contains("[unknown_input]"), "{}", missing.err);
}

#[test]
fn columns_have_the_names_they_are_given() {
    let folder = Folder::new();
    let csv = "body,key,who,lang,outlet,day\n\
               The Lake Council kept its promise.,k1,Lake Council;nato,en,north,2024-01-01\n\
               France is right.,k2,,,south,2024-01-02\n";
    let file = folder.file("a.csv", csv);
    let arguments = [
        "score",
        &file,
        "--text-column",
        "body",
        "--id-column",
        "key",
        "--actors-column",
        "who",
        "--language-column",
        "lang",
        "--keep",
        "outlet",
    ];
    let lines = run(&arguments).code(0).lines();
    let actors = |line: &Value| -> Vec<String> {
        let stances = line["stances"].as_array().unwrap();
        let mut ids: Vec<String> = stances
            .iter()
            .map(|s| s["actor"]["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    assert_eq!(lines[0]["id"], "k1");
    assert_eq!(actors(&lines[0]), ["Lake Council", "nato"]);
    assert_eq!(lines[0]["language"]["confidence"], 1.0);
    assert_eq!(lines[0]["input"], serde_json::json!({"outlet": "north"}));
    assert_eq!(actors(&lines[1]), ["france"]);
    // A name that is wrong is told before anything is read.
    let wrong = run(&["score", &file, "--text-column", "txt"]).code(1);
    assert!(
        wrong.err.contains("`txt` is missing") && wrong.err.contains("outlet"),
        "{}",
        wrong.err
    );
}

#[test]
fn actors_of_a_file_are_judged_where_a_row_brings_none() {
    let folder = Folder::new();
    let judge = folder.file("judge.json", r#"[{"id": "rain", "names": ["rain"]}]"#);
    let input = "{\"text\": \"The rain is good.\"}\n\
                 {\"text\": \"The rain is good.\", \"actors\": [\"nato\"]}\n";
    let lines = run_with_input(&["score", "--judge", &judge], input.as_bytes())
        .code(0)
        .lines();
    assert_eq!(lines[0]["stances"][0]["actor"]["id"], "rain");
    assert_eq!(
        lines[0]["id"], "-:1",
        "a row without an id is named by its place"
    );
    assert_eq!(lines[1]["stances"][0]["actor"]["id"], "nato");
    assert_eq!(lines[1]["stances"].as_array().unwrap().len(), 1);
    assert_eq!(lines[0]["input"], Value::Null);
}

#[test]
fn files_with_other_columns_do_not_fit_into_one_table() {
    let folder = Folder::new();
    let one = folder.file("one.csv", "id,text,date\n1,France is right.,2024\n");
    let two = folder.file("two.csv", "id,text,day\n2,France is wrong.,2024\n");
    let out = path(&folder, "out.csv");
    let refused = run(&["score", &one, &two, "-o", &out]).code(1);
    assert!(
        refused.err.contains("two.csv") && refused.err.contains("[other_columns]"),
        "{}",
        refused.err
    );
    run(&["score", &one, &two, "-o", &path(&folder, "out.jsonl")]).code(0);
    assert_eq!(lines(&path(&folder, "out.jsonl")).len(), 2);
}
