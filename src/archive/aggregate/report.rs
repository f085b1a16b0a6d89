//! The sums, and how they are written as CSV.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::{Counts, Interval, Period, net, share};

/// What documents are counted together.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Id of the actor.
    pub actor: String,
    /// Period; `None` when times were not asked for, or cannot be read.
    pub period: Option<String>,
    /// Where the documents are from; `None` when that was not asked for, or is not said.
    pub source: Option<String>,
}

/// One sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// Of what.
    pub key: Key,
    /// Name of the actor.
    pub name: String,
    /// How many.
    pub counts: Counts,
}

/// All sums, by actor, period and source.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How long a period is.
    pub period: Period,
    /// Whether documents were put into periods.
    pub has_time: bool,
    /// Whether documents were told apart by source.
    pub has_source: bool,
    /// The sums.
    pub rows: Vec<ReportRow>,
    /// Documents, those without actors too.
    pub documents: u64,
    /// Documents without a time that could be read.
    pub without_time: u64,
    /// Documents that do not say where they are from.
    pub without_source: u64,
}

impl ReportRow {
    /// Favor less against.
    pub fn net(&self) -> Option<Interval> {
        net(self.counts.favor, self.counts.against, self.counts.judged())
    }
}

impl Report {
    /// The same sums by fewer things: `key` says what is left of each.
    pub fn by<K: Ord>(&self, key: impl Fn(&ReportRow) -> K) -> BTreeMap<K, Counts> {
        let mut sums: BTreeMap<K, Counts> = BTreeMap::new();
        for row in &self.rows {
            sums.entry(key(row)).or_default().merge(&row.counts);
        }
        sums
    }

    /// Actors with names and sums, those that most documents name first.
    pub fn actors(&self) -> Vec<ReportRow> {
        let mut all: Vec<ReportRow> = self
            .by(|row| (row.key.actor.clone(), row.name.clone()))
            .into_iter()
            .map(|((actor, name), counts)| ReportRow {
                key: Key {
                    actor,
                    ..Key::default()
                },
                name,
                counts,
            })
            .collect();
        all.sort_by_key(|row| std::cmp::Reverse(row.counts.documents()));
        all
    }

    /// Writes a line per sum.
    ///
    /// # Errors
    /// When `out` cannot be written.
    pub fn write_csv(&self, out: impl Write) -> io::Result<()> {
        let mut out = csv::Writer::from_writer(out);
        out.write_record([
            "actor_id",
            "actor_name",
            "period",
            "source",
            "documents",
            "judged",
            "favor",
            "against",
            "neutral",
            "abstained",
            "favor_share",
            "favor_low",
            "favor_high",
            "against_share",
            "against_low",
            "against_high",
            "net",
            "net_low",
            "net_high",
        ])?;
        for row in &self.rows {
            let counts = &row.counts;
            let judged = counts.judged();
            let mut cells = vec![
                row.key.actor.clone(),
                row.name.clone(),
                row.key.period.clone().unwrap_or_default(),
                row.key.source.clone().unwrap_or_default(),
            ];
            let numbers = [
                counts.documents(),
                judged,
                counts.favor,
                counts.against,
                counts.neutral,
                counts.abstained,
            ];
            cells.extend(numbers.map(|number| number.to_string()));
            for interval in [
                share(counts.favor, judged),
                share(counts.against, judged),
                row.net(),
            ] {
                cells.extend(match interval {
                    Some(Interval { value, low, high }) => {
                        [value, low, high].map(|number| format!("{number:.4}"))
                    }
                    // Of nothing there is no share.
                    None => [const { String::new() }; 3],
                });
            }
            out.write_record(cells)?;
        }
        out.flush()
    }
}
