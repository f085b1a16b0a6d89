//! Counting words, and leaving out what would waste vocabulary.
//!
//! Every character that the fit sees gets a piece of its own. Characters are therefore
//! counted first, per script, and the rare ones stay outside the vocabulary with the words
//! that hold them. Emoji stay when they occur [`EMOJI_MINIMUM`] times: they carry stance.

use std::collections::BTreeMap;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::TokenizerError;
use super::pipeline::{Pipeline, WORD_START};
use super::sample::{self, Plan, Source};
use crate::data::corpus::RetrievalTest;

/// Occurrences in the sample without which a letter of the alphabets in use gets no piece.
const LETTER_MINIMUM: u64 = 20;

/// The same for letters of other scripts, which the corpora only quote.
const FOREIGN_MINIMUM: u64 = 400;

/// Occurrences that let a symbol or emoji of the sample stay whatever the coverage.
const EMOJI_MINIMUM: u64 = 5;

/// The same for Chinese, which has thousands.
const HAN_MINIMUM: u64 = 6;

/// Most Chinese characters that get a piece, however many the coverage asks for.
const HAN_MAXIMUM: usize = 3_500;

/// Occurrences below which a word teaches nothing; runs of Chinese, which are clauses rather
/// than words, are kept from the first.
const WORD_MINIMUM: u32 = 2;

/// Longer words are cut (Chinese) or left out (web addresses).
const LONGEST_WORD: usize = 24;

/// Texts counted by one task.
const BATCH: usize = 512;

/// Words with [`WORD_START`] and their occurrences.
pub type WordCounts = FxHashMap<String, u32>;

/// Counted words, ready for the trainer.
#[derive(Debug, Clone)]
pub struct Counts {
    /// Words with [`WORD_START`] and their occurrences, in the order of their characters.
    pub words: Vec<(String, u32)>,
    /// Occurrences of words drawn from English text, with [`WORD_START`].
    pub english: WordCounts,
    /// Every character that the vocabulary must have.
    pub alphabet: FxHashSet<char>,
    /// How many characters were too rare.
    pub dropped_characters: usize,
}

/// Draws texts by `plan` and counts their words; the same seed draws the same texts.
pub fn count(
    sources: &[Source],
    plan: &Plan,
    pipeline: &Pipeline,
    test: &RetrievalTest,
    seed: u64,
) -> Result<Counts, TokenizerError> {
    let mut all = FxHashMap::default();
    let mut english = FxHashMap::default();
    for (number, source) in sources.iter().enumerate() {
        let texts = sample::draw(source, number, plan, test, seed)?;
        let (en, other): (Vec<_>, Vec<_>) = texts.into_iter().partition(|(lang, _)| lang == "en");
        add(&mut all, &count_texts(&other, pipeline)?);
        let counted = count_texts(&en, pipeline)?;
        add(&mut all, &counted);
        add(&mut english, &counted);
    }
    Ok(filter(&all, english))
}

fn count_texts(
    texts: &[(String, String)],
    pipeline: &Pipeline,
) -> Result<WordCounts, TokenizerError> {
    texts
        .par_chunks(BATCH)
        .map(|chunk| {
            let mut counts = FxHashMap::default();
            for (_, text) in chunk {
                for word in pipeline.words(text)? {
                    *counts.entry(word).or_insert(0_u32) += 1;
                }
            }
            Ok(counts)
        })
        .try_reduce(FxHashMap::default, |mut left, right| {
            if left.len() < right.len() {
                let mut right = right;
                add(&mut right, &left);
                return Ok(right);
            }
            add(&mut left, &right);
            Ok(left)
        })
}

fn add(into: &mut WordCounts, from: &WordCounts) {
    for (word, count) in from {
        if let Some(total) = into.get_mut(word) {
            *total += count;
        } else {
            into.insert(word.clone(), *count);
        }
    }
}

/// Applies the limits of this module to raw counts.
pub fn filter(all: &WordCounts, english: WordCounts) -> Counts {
    let mut characters: FxHashMap<char, u64> = FxHashMap::default();
    for (word, &count) in all {
        for character in word.chars() {
            *characters.entry(character).or_default() += u64::from(count);
        }
    }
    let alphabet = choose_alphabet(&characters);
    let mut kept: FxHashMap<String, u32> = FxHashMap::default();
    for (word, &count) in all {
        if !word.chars().all(|character| alphabet.contains(&character)) {
            continue;
        }
        let han = word
            .chars()
            .any(|character| script(character) == Script::Han);
        if han {
            for part in cut(word) {
                *kept.entry(part).or_default() += count;
            }
        } else if count >= WORD_MINIMUM
            && word.chars().count() <= LONGEST_WORD
            && teaches_number(word)
        {
            *kept.entry(word.clone()).or_default() += count;
        }
    }
    let mut words: Vec<_> = kept.into_iter().collect();
    words.sort_unstable();
    let dropped_characters = characters.len() - alphabet.len();
    Counts {
        words,
        english,
        alphabet,
        dropped_characters,
    }
}

