//! Stance rows: cleaned, freed of leaks and repetitions, grouped by text.

use rustc_hash::{FxHashMap, FxHashSet};

use super::clean::clean;
use super::leaks::Leaks;
use super::report::Report;
use crate::data::examples::{StanceExample, StanceTarget};
use crate::data::record::{StanceRecord, iso_language};
use crate::data::splits::{self, Split, normalise};

/// Examples by what they are for.
#[derive(Debug, Clone, Default)]
pub struct Prepared {
    train: Vec<StanceExample>,
    validation: Vec<StanceExample>,
    test: Vec<StanceExample>,
    /// Training examples of targets held out of training.
    pub unseen: Vec<StanceExample>,
}

impl Prepared {
    /// The examples of a split.
    pub fn of(&self, split: Split) -> &[StanceExample] {
        match split {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

/// Where a group of rows goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Bin {
    Split(Split),
    Unseen,
}

/// Prepares rows with their splits; `unseen_targets` is the share of target names held out.
pub fn prepare(
    rows: Vec<(Split, StanceRecord)>,
    leaks: &Leaks,
    unseen_targets: f64,
    report: &mut Report,
) -> Prepared {
    let contradictory = contradictions(&rows);
    let mut seen: FxHashSet<(Bin, Key)> = FxHashSet::default();
    let mut groups: FxHashMap<(Bin, String, String, Option<String>), usize> = FxHashMap::default();
    let mut examples: Vec<(Bin, StanceExample)> = Vec::new();
    for (split, row) in rows {
        let set = report.stance.entry(row.dataset.clone()).or_default();
        set.read += 1;
        let cleaned = clean(&row.text, &row.spans);
        // A reply of nothing but @names teaches nothing; published test rows stay.
        let says_nothing = normalise(&cleaned.text).is_empty() && !has_symbol(&cleaned.text);
        if cleaned.text.is_empty() || (says_nothing && split != Split::Test) {
            set.empty += 1;
            continue;
        }
        if leaks.leaks(split, &row.text, Some((row.target_kind, &row.target))) {
            set.leaked += 1;
            continue;
        }
        let bin = if split == Split::Train && splits::target_held_out(&row.target, unseen_targets) {
            set.unseen_targets += 1;
            Bin::Unseen
        } else {
            Bin::Split(split)
        };
        // Official test rows stay as published, contradictions included.
        if split != Split::Test {
            let key = key(&row);
            if contradictory.contains(&(split, key.clone())) {
                set.contradictory += 1;
                continue;
            }
            if !seen.insert((bin, key)) {
                set.repeated += 1;
                continue;
            }
        }
        match bin {
            Bin::Split(Split::Train) => set.train += 1,
            Bin::Split(Split::Validation) => set.validation += 1,
            Bin::Split(Split::Test) => set.test += 1,
            Bin::Unseen => {}
        }
        let group = (
            bin,
            row.dataset.clone(),
            cleaned.text.clone(),
            row.context.clone(),
        );
        let place = *groups.entry(group).or_insert_with(|| {
            examples.push((
                bin,
                StanceExample {
                    id: row.id.clone(),
                    dataset: row.dataset.clone(),
                    lang: iso_language(&row.lang),
                    text: cleaned.text,
                    context: row.context.clone(),
                    doc: row.doc.clone(),
                    targets: Vec::new(),
                },
            ));
            examples.len() - 1
        });
        examples[place].1.targets.push(StanceTarget {
            id: row.id,
            alt: row.target_alt.filter(|alt| *alt != row.target),
            name: row.target,
            spans: cleaned.spans,
            stance: row.stance,
            kind: row.target_kind,
            taught: None,
            holder: row.holder,
            weight: row.agreement.unwrap_or(1.0).clamp(0.0, 1.0),
        });
    }
    let mut prepared = Prepared::default();
    for (bin, example) in examples {
        match bin {
            Bin::Split(Split::Train) => prepared.train.push(example),
            Bin::Split(Split::Validation) => prepared.validation.push(example),
            Bin::Split(Split::Test) => prepared.test.push(example),
            Bin::Unseen => prepared.unseen.push(example),
        }
    }
    prepared
}

/// Text, target, holder and the first span: two mentions of one name in a sentence may be
/// judged apart.
type Key = (String, String, String, Option<[usize; 2]>, String);

fn key(row: &StanceRecord) -> Key {
    (
        normalise(&row.text),
        normalise(&row.target),
        normalise(row.holder.as_deref().unwrap_or_default()),
        row.spans.first().copied(),
        normalise(row.context.as_deref().unwrap_or_default()),
    )
}

/// Keys that have rows with different labels in the same split.
fn contradictions(rows: &[(Split, StanceRecord)]) -> FxHashSet<(Split, Key)> {
    let mut labels = FxHashMap::default();
    let mut found = FxHashSet::default();
    for (split, row) in rows {
        let key = (*split, key(row));
        let label = *labels.entry(key.clone()).or_insert(row.stance);
        if label != row.stance {
            found.insert(key);
        }
    }
    found
}

/// Whether a text without letters still says something: an emoji does.
fn has_symbol(text: &str) -> bool {
    text.chars().any(|character| u32::from(character) > 0x2000)
}
