//! Tokens per word of a tokenizer beside others, on text that no tokenizer here was trained
//! on: the parallel news sentences kept for measuring.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use tokenizers::Tokenizer;

use super::TokenizerError;
use crate::data::corpus;
use crate::data::{DataError, lines};

/// Tokenizers to compare with: name, file under the data folder.
const OTHERS: [(&str, &str); 2] = [
    ("xlm-r", "tokenizers/tok-xlmr.tokenizer.json.zst"),
    ("mbert", "tokenizers/tok-mbert-cased.tokenizer.json.zst"),
];

/// Names of the token for characters outside the vocabulary.
const UNKNOWN: [&str; 2] = ["[UNK]", "<unk>"];

/// How many unknown texts are reported per language.
const UNKNOWN_SHOWN: usize = 8;

/// What one tokenizer makes of one language.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Fertility {
    /// Words between white space; of Chinese, characters.
    pub words: usize,
    /// Tokens without special tokens.
    pub tokens: usize,
    /// Tokens that stand for characters outside the vocabulary.
    pub unknown: usize,
    /// Tokens over words.
    pub tokens_per_word: f64,
    /// The most frequent text behind unknown tokens.
    pub unknown_text: Vec<String>,
}

/// Fertility per tokenizer and language, and how fast the new tokenizer is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Size of the new vocabulary.
    pub vocab: usize,
    /// Name of the tokenizer, language, counts.
    pub fertility: BTreeMap<String, BTreeMap<String, Fertility>>,
    /// Millions of bytes that the new tokenizer reads in a second on one thread, offsets
    /// included.
    pub megabytes_per_second: f64,
}

/// Counts on `corpus/retrieval_test_ntrex`, with the tokenizer in `path` as `stance`.
pub fn measure(data: &Path, path: &Path) -> Result<Report, TokenizerError> {
    let tokenizer = Tokenizer::from_file(path).map_err(TokenizerError::library(format!(
        "loading {}",
        path.display()
    )))?;
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for file in corpus::retrieval_files(data)? {
        let mut english = Vec::new();
        for pair in corpus::pairs(&file.path)? {
            let (_, en, other) = pair?;
            english.push(en);
            texts.entry(file.lang.clone()).or_default().push(other);
        }
        texts.insert("en".to_owned(), english);
    }
    let bytes: usize = texts.values().flatten().map(String::len).sum();
    let started = Instant::now();
    let mut fertility = BTreeMap::new();
    fertility.insert("stance".to_owned(), count(&tokenizer, &texts)?);
    let seconds = started.elapsed().as_secs_f64();
    for (name, file) in OTHERS {
        let path = data.join(file);
        let text = lines::read_to_string(&path)?;
        let other: Tokenizer = text.parse().map_err(|error: tokenizers::Error| {
            DataError::file(&path, format!("no tokenizer: {error}"))
        })?;
        fertility.insert(name.to_owned(), count(&other, &texts)?);
    }
    Ok(Report {
        vocab: tokenizer.get_vocab_size(true),
        fertility,
        megabytes_per_second: bytes as f64 / 1e6 / seconds,
    })
}

fn count(
    tokenizer: &Tokenizer,
    texts: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Fertility>, TokenizerError> {
    let unknown = UNKNOWN.iter().find_map(|name| tokenizer.token_to_id(name));
    let mut counts = BTreeMap::new();
    for (lang, texts) in texts {
        let mut sum = Fertility::default();
        let mut unknown_text: BTreeMap<&str, usize> = BTreeMap::new();
        for text in texts {
            let encoding = tokenizer
                .encode(text.as_str(), false)
                .map_err(TokenizerError::library("encoding"))?;
            sum.tokens += encoding.len();
            for (id, (start, end)) in encoding.get_ids().iter().zip(encoding.get_offsets()) {
                if Some(*id) == unknown {
                    sum.unknown += 1;
                    *unknown_text
                        .entry(text.get(*start..*end).unwrap_or_default())
                        .or_default() += 1;
                }
            }
            sum.words += if lang == "zh" {
                text.chars()
                    .filter(|character| !character.is_whitespace())
                    .count()
            } else {
                text.split_whitespace().count()
            };
        }
        let mut unknown_text: Vec<_> = unknown_text.into_iter().collect();
        unknown_text.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        sum.unknown_text = unknown_text
            .into_iter()
            .take(UNKNOWN_SHOWN)
            .map(|(text, _)| text.to_owned())
            .collect();
        sum.tokens_per_word = sum.tokens as f64 / sum.words as f64;
        counts.insert(lang.clone(), sum);
    }
    Ok(counts)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6}", "lang")?;
        for name in self.fertility.keys() {
            write!(f, " {name:>8} {:>6}", "unk%")?;
        }
        writeln!(f, "   (tokens per word; zh: per character)")?;
        let languages = self.fertility.values().next().map(BTreeMap::keys);
        for lang in languages.into_iter().flatten() {
            write!(f, "{lang:>6}")?;
            for counts in self.fertility.values() {
                let Some(count) = counts.get(lang) else {
                    continue;
                };
                let unknown = 100.0 * count.unknown as f64 / count.tokens.max(1) as f64;
                write!(f, " {:>8.3} {unknown:>6.2}", count.tokens_per_word)?;
            }
            writeln!(f)?;
        }
        write!(
            f,
            "{} pieces; {:.1} MB/s on one thread",
            self.vocab, self.megabytes_per_second
        )
    }
}
