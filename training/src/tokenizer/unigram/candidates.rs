//! Words as numbers, and the frequent substrings that a fit starts from.

use std::collections::hash_map::Entry;

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Piece, Settings};

/// Occurrences without which a substring is no candidate.
const CANDIDATE_MINIMUM: u64 = 3;

/// Words as sequences of character numbers, one after the other.
pub struct Words {
    letters: Vec<u16>,
    /// Start of each word and its occurrences.
    starts: Vec<(u32, f64)>,
    alphabet: Vec<char>,
}

impl Words {
    /// `None` when there are more characters or letters than numbers for them.
    pub fn new(words: &[(String, u32)], required: &[String]) -> Option<Self> {
        let mut numbers: FxHashMap<char, u16> = FxHashMap::default();
        let mut this = Self {
            letters: Vec::new(),
            starts: Vec::new(),
            alphabet: Vec::new(),
        };
        for text in required.iter().chain(words.iter().map(|(word, _)| word)) {
            for letter in text.chars() {
                if let Entry::Vacant(entry) = numbers.entry(letter) {
                    entry.insert(u16::try_from(this.alphabet.len()).ok()?);
                    this.alphabet.push(letter);
                }
            }
        }
        for (word, count) in words {
            this.starts
                .push((u32::try_from(this.letters.len()).ok()?, f64::from(*count)));
            this.letters
                .extend(word.chars().map(|letter| numbers[&letter]));
        }
        u32::try_from(this.letters.len()).ok()?;
        Some(this)
    }

    /// How many words there are.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Occurrences of word `index`.
    pub fn count(&self, index: usize) -> f64 {
        self.starts[index].1
    }

    fn by_letter(&self) -> FxHashMap<char, u16> {
        self.alphabet
            .iter()
            .enumerate()
            .map(|(number, &letter)| (letter, number as u16))
            .collect()
    }

    /// The letters of word `index`.
    pub fn word(&self, index: usize) -> &[u16] {
        let start = self.starts[index].0 as usize;
        let end = self
            .starts
            .get(index + 1)
            .map_or(self.letters.len(), |next| next.0 as usize);
        &self.letters[start..end]
    }

    /// The text of letters.
    pub fn text(&self, letters: &[u16]) -> String {
        letters
            .iter()
            .map(|&number| self.alphabet[usize::from(number)])
            .collect()
    }
}

/// The substrings with the most letters in the text, after the required pieces.
pub fn candidates(words: &Words, required: &[String], settings: &Settings) -> Vec<Piece> {
    struct Found {
        count: u64,
        start: u32,
        length: u32,
    }
    let mut found: FxHashMap<u64, Found> = FxHashMap::default();
    for index in 0..words.starts.len() {
        let (offset, count) = words.starts[index];
        let letters = words.word(index);
        for start in 0..letters.len() {
            let mut hash = 0_u64;
            for (place, &letter) in letters[start..].iter().take(settings.longest).enumerate() {
                hash =
                    (hash ^ u64::from(letter).wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
                hash ^= hash >> 29;
                if place > 0 {
                    let entry = found.entry(hash).or_insert(Found {
                        count: 0,
                        start: offset + start as u32,
                        length: place as u32 + 1,
                    });
                    entry.count += count as u64;
                }
            }
        }
    }
    let by_letter = words.by_letter();
    let required: Vec<Vec<u16>> = required
        .iter()
        .map(|text| {
            text.chars()
                .filter_map(|letter| by_letter.get(&letter).copied())
                .collect()
        })
        .collect();
    let mut counted: Vec<(u64, &[u16])> = found
        .into_values()
        .filter(|found| found.count >= CANDIDATE_MINIMUM)
        .map(|found| {
            let letters = &words.letters[found.start as usize..][..found.length as usize];
            (found.count * u64::from(found.length), letters)
        })
        .collect();
    counted.par_sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(right.1)));
    counted.truncate(settings.candidates);
    let weights: FxHashMap<&[u16], u64> = counted
        .iter()
        .map(|(weight, letters)| (*letters, *weight))
        .collect();
    let mut single: FxHashMap<u16, f64> = FxHashMap::default();
    for (index, (_, count)) in words.starts.iter().enumerate() {
        for &letter in words.word(index) {
            *single.entry(letter).or_default() += count;
        }
    }
    let mut pieces: Vec<Piece> = required
        .iter()
        .map(|letters| {
            let weight = match letters.as_slice() {
                [letter] => single.get(letter).copied().unwrap_or(0.0),
                many => weights.get(many).map_or(0.0, |weight| *weight as f64),
            };
            Piece {
                letters: letters.clone(),
                score: weight.max(0.5),
                required: true,
            }
        })
        .collect();
    let known: FxHashSet<&[u16]> = required.iter().map(Vec::as_slice).collect();
    pieces.extend(
        counted
            .iter()
            .filter(|(_, letters)| !known.contains(letters))
            .map(|(weight, letters)| Piece {
                letters: letters.to_vec(),
                score: *weight as f64,
                required: false,
            }),
    );
    let total: f64 = pieces.iter().map(|piece| piece.score).sum();
    for piece in &mut pieces {
        piece.score = (piece.score / total).ln();
    }
    pieces
}
