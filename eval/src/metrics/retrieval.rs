//! Finding the translation of a sentence among all of them.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How well aligned sentences find each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retrieval {
    /// For every query, the rank of its own key, from 1.
    pub ranks: Vec<usize>,
}

impl Retrieval {
    /// Share of queries whose nearest key is their own; `None` without queries.
    pub fn top1(&self) -> Option<f64> {
        self.within(1)
    }

    /// Share of queries whose own key is among the `rank` nearest; `None` without queries.
    pub fn within(&self, rank: usize) -> Option<f64> {
        let hits = self.ranks.iter().filter(|&&found| found <= rank).count();
        (!self.ranks.is_empty()).then(|| hits as f64 / self.ranks.len() as f64)
    }

    /// Mean reciprocal rank; `None` without queries.
    pub fn mean_reciprocal_rank(&self) -> Option<f64> {
        let sum: f64 = self.ranks.iter().map(|&rank| 1.0 / rank as f64).sum();
        (!self.ranks.is_empty()).then(|| sum / self.ranks.len() as f64)
    }
}

/// Ranks the keys of every query by cosine; key `i` belongs to query `i`. Vectors are
/// `[rows][dimension]`, of any length above zero; a key equal to the right one in cosine
/// counts as before it, so that a constant encoder gets nothing.
///
/// # Panics
/// When there are more queries than keys.
pub fn retrieve(queries: &[Vec<f32>], keys: &[Vec<f32>]) -> Retrieval {
    assert!(queries.len() <= keys.len(), "every query has a key");
    let queries = normalised(queries);
    let keys = normalised(keys);
    let ranks = queries
        .par_iter()
        .enumerate()
        .map(|(own, query)| {
            let right = dot(query, &keys[own]);
            let before = keys
                .iter()
                .enumerate()
                .filter(|(index, key)| *index != own && dot(query, key) >= right)
                .count();
            before + 1
        })
        .collect();
    Retrieval { ranks }
}

fn normalised(vectors: &[Vec<f32>]) -> Vec<Vec<f32>> {
    vectors
        .iter()
        .map(|vector| {
            let length = dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
            vector.iter().map(|value| value / length).collect()
        })
        .collect()
}

fn dot(left: &[f32], right: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; 16];
    let (left_chunks, right_chunks) = (left.chunks_exact(16), right.chunks_exact(16));
    let rest: f32 = left_chunks
        .remainder()
        .iter()
        .zip(right_chunks.remainder())
        .map(|(a, b)| a * b)
        .sum();
    for (left, right) in left_chunks.zip(right_chunks) {
        for lane in 0..16 {
            lanes[lane] += left[lane] * right[lane];
        }
    }
    rest + lanes.iter().sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_does_not_matter_and_direction_does() {
        let queries = vec![vec![1.0, 0.0], vec![0.0, 5.0], vec![1.0, 1.0]];
        let keys = vec![vec![9.0, 1.0], vec![-1.0, 5.0], vec![1.0, 0.0]];
        let found = retrieve(&queries, &keys);
        // the first query is nearest to the third key, and the third to the first
        assert_eq!(found.ranks, vec![2, 1, 2]);
        assert_eq!(found.top1(), Some(1.0 / 3.0));
        assert_eq!(found.within(2), Some(1.0));
        assert!((found.mean_reciprocal_rank().unwrap() - 2.0 / 3.0).abs() < 1e-12);
    }

    #[test]
    fn a_constant_encoder_finds_nothing() {
        let same = vec![vec![0.5; 20]; 4];
        assert_eq!(retrieve(&same, &same).top1(), Some(0.0));
    }

    #[test]
    fn no_queries_have_no_score() {
        assert_eq!(retrieve(&[], &[]).top1(), None);
    }
}
