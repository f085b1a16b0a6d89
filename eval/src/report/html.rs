//! One page of HTML: every table and plot, no server and nothing loaded from elsewhere.

use std::fmt::Write;

use super::charts::{self, BarRow, SERIES};
use super::svg::escape;
use super::table::bar_line;
use super::{columns, number};
use crate::run::{RunResult, Slice, SystemResult, TaskResult};

const STYLE: &str = include_str!("page.css");
/// Bars of a dimension that are shown; the JSON has the rest.
const SHOWN_BARS: usize = 30;
/// Dimensions of slices with their headings.
const DIMENSIONS: [(&str, &str); 5] = [
    ("language", "by language"),
    ("target", "by actor or target"),
    ("target_seen", "targets in the training rows or not"),
    ("mention", "targets that the text names or not"),
    ("length", "by length of the text, in characters"),
];

/// The report of a run.
pub fn html_report(run: &RunResult) -> String {
    let title = run.model.as_ref().map_or_else(
        || format!("Baselines on suite {}", run.suite),
        |model| format!("{} {} on suite {}", model.name, model.version, run.suite),
    );
    let title = escape(&title);
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><h1>{title}</h1>"
    );
    if let Some(model) = &run.model {
        let _ = write!(
            page,
            "<p class=\"quiet\">model sha256 {}</p>",
            escape(&model.sha256)
        );
    }
    let _ = write!(
        page,
        "<p class=\"quiet\">stance-eval {}, {:.0} s. Intervals are 95 %, whole documents \
         resampled; cells below {} rows are hidden.</p>",
        escape(&run.tool_version),
        run.seconds,
        run.min_cell
    );
    page.push_str(&summary(run));
    for task in &run.tasks {
        page.push_str(&task_section(task));
    }
    page.push_str("</body></html>\n");
    page
}

fn summary(run: &RunResult) -> String {
    let mut rows = String::new();
    for task in &run.tasks {
        let score = |system: &SystemResult| system.scores.get(task.metric.as_str()).copied();
        let baseline = |name: &str| {
            number(
                task.systems
                    .iter()
                    .find(|system| system.system == name)
                    .and_then(score),
            )
        };
        let best = task
            .published
            .iter()
            .map(|published| published.value)
            .max_by(f64::total_cmp);
        let bars: Vec<String> = task
            .bars
            .iter()
            .map(|bar| {
                let class = if bar.reached { "good" } else { "bad" };
                let sign = if bar.bar.metric.higher_is_better() {
                    '≥'
                } else {
                    '≤'
                };
                let language = bar.bar.language.as_deref().unwrap_or_default();
                format!(
                    "<span class=\"{class}\">{} {} {sign} {:.2}</span>",
                    escape(language),
                    bar.bar.metric.label(),
                    bar.bar.value
                )
            })
            .collect();
        let model = task.model();
        let interval = model
            .and_then(|model| model.interval)
            .map_or_else(String::new, |interval| {
                format!("{:.3} – {:.3}", interval.low, interval.high)
            });
        let _ = write!(
            rows,
            "<tr><td><a href=\"#{0}\">{0}</a></td><td>{1}</td><td><b>{2}</b></td><td>{interval}</td>\
             <td>{3}</td><td>{4}</td><td>{5}</td><td>{6}</td><td>{7}</td><td>{8}</td></tr>",
            escape(&task.task),
            task.metric.label(),
            number(model.and_then(score)),
            number(model.and_then(|model| model.scores.get("ece").copied())),
            baseline("target-blind"),
            baseline("TF-IDF + LR"),
            baseline("majority"),
            number(best),
            bars.join("<br>")
        );
    }
    format!(
        "<div class=\"wide\"><table><tr><th>task</th><th>metric</th><th>model</th><th>95 %</th>\
         <th>ECE</th><th>target-blind</th><th>TF-IDF + LR</th><th>majority</th>\
         <th>best published</th><th>bars</th></tr>{rows}</table></div>"
    )
}

fn task_section(task: &TaskResult) -> String {
    let name = escape(&task.task);
    let mut out = format!("<h2 id=\"{name}\">{name}</h2>");
    let languages: Vec<String> = task
        .languages
        .iter()
        .map(|(lang, rows)| format!("{lang} {rows}"))
        .collect();
    let _ = write!(
        out,
        "<p class=\"quiet\">{} rows in {} texts; {}. Data revision {}.</p>",
        task.rows.len(),
        task.documents,
        escape(&languages.join(", ")),
        &task.data_revision
    );
    let excluded: Vec<String> = task
        .excluded
        .iter()
        .map(|(reason, rows)| format!("{rows} rows, {reason}"))
        .collect();
    if !excluded.is_empty() {
        let _ = write!(
            out,
            "<p class=\"quiet\">Left out: {}.</p>",
            escape(&excluded.join("; "))
        );
    }
    if let Some(note) = &task.note {
        let _ = write!(out, "<p>{}</p>", escape(note));
    }
    out.push_str(&systems_table(task));
    out.push_str(&remarks(task));
    if let Some(first) = task.systems.first() {
        out.push_str(&classes_table(task, first));
        out.push_str(&plots(task, first));
        for (dimension, heading) in DIMENSIONS {
            if let Some(slices) = first.slices.get(dimension) {
                out.push_str(&slice_bars(task, heading, slices));
            }
        }
    }
    out
}

