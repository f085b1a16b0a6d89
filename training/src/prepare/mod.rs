//! Stage `prepare`: labelled rows become training examples.
//!
//! Rows are read, cleaned ([`clean`]), split ([`crate::data::splits`]), kept away from every
//! test text ([`leaks`]), deduplicated and grouped by text ([`stance`], [`topic`]). The
//! report says how many rows each step took from each set, and a hash over all inputs names
//! the data in the run that trains on them.

pub mod clean;
pub mod leaks;
mod report;
pub mod stance;
pub mod topic;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

pub use report::{Report, SetReport};

use crate::data::formats::{self, Defaults, Row};
use crate::data::record::{self, StanceRecord, TopicRecord};
use crate::data::splits::{self, Split};
use crate::data::{DataError, examples, lines};

/// Share of a file's rows that may be unusable before the stage refuses it.
const BAD_ROWS: f64 = 0.01;

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder with `stance/`, `topic/` and `corpus/`.
    #[arg(long, default_value = "../shared/data")]
    pub data: PathBuf,
    /// Folder for the examples and `report.json`.
    #[arg(long)]
    pub out: PathBuf,
    /// Further labelled files: unified JSONL, CSV, TSV, Label Studio, Argilla or Hugging
    /// Face JSONL. The file name says the split (`test…`, `dev…`, else training).
    #[arg(long)]
    pub extra: Vec<PathBuf>,
    /// Share of target names that are held out of training altogether, written to
    /// `stance_unseen.jsonl`.
    #[arg(long, default_value_t = 0.0)]
    pub unseen_targets: f64,
}

/// Runs the stage: `stance.jsonl`, `topic.jsonl`, each with `_validation` and `_test` beside
/// it, and `report.json`.
pub fn run(args: &Args) -> Result<(), DataError> {
    let mut report = Report::default();
    let mut inputs = Vec::new();
    let mut stance_rows = Vec::new();
    let mut topic_rows = Vec::new();
    for path in record::files(&args.data.join("stance/train"))? {
        let rows: Vec<StanceRecord> = usable(&path, record::read(&path)?, &mut report)?;
        let file = record::file_stem(&path);
        stance_rows.extend(rows.into_iter().map(|row| {
            let split = splits::stance(&row.dataset, &file, &row.text);
            (split, row)
        }));
        inputs.push(path);
    }
    for path in record::files(&args.data.join("topic"))? {
        let rows: Vec<TopicRecord> = usable(&path, record::read(&path)?, &mut report)?;
        let file = record::file_stem(&path);
        topic_rows.extend(
            rows.into_iter()
                .map(|row| (splits::topic(&row.dataset, &file), row)),
        );
        inputs.push(path);
    }
    for path in &args.extra {
        let rows = formats::read(path, &Defaults::default())?
            .into_iter()
            .enumerate();
        let rows = rows.map(|(number, row)| row.map(|row| (number + 1, row)));
        let file = record::file_stem(path);
        for row in usable(path, rows, &mut report)? {
            match row {
                Row::Stance(row) => {
                    let split = splits::stance(&row.dataset, &file, &row.text);
                    stance_rows.push((split, row));
                }
                Row::Topic(row) => topic_rows.push((splits::by_file(&file), row)),
            }
        }
        inputs.push(path.clone());
    }
    let labels = args.data.join("topic/taxonomy/label_map_to_iptc.json");
    let map = topic::LabelMap::load(&labels)?;
    inputs.push(labels);

    let mut leaks = leaks::Leaks::default();
    leaks.add_measured(&args.data)?;
    for (split, row) in &stance_rows {
        leaks.add(*split, &row.text, Some((row.target_kind, &row.target)));
    }
    for (split, row) in &topic_rows {
        leaks.add(*split, &row.text, None);
    }

    let stance = stance::prepare(stance_rows, &leaks, args.unseen_targets, &mut report);
    let topic = topic::prepare(topic_rows, &leaks, &map, &mut report);
    for split in [Split::Train, Split::Validation, Split::Test] {
        let path = |name: &str| args.out.join(file_name(name, split));
        examples::write(&path("stance"), stance.of(split))?;
        examples::write(&path("topic"), topic.of(split))?;
    }
    if args.unseen_targets > 0.0 {
        examples::write(&args.out.join("stance_unseen.jsonl"), &stance.unseen)?;
    }
    report.data_hash = data_hash(&args.data, &mut inputs)?;
    println!("{report}");
    lines::write_json(&args.out.join("report.json"), &report)
}

/// `stance.jsonl` for training, `stance_validation.jsonl` and `stance_test.jsonl` beside it.
pub fn file_name(name: &str, split: Split) -> String {
    match split {
        Split::Train => format!("{name}.jsonl"),
        held_out => format!("{name}_{}.jsonl", held_out.as_str()),
    }
}

/// The rows that can be used; the others are reported, and are an error when they are more
/// than [`BAD_ROWS`] of the file.
fn usable<T>(
    path: &Path,
    rows: impl Iterator<Item = Result<(usize, T), DataError>>,
    report: &mut Report,
) -> Result<Vec<T>, DataError> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for row in rows {
        match row {
            Ok((_, row)) => good.push(row),
            Err(error @ DataError::Row { .. }) => bad.push(error),
            Err(error) => return Err(error),
        }
    }
    let count = bad.len();
    if count as f64 > BAD_ROWS * (good.len() + count) as f64
        && let Some(first) = bad.into_iter().next()
    {
        eprintln!(
            "{}: {count} of {} rows cannot be used",
            path.display(),
            good.len() + count
        );
        return Err(first);
    }
    if count > 0 {
        report.bad_rows.insert(path.display().to_string(), count);
    }
    Ok(good)
}

/// SHA-256 over the names and hashes of all input files, in the order of their names.
fn data_hash(data: &Path, inputs: &mut [PathBuf]) -> Result<String, DataError> {
    inputs.sort();
    let mut hasher = Sha256::new();
    for path in inputs {
        let name = path
            .strip_prefix(data)
            .unwrap_or(path)
            .to_string_lossy()
            .into_owned();
        hasher.update(format!("{} {name}\n", lines::sha256(path)?));
    }
    Ok(lines::hex(&hasher.finalize()))
}

#[cfg(test)]
mod tests;
