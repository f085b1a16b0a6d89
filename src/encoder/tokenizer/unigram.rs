//! Unigram pieces (Kudo 2018, arXiv 1804.10959) in a trie of plain arrays.
//!
//! The `tokenizers` crate keeps a hash map for every node of its trie, most of the memory of a
//! vocabulary, and most of the time that it takes to load one. Texts are cut as by its `Unigram`,
//! ties and unknown characters too; the tests hold one against the other.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};
use tokenizers::models::unigram::{UnigramError, UnigramTrainer};
use tokenizers::{Model, Result, Token};

/// No piece, or no node.
const NONE: u32 = u32::MAX;

/// How much worse an unknown character is than the worst piece, as in `SentencePiece`.
const UNKNOWN_PENALTY: f64 = 10.0;

/// A model of `"type": "Unigram"` as `tokenizer.json` has it.
#[derive(Deserialize)]
pub struct File {
    vocab: Vec<(String, f64)>,
    unk_id: Option<usize>,
    #[serde(default)]
    byte_fallback: bool,
}

impl File {
    /// These pieces with the other fields of the file.
    ///
    /// # Errors
    /// When a field has another type.
    pub fn new(
        vocab: Vec<(String, f64)>,
        fields: &Map<String, Value>,
    ) -> std::result::Result<Self, serde_json::Error> {
        Ok(Self {
            vocab,
            unk_id: fields.get("unk_id").map_or(Ok(None), Option::deserialize)?,
            byte_fallback: fields
                .get("byte_fallback")
                .map_or(Ok(false), bool::deserialize)?,
        })
    }
}

/// Pieces with their scores.
#[derive(Clone, Debug)]
pub struct Unigram {
    /// All pieces, one after the other, and where each ends.
    text: String,
    ends: Vec<usize>,
    scores: Vec<f64>,
    trie: Trie,
    unknown: Option<u32>,
    unknown_score: f64,
    byte_fallback: bool,
}

impl TryFrom<File> for Unigram {
    type Error = UnigramError;

    fn try_from(file: File) -> std::result::Result<Self, UnigramError> {
        let pieces = &file.vocab;
        match file.unk_id {
            Some(_) if pieces.is_empty() => return Err(UnigramError::EmptyVocabulary),
            Some(id) if id >= pieces.len() => return Err(UnigramError::UnkIdNotInVocabulary),
            _ => {}
        }
        let least = pieces.iter().map(|(_, score)| *score);
        let least = least.fold(
            f64::INFINITY,
            |least, score| {
                if score < least { score } else { least }
            },
        );
        let mut text = String::with_capacity(pieces.iter().map(|(piece, _)| piece.len()).sum());
        let mut ends = Vec::with_capacity(pieces.len());
        for (piece, _) in pieces {
            text.push_str(piece);
            ends.push(text.len());
        }
        Ok(Self {
            trie: Trie::new(pieces.iter().map(|(piece, _)| piece.as_bytes()).collect()),
            scores: pieces.iter().map(|(_, score)| *score).collect(),
            text,
            ends,
            unknown: file.unk_id.map(|id| id as u32),
            unknown_score: least - UNKNOWN_PENALTY,
            byte_fallback: file.byte_fallback,
        })
    }
}

/// The best way to some place in a text.
#[derive(Clone, Copy)]
struct Best {
    score: f64,
    /// Where its last piece begins; [`NONE`] where no way leads here yet.
    start: u32,
    piece: u32,
}

