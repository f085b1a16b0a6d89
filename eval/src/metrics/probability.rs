//! How far the probabilities can be believed: Brier score and calibration.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::Scores;

/// Bins of the expected calibration error, as in Guo et al. 2017.
pub const ECE_BINS: usize = 15;

/// Draws that [`ece_floor`] is the mean of, and that [`ece_p_value`] counts.
const DRAWS: u64 = 200;

/// One bin of a reliability diagram: rows whose confidence lies in `(low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower edge, exclusive.
    pub low: f64,
    /// Upper edge, inclusive.
    pub high: f64,
    /// How many rows lie in the bin.
    pub count: usize,
    /// Their mean confidence (0 in an empty bin).
    pub confidence: f64,
    /// The share of them that is correct (0 in an empty bin).
    pub accuracy: f64,
}

/// Multi-class Brier score: the mean over rows of the squared distance between the
/// probabilities and the one-hot gold label, from 0 to 2 (Brier 1950); `None` without rows.
pub fn brier(scores: &Scores, rows: &[usize]) -> Option<f64> {
    if rows.is_empty() {
        return None;
    }
    let sum: f64 = rows
        .iter()
        .map(|&row| {
            let gold = scores.gold(row);
            scores
                .probabilities(row)
                .iter()
                .enumerate()
                .map(|(class, probability)| {
                    let truth = if class == gold { 1.0 } else { 0.0 };
                    (probability - truth).powi(2)
                })
                .sum::<f64>()
        })
        .sum();
    Some(sum / rows.len() as f64)
}

/// Confidence of the predicted class against its accuracy in `bins` bins of equal width.
pub fn reliability(scores: &Scores, rows: &[usize], bins: usize) -> Vec<ReliabilityBin> {
    let width = 1.0 / bins as f64;
    let mut table: Vec<ReliabilityBin> = (0..bins)
        .map(|bin| ReliabilityBin {
            low: bin as f64 * width,
            high: (bin + 1) as f64 * width,
            count: 0,
            confidence: 0.0,
            accuracy: 0.0,
        })
        .collect();
    for &row in rows {
        let confidence = scores.confidence(row);
        let bin = bin_of(confidence, bins);
        table[bin].count += 1;
        table[bin].confidence += confidence;
        table[bin].accuracy += f64::from(u8::from(scores.correct(row)));
    }
    for bin in table.iter_mut().filter(|bin| bin.count > 0) {
        bin.confidence /= bin.count as f64;
        bin.accuracy /= bin.count as f64;
    }
    table
}

/// Expected calibration error: the mean gap between confidence and accuracy over `bins`
/// equal-width bins, weighted by their rows (Guo et al. 2017); `None` without rows.
pub fn expected_calibration_error(scores: &Scores, rows: &[usize], bins: usize) -> Option<f64> {
    if rows.is_empty() {
        return None;
    }
    let gap: f64 = reliability(scores, rows, bins)
        .iter()
        .map(|bin| bin.count as f64 * (bin.confidence - bin.accuracy).abs())
        .sum();
    Some(gap / rows.len() as f64)
}

/// What the expected calibration error of so many rows is on average when every probability is
/// exactly right: answers are drawn to be correct as often as their confidence says (consistency
/// resampling, Bröcker & Smith 2007). An error near it is no evidence against the probabilities;
/// few rows in many bins make it large. `None` without rows.
pub fn ece_floor(scores: &Scores, rows: &[usize], bins: usize) -> Option<f64> {
    let drawn = drawn_errors(scores, rows, bins)?;
    Some(drawn.iter().sum::<f64>() / drawn.len() as f64)
}

/// How probable an expected calibration error of at least what was found is when every probability is
/// exactly right, from the same draws, of which what was found counts as one more. `None` without rows.
pub fn ece_p_value(scores: &Scores, rows: &[usize], bins: usize) -> Option<f64> {
    let drawn = drawn_errors(scores, rows, bins)?;
    let found = expected_calibration_error(scores, rows, bins)?;
    let reach = drawn.iter().filter(|&&error| error >= found).count();
    Some((reach + 1) as f64 / (drawn.len() + 1) as f64)
}

