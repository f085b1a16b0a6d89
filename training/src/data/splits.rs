//! Which rows train a model and which only measure it.
//!
//! Official splits stay as published. Where a set has none, rows are held out by a hash of
//! their text ([`bucket`]), so that anybody can repeat the split without a list of ids, and
//! every row of a sentence or an article falls on the same side. The evaluation
//! (`stance_eval::data::splits::held_out`) uses the same rule.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Buckets of 100 that are measured only.
pub const TEST_BUCKETS: u64 = 15;

/// Buckets of 100, after those of the test, that choose checkpoints and thresholds.
pub const VALIDATION_BUCKETS: u64 = 5;

/// What a row is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Trains the shipped weights.
    Train,
    /// Chooses checkpoints, temperatures and thresholds; never trains.
    Validation,
    /// Measures; nothing is chosen on it.
    Test,
}

impl Split {
    /// The name used in files.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// Text reduced to what makes two rows the same: web addresses and `@names` dropped,
/// lower-cased, letters and digits only (Unicode `Alphabetic` or `N*`), words joined by one
/// space.
pub fn normalise(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if word.contains("://") || word.starts_with("www.") || word.starts_with('@') {
            continue;
        }
        let mut open = false;
        for character in word.chars() {
            if character.is_alphanumeric() {
                if !open && !key.is_empty() {
                    key.push(' ');
                }
                open = true;
                key.extend(character.to_lowercase());
            } else {
                open = false;
            }
        }
    }
    key
}

/// One of 100 buckets for a text: the first eight bytes of the SHA-256 of the text without
/// white space at its ends, as a big-endian number, modulo 100. The text is taken as it
/// stands in the data, before any cleaning.
pub fn bucket(text: &str) -> u64 {
    let digest = Sha256::digest(text.trim().as_bytes());
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first) % 100
}

/// The split of a text in a set without official splits, by its [`bucket`].
pub fn by_text(text: &str) -> Split {
    let bucket = bucket(text);
    if bucket < TEST_BUCKETS {
        Split::Test
    } else if bucket < TEST_BUCKETS + VALIDATION_BUCKETS {
        Split::Validation
    } else {
        Split::Train
    }
}

/// The split of one stance row.
///
/// `file` is the stem of the file that the row stands in (`train`, `dev`, `test_mt`, `all`,
/// `dev_seen_sentences`, …), `text` the row's text as it stands there.
///
/// | set | test | validation |
/// |---|---|---|
/// | newsmtsc, pstance, ans | official | official |
/// | arabicstancex, rusentrel | official | of train, by text |
/// | exaasc | official, and of train by text | of train, by text |
/// | rusentne, fignews, senticoref, narrative_framing, persent, annotated passages and documents | by text, all files | by text |
/// | any other | by file name | by file name |
pub fn stance(dataset: &str, file: &str, text: &str) -> Split {
    match dataset {
        "rusentne"
        | "fignews"
        | "senticoref"
        | "narrative_framing"
        | "persent"
        | "annotated_passages"
        | "annotated_documents" => by_text(text),
        "exaasc" if file == "train" => by_text(text),
        // The test is official; only a validation part must be found.
        "arabicstancex" | "rusentrel" if file == "train" => match by_text(text) {
            Split::Validation => Split::Validation,
            Split::Train | Split::Test => Split::Train,
        },
        _ => by_file(file),
    }
}

/// The split of one topic row: by file name, except that the dev file of masakhanews, which
/// has no train file here, trains.
pub fn topic(dataset: &str, file: &str) -> Split {
    match (dataset, file) {
        ("masakhanews", "dev") => Split::Train,
        _ => by_file(file),
    }
}

/// The split that a file name states: `test…`, `dev…` or `val…`; anything else trains.
pub fn by_file(file: &str) -> Split {
    if file.starts_with("test") {
        Split::Test
    } else if file.starts_with("dev") || file.starts_with("val") {
        Split::Validation
    } else {
        Split::Train
    }
}

/// Whether a target is held out of training, to measure targets never seen: its normalised
/// name, put into a [`bucket`], is below `share` (between 0 and 1) of all. A name is thereby
/// held out of every set at once.
pub fn target_held_out(target: &str, share: f64) -> bool {
    (bucket(&normalise(target)) as f64) < share * 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalisation_ignores_links_case_and_punctuation() {
        let tweet = "@user  The KING’s speech!! https://t.co/x1 #Riyadh2030";
        assert_eq!(normalise(tweet), "the king s speech riyadh2030");
        assert_eq!(normalise("قال: «نعم»."), "قال نعم");
        assert_eq!(normalise("…"), "");
    }

    #[test]
    fn buckets_are_those_written_down_here() {
        // Computed with Python:
        // int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 100
        for (text, expected) in [("", 52), ("neutral", 6), ("موقف", 97), (" neutral\n", 6)] {
            assert_eq!(bucket(text), expected, "{text}");
        }
    }

    #[test]
    fn shares_come_out_as_asked() {
        let mut counts = [0_usize; 3];
        for number in 0..20_000 {
            counts[by_text(&format!("sentence {number}")) as usize] += 1;
        }
        assert!(
            (counts[2] as f64 / 20_000.0 - 0.15).abs() < 0.01,
            "{counts:?}"
        );
        assert!(
            (counts[1] as f64 / 20_000.0 - 0.05).abs() < 0.01,
            "{counts:?}"
        );
    }

    #[test]
    fn a_sentence_is_on_one_side_whatever_its_file() {
        for text in ["neutral", "Одно и то же.", "и ещё одно"] {
            assert_eq!(
                stance("rusentne", "train", text),
                stance("rusentne", "dev_seen_sentences", text)
            );
        }
        assert_eq!(stance("fignews", "all", "neutral"), Split::Test);
        assert_eq!(stance("exaasc", "train", "neutral"), Split::Test);
        assert_eq!(stance("arabicstancex", "train", "neutral"), Split::Train);
    }

    #[test]
    fn official_files_keep_their_role() {
        assert_eq!(stance("newsmtsc", "test_mt", "x"), Split::Test);
        assert_eq!(stance("newsmtsc", "dev_mt", "x"), Split::Validation);
        assert_eq!(stance("pstance", "train", "neutral"), Split::Train);
        assert_eq!(stance("rusentrel", "test", "x"), Split::Test);
        assert_eq!(topic("masakhanews", "dev"), Split::Train);
        assert_eq!(topic("masakhanews", "test"), Split::Test);
        assert_eq!(topic("ag_news_test", "test"), Split::Test);
        assert_eq!(topic("sib200", "dev"), Split::Validation);
    }

    #[test]
    fn targets_are_held_out_by_name_and_share() {
        assert!(!target_held_out("Rome", 0.0));
        assert!(target_held_out("Rome", 1.0));
        assert_eq!(target_held_out("ROME!", 0.5), target_held_out("rome", 0.5));
    }
}
