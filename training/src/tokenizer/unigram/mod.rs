//! Fitting a Unigram language model to counted words (Kudo 2018, arXiv 1804.10959).
//!
//! Candidates are all frequent substrings; expectation maximisation fits their
//! probabilities, and rounds of pruning drop those whose loss costs the least likelihood,
//! until the vocabulary has its size. The trainer in the library `tokenizers` counts
//! candidates over different words instead of occurrences, so that a frequent word which no
//! other word contains (`probably`) never becomes one; this one counts occurrences.

mod candidates;
mod tree;

use rayon::prelude::*;

use candidates::{Words, candidates};
use tree::Tree;

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

/// Parts in which words are counted.
const PARTS: usize = 16;

/// Expected occurrences below which a piece is dropped at once.
const EXPECTED_MINIMUM: f64 = 0.5;

/// Probability, as a logarithm, of a required piece that the text never needs.
const FLOOR: f64 = -20.0;

/// A piece in the making.
#[derive(Debug, Clone)]
struct Piece {
    letters: Vec<u16>,
    /// Natural logarithm of the probability.
    score: f64,
    /// Never dropped.
    required: bool,
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

/// Adds up what `count(word, totals)` counts per piece, in parts that do not depend on the
/// number of threads: the same text gives the same sums to the last bit. `None` from `count`
/// ends it.
fn tally(
    words: &Words,
    pieces: usize,
    count: impl Fn(usize, &mut [f64]) -> Option<()> + Sync,
) -> Option<Vec<f64>> {
    let size = words.len().div_ceil(PARTS).max(1);
    let parts: Vec<Vec<f64>> = (0..words.len().div_ceil(size))
        .into_par_iter()
        .map(|part| {
            let mut totals = vec![0.0; pieces];
            for word in part * size..words.len().min((part + 1) * size) {
                count(word, &mut totals)?;
            }
            Some(totals)
        })
        .collect::<Option<_>>()?;
    let mut totals = vec![0.0; pieces];
    for part in parts {
        for (total, value) in totals.iter_mut().zip(part) {
            *total += value;
        }
    }
    Some(totals)
}

/// Expected occurrences of every piece, by the forward-backward algorithm on probabilities:
/// words are short enough that none becomes zero.
fn expect(words: &Words, pieces: &[Piece]) -> Option<Vec<f64>> {
    let tree = Tree::new(pieces);
    let probabilities: Vec<f64> = pieces.iter().map(|piece| piece.score.exp()).collect();
    tally(words, pieces.len(), |word, expected| {
        let letters = words.word(word);
        // In the order of their starts.
        let mut spans: Vec<(usize, usize, usize)> = Vec::new();
        for start in 0..letters.len() {
            tree.prefixes(&letters[start..], |length, piece| {
                spans.push((start, start + length, piece));
            });
        }
        let mut forward = vec![0.0; letters.len() + 1];
        let mut backward = vec![0.0; letters.len() + 1];
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
            expected[piece] += words.count(word) * share;
        }
        Some(())
    })
}

/// New probabilities from expected occurrences, with the digamma function as a sparse prior
/// (as `SentencePiece` does); pieces hardly expected are dropped.
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
    let counts = tally(words, pieces.len(), |word, counts| {
        for piece in tree.best(words.word(word), pieces, false)?.0 {
            counts[piece as usize] += words.count(word);
        }
        Some(())
    })?;
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
mod tests;
