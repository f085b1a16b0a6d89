//! Parallel sentences as ids of both tokenizers, filtered, with the English side aligned to
//! itself by character offsets.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use rustc_hash::FxHashSet;
use serde::Serialize;
use tokenizers::Tokenizer;

use super::AlignError;
use crate::data::corpus::{self, RetrievalTest};
use crate::data::splits::normalise;
use crate::pairs::{MAX_TOKENS, Pair};

/// Longest side over shortest side, in tokens, of a pair that may be a translation.
const LENGTH_RATIO: usize = 4;

/// Tokens up to which a side may be any number of times longer: a word has many pieces.
const SHORT: usize = 8;

/// The teacher's and the new tokenizer.
#[derive(Debug)]
pub struct Tokenizers {
    /// English, `WordPiece`.
    pub teacher: Tokenizer,
    /// Multilingual, Unigram.
    pub student: Tokenizer,
}

/// Why pairs were left out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// A side had no token.
    pub empty: usize,
    /// A side had more than [`MAX_TOKENS`] tokens.
    pub long: usize,
    /// Lengths too different.
    pub ratio: usize,
    /// Both sides say the same.
    pub same: usize,
    /// The same pair again.
    pub repeated: usize,
    /// A side stands in the retrieval test.
    pub in_test: usize,
}

enum Checked {
    Kept(Pair),
    Empty,
    Long,
    Ratio,
}

/// What a teacher token and a student token of one text share: teacher id, student id, share
/// of the student token's bytes.
pub type Shared = (u16, u16, f32);

/// A text as ids and byte spans.
struct Encoded {
    ids: Vec<u16>,
    spans: Vec<Range<usize>>,
}

impl Tokenizers {
    /// Loads both; truncation and padding that a file asks for are switched off.
    pub fn load(teacher: &Path, student: &Path) -> Result<Self, AlignError> {
        let load = |path: &Path| {
            let fault = |error: tokenizers::Error| AlignError::Base {
                path: path.to_owned(),
                message: error.to_string(),
            };
            let mut tokenizer = Tokenizer::from_file(path).map_err(fault)?;
            tokenizer.with_padding(None);
            tokenizer.with_truncation(None).map_err(fault)?;
            if tokenizer.get_vocab_size(true) > 1 << 16 {
                return Err(fault("more than 65,536 pieces".into()));
            }
            Ok(tokenizer)
        };
        Ok(Self {
            teacher: load(teacher)?,
            student: load(student)?,
        })
    }

    fn check(&self, english: &str, other: &str) -> Result<Checked, AlignError> {
        let teacher = encode(&self.teacher, "English", english)?;
        let own = encode(&self.student, "English", english)?;
        let translated = encode(&self.student, "the other side", other)?;
        let lengths = [&teacher, &own, &translated].map(|side| side.ids.len());
        let shortest = lengths.into_iter().min().unwrap_or(0);
        let longest = lengths.into_iter().max().unwrap_or(0);
        Ok(if shortest == 0 {
            Checked::Empty
        } else if longest > MAX_TOKENS {
            Checked::Long
        } else if longest > SHORT && longest > LENGTH_RATIO * shortest {
            Checked::Ratio
        } else {
            let english_links = overlaps(&teacher.spans, &own.spans)
                .into_iter()
                .map(|(left, right, _)| (left as u16, right as u16))
                .collect();
            Checked::Kept(Pair {
                teacher: teacher.ids,
                english: own.ids,
                other: translated.ids,
                english_links,
                other_links: Vec::new(),
            })
        })
    }

    /// The student ids of an English text, and what they share with the teacher's tokens.
    pub fn english(&self, text: &str) -> Result<(Vec<u16>, Vec<Shared>), AlignError> {
        let teacher = encode(&self.teacher, "English", text)?;
        let own = encode(&self.student, "English", text)?;
        let shared = overlaps(&teacher.spans, &own.spans)
            .into_iter()
            .map(|(left, right, bytes)| {
                let share = bytes as f32 / own.spans[right].len().max(1) as f32;
                (teacher.ids[left], own.ids[right], share)
            })
            .collect();
        Ok((own.ids, shared))
    }
}

/// Reads and tokenizes a parallel file; pairs with a side in `test` are left out.
pub fn read(
    path: &Path,
    tokenizers: &Tokenizers,
    test: &RetrievalTest,
) -> Result<(Vec<Pair>, Dropped), AlignError> {
    let mut dropped = Dropped::default();
    let mut seen = FxHashSet::default();
    let mut texts = Vec::new();
    for row in corpus::pairs(path)? {
        let (_, english, other) = row?;
        let keys = (normalise(&english), normalise(&other));
        if keys.0.is_empty() || keys.1.is_empty() {
            dropped.empty += 1;
        } else if keys.0 == keys.1 {
            dropped.same += 1;
        } else if test.contains(&english) || test.contains(&other) {
            dropped.in_test += 1;
        } else if seen.insert(keys) {
            texts.push((english, other));
        } else {
            dropped.repeated += 1;
        }
    }
    drop(seen);
    let checked: Vec<Checked> = texts
        .par_iter()
        .map(|(english, other)| tokenizers.check(english, other))
        .collect::<Result<_, _>>()?;
    let mut pairs = Vec::with_capacity(checked.len());
    for checked in checked {
        match checked {
            Checked::Kept(pair) => pairs.push(pair),
            Checked::Empty => dropped.empty += 1,
            Checked::Long => dropped.long += 1,
            Checked::Ratio => dropped.ratio += 1,
        }
    }
    Ok((pairs, dropped))
}

fn encode(tokenizer: &Tokenizer, side: &'static str, text: &str) -> Result<Encoded, AlignError> {
    let encoding = tokenizer
        .encode(text, false)
        .map_err(|error| AlignError::Tokenizer {
            side,
            message: error.to_string(),
        })?;
    Ok(Encoded {
        ids: encoding.get_ids().iter().map(|id| *id as u16).collect(),
        spans: encoding
            .get_offsets()
            .iter()
            .map(|&(start, end)| start..end)
            .collect(),
    })
}

/// `(left index, right index, shared bytes)` for spans that share at least a byte. Both lists
/// are in the order of the text.
fn overlaps(left: &[Range<usize>], right: &[Range<usize>]) -> Vec<(usize, usize, usize)> {
    let mut found = Vec::new();
    let mut first = 0;
    for (index, span) in left.iter().enumerate() {
        while first < right.len() && right[first].end <= span.start {
            first += 1;
        }
        for (other, candidate) in right.iter().enumerate().skip(first) {
            if candidate.start >= span.end {
                break;
            }
            let shared = span
                .end
                .min(candidate.end)
                .saturating_sub(span.start.max(candidate.start));
            if shared > 0 {
                found.push((index, other, shared));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_one_text_meet_where_they_share_characters() {
        // "unseen thing" as un|seen|thing and as unsee|n|thing.
        let left = [0..2, 2..6, 7..12];
        let right = [0..5, 5..6, 7..12];
        assert_eq!(
            overlaps(&left, &right),
            [(0, 0, 2), (1, 0, 3), (1, 1, 1), (2, 2, 5)]
        );
        assert!(overlaps(&left, &[]).is_empty());
        // A mark without characters meets nothing.
        assert!(overlaps(&left, &[Range { start: 3, end: 3 }]).is_empty());
    }
}
