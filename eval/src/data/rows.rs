//! Reading the unified forms: JSONL and text, plain or packed with zstd.

use std::io::Read;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::EvalError;

/// Window log up to which packed files are read (`zstd --long=27`, 128 MiB).
const WINDOW_LOG: u32 = 27;

/// One `[start, end)` pair or a list of them, in characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Spans {
    /// A single mention.
    One([usize; 2]),
    /// All mentions.
    Many(Vec<[usize; 2]>),
}

impl Spans {
    /// The pairs as a list.
    pub fn to_vec(&self) -> Vec<[usize; 2]> {
        match self {
            Self::One(span) => vec![*span],
            Self::Many(spans) => spans.clone(),
        }
    }
}

/// A row of a stance set in the unified form; fields not named here are ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct StanceRow {
    /// Identifier, unique in its set.
    #[serde(default)]
    pub id: String,
    /// Name of the set.
    #[serde(default)]
    pub dataset: String,
    /// ISO 639-1 code.
    #[serde(default)]
    pub lang: String,
    /// The text.
    pub text: String,
    /// Whom or what the stance is toward, as the set names it.
    pub target: String,
    /// The target in the text's language, where `target` is not.
    #[serde(default)]
    pub target_alt: Option<String>,
    /// Where the text mentions the target.
    #[serde(default)]
    pub span: Option<Spans>,
    /// `favor`, `against` or `neutral`.
    pub stance: String,
    /// `actor`, `issue`, `claim` or `headline`.
    #[serde(default)]
    pub target_kind: Option<String>,
    /// `holder` when the stance is of a party in the text and not of its author.
    #[serde(default)]
    pub stance_of: Option<String>,
    /// The post that is answered.
    #[serde(default)]
    pub context: Option<String>,
}

/// A row of a topic set in the unified form.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TopicRow {
    /// Identifier, unique in its set.
    #[serde(default)]
    pub id: String,
    /// Name of the set.
    #[serde(default)]
    pub dataset: String,
    /// Language code as the set writes it.
    #[serde(default)]
    pub lang: String,
    /// The text.
    pub text: String,
    /// The label as the set writes it.
    pub topic: String,
}

/// The text of a file, unpacked when its name ends in `.zst`.
pub fn read_text(path: &Path) -> Result<String, EvalError> {
    let mut file = std::fs::File::open(path).map_err(EvalError::read(path))?;
    let mut text = String::new();
    if path.extension().is_some_and(|extension| extension == "zst") {
        let mut decoder = zstd::Decoder::new(file).map_err(EvalError::read(path))?;
        decoder
            .window_log_max(WINDOW_LOG)
            .map_err(EvalError::read(path))?;
        decoder
            .read_to_string(&mut text)
            .map_err(EvalError::read(path))?;
    } else {
        file.read_to_string(&mut text)
            .map_err(EvalError::read(path))?;
    }
    Ok(text)
}

/// Rows of a JSONL file; blank lines are skipped, a bad one is an error with its line.
pub fn read_jsonl<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, EvalError> {
    read_text(path)?
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).map_err(|error| EvalError::Row {
                path: path.to_owned(),
                line: index + 1,
                message: error.to_string(),
            })
        })
        .collect()
}

/// Lines of a text file.
pub fn read_lines(path: &Path) -> Result<Vec<String>, EvalError> {
    Ok(read_text(path)?.lines().map(str::to_owned).collect())
}

/// Pairs of a file with two columns split by a tab.
pub fn read_pairs(path: &Path) -> Result<Vec<(String, String)>, EvalError> {
    read_text(path)?
        .lines()
        .enumerate()
        .map(|(index, line)| {
            let bad = |message: &str| EvalError::Row {
                path: path.to_owned(),
                line: index + 1,
                message: message.to_owned(),
            };
            let (left, right) = line.split_once('\t').ok_or_else(|| bad("no tab"))?;
            if left.trim().is_empty() || right.trim().is_empty() {
                return Err(bad("an empty side"));
            }
            Ok((left.to_owned(), right.to_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const ROWS: &str = concat!(
        r#"{"id":"1","text":"A b","target":"A","span":[0,1],"stance":"favor","extra":1}"#,
        "\n\n",
        r#"{"id":"2","text":"A b A","target":"A","span":[[0,1],[4,5]],"stance":"against","stance_of":"holder"}"#,
        "\n"
    );

    #[test]
    fn packed_and_plain_rows_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("rows.jsonl");
        std::fs::write(&plain, ROWS).unwrap();
        let packed = folder.path().join("rows.jsonl.zst");
        let mut encoder = zstd::Encoder::new(std::fs::File::create(&packed).unwrap(), 3).unwrap();
        encoder.long_distance_matching(true).unwrap();
        encoder.window_log(WINDOW_LOG).unwrap();
        encoder.write_all(ROWS.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let rows: Vec<StanceRow> = read_jsonl(&plain).unwrap();
        assert_eq!(rows, read_jsonl(&packed).unwrap());
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].span.as_ref().unwrap().to_vec(), [[0, 1]]);
        assert_eq!(rows[1].span.as_ref().unwrap().to_vec(), [[0, 1], [4, 5]]);
        assert_eq!(rows[1].stance_of.as_deref(), Some("holder"));
    }

    #[test]
    fn a_bad_row_is_named_by_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.jsonl");
        std::fs::write(&path, format!("{ROWS}{{\"text\": 3}}\n")).unwrap();
        let error = read_jsonl::<StanceRow>(&path).unwrap_err();
        assert!(matches!(error, EvalError::Row { line: 4, .. }), "{error}");
    }

    #[test]
    fn pairs_need_both_sides() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.tsv");
        std::fs::write(&path, "one\tun\ntwo\tdeux\n").unwrap();
        assert_eq!(
            read_pairs(&path).unwrap()[1],
            ("two".to_owned(), "deux".to_owned())
        );
        std::fs::write(&path, "one\tun\ntwo\n").unwrap();
        assert!(matches!(
            read_pairs(&path).unwrap_err(),
            EvalError::Row { line: 2, .. }
        ));
    }
}
