//! Rows in the unified JSON form, one object a line: what the data folder holds.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize};
use stance::prediction::Stance;

use super::DataError;
use super::lines::Lines;

/// What kind of thing a stance is toward.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TargetKind {
    /// A state, person, party, organisation, ….
    Actor,
    /// A question that people take sides on.
    Issue,
    /// A statement that may be true or false.
    Claim,
    /// Another headline.
    Headline,
}

/// One judged target of one text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StanceRecord {
    /// Id of the row.
    #[serde(deserialize_with = "text_or_number")]
    pub id: String,
    /// Name of the set.
    pub dataset: String,
    /// ISO 639-1 code, or a set's own code ([`iso_language`]).
    pub lang: String,
    /// The text.
    pub text: String,
    /// The target as the set names it.
    pub target: String,
    /// The target in the text's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_alt: Option<String>,
    /// Where the text mentions the target, in characters of `text`.
    #[serde(
        default,
        rename = "span",
        deserialize_with = "spans",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub spans: Vec<[usize; 2]>,
    /// The label.
    pub stance: Stance,
    /// The label as published.
    #[serde(default)]
    pub raw_label: String,
    /// What the target is.
    pub target_kind: TargetKind,
    /// Whose stance it is, when not the author's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// The post that `text` answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Id of the article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// Share of annotators who agree, between 0 and 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f32>,
}

/// One text with one topic label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicRecord {
    /// Id of the row.
    #[serde(deserialize_with = "text_or_number")]
    pub id: String,
    /// Name of the set.
    pub dataset: String,
    /// ISO 639-1 code, or a set's own code ([`iso_language`]).
    pub lang: String,
    /// The text.
    pub text: String,
    /// The label as published.
    pub topic: String,
}

/// What every kind of row must have before it is used.
pub trait Record: for<'de> Deserialize<'de> {
    /// What is wrong with the row, naming the field; `None` when nothing is.
    fn fault(&self) -> Option<String>;
}

impl Record for StanceRecord {
    fn fault(&self) -> Option<String> {
        let length = self.text.chars().count();
        if self.text.trim().is_empty() {
            return Some("text is empty".to_owned());
        }
        if self.target.trim().is_empty() {
            return Some("target is empty".to_owned());
        }
        self.spans
            .iter()
            .find(|[start, end]| start >= end || *end > length)
            .map(|[start, end]| format!("span [{start}, {end}] is outside {length} characters"))
    }
}

impl Record for TopicRecord {
    fn fault(&self) -> Option<String> {
        if self.text.trim().is_empty() {
            return Some("text is empty".to_owned());
        }
        self.topic
            .trim()
            .is_empty()
            .then(|| "topic is empty".to_owned())
    }
}

/// Reads a JSONL file (`.zst` too) row by row; a row that cannot be used is an error with its
/// number, and reading may go on after it.
pub fn read<T: Record>(
    path: &Path,
) -> Result<impl Iterator<Item = Result<(usize, T), DataError>>, DataError> {
    let owned = path.to_owned();
    Ok(Lines::open(path)?
        .filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty()))
        .map(move |line| {
            let (row, line) = line?;
            let record: T = serde_json::from_str(&line)
                .map_err(|error| DataError::row(&owned, row, error.to_string()))?;
            match record.fault() {
                Some(fault) => Err(DataError::row(&owned, row, fault)),
                None => Ok((row, record)),
            }
        }))
}

