//! The Unigram vocabulary of XLM-R (Conneau et al. 2020, arXiv 1911.02116) and the part of it that
//! stays.
//!
//! Pieces keep their scores, so that a text is cut as before wherever all its pieces stay, and into
//! shorter ones elsewhere. A step is put before the normaliser: marks that the matcher ignores too
//! (vowel signs, tatweel, direction marks; [`stance::text::fold::fold_rules`]) are removed, which the
//! base would spell out mark by mark.

use std::path::Path;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};
use serde_json::{Value, json};
use tokenizers::Tokenizer;

use super::TrimError;
use crate::data::lines;
use crate::tokenizer::TokenizerError;

/// Texts that are counted by one task.
const BATCH: usize = 256;

/// A piece of one character stays when the sample has so many of it.
const CHARACTER_MINIMUM: u64 = 5;

/// A tokenizer as JSON and ready to use.
pub struct Vocabulary {
    json: Value,
    /// Text of every piece.
    pieces: Vec<String>,
    /// Ids of special tokens.
    special: FxHashSet<u32>,
    tokenizer: Tokenizer,
}

impl Vocabulary {
    /// Reads a `tokenizer.json` with a Unigram model.
    ///
    /// # Errors
    /// When the file cannot be read or is another kind of tokenizer.
    pub fn load(path: &Path) -> Result<Self, TrimError> {
        let fault = |message: &str| TrimError::Base {
            path: path.to_owned(),
            message: message.to_owned(),
        };
        let text = lines::read_to_string(path)?;
        let mut json: Value =
            serde_json::from_str(&text).map_err(|error| fault(&error.to_string()))?;
        if json["model"]["type"] != "Unigram" {
            return Err(fault("is not a Unigram tokenizer"));
        }
        let pieces: Option<Vec<String>> = json["model"]["vocab"].as_array().and_then(|vocab| {
            let text = |entry: &Value| entry[0].as_str().map(str::to_owned);
            vocab.iter().map(text).collect()
        });
        let pieces = pieces.ok_or_else(|| fault("model.vocab is not a list of pieces"))?;
        let ids = json["added_tokens"].as_array().into_iter().flatten();
        let special = ids.filter_map(|token| token["id"].as_u64().map(|id| id as u32));
        let special: FxHashSet<u32> = special.collect();
        if special.iter().any(|&id| id as usize >= pieces.len()) {
            return Err(fault("a special token is outside model.vocab"));
        }
        json["normalizer"] = json!({
            "type": "Sequence",
            "normalizers": [remove_marks(), json["normalizer"].take()],
        });
        // The library reads `prepend_scheme`; files of older versions say it by two flags.
        json["pre_tokenizer"] = json!({
            "type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true
        });
        json["decoder"] = json["pre_tokenizer"].clone();
        let tokenizer = Tokenizer::from_bytes(json.to_string())
            .map_err(TokenizerError::library("reading the base's tokenizer"))?;
        Ok(Self {
            json,
            pieces,
            special,
            tokenizer,
        })
    }

    /// Occurrences of each piece in `texts`, which come with their languages.
    ///
    /// # Errors
    /// When the tokenizer fails.
    pub fn count(&self, texts: &[(String, String)]) -> Result<FxHashMap<u32, u64>, TrimError> {
        let counts = texts
            .par_chunks(BATCH)
            .map(|chunk| {
                let mut counts: FxHashMap<u32, u64> = FxHashMap::default();
                for (_, text) in chunk {
                    let encoding = self
                        .tokenizer
                        .encode_fast(text.as_str(), false)
                        .map_err(TokenizerError::library("encoding"))?;
                    for &id in encoding.get_ids() {
                        *counts.entry(id).or_default() += 1;
                    }
                }
                Ok(counts)
            })
            .try_reduce(FxHashMap::default, |mut left, right| {
                for (id, count) in right {
                    *left.entry(id).or_default() += count;
                }
                Ok::<_, TokenizerError>(left)
            })?;
        Ok(counts)
    }

    /// The `wanted` pieces that stay, as ids in ascending order: special tokens, characters that
    /// occur, then the most frequent.
    ///
    /// # Errors
    /// When there is no place for the special tokens.
    pub fn choose(
        &self,
        counts: &FxHashMap<u32, u64>,
        wanted: usize,
    ) -> Result<Vec<u32>, TrimError> {
        if wanted <= self.special.len() {
            return Err(TrimError::VocabularySize {
                asked: wanted,
                limit: super::MOST_PIECES,
            });
        }
        let mut others: Vec<(bool, u64, u32)> = counts
            .iter()
            .filter(|(id, _)| !self.special.contains(id))
            .map(|(&id, &count)| {
                let one = self.pieces[id as usize].chars().count() == 1;
                (one && count >= CHARACTER_MINIMUM, count, id)
            })
            .collect();
        others.sort_unstable_by(|a, b| (b.0, b.1).cmp(&(a.0, a.1)).then(a.2.cmp(&b.2)));
        others.truncate(wanted - self.special.len());
        let mut kept: Vec<u32> = self.special.iter().copied().collect();
        kept.extend(others.into_iter().map(|(.., id)| id));
        kept.sort_unstable();
        Ok(kept)
    }

