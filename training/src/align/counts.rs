//! How often a new piece stands for a teacher piece, over all languages.

use rustc_hash::FxHashMap;

use super::corpus::Shared;
use super::model::Link;
use crate::pairs::Pair;

/// Links weaker than this teach no embedding.
pub const LEARNING_WEIGHT: f32 = 0.1;

/// (student, teacher) → weight.
pub type Weights = FxHashMap<(u16, u16), f32>;

/// Counts of one corpus, or of several added up.
#[derive(Debug, Clone, Default)]
pub struct Counts {
    /// (student, teacher) → weight of the translations.
    pub translated: Weights,
    /// (student, teacher) → weight of the same English characters.
    pub same: Weights,
    /// Student id → share of the tokens of the language in which it is most frequent.
    pub rate: FxHashMap<u16, f32>,
    /// Student id → occurrences in English.
    pub english: FxHashMap<u16, u64>,
    /// Tokens of English text.
    pub english_tokens: u64,
}

impl Counts {
    /// Adds the links of one pair.
    pub fn add_links(&mut self, pair: &Pair, links: &[Link]) {
        for link in links.iter().filter(|link| link.weight >= LEARNING_WEIGHT) {
            let key = (pair.other[link.other], pair.teacher[link.teacher]);
            *self.translated.entry(key).or_default() += link.weight;
        }
    }

    /// Adds English text: its student ids, and what they share with the teacher's tokens.
    pub fn add_english(&mut self, ids: &[u16], shared: &[Shared]) {
        self.english_tokens += ids.len() as u64;
        for id in ids {
            *self.english.entry(*id).or_default() += 1;
        }
        for &(teacher, student, share) in shared {
            *self.same.entry((student, teacher)).or_default() += share;
        }
    }

    /// Notes how frequent each piece is in one language.
    pub fn set_rates<'a>(&mut self, texts: impl Iterator<Item = &'a [u16]>) {
        let mut counts: FxHashMap<u16, u64> = FxHashMap::default();
        let mut total = 0_u64;
        for text in texts {
            total += text.len() as u64;
            for id in text {
                *counts.entry(*id).or_default() += 1;
            }
        }
        for (id, count) in counts {
            let rate = count as f32 / total as f32;
            let known = self.rate.entry(id).or_default();
            *known = known.max(rate);
        }
    }

    /// Adds what another corpus counted.
    pub fn merge(&mut self, other: Self) {
        for (key, weight) in other.translated {
            *self.translated.entry(key).or_default() += weight;
        }
        for (key, weight) in other.same {
            *self.same.entry(key).or_default() += weight;
        }
        for (id, rate) in other.rate {
            let known = self.rate.entry(id).or_default();
            *known = known.max(rate);
        }
        for (id, count) in other.english {
            *self.english.entry(id).or_default() += count;
        }
        self.english_tokens += other.english_tokens;
    }

    /// Share of English tokens that are `id`.
    pub fn english_rate(&self, id: u16) -> f32 {
        let count = self.english.get(&id).copied().unwrap_or(0);
        count as f32 / self.english_tokens.max(1) as f32
    }
}

/// Regroups `(student, teacher) → weight` by student, heaviest teacher first.
pub fn by_student(weights: &Weights) -> FxHashMap<u16, Vec<(u16, f32)>> {
    let mut grouped: FxHashMap<u16, Vec<(u16, f32)>> = FxHashMap::default();
    for (&(student, teacher), &weight) in weights {
        grouped.entry(student).or_default().push((teacher, weight));
    }
    for entries in grouped.values_mut() {
        entries.sort_by(|left, right| right.1.total_cmp(&left.1).then(left.0.cmp(&right.0)));
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_over_corpora_and_weak_links_are_left_out() {
        let pair = Pair {
            teacher: vec![5, 6],
            other: vec![9, 8],
            ..Pair::default()
        };
        let link = |teacher, other, weight| Link {
            teacher,
            other,
            weight,
        };
        let mut counts = Counts::default();
        counts.add_links(&pair, &[link(0, 1, 0.5), link(1, 0, 0.05)]);
        counts.set_rates([&pair.other[..]].into_iter());
        let mut more = Counts::default();
        more.add_links(&pair, &[link(0, 1, 0.25), link(1, 1, 0.9)]);
        more.add_english(&[1, 1, 2], &[(3, 1, 1.0), (3, 1, 0.5)]);
        counts.merge(more);
        assert_eq!(by_student(&counts.translated)[&8], [(6, 0.9), (5, 0.75)]);
        assert!(!counts.translated.contains_key(&(9, 6)));
        assert_eq!(by_student(&counts.same)[&1], [(3, 1.5)]);
        assert!((counts.english_rate(1) - 2.0 / 3.0).abs() < 1e-6);
        assert!((counts.rate[&9] - 0.5).abs() < 1e-6);
    }
}
