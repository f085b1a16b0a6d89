//! What the furniture of web pages is called.
//!
//! Small lists, second to the shape of the text: they decide only about short blocks, and only
//! when a page has an article besides. Entries are folded before they are compared, and their
//! punctuation does not matter.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::text::fold::fold_str;

/// What a short block announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cue {
    /// A list of other articles, or of keywords: what follows is no part of this one.
    Box,
    /// Readers' comments, or the form to write one.
    Comments,
    /// A label or a button of a form, a share button, an entry of a menu.
    Control,
}

const BOX: &str = include_str!("cues/boxes.txt");

const COMMENTS: &str = include_str!("cues/comments.txt");

const CONTROL: &str = include_str!("cues/controls.txt");

/// Pairs of lines; of each, something must occur in a notice (`*`: anything).
const NOTICES: &str = include_str!("cues/notices.txt");

/// The lines of a list that are no comments.
fn lines(list: &'static str) -> impl Iterator<Item = &'static str> {
    list.lines().filter(|line| !line.starts_with('#'))
}

/// The entries of a list.
fn names(list: &'static str) -> impl Iterator<Item = &'static str> {
    lines(list).flat_map(|line| line.split('|')).map(str::trim)
}

/// The cue of a block whose whole text it is.
pub(super) fn whole(key: &str) -> Option<Cue> {
    table().get(key).copied()
}

/// The cue at the beginning of a block in front of a colon ("Read also: …").
pub(super) fn label(text: &str) -> Option<Cue> {
    let (label, rest) = text.split_once([':', '：', '|'])?;
    let cue = whole(&key(label))?;
    // "Comments:" and "Name:" may well begin a sentence when something follows.
    (cue == Cue::Box || rest.trim().is_empty()).then_some(cue)
}

/// Whether a block is a notice of the site: cookies, copyright, newsletter, JavaScript.
pub(super) fn is_notice(folded: &str) -> bool {
    notices().iter().any(|(one, other)| {
        one.iter().any(|cue| folded.contains(cue.as_str()))
            && other.iter().any(|cue| folded.contains(cue.as_str()))
    })
}

/// Letters of a block in folded form, words separated by one space; digits, which count
/// comments or shares, are left out.
pub(super) fn key(text: &str) -> String {
    let mut key = String::with_capacity(text.len());
    let mut open = false;
    for c in fold_str(text).chars() {
        let inside_word = matches!(c, '\'' | '-') || !c.is_ascii() && is_mark(c);
        if c.is_alphabetic() || (inside_word && open) {
            key.push(c);
            open = true;
        } else if open {
            key.push(' ');
            open = false;
        }
    }
    key.truncate(key.trim_end_matches([' ', '-', '\'']).len());
    key
}

/// Vowel signs of Indic scripts, which are part of a word although they are no letters.
fn is_mark(c: char) -> bool {
    unicode_normalization::char::is_combining_mark(c)
}

fn table() -> &'static HashMap<String, Cue> {
    static TABLE: OnceLock<HashMap<String, Cue>> = OnceLock::new();
    TABLE.get_or_init(|| {
        [
            (CONTROL, Cue::Control),
            (BOX, Cue::Box),
            (COMMENTS, Cue::Comments),
        ]
        .into_iter()
        .flat_map(|(list, cue)| names(list).map(move |name| (key(name), cue)))
        .collect()
    })
}

type Notice = (Vec<String>, Vec<String>);

fn notices() -> &'static [Notice] {
    static FOLDED: OnceLock<Vec<Notice>> = OnceLock::new();
    FOLDED.get_or_init(|| {
        let fold = |line: &str| -> Vec<String> {
            line.split('|')
                .map(|cue| fold_str(cue.trim().trim_matches('*')))
                .collect()
        };
        let rules: Vec<Vec<String>> = lines(NOTICES).map(fold).collect();
        rules
            .chunks_exact(2)
            .map(|pair| (pair[0].clone(), pair[1].clone()))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_and_counts_do_not_matter() {
        assert_eq!(whole(&key("Комментарии (12)")), Some(Cue::Comments));
        assert_eq!(whole(&key("الاكثر قراءه")), Some(Cue::Box));
        assert_eq!(whole(&key("* النص :")), Some(Cue::Control));
        assert_eq!(whole(&key("یہ بھی پڑھیں:")), Some(Cue::Box));
        assert_eq!(whole(&key("सबसे ज्यादा पढ़ी गई")), Some(Cue::Box));
        assert_eq!(whole(&key("The commentary")), None);
        assert_eq!(key("— 12 —"), "");
    }

    #[test]
    fn labels_in_front_of_a_colon() {
        assert_eq!(label("Читайте также: Москва и Анкара"), Some(Cue::Box));
        assert_eq!(label("Name: the word that nobody says"), None);
        assert_eq!(label("الاسم :"), Some(Cue::Control));
    }

    #[test]
    fn notices_need_both_halves() {
        let notice = |text: &str| is_notice(&fold_str(text));
        assert!(notice("We use cookies to improve your experience."));
        assert!(notice(
            "Wir verwenden Cookies. Mit der Nutzung stimmen Sie zu."
        ));
        assert!(notice("© 2024 Example Media"));
        assert!(!notice("She baked cookies for the delegates."));
        assert!(!notice("The copyright directive of 2019 was a mistake."));
        assert!(!notice("The newsletter of the ministry was late."));
    }
}
