//! Fitting a Unigram language model to counted words (Kudo 2018, arXiv 1804.10959).
//!
//! Candidates are all frequent substrings; expectation maximisation fits their
//! probabilities, and rounds of pruning drop those whose loss costs the least likelihood,
//! until the vocabulary has its size. The trainer in the library `tokenizers` counts
//! candidates over different words instead of occurrences, so that a frequent word which no
//! other word contains (`probably`) never becomes one; this one counts occurrences.

use rayon::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

/// Sizes of a fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Pieces in the end.
    pub pieces: usize,
    /// Candidates in the beginning.
    pub candidates: usize,
    /// Share of pieces that survives a round of pruning, between 0 and 1.
    pub shrinking: f64,
    /// Longest piece in characters.
    pub longest: usize,
}

/// Rounds of expectation maximisation between two prunings.
const ROUNDS: usize = 2;

/// Occurrences without which a substring is no candidate.
const CANDIDATE_MINIMUM: u64 = 3;

/// Expected occurrences below which a piece is dropped at once.
const EXPECTED_MINIMUM: f64 = 0.5;

/// Probability, as a logarithm, of a required piece that the text never needs.
const FLOOR: f64 = -20.0;

/// Words as sequences of character numbers, one after the other.
struct Words {
    letters: Vec<u16>,
    /// Start of each word and its occurrences.
    words: Vec<(u32, f64)>,
    alphabet: Vec<char>,
}

impl Words {
    /// `None` when there are more characters or letters than numbers for them.
    fn new(words: &[(String, u32)], required: &[String]) -> Option<Self> {
        let mut numbers: FxHashMap<char, u16> = FxHashMap::default();
        let mut this = Self {
            letters: Vec::new(),
            words: Vec::new(),
            alphabet: Vec::new(),
        };
        for text in required.iter().chain(words.iter().map(|(word, _)| word)) {
            for letter in text.chars() {
                if !numbers.contains_key(&letter) {
                    numbers.insert(letter, u16::try_from(this.alphabet.len()).ok()?);
                    this.alphabet.push(letter);
                }
            }
        }
        for (word, count) in words {
            this.words
                .push((u32::try_from(this.letters.len()).ok()?, f64::from(*count)));
            this.letters
                .extend(word.chars().map(|letter| numbers[&letter]));
        }
        u32::try_from(this.letters.len()).ok()?;
        Some(this)
    }

    fn numbers(&self, text: &str, by_letter: &FxHashMap<char, u16>) -> Vec<u16> {
        text.chars()
            .filter_map(|letter| by_letter.get(&letter).copied())
            .collect()
    }

    fn by_letter(&self) -> FxHashMap<char, u16> {
        self.alphabet
            .iter()
            .enumerate()
            .map(|(number, &letter)| (letter, number as u16))
            .collect()
    }

    fn word(&self, index: usize) -> &[u16] {
        let start = self.words[index].0 as usize;
        let end = self
            .words
            .get(index + 1)
            .map_or(self.letters.len(), |next| next.0 as usize);
        &self.letters[start..end]
    }

    fn text(&self, letters: &[u16]) -> String {
        letters
            .iter()
            .map(|&number| self.alphabet[usize::from(number)])
            .collect()
    }
}

/// A piece in the making.
#[derive(Debug, Clone)]
struct Piece {
    letters: Vec<u16>,
    /// Natural logarithm of the probability.
    score: f64,
    /// Never dropped.
    required: bool,
}

/// The pieces as a tree of letters.
struct Tree {
    /// From (node, letter) to node; the root is 0.
    edges: FxHashMap<u64, u32>,
    /// Piece that ends in a node, [`NO_PIECE`] when none does.
    ends: Vec<u32>,
}

const NO_PIECE: u32 = u32::MAX;