    /// The `tokenizer.json` with the pieces `kept` alone, whose new ids are their places.
    pub fn trimmed(&self, kept: &[u32]) -> Value {
        let mut json = self.json.clone();
        let place = |id: u64| kept.binary_search(&(id as u32)).ok();
        let vocab: Vec<Value> = kept
            .iter()
            .map(|&id| self.json["model"]["vocab"][id as usize].clone())
            .collect();
        json["model"]["vocab"] = vocab.into();
        renumber(&mut json["model"]["unk_id"], &place);
        for token in json["added_tokens"].as_array_mut().into_iter().flatten() {
            renumber(&mut token["id"], &place);
        }
        let tokens = json["post_processor"]["special_tokens"].as_object_mut();
        for (_, token) in tokens.into_iter().flatten() {
            for id in token["ids"].as_array_mut().into_iter().flatten() {
                renumber(id, &place);
            }
        }
        json
    }
}

fn renumber(id: &mut Value, place: &impl Fn(u64) -> Option<usize>) {
    if let Some(new) = id.as_u64().and_then(place) {
        *id = new.into();
    }
}

/// A `Replace` that removes the marks that folding removes.
fn remove_marks() -> Value {
    let rules = stance::text::fold::fold_rules();
    let marks = rules.into_iter().find(|(_, to)| to.is_empty());
    let class = marks.map(|(class, _)| class).unwrap_or_default();
    json!({"type": "Replace", "pattern": {"Regex": class}, "content": ""})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vocabulary(folder: &Path) -> Vocabulary {
        let vocab = [
            ("<s>", 0.0),
            ("<pad>", 0.0),
            ("</s>", 0.0),
            ("<unk>", 0.0),
            ("▁", -3.0),
            ("▁war", -4.0),
            ("▁warm", -5.0),
            ("w", -6.0),
            ("a", -6.0),
            ("r", -6.0),
            ("m", -6.0),
            ("م", -6.0),
            ("ن", -6.0),
            ("<mask>", 0.0),
        ];
        let special = |id: usize| {
            json!({
                "id": id, "content": vocab[id].0, "single_word": false, "lstrip": false,
                "rstrip": false, "normalized": false, "special": true
            })
        };
        let json = json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": [special(0), special(1), special(2), special(3), special(13)],
            "normalizer": {"type": "NFKC"},
            "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "add_prefix_space": true},
            "post_processor": {
                "type": "TemplateProcessing",
                "single": [
                    {"SpecialToken": {"id": "<s>", "type_id": 0}},
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"SpecialToken": {"id": "</s>", "type_id": 0}}
                ],
                "pair": [
                    {"Sequence": {"id": "A", "type_id": 0}},
                    {"Sequence": {"id": "B", "type_id": 0}}
                ],
                "special_tokens": {
                    "<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                    "</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}
                }
            },
            "decoder": null,
            "model": {"type": "Unigram", "unk_id": 3, "vocab": vocab, "byte_fallback": false}
        });
        let path = folder.join("tokenizer.json");
        std::fs::write(&path, json.to_string()).unwrap();
        Vocabulary::load(&path).unwrap()
    }

    fn texts(texts: &[&str]) -> Vec<(String, String)> {
        let text = |text: &&str| ("en".to_owned(), (*text).to_owned());
        texts.iter().map(text).collect()
    }

    #[test]
    fn what_occurs_stays_and_what_leaves_is_spelt() {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = vocabulary(folder.path());
        let counts = vocabulary
            .count(&texts(&[
                "war war war a r m w",
                "war a r m w",
                "a r m w a r m w",
                "a r m w warm",
            ]))
            .unwrap();
        assert_eq!((counts[&5], counts[&6]), (4, 1));
        // Five special tokens; ▁ and four letters; and one more piece.
        let kept = vocabulary.choose(&counts, 11).unwrap();
        assert_eq!(kept, [0, 1, 2, 3, 4, 5, 7, 8, 9, 10, 13]);
        let json = vocabulary.trimmed(&kept).to_string();
        let tokenizer = Tokenizer::from_bytes(json).unwrap();
        let read = |text: &str| {
            let encoding = tokenizer.encode(text, true).unwrap();
            (encoding.get_tokens().to_vec(), encoding.get_ids().to_vec())
        };
        let (tokens, ids) = read("war");
        assert_eq!(tokens, ["<s>", "▁war", "</s>"]);
        assert_eq!(ids, [0, 5, 2]);
        assert_eq!(read("warm").0, ["<s>", "▁war", "m", "</s>"]);
        assert_eq!(tokenizer.token_to_id("<mask>"), Some(10));
        assert_eq!(read("مَن").1[2..], [3, 2], "unknown letters are <unk>");
        assert!(vocabulary.choose(&counts, 5).is_err());
    }

    #[test]
    fn vowel_signs_do_not_change_the_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let vocabulary = vocabulary(folder.path());
        let ids = |text: &str| {
            let encoding = vocabulary.tokenizer.encode(text, false).unwrap();
            encoding.get_ids().to_vec()
        };
        assert_eq!(ids("مَنْ"), ids("من"));
        assert_eq!(ids("مــن"), ids("من"));
        assert_eq!(ids("من"), [4, 11, 12]);
    }
}
