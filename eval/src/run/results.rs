//! What a run leaves behind: one JSON file that later runs are compared with.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::ModelCard;
use crate::data::{Bar, Kind, Level, Published};
use crate::error::EvalError;
use crate::metrics::{
    ClassReport, Confusion, CoveragePoint, Interval, Metric, PairedDifference, ReliabilityBin,
    Scores,
};

/// Version of the form of result files.
pub const RESULTS_SCHEMA: &str = "1";

/// All that a run measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunResult {
    /// [`RESULTS_SCHEMA`].
    pub schema: String,
    /// Version of this tool.
    pub tool_version: String,
    /// Name of the suite.
    pub suite: String,
    /// Slices below so many rows are left out.
    pub min_cell: usize,
    /// Seconds since 1970 at the start.
    pub started: u64,
    /// Wall-clock seconds in all.
    pub seconds: f64,
    /// The model, unless only baselines ran.
    pub model: Option<ModelCard>,
    /// One entry per task.
    pub tasks: Vec<TaskResult>,
}

/// What was measured on one task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaskResult {
    /// Name of the task.
    pub task: String,
    /// What it asks.
    pub kind: Kind,
    /// Its heading.
    pub group: String,
    /// How long its texts are.
    pub level: Level,
    /// The metric by which it is ranked.
    pub metric: Metric,
    /// What a reader should know.
    pub note: Option<String>,
    /// The measured files, relative to the data folder.
    pub files: Vec<String>,
    /// SHA-256 over the measured files.
    pub data_revision: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Rows per language.
    pub languages: BTreeMap<String, usize>,
    /// Number of distinct texts.
    pub documents: usize,
    /// Rows that baselines trained on.
    pub train_rows: usize,
    /// Rows left out, by reason.
    pub excluded: BTreeMap<String, usize>,
    /// The measured rows, without their texts.
    pub rows: Vec<RowRecord>,
    /// The model first, then the baselines.
    pub systems: Vec<SystemResult>,
    /// Bars of the suite with what the model reached.
    pub bars: Vec<BarResult>,
    /// Published results.
    pub published: Vec<Published>,
}

/// A measured row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RowRecord {
    /// Identifier in the set.
    pub id: String,
    /// Index of its document among those of the task.
    pub document: usize,
    /// Index of the gold class.
    pub gold: usize,
}

/// What one system reached on a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemResult {
    /// `model` or the name of a baseline.
    pub system: String,
    /// Value of every metric that is defined, by name.
    pub scores: BTreeMap<String, f64>,
    /// 95 % interval of the task's metric, documents resampled.
    pub interval: Option<Interval>,
    /// The model's value minus this system's, in the task's metric.
    pub model_minus_this: Option<PairedDifference>,
    /// Gold against predicted classes.
    pub confusion: Option<Confusion>,
    /// Precision, recall and F1 per class.
    pub per_class: Vec<ClassReport>,
    /// Reliability diagram.
    pub reliability: Vec<ReliabilityBin>,
    /// Risk–coverage curve.
    pub risk_coverage: Vec<CoveragePoint>,
    /// Slices by dimension: `language`, `target`, `target_seen`, `mention`, `length`.
    pub slices: BTreeMap<String, Vec<Slice>>,
    /// Wall-clock seconds, training of baselines included.
    pub seconds: f64,
    /// Rows without an answer.
    pub errors: usize,
    /// The first error.
    pub first_error: Option<String>,
    /// Probabilities of each row, rounded to five digits; for the model only.
    pub probabilities: Vec<Vec<f64>>,
    /// Rows (by index) that the system declined to answer; for the model only.
    pub abstained: Vec<usize>,
}

/// A part of the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// Name of the part.
    pub name: String,
    /// Rows in it.
    pub rows: usize,
    /// Value of every metric that is defined, by name.
    pub scores: BTreeMap<String, f64>,
    /// 95 % interval of the task's metric.
    pub interval: Option<Interval>,
}

