//! Topic rows: labels mapped to the IPTC Media Topics, freed of leaks and repetitions.

use std::collections::BTreeMap;
use std::path::Path;

use rustc_hash::FxHashMap;

use super::clean::clean;
use super::leaks::Leaks;
use super::report::Report;
use crate::data::examples::TopicExample;
use crate::data::record::{TopicRecord, iso_language};
use crate::data::splits::{Split, normalise};
use crate::data::{DataError, lines};

/// Each set's labels and the top-level concepts they mean; `None` where there is no honest
/// counterpart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelMap {
    sets: BTreeMap<String, BTreeMap<String, Option<String>>>,
}

impl LabelMap {
    /// Reads `label_map_to_iptc.json`: set → label → code or null.
    pub fn load(path: &Path) -> Result<Self, DataError> {
        let text = lines::read_to_string(path)?;
        let sets = serde_json::from_str(&text)
            .map_err(|error| DataError::file(path, error.to_string()))?;
        Ok(Self { sets })
    }

    /// The concept that `label` of `dataset` means. A set that the map does not know may use
    /// the codes themselves.
    pub fn concept(&self, dataset: &str, label: &str) -> Option<String> {
        match self.sets.get(dataset) {
            Some(labels) => labels.get(label).cloned().flatten(),
            None => label.starts_with("medtop:").then(|| label.to_owned()),
        }
    }
}

/// Examples by what they are for.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    train: Vec<TopicExample>,
    validation: Vec<TopicExample>,
    test: Vec<TopicExample>,
}

impl Prepared {
    /// The examples of a split.
    pub fn of(&self, split: Split) -> &[TopicExample] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

/// Prepares rows with their splits.
pub fn prepare(
    rows: Vec<(Split, TopicRecord)>,
    leaks: &Leaks,
    map: &LabelMap,
    report: &mut Report,
) -> Prepared {
    let mut prepared = Prepared::default();
    let mut seen: FxHashMap<(Split, String), usize> = FxHashMap::default();
    for (split, row) in rows {
        let set = report.topic.entry(row.dataset.clone()).or_default();
        set.read += 1;
        let Some(topic) = map.concept(&row.dataset, &row.topic) else {
            set.unmapped += 1;
            continue;
        };
        let text = clean(&row.text, &[]).text;
        let key = normalise(&text);
        if key.is_empty() {
            set.empty += 1;
            continue;
        }
        if leaks.leaks(split, &row.text, None) {
            set.leaked += 1;
            continue;
        }
        let bin = match split {
            Split::Train => &mut prepared.train,
            Split::Validation => &mut prepared.validation,
            Split::Test => &mut prepared.test,
        };
        if split != Split::Test {
            if let Some(&first) = seen.get(&(split, key.clone())) {
                let same = bin
                    .get(first)
                    .is_some_and(|example: &TopicExample| example.topic == topic);
                if same {
                    set.repeated += 1;
                } else {
                    set.contradictory += 1;
                }
                continue;
            }
            seen.insert((split, key), bin.len());
        }
        match split {
            Split::Train => set.train += 1,
            Split::Validation => set.validation += 1,
            Split::Test => set.test += 1,
        }
        bin.push(TopicExample {
            id: row.id,
            dataset: row.dataset,
            lang: iso_language(&row.lang),
            text,
            topic,
            raw_topic: row.topic,
        });
    }
    prepared
}
