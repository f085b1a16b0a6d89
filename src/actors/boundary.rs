//! Where a name may begin and end inside a text.
//!
//! The automaton finds names anywhere; these rules, one pair per name, keep those that stand
//! as a word, allowing what the language writes onto a name: Arabic and Hebrew prefixes,
//! German genitive -s, Turkish case endings, adjective endings.

use std::ops::Range;

use super::actor::{ActorKind, Alias};
use super::inflect::is_latin;

/// What may stand in front of a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Left {
    /// No letter or digit.
    Word,
    /// Nothing or Arabic clitics; the article belongs to the name (`Required`, the pattern is
    /// the name without it), to none of its forms (`Forbidden`) or to some (`Optional`).
    Arabic(Article),
    /// Nothing or Hebrew prefixes; only the single ones ב ל מ ו in front of short names.
    Hebrew { short: bool },
    /// Hebrew ב ל כ that have swallowed the article of the name, which the pattern lacks.
    HebrewMerged,
    /// Anything: scripts without spaces.
    Free,
    /// No katakana.
    Katakana,
}

/// How a name takes the Arabic article.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Article {
    Required,
    Forbidden,
    Optional,
}

/// What may stand behind a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Right {
    /// No letter or digit.
    Word,
    /// Nothing or one of these endings.
    Endings(&'static [&'static str]),
    /// Up to four letters of any kind.
    Open,
    /// Anything: scripts without spaces, Korean particles.
    Free,
    /// No katakana.
    Katakana,
}

/// Endings of Arabic adjectives and demonyms, folded.
const ARABIC_ENDINGS: &[&str] = &["ه", "ون", "ين", "ان", "ات", "ا", "تين", "تان"];
/// German genitive.
const GENITIVE: &[&str] = &["s"];
/// Turkish case endings that texts write without the apostrophe, folded.
const TURKISH_ENDINGS: &[&str] = &[
    "nin", "nun", "nün", "in", "un", "ün", "ye", "ya", "yi", "yu", "yü", "de", "da", "te", "ta",
    "den", "dan", "ten", "tan", "yle", "yla", "deki", "daki", "teki", "taki",
];
/// Names shorter than this take no ending, which would make them other words.
const MIN_LETTERS_FOR_ENDING: usize = 4;
/// How many letters `*` stands for at the most.
const OPEN_LETTERS: usize = 4;
/// The longest chain of Arabic clitics: و ب ا ل.
const MAX_CHAIN: usize = 4;

/// A pattern for the automaton and the rules for what surrounds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) pattern: String,
    pub(super) left: Left,
    pub(super) right: Right,
}

/// The shapes of one comparable form of an alias.
pub(super) fn shapes(
    form: &str,
    alias: &Alias,
    language: &str,
    kind: Option<ActorKind>,
) -> Vec<Shape> {
    let (Some(first), Some(last)) = (form.chars().next(), form.chars().next_back()) else {
        return Vec::new();
    };
    let letters = form.chars().filter(|c| c.is_alphanumeric()).count();
    // German texts use the names of people as English ones do.
    let genitive =
        matches!(language, "de" | "und") || (language == "en" && kind == Some(ActorKind::Person));
    let right = match script(last) {
        Script::Unspaced | Script::Hangul => Right::Free,
        Script::Katakana => Right::Katakana,
        _ if alias.open => Right::Open,
        Script::Arabic if alias.weak && matches!(language, "ar" | "und") => {
            Right::Endings(ARABIC_ENDINGS)
        }
        Script::Latin if letters >= MIN_LETTERS_FOR_ENDING && genitive => Right::Endings(GENITIVE),
        Script::Latin if letters >= MIN_LETTERS_FOR_ENDING && language == "tr" => {
            Right::Endings(TURKISH_ENDINGS)
        }
        _ => Right::Word,
    };
    let shape = |pattern: &str, left| Shape {
        pattern: pattern.to_owned(),
        left,
        right,
    };
    match script(first) {
        Script::Unspaced => vec![shape(form, Left::Free)],
        Script::Katakana => vec![shape(form, Left::Katakana)],
        Script::Arabic if matches!(language, "ar" | "und") => match form.strip_prefix("ال") {
            _ if alias.weak => {
                vec![shape(form, Left::Arabic(Article::Optional))]
            }
            // الله and two-letter remainders are no article and name.
            Some(rest) if rest.chars().take_while(|c| c.is_alphabetic()).count() > 2 => {
                vec![shape(rest, Left::Arabic(Article::Required))]
            }
            _ => vec![shape(form, Left::Arabic(Article::Forbidden))],
        },
        Script::Hebrew => {
            let mut found = vec![shape(
                form,
                Left::Hebrew {
                    short: letters <= 3,
                },
            )];
            if let Some(rest) = form.strip_prefix('ה')
                && form.contains(' ')
            {
                found.push(shape(rest, Left::HebrewMerged));
            }
            found
        }
        _ => vec![shape(form, Left::Word)],
    }
}

