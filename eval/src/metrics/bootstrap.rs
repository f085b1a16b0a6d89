//! Intervals by resampling whole documents.

use rand::Rng;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A 95 % interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The 2.5th percentile.
    pub low: f64,
    /// The 97.5th percentile.
    pub high: f64,
}

/// How replicates are drawn: documents with replacement, each with all of its rows, because
/// rows of one document are not independent (cluster bootstrap).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resampling {
    /// Number of replicates.
    pub samples: usize,
    /// Seed; the same seed gives the same intervals whatever the number of threads.
    pub seed: u64,
}

impl Resampling {
    /// Values of `statistic` on every replicate in which it is defined. `documents` lists the
    /// rows of each document; the statistic gets the rows of the drawn documents.
    pub fn replicate<T: Send>(
        &self,
        documents: &[Vec<usize>],
        statistic: impl Fn(&[usize]) -> Option<T> + Sync,
    ) -> Vec<T> {
        if documents.is_empty() {
            return Vec::new();
        }
        (0..self.samples as u64)
            .into_par_iter()
            .filter_map(|sample| {
                let mut random = ChaCha8Rng::seed_from_u64(self.seed);
                random.set_stream(sample);
                let mut rows = Vec::new();
                for _ in 0..documents.len() {
                    rows.extend_from_slice(&documents[random.random_range(0..documents.len())]);
                }
                statistic(&rows)
            })
            .collect()
    }

    /// The percentile interval of a statistic; `None` when fewer than half of the replicates
    /// define it.
    pub fn interval(
        &self,
        documents: &[Vec<usize>],
        statistic: impl Fn(&[usize]) -> Option<f64> + Sync,
    ) -> Option<Interval> {
        let mut values = self.replicate(documents, statistic);
        if values.is_empty() || values.len() * 2 < self.samples {
            return None;
        }
        values.sort_by(f64::total_cmp);
        Some(Interval {
            low: percentile(&values, 0.025),
            high: percentile(&values, 0.975),
        })
    }
}

/// Percentile of sorted values with linear interpolation (numpy's default).
pub(super) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    let weight = position - below as f64;
    sorted[below] * (1.0 - weight) + sorted[above] * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mean(values: &[f64]) -> impl Fn(&[usize]) -> Option<f64> + Sync + '_ {
        |rows| Some(rows.iter().map(|&row| values[row]).sum::<f64>() / rows.len() as f64)
    }

    #[test]
    fn the_interval_of_a_mean_is_that_of_the_normal_approximation() {
        let values: Vec<f64> = (0..400).map(|index| f64::from(index % 2)).collect();
        let documents: Vec<Vec<usize>> = (0..400).map(|row| vec![row]).collect();
        let resampling = Resampling {
            samples: 2000,
            seed: 7,
        };
        let interval = resampling.interval(&documents, mean(&values)).unwrap();
        let half_width = 1.96 * 0.5 / 20.0;
        assert!(
            (interval.low - (0.5 - half_width)).abs() < 0.006,
            "{interval:?}"
        );
        assert!(
            (interval.high - (0.5 + half_width)).abs() < 0.006,
            "{interval:?}"
        );
    }

    #[test]
    fn rows_of_one_document_widen_the_interval() {
        let values: Vec<f64> = (0..400).map(|index| f64::from((index / 10) % 2)).collect();
        let single: Vec<Vec<usize>> = (0..400).map(|row| vec![row]).collect();
        let by_ten: Vec<Vec<usize>> = (0..40)
            .map(|document| (document * 10..document * 10 + 10).collect())
            .collect();
        let resampling = Resampling {
            samples: 500,
            seed: 1,
        };
        let narrow = resampling.interval(&single, mean(&values)).unwrap();
        let wide = resampling.interval(&by_ten, mean(&values)).unwrap();
        assert!(wide.high - wide.low > 2.0 * (narrow.high - narrow.low));
    }

    #[test]
    fn the_seed_decides() {
        let values: Vec<f64> = (0..50).map(f64::from).collect();
        let documents: Vec<Vec<usize>> = (0..50).map(|row| vec![row]).collect();
        let at = |seed| {
            Resampling { samples: 100, seed }
                .interval(&documents, mean(&values))
                .unwrap()
        };
        assert_eq!(at(3), at(3));
        assert_ne!(at(3), at(4));
    }

    #[test]
    fn an_undefined_statistic_has_no_interval() {
        let resampling = Resampling {
            samples: 10,
            seed: 0,
        };
        assert_eq!(resampling.interval(&[vec![0]], |_| None), None);
        assert_eq!(resampling.interval(&[], |_| Some(1.0)), None);
    }
}