impl Tree {
    fn new(pieces: &[Piece]) -> Self {
        let mut edges = FxHashMap::default();
        let mut ends = vec![NO_PIECE];
        for (number, piece) in pieces.iter().enumerate() {
            let mut node = 0_u32;
            for &letter in &piece.letters {
                node = *edges
                    .entry(u64::from(node) << 16 | u64::from(letter))
                    .or_insert_with(|| {
                        ends.push(NO_PIECE);
                        ends.len() as u32 - 1
                    });
            }
            ends[node as usize] = number as u32;
        }
        Self { edges, ends }
    }

    /// Calls `found(length, piece)` for every piece that `letters` begins with.
    fn prefixes(&self, letters: &[u16], mut found: impl FnMut(usize, usize)) {
        let mut node = 0_u32;
        for (place, &letter) in letters.iter().enumerate() {
            let Some(&next) = self.edges.get(&(u64::from(node) << 16 | u64::from(letter))) else {
                return;
            };
            node = next;
            let piece = self.ends[node as usize];
            if piece != NO_PIECE {
                found(place + 1, piece as usize);
            }
        }
    }

    /// The best way to write `letters`, as piece numbers from the last to the first, and its
    /// score; a piece as long as `letters` is left out when `in_parts`.
    fn best(&self, letters: &[u16], pieces: &[Piece], in_parts: bool) -> Option<(Vec<u32>, f64)> {
        let mut paths = vec![(f64::NEG_INFINITY, 0_usize, NO_PIECE); letters.len() + 1];
        paths[0].0 = 0.0;
        for start in 0..letters.len() {
            let score = paths[start].0;
            if score == f64::NEG_INFINITY {
                continue;
            }
            self.prefixes(&letters[start..], |length, piece| {
                if in_parts && length == letters.len() {
                    return;
                }
                let candidate = score + pieces[piece].score;
                if candidate > paths[start + length].0 {
                    paths[start + length] = (candidate, start, piece as u32);
                }
            });
        }
        let total = paths[letters.len()].0;
        if total == f64::NEG_INFINITY {
            return None;
        }
        let mut way = Vec::new();
        let mut end = letters.len();
        while end > 0 {
            way.push(paths[end].2);
            end = paths[end].1;
        }
        Some((way, total))
    }
}

/// Fits `settings.pieces` pieces to `words`, with every piece of `required` among them, and
/// returns them with the natural logarithms of their probabilities, most probable first.
///
/// `None` when `required` alone is more than `settings.pieces`, when a word cannot
/// be written with the pieces, or when there are more than 65,536 different characters.
pub fn fit(
    words: &[(String, u32)],
    required: &[String],
    settings: &Settings,
) -> Option<Vec<(String, f64)>> {
    if required.len() > settings.pieces {
        return None;
    }
    let words = Words::new(words, required)?;
    let mut pieces = candidates(&words, required, settings);
    loop {
        for _ in 0..ROUNDS {
            let expected = expect(&words, &pieces)?;
            maximise(&mut pieces, &expected);
        }
        if pieces.len() <= settings.pieces {
            break;
        }
        let next = (pieces.len() as f64 * settings.shrinking) as usize;
        pieces = prune(&words, &pieces, next.max(settings.pieces))?;
    }
    let mut fitted: Vec<_> = pieces
        .iter()
        .map(|piece| (words.text(&piece.letters), piece.score))
        .collect();
    fitted.sort_by(|left, right| {
        right
            .1
            .total_cmp(&left.1)
            .then_with(|| left.0.cmp(&right.0))
    });
    Some(fitted)
}

