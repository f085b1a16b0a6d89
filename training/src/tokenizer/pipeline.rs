//! What happens to a text before the vocabulary sees it, written into `tokenizer.json` with
//! standard components so that every runtime repeats it.
//!
//! Normaliser: NFKC, then the folds that the actor matcher shares
//! ([`stance::text::fold::fold_table`]: Arabic alef, ya and ta marbuta forms, Persian ye and
//! kaf, tatweel, diacritics, digits), one `Replace` per result, then lower case. Skin tones
//! of emoji go; `_` becomes a space, which opens hashtags.
//!
//! Pre-tokenizer: runs of letters with their marks, runs of digits, pairs of regional
//! indicators (flags), and any other character alone; then each such word gets `▁` in front.
//! As in BERT, a word after a bracket or a quotation mark is therefore the same piece as one
//! after a space, and pieces without `▁` are continuations.

use std::collections::BTreeMap;
use std::iter::once;
use std::ops::RangeInclusive;

use tokenizers::models::unigram::Unigram;
use tokenizers::normalizers::replace::ReplacePattern;
use tokenizers::normalizers::{Lowercase, NFKC, Replace, Sequence as Normalizers};
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{
    AddedToken, DecoderWrapper, Model, NormalizedString, Normalizer, NormalizerWrapper,
    OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer, PreTokenizerWrapper,
    SplitDelimiterBehavior, Tokenizer,
};

use unicode_normalization::UnicodeNormalization;

use super::TokenizerError;

/// The mark of a word's beginning.
pub const WORD_START: char = '▁';

/// Special tokens; a token's place here is its id.
pub const SPECIAL_TOKENS: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];

/// Id of the token for characters outside the vocabulary.
pub const UNKNOWN_ID: usize = 1;

/// Skin tones of emoji, which lie beyond the plane of the fold table.
const SKIN_TONES: RangeInclusive<char> = '\u{1F3FB}'..='\u{1F3FF}';

/// What one word is before it is cut into pieces.
const WORD: &str = r"[\p{L}\p{M}]+|\p{N}+|[\x{1F1E6}-\x{1F1FF}]{2}|\S";

/// Normaliser and pre-tokenizer together.
#[derive(Debug, Clone)]
pub struct Pipeline {
    normalizer: NormalizerWrapper,
    pre_tokenizer: PreTokenizerWrapper,
}

impl Pipeline {
    /// The pipeline described above, with the fold table of this build.
    pub fn new() -> Result<Self, TokenizerError> {
        let mut folds: BTreeMap<&str, Vec<char>> = BTreeMap::new();
        for (character, content) in stance::text::fold::fold_table() {
            // What NFKC already replaces (presentation forms) needs no second rule.
            if once(character).nfkc().eq(once(character)) {
                folds.entry(content).or_default().push(character);
            }
        }
        folds.entry("").or_default().extend(SKIN_TONES);
        folds.entry(" ").or_default().push('_');
        let mut steps = vec![NFKC.into()];
        for (content, characters) in folds {
            steps.push(replace(&character_class(characters), content)?);
        }
        steps.push(NormalizerWrapper::Lowercase(Lowercase));
        let words = Split::new(
            SplitPattern::Regex(WORD.to_owned()),
            SplitDelimiterBehavior::Removed,
            true,
        )
        .map_err(TokenizerError::library("compiling the word pattern"))?;
        // `split: false`: a word holds no white space that could be split at.
        let metaspace = Metaspace::new(WORD_START, PrependScheme::Always, false);
        Ok(Self {
            normalizer: Normalizers::new(steps).into(),
            pre_tokenizer: PreTokenizers::new(vec![words.into(), metaspace.into()]).into(),
        })
    }

    /// The words of `text`, normalised, each with [`WORD_START`] in front.
    pub fn words(&self, text: &str) -> Result<Vec<String>, TokenizerError> {
        let mut normalized = NormalizedString::from(text);
        self.normalizer
            .normalize(&mut normalized)
            .map_err(TokenizerError::library("normalising"))?;
        let mut words = PreTokenizedString::from(normalized);
        self.pre_tokenizer
            .pre_tokenize(&mut words)
            .map_err(TokenizerError::library("splitting into words"))?;
        Ok(words
            .get_splits(OffsetReferential::Normalized, OffsetType::Byte)
            .into_iter()
            .map(|(word, ..)| word.to_owned())
            .collect())
    }