/// Every `.jsonl` and `.jsonl.zst` below `folder`, in the order of their paths.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>, DataError> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| DataError::io(&folder, error))?;
        for entry in entries {
            let path = entry.map_err(|error| DataError::io(&folder, error))?.path();
            if path.is_dir() {
                open.push(path);
            } else if has_extension(&path, "jsonl") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// Whether a file's name ends in `.extension`, or in `.extension.zst`, in any case.
pub fn has_extension(path: &Path, extension: &str) -> bool {
    let is = |path: &Path, wanted: &str| {
        path.extension()
            .is_some_and(|found| found.eq_ignore_ascii_case(wanted))
    };
    is(path, extension) || (is(path, "zst") && is(&path.with_extension(""), extension))
}

/// A file's name up to its first dot: `test_mt` of `newsmtsc/test_mt.jsonl.zst`.
pub fn file_stem(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}

/// The ISO 639-1 code of a set's language code: `ar` for `arb_Arab` and the dialects of
/// Arabic, `fa` for `pes_Arab`, `en` for `eng`. A code that is not known stays as it is,
/// without its script.
pub fn iso_language(code: &str) -> String {
    let base = code.split(['_', '-']).next().unwrap_or(code);
    match base {
        "arb" | "acm" | "apc" | "ars" | "ary" | "arz" => "ar",
        "eng" => "en",
        "fra" => "fr",
        "deu" => "de",
        "spa" => "es",
        "por" => "pt",
        "ita" => "it",
        "rus" => "ru",
        "ukr" => "uk",
        "bul" => "bg",
        "pol" => "pl",
        "slv" => "sl",
        "tur" => "tr",
        "pes" => "fa",
        "heb" => "he",
        "hin" => "hi",
        "urd" => "ur",
        "zho" => "zh",
        "swh" => "sw",
        "ind" => "id",
        "kmr" => "ku",
        other => other,
    }
    .to_owned()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Spans {
    None(()),
    One([usize; 2]),
    Many(Vec<[usize; 2]>),
}

fn spans<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<[usize; 2]>, D::Error> {
    let spans = Spans::deserialize(deserializer)
        .map_err(|_| serde::de::Error::custom("span: expected [start, end] or a list of them"))?;
    Ok(match spans {
        Spans::None(()) => Vec::new(),
        Spans::One(span) => vec![span],
        Spans::Many(spans) => spans,
    })
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrNumber {
    Text(String),
    Number(i64),
}

fn text_or_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match TextOrNumber::deserialize(deserializer)? {
        TextOrNumber::Text(text) => text,
        TextOrNumber::Number(number) => number.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(extra: &str) -> String {
        format!(
            r#"{{"id": "a:1", "dataset": "a", "lang": "en", "text": "Rome won.",
            "target": "Rome", "stance": "favor", "target_kind": "actor"{extra}}}"#
        )
        .replace('\n', " ")
    }

    fn read_all(text: &str) -> Vec<Result<(usize, StanceRecord), DataError>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("train.jsonl");
        std::fs::write(&path, text).unwrap();
        read(&path).unwrap().collect()
    }

    #[test]
    fn one_span_and_many_spans_read_alike() {
        let text = [
            row(r#", "span": [0, 4]"#),
            row(r#", "span": [[0, 4], [5, 8]]"#),
            row(""),
        ];
        let spans: Vec<_> = read_all(&text.join("\n"))
            .into_iter()
            .map(|row| row.unwrap().1.spans)
            .collect();
        assert_eq!(spans, [vec![[0, 4]], vec![[0, 4], [5, 8]], vec![]]);
    }

    #[test]
    fn bad_rows_say_which_and_why_and_reading_goes_on() {
        let text = [
            row(""),
            "{\"id\":".to_owned(),
            row(r#", "span": [4, 99]"#),
            row("").replace("favor", "maybe"),
            row("").replace("Rome won.", "  "),
            row(""),
        ];
        let rows = read_all(&text.join("\n"));
        let messages: Vec<String> = rows
            .iter()
            .filter_map(|row| row.as_ref().err().map(ToString::to_string))
            .collect();
        assert_eq!(rows.len() - messages.len(), 2);
        assert!(messages[0].contains("row 2: EOF"), "{}", messages[0]);
        assert!(messages[1].contains("row 3: span [4, 99] is outside 9 characters"));
        assert!(
            messages[2].contains("row 4: unknown variant `maybe`"),
            "{}",
            messages[2]
        );
        assert!(messages[3].contains("row 5: text is empty"));
    }

    #[test]
    fn names_and_languages_are_read_off() {
        assert_eq!(file_stem(Path::new("x/test_mt.jsonl.zst")), "test_mt");
        for (name, expected) in [
            ("a.jsonl", true),
            ("a.JSONL.zst", true),
            ("a.tsv.zst", false),
        ] {
            assert_eq!(has_extension(Path::new(name), "jsonl"), expected, "{name}");
        }
        assert_eq!(iso_language("arb_Arab"), "ar");
        assert_eq!(iso_language("pes_Arab"), "fa");
        assert_eq!(iso_language("eng"), "en");
        assert_eq!(iso_language("ru"), "ru");
    }
}
