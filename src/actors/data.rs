//! The files of `models/actors/`, embedded.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::OnceLock;

use super::canon::canon_str;
use super::error::ActorError;
use super::source::Territories;

/// The registry files, in the order in which they are read.
pub(super) const FILES: &[(&str, &str)] = &[
    (
        "states.toml",
        include_str!("../../models/actors/states.toml"),
    ),
    (
        "people.toml",
        include_str!("../../models/actors/people.toml"),
    ),
    (
        "parties.toml",
        include_str!("../../models/actors/parties.toml"),
    ),
    (
        "armed_groups.toml",
        include_str!("../../models/actors/armed_groups.toml"),
    ),
    (
        "organisations.toml",
        include_str!("../../models/actors/organisations.toml"),
    ),
    ("blocs.toml", include_str!("../../models/actors/blocs.toml")),
];

const CLDR: &str = include_str!("../../models/actors/cldr/territories.json");
const NOT_ACTORS: &str = include_str!("../../models/actors/not_actors.toml");
const TITLES: &str = include_str!("../../models/actors/titles.toml");

/// Words per language, as `not_actors.toml` and `titles.toml` have them.
type Words = BTreeMap<String, Vec<String>>;

/// The CLDR names of states and their capitals.
pub(super) fn territories() -> Result<Territories, ActorError> {
    serde_json::from_str(CLDR).map_err(|error| ActorError::InvalidFile {
        path: PathBuf::from("cldr/territories.json"),
        line: Some(error.line()),
        message: error.to_string(),
    })
}

/// Phrases that contain a name and mean something else, with their language.
pub(super) fn not_actors() -> impl Iterator<Item = (&'static str, &'static str)> {
    static PHRASES: OnceLock<Words> = OnceLock::new();
    PHRASES
        .get_or_init(|| words(NOT_ACTORS))
        .iter()
        .flat_map(|(language, phrases)| {
            phrases
                .iter()
                .map(move |phrase| (language.as_str(), phrase.as_str()))
        })
}

/// Whether a comparable word is a title that persons carry, such as "president".
pub(super) fn is_title(word: &str) -> bool {
    static TABLE: OnceLock<(HashSet<String>, Vec<String>)> = OnceLock::new();
    let (whole, stems) = TABLE.get_or_init(|| {
        let (mut whole, mut stems) = (HashSet::new(), Vec::new());
        for title in words(TITLES).values().flatten() {
            match title.strip_suffix('*') {
                Some(stem) => stems.push(canon_str(stem)),
                None => {
                    whole.insert(canon_str(title));
                }
            }
        }
        (whole, stems)
    });
    let word = word.trim_end_matches(['.', '\'']);
    let bare = word.strip_prefix(['و', 'ف']).unwrap_or(word);
    let bare = ["بال", "كال", "ال", "لل"]
        .iter()
        .find_map(|article| bare.strip_prefix(article))
        .unwrap_or(bare);
    whole.contains(word)
        || whole.contains(bare)
        || stems.iter().any(|stem| word.starts_with(stem.as_str()))
}

/// The words of an embedded file.
#[allow(clippy::expect_used)] // the embedded files are checked by a test
fn words(text: &str) -> Words {
    toml::from_str(text).expect("embedded word list parses")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_with_clitics_and_endings() {
        for title in [
            "president",
            "الرييس",
            "والرييس",
            "للملك",
            "президента",
            "bakanı",
        ] {
            assert!(is_title(&canon_str(title)), "{title}");
        }
        assert!(!is_title("table") && !is_title("سوريا"));
    }

    #[test]
    fn word_lists_parse() {
        assert!(not_actors().count() > 20);
        assert!(territories().unwrap().territories.len() > 190);
    }
}