/// Numbers would fill the vocabulary: only those up to two digits and years teach it, longer
/// ones are written with these.
fn teaches_number(word: &str) -> bool {
    let digits = word.trim_start_matches(WORD_START);
    if !digits.starts_with(char::is_numeric) {
        return true;
    }
    digits.chars().count() <= 2
        || digits
            .parse::<u32>()
            .is_ok_and(|number| (1900..2040).contains(&number))
}

fn cut(word: &str) -> Vec<String> {
    let characters: Vec<char> = word.chars().collect();
    characters
        .chunks(LONGEST_WORD)
        .map(|part| part.iter().collect())
        .collect()
}

fn choose_alphabet(characters: &FxHashMap<char, u64>) -> FxHashSet<char> {
    let mut by_script: BTreeMap<Script, Vec<(u64, char)>> = BTreeMap::new();
    for (&character, &count) in characters {
        by_script
            .entry(script(character))
            .or_default()
            .push((count, character));
    }
    let mut alphabet = FxHashSet::default();
    for (script, mut members) in by_script {
        members.sort_unstable_by(|left, right| right.cmp(left));
        for (place, (count, character)) in members.into_iter().enumerate() {
            let wanted = match script {
                Script::Symbol => count >= EMOJI_MINIMUM,
                Script::Han => place < HAN_MAXIMUM && count >= HAN_MINIMUM,
                Script::Foreign => count >= FOREIGN_MINIMUM,
                Script::Alphabet => count >= LETTER_MINIMUM,
            };
            if wanted || character == WORD_START || character.is_ascii_graphic() {
                alphabet.insert(character);
            }
        }
    }
    alphabet
}

/// Scripts as far as counting characters needs them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Script {
    /// Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari.
    Alphabet,
    Han,
    Foreign,
    Symbol,
}

fn script(character: char) -> Script {
    match character {
        '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}' => {
            Script::Han
        }
        '\u{300}'..='\u{36F}'
        | '\u{591}'..='\u{5C7}'
        | '\u{610}'..='\u{61A}'
        | '\u{64B}'..='\u{65F}'
        | '\u{900}'..='\u{963}' => Script::Alphabet,
        _ if !character.is_alphanumeric() => Script::Symbol,
        '\0'..='\u{24F}'
        | '\u{370}'..='\u{52F}'
        | '\u{5D0}'..='\u{77F}'
        | '\u{8A0}'..='\u{97F}'
        | '\u{1E00}'..='\u{1FFF}' => Script::Alphabet,
        _ => Script::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(words: &[(&str, u32)]) -> FxHashMap<String, u32> {
        words
            .iter()
            .map(|(word, count)| ((*word).to_owned(), *count))
            .collect()
    }

    #[test]
    fn rare_characters_take_their_words_along() {
        let counted = filter(
            &counts(&[
                ("▁house", 1000),
                ("▁houѳ", 30),
                ("▁مرحبا", 500),
                ("▁ﷺ", 1),
                ("▁🙂", 6),
            ]),
            FxHashMap::default(),
        );
        let words: Vec<&str> = counted.words.iter().map(|(word, _)| &**word).collect();
        assert_eq!(words, ["▁house", "▁houѳ", "▁مرحبا", "▁🙂"]);
        let counted = filter(
            &counts(&[("▁house", 1000), ("▁houѳ", 3)]),
            FxHashMap::default(),
        );
        assert_eq!(counted.words.len(), 1);
        assert!(!counted.alphabet.contains(&'ѳ'));
        assert_eq!(counted.dropped_characters, 1);
    }

    #[test]
    fn numbers_other_than_short_ones_and_years_do_not_teach() {
        for (word, expected) in [
            ("▁7", true),
            ("▁42", true),
            ("▁1999", true),
            ("▁1234", false),
            ("▁word", true),
        ] {
            assert_eq!(teaches_number(word), expected, "{word}");
        }
    }

    #[test]
    fn a_chinese_clause_counts_from_its_first_occurrence_and_is_cut() {
        let clause = format!("▁{}", "中国人民".repeat(10));
        let counted = filter(&counts(&[(&clause, 5), ("▁once", 1)]), FxHashMap::default());
        assert_eq!(counted.words.len(), 2);
        assert!(
            counted
                .words
                .iter()
                .all(|(word, _)| word.chars().count() <= LONGEST_WORD)
        );
    }
}
