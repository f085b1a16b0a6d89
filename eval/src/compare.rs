//! Two runs side by side, with tests on the rows that both answered.

use std::collections::HashMap;
use std::fmt::Write;

use crate::error::EvalError;
use crate::metrics::{
    LogLikelihoodChange, McNemar, PairedDifference, Resampling, Scores, log_likelihood_change,
    mcnemar, paired_bootstrap,
};
use crate::run::{RunResult, TaskResult};

/// What differs between two runs on one task.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskComparison {
    /// Name of the task.
    pub task: String,
    /// Rows that both answered.
    pub rows: usize,
    /// Values of the task's metric on them, first and second run.
    pub values: [f64; 2],
    /// Second minus first, paired bootstrap over documents.
    pub difference: PairedDifference,
    /// `McNemar`'s test on the same rows.
    pub mcnemar: McNemar,
    /// What becomes of the right class's probability on the same rows.
    pub log_likelihood: LogLikelihoodChange,
}

/// Compares the models of two runs on every task that both have with the same data. The
/// second list names tasks that cannot be compared, with the reason.
pub fn compare(
    first: &RunResult,
    second: &RunResult,
    resampling: Resampling,
) -> Result<(Vec<TaskComparison>, Vec<String>), EvalError> {
    let mut compared = Vec::new();
    let mut skipped = Vec::new();
    for one in &first.tasks {
        let Some(other) = second.tasks.iter().find(|task| task.task == one.task) else {
            skipped.push(format!("{}: only in the first run", one.task));
            continue;
        };
        match compare_task(one, other, resampling) {
            Ok(comparison) => compared.push(comparison),
            Err(reason) => skipped.push(format!("{}: {reason}", one.task)),
        }
    }
    if compared.is_empty() {
        return Err(EvalError::Results(format!(
            "nothing to compare ({})",
            skipped.join("; ")
        )));
    }
    Ok((compared, skipped))
}

fn compare_task(
    first: &TaskResult,
    second: &TaskResult,
    resampling: Resampling,
) -> Result<TaskComparison, String> {
    if first.data_revision != second.data_revision {
        return Err("the data differ".to_owned());
    }
    if first.classes != second.classes || first.metric != second.metric {
        return Err("the classes or the metric differ".to_owned());
    }
    let stored = |task: &TaskResult| {
        task.model()
            .and_then(|model| model.stored_scores(task.classes.len(), &task.rows))
    };
    let (Some(one), Some(other)) = (stored(first), stored(second)) else {
        return Err("a run has no stored answers of a model".to_owned());
    };
    // runs of different limits share some rows: pair them by id and gold label
    let place: HashMap<(&str, usize), usize> = second
        .rows
        .iter()
        .enumerate()
        .map(|(index, row)| ((row.id.as_str(), row.gold), index))
        .collect();
    let mut pairs = (Scores::new(one.classes()), Scores::new(one.classes()));
    let mut documents: HashMap<usize, Vec<usize>> = HashMap::new();
    for (index, row) in first.rows.iter().enumerate() {
        if let Some(&partner) = place.get(&(row.id.as_str(), row.gold)) {
            documents
                .entry(row.document)
                .or_default()
                .push(pairs.0.len());
            pairs
                .0
                .push(row.gold, one.probabilities(index), one.abstained(index));
            pairs.1.push(
                row.gold,
                other.probabilities(partner),
                other.abstained(partner),
            );
        }
    }
    let (one, other) = pairs;
    // a map has no order of its own, and replicates are drawn by position
    let mut documents: Vec<Vec<usize>> = documents.into_values().collect();
    documents.sort();
    let rows: Vec<usize> = (0..one.len()).collect();
    let difference = paired_bootstrap(&one, &other, first.metric, &documents, resampling);
    let (difference, log_likelihood) = difference
        .zip(log_likelihood_change(&one, &other))
        .ok_or_else(|| "no rows in common".to_owned())?;
    let value = |scores| first.metric.compute(scores, &rows).unwrap_or(f64::NAN);
    Ok(TaskComparison {
        task: first.task.clone(),
        rows: rows.len(),
        values: [value(&one), value(&other)],
        difference,
        mcnemar: mcnemar(
            rows.iter()
                .map(|&row| (one.correct(row), other.correct(row))),
        ),
        log_likelihood,
    })
}

/// The comparison as a table.
pub fn comparison_table(compared: &[TaskComparison], skipped: &[String]) -> String {
    let width = compared
        .iter()
        .map(|row| row.task.len())
        .max()
        .unwrap_or(4)
        .max(4);
    let mut out = format!(
        "{:width$}  {:>6}  {:>6}  {:>6}  {:>7}  {:>17}  {:>6}  {:>13}  {:>6}  {:>15}\n",
        "task",
        "rows",
        "first",
        "second",
        "change",
        "95 % interval",
        "p",
        "only one right",
        "p",
        "ln p of right"
    );
    for row in compared {
        let interval = row.difference.interval;
        // writing to a string cannot fail
        let _ = writeln!(
            out,
            "{:width$}  {:>6}  {:>6.3}  {:>6.3}  {:>+7.3}  {:>17}  {:>6.3}  {:>14}  {:>6.3}  {:>15}",
            row.task,
            row.rows,
            row.values[0],
            row.values[1],
            row.difference.difference,
            format!("[{:+.3}, {:+.3}]", interval.low, interval.high),
            row.difference.p_value,
            format!("{} : {}", row.mcnemar.only_first, row.mcnemar.only_second),
            row.mcnemar.p_value,
            format!(
                "{:+.4} ± {:.3}",
                row.log_likelihood.mean, row.log_likelihood.deviation
            )
        );
    }
    out.push_str(
        "p: paired bootstrap over documents, then McNemar's exact test over rows; ln p of right: change of the \
         logarithm of the right class's probability, mean and standard deviation over rows\n",
    );
    for reason in skipped {
        let _ = writeln!(out, "not compared: {reason}");
    }
    out
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
