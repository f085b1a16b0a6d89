//! First embeddings of the new pieces, in the space of the teacher's.
//!
//! What stands in the teacher's vocabulary is copied; what translates teacher pieces is
//! their weighted mean; what is both (German "die") is a mixture by frequency. Pieces that
//! no parallel text showed are put together from known parts. Averages are taken around the
//! mean of all rows and keep the average length of their parts, which a plain mean would
//! shrink.

use rustc_hash::FxHashMap;
use serde::Serialize;
use tokenizers::Tokenizer;

use super::base::Embeddings;
use super::counts::{Counts, by_student};
use crate::tokenizer::pipeline::{SPECIAL_TOKENS, WORD_START};

/// Share of a piece's translations below which one is noise.
const MINIMUM_SHARE: f32 = 0.02;

/// Weight of translations in all without which a piece counts as never seen.
const MINIMUM_WEIGHT: f32 = 1.5;

/// Share of English tokens from which a piece of the teacher's vocabulary is an English
/// word, whose own row keeps at least half the mixture.
const ENGLISH_RATE: f32 = 1e-5;

/// Least part of a mixture worth mixing.
const MINIMUM_MIX: f32 = 0.02;

/// How far an average may be lengthened to the length of its parts.
const LONGEST_STRETCH: f32 = 2.5;

/// Where rows came from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// A row of the teacher's, unchanged.
    pub copied: usize,
    /// English and translations mixed.
    pub mixed: usize,
    /// Mean of what English text shares with the teacher's pieces.
    pub english: usize,
    /// Mean of translations.
    pub translated: usize,
    /// Mean of the teacher's pieces of the same letters.
    pub spelled: usize,
    /// Mean of known parts.
    pub composed: usize,
    /// Mean of all rows.
    pub unknown: usize,
}

/// The teacher's vocabulary and rows.
pub struct Teacher<'a> {
    tokenizer: &'a Tokenizer,
    rows: &'a Embeddings,
    tokens: Vec<String>,
    mean: Vec<f32>,
}

type Weights = Vec<(u16, f32)>;

impl<'a> Teacher<'a> {
    /// `rows` has a row for each id of `tokenizer`.
    pub fn new(tokenizer: &'a Tokenizer, rows: &'a Embeddings) -> Self {
        let tokens = (0..rows.rows() as u32)
            .map(|id| tokenizer.id_to_token(id).unwrap_or_default())
            .collect();
        let mut mean = vec![0.0; rows.hidden];
        for row in rows.values.chunks_exact(rows.hidden) {
            mean.iter_mut()
                .zip(row)
                .for_each(|(mean, value)| *mean += value);
        }
        let count = rows.rows().max(1) as f32;
        for value in &mut mean {
            *value /= count;
        }
        Self {
            tokenizer,
            rows,
            tokens,
            mean,
        }
    }

    /// The teacher's piece with the same letters in the same place of a word.
    fn twin(&self, piece: &str) -> Option<u16> {
        let token = match piece.strip_prefix(WORD_START) {
            Some("") => return None,
            Some(word) => word.to_owned(),
            None => format!("##{piece}"),
        };
        self.tokenizer
            .token_to_id(&token)
            .and_then(|id| u16::try_from(id).ok())
    }

    /// The teacher's pieces of the letters of `piece`, when it knows them all.
    fn spelled(&self, piece: &str) -> Option<Weights> {
        let encoding = self
            .tokenizer
            .encode(piece.trim_start_matches(WORD_START), false)
            .ok()?;
        let unknown = self.tokenizer.token_to_id("[UNK]");
        let ids = encoding.get_ids();
        (!ids.is_empty() && ids.iter().all(|id| Some(*id) != unknown))
            .then(|| ids.iter().map(|id| (*id as u16, 1.0)).collect())
    }

    fn row(&self, id: u16) -> Vec<f32> {
        self.rows.row(usize::from(id)).to_vec()
    }

    fn average(&self, weights: &[(u16, f32)]) -> Vec<f32> {
        let rows: Vec<(&[f32], f32)> = weights
            .iter()
            .map(|&(id, weight)| (self.rows.row(usize::from(id)), weight))
            .collect();
        average(&rows, &self.mean)
    }

    /// Translations that may be believed: frequent enough, and a word for a word.
    fn believable(&self, piece: &str, weights: &[(u16, f32)]) -> Weights {
        let has_letters = piece.chars().any(char::is_alphabetic);
        let fits = |token: &str| {
            let token = token.strip_prefix("##").unwrap_or(token);
            has_letters == token.chars().any(char::is_alphabetic)
        };
        let total: f32 = weights.iter().map(|(_, weight)| weight).sum();
        weights
            .iter()
            .copied()
            .filter(|&(id, weight)| {
                weight >= MINIMUM_SHARE * total && fits(&self.tokens[usize::from(id)])
            })
            .collect()
    }

    /// The token with id `id`, for people to read.
    pub fn token(&self, id: u16) -> &str {
        &self.tokens[usize::from(id)]
    }
}

/// Weighted mean of rows around `mean`, as long as its parts are on average.
fn average(rows: &[(&[f32], f32)], mean: &[f32]) -> Vec<f32> {
    let total: f32 = rows.iter().map(|(_, weight)| weight).sum();
    let mut sum = vec![0.0; mean.len()];
    let mut length = 0.0;
    for (row, weight) in rows {
        let share = weight / total;
        let mut square = 0.0;
        for ((sum, value), mean) in sum.iter_mut().zip(*row).zip(mean) {
            let centred = value - mean;
            *sum += share * centred;
            square += centred * centred;
        }
        length += share * square.sqrt();
    }
    let own = sum.iter().map(|value| value * value).sum::<f32>().sqrt();
    let stretch = (length / own.max(f32::MIN_POSITIVE)).min(LONGEST_STRETCH);
    sum.iter()
        .zip(mean)
        .map(|(value, mean)| value * stretch + mean)
        .collect()
}

