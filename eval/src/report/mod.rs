//! Results for people: tables for the console and one page of HTML with plots.

mod charts;
mod html;
mod svg;
mod table;

pub use html::html_report;
pub use table::{summary_table, task_table};

use crate::metrics::Metric;
use crate::run::TaskResult;

/// Metrics shown for a task: its own first, then those that apply, none twice.
fn columns(task: &TaskResult) -> Vec<Metric> {
    let mut columns = vec![task.metric];
    for metric in Metric::ALL {
        let same = |other: &Metric| {
            *other == metric
                || (*other, metric) == (Metric::F1FavorAgainst, Metric::F1PositiveNegative)
                || (*other, metric) == (Metric::F1PositiveNegative, Metric::F1FavorAgainst)
        };
        let defined = task
            .systems
            .iter()
            .any(|system| system.scores.contains_key(metric.as_str()));
        if defined && !columns.iter().any(same) {
            columns.push(metric);
        }
    }
    columns
}

/// A share with three digits, a dash where there is none.
fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.3}"))
}
