//! Labelled rows in the forms that people and labelling tools write.
//!
//! | form | recognised by | module |
//! |---|---|---|
//! | unified JSONL (`.zst` too) | `.jsonl` with `stance` or `topic` of the unified names | [`super::record`] |
//! | CSV, TSV | `.csv`, `.tsv` | [`csv`] |
//! | Label Studio export | `.json`, an array of tasks | [`label_studio`] |
//! | Argilla and Hugging Face JSONL | `.jsonl`, anything else | [`hub`] |
//!
//! All become [`Row`]s. A row that cannot be used is an error with its number; the rows after
//! it are still read.

pub mod csv;
pub mod hub;
pub mod label_studio;

use std::path::Path;

use serde_json::Value;
use stance::prediction::Stance;

use super::DataError;
use super::lines::Lines;
use super::record::{self, Record, StanceRecord, TargetKind, TopicRecord};

/// One labelled row.
#[derive(Debug, Clone, PartialEq)]
pub enum Row {
    /// A text with a judged target.
    Stance(StanceRecord),
    /// A text with a topic.
    Topic(TopicRecord),
}

/// What rows may leave out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// Name of the set; without it, the file's name.
    pub dataset: Option<String>,
    /// Language of rows that do not say; without it, the language is identified.
    pub lang: Option<String>,
    /// Names of numeric labels in the order of their numbers.
    pub labels: Vec<String>,
}

impl Defaults {
    fn dataset(&self, path: &Path) -> String {
        self.dataset
            .clone()
            .unwrap_or_else(|| record::file_stem(path))
    }

    fn lang(&self, text: &str) -> String {
        self.lang
            .clone()
            .unwrap_or_else(|| stance::text::identify(text).code.to_owned())
    }
}

/// Reads every row of `path` in whatever form it is.
pub fn read(path: &Path, defaults: &Defaults) -> Result<Vec<Result<Row, DataError>>, DataError> {
    let name = path.to_string_lossy();
    let name = name.strip_suffix(".zst").unwrap_or(&name);
    match Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
    {
        Some("csv" | "tsv") => csv::read(path, defaults),
        Some("json") => label_studio::read(path, defaults),
        Some("jsonl" | "ndjson") => read_jsonl(path, defaults),
        _ => Err(DataError::file(
            path,
            "expected .jsonl, .csv, .tsv or .json (.zst too)",
        )),
    }
}

fn read_jsonl(path: &Path, defaults: &Defaults) -> Result<Vec<Result<Row, DataError>>, DataError> {
    let mut rows = Vec::new();
    for line in Lines::open(path)? {
        let (number, line) = match line {
            Ok(line) => line,
            // A line that is not UTF-8 is a bad row; a failing disk is not.
            Err(error @ DataError::Row { .. }) => {
                rows.push(Err(error));
                continue;
            }
            Err(error) => return Err(error),
        };
        if line.trim().is_empty() {
            continue;
        }
        let row = serde_json::from_str::<Value>(&line)
            .map_err(|error| error.to_string())
            .and_then(|value| row_of(value, path, number, defaults));
        rows.push(row.map_err(|message| DataError::row(path, number, message)));
    }
    Ok(rows)
}

fn row_of(value: Value, path: &Path, number: usize, defaults: &Defaults) -> Result<Row, String> {
    let has = |name: &str| value.get(name).is_some();
    if has("dataset") && has("target_kind") {
        let record: StanceRecord = serde_json::from_value(value).map_err(|e| e.to_string())?;
        return checked(Row::Stance(record));
    }
    if has("dataset") && has("topic") && has("lang") {
        let record: TopicRecord = serde_json::from_value(value).map_err(|e| e.to_string())?;
        return checked(Row::Topic(record));
    }
    checked(hub::row(&value, path, number, defaults)?)
}

/// The row, when nothing is wrong with it.
fn checked(row: Row) -> Result<Row, String> {
    let fault = match &row {
        Row::Stance(record) => record.fault(),
        Row::Topic(record) => record.fault(),
    };
    fault.map_or(Ok(row), Err)
}

/// What a form has read of a row, before it is known whether it is a stance or a topic.
#[derive(Debug, Default)]
struct Draft {
    id: Option<String>,
    lang: Option<String>,
    text: String,
    target: Option<String>,
    target_alt: Option<String>,
    spans: Vec<[usize; 2]>,
    stance: Option<String>,
    topic: Option<String>,
    kind: Option<String>,
    context: Option<String>,
    doc: Option<String>,
    agreement: Option<f32>,
}

