//! One task: every system answers, every answer is scored.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use super::results::rounded;
use super::retrieval::run_retrieval;
use super::slices::{Slicing, all_scores, interval, slices};
use super::{BarResult, Judge, RowRecord, SystemResult, TaskResult};
use crate::baselines::{
    Answer, lexicon, majority, name_masked, probe, target_blind, tfidf_regression,
};
use crate::data::{Example, Kind, Suite, Task, TaskSpec, document_groups, prepare};
use crate::error::EvalError;
use crate::metrics::{
    ECE_BINS, Metric, Resampling, Scores, paired_bootstrap, reliability, risk_coverage,
};

/// Points of the risk–coverage curve that are kept.
const CURVE_POINTS: usize = 50;

/// A baseline that the tool computes itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
#[non_exhaustive]
pub enum Baseline {
    /// The model, not told whom it is asked about.
    TargetBlind,
    /// The model, with every name of the target masked.
    NameMasked,
    /// TF-IDF of words and characters with logistic regression.
    Tfidf,
    /// Kind and unkind words around the target.
    Lexicon,
    /// The class shares of the training rows.
    Majority,
}

impl Baseline {
    /// Every baseline, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::TargetBlind,
        Self::NameMasked,
        Self::Tfidf,
        Self::Lexicon,
        Self::Majority,
    ];

    /// The name in tables and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TargetBlind => "target-blind",
            Self::NameMasked => "name masked",
            Self::Tfidf => "TF-IDF + LR",
            Self::Lexicon => "lexicon",
            Self::Majority => "majority",
        }
    }

    /// The name on the command line.
    pub const fn flag(self) -> &'static str {
        match self {
            Self::TargetBlind => "target-blind",
            Self::NameMasked => "name-masked",
            Self::Tfidf => "tfidf",
            Self::Lexicon => "lexicon",
            Self::Majority => "majority",
        }
    }
}

/// What the tasks of a run share.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The data folder.
    pub data: &'a Path,
    /// The model; baselines only when absent.
    pub judge: Option<&'a dyn Judge>,
    /// The baselines to compute.
    pub baselines: &'a [Baseline],
    /// At most so many rows per task, a fixed sample.
    pub limit: Option<usize>,
    /// Slices below so many rows are left out.
    pub min_cell: usize,
    /// How intervals are computed.
    pub resampling: Resampling,
}

impl<'a> Context<'a> {
    /// A context with what a suite says and nothing left out.
    pub fn of(suite: &Suite, data: &'a Path, judge: Option<&'a dyn Judge>) -> Self {
        Self {
            data,
            judge,
            baselines: &Baseline::ALL,
            limit: None,
            min_cell: suite.min_cell,
            resampling: suite.bootstrap,
        }
    }
}

/// Runs the model and the baselines on a task. A retrieval task needs a model; without one
/// its result has no systems.
pub fn run_task(spec: &TaskSpec, context: Context) -> Result<TaskResult, EvalError> {
    if spec.kind == Kind::Retrieval {
        return run_retrieval(spec, context);
    }
    let task = prepare(spec, context.data, context.limit)?;
    score_task(spec, &task, context)
}

/// The same for rows that are already read.
pub(crate) fn score_task(
    spec: &TaskSpec,
    task: &Task,
    context: Context,
) -> Result<TaskResult, EvalError> {
    let scoring = Scorer {
        task,
        documents: document_groups(&task.examples),
        slicing: Slicing {
            min_cell: context.min_cell,
            metric: spec.metric,
            resampling: context.resampling,
        },
    };
    let mut systems = Vec::new();
    let mut model_scores = None;
    if let Some(judge) = context.judge {
        let start = Instant::now();
        let answers = model_answers(spec.kind, task, judge)?;
        let (mut result, scores) =
            scoring.score(SystemResult::MODEL, answers, start.elapsed().as_secs_f64());
        result.probabilities = (0..scores.len())
            .map(|row| {
                scores
                    .probabilities(row)
                    .iter()
                    .copied()
                    .map(rounded)
                    .collect()
            })
            .collect();
        result.abstained = (0..scores.len())
            .filter(|&row| scores.abstained(row))
            .collect();
        systems.push(result);
        model_scores = Some(scores);
    }
    for &baseline in context.baselines {
        let start = Instant::now();
        let Some(answers) = baseline_answers(baseline, spec.kind, task, context.judge) else {
            continue;
        };
        let seconds = start.elapsed().as_secs_f64();
        let (mut result, scores) = scoring.score(baseline.as_str(), answers, seconds);
        result.model_minus_this = model_scores.as_ref().and_then(|model| {
            let resampling = context.resampling;
            paired_bootstrap(&scores, model, spec.metric, &scoring.documents, resampling)
        });
        systems.push(result);
    }
    let bars = model_scores
        .as_ref()
        .map(|scores| bars(spec, task, scores))
        .unwrap_or_default();
    Ok(TaskResult {
        rows: scoring.rows(),
        documents: scoring.documents.len(),
        systems,
        bars,
        ..describe(spec, task)
    })
}

