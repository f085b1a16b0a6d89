//! Whether two systems that answered the same rows differ.

use serde::{Deserialize, Serialize};

use super::bootstrap::percentile;
use super::{Interval, Metric, Resampling, Scores};

/// `second - first` in one metric, with an interval and a p-value from the paired bootstrap.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// The difference over all rows.
    pub difference: f64,
    /// Its 95 % interval.
    pub interval: Interval,
    /// Two-sided p-value: twice the share of replicates on the far side of zero, at most 1;
    /// never below `2 / (samples + 1)`, the finest that the replicates can tell.
    pub p_value: f64,
}

/// Paired bootstrap over documents (Efron & Tibshirani 1993, Koehn 2004): both systems are
/// scored on the same resampled documents. `None` when the metric is undefined for either.
///
/// # Panics
/// When the two systems answered different numbers of rows.
pub fn paired_bootstrap(
    first: &Scores,
    second: &Scores,
    metric: Metric,
    documents: &[Vec<usize>],
    resampling: Resampling,
) -> Option<PairedDifference> {
    assert_eq!(
        first.len(),
        second.len(),
        "paired systems answer the same rows"
    );
    let gap = |rows: &[usize]| Some(metric.compute(second, rows)? - metric.compute(first, rows)?);
    let rows: Vec<usize> = documents.iter().flatten().copied().collect();
    let difference = gap(&rows)?;
    let mut gaps = resampling.replicate(documents, gap);
    if gaps.is_empty() {
        return None;
    }
    gaps.sort_by(f64::total_cmp);
    let not_above = gaps.iter().filter(|&&gap| gap <= 0.0).count();
    let not_below = gaps.iter().filter(|&&gap| gap >= 0.0).count();
    let tail = (not_above.min(not_below) + 1) as f64 / (gaps.len() + 1) as f64;
    Some(PairedDifference {
        difference,
        interval: Interval {
            low: percentile(&gaps, 0.025),
            high: percentile(&gaps, 0.975),
        },
        p_value: (2.0 * tail).min(1.0),
    })
}

/// `McNemar`'s exact test on the rows where exactly one of two systems is right.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct McNemar {
    /// Rows that only the first system got right.
    pub only_first: usize,
    /// Rows that only the second system got right.
    pub only_second: usize,
    /// Two-sided exact binomial p-value.
    pub p_value: f64,
}

/// `McNemar`'s test (1947) in its exact binomial form. Rows are taken as independent, which
/// rows of one document are not: prefer [`paired_bootstrap`] where documents have many rows.
pub fn mcnemar(pairs: impl IntoIterator<Item = (bool, bool)>) -> McNemar {
    let (mut only_first, mut only_second) = (0, 0);
    for (first, second) in pairs {
        only_first += usize::from(first && !second);
        only_second += usize::from(second && !first);
    }
    let p_value = sign_test(only_first.min(only_second), only_first + only_second);
    McNemar {
        only_first,
        only_second,
        p_value,
    }
}

/// How the natural logarithm of the right class's probability changes from one system to another: what macro-F1, which
/// rows beside a boundary move alone, does not see of a small difference.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LogLikelihoodChange {
    /// Mean over rows, second minus first: the first system's log loss minus the second's.
    pub mean: f64,
    /// Standard deviation over rows, of the population.
    pub deviation: f64,
}

/// The least probability of [`log_likelihood_change`]: runs store five digits.
const LEAST_PROBABILITY: f64 = 1e-5;

/// Compares the probabilities that two systems give the right class of the same rows; `None` without rows.
///
/// # Panics
/// When the two systems answered different numbers of rows.
pub fn log_likelihood_change(first: &Scores, second: &Scores) -> Option<LogLikelihoodChange> {
    assert_eq!(
        first.len(),
        second.len(),
        "paired systems answer the same rows"
    );
    if first.is_empty() {
        return None;
    }
    let log = |scores: &Scores, row: usize| {
        let right = scores.probabilities(row)[scores.gold(row)];
        right.max(LEAST_PROBABILITY).ln()
    };
    let rows = first.len() as f64;
    let changes = |row| log(second, row) - log(first, row);
    let mean = (0..first.len()).map(changes).sum::<f64>() / rows;
    let square = |row| (changes(row) - mean).powi(2);
    let variance = (0..first.len()).map(square).sum::<f64>() / rows;
    Some(LogLikelihoodChange {
        mean,
        deviation: variance.sqrt(),
    })
}

/// `min(1, 2 · P(X ≤ fewer))` for X binomial over `trials` fair coin throws.
fn sign_test(fewer: usize, trials: usize) -> f64 {
    let mut log_choose = 0.0_f64;
    let base = trials as f64 * 0.5_f64.ln();
    let mut tail = base.exp();
    for successes in 1..=fewer {
        log_choose += ((trials - successes + 1) as f64).ln() - (successes as f64).ln();
        tail += (log_choose + base).exp();
    }
    (2.0 * tail).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(correct: impl Iterator<Item = bool>) -> Scores {
        let mut scores = Scores::new(2);
        for correct in correct {
            let first = if correct { 0.9 } else { 0.1 };
            scores.push(0, &[first, 1.0 - first], false);
        }
        scores
    }

    #[test]
    fn a_clear_difference_is_found_and_equality_is_not() {
        let weak = scores((0..200).map(|row| row % 2 == 0));
        let strong = scores((0..200).map(|row| row % 10 != 0));
        let documents: Vec<Vec<usize>> = (0..200).map(|row| vec![row]).collect();
        let resampling = Resampling {
            samples: 999,
            seed: 5,
        };
        let test = |a: &Scores, b: &Scores| {
            paired_bootstrap(a, b, Metric::Accuracy, &documents, resampling).unwrap()
        };
        let clear = test(&weak, &strong);
        assert!((clear.difference - 0.4).abs() < 1e-12);
        assert!(
            clear.interval.low > 0.0 && clear.p_value < 0.01,
            "{clear:?}"
        );
        let same = test(&weak, &weak);
        assert!((same.difference, same.p_value) == (0.0, 1.0), "{same:?}");
    }

    #[test]
    fn the_right_class_s_probability_is_followed() {
        let of = |right: &[f64]| {
            let mut scores = Scores::new(2);
            for p in right {
                scores.push(0, &[*p, 1.0 - p], false);
            }
            scores
        };
        let change = log_likelihood_change(&of(&[0.5, 0.5]), &of(&[0.25, 1.0])).unwrap();
        assert!(change.mean.abs() < 1e-12);
        assert!((change.deviation - 2f64.ln()).abs() < 1e-12);
        let change = log_likelihood_change(&of(&[0.5]), &of(&[0.0])).unwrap();
        assert!((change.mean - (1e-5f64 / 0.5).ln()).abs() < 1e-12);
        assert_eq!(log_likelihood_change(&of(&[]), &of(&[])), None);
    }

    #[test]
    fn mcnemar_counts_discordant_rows_only() {
        let test = mcnemar([(true, true), (true, false), (false, true), (false, false)]);
        assert_eq!((test.only_first, test.only_second), (1, 1));
        assert!((test.p_value - 1.0).abs() < 1e-12);
        assert!((mcnemar([]).p_value - 1.0).abs() < 1e-12);
    }
}
