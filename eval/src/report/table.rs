//! Tables for the console, in the manner of scikit-learn's classification report.

use std::fmt::Write;

use super::{columns, number};
use crate::metrics::{ClassReport, Interval};
use crate::run::{BarResult, RunResult, SystemResult, TaskResult};

/// One task: classes of the first system, all systems, published results, bars.
pub fn task_table(task: &TaskResult) -> String {
    let mut out = String::new();
    let languages: Vec<String> = task
        .languages
        .iter()
        .take(6)
        .map(|(lang, rows)| format!("{lang} {rows}"))
        .collect();
    let more = if task.languages.len() > 6 {
        ", …"
    } else {
        ""
    };
    line(&mut out, &format!("── {} ──", task.task));
    line(
        &mut out,
        &format!(
            "{} rows in {} texts ({}{more}), {} to train baselines on",
            task.rows.len(),
            task.documents,
            languages.join(", "),
            task.train_rows
        ),
    );
    for (reason, rows) in &task.excluded {
        line(&mut out, &format!("left out: {rows} rows, {reason}"));
    }
    if let Some(note) = &task.note {
        line(&mut out, note);
    }
    if let Some(first) = task.systems.first() {
        if !first.per_class.is_empty() {
            line(&mut out, "");
            out.push_str(&classification_report(task, first));
        }
        line(&mut out, "");
        out.push_str(&systems_table(task));
        out.push_str(&languages_table(first));
    }
    for system in task.systems.iter().filter(|system| system.errors > 0) {
        let error = system.first_error.as_deref().unwrap_or_default();
        line(
            &mut out,
            &format!(
                "! {}: {} rows without an answer: {error}",
                system.system, system.errors
            ),
        );
    }
    for published in &task.published {
        line(
            &mut out,
            &format!(
                "published   {:.3}  {}, {} ({})",
                published.value, published.system, published.metric, published.source
            ),
        );
    }
    for bar in &task.bars {
        line(&mut out, &bar_line(bar));
    }
    out
}

/// One line per task with the model, the best baseline, the best published value and the bars.
pub fn summary_table(run: &RunResult) -> String {
    let mut out = String::new();
    let width = run
        .tasks
        .iter()
        .map(|task| task.task.len())
        .max()
        .unwrap_or(4)
        .max(4);
    line(
        &mut out,
        &format!(
            "{:width$}  {:>10}  {:>5}  {:>15}  {:>5}  {:>22}  {:>9}  bars",
            "task", "metric", "model", "95 % interval", "ECE", "best baseline", "published"
        ),
    );
    for task in &run.tasks {
        let name = task.metric.as_str();
        let score = |system: &SystemResult| system.scores.get(name).copied();
        let model = task.model();
        let baseline = task
            .systems
            .iter()
            .filter(|system| system.system != SystemResult::MODEL)
            .filter_map(|system| Some((system.system.as_str(), score(system)?)))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let published = task
            .published
            .iter()
            .map(|published| published.value)
            .max_by(f64::total_cmp);
        let reached = task.bars.iter().filter(|bar| bar.reached).count();
        let bars = match task.bars.len() {
            0 => String::new(),
            all if reached == all => format!("{reached} of {all} reached"),
            all => format!("{reached} of {all} reached  ✗"),
        };
        let baseline = baseline.map_or_else(
            || "–".to_owned(),
            |(name, value)| format!("{name} {value:.3}"),
        );
        line(
            &mut out,
            &format!(
                "{:width$}  {:>10}  {:>5}  {:>15}  {:>5}  {baseline:>22}  {:>9}  {bars}",
                task.task,
                task.metric.label(),
                number(model.and_then(score)),
                interval(model.and_then(|model| model.interval)),
                number(model.and_then(|model| model.scores.get("ece").copied())),
                number(published),
            ),
        );
    }
    out
}

fn classification_report(task: &TaskResult, system: &SystemResult) -> String {
    let mut out = String::new();
    let width = task
        .classes
        .iter()
        .map(|class| class.chars().count())
        .max()
        .unwrap_or(0)
        .max(12);
    line(
        &mut out,
        &format!(
            "{:>width$}  {:>9}  {:>6}  {:>8}  {:>7}   ({})",
            "", "precision", "recall", "f1-score", "support", system.system
        ),
    );
    let mut row = |name: &str, report: &ClassReport| {
        line(
            &mut out,
            &format!(
                "{name:>width$}  {:>9.3}  {:>6.3}  {:>8.3}  {:>7}",
                report.precision, report.recall, report.f1, report.support
            ),
        );
    };
    for (class, report) in task.classes.iter().zip(&system.per_class) {
        row(class, report);
    }
    out
}

fn systems_table(task: &TaskResult) -> String {
    let mut out = String::new();
    let columns = columns(task);
    let mut head = format!("{:12}", "system");
    for (index, metric) in columns.iter().enumerate() {
        let _ = write!(head, "  {:>10}", metric.label());
        if index == 0 {
            let _ = write!(head, "  {:>15}", "95 % interval");
        }
    }
    line(
        &mut out,
        &format!("{head}  {:>13}  {:>7}", "model−this (p)", "seconds"),
    );
    for system in &task.systems {
        let mut row = format!("{:12}", system.system);
        for (index, metric) in columns.iter().enumerate() {
            let _ = write!(
                row,
                "  {:>10}",
                number(system.scores.get(metric.as_str()).copied())
            );
            if index == 0 {
                let _ = write!(row, "  {:>15}", interval(system.interval));
            }
        }
        let gap = system.model_minus_this.map_or_else(String::new, |gap| {
            format!("{:+.3} ({:.3})", gap.difference, gap.p_value)
        });
        line(
            &mut out,
            &format!("{row}  {gap:>14}  {:>7.1}", system.seconds),
        );
    }
    out
}

fn languages_table(system: &SystemResult) -> String {
    let mut out = String::new();
    if let Some(languages) = system.slices.get("language") {
        let list: Vec<String> = languages
            .iter()
            .map(|slice| {
                format!(
                    "{} {}",
                    slice.name,
                    number(slice.scores.get("accuracy").copied())
                )
            })
            .collect();
        for list in list.chunks(6) {
            line(
                &mut out,
                &format!("accuracy ({})  {}", system.system, list.join("  ")),
            );
        }
    }
    out
}

/// What a bar asks and what the model has.
pub(super) fn bar_line(bar: &BarResult) -> String {
    let sign = if bar.bar.metric.higher_is_better() {
        '≥'
    } else {
        '≤'
    };
    let language = bar
        .bar
        .language
        .as_ref()
        .map_or_else(String::new, |name| format!(" {name}"));
    let aim = bar
        .bar
        .aim
        .map_or_else(String::new, |aim| format!(", aim {aim:.2}"));
    let verdict = match (bar.measured, bar.reached) {
        (Some(measured), true) => format!("{measured:.3}, reached"),
        (Some(measured), false) => {
            format!(
                "{measured:.3}, missed by {:.3}",
                (measured - bar.bar.value).abs()
            )
        }
        (None, _) => "not measured".to_owned(),
    };
    format!(
        "bar         {}{language} {sign} {:.2}{aim}: {verdict}",
        bar.bar.metric.label(),
        bar.bar.value
    )
}

/// `[0.123, 0.456]`.
fn interval(interval: Option<Interval>) -> String {
    interval.map_or_else(String::new, |interval| {
        format!("[{:.3}, {:.3}]", interval.low, interval.high)
    })
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}
