//! What is written: lines, flat rows, nested rows, a file or a folder.

use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, UInt32Type, UInt64Type};
use arrow_array::{Array, RecordBatch};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::{Value, json};

use crate::rows::{docs, jsonl, lines, parquet, path, read_parquet};
use crate::support::{Folder, run};

#[test]
fn parquet_holds_what_the_lines_say() {
    let folder = Folder::new();
    let docs = docs(23);
    let file = folder.file("in.parquet", parquet(&docs));
    let (flat, nested) = (path(&folder, "out.jsonl"), path(&folder, "out.parquet"));
    let ended = run(&["score", &file, "-o", &flat, "--part-rows", "5"]).code(0);
    assert!(
        ended.err.contains("23 documents scored, 0 failed"),
        "{}",
        ended.err
    );
    run(&["score", &file, "-o", &nested, "--part-rows", "5"]).code(0);
    let batches = read_parquet(Path::new(&nested));
    let rows: Vec<Value> = batches.iter().flat_map(rows_of).collect();
    let expected = lines(&flat);
    assert_eq!(rows.len(), 23);
    for (row, line) in rows.iter().zip(&expected) {
        for field in [
            "id", "language", "topics", "stances", "windows", "warnings", "input",
        ] {
            assert_eq!(row[field], line[field], "{field}");
        }
    }
    let file = std::fs::File::open(&nested).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
    let notes = builder.schema().metadata().clone();
    assert_eq!(notes["stance.archive_schema"], "1");
    assert_eq!(notes["stance.model.name"], "tiny");
    assert_eq!(
        notes["stance.model.sha256"],
        expected[0]["model"]["sha256"].as_str().unwrap()
    );
    // For readers without Arrow they stand in the file as well.
    let plain = builder
        .metadata()
        .file_metadata()
        .key_value_metadata()
        .unwrap();
    assert!(plain.iter().any(|note| note.key == "stance.archive_schema"));
    // A type of the input stays what it was.
    let input = batches[0].column_by_name("input").unwrap().as_struct();
    assert_eq!(
        input.column_by_name("views").unwrap().data_type(),
        &arrow_schema::DataType::Int32
    );
    for left in ["out.jsonl.parts", "out.jsonl.errors.jsonl"] {
        assert!(!folder.path().join(left).exists(), "{left}");
    }
}

