//! The sums as a page for people: a table of all actors, and charts of those that most documents
//! name. One file, without scripts, fonts or anything else from elsewhere.

use std::fmt::Write as _;

use super::chart::{Point, by_source, over_time};
use super::{Counts, Report, ReportRow, net};

/// Actors with charts.
const CHARTS: usize = 24;
/// Sources in a chart.
const SOURCES: usize = 30;

const HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
<title>Stance by actor</title>\n<style>\n\
:root{color-scheme:light dark}\n\
body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem}\n\
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}\n\
th,td{padding:.3rem .6rem;text-align:right;border-bottom:1px solid #8884}\n\
th:first-child,td:first-child{text-align:left}\n\
svg{width:100%;height:auto;font-size:12px;fill:currentColor}\n\
.grid{stroke:#8886}.line{fill:none;stroke:#2a7ab0;stroke-width:2}\n\
.band{fill:#2a7ab0;opacity:.18}.reach{stroke:#2a7ab0;stroke-width:2;opacity:.6}\n\
circle{fill:#2a7ab0}h2{margin-top:2.5rem}.note{color:#777}\n</style>\n";

/// Text that cannot become markup.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\'' => safe += "&#39;",
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// The whole page.
pub fn page(report: &Report) -> String {
    let actors = report.actors();
    let mut page = format!("{HEAD}<h1>Stance by actor</h1>\n");
    notes(&mut page, report);
    table(&mut page, &actors);
    if report.has_time || report.has_source {
        for actor in actors.iter().take(CHARTS) {
            charts(&mut page, report, actor);
        }
        if actors.len() > CHARTS {
            let _ = writeln!(
                page,
                "<p class=\"note\">Charts are drawn of the {CHARTS} actors that most documents \
                 name; the table above has all {}.</p>",
                actors.len()
            );
        }
    }
    page + "</html>\n"
}

fn notes(page: &mut String, report: &Report) {
    let _ = writeln!(
        page,
        "<p>{} documents. The net stance is the share of documents in favor of an actor less the \
         share against, among those that the model is sure of, with a 95 % interval for the choice \
         of documents; the model's own mistakes come on top.</p>",
        report.documents
    );
    for (count, what) in [
        (
            report.without_time,
            "have no time that could be read, and stand in no period",
        ),
        (report.without_source, "do not say their source"),
    ] {
        if count > 0 {
            let _ = writeln!(page, "<p class=\"note\">{count} of them {what}.</p>");
        }
    }
}

fn table(page: &mut String, actors: &[ReportRow]) {
    *page += "<table>\n<tr><th>actor<th>documents<th>favor<th>against<th>neutral<th>not sure\
              <th>net<th>95 % interval</tr>\n";
    for actor in actors {
        let Counts {
            favor,
            against,
            neutral,
            abstained,
        } = actor.counts;
        let (value, reach) = match actor.net() {
            Some(net) => (
                format!("{:+.2}", net.value),
                format!("{:+.2} to {:+.2}", net.low, net.high),
            ),
            None => (String::new(), String::new()),
        };
        let _ = writeln!(
            page,
            "<tr><td><bdi>{}</bdi><td>{}<td>{favor}<td>{against}<td>{neutral}<td>{abstained}\
             <td>{value}<td>{reach}</tr>",
            escaped(&actor.name),
            actor.counts.documents()
        );
    }
    *page += "</table>\n";
}

fn charts(page: &mut String, report: &Report, actor: &ReportRow) {
    let of_actor = |row: &ReportRow| row.key.actor == actor.key.actor;
    let point = |(name, counts): (String, Counts)| Point {
        name,
        net: net(counts.favor, counts.against, counts.judged()),
        documents: counts.documents(),
    };
    let _ = writeln!(page, "<h2><bdi>{}</bdi></h2>", escaped(&actor.name));
    if report.has_time {
        // Periods come in the order of their names, which is that of time.
        let sums = report.by(|row| of_actor(row).then(|| row.key.period.clone()).flatten());
        let points: Vec<Point> = sums
            .into_iter()
            .filter_map(|(period, counts)| Some(point((period?, counts))))
            .collect();
        if !points.is_empty() {
            *page += &over_time(&points);
        }
    }
    if report.has_source {
        let sums = report.by(|row| of_actor(row).then(|| row.key.source.clone()).flatten());
        let mut points: Vec<Point> = sums
            .into_iter()
            .filter_map(|(source, counts)| Some(point((source?, counts))))
            .collect();
        points.sort_by(|a, b| b.documents.cmp(&a.documents).then(a.name.cmp(&b.name)));
        let left_out = points.len().saturating_sub(SOURCES);
        points.truncate(SOURCES);
        if !points.is_empty() {
            *page += &by_source(&points);
        }
        if left_out > 0 {
            let _ = writeln!(
                page,
                "<p class=\"note\">{left_out} further sources with fewer documents are not drawn; \
                 --format csv has all.</p>"
            );
        }
    }
    page.push('\n');
}

#[cfg(test)]
mod tests {
    use super::super::Key;
    use super::*;

    #[test]
    fn names_cannot_become_markup() {
        let row = |period: &str, source: &str| ReportRow {
            key: Key {
                actor: "x".into(),
                period: Some(period.into()),
                source: Some(source.into()),
            },
            name: "<script>alert('x')</script>".into(),
            counts: Counts {
                favor: 3,
                against: 1,
                ..Counts::default()
            },
        };
        let report = Report {
            has_time: true,
            has_source: true,
            rows: vec![row("2024-01", "a\"<b>"), row("2024-03", "c")],
            documents: 8,
            ..Report::default()
        };
        let page = page(&report);
        assert!(!page.contains("<script") && !page.contains("<b>"), "{page}");
        assert!(!page.contains("http"), "nothing from elsewhere");
        assert_eq!(page.matches("<polyline").count(), 1);
        assert_eq!(page.matches("<circle").count(), 4);
        assert!(page.contains("+0.50"), "{page}");
    }
}