    /// The whole tokenizer around a trained `model`, with `[CLS] $A [SEP]` around a text.
    pub fn tokenizer(&self, model: Unigram) -> Result<Tokenizer, TokenizerError> {
        for (id, token) in SPECIAL_TOKENS.iter().enumerate() {
            if model.token_to_id(token) != Some(id as u32) {
                return Err(TokenizerError::Library {
                    doing: "assembling the tokenizer".to_owned(),
                    message: format!("{token} must have id {id}"),
                });
            }
        }
        let template = TemplateProcessing::builder()
            .try_single("[CLS] $A [SEP]")
            .and_then(|builder| builder.try_pair("[CLS] $A [SEP] $B:1 [SEP]:1"))
            .map_err(|message| TokenizerError::Library {
                doing: "building the template".to_owned(),
                message,
            })?
            .special_tokens(vec![("[CLS]", 2), ("[SEP]", 3)])
            .build()
            .map_err(|error| TokenizerError::Library {
                doing: "building the template".to_owned(),
                message: error.to_string(),
            })?;
        let mut tokenizer = Tokenizer::new(model);
        tokenizer
            .with_normalizer(Some(self.normalizer.clone()))
            .map_err(TokenizerError::library("setting the normaliser"))?
            .with_pre_tokenizer(Some(self.pre_tokenizer.clone()))
            .with_post_processor(Some(template))
            .with_decoder(Some(DecoderWrapper::Metaspace(Metaspace::default())));
        tokenizer
            .add_special_tokens(
                SPECIAL_TOKENS
                    .map(|token| AddedToken::from(token, true))
                    .to_vec(),
            )
            .map_err(TokenizerError::library("adding special tokens"))?;
        Ok(tokenizer)
    }
}

fn replace(pattern: &str, content: &str) -> Result<NormalizerWrapper, TokenizerError> {
    Replace::new(ReplacePattern::Regex(pattern.to_owned()), content)
        .map(NormalizerWrapper::Replace)
        .map_err(TokenizerError::library(format!("compiling {pattern}")))
}

/// A regex class of the given characters, neighbours joined into ranges, as `\x{…}` escapes
/// that Oniguruma and Rust read the same way.
fn character_class(mut characters: Vec<char>) -> String {
    use std::fmt::Write as _;
    characters.sort_unstable();
    characters.dedup();
    let mut class = String::from("[");
    let mut rest = characters.as_slice();
    while let [first, ..] = rest {
        let run = rest
            .windows(2)
            .take_while(|pair| u32::from(pair[1]) == u32::from(pair[0]) + 1)
            .count();
        // Writing to a String cannot fail.
        let _ = write!(class, "\\x{{{:X}}}", u32::from(*first));
        if run > 0 {
            let _ = write!(class, "-\\x{{{:X}}}", u32::from(rest[run]));
        }
        rest = &rest[run + 1..];
    }
    class.push(']');
    class
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        Pipeline::new().unwrap().words(text).unwrap()
    }

    #[test]
    fn arabic_forms_fold_together() {
        assert_eq!(words("الأُمَّة"), words("الامه"));
        assert_eq!(words("على الشــام"), words("علي الشام"));
        assert_eq!(words("کی"), words("كي"));
        assert_eq!(words("٢٠٢٣ و ۲۰۲۳"), ["▁2023", "▁و", "▁2023"]);
    }

    #[test]
    fn punctuation_digits_and_emoji_stand_alone() {
        assert_eq!(
            words("(Hello), G20's\u{2019}👍🏽👍 #Free_Speech"),
            [
                "(", "hello", ")", ",", "g", "20", "'", "s", "'", "👍", "👍", "#", "free", "speech"
            ]
            .map(|word| format!("▁{word}"))
        );
        assert_eq!(words("🇸🇦🇹🇷 ❤️"), ["▁🇸🇦", "▁🇹🇷", "▁❤"]);
    }

    #[test]
    fn letters_keep_their_marks_and_turkish_dots_go() {
        assert_eq!(words("İstanbul हिन्दी"), ["▁istanbul", "▁हिन्दी"]);
        assert_eq!(words("ﬁne Ａ"), ["▁fine", "▁a"]);
    }

    #[test]
    fn classes_join_neighbours() {
        assert_eq!(
            character_class(vec!['c', 'a', 'b', 'x']),
            r"[\x{61}-\x{63}\x{78}]"
        );
    }
}