/// Where the mention begins and ends when the pattern stands at `at` of the comparable text:
/// the Arabic article and endings belong to it, other clitics do not. `None` when it is only
/// a part of a longer word.
pub(super) fn verify(
    text: &str,
    at: Range<usize>,
    left: Left,
    right: Right,
) -> Option<Range<usize>> {
    let start = verify_left(text, at.clone(), left)?;
    let end = verify_right(text, at.end, right)?;
    Some(start..end)
}

fn verify_left(text: &str, at: Range<usize>, left: Left) -> Option<usize> {
    let before = &text[..at.start];
    let neighbour = before.chars().next_back();
    match left {
        Left::Free => Some(at.start),
        Left::Katakana => (!neighbour.is_some_and(is_katakana)).then_some(at.start),
        Left::Word => (!neighbour.is_some_and(is_word)).then_some(at.start),
        Left::Arabic(article) => {
            let run = letters_before(before, MAX_CHAIN)?;
            let inside = arabic_chain(run, article, &text[at.clone()])?;
            Some(at.start - inside)
        }
        Left::Hebrew { short } => {
            let run = letters_before(before, MAX_CHAIN)?;
            let fits = if short {
                matches!(run, "" | "ב" | "ל" | "מ" | "ו")
            } else {
                hebrew_chain(run)
            };
            fits.then_some(at.start)
        }
        Left::HebrewMerged => {
            let run = letters_before(before, MAX_CHAIN)?;
            let run = run.strip_prefix('ו').unwrap_or(run);
            matches!(run, "ב" | "ל" | "כ" | "שב" | "של").then_some(at.start)
        }
    }
}

fn verify_right(text: &str, end: usize, right: Right) -> Option<usize> {
    let behind = &text[end..];
    let run = || {
        let length = behind
            .char_indices()
            .find(|&(_, c)| !is_word(c))
            .map_or(behind.len(), |(at, _)| at);
        &behind[..length]
    };
    match right {
        Right::Free => Some(end),
        Right::Katakana => (!behind.chars().next().is_some_and(is_katakana)).then_some(end),
        // "US$" is money.
        Right::Word => (!behind.starts_with(|c| is_word(c) || c == '$')).then_some(end),
        Right::Endings(endings) => {
            let mut ending = behind.chars().take_while(|&c| is_word(c));
            if ending.next().is_none() {
                return Some(end);
            }
            let run = run();
            endings.contains(&run).then_some(end + run.len())
        }
        Right::Open => {
            let count = behind
                .chars()
                .take(OPEN_LETTERS + 1)
                .take_while(|&c| is_word(c))
                .count();
            if count > OPEN_LETTERS {
                return None;
            }
            let run = run();
            (!run.contains(|c: char| c.is_ascii_digit())).then_some(end + run.len())
        }
    }
}