/// Rows as the lines have them, read column by column.
fn rows_of(batch: &RecordBatch) -> Vec<Value> {
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let text = |array: &dyn Array, at: usize| {
        (!array.is_null(at)).then(|| array.as_string::<i32>().value(at).to_owned())
    };
    // As a line has it: in the fewest digits that mean the same number of 32 bits.
    let float = |array: &dyn Array, at: usize| -> Value {
        let value = array.as_primitive::<Float32Type>().value(at);
        value.to_string().parse::<f64>().unwrap().into()
    };
    let place = |array: &dyn Array, at: usize| array.as_primitive::<UInt64Type>().value(at);
    let row = |at: usize| {
        let language = column("language").as_struct();
        let topics = column("topics").as_list::<i32>().value(at);
        let topics = topics.as_struct();
        let stances = column("stances").as_list::<i32>().value(at);
        let stances = stances.as_struct();
        let warnings = column("warnings").as_list::<i32>().value(at);
        let warnings = warnings.as_struct();
        let input = column("input").as_struct();
        let stance = |s: usize| {
            let of = |name: &str| stances.column_by_name(name).unwrap();
            let (actor, probabilities) = (of("actor").as_struct(), of("probabilities").as_struct());
            let mentions = of("mentions").as_list::<i32>().value(s);
            let mentions = mentions.as_struct();
            let evidence = of("evidence").as_list::<i32>().value(s);
            let evidence = evidence.as_struct();
            json!({
                "actor": {
                    "id": text(actor.column(0), s),
                    "name": text(actor.column(1), s),
                    "kind": text(actor.column(2), s),
                },
                "stance": text(of("stance"), s),
                "probabilities": {
                    "favor": float(probabilities.column(0), s),
                    "against": float(probabilities.column(1), s),
                    "neutral": float(probabilities.column(2), s),
                },
                "abstained": of("abstained").as_boolean().value(s),
                "reason": text(of("reason"), s),
                "mentions": (0..mentions.len()).map(|m| json!({
                    "start": place(mentions.column(0), m),
                    "end": place(mentions.column(1), m),
                    "text": text(mentions.column(2), m),
                    "weak": mentions.column(3).as_boolean().value(m),
                })).collect::<Vec<_>>(),
                "evidence": (0..evidence.len()).map(|e| json!({
                    "start": place(evidence.column(0), e),
                    "end": place(evidence.column(1), e),
                    "text": text(evidence.column(2), e),
                    "stance": text(evidence.column(3), e),
                    "probability": float(evidence.column(4), e),
                })).collect::<Vec<_>>(),
            })
        };
        json!({
            "id": text(column("id"), at),
            "language": {
                "code": text(language.column(0), at),
                "confidence": float(language.column(1), at),
            },
            "topics": (0..topics.len()).map(|t| json!({
                "id": text(topics.column(0), t),
                "label": text(topics.column(1), t),
                "probability": float(topics.column(2), t),
            })).collect::<Vec<_>>(),
            "stances": (0..stances.len()).map(stance).collect::<Vec<_>>(),
            "windows": column("windows").as_primitive::<UInt32Type>().value(at),
            "warnings": (0..warnings.len()).map(|w| json!({
                "code": text(warnings.column(0), w),
                "message": text(warnings.column(1), w),
            })).collect::<Vec<_>>(),
            "input": {
                "date": text(input.column_by_name("date").unwrap(), at),
                "views": input.column_by_name("views").unwrap()
                    .as_primitive::<arrow_array::types::Int32Type>().value(at),
            },
        })
    };
    (0..batch.num_rows()).map(row).collect()
}

#[test]
fn csv_has_a_row_per_document_and_actor() {
    let folder = Folder::new();
    let file = folder.file("in.jsonl", jsonl(&docs(5)));
    let (flat, nested) = (path(&folder, "out.csv"), path(&folder, "out.jsonl"));
    run(&[
        "score",
        &file,
        "-o",
        &flat,
        "--keep",
        "date,views",
        "--part-rows",
        "2",
    ])
    .code(0);
    run(&["score", &file, "-o", &nested]).code(0);
    let mut reader = csv::Reader::from_path(&flat).unwrap();
    let header = reader.headers().unwrap().clone();
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let cell = |row: &csv::StringRecord, name: &str| {
        row[header.iter().position(|column| column == name).unwrap()].to_owned()
    };
    let mut at = 0;
    for line in lines(&nested) {
        let stances = line["stances"].as_array().unwrap();
        for number in 0..stances.len().max(1) {
            let row = &rows[at];
            at += 1;
            assert_eq!(cell(row, "id"), line["id"].as_str().unwrap());
            assert_eq!(
                cell(row, "input.date"),
                line["input"]["date"].as_str().unwrap()
            );
            assert_eq!(cell(row, "input.views"), line["input"]["views"].to_string());
            let Some(stance) = stances.get(number) else {
                assert_eq!(
                    cell(row, "actor_id"),
                    "",
                    "a document without actors has a row"
                );
                continue;
            };
            assert_eq!(
                cell(row, "actor_id"),
                stance["actor"]["id"].as_str().unwrap()
            );
            assert_eq!(cell(row, "stance"), stance["stance"].as_str().unwrap());
            let favor: f64 = cell(row, "favor").parse().unwrap();
            assert!((favor - stance["probabilities"]["favor"].as_f64().unwrap()).abs() < 1e-6);
            let mentions = stance["mentions"].as_array().unwrap().len();
            assert_eq!(cell(row, "mentions"), mentions.to_string());
        }
    }
    assert_eq!(at, rows.len());
}