/// A bar and what the model reached.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BarResult {
    /// The bar.
    #[serde(flatten)]
    pub bar: Bar,
    /// What the model has; absent when it has no row there.
    pub measured: Option<f64>,
    /// Whether that is enough.
    pub reached: bool,
}

impl RunResult {
    /// Reads a result file.
    pub fn read(path: &Path) -> Result<Self, EvalError> {
        let text = std::fs::read_to_string(path).map_err(EvalError::read(path))?;
        let result: Self = serde_json::from_str(&text)
            .map_err(|error| EvalError::Results(format!("{}: {error}", path.display())))?;
        if result.schema != RESULTS_SCHEMA {
            return Err(EvalError::Results(format!(
                "{}: results of schema {}, this tool reads schema {RESULTS_SCHEMA}",
                path.display(),
                result.schema
            )));
        }
        Ok(result)
    }

    /// Writes a result file, with its folder where that is missing.
    pub fn write(&self, path: &Path) -> Result<(), EvalError> {
        let text = serde_json::to_string(self)
            .map_err(|error| EvalError::Results(format!("{}: {error}", path.display())))?;
        write_file(path, &text)
    }

    /// The name of the run in file names: model, version and the start of its hash.
    pub fn file_stem(&self) -> String {
        let stem = self.model.as_ref().map_or_else(
            || "baselines".to_owned(),
            |model| {
                let hash: String = model.sha256.chars().take(8).collect();
                format!("{}-{}-{hash}", model.name, model.version)
            },
        );
        let safe = |c: char| {
            if c.is_alphanumeric() || "-._".contains(c) {
                c
            } else {
                '_'
            }
        };
        format!("{}-{}", self.suite, stem)
            .chars()
            .map(safe)
            .collect()
    }
}

/// Writes a text file, with its folder where that is missing.
pub(crate) fn write_file(path: &Path, text: &str) -> Result<(), EvalError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(EvalError::write(folder))?;
    }
    std::fs::write(path, text).map_err(EvalError::write(path))
}

impl TaskResult {
    /// The model's result, when it ran.
    pub fn model(&self) -> Option<&SystemResult> {
        self.systems
            .iter()
            .find(|system| system.system == SystemResult::MODEL)
    }

    /// Rows of each document.
    pub fn document_groups(&self) -> Vec<Vec<usize>> {
        let mut groups = vec![Vec::new(); self.documents];
        for (index, row) in self.rows.iter().enumerate() {
            groups[row.document].push(index);
        }
        groups
    }
}

impl SystemResult {
    /// Name of the model among the systems.
    pub const MODEL: &'static str = "model";

    /// A result that only has scores yet.
    pub(super) fn named(system: &str, seconds: f64) -> Self {
        Self {
            system: system.to_owned(),
            scores: BTreeMap::new(),
            interval: None,
            model_minus_this: None,
            confusion: None,
            per_class: Vec::new(),
            reliability: Vec::new(),
            risk_coverage: Vec::new(),
            slices: BTreeMap::new(),
            seconds,
            errors: 0,
            first_error: None,
            probabilities: Vec::new(),
            abstained: Vec::new(),
        }
    }

    /// The answers as they were scored; `None` when they are not stored or do not fit `rows`.
    pub fn stored_scores(&self, classes: usize, rows: &[RowRecord]) -> Option<Scores> {
        if self.probabilities.len() != rows.len() {
            return None;
        }
        let mut abstained = vec![false; rows.len()];
        for &row in &self.abstained {
            *abstained.get_mut(row)? = true;
        }
        let mut scores = Scores::new(classes);
        for ((row, probabilities), abstained) in rows.iter().zip(&self.probabilities).zip(abstained)
        {
            if row.gold >= classes || probabilities.len() != classes {
                return None;
            }
            scores.push(row.gold, probabilities, abstained);
        }
        Some(scores)
    }
}

/// Five digits: enough for every metric, and files stay small.
pub(super) fn rounded(probability: f64) -> f64 {
    (probability * 1e5).round() / 1e5
}
