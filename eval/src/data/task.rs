//! From the rows of a task's files to examples that any system can answer.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::rows::read_text;
use super::splits::{hash, held_out};
use super::{HolderRule, Kind, Split, StanceRow, TaskSpec, TopicRow, read_jsonl, revision};
use crate::error::EvalError;

/// Stance classes in the order of every table: that of the model's logits.
pub const STANCE_CLASSES: [&str; 3] = ["favor", "against", "neutral"];

/// One row to answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// Identifier of the row.
    pub id: String,
    /// Language code as the set writes it.
    pub lang: String,
    /// The text.
    pub text: String,
    /// The target as the set names it; empty in topic tasks.
    pub target: String,
    /// Names under which the text may mention the target.
    pub names: Vec<String>,
    /// Where it does, in characters, when the set says so.
    pub spans: Vec<[usize; 2]>,
    /// Index of the gold class among [`Task::classes`].
    pub gold: usize,
    /// Whether the target stands in the training files; `None` without training files.
    pub target_seen: Option<bool>,
}

/// A task whose rows are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Classes that the task has; the others are set aside in predictions.
    pub allowed: Vec<bool>,
    /// Rows to answer.
    pub examples: Vec<Example>,
    /// Rows for baselines to train on.
    pub train: Vec<Example>,
    /// SHA-256 of the measured files.
    pub revision: String,
    /// Rows left out, by reason.
    pub excluded: BTreeMap<String, usize>,
}

/// Reads a stance or topic task. `limit` keeps a fixed sample of so many rows.
pub fn prepare(spec: &TaskSpec, data: &Path, limit: Option<usize>) -> Result<Task, EvalError> {
    let files: Vec<PathBuf> = spec.files.iter().map(|file| data.join(file)).collect();
    let train: Vec<PathBuf> = spec.train.iter().map(|file| data.join(file)).collect();
    let mut excluded = BTreeMap::new();
    let (classes, mut examples, train) = match spec.kind {
        Kind::Stance => stance(spec, &files, &train, &mut excluded)?,
        _ => topic(spec, data, &files, &train, &mut excluded)?,
    };
    if let Some(limit) = [limit, spec.max_rows].into_iter().flatten().min() {
        let before = examples.len();
        examples = sample(examples, limit);
        if examples.len() < before {
            excluded.insert("not in the sample".to_owned(), before - examples.len());
        }
    }
    excluded.retain(|_, count| *count > 0);
    if examples.is_empty() {
        return Err(EvalError::Empty {
            task: spec.name.clone(),
            why: format!("left out: {excluded:?}"),
        });
    }
    mark_seen_targets(&mut examples, &train);
    let allowed = classes
        .iter()
        .map(|class| spec.classes.is_empty() || spec.classes.contains(class))
        .collect();
    Ok(Task {
        classes,
        allowed,
        examples,
        train,
        revision: revision(&files)?,
        excluded,
    })
}

type Parts = (Vec<String>, Vec<Example>, Vec<Example>);

fn stance(
    spec: &TaskSpec,
    files: &[PathBuf],
    train: &[PathBuf],
    excluded: &mut BTreeMap<String, usize>,
) -> Result<Parts, EvalError> {
    let split = spec.split == Split::HeldOut;
    let read = |paths: &[PathBuf], test: bool, excluded: &mut BTreeMap<String, usize>| {
        let mut examples = Vec::new();
        for path in paths {
            let rows: Vec<StanceRow> = read_jsonl(path)?;
            for (index, row) in rows.into_iter().enumerate() {
                if split && held_out(&row.text) != test {
                    *excluded
                        .entry("not in the measured part".to_owned())
                        .or_default() += 1;
                    continue;
                }
                let of_holder = row.stance_of.as_deref() == Some("holder");
                if of_holder && spec.holder == HolderRule::Exclude {
                    *excluded.entry("stance of a party".to_owned()).or_default() += 1;
                    continue;
                }
                let label = spec.labels.get(&row.stance).unwrap_or(&row.stance);
                if label == "exclude" {
                    *excluded.entry(format!("label {}", row.stance)).or_default() += 1;
                    continue;
                }
                let gold = STANCE_CLASSES
                    .iter()
                    .position(|class| class == label)
                    .ok_or_else(|| EvalError::Row {
                        path: path.clone(),
                        line: index + 1,
                        message: format!("'{label}' is no stance (favor, against, neutral)"),
                    })?;
                examples.push(stance_example(spec, row, gold));
            }
        }
        Ok::<_, EvalError>(examples)
    };
    let examples = read(files, true, excluded)?;
    let train = read(train, false, &mut BTreeMap::new())?;
    Ok((STANCE_CLASSES.map(str::to_owned).to_vec(), examples, train))
}

