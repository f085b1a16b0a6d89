//! Stage `annotations`: labels of our own joined with the texts that they are of.
//!
//! `training/annotations/labels.tsv` says of actors in texts of the corpora what the author's stance toward
//! them is, by the guide beside it. It holds no text: a line is the first 12 hexadecimal digits of the SHA-256
//! of the text, the actor's id in the registry, and the label, with `?` where a careful reader could disagree;
//! such a label counts half in training.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use stance::prediction::Stance;

use crate::data::examples::{self, StanceExample, StanceTarget};
use crate::data::record::StanceRecord;
use crate::data::splits::{self, Split};
use crate::data::{DataError, lines};

/// What the name of a set begins with that a language model labelled.
pub const BY_MODEL: &str = "annotated_";

/// What a label counts that a careful reader could disagree with.
const ARGUABLE: f32 = 0.5;

/// Hexadecimal digits of a text's hash in the file of labels.
const DIGITS: usize = 12;

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Rows of `passages`, with and without `--whole`.
    #[arg(long, required = true, num_args = 1..)]
    pub rows: Vec<PathBuf>,
    /// The labels.
    #[arg(long, default_value = "training/annotations/labels.tsv")]
    pub labels: PathBuf,
    /// Rows of this split alone: `train`, `validation` or `test`; of all when absent.
    #[arg(long, value_parser = split)]
    pub split: Option<Split>,
    /// File for the labelled rows, in the unified form that `prepare --extra` reads.
    #[arg(long)]
    pub out: PathBuf,
}

fn split(name: &str) -> Result<Split, String> {
    let all = [Split::Train, Split::Validation, Split::Test];
    let found = all.into_iter().find(|split| split.as_str() == name);
    found.ok_or_else(|| "train, validation or test expected".to_owned())
}

/// What is said of one actor in one text.
#[derive(Debug, PartialEq)]
struct Label {
    stance: Stance,
    arguable: bool,
}

/// Runs the stage.
///
/// # Errors
/// When a file cannot be read or written, a label is none, or no row has a label.
pub fn run(args: &Args) -> Result<(), DataError> {
    let mut labels = read(&args.labels)?;
    let all = labels.len();
    let mut counts: BTreeMap<(String, String, &str), usize> = BTreeMap::new();
    let mut out = lines::create(&args.out)?;
    for path in &args.rows {
        for row in examples::read::<StanceExample>(path)? {
            if args
                .split
                .is_some_and(|only| splits::by_text(&row.text) != only)
            {
                continue;
            }
            let text = hash(&row.text);
            for target in &row.targets {
                let actor = target.id.rsplit(':').next().unwrap_or_default();
                let Some(label) = labels.remove(&(text.clone(), actor.to_owned())) else {
                    continue;
                };
                let record = record(&row, target, &label);
                lines::write_row(&mut out, &args.out, &record)?;
                let key = (record.dataset, record.lang, label.stance.as_str());
                *counts.entry(key).or_default() += 1;
            }
        }
    }
    out.flush()
        .map_err(|error| DataError::io(&args.out, error))?;
    let joined: usize = counts.values().sum();
    for ((set, language, stance), count) in counts {
        println!("{set}\t{language}\t{stance}\t{count}");
    }
    println!(
        "{all} labels: {joined} joined, {} without a row",
        labels.len()
    );
    if joined == 0 {
        return Err(DataError::row(&args.labels, 0, "no label fits a row"));
    }
    Ok(())
}

/// The labels by the hash of their text and their actor.
fn read(path: &Path) -> Result<BTreeMap<(String, String), Label>, DataError> {
    let mut labels = BTreeMap::new();
    for line in lines::Lines::open(path)? {
        let (row, line) = line?;
        let fault = |message: String| DataError::row(path, row, message);
        let fields: Vec<&str> = line.split('\t').collect();
        let [text, actor, label] = fields[..] else {
            return Err(fault(format!("{} fields instead of 3", fields.len())));
        };
        let name = label.strip_suffix('?').unwrap_or(label);
        let stance = Stance::ALL.into_iter().find(|s| s.as_str() == name);
        let stance = stance
            .ok_or_else(|| fault(format!("label {label:?} is not favor, against or neutral")))?;
        let label = Label {
            stance,
            arguable: label.ends_with('?'),
        };
        let key = (text.to_owned(), actor.to_owned());
        if labels.insert(key, label).is_some() {
            return Err(fault(format!("{text} {actor} has two labels")));
        }
    }
    Ok(labels)
}

