//! Which rows train a model and which only measure it.
//!
//! Official splits stay as published. Where a set has none, rows are held out by a hash of
//! what must not leak (the sentence, the article), so that anybody can repeat the split
//! without a list of ids: `SHA-256("stance-split-v1" 0x00 dataset 0x00 key)`, its first eight
//! bytes read as a big-endian number and divided by 2^64. A value below the held-out share
//! is test, the next share is validation, the rest trains. `key` is [`normalise`]d text.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Prefix of every hash; a new rule gets a new one.
const RULE: &str = "stance-split-v1";

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

/// Where `key` falls in [0, 1) under the rule above. `key` is used as given.
pub fn position(dataset: &str, key: &str) -> f64 {
    let mut hasher = Sha256::new();
    for part in [RULE, dataset] {
        hasher.update(part.as_bytes());
        hasher.update([0]);
    }
    hasher.update(key.as_bytes());
    let digest = hasher.finalize();
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    // The upper 53 bits are exactly what an f64 holds, so no value rounds up to 1.
    (u64::from_be_bytes(first) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Splits `key` by its [`position`]: below `test` is test, below `test + validation` is
/// validation. Shares are between 0 and 1.
pub fn by_hash(dataset: &str, key: &str, test: f64, validation: f64) -> Split {
    let position = position(dataset, key);
    if position < test {
        Split::Test
    } else if position < test + validation {
        Split::Validation
    } else {
        Split::Train
    }
}

/// The split of one stance row.
///
/// `file` is the stem of the file that the row stands in (`train`, `dev`, `test_mt`, `all`,
/// `dev_seen_sentences`, …), `text` the row's text, `doc` the article's id when it has one.
///
/// | set | test | validation | key |
/// |---|---|---|---|
/// | newsmtsc, pstance, ans | official | official | – |
/// | exaasc | official | – | – |
/// | rusentrel | official | – | – |
/// | persent | – | – | the published dev file trains |
/// | arabicstancex | official | 8% of train | text |
/// | rusentne | 15% of all rows | 5% | sentence |
/// | fignews | 10% | 5% | text |
/// | senticoref, narrative_framing | 10% | 5% | `doc`, else text |
/// | any other | by file name | by file name | – |
pub fn stance(dataset: &str, file: &str, text: &str, doc: Option<&str>) -> Split {
    match dataset {
        "persent" => Split::Train,
        "rusentne" => by_hash(dataset, &normalise(text), 0.15, 0.05),
        "fignews" => by_hash(dataset, &normalise(text), 0.10, 0.05),
        "senticoref" | "narrative_framing" => {
            let key = doc.map_or_else(|| normalise(text), str::to_owned);
            by_hash(dataset, &key, 0.10, 0.05)
        }
        "arabicstancex" if file == "train" => by_hash(dataset, &normalise(text), 0.0, 0.08),
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

/// Whether a target is held out from training, to measure targets never seen: the same rule
/// with the data set name `target`, so that a name is held out of every set at once.
pub fn target_held_out(target: &str, share: f64) -> bool {
    share > 0.0 && position("target", &normalise(target)) < share
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
    fn positions_are_those_written_down_here() {
        // Computed once with Python's hashlib; a change of the rule must show.
        for (dataset, key, expected) in [
            ("rusentne", "привет", 0.841_286_028_348_388_5),
            ("fignews", "a b", 0.819_658_257_937_793_6),
        ] {
            assert!(
                (position(dataset, key) - expected).abs() < 1e-15,
                "{dataset} {key}"
            );
        }
    }

    #[test]
    fn shares_come_out_as_asked_and_split_is_stable() {
        let mut counts = [0_usize; 3];
        for number in 0..20_000 {
            let key = format!("sentence {number}");
            let split = by_hash("rusentne", &key, 0.15, 0.05);
            assert_eq!(split, by_hash("rusentne", &key, 0.15, 0.05));
            counts[split as usize] += 1;
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
    fn rows_of_one_article_stay_together() {
        for doc in ["12", "883", "9966"] {
            let first = stance("senticoref", "all", "one text", Some(doc));
            assert_eq!(first, stance("senticoref", "all", "another", Some(doc)));
        }
        let text = "Одно и то же.";
        assert_eq!(
            stance("rusentne", "train", text, None),
            stance("rusentne", "dev_seen_sentences", "одно и то же", None)
        );
    }

    #[test]
    fn official_files_keep_their_role() {
        assert_eq!(stance("newsmtsc", "test_mt", "x", None), Split::Test);
        assert_eq!(stance("newsmtsc", "dev_mt", "x", None), Split::Validation);
        assert_eq!(stance("pstance", "train", "x", None), Split::Train);
        assert_eq!(stance("persent", "dev", "x", None), Split::Train);
        assert_eq!(topic("masakhanews", "dev"), Split::Train);
        assert_eq!(topic("masakhanews", "test"), Split::Test);
        assert_eq!(topic("ag_news_test", "test"), Split::Test);
        assert_eq!(topic("sib200", "dev"), Split::Validation);
    }
}