fn stance_example(spec: &TaskSpec, row: StanceRow, gold: usize) -> Example {
    let mut names = vec![row.target.clone()];
    names.extend(row.target_alt.clone());
    names.extend(spec.aliases.get(&row.target).into_iter().flatten().cloned());
    let mut unique = BTreeSet::new();
    names.retain(|name| !name.trim().is_empty() && unique.insert(name.clone()));
    let mut spans = row.span.map(|span| span.to_vec()).unwrap_or_default();
    let mut text = row.text;
    if let Some(context) = row.context.filter(|_| spec.context) {
        let before = format!("{context}\n\n");
        let shift = before.chars().count();
        for span in &mut spans {
            *span = span.map(|offset| offset + shift);
        }
        text.insert_str(0, &before);
    }
    Example {
        id: row.id,
        lang: row.lang,
        text,
        target: row.target,
        names,
        spans,
        gold,
        target_seen: None,
    }
}

fn topic(
    spec: &TaskSpec,
    data: &Path,
    files: &[PathBuf],
    train: &[PathBuf],
    excluded: &mut BTreeMap<String, usize>,
) -> Result<Parts, EvalError> {
    let read = |paths: &[PathBuf]| {
        let mut rows = Vec::new();
        for path in paths {
            rows.extend(read_jsonl::<TopicRow>(path)?);
        }
        Ok::<_, EvalError>(rows)
    };
    let (rows, train) = (read(files)?, read(train)?);
    let map = match &spec.label_map {
        Some(path) => Some(label_map(&data.join(path))?),
        None => None,
    };
    // without a map a label is its own class
    let class_of = |row: &TopicRow| match &map {
        Some(map) => map
            .get(&row.dataset)
            .and_then(|labels| labels.get(&row.topic).cloned().flatten()),
        None => Some(row.topic.clone()),
    };
    let classes: BTreeSet<String> = rows.iter().chain(&train).filter_map(class_of).collect();
    let classes: Vec<String> = classes.into_iter().collect();
    let example = |row: &TopicRow| {
        let class = class_of(row)?;
        let gold = classes.binary_search(&class).ok()?;
        Some(Example {
            id: row.id.clone(),
            lang: row.lang.clone(),
            text: row.text.clone(),
            gold,
            ..Example::default()
        })
    };
    for row in rows.iter().filter(|row| class_of(row).is_none()) {
        *excluded
            .entry(format!("label {} has no counterpart", row.topic))
            .or_default() += 1;
    }
    let examples = rows.iter().filter_map(example).collect();
    let train = train.iter().filter_map(example).collect();
    Ok((classes, examples, train))
}

type LabelMap = HashMap<String, HashMap<String, Option<String>>>;

fn label_map(path: &Path) -> Result<LabelMap, EvalError> {
    serde_json::from_str(&read_text(path)?).map_err(|error| EvalError::Row {
        path: path.to_owned(),
        line: error.line(),
        message: error.to_string(),
    })
}

fn mark_seen_targets(examples: &mut [Example], train: &[Example]) {
    if train.is_empty() {
        return;
    }
    let key = |target: &str| target.trim().to_lowercase();
    let seen: BTreeSet<String> = train.iter().map(|row| key(&row.target)).collect();
    for example in examples
        .iter_mut()
        .filter(|example| !example.target.is_empty())
    {
        example.target_seen = Some(seen.contains(&key(&example.target)));
    }
}

/// A fixed sample of at least `limit` rows where there are as many: whole texts in the order
/// of their hash, shown in the order in which they stood.
pub fn sample(examples: Vec<Example>, limit: usize) -> Vec<Example> {
    let mut rows: Vec<(u64, usize)> = examples
        .iter()
        .enumerate()
        .map(|(index, row)| (hash(&row.text), index))
        .collect();
    rows.sort_unstable();
    let mut kept = BTreeSet::new();
    for group in rows.chunk_by(|a, b| a.0 == b.0) {
        if kept.len() >= limit {
            break;
        }
        kept.extend(group.iter().map(|&(_, index)| index));
    }
    examples
        .into_iter()
        .enumerate()
        .filter(|(index, _)| kept.contains(index))
        .map(|(_, row)| row)
        .collect()
}

/// Rows of each document, in the order of first appearance: rows that share a text.
pub fn document_groups(examples: &[Example]) -> Vec<Vec<usize>> {
    let mut index_of: HashMap<&str, usize> = HashMap::new();
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        let group = *index_of.entry(example.text.trim()).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[group].push(row);
    }
    groups
}

/// The name of the length class of a text, by characters; the names sort by length.
pub fn length_bin(text: &str) -> &'static str {
    match text.chars().count() {
        0..=100 => "    1–100",
        101..=200 => "  101–200",
        201..=500 => "  201–500",
        501..=2000 => " 501–2000",
        _ => "over 2000",
    }
}

#[cfg(test)]
#[path = "task_tests.rs"]
mod tests;
