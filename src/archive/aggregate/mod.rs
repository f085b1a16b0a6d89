//! Sums over scored archives: the stance toward each actor over time and by source, with counts
//! and intervals.
//!
//! `read` takes actor, stance, time and source out of scored Parquet or JSONL, `period` puts a
//! time into its period, `interval` says how sure a share is, `report` holds the sums and writes
//! them as CSV, `html` as a page with charts (`chart`). In memory are the sums, never the rows.

mod chart;
mod html;
mod interval;
mod period;
mod read;
mod report;

use std::collections::BTreeMap;

use super::ArchiveError;
use super::source::{InputFormat, sources};
use crate::prediction::Stance;

pub use html::page;
pub use interval::{Interval, net, share};
pub use period::Period;
pub use report::{Key, Report, ReportRow};

/// What is summed up, and how.
#[derive(Debug, Clone, Default)]
pub struct AggregateOptions {
    /// Scored Parquet or JSONL: paths, folders, globs, addresses.
    pub inputs: Vec<String>,
    /// How they are read; by their names when absent.
    pub input_format: Option<InputFormat>,
    /// Column of the input that says when a document was written.
    pub time_column: Option<String>,
    /// How long a period is.
    pub period: Period,
    /// Column of the input that says where a document is from.
    pub source_column: Option<String>,
    /// Only these actors; all when empty.
    pub actors: Vec<String>,
    /// Leave out actors that fewer documents name.
    pub min_documents: u64,
}

/// How many documents take which stance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// For the actor.
    pub favor: u64,
    /// Against it.
    pub against: u64,
    /// Neither.
    pub neutral: u64,
    /// The model was not sure; these count in no share.
    pub abstained: u64,
}

impl Counts {
    /// Counts a document.
    pub const fn add(&mut self, stance: Stance, abstained: bool) {
        match (abstained, stance) {
            (true, _) => self.abstained += 1,
            (false, Stance::Favor) => self.favor += 1,
            (false, Stance::Against) => self.against += 1,
            (false, Stance::Neutral) => self.neutral += 1,
        }
    }

    /// Counts the documents of others too.
    pub const fn merge(&mut self, other: &Self) {
        self.favor += other.favor;
        self.against += other.against;
        self.neutral += other.neutral;
        self.abstained += other.abstained;
    }

    /// Documents with a stance that the model is sure of.
    pub const fn judged(&self) -> u64 {
        self.favor + self.against + self.neutral
    }

    /// All documents.
    pub const fn documents(&self) -> u64 {
        self.judged() + self.abstained
    }
}

/// Sums up scored archives.
///
/// # Errors
/// An input that is not there, cannot be read, or was not written by `stance score`.
pub fn aggregate(options: &AggregateOptions) -> Result<Report, ArchiveError> {
    let mut sums: BTreeMap<Key, Counts> = BTreeMap::new();
    let mut names: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
    let mut report = Report {
        period: options.period,
        has_time: options.time_column.is_some(),
        has_source: options.source_column.is_some(),
        ..Report::default()
    };
    for source in sources(&options.inputs, options.input_format)? {
        read::read(&source, options, &mut |document| {
            report.documents += 1;
            let period = document
                .time
                .as_ref()
                .and_then(|time| options.period.of(time));
            report.without_time += u64::from(report.has_time && period.is_none());
            report.without_source += u64::from(report.has_source && document.source.is_none());
            for said in &document.stances {
                if !options.actors.is_empty() && !options.actors.contains(&said.actor) {
                    continue;
                }
                let key = Key {
                    actor: said.actor.clone(),
                    period: period.clone(),
                    source: document.source.clone(),
                };
                sums.entry(key)
                    .or_default()
                    .add(said.stance, said.abstained);
                let known = names.entry(said.actor.clone()).or_default();
                *known.entry(said.name.clone()).or_default() += 1;
            }
        })?;
    }
    let mut totals: BTreeMap<&str, u64> = BTreeMap::new();
    for (key, counts) in &sums {
        *totals.entry(&key.actor).or_default() += counts.documents();
    }
    report.rows = sums
        .iter()
        .filter(|(key, _)| totals[key.actor.as_str()] >= options.min_documents)
        .map(|(key, counts)| ReportRow {
            // The name that most documents give, of equals the first.
            name: names[&key.actor]
                .iter()
                .max_by_key(|(name, count)| (**count, std::cmp::Reverse(*name)))
                .map(|(name, _)| name.clone())
                .unwrap_or_default(),
            key: key.clone(),
            counts: *counts,
        })
        .collect();
    Ok(report)
}