impl Unigram {
    fn piece(&self, id: u32) -> Option<&str> {
        let id = id as usize;
        let end = *self.ends.get(id)?;
        let start = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.text[start..end])
    }

    /// Where the best pieces of `text` end, unknown characters that follow each other as one.
    fn cut(&self, text: &str) -> Result<Vec<usize>> {
        let nowhere = Best {
            score: 0.0,
            start: NONE,
            piece: 0,
        };
        let mut best = vec![nowhere; text.len() + 1];
        let reach = |best: &mut Best, score: f64, start: usize, piece: u32| {
            if best.start == NONE || score > best.score {
                *best = Best {
                    score,
                    start: start as u32,
                    piece,
                };
            }
        };
        for (start, character) in text.char_indices() {
            let (before, one) = (best[start].score, character.len_utf8());
            let mut known = false;
            self.trie.prefixes(&text.as_bytes()[start..], |len, piece| {
                let score = self.scores[piece as usize] + before;
                reach(&mut best[start + len], score, start, piece);
                known |= len == one;
            });
            if !known {
                let unknown = self.unknown.ok_or(UnigramError::MissingUnkId)?;
                let score = self.unknown_score + before;
                reach(&mut best[start + one], score, start, unknown);
            }
        }
        let mut ends = Vec::new();
        let (mut end, mut after_unknown) = (text.len(), false);
        while end > 0 {
            let unknown = Some(best[end].piece) == self.unknown;
            if !(unknown && after_unknown) {
                ends.push(end);
            }
            after_unknown = unknown;
            end = best[end].start as usize;
        }
        ends.reverse();
        Ok(ends)
    }

    /// The bytes of `text` as pieces of their own, where the vocabulary has all of them.
    fn bytes(&self, text: &str) -> Option<Vec<(u32, String)>> {
        let one = |byte| {
            let name = format!("<0x{byte:02X}>");
            Some((self.token_to_id(&name)?, name))
        };
        text.bytes().map(one).collect()
    }
}

impl Model for Unigram {
    type Trainer = UnigramTrainer;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        // The places of a longer text would not fit; none gets here.
        u32::try_from(text.len())?;
        let mut tokens = Vec::new();
        let mut start = 0;
        for end in self.cut(text)? {
            let (piece, span) = (&text[start..end], (start, end));
            start = end;
            let bytes = || self.byte_fallback.then(|| self.bytes(piece)).flatten();
            if let Some(id) = self.token_to_id(piece) {
                tokens.push(Token::new(id, piece.to_owned(), span));
            } else if let Some(bytes) = bytes() {
                tokens.extend(
                    bytes
                        .into_iter()
                        .map(|(id, name)| Token::new(id, name, span)),
                );
            } else {
                let unknown = self.unknown.ok_or(UnigramError::MissingUnkId)?;
                tokens.push(Token::new(unknown, piece.to_owned(), span));
            }
        }
        Ok(tokens)
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        self.trie.get(token.as_bytes())
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        self.piece(id).map(str::to_owned)
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        let ids = 0..self.ends.len() as u32;
        ids.filter_map(|id| Some((self.piece(id)?.to_owned(), id)))
            .collect()
    }

    fn get_vocab_size(&self) -> usize {
        self.ends.len()
    }

    fn save(&self, _: &Path, _: Option<&str>) -> Result<Vec<PathBuf>> {
        Err("a vocabulary is only read here".into())
    }

    fn get_trainer(&self) -> UnigramTrainer {
        UnigramTrainer::default()
    }
}

#[derive(Clone, Copy, Debug)]
struct Node {
    /// The piece that ends here.
    piece: u32,
    /// The first of its children, which stand side by side.
    first: u32,
    children: u16,
}

/// Nodes level by level; children in the order of their bytes.
#[derive(Clone, Debug)]
struct Trie {
    nodes: Vec<Node>,
    /// The byte that leads to each node.
    labels: Vec<u8>,
}