/// A result without answers.
fn describe(spec: &TaskSpec, task: &Task) -> TaskResult {
    let mut languages = BTreeMap::new();
    for example in &task.examples {
        *languages.entry(example.lang.clone()).or_default() += 1;
    }
    TaskResult {
        task: spec.name.clone(),
        kind: spec.kind,
        group: spec.group.clone(),
        level: spec.level,
        metric: spec.metric,
        note: spec.note.clone(),
        files: spec.files.clone(),
        data_revision: task.revision.clone(),
        classes: task.classes.clone(),
        languages,
        documents: 0,
        train_rows: task.train.len(),
        excluded: task.excluded.clone(),
        rows: Vec::new(),
        systems: Vec::new(),
        bars: Vec::new(),
        published: spec.published.clone(),
    }
}

fn model_answers(kind: Kind, task: &Task, judge: &dyn Judge) -> Result<Vec<Answer>, EvalError> {
    match kind {
        Kind::Stance => Ok(judge.stances(&task.examples)),
        Kind::TopicProbe => probe(task, |texts| judge.embed(texts)),
        Kind::Topic | Kind::Retrieval => {
            let texts: Vec<&str> = task.examples.iter().map(|row| row.text.as_str()).collect();
            let classes = &task.classes;
            let answer = |topics: Result<BTreeMap<String, f64>, String>| match topics {
                Ok(topics) => {
                    let of = |class: &String| topics.get(class).copied().unwrap_or(0.0);
                    let mut answer = Answer::new(classes.iter().map(of).collect());
                    answer.restrict(&vec![true; classes.len()]);
                    answer
                }
                Err(error) => Answer::failed(classes.len(), error),
            };
            Ok(judge.topics(&texts).into_iter().map(answer).collect())
        }
    }
}

/// Answers of a baseline; `None` where it does not apply.
fn baseline_answers(
    baseline: Baseline,
    kind: Kind,
    task: &Task,
    judge: Option<&dyn Judge>,
) -> Option<Vec<Answer>> {
    let changed = |change: fn(&Example) -> Example| {
        let judge = judge.filter(|_| kind == Kind::Stance)?;
        let examples: Vec<Example> = task.examples.iter().map(change).collect();
        Some(judge.stances(&examples))
    };
    match baseline {
        Baseline::TargetBlind => changed(target_blind),
        Baseline::NameMasked => changed(name_masked),
        Baseline::Tfidf => tfidf_regression(task),
        Baseline::Lexicon if kind == Kind::Stance => task.examples.iter().map(lexicon).collect(),
        Baseline::Lexicon => None,
        Baseline::Majority => Some(majority(task)),
    }
}

fn bars(spec: &TaskSpec, task: &Task, scores: &Scores) -> Vec<BarResult> {
    let result = |bar: &crate::data::Bar| {
        let meant = |row: &usize| {
            bar.language
                .as_ref()
                .is_none_or(|language| *language == task.examples[*row].lang)
        };
        let rows: Vec<usize> = (0..scores.len()).filter(meant).collect();
        let measured = bar.metric.compute(scores, &rows);
        let reached = measured.is_some_and(|measured| bar.reached(measured));
        BarResult {
            bar: bar.clone(),
            measured,
            reached,
        }
    };
    spec.bars.iter().map(result).collect()
}

struct Scorer<'a> {
    task: &'a Task,
    documents: Vec<Vec<usize>>,
    slicing: Slicing,
}

impl Scorer<'_> {
    fn score(&self, system: &str, answers: Vec<Answer>, seconds: f64) -> (SystemResult, Scores) {
        let mut result = SystemResult::named(system, seconds);
        let mut scores = Scores::new(self.task.classes.len());
        for (example, mut answer) in self.task.examples.iter().zip(answers) {
            if let Some(error) = answer.error.take() {
                result.errors += 1;
                result.first_error.get_or_insert(error);
            }
            answer.restrict(&self.task.allowed);
            scores.push(example.gold, &answer.probabilities, answer.abstained);
        }
        let rows: Vec<usize> = (0..scores.len()).collect();
        let confusion = scores.confusion(&rows);
        result.scores = all_scores(&scores, &rows);
        if self.task.classes.len() != 3 {
            // the means of favor and against mean nothing over topics
            for metric in [Metric::F1FavorAgainst, Metric::F1PositiveNegative] {
                result.scores.remove(metric.as_str());
            }
        }
        result.interval = interval(
            &scores,
            &self.documents,
            self.slicing.metric,
            self.slicing.resampling,
        );
        result.per_class = (0..confusion.classes())
            .map(|class| confusion.class(class))
            .collect();
        result.confusion = Some(confusion);
        result.reliability = reliability(&scores, &rows, ECE_BINS);
        result.risk_coverage = risk_coverage(&scores, &rows, CURVE_POINTS);
        result.slices = slices(&self.task.examples, &scores, &self.documents, self.slicing);
        (result, scores)
    }

    fn rows(&self) -> Vec<RowRecord> {
        let mut document_of = vec![0; self.task.examples.len()];
        for (document, rows) in self.documents.iter().enumerate() {
            for &row in rows {
                document_of[row] = document;
            }
        }
        let record = |(example, document): (&Example, usize)| RowRecord {
            id: example.id.clone(),
            document,
            gold: example.gold,
        };
        self.task
            .examples
            .iter()
            .zip(document_of)
            .map(record)
            .collect()
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
