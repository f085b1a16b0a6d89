//! Fitting the Unigram model, and giving frequent English words pieces of their own.
//!
//! A piece that is a whole word of the teacher's vocabulary starts with the teacher's own
//! embedding, so each frequent English word that the fit left in parts is worth a place. A
//! share of the vocabulary is held back for them ([`ENGLISH_RESERVE`]).

use std::path::Path;

use rustc_hash::FxHashSet;
use tokenizers::models::unigram::Unigram;
use tokenizers::{Model, Tokenizer};

use super::TokenizerError;
use super::pipeline::{SPECIAL_TOKENS, UNKNOWN_ID, WORD_START};
use super::unigram::{self, Settings};
use super::words::Counts;

/// Share of the vocabulary held back for English words.
const ENGLISH_RESERVE: f64 = 0.03;

/// Candidates that the fit starts from.
const CANDIDATES: usize = 700_000;

/// Share of candidates that survive one round of pruning.
const SHRINKING: f64 = 0.75;

/// Longest piece in characters, the mark of a word's beginning included.
const LONGEST: usize = 16;

/// Fits a Unigram model of `vocab` pieces, special tokens included, to `counts`.
pub fn train(
    counts: &Counts,
    vocab: usize,
    teacher: Option<&Path>,
) -> Result<Unigram, TokenizerError> {
    let english = teacher.map(whole_words).transpose()?;
    let reserve = english
        .as_ref()
        .map_or(0.0, |_| vocab as f64 * ENGLISH_RESERVE) as usize;
    let required = required_pieces(counts);
    let settings = Settings {
        pieces: vocab.saturating_sub(reserve + SPECIAL_TOKENS.len()),
        candidates: CANDIDATES,
        shrinking: SHRINKING,
        longest: LONGEST,
    };
    if settings.pieces < required.len() || vocab > 1 << 16 {
        return Err(TokenizerError::Argument {
            name: "--vocab",
            message: format!(
                "{vocab} is out of range: {} characters need a piece each, and ids have 16 bits",
                required.len()
            ),
        });
    }
    let mut pieces = unigram::fit(&counts.words, &required, &settings).ok_or_else(|| {
        TokenizerError::Library {
            doing: "fitting the Unigram model".to_owned(),
            message: "a word has a character without a piece".to_owned(),
        }
    })?;
    if let Some(words) = english {
        add_english(&mut pieces, counts, &words, vocab - SPECIAL_TOKENS.len());
    }
    pieces.sort_by(|left, right| {
        right
            .1
            .total_cmp(&left.1)
            .then_with(|| left.0.cmp(&right.0))
    });
    let special = SPECIAL_TOKENS.map(|token| (token.to_owned(), 0.0));
    Unigram::from(
        special.into_iter().chain(pieces).collect(),
        Some(UNKNOWN_ID),
        false,
    )
    .map_err(TokenizerError::library("building the Unigram model"))
}

/// One piece per character. A character that only ever is a word of its own (punctuation,
/// emoji) is only needed with the mark of a word's beginning.
fn required_pieces(counts: &Counts) -> Vec<String> {
    let mut inside: FxHashSet<char> = FxHashSet::default();
    inside.insert(WORD_START);
    for (word, _) in &counts.words {
        // The rest of a long run of Chinese has no mark, however short it is.
        if word.chars().count() > 2 || !word.starts_with(WORD_START) {
            inside.extend(word.chars());
        }
    }
    let mut pieces: Vec<String> = counts
        .alphabet
        .iter()
        .map(|character| {
            if inside.contains(character) {
                character.to_string()
            } else {
                format!("{WORD_START}{character}")
            }
        })
        .collect();
    pieces.sort_unstable();
    pieces
}