#[test]
fn a_folder_holds_parts_that_can_be_read_alone() {
    let folder = Folder::new();
    let file = folder.file("in.jsonl", jsonl(&docs(11)));
    for (format, ending) in [("csv", "csv"), ("parquet", "parquet"), ("jsonl", "jsonl")] {
        let out = path(&folder, ending);
        run(&[
            "score",
            &file,
            "-o",
            &out,
            "--output-format",
            format,
            "--part-rows",
            "4",
        ])
        .code(0);
        let mut names: Vec<String> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        let parts: Vec<String> = (0..3)
            .map(|part| format!("part-{part:06}.{ending}"))
            .collect();
        assert_eq!(names, [&["_SUCCESS".to_owned()][..], &parts].concat());
        let rows = |name: &String| {
            let part = Path::new(&out).join(name);
            match format {
                "parquet" => read_parquet(&part)
                    .iter()
                    .map(RecordBatch::num_rows)
                    .sum::<usize>(),
                "jsonl" => lines(part.to_str().unwrap()).len(),
                _ => {
                    let mut reader = csv::Reader::from_path(&part).unwrap();
                    let ids = reader.records().map(|row| row.unwrap()[0].to_owned());
                    ids.collect::<std::collections::BTreeSet<_>>().len()
                }
            }
        };
        assert_eq!(
            parts.iter().map(rows).collect::<Vec<_>>(),
            [4, 4, 3],
            "{format}"
        );
    }
    // What was written can be read again, as a folder.
    let jsonl = path(&folder, "jsonl");
    let columns = ["--text-column", "id", "--language-column", ""];
    let again = run(&[&["score", &jsonl][..], &columns].concat()).code(0);
    assert_eq!(again.lines().len(), 11);
}

#[test]
fn nothing_in_comes_to_an_output_without_rows() {
    let folder = Folder::new();
    let file = folder.file("in.csv", "id,text,date\n");
    for name in ["out.jsonl", "out.csv", "out.parquet"] {
        let out = path(&folder, name);
        run(&["score", &file, "-o", &out]).code(0);
        match name {
            "out.jsonl" => assert_eq!(std::fs::read(&out).unwrap(), b""),
            "out.csv" => {
                let text = std::fs::read_to_string(&out).unwrap();
                assert!(
                    text.starts_with("id,language,") && text.ends_with(",input.date\n"),
                    "{text}"
                );
            }
            _ => assert_eq!(read_parquet(Path::new(&out)).len(), 0),
        }
    }
}

#[test]
fn parquet_can_go_to_standard_output() {
    use std::process::Stdio;
    let folder = Folder::new();
    let file = folder.file("in.jsonl", jsonl(&docs(9)));
    let out = path(&folder, "piped.parquet");
    let status = crate::support::stance(&[
        "score",
        &file,
        "--output-format",
        "parquet",
        "--part-rows",
        "4",
    ])
    .stdout(Stdio::from(std::fs::File::create(&out).unwrap()))
    .status()
    .unwrap();
    assert!(status.success());
    let rows: usize = read_parquet(Path::new(&out))
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 9);
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let folder = Folder::new();
    let file = folder.file("in.jsonl", jsonl(&docs(60)));
    let mut child = crate::support::stance(&["score", &file, "--part-rows", "1"])
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn progress_is_a_line_of_json_for_machines() {
    let folder = Folder::new();
    let file = folder.file("in.jsonl", jsonl(&docs(6)) + "{}\n");
    let ended = run(&[
        "score",
        &file,
        "--progress",
        "json",
        "-o",
        &path(&folder, "out.jsonl"),
    ])
    .code(3);
    let last = ended
        .err
        .lines()
        .rfind(|line| line.starts_with('{'))
        .unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert_eq!(
        (&last["documents"], &last["failed"], &last["done"]),
        (&json!(7), &json!(1), &json!(true))
    );
    assert!(last["tokens"].as_u64().unwrap() > 6, "{last}");
    assert!(last["tokens_per_second"].as_f64().unwrap() > 0.0, "{last}");
}