/// The letters directly in front, or `None` if there are more than `most`.
fn letters_before(before: &str, most: usize) -> Option<&str> {
    let mut start = before.len();
    for (count, (at, c)) in before.char_indices().rev().enumerate() {
        if !is_word(c) || c.is_ascii_digit() {
            break;
        }
        if count == most {
            return None;
        }
        start = at;
    }
    Some(&before[start..])
}

/// How many bytes of the clitics belong to the mention (the article), if they are clitics.
///
/// The chain is a conjunction (و ف), a preposition (ب ل ك) and the article, each or none;
/// ل and the article make لل, in which no alef is left, and in front of a name that itself
/// begins with lam the article vanishes (ل + اللجنة → للجنة).
fn arabic_chain(run: &str, article: Article, name: &str) -> Option<usize> {
    let rest = run.strip_prefix(['و', 'ف']).unwrap_or(run);
    let bare = matches!(rest, "" | "ب" | "ل" | "ك");
    let with_article = matches!(rest, "ال" | "بال" | "كال" | "لال");
    let merged = rest == "لل" || (rest == "ل" && name.starts_with('ل'));
    let inside = if with_article { "ال".len() } else { 0 };
    let fits = match article {
        Article::Forbidden => bare,
        Article::Required => with_article || merged,
        Article::Optional => bare || with_article || merged,
    };
    fits.then_some(inside)
}

/// Whether letters are Hebrew prefixes: ו, then ש or כש, then ב ל מ כ, then ה.
fn hebrew_chain(run: &str) -> bool {
    let run = run.strip_prefix('ו').unwrap_or(run);
    let run = run
        .strip_prefix("כש")
        .or_else(|| run.strip_prefix('ש'))
        .unwrap_or(run);
    let run = run.strip_prefix(['ב', 'ל', 'מ', 'כ']).unwrap_or(run);
    let run = run.strip_prefix('ה').unwrap_or(run);
    run.is_empty()
}

/// The scripts that names are treated by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    Latin,
    Cyrillic,
    Arabic,
    Hebrew,
    Hangul,
    Katakana,
    /// Chinese characters, hiragana, Thai and other scripts without spaces.
    Unspaced,
    Other,
}

pub(super) fn script(c: char) -> Script {
    match c {
        '\u{0400}'..='\u{052F}' => Script::Cyrillic,
        '\u{0590}'..='\u{05FF}' => Script::Hebrew,
        '\u{0600}'..='\u{077F}' | '\u{08A0}'..='\u{08FF}' => Script::Arabic,
        '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7AF}' => Script::Hangul,
        _ if is_katakana(c) => Script::Katakana,
        '\u{0E00}'..='\u{0EFF}'
        | '\u{1000}'..='\u{109F}'
        | '\u{1780}'..='\u{17FF}'
        | '\u{3005}'..='\u{3007}'
        | '\u{3040}'..='\u{309F}'
        | '\u{3400}'..='\u{9FFF}'
        | '\u{F900}'..='\u{FAFF}'
        | '\u{20000}'..='\u{3FFFF}' => Script::Unspaced,
        _ if is_latin(c) => Script::Latin,
        _ => Script::Other,
    }
}

/// Katakana letters and the long vowel mark, not the dot between names.
fn is_katakana(c: char) -> bool {
    matches!(c, '\u{30A1}'..='\u{30FA}' | '\u{30FC}'..='\u{30FE}' | '\u{31F0}'..='\u{31FF}' | '\u{FF66}'..='\u{FF9F}')
}

/// Whether a character continues a word. Characters of scripts without spaces do not, and
/// neither does Hangul, whose particles follow foreign names directly.
fn is_word(c: char) -> bool {
    // The common letters, without a look into the tables.
    if matches!(c, 'a'..='z' | '0'..='9' | 'а'..='я' | 'א'..='ת' | 'ا'..='غ' | 'ف'..='ي') {
        return true;
    }
    if c.is_ascii() {
        return false;
    }
    let word = c.is_alphanumeric() || unicode_normalization::char::is_combining_mark(c);
    word && !matches!(
        script(c),
        Script::Unspaced | Script::Katakana | Script::Hangul
    )
}