/// The first embedding of every piece of `vocabulary` (by id), and where they came from.
pub fn initialise(
    vocabulary: &[String],
    teacher: &Teacher<'_>,
    counts: &Counts,
) -> (Embeddings, Summary) {
    let (same, translated) = (by_student(&counts.same), by_student(&counts.translated));
    let mut summary = Summary::default();
    let mut rows: Vec<Option<Vec<f32>>> = vocabulary
        .iter()
        .enumerate()
        .map(|(id, piece)| {
            known_row(
                id as u16,
                piece,
                teacher,
                counts,
                (&same, &translated),
                &mut summary,
            )
        })
        .collect();
    let known: FxHashMap<&str, usize> = vocabulary
        .iter()
        .enumerate()
        .filter(|(id, _)| *id >= SPECIAL_TOKENS.len() && rows[*id].is_some())
        .map(|(id, piece)| (piece.as_str(), id))
        .collect();
    for (id, piece) in vocabulary.iter().enumerate() {
        if rows[id].is_some() {
            continue;
        }
        let parts: Vec<(&[f32], f32)> = parts(piece, &known)
            .into_iter()
            .filter_map(|(part, weight)| rows[part].as_deref().map(|row| (row, weight)))
            .collect();
        rows[id] = Some(if parts.is_empty() {
            summary.unknown += 1;
            teacher.mean.clone()
        } else {
            summary.composed += 1;
            average(&parts, &teacher.mean)
        });
    }
    let values = rows.into_iter().flatten().flatten().collect();
    (
        Embeddings {
            values,
            hidden: teacher.rows.hidden,
        },
        summary,
    )
}

type Grouped = FxHashMap<u16, Weights>;

fn known_row(
    id: u16,
    piece: &str,
    teacher: &Teacher<'_>,
    counts: &Counts,
    (same, translated): (&Grouped, &Grouped),
    summary: &mut Summary,
) -> Option<Vec<f32>> {
    if usize::from(id) < SPECIAL_TOKENS.len() {
        let row = teacher
            .tokenizer
            .token_to_id(piece)
            .map(|id| teacher.row(id as u16))?;
        summary.copied += 1;
        return Some(row);
    }
    let twin = teacher.twin(piece);
    let rate = counts.english_rate(id);
    let is_plain = piece.trim_start_matches(WORD_START).is_ascii();
    let english = match twin {
        Some(twin) if is_plain || rate > 0.0 => Some((teacher.row(twin), true)),
        _ => same
            .get(&id)
            .map(|weights| (teacher.average(weights), false)),
    };
    let foreign = translated
        .get(&id)
        .map(|weights| teacher.believable(piece, weights))
        .filter(|weights| weights.iter().map(|(_, weight)| weight).sum::<f32>() >= MINIMUM_WEIGHT)
        .map(|weights| teacher.average(&weights));
    match (english, foreign) {
        (Some((english, is_copy)), Some(foreign)) => {
            let other = counts.rate.get(&id).copied().unwrap_or(0.0);
            let mut share = rate / (rate + other).max(f32::MIN_POSITIVE);
            if is_copy && (rate >= ENGLISH_RATE || !piece.chars().any(char::is_alphabetic)) {
                share = share.max(0.5);
            }
            if share > 1.0 - MINIMUM_MIX {
                summary.count_english(is_copy);
                return Some(english);
            }
            if share < MINIMUM_MIX {
                summary.translated += 1;
                return Some(foreign);
            }
            summary.mixed += 1;
            Some(average(
                &[(&english, share), (&foreign, 1.0 - share)],
                &teacher.mean,
            ))
        }
        (Some((english, is_copy)), None) => {
            summary.count_english(is_copy);
            Some(english)
        }
        (None, Some(foreign)) => {
            summary.translated += 1;
            Some(foreign)
        }
        (None, None) => {
            let weights = match twin {
                Some(twin) => vec![(twin, 1.0)],
                None if is_plain || is_latin(piece) => teacher.spelled(piece)?,
                None => return None,
            };
            summary.spelled += 1;
            Some(teacher.average(&weights))
        }
    }
}

impl Summary {
    fn count_english(&mut self, is_copy: bool) {
        if is_copy {
            self.copied += 1;
        } else {
            self.english += 1;
        }
    }
}

fn is_latin(piece: &str) -> bool {
    piece.chars().any(|letter| letter.is_ascii_alphabetic())
}

/// Known parts of a piece, longest first from the left, with the squares of their lengths as
/// weights; single letters, which mean nothing, are left out.
fn parts(piece: &str, known: &FxHashMap<&str, usize>) -> Vec<(usize, f32)> {
    let mut found = Vec::new();
    let mut rest = piece;
    while !rest.is_empty() {
        let ends = rest
            .char_indices()
            .map(|(start, letter)| start + letter.len_utf8());
        let part = ends
            .rev()
            .find_map(|end| known.get(&rest[..end]).map(|id| (end, *id)));
        if let Some((end, id)) = part {
            let letters = rest[..end]
                .chars()
                .filter(|letter| *letter != WORD_START)
                .count();
            if letters >= 2 {
                found.push((id, (letters * letters) as f32));
            }
            rest = &rest[end..];
        } else {
            let first = rest.chars().next().map_or(rest.len(), char::len_utf8);
            rest = &rest[first..];
        }
    }
    found
}

#[cfg(test)]
mod tests;
