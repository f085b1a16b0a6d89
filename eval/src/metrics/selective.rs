//! What it costs to answer more: risk against coverage.

use serde::{Deserialize, Serialize};

use super::Scores;

/// A point of the risk–coverage curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CoveragePoint {
    /// Share of rows answered, most confident first.
    pub coverage: f64,
    /// Share of wrong answers among them.
    pub risk: f64,
}

/// Errors among the `n` most confident rows, for every `n` from 1; rows of equal confidence
/// share their errors evenly, so that their order does not matter.
fn cumulative_errors(scores: &Scores, rows: &[usize]) -> Vec<f64> {
    let mut order = rows.to_vec();
    order.sort_by(|&a, &b| scores.confidence(b).total_cmp(&scores.confidence(a)));
    let mut cumulative = Vec::with_capacity(order.len());
    let mut before = 0.0;
    let equal =
        |a: &usize, b: &usize| scores.confidence(*a).to_bits() == scores.confidence(*b).to_bits();
    for tie in order.chunk_by(equal) {
        let errors = tie.iter().filter(|&&row| !scores.correct(row)).count() as f64;
        for position in 1..=tie.len() {
            cumulative.push(before + errors * position as f64 / tie.len() as f64);
        }
        before += errors;
    }
    cumulative
}

/// Area under the risk–coverage curve: the mean, over every coverage, of the risk among the
/// most confident rows (Geifman & El-Yaniv 2017). 0 is best; `None` without rows.
pub fn aurc(scores: &Scores, rows: &[usize]) -> Option<f64> {
    if rows.is_empty() {
        return None;
    }
    let sum: f64 = cumulative_errors(scores, rows)
        .iter()
        .enumerate()
        .map(|(index, errors)| errors / (index + 1) as f64)
        .sum();
    Some(sum / rows.len() as f64)
}

/// The risk–coverage curve in at most `points` points of evenly spaced coverage, ending at
/// full coverage.
pub fn risk_coverage(scores: &Scores, rows: &[usize], points: usize) -> Vec<CoveragePoint> {
    let cumulative = cumulative_errors(scores, rows);
    let total = cumulative.len();
    let points = points.min(total);
    (1..=points)
        .map(|point| {
            let answered = (point * total).div_ceil(points);
            CoveragePoint {
                coverage: answered as f64 / total as f64,
                risk: cumulative[answered - 1] / answered as f64,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(rows: &[(usize, f64)]) -> Scores {
        let mut scores = Scores::new(2);
        for &(gold, first) in rows {
            scores.push(gold, &[first, 1.0 - first], false);
        }
        scores
    }

    #[test]
    fn errors_at_the_end_cost_least() {
        let late = scores(&[(0, 0.9), (0, 0.8), (1, 0.7)]);
        let early = scores(&[(1, 0.9), (0, 0.8), (0, 0.7)]);
        let rows = [0, 1, 2];
        assert!((aurc(&late, &rows).unwrap() - 1.0 / 9.0).abs() < 1e-12);
        assert!(aurc(&late, &rows) < aurc(&early, &rows));
    }

    #[test]
    fn the_order_of_equals_does_not_matter() {
        let one = scores(&[(0, 0.9), (1, 0.9)]);
        let other = scores(&[(1, 0.9), (0, 0.9)]);
        assert_eq!(aurc(&one, &[0, 1]), aurc(&other, &[0, 1]));
        assert_eq!(aurc(&one, &[0, 1]), Some(0.5));
    }

    #[test]
    fn the_curve_ends_at_full_coverage_with_the_error_rate() {
        let scores = scores(&[(0, 0.9), (1, 0.8), (0, 0.7), (1, 0.3)]);
        let curve = risk_coverage(&scores, &[0, 1, 2, 3], 2);
        assert_eq!(curve.len(), 2);
        assert_eq!(
            curve[1],
            CoveragePoint {
                coverage: 1.0,
                risk: 0.25
            }
        );
        assert!(risk_coverage(&scores, &[], 5).is_empty());
    }
}
