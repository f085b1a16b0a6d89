//! TF-IDF of words and characters, as scikit-learn's `TfidfVectorizer` computes it, and the
//! baseline that it makes with logistic regression.

use std::collections::HashMap;

use super::blind::mentions;
use super::{Answer, LinearModel, LinearOptions, Matrix, SparseRow, by_language};
use crate::data::{Example, Task};

/// Lengths of character n-grams inside words, the spaces around them included.
const CHARACTERS: std::ops::RangeInclusive<usize> = 2..=5;

/// How features are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TfIdfOptions {
    /// A feature must stand in so many training texts.
    pub min_df: usize,
}

impl Default for TfIdfOptions {
    fn default() -> Self {
        Self { min_df: 2 }
    }
}

/// Word 1–2-grams and `char_wb` 2–5-grams, each with sublinear counts, smoothed inverse
/// document frequency and rows of length 1.
#[derive(Debug, Clone, PartialEq)]
pub struct TfIdf {
    /// Per block (words, characters): feature index and inverse document frequency.
    blocks: [HashMap<u64, (u32, f32)>; 2],
}

impl TfIdf {
    /// Learns the features of some texts.
    pub fn fit<'a>(texts: impl IntoIterator<Item = &'a str>, options: TfIdfOptions) -> Self {
        let mut frequencies: [HashMap<u64, u32>; 2] = Default::default();
        let mut documents = 0_u32;
        for text in texts {
            documents += 1;
            for (block, counts) in count(text).into_iter().enumerate() {
                for feature in counts.into_keys() {
                    *frequencies[block].entry(feature).or_default() += 1;
                }
            }
        }
        let mut next = 0;
        let blocks = frequencies.map(|frequencies| {
            let mut kept: Vec<(u64, u32)> = frequencies
                .into_iter()
                .filter(|&(_, frequency)| frequency as usize >= options.min_df)
                .collect();
            // hash maps have no order of their own, and sums must not depend on one
            kept.sort_unstable();
            kept.into_iter()
                .map(|(feature, frequency)| {
                    let ratio = (1.0 + f64::from(documents)) / (1.0 + f64::from(frequency));
                    next += 1;
                    (feature, (next - 1, (ratio.ln() + 1.0) as f32))
                })
                .collect()
        });
        Self { blocks }
    }

    /// Number of features.
    pub fn features(&self) -> usize {
        self.blocks.iter().map(HashMap::len).sum()
    }

    /// Features of a text, those that training never saw left out.
    pub fn transform(&self, text: &str) -> SparseRow {
        let mut row = SparseRow::new();
        for (counts, block) in count(text).into_iter().zip(&self.blocks) {
            let start = row.len();
            for (feature, count) in counts {
                if let Some(&(index, idf)) = block.get(&feature) {
                    row.push((index, (1.0 + (count as f32).ln()) * idf));
                }
            }
            let own = &mut row[start..];
            own.sort_unstable_by_key(|&(index, _)| index);
            let length = own
                .iter()
                .map(|&(_, value)| value * value)
                .sum::<f32>()
                .sqrt();
            for (_, value) in own {
                *value /= length;
            }
        }
        row
    }
}

/// Counts of hashed features: words, characters.
fn count(text: &str) -> [HashMap<u64, u32>; 2] {
    let text = text.to_lowercase();
    [words(&text), characters(&text)]
}

fn words(text: &str) -> HashMap<u64, u32> {
    // scikit-learn's `\b\w\w+\b`; combining vowels of Indic scripts stay inside words here
    let tokens: Vec<&str> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|token| token.chars().nth(1).is_some())
        .collect();
    let mut counts = HashMap::new();
    for (index, token) in tokens.iter().enumerate() {
        *counts.entry(hash(&[token])).or_default() += 1;
        if let Some(next) = tokens.get(index + 1) {
            *counts.entry(hash(&[token, " ", next])).or_default() += 1;
        }
    }
    counts
}

fn characters(text: &str) -> HashMap<u64, u32> {
    let mut counts = HashMap::new();
    let mut padded = String::new();
    let mut starts: Vec<usize> = Vec::new();
    for word in text.split_whitespace() {
        padded.clear();
        padded.extend([" ", word, " "]);
        starts.clear();
        starts.extend(padded.char_indices().map(|(byte, _)| byte));
        let length = starts.len();
        starts.push(padded.len());
        for n in CHARACTERS {
            for start in 0..=length.saturating_sub(n) {
                let gram = &padded[starts[start]..starts[(start + n).min(length)]];
                *counts.entry(hash(&[gram])).or_default() += 1;
            }
            // a word that fits into n characters counts once
            if n >= length {
                break;
            }
        }
    }
    counts
}

/// FNV-1a over the parts, 64 bits: among a million features two collide with a chance of
/// about one in forty million.
fn hash(parts: &[&str]) -> u64 {
    parts
        .iter()
        .flat_map(|part| part.bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}

/// The text with every mention of the target marked and the target's name at its end, so
/// that a bag of words knows what is asked. Rows without a target stay as they are.
pub fn with_target_markup(example: &Example) -> String {
    if example.target.is_empty() {
        return example.text.clone();
    }
    let mut text = String::with_capacity(example.text.len() + 64);
    let mut read = 0;
    for mention in mentions(example) {
        text.push_str(&example.text[read..mention.start]);
        text.push_str(" xbeginx ");
        text.push_str(&example.text[mention.clone()]);
        text.push_str(" xendx ");
        read = mention.end;
    }
    text.push_str(&example.text[read..]);
    text.push_str(" xtargetx ");
    text.push_str(&example.target);
    text
}

/// Trains TF-IDF with logistic regression (classes balanced) for each language on its training
/// rows and answers the task; `None` when a language has no training rows or only one class among them.
pub fn tfidf_regression(task: &Task) -> Option<Vec<Answer>> {
    let mut answers = vec![None; task.examples.len()];
    for (lang, rows) in by_language(task) {
        let train: Vec<&Example> = task.train.iter().filter(|row| row.lang == lang).collect();
        let gold: Vec<usize> = train.iter().map(|row| row.gold).collect();
        if gold.iter().all(|class| Some(class) == gold.first()) {
            return None;
        }
        let texts: Vec<String> = train.iter().map(|row| with_target_markup(row)).collect();
        let features = TfIdf::fit(texts.iter().map(String::as_str), TfIdfOptions::default());
        let vectors: Vec<SparseRow> = texts.iter().map(|text| features.transform(text)).collect();
        let matrix = Matrix::from_rows(&vectors, features.features());
        let options = LinearOptions {
            balanced: true,
            ..LinearOptions::default()
        };
        let model = LinearModel::fit(&matrix, &gold, task.classes.len(), options);
        for row in rows {
            let vector = features.transform(&with_target_markup(&task.examples[row]));
            answers[row] = Some(Answer::new(model.predict(&vector)));
        }
    }
    answers.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_words_count_once() {
        // " a", "a " and " a "
        assert_eq!(characters("a").values().sum::<u32>(), 3);
    }

    #[test]
    fn the_target_is_marked() {
        let example = Example {
            text: "The Arland army".to_owned(),
            target: "Arland".to_owned(),
            spans: vec![[4, 10]],
            ..Example::default()
        };
        let marked = with_target_markup(&example);
        assert_eq!(marked, "The  xbeginx Arland xendx  army xtargetx Arland");
    }
}
