//! Counts of gold against predicted classes, and what is read off them.

use serde::{Deserialize, Serialize};

/// A square table of counts: one row per gold class, one column per predicted class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

/// Precision, recall and F1 of one class.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Share of the rows predicted as the class that are of it; 0 when none is predicted.
    pub precision: f64,
    /// Share of the rows of the class that are found; 0 when there is none.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 when both are 0.
    pub f1: f64,
    /// How many rows are of the class.
    pub support: u64,
}

impl Confusion {
    /// Counts pairs of (gold, predicted), each below `classes`.
    pub fn from_pairs(classes: usize, pairs: impl IntoIterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        for (gold, predicted) in pairs {
            counts[gold * classes + predicted] += 1;
        }
        Self { classes, counts }
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// How many rows of class `gold` were predicted as class `predicted`.
    pub fn count(&self, gold: usize, predicted: usize) -> u64 {
        self.counts[gold * self.classes + predicted]
    }

    /// How many rows there are in all.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// How many rows are of the class.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes)
            .map(|predicted| self.count(class, predicted))
            .sum()
    }

    /// How many rows were predicted as the class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|gold| self.count(gold, class)).sum()
    }

    fn correct(&self) -> u64 {
        (0..self.classes)
            .map(|class| self.count(class, class))
            .sum()
    }

    /// Share of rows whose class was found; `None` without rows.
    pub fn accuracy(&self) -> Option<f64> {
        ratio(self.correct(), self.total())
    }

    /// Precision, recall and F1 of a class, zero where undefined (as scikit-learn's
    /// `zero_division=0`).
    pub fn class(&self, class: usize) -> ClassReport {
        let hits = self.count(class, class);
        let (support, predicted) = (self.support(class), self.predicted(class));
        ClassReport {
            precision: ratio(hits, predicted).unwrap_or(0.0),
            recall: ratio(hits, support).unwrap_or(0.0),
            f1: ratio(2 * hits, support + predicted).unwrap_or(0.0),
            support,
        }
    }

    /// Mean F1 of those of `classes` that occur among the gold or the predicted labels, as
    /// scikit-learn's `f1_score(average="macro")` chooses them; `None` when none occurs.
    pub fn mean_f1(&self, classes: impl IntoIterator<Item = usize>) -> Option<f64> {
        let (mut sum, mut number) = (0.0, 0_u32);
        for class in classes {
            let report = self.class(class);
            if report.support + self.predicted(class) > 0 {
                sum += report.f1;
                number += 1;
            }
        }
        (number > 0).then(|| sum / f64::from(number))
    }

    /// Macro-F1: the mean F1 of every class that occurs.
    pub fn macro_f1(&self) -> Option<f64> {
        self.mean_f1(0..self.classes)
    }

    /// Matthews correlation coefficient for any number of classes (Gorodkin 2004); 0 when
    /// either side knows one class only, `None` without rows.
    pub fn mcc(&self) -> Option<f64> {
        let total = self.total() as f64;
        if total == 0.0 {
            return None;
        }
        let (mut across, mut gold_squares, mut predicted_squares) = (0.0, 0.0, 0.0);
        for class in 0..self.classes {
            let gold = self.support(class) as f64;
            let predicted = self.predicted(class) as f64;
            across += gold * predicted;
            gold_squares += gold * gold;
            predicted_squares += predicted * predicted;
        }
        let covariance = self.correct() as f64 * total - across;
        let scale = ((total * total - gold_squares) * (total * total - predicted_squares)).sqrt();
        Some(if scale == 0.0 {
            0.0
        } else {
            covariance / scale
        })
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_land_in_gold_row_and_predicted_column() {
        let confusion = Confusion::from_pairs(3, [(0, 1), (0, 1), (2, 2)]);
        assert_eq!(confusion.count(0, 1), 2);
        assert_eq!(confusion.count(1, 0), 0);
        assert_eq!(confusion.support(0), 2);
        assert_eq!(confusion.predicted(1), 2);
        assert_eq!(confusion.total(), 3);
    }

    #[test]
    fn absent_classes_do_not_enter_the_mean() {
        let confusion = Confusion::from_pairs(3, [(0, 0), (1, 1)]);
        assert_eq!(confusion.macro_f1(), Some(1.0));
        let with_a_wrong_third = Confusion::from_pairs(3, [(0, 0), (1, 2)]);
        assert_eq!(with_a_wrong_third.macro_f1(), Some(1.0 / 3.0));
    }

    #[test]
    fn nothing_to_count_has_no_value() {
        let confusion = Confusion::from_pairs(3, []);
        assert_eq!(confusion.accuracy(), None);
        assert_eq!(confusion.macro_f1(), None);
        assert_eq!(confusion.mcc(), None);
    }

    #[test]
    fn one_class_only_has_no_correlation() {
        let confusion = Confusion::from_pairs(2, [(0, 0), (1, 0)]);
        assert_eq!(confusion.mcc(), Some(0.0));
    }
}