impl Trie {
    /// Of pieces, whose places are their ids; the last of several that are equal counts.
    fn new(pieces: Vec<&[u8]>) -> Self {
        let mut sorted: Vec<(&[u8], u32)> = pieces.into_iter().zip(0..).collect();
        sorted.sort_unstable();
        let mut trie = Self {
            nodes: Vec::new(),
            labels: Vec::new(),
        };
        // The pieces below each node of a level, which share `depth` bytes.
        let mut level = vec![(0u8, 0..sorted.len())];
        let mut depth = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            let first_below = trie.nodes.len() + level.len();
            for (label, mut range) in level {
                let mut piece = NONE;
                while range.start < range.end && sorted[range.start].0.len() == depth {
                    piece = sorted[range.start].1;
                    range.start += 1;
                }
                let (first, before) = (first_below + next.len(), next.len());
                while range.start < range.end {
                    let byte = sorted[range.start].0[depth];
                    let same = sorted[range.clone()].partition_point(|(p, _)| p[depth] <= byte);
                    next.push((byte, range.start..range.start + same));
                    range.start += same;
                }
                trie.labels.push(label);
                trie.nodes.push(Node {
                    piece,
                    first: first as u32,
                    children: (next.len() - before) as u16,
                });
            }
            level = next;
            depth += 1;
        }
        trie.nodes.shrink_to_fit();
        trie.labels.shrink_to_fit();
        trie
    }

    fn child(&self, node: Node, byte: u8) -> Option<Node> {
        let first = node.first as usize;
        let labels = &self.labels[first..first + usize::from(node.children)];
        let at = labels.binary_search(&byte).ok()?;
        Some(self.nodes[first + at])
    }

    /// Calls `found` with the length and the id of every piece that `text` begins with, the
    /// shortest first.
    fn prefixes(&self, text: &[u8], mut found: impl FnMut(usize, u32)) {
        let mut node = self.nodes[0];
        for (i, byte) in text.iter().enumerate() {
            match self.child(node, *byte) {
                Some(child) => node = child,
                None => return,
            }
            if node.piece != NONE {
                found(i + 1, node.piece);
            }
        }
    }

    fn get(&self, piece: &[u8]) -> Option<u32> {
        let mut node = self.nodes[0];
        for byte in piece {
            node = self.child(node, *byte)?;
        }
        (node.piece != NONE).then_some(node.piece)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::models::unigram::Unigram as Reference;

    use super::*;

    fn read(json: &str) -> Option<Unigram> {
        Unigram::try_from(serde_json::from_str::<File>(json).ok()?).ok()
    }

    fn both(pieces: &[(String, f64)], unk: Option<usize>, fallback: bool) -> (Reference, Unigram) {
        let reference = Reference::from(pieces.to_vec(), unk, fallback).expect("valid");
        let json = serde_json::to_string(&reference).expect("written");
        (reference, read(&json).expect("read"))
    }

    proptest! {
        #[test]
        fn texts_are_cut_as_by_the_crate(
            pieces in prop::collection::vec(("[a-dé漢]{1,4}", -9i32..0), 0..30),
            bytes in any::<bool>(),
            text in "[a-fé漢😀]{0,24}",
        ) {
            let mut all = vec![("<unk>".to_owned(), 0.0)];
            if bytes {
                all.extend((0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), -20.0)));
            }
            // Few scores, so that many ways are equally good.
            all.extend(pieces.into_iter().map(|(piece, score)| (piece, f64::from(score) / 2.0)));
            let (reference, ours) = both(&all, Some(0), bytes);
            prop_assert_eq!(ours.tokenize(&text).unwrap(), reference.tokenize(&text).unwrap());
            prop_assert_eq!(ours.get_vocab(), reference.get_vocab());
            for (id, (piece, _)) in all.iter().enumerate() {
                prop_assert_eq!(ours.token_to_id(piece), reference.token_to_id(piece));
                prop_assert_eq!(ours.id_to_token(id as u32), Some(piece.clone()));
            }
            prop_assert_eq!(ours.token_to_id(&text), reference.token_to_id(&text));
        }
    }

    #[test]
    fn an_unknown_character_without_a_piece_for_it_is_an_error() {
        let pieces = [("a".to_owned(), -1.0)];
        let (reference, ours) = both(&pieces, None, false);
        assert!(ours.tokenize("ab").is_err() && reference.tokenize("ab").is_err());
        assert_eq!(ours.tokenize("aa").expect("known").len(), 2);
        assert!(ours.tokenize("").expect("empty").is_empty());
    }

    #[test]
    fn a_vocabulary_that_does_not_fit_its_unknown_piece_is_refused() {
        for json in [
            r#"{"vocab": [], "unk_id": 0}"#,
            r#"{"vocab": [["a", 0.0]], "unk_id": 1}"#,
            r#"{"unk_id": null}"#,
        ] {
            assert!(read(json).is_none(), "{json}");
        }
    }
}