/// The substrings with the most letters in the text, after the required pieces.
fn candidates(words: &Words, required: &[String], settings: &Settings) -> Vec<Piece> {
    struct Found {
        count: u64,
        start: u32,
        length: u32,
    }
    let mut found: FxHashMap<u64, Found> = FxHashMap::default();
    for index in 0..words.words.len() {
        let (offset, count) = words.words[index];
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
        .map(|text| words.numbers(text, &by_letter))
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
    for (index, (_, count)) in words.words.iter().enumerate() {
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

/// Expected occurrences of every piece, by the forward-backward algorithm on probabilities:
/// words are short enough that none becomes zero.
fn expect(words: &Words, pieces: &[Piece]) -> Option<Vec<f64>> {
    let tree = Tree::new(pieces);
    let probabilities: Vec<f64> = pieces.iter().map(|piece| piece.score.exp()).collect();
    let tasks = rayon::current_num_threads().max(1);
    let size = words.words.len().div_ceil(tasks).max(1);
    let indices: Vec<usize> = (0..words.words.len()).collect();
    indices
        .par_chunks(size)
        .map(|chunk| {
            let mut expected = vec![0.0; pieces.len()];
            let mut spans: Vec<(usize, usize, usize)> = Vec::new();
            let (mut forward, mut backward) = (Vec::new(), Vec::new());
            for &index in chunk {
                let letters = words.word(index);
                let count = words.words[index].1;
                spans.clear();
                for start in 0..letters.len() {
                    tree.prefixes(&letters[start..], |length, piece| {
                        spans.push((start, start + length, piece));
                    });
                }
                forward.clear();
                forward.resize(letters.len() + 1, 0.0);
                backward.clear();
                backward.resize(letters.len() + 1, 0.0);
                forward[0] = 1.0;
                backward[letters.len()] = 1.0;
                for &(start, end, piece) in &spans {
                    forward[end] += forward[start] * probabilities[piece];
                }
                for &(start, end, piece) in spans.iter().rev() {
                    backward[start] += backward[end] * probabilities[piece];
                }
                let total: f64 = forward[letters.len()];
                if total <= 0.0 {
                    return None;
                }
                for &(start, end, piece) in &spans {
                    let share = forward[start] * probabilities[piece] * backward[end] / total;
                    expected[piece] += count * share;
                }
            }
            Some(expected)
        })
        .try_reduce(
            || vec![0.0; pieces.len()],
            |mut left, right| {
                left.iter_mut()
                    .zip(right)
                    .for_each(|(left, right)| *left += right);
                Some(left)
            },
        )
}

/// New probabilities from expected occurrences, with the digamma function as a sparse prior
/// (as SentencePiece does); pieces hardly expected are dropped.
fn maximise(pieces: &mut Vec<Piece>, expected: &[f64]) {
    let kept = |piece: &Piece, count: f64| piece.required || count >= EXPECTED_MINIMUM;
    let total: f64 = pieces
        .iter()
        .zip(expected)
        .filter(|(piece, count)| kept(piece, **count))
        .map(|(_, c)| c)
        .sum();
    let total = digamma(total);
    let mut counts = expected.iter();
    pieces.retain_mut(|piece| {
        let count = counts.next().copied().unwrap_or(0.0);
        if kept(piece, count) {
            piece.score = if count >= EXPECTED_MINIMUM {
                (digamma(count) - total).max(FLOOR)
            } else {
                FLOOR
            };
            true
        } else {
            false
        }
    });
}

/// Keeps the required pieces and, up to `size`, those whose removal would cost the most.
fn prune(words: &Words, pieces: &[Piece], size: usize) -> Option<Vec<Piece>> {
    let tree = Tree::new(pieces);
    let indices: Vec<usize> = (0..words.words.len()).collect();
    let counts = indices
        .par_chunks(
            words
                .words
                .len()
                .div_ceil(rayon::current_num_threads().max(1))
                .max(1),
        )
        .map(|chunk| {
            let mut counts = vec![0.0; pieces.len()];
            for &index in chunk {
                for piece in tree.best(words.word(index), pieces, false)?.0 {
                    counts[piece as usize] += words.words[index].1;
                }
            }
            Some(counts)
        })
        .try_reduce(
            || vec![0.0; pieces.len()],
            |mut left, right| {
                left.iter_mut()
                    .zip(right)
                    .for_each(|(left, right)| *left += right);
                Some(left)
            },
        )?;
    let total: f64 = counts.iter().sum();
    // What the text loses without a piece: its occurrences, times how much less probable it
    // is to write it in parts, which then occur more often.
    let mut losses: Vec<(f64, usize)> = pieces
        .par_iter()
        .enumerate()
        .filter(|(_, piece)| !piece.required)
        .filter_map(|(number, piece)| {
            let count = counts[number];
            if count == 0.0 {
                return None;
            }
            let Some((parts, _)) = tree.best(&piece.letters, pieces, true) else {
                return Some((f64::INFINITY, number));
            };
            let new_total = total + count * (parts.len() as f64 - 1.0);
            let in_parts: f64 = parts
                .iter()
                .map(|&part| ((counts[part as usize] + count) / new_total).ln())
                .sum();
            Some((count * ((count / total).ln() - in_parts), number))
        })
        .collect();
    losses.sort_unstable_by(|left, right| right.0.total_cmp(&left.0).then(left.1.cmp(&right.1)));
    let mut keep: Vec<bool> = pieces.iter().map(|piece| piece.required).collect();
    let room = size.saturating_sub(keep.iter().filter(|keep| **keep).count());
    for (_, number) in losses.into_iter().take(room) {
        keep[number] = true;
    }
    let mut keep = keep.into_iter();
    Some(
        pieces
            .iter()
            .filter(|_| keep.next().unwrap_or(false))
            .cloned()
            .collect(),
    )
}

/// The digamma function for positive `x`, by its asymptotic series.
fn digamma(mut x: f64) -> f64 {
    let mut result = 0.0;
    while x < 7.0 {
        result -= 1.0 / x;
        x += 1.0;
    }
    let square = 1.0 / (x * x);
    result + x.ln()
        - 0.5 / x
        - square * (1.0 / 12.0 - square * (1.0 / 120.0 - square * (1.0 / 252.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(words: &[(&str, u32)]) -> (Vec<(String, u32)>, Vec<String>) {
        let letters: FxHashSet<String> = words
            .iter()
            .flat_map(|(word, _)| word.chars())
            .map(String::from)
            .collect();
        let mut letters: Vec<String> = letters.into_iter().collect();
        letters.sort();
        (
            words
                .iter()
                .map(|(word, count)| ((*word).to_owned(), *count))
                .collect(),
            letters,
        )
    }

    fn settings(pieces: usize) -> Settings {
        Settings {
            pieces,
            candidates: 10_000,
            shrinking: 0.75,
            longest: 16,
        }
    }

    #[test]
    fn frequent_words_become_pieces_even_when_no_other_word_contains_them() {
        let (words, letters) = counted(&[
            ("▁probably", 900),
            ("▁walk", 300),
            ("▁walking", 300),
            ("▁talking", 300),
            ("▁making", 300),
            ("▁hiking", 300),
            ("▁baking", 300),
            ("▁poking", 300),
            ("▁talk", 300),
            ("▁xylophone", 3),
        ]);
        let fitted = fit(&words, &letters, &settings(letters.len() + 7)).unwrap();
        let pieces: Vec<&str> = fitted.iter().map(|(piece, _)| &**piece).collect();
        assert_eq!(fitted.len(), letters.len() + 7);
        for piece in ["▁probably", "▁walk", "▁talk"] {
            assert!(pieces.contains(&piece), "{piece} not in {pieces:?}");
        }
        assert!(
            letters
                .iter()
                .all(|letter| pieces.contains(&letter.as_str()))
        );
    }

    #[test]
    fn probabilities_add_up_to_about_one() {
        let (words, letters) = counted(&[("▁abab", 500), ("▁ab", 400), ("▁ba", 100)]);
        let fitted = fit(&words, &letters, &settings(6)).unwrap();
        let sum: f64 = fitted.iter().map(|(_, score)| score.exp()).sum();
        assert!((sum - 1.0).abs() < 0.02, "{sum} {fitted:?}");
    }

    #[test]
    fn impossible_demands_are_refused() {
        let (words, letters) = counted(&[("▁ab", 2)]);
        assert!(fit(&words, &letters, &settings(2)).is_none());
        assert!(fit(&words, &letters[..1], &settings(9)).is_none());
    }

    #[test]
    fn digamma_of_known_points() {
        assert!((digamma(1.0) + 0.577_215_664_9).abs() < 1e-7);
        assert!((digamma(10.0) - 2.251_752_589_1).abs() < 1e-7);
    }
}