/// What names a text in the file of labels.
fn hash(text: &str) -> String {
    let mut digits = lines::hex(&Sha256::digest(text.as_bytes()));
    digits.truncate(DIGITS);
    digits
}

/// The row in the unified form.
fn record(row: &StanceExample, target: &StanceTarget, label: &Label) -> StanceRecord {
    let characters = |byte: usize| row.text[..byte].chars().count();
    StanceRecord {
        id: target.id.clone(),
        dataset: format!("{BY_MODEL}{}", row.dataset),
        lang: row.lang.clone(),
        text: row.text.clone(),
        target: target.name.clone(),
        target_alt: target.alt.clone(),
        spans: target
            .spans
            .iter()
            .map(|span| span.map(characters))
            .collect(),
        stance: label.stance,
        raw_label: label.stance.as_str().to_owned(),
        target_kind: target.kind,
        holder: None,
        context: None,
        doc: None,
        agreement: label.arguable.then_some(ARGUABLE),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::record;

    const ROW: &str = r#"{"id": "passages:ar:1", "dataset": "passages", "lang": "ar", "text": "أدان الكاتب قصف روسيا للمدينة. زار وفد من الصين المعرض.", "targets": [{"id": "passages:ar:1:russia", "name": "Russia", "alt": "روسيا", "spans": [[29, 39]], "stance": "neutral", "kind": "actor"}, {"id": "passages:ar:1:china", "name": "China", "spans": [[75, 85]], "stance": "neutral", "kind": "actor"}]}"#;

    #[test]
    fn splits_have_their_names() {
        assert_eq!(split("test"), Ok(Split::Test));
        assert!(split("tests").is_err());
    }

    fn joined(labels: &str) -> Result<Vec<StanceRecord>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("rows.jsonl"), ROW).unwrap();
        std::fs::write(path("labels.tsv"), labels).unwrap();
        let args = Args {
            rows: vec![path("rows.jsonl")],
            labels: path("labels.tsv"),
            split: None,
            out: path("out.jsonl"),
        };
        run(&args)?;
        record::read(&args.out)?
            .map(|row| row.map(|(_, row)| row))
            .collect()
    }

    #[test]
    fn labels_find_their_texts() {
        let row: StanceExample = serde_json::from_str(ROW).unwrap();
        let text = hash(&row.text);
        assert_eq!(text.len(), DIGITS);
        let labels =
            format!("{text}\trussia\tagainst\n{text}\tchina\tneutral?\n{text}\tfrance\tfavor");
        let rows = joined(&labels).unwrap();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].dataset, "annotated_passages");
        assert_eq!((rows[0].stance, rows[0].agreement), (Stance::Against, None));
        assert_eq!(
            (rows[1].stance, rows[1].agreement),
            (Stance::Neutral, Some(ARGUABLE))
        );
        for row in &rows {
            let [start, end] = row.spans[0];
            let mention: String = row.text.chars().skip(start).take(end - start).collect();
            assert!(
                ["روسيا", "الصين"].contains(&mention.as_str()),
                "{mention:?}"
            );
        }
    }

    #[test]
    fn what_fits_no_text_is_refused() {
        let other = joined("000000000000\trussia\tagainst").unwrap_err();
        assert!(other.to_string().contains("no label fits"), "{other}");
        for (labels, message) in [
            ("000000000000\tagainst", "2 fields"),
            ("0\ta\tagainst\n0\ta\tfavor", "two labels"),
            ("0\ta\tmaybe", "not favor, against or neutral"),
        ] {
            let error = joined(labels).unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
    }
}