/// Errors of answers that are right as often as they claim.
fn drawn_errors(scores: &Scores, rows: &[usize], bins: usize) -> Option<Vec<f64>> {
    if rows.is_empty() {
        return None;
    }
    let mut confidences: Vec<Vec<f64>> = vec![Vec::new(); bins];
    for &row in rows {
        let confidence = scores.confidence(row);
        confidences[bin_of(confidence, bins)].push(confidence);
    }
    let error = |draw: u64| -> f64 {
        let mut random = ChaCha8Rng::seed_from_u64(draw);
        let gaps = confidences.iter().map(|bin| {
            let surplus = bin.iter().map(|&confidence| {
                let right = random.random_bool(confidence.clamp(0.0, 1.0));
                confidence - f64::from(u8::from(right))
            });
            surplus.sum::<f64>().abs()
        });
        gaps.sum::<f64>() / rows.len() as f64
    };
    Some((0..DRAWS).map(error).collect())
}

/// The bin of a confidence: its edges belong to the one below.
fn bin_of(confidence: f64, bins: usize) -> usize {
    ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certain_and_right_is_perfect() {
        let mut scores = Scores::new(2);
        scores.push(1, &[0.0, 1.0], false);
        assert_eq!(brier(&scores, &[0]), Some(0.0));
        assert_eq!(
            expected_calibration_error(&scores, &[0], ECE_BINS),
            Some(0.0)
        );
        assert_eq!(reliability(&scores, &[0], ECE_BINS)[14].count, 1);
    }

    #[test]
    fn certain_and_wrong_is_the_worst() {
        let mut scores = Scores::new(2);
        scores.push(0, &[0.0, 1.0], false);
        assert_eq!(brier(&scores, &[0]), Some(2.0));
        assert_eq!(
            expected_calibration_error(&scores, &[0], ECE_BINS),
            Some(1.0)
        );
    }

    #[test]
    fn a_confidence_on_an_edge_belongs_to_the_lower_bin() {
        let mut scores = Scores::new(2);
        scores.push(0, &[0.6, 0.4], false);
        let table = reliability(&scores, &[0], 5);
        assert_eq!(table[2].count, 1);
        assert_eq!(table[3].count, 0);
    }

    #[test]
    fn few_rows_have_an_error_even_when_all_probabilities_are_right() {
        // The mean of |heads / n - 1/2| of n fair coins is near sqrt(1 / (2 π n)).
        for n in [100, 1600] {
            let mut scores = Scores::new(2);
            for _ in 0..n {
                scores.push(0, &[0.5, 0.5], false);
            }
            let rows: Vec<usize> = (0..n).collect();
            let floor = ece_floor(&scores, &rows, ECE_BINS).unwrap();
            let expected = (2.0 * std::f64::consts::PI * n as f64).sqrt().recip();
            assert!((floor / expected - 1.0).abs() < 0.15, "{n}: {floor}");
        }
        let mut certain = Scores::new(2);
        certain.push(1, &[0.0, 1.0], false);
        assert_eq!(ece_floor(&certain, &[0], ECE_BINS), Some(0.0));
        assert_eq!(ece_floor(&certain, &[], ECE_BINS), None);
        assert_eq!(ece_p_value(&certain, &[], ECE_BINS), None);
    }

    #[test]
    fn an_error_is_improbable_where_answers_are_right_more_often_than_claimed() {
        let p = |right: usize| {
            let mut scores = Scores::new(2);
            for row in 0..400 {
                scores.push(usize::from(row >= right), &[0.7, 0.3], false);
            }
            let rows: Vec<usize> = (0..400).collect();
            ece_p_value(&scores, &rows, ECE_BINS).unwrap()
        };
        // 280 are claimed, with a standard deviation of 9.2: 290 are 1.09 of them away, which on
        // either side happens in 28 of 100 draws, 320 are 4.4 away.
        let near = p(290);
        assert!((near - 0.28).abs() < 0.1, "{near}");
        assert!(p(320) < 0.01 && p(280) > 0.9);
    }
}
