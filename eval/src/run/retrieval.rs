//! Finding translations, pair of languages by pair of languages.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{BarResult, Context, Slice, SystemResult, TaskResult};
use crate::data::{TaskSpec, read_pairs, revision};
use crate::error::EvalError;
use crate::metrics::{Retrieval, retrieve};

/// Runs a retrieval task: files named `en-ar.tsv` hold aligned sentences, and each side looks
/// for its translation on the other. The score of a pair is top-1 accuracy; that of the task
/// is the mean over all pairs in both directions.
pub(super) fn run_retrieval(spec: &TaskSpec, context: Context) -> Result<TaskResult, EvalError> {
    let files: Vec<PathBuf> = spec
        .files
        .iter()
        .map(|file| context.data.join(file))
        .collect();
    let mut languages = BTreeMap::new();
    let mut systems = Vec::new();
    let mut bars = Vec::new();
    let mut documents = 0;
    if let Some(judge) = context.judge {
        let start = Instant::now();
        let mut slices = Vec::new();
        // English stands in every file: its sentences are read once
        let mut known: BTreeMap<Vec<String>, Vec<Vec<f32>>> = BTreeMap::new();
        for path in &files {
            let mut pairs = read_pairs(path)?;
            pairs.truncate(context.limit.unwrap_or(usize::MAX));
            documents = documents.max(pairs.len());
            let name = pair_name(path);
            languages.insert(name.clone(), pairs.len());
            let (left, right): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
            let mut embed = |texts: Vec<String>| {
                if let Some(vectors) = known.get(&texts) {
                    return Ok(vectors.clone());
                }
                let slices: Vec<&str> = texts.iter().map(String::as_str).collect();
                let vectors = judge.embed(&slices)?;
                known.insert(texts, vectors.clone());
                Ok::<_, EvalError>(vectors)
            };
            let (left, right) = (embed(left)?, embed(right)?);
            let (from, to) = name.split_once('-').unwrap_or((&name, ""));
            slices.push(slice(name.clone(), &retrieve(&left, &right), context));
            slices.push(slice(
                format!("{to}-{from}"),
                &retrieve(&right, &left),
                context,
            ));
        }
        let mut result = SystemResult::named(SystemResult::MODEL, start.elapsed().as_secs_f64());
        for metric in ["accuracy", "top5", "mrr"] {
            let values: Vec<f64> = slices
                .iter()
                .filter_map(|slice| slice.scores.get(metric).copied())
                .collect();
            if !values.is_empty() {
                let mean = values.iter().sum::<f64>() / values.len() as f64;
                result.scores.insert(metric.to_owned(), mean);
            }
        }
        for bar in &spec.bars {
            let of = |slice: &&Slice| Some(&slice.name) == bar.language.as_ref();
            let scores = slices
                .iter()
                .find(of)
                .map_or(&result.scores, |slice| &slice.scores);
            let measured = scores.get(bar.metric.as_str()).copied();
            let reached = measured.is_some_and(|measured| bar.reached(measured));
            bars.push(BarResult {
                bar: bar.clone(),
                measured,
                reached,
            });
        }
        result.slices.insert("language".to_owned(), slices);
        systems.push(result);
    }
    Ok(TaskResult {
        task: spec.name.clone(),
        kind: spec.kind,
        group: spec.group.clone(),
        level: spec.level,
        metric: spec.metric,
        note: spec.note.clone(),
        files: spec.files.clone(),
        data_revision: revision(&files)?,
        classes: Vec::new(),
        languages,
        documents,
        train_rows: 0,
        excluded: BTreeMap::new(),
        rows: Vec::new(),
        systems,
        bars,
        published: spec.published.clone(),
    })
}

fn slice(name: String, found: &Retrieval, context: Context) -> Slice {
    let documents: Vec<Vec<usize>> = (0..found.ranks.len()).map(|row| vec![row]).collect();
    let hits = |rows: &[usize]| {
        let hits = rows.iter().filter(|&&row| found.ranks[row] == 1).count();
        (!rows.is_empty()).then(|| hits as f64 / rows.len() as f64)
    };
    let scores = [
        ("accuracy", found.top1()),
        ("top5", found.within(5)),
        ("mrr", found.mean_reciprocal_rank()),
    ];
    Slice {
        name,
        rows: found.ranks.len(),
        scores: scores
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value?)))
            .collect(),
        interval: context.resampling.interval(&documents, hits),
    }
}

/// `en-ar` of `…/en-ar.tsv.zst`.
fn pair_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.split('.').next().unwrap_or_default().to_owned()
}