impl Draft {
    /// The row: a stance when there is a target and a stance, else a topic.
    fn finish(self, path: &Path, number: usize, defaults: &Defaults) -> Result<Row, String> {
        let dataset = defaults.dataset(path);
        let id = self.id.unwrap_or_else(|| format!("{dataset}:{number}"));
        let lang = self.lang.unwrap_or_else(|| defaults.lang(&self.text));
        let row = match (self.target, self.stance, self.topic) {
            (Some(target), Some(label), _) => Row::Stance(StanceRecord {
                id,
                dataset,
                lang,
                text: self.text,
                target,
                target_alt: self.target_alt,
                spans: self.spans,
                stance: parse_stance(&label)?,
                raw_label: label,
                target_kind: parse_kind(self.kind.as_deref())?,
                holder: None,
                context: self.context,
                doc: self.doc,
                agreement: self.agreement,
            }),
            (None, Some(_), _) => return Err("target is missing for a stance".to_owned()),
            (_, None, Some(topic)) => Row::Topic(TopicRecord {
                id,
                dataset,
                lang,
                text: self.text,
                topic,
            }),
            (_, None, None) => return Err("neither stance nor topic is given".to_owned()),
        };
        checked(row)
    }
}

/// Reads a stance label: the three names, and the words that annotators commonly use.
pub fn parse_stance(label: &str) -> Result<Stance, String> {
    match label.trim().to_lowercase().as_str() {
        "favor" | "favour" | "in favor" | "in favour" | "pro" | "support" | "for" | "agree"
        | "positive" | "pos" | "1" | "مؤيد" | "مع" => Ok(Stance::Favor),
        "against" | "con" | "anti" | "oppose" | "deny" | "disagree" | "negative" | "neg" | "-1"
        | "معارض" | "ضد" => Ok(Stance::Against),
        "neutral" | "none" | "neither" | "comment" | "discuss" | "unrelated" | "0" | "محايد" => {
            Ok(Stance::Neutral)
        }
        _ => Err(format!(
            "stance {label:?} is not one of favor, against, neutral"
        )),
    }
}

fn parse_kind(kind: Option<&str>) -> Result<TargetKind, String> {
    match kind.map(str::to_lowercase).as_deref() {
        None | Some("" | "actor") => Ok(TargetKind::Actor),
        Some("issue") => Ok(TargetKind::Issue),
        Some("claim") => Ok(TargetKind::Claim),
        Some("headline") => Ok(TargetKind::Headline),
        Some(other) => Err(format!(
            "target_kind {other:?} is not one of actor, issue, claim, headline"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unified_rows_are_recognised_among_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.jsonl");
        let rows = [
            r#"{"id": "a", "dataset": "d", "lang": "en", "text": "Rome won.", "target": "Rome",
                "stance": "favor", "target_kind": "actor"}"#,
            r#"{"id": "b", "dataset": "d", "lang": "en", "text": "Rome won.", "topic": "sport"}"#,
            r#"{"text": "Rome lost badly again.", "target": "Rome", "label": "against"}"#,
            r#"{"text": "Rome", "target": "Rome", "stance": "furious"}"#,
            "[]",
        ];
        std::fs::write(&path, rows.map(|row| row.replace('\n', " ")).join("\n")).unwrap();
        let rows = read(&path, &Defaults::default()).unwrap();
        assert!(matches!(&rows[0], Ok(Row::Stance(row)) if row.stance == Stance::Favor));
        assert!(matches!(&rows[1], Ok(Row::Topic(row)) if row.topic == "sport"));
        assert!(matches!(&rows[2], Ok(Row::Stance(row)) if row.id == "mine:3" && row.lang == "en"));
        let messages: Vec<String> = rows[3..]
            .iter()
            .map(|row| row.as_ref().unwrap_err().to_string())
            .collect();
        assert!(
            messages[0].contains("row 4: stance \"furious\" is not one of"),
            "{messages:?}"
        );
        assert!(messages[1].contains("row 5: "), "{messages:?}");
    }

    #[test]
    fn other_endings_are_refused() {
        let error = read(Path::new("rows.xlsx"), &Defaults::default()).unwrap_err();
        assert!(error.to_string().contains("expected .jsonl"), "{error}");
    }
}