fn systems_table(task: &TaskResult) -> String {
    let columns = columns(task);
    let mut head = "<tr><th>system</th>".to_owned();
    for (index, metric) in columns.iter().enumerate() {
        let _ = write!(head, "<th>{}</th>", metric.label());
        if index == 0 {
            head.push_str("<th>95 %</th>");
        }
    }
    head.push_str("<th>model minus this</th><th>p</th><th>seconds</th></tr>");
    for system in &task.systems {
        let class = if system.system == SystemResult::MODEL {
            " class=\"model\""
        } else {
            ""
        };
        let _ = write!(head, "<tr{class}><td>{}</td>", escape(&system.system));
        for (index, metric) in columns.iter().enumerate() {
            let _ = write!(
                head,
                "<td>{}</td>",
                number(system.scores.get(metric.as_str()).copied())
            );
            if index == 0 {
                let interval = system.interval.map_or_else(String::new, |interval| {
                    format!("{:.3} – {:.3}", interval.low, interval.high)
                });
                let _ = write!(head, "<td>{interval}</td>");
            }
        }
        let (gap, p) = system
            .model_minus_this
            .map_or_else(Default::default, |gap| {
                (
                    format!("{:+.3}", gap.difference),
                    format!("{:.3}", gap.p_value),
                )
            });
        let _ = write!(
            head,
            "<td>{gap}</td><td>{p}</td><td>{:.1}</td></tr>",
            system.seconds
        );
    }
    format!("<div class=\"wide\"><table>{head}</table></div>")
}

fn remarks(task: &TaskResult) -> String {
    let mut out = String::new();
    for bar in &task.bars {
        let class = if bar.reached { "good" } else { "bad" };
        let _ = write!(out, "<li class=\"{class}\">{}</li>", escape(&bar_line(bar)));
    }
    for published in &task.published {
        let _ = write!(
            out,
            "<li>published: {} {:.3} {} ({})</li>",
            escape(&published.metric),
            published.value,
            escape(&published.system),
            escape(&published.source)
        );
    }
    for system in task.systems.iter().filter(|system| system.errors > 0) {
        let _ = write!(
            out,
            "<li class=\"bad\">{}: {} rows without an answer, the first: {}</li>",
            escape(&system.system),
            system.errors,
            escape(system.first_error.as_deref().unwrap_or_default())
        );
    }
    if out.is_empty() {
        out
    } else {
        format!("<ul>{out}</ul>")
    }
}

fn classes_table(task: &TaskResult, system: &SystemResult) -> String {
    if system.per_class.is_empty() {
        return String::new();
    }
    let mut rows = String::new();
    for (class, report) in task.classes.iter().zip(&system.per_class) {
        let _ = write!(
            rows,
            "<tr><td>{}</td><td>{:.3}</td><td>{:.3}</td><td>{:.3}</td><td>{}</td></tr>",
            escape(class),
            report.precision,
            report.recall,
            report.f1,
            report.support
        );
    }
    format!(
        "<h3>classes, {}</h3><div class=\"wide\"><table><tr><th>class</th><th>precision</th>\
         <th>recall</th><th>F1</th><th>rows</th></tr>{rows}</table></div>",
        escape(&system.system)
    )
}

fn plots(task: &TaskResult, system: &SystemResult) -> String {
    let mut figures = String::new();
    let mut figure = |caption: &str, svg: String| {
        let _ = write!(
            figures,
            "<figure><figcaption>{caption}</figcaption>{svg}</figure>"
        );
    };
    if let Some(confusion) = &system.confusion {
        figure(
            "confusion, gold down",
            charts::confusion(confusion, &task.classes),
        );
    }
    if !system.reliability.is_empty() {
        let ece = system.scores.get("ece").copied();
        figure("reliability", charts::reliability(&system.reliability, ece));
    }
    let curves: Vec<_> = task
        .systems
        .iter()
        .filter(|system| !system.risk_coverage.is_empty())
        .take(SERIES)
        .map(|system| (system.system.clone(), system.risk_coverage.as_slice()))
        .collect();
    if !curves.is_empty() {
        figure("risk by coverage", charts::risk_coverage(&curves));
    }
    format!(
        "<h3>plots, {}</h3><div class=\"plots\">{figures}</div>",
        escape(&system.system)
    )
}

fn slice_bars(task: &TaskResult, heading: &str, slices: &[Slice]) -> String {
    let rows: Vec<BarRow> = slices
        .iter()
        .filter_map(|slice| {
            Some(BarRow {
                label: slice.name.clone(),
                value: *slice.scores.get(task.metric.as_str())?,
                interval: slice.interval,
                rows: slice.rows,
            })
        })
        .take(SHOWN_BARS)
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let heading = format!("{}, {heading}", task.metric.label());
    format!(
        "<h3>{}</h3>{}",
        escape(&heading),
        charts::bars(&heading, &rows)
    )
}

#[cfg(test)]
#[path = "html_tests.rs"]
mod tests;
