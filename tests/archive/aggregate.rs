//! Sums of scored archives, against numbers that were counted by hand.

use serde_json::{Value, json};

use crate::rows::path;
use crate::support::{Folder, run, run_with_input};

/// A line as `stance score` writes it.
fn line(stances: &[(&str, &str, bool)], input: &Value) -> String {
    let stance = |&(actor, stance, abstained): &(&str, &str, bool)| {
        json!({
            "actor": {"id": actor, "name": actor.to_uppercase(), "kind": "state"},
            "stance": stance,
            "probabilities": {"favor": 0.2, "against": 0.3, "neutral": 0.5},
            "abstained": abstained,
            "reason": abstained.then_some("low_confidence"),
            "mentions": [], "evidence": [],
        })
    };
    let stances: Vec<Value> = stances.iter().map(stance).collect();
    json!({"schema_version": "1", "id": "x", "stances": stances, "input": input}).to_string() + "\n"
}

fn archive(folder: &Folder) -> String {
    let at = |day: &str, outlet: &str| json!({"day": day, "outlet": outlet});
    let (favor, against, neutral) = (
        ("a", "favor", false),
        ("a", "against", false),
        ("a", "neutral", false),
    );
    let lines = [
        line(&[favor], &at("2024-01-03", "north")),
        line(
            &[favor, ("b", "against", false)],
            &at("2024-01-20T08:00:00Z", "north"),
        ),
        line(&[against], &at("2024-01-31", "south")),
        line(&[("a", "favor", true)], &at("2024-02-01", "south")),
        line(&[neutral], &at("2024-02-02", "south")),
        line(&[], &at("2024-02-03", "south")),
        line(&[favor], &at("some day", "north")),
        line(&[favor], &json!({"outlet": null})),
    ];
    folder.file("scored.jsonl", lines.concat())
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let row = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
    reader
        .records()
        .map(|record| row(record.unwrap()))
        .collect()
}

/// Actor, period, source, documents, judged, favor, against, neutral, abstained.
fn counts(rows: &[Vec<String>]) -> Vec<String> {
    let short = |row: &Vec<String>| [&row[..1], &row[2..10]].concat().join(" ");
    rows.iter().map(short).collect()
}

#[test]
fn documents_are_counted_by_actor_period_and_source() {
    let folder = Folder::new();
    let file = archive(&folder);
    let all = run(&["aggregate", &file, "--format", "csv"]).code(0);
    assert_eq!(
        counts(&rows(&all.out)),
        ["a   7 6 4 1 1 1", "b   1 1 0 1 0 0"]
    );
    let both = [
        "aggregate",
        &file,
        "--format",
        "csv",
        "--time-column",
        "day",
        "--source-column",
        "outlet",
    ];
    let found = run(&both).code(0);
    let expected = [
        "a   1 1 1 0 0 0",
        "a  north 1 1 1 0 0 0",
        "a 2024-01 north 2 2 2 0 0 0",
        "a 2024-01 south 1 1 0 1 0 0",
        "a 2024-02 south 2 1 0 0 1 1",
        "b 2024-01 north 1 1 0 1 0 0",
    ];
    assert_eq!(counts(&rows(&found.out)), expected);
    let weeks = [
        "aggregate",
        &file,
        "--format",
        "csv",
        "--time-column",
        "day",
        "--by",
        "week",
        "--only",
        "b",
    ];
    assert_eq!(
        counts(&rows(&run(&weeks).code(0).out)),
        ["b 2024-W03  1 1 0 1 0 0"]
    );
    let few = run(&[
        "aggregate",
        &file,
        "--format",
        "csv",
        "--min-documents",
        "2",
    ])
    .code(0);
    assert_eq!(rows(&few.out).len(), 1);
}

#[test]
fn shares_have_their_intervals() {
    let folder = Folder::new();
    let file = archive(&folder);
    let all = run(&["aggregate", &file, "--format", "csv", "--only", "a"]).code(0);
    let row = rows(&all.out).remove(0);
    // 4 of 6 and 1 of 6 by Wilson; (4 - 1) / 6 by Bonett and Price: 5/8 - 2/8 ± z √((7/8 - 9/64) / 8).
    let expected = [
        "0.6667", "0.3000", "0.9032", "0.1667", "0.0301", "0.5635", "0.5000", "-0.2188", "0.9688",
    ];
    let found: Vec<f64> = row[10..].iter().map(|cell| cell.parse().unwrap()).collect();
    for (found, expected) in found.iter().zip(expected) {
        let expected: f64 = expected.parse().unwrap();
        assert!(
            (found - expected).abs() < 2e-4,
            "{found} {expected}: {row:?}"
        );
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn people_get_a_table_and_a_page() {
    let folder = Folder::new();
    let file = archive(&folder);
    let table = run(&["aggregate", &file, "--time-column", "day"])
        .code(0)
        .out;
    assert!(
        table.contains("8 documents, 2 without a time that could be read"),
        "{table}"
    );
    assert!(table.contains("│ 2024-01 │"), "{table}");
    let page = path(&folder, "page.html");
    let arguments = [
        "aggregate",
        &file,
        "--time-column",
        "day",
        "--source-column",
        "outlet",
        "--format",
        "html",
        "-o",
        &page,
    ];
    run(&arguments).code(0);
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page.contains("<svg") && page.contains("2024-02"), "{page}");
    assert!(page.contains("north: +1.00"), "{page}");
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "nothing from elsewhere"
    );
}

#[test]
fn parquet_and_lines_come_to_the_same_sums() {
    let folder = Folder::new();
    let docs = crate::rows::docs(40);
    let file = folder.file("in.jsonl", crate::rows::jsonl(&docs));
    let sums = |out: &str, more: &[&str]| {
        let out = path(&folder, out);
        run(&[&["score", &file, "-o", &out, "--part-rows", "16"][..], more].concat()).code(0);
        let arguments = [
            "aggregate",
            &out,
            "--time-column",
            "date",
            "--source-column",
            "views",
            "--format",
            "csv",
        ];
        run(&arguments).code(0).out
    };
    let lines = sums("out.jsonl", &[]);
    assert!(rows(&lines).len() > 20, "{lines}");
    assert_eq!(sums("json.parquet", &[]), lines, "further columns as JSON");
    assert_eq!(
        sums("out.parquet", &["--keep", "date,views"]),
        lines,
        "further columns as columns"
    );
    assert_eq!(
        sums("folder", &["--keep", "date,views"]),
        lines,
        "a folder of parts"
    );
}

#[test]
fn what_was_not_scored_is_refused() {
    let folder = Folder::new();
    let docs = folder.file("in.jsonl", "{\"text\": \"France.\"}\n");
    let refused = run(&["aggregate", &docs]).code(1);
    assert!(
        refused.err.contains("line 1") && refused.err.contains("stances"),
        "{}",
        refused.err
    );
    let table = folder.file("in.parquet", crate::rows::parquet(&crate::rows::docs(2)));
    let refused = run(&["aggregate", &table]).code(1);
    assert!(refused.err.contains("[invalid_column]"), "{}", refused.err);
    let scored = path(&folder, "out.parquet");
    run(&["score", &table, "-o", &scored]).code(0);
    let refused = run(&["aggregate", &scored, "--time-column", "when"]).code(1);
    assert!(refused.err.contains("`when`"), "{}", refused.err);
    run_with_input(&["aggregate"], b"").code(2);
}