/// Adds the most frequent English words among `words` until there are `vocab` pieces, each
/// with the log-probability of its relative frequency in the whole sample.
fn add_english(
    pieces: &mut Vec<(String, f64)>,
    counts: &Counts,
    words: &FxHashSet<String>,
    vocab: usize,
) {
    let present: FxHashSet<&str> = pieces.iter().map(|(piece, _)| &**piece).collect();
    let mut missing: Vec<(u32, &String)> = counts
        .english
        .iter()
        .filter(|(word, _)| words.contains(*word) && !present.contains(&***word))
        .map(|(word, count)| (*count, word))
        .collect();
    missing.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
    let total: f64 = counts
        .words
        .iter()
        .map(|(_, count)| f64::from(*count))
        .sum();
    let room = vocab.saturating_sub(pieces.len());
    let added: Vec<_> = missing
        .into_iter()
        .take(room)
        .map(|(count, word)| (word.clone(), (f64::from(count) / total).ln()))
        .collect();
    pieces.extend(added);
}

/// The whole words of a `WordPiece` vocabulary that consist of letters, with [`WORD_START`].
fn whole_words(path: &Path) -> Result<FxHashSet<String>, TokenizerError> {
    let teacher = Tokenizer::from_file(path).map_err(TokenizerError::library(format!(
        "loading {}",
        path.display()
    )))?;
    Ok(teacher
        .get_model()
        .get_vocab()
        .into_keys()
        .filter(|word| word.chars().all(char::is_alphabetic))
        .map(|word| format!("{WORD_START}{word}"))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::words;
    use rustc_hash::FxHashMap;

    fn counted() -> Counts {
        let all: FxHashMap<String, u32> = [
            ("▁لبنان", 50),
            ("▁لبناني", 30),
            ("▁house", 40),
            ("▁houses", 25),
            ("▁zebra", 2),
        ]
        .map(|(word, count)| (word.to_owned(), count))
        .into_iter()
        .collect();
        let english = all
            .iter()
            .filter(|(word, _)| word.is_ascii())
            .map(|(w, c)| (w.clone(), *c))
            .collect();
        words::filter(&all, english)
    }

    /// A run was cut behind its 24th character, and that one's only piece was for the beginning of a word: small
    /// corpora, where no other word had it inside, failed to fit.
    #[test]
    fn the_rest_of_a_cut_run_can_be_spelt() {
        let run: String = std::iter::once(WORD_START)
            .chain("的一是不了人我在有他这".chars().cycle().take(23))
            .chain(['龟'])
            .collect();
        let all = FxHashMap::from_iter([(run, 20)]);
        let counts = words::filter(&all, FxHashMap::default());
        assert!(counts.words.iter().any(|(word, _)| word == "龟"));
        let model = train(&counts, 60, None).unwrap();
        let tokens = model.tokenize("龟").unwrap();
        assert!(tokens.iter().all(|token| token.id != UNKNOWN_ID as u32));
    }

    #[test]
    fn special_tokens_come_first_and_unknown_is_one_of_them() {
        let model = train(&counted(), 40, None).unwrap();
        for (id, token) in SPECIAL_TOKENS.iter().enumerate() {
            assert_eq!(model.token_to_id(token), Some(id as u32));
        }
        let tokens = model.tokenize("▁house").unwrap();
        assert_eq!(
            tokens.iter().map(|token| &*token.value).collect::<Vec<_>>(),
            ["▁house"]
        );
    }

    #[test]
    fn english_words_fill_the_room_by_frequency() {
        let mut counts = counted();
        counts.english = [("▁zebra", 2), ("▁houses", 25), ("▁notaword", 90)]
            .map(|(word, count)| (word.to_owned(), count))
            .into_iter()
            .collect();
        let words: FxHashSet<String> = ["▁zebra", "▁houses"]
            .map(str::to_owned)
            .into_iter()
            .collect();
        let mut pieces = vec![("▁house".to_owned(), -1.0)];
        add_english(&mut pieces, &counts, &words, 2);
        assert_eq!(pieces[1].0, "▁houses");
        assert!(pieces[1].1 < 0.0);
        assert_eq!(pieces.len(), 2);
    }

    #[test]
    fn too_small_a_vocabulary_is_refused() {
        let error = train(&counted(), 10, None).err().unwrap();
        assert!(
            error.to_string().starts_with("--vocab: 10 is out of range"),
            "{error}"
        );
    }
}
