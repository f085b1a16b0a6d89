//! The documents of these tests, in every format.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, LargeStringArray, RecordBatch, StringArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};

use crate::support::Folder;

/// Texts with and without actors, in two languages and several lengths.
pub const TEXTS: [&str; 5] = [
    "Moscow was right to refuse. The decision of Washington was a grave mistake.",
    "Nobody is named here, and nothing is said of anybody.",
    "أشادت روسيا بموقف الصين. وانتقدت فرنسا القرار بشدة.",
    "France thanked Germany, \"at last\", and Germany thanked France; the United Nations did not.",
    "Spain has never been a better neighbour. It rains.",
];

/// A document with further columns.
pub struct Doc {
    pub id: String,
    pub text: String,
    pub date: String,
    pub views: i32,
}

/// So many documents, the texts in turns.
pub fn docs(count: usize) -> Vec<Doc> {
    let doc = |number: usize| Doc {
        id: format!("d{number}"),
        text: format!(
            "{} {number}.",
            TEXTS[number % TEXTS.len()].repeat(1 + number % 4)
        ),
        date: format!("2024-{:02}-01", 1 + number % 12),
        views: number as i32 * 10,
    };
    (0..count).map(doc).collect()
}

pub fn jsonl(docs: &[Doc]) -> String {
    let line = |doc: &Doc| {
        json!({"id": doc.id, "text": doc.text, "date": doc.date, "views": doc.views}).to_string()
            + "\n"
    };
    docs.iter().map(line).collect()
}

pub fn table(docs: &[Doc], delimiter: u8) -> Vec<u8> {
    let mut out = csv::WriterBuilder::new()
        .delimiter(delimiter)
        .from_writer(Vec::new());
    out.write_record(["id", "text", "date", "views"]).unwrap();
    for doc in docs {
        out.write_record([&doc.id, &doc.text, &doc.date, &doc.views.to_string()])
            .unwrap();
    }
    out.into_inner().unwrap()
}

pub fn batch(docs: &[Doc]) -> RecordBatch {
    let column = |of: fn(&Doc) -> &str| StringArray::from_iter_values(docs.iter().map(of));
    let texts = LargeStringArray::from_iter_values(docs.iter().map(|doc| doc.text.as_str()));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(column(|doc| &doc.id))),
        ("text", Arc::new(texts)),
        ("date", Arc::new(column(|doc| &doc.date))),
        (
            "views",
            Arc::new(Int32Array::from_iter_values(
                docs.iter().map(|doc| doc.views),
            )),
        ),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

pub fn parquet(docs: &[Doc]) -> Vec<u8> {
    let batch = batch(docs);
    let mut out = ArrowWriter::try_new(Vec::new(), batch.schema(), None).unwrap();
    out.write(&batch).unwrap();
    out.into_inner().unwrap()
}

pub fn ipc_file(docs: &[Doc]) -> Vec<u8> {
    let batch = batch(docs);
    let mut out = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    out.write(&batch).unwrap();
    out.into_inner().unwrap()
}

pub fn ipc_stream(docs: &[Doc]) -> Vec<u8> {
    let batch = batch(docs);
    let mut out = StreamWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    out.write(&batch).unwrap();
    out.into_inner().unwrap()
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(bytes).unwrap();
    out.finish().unwrap()
}

/// The path of a file in the folder that need not be there.
pub fn path(folder: &Folder, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

pub fn lines(path: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// All rows of a Parquet file.
pub fn read_parquet(path: &Path) -> Vec<RecordBatch> {
    let file = File::open(path).unwrap();
    parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(file)
        .unwrap()
        .build()
        .unwrap()
        .map(Result::unwrap)
        .collect()
}
