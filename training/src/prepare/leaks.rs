//! Keeping what measures out of what trains.

use std::path::Path;

use rustc_hash::FxHashMap;

use crate::data::DataError;
use crate::data::corpus::RetrievalTest;
use crate::data::record::{self, StanceRecord, TargetKind};
use crate::data::splits::{Split, normalise};

/// Shorter normalised texts are the same by chance and say nothing.
const SHORTEST: usize = 12;

/// Every text of a validation or test split, normalised.
#[derive(Debug, Clone, Default)]
pub struct Leaks {
    held_out: FxHashMap<String, Split>,
}

impl Leaks {
    /// Notes a row of the data to be prepared; training rows are ignored.
    pub fn add(&mut self, split: Split, text: &str, target: Option<(TargetKind, &str)>) {
        if split != Split::Train {
            self.insert(key(text, target), split);
        }
    }

    /// Notes the sets that only measure: `stance/measure` (all but their training files) and
    /// both sides of the retrieval test.
    pub fn add_measured(&mut self, data: &Path) -> Result<(), DataError> {
        let folder = data.join("stance/measure");
        if folder.is_dir() {
            for path in record::files(&folder)? {
                if record::file_stem(&path).starts_with("train") {
                    continue;
                }
                for row in record::read::<StanceRecord>(&path)? {
                    match row {
                        Ok((_, row)) => self.insert(normalise(&row.text), Split::Test),
                        // A row that cannot be read measures nothing.
                        Err(DataError::Row { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        for sentence in RetrievalTest::load(data)?.sentences() {
            self.insert(sentence.to_owned(), Split::Test);
        }
        Ok(())
    }

    /// Whether a row of `split` repeats a held-out text: a training row one of validation or
    /// test, a validation row one of test.
    pub fn leaks(&self, split: Split, text: &str, target: Option<(TargetKind, &str)>) -> bool {
        let found = self.held_out.get(&key(text, target));
        match split {
            Split::Train => found.is_some(),
            Split::Validation => found == Some(&Split::Test),
            Split::Test => false,
        }
    }

    fn insert(&mut self, key: String, split: Split) {
        if key.len() >= SHORTEST {
            let known = self.held_out.entry(key).or_insert(split);
            *known = (*known).max(split);
        }
    }
}

/// What makes two rows the same. Of headline pairs it is the pair: a headline alone may
/// stand in many pairs with different labels, also across the published splits.
fn key(text: &str, target: Option<(TargetKind, &str)>) -> String {
    match target {
        Some((TargetKind::Headline, target)) => {
            format!("{} | {}", normalise(text), normalise(target))
        }
        _ => normalise(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_text_leaks_whatever_its_punctuation() {
        let mut leaks = Leaks::default();
        leaks.add(Split::Test, "The King spoke on Monday.", None);
        leaks.add(Split::Validation, "Nobody answered the King.", None);
        leaks.add(Split::Train, "A sentence that trains.", None);
        let leaks_in = |split, text| leaks.leaks(split, text, None);
        assert!(leaks_in(
            Split::Train,
            "the king SPOKE, on Monday! https://t.co/1"
        ));
        assert!(leaks_in(Split::Validation, "The King spoke on Monday"));
        assert!(leaks_in(Split::Train, "Nobody answered the King"));
        assert!(!leaks_in(Split::Validation, "Nobody answered the King"));
        assert!(!leaks_in(Split::Train, "A sentence that trains."));
        assert!(!leaks_in(Split::Test, "The King spoke on Monday."));
    }

    #[test]
    fn headlines_are_pairs() {
        let mut leaks = Leaks::default();
        let pair = |target| Some((TargetKind::Headline, target));
        leaks.add(Split::Test, "Oil falls again", pair("Oil price drops"));
        assert!(leaks.leaks(Split::Train, "Oil falls again!", pair("Oil price drops")));
        assert!(!leaks.leaks(Split::Train, "Oil falls again", pair("Gold rises")));
    }
}
