//! What happened to the rows of each set.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Rows of one set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SetReport {
    /// Rows read.
    pub read: usize,
    /// Left out: no label in the taxonomy.
    pub unmapped: usize,
    /// Left out: nothing remained after cleaning.
    pub empty: usize,
    /// Left out: the text also stands in a validation or test split of some set.
    pub leaked: usize,
    /// Left out: the same text and target again, with the same label.
    pub repeated: usize,
    /// Left out: the same text and target with another label.
    pub contradictory: usize,
    /// Left out: the target is held out of training.
    pub unseen_targets: usize,
    /// Rows that train.
    pub train: usize,
    /// Rows that choose checkpoints and thresholds.
    pub validation: usize,
    /// Rows that measure.
    pub test: usize,
}

/// What happened, by set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// SHA-256 over the names and hashes of the input files.
    pub data_hash: String,
    /// Stance sets.
    pub stance: BTreeMap<String, SetReport>,
    /// Topic sets.
    pub topic: BTreeMap<String, SetReport>,
    /// Rows that could not be read, by file.
    pub bad_rows: BTreeMap<String, usize>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<22} {:>7} {:>8} {:>6} {:>6} {:>8} {:>8} {:>6} {:>7} {:>6} {:>6}",
            "rows",
            "read",
            "unmapped",
            "empty",
            "leaked",
            "repeated",
            "contrad.",
            "unseen",
            "train",
            "valid.",
            "test"
        )?;
        for (kind, sets) in [("stance", &self.stance), ("topic", &self.topic)] {
            for (name, set) in sets {
                writeln!(
                    f,
                    "{:<22} {:>7} {:>8} {:>6} {:>6} {:>8} {:>8} {:>6} {:>7} {:>6} {:>6}",
                    format!("{kind}/{name}"),
                    set.read,
                    set.unmapped,
                    set.empty,
                    set.leaked,
                    set.repeated,
                    set.contradictory,
                    set.unseen_targets,
                    set.train,
                    set.validation,
                    set.test,
                )?;
            }
        }
        for (file, count) in &self.bad_rows {
            writeln!(f, "{file}: {count} rows could not be read")?;
        }
        write!(f, "data {}", self.data_hash)
    }
}
