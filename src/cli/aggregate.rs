//! `stance aggregate`: sums of scored archives.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use crate::archive::ArchiveError;
use crate::archive::aggregate::{AggregateOptions, Report, ReportRow, aggregate, page};

use super::archive_args::{AggregateArgs, ReportFormat};
use super::exit::{Exit, Failure};
use super::table::{Align, Table, one_line};

/// The widest name of an actor or a source.
const MAX_NAME: usize = 32;

/// Runs the command.
pub(super) fn run(args: &AggregateArgs) -> Result<Exit, Failure> {
    let report = aggregate(&AggregateOptions {
        inputs: args.inputs.clone(),
        input_format: args.input_format.format(),
        time_column: args.time_column.clone(),
        period: args.by,
        source_column: args.source_column.clone(),
        actors: args.only.clone(),
        min_documents: args.min_documents,
    })?;
    let mut text = Vec::new();
    match args.format {
        ReportFormat::Table => text.extend(table(&report).into_bytes()),
        ReportFormat::Csv => report.write_csv(&mut text)?,
        ReportFormat::Html => text.extend(page(&report).into_bytes()),
    }
    if args.output == "-" {
        let mut out = BufWriter::new(io::stdout().lock());
        out.write_all(&text)?;
        out.flush()?;
    } else {
        let path = Path::new(&args.output);
        fs::write(path, text).map_err(|source| ArchiveError::Output {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(Exit::Success)
}

/// For people, with a column for what tells the sums of an actor apart.
fn table(report: &Report) -> String {
    let apart = match (report.has_time, report.has_source) {
        (true, true) => "period, source",
        (true, false) => "period",
        (false, true) => "source",
        (false, false) => "",
    };
    let mut table = Table::new([
        ("actor", Align::Left),
        (apart, Align::Left),
        ("documents", Align::Right),
        ("favor", Align::Right),
        ("against", Align::Right),
        ("neutral", Align::Right),
        ("not sure", Align::Right),
        ("net", Align::Right),
        ("95 % interval", Align::Left),
    ]);
    for row in &report.rows {
        table.row(cells(row));
    }
    let mut text = table.render();
    let _ = write!(text, "{} documents", report.documents);
    if report.without_time > 0 {
        let count = report.without_time;
        let _ = write!(text, ", {count} without a time that could be read");
    }
    if report.without_source > 0 {
        let _ = write!(text, ", {} without a source", report.without_source);
    }
    text + "\n"
}

fn cells(row: &ReportRow) -> [String; 9] {
    let counts = &row.counts;
    let apart: Vec<&str> = [&row.key.period, &row.key.source]
        .into_iter()
        .filter_map(Option::as_deref)
        .collect();
    let (net, reach) = match row.net() {
        Some(net) => (
            format!("{:+.2}", net.value),
            format!("{:+.2} to {:+.2}", net.low, net.high),
        ),
        None => (String::new(), String::new()),
    };
    [
        one_line(&row.name, MAX_NAME),
        one_line(&apart.join(", "), MAX_NAME),
        counts.documents().to_string(),
        counts.favor.to_string(),
        counts.against.to_string(),
        counts.neutral.to_string(),
        counts.abstained.to_string(),
        net,
        reach,
    ]
}
