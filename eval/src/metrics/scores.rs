//! The answers of one system on one task, and the metrics that read them.

use serde::{Deserialize, Serialize};

use super::{Confusion, ECE_BINS, aurc, brier, ece_floor, ece_p_value, expected_calibration_error};

/// Answers of one system, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    classes: usize,
    gold: Vec<usize>,
    predicted: Vec<usize>,
    probabilities: Vec<f64>,
    abstained: Vec<bool>,
}

impl Scores {
    /// An empty table over `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            gold: Vec::new(),
            predicted: Vec::new(),
            probabilities: Vec::new(),
            abstained: Vec::new(),
        }
    }

    /// Adds a row: its gold class, the probability of each class (`[classes]`, summing to
    /// one) and whether the system declined to answer. The predicted class is the most probable
    /// one, the first of equals.
    ///
    /// # Panics
    /// When `gold` is no class or `probabilities` has another length.
    pub fn push(&mut self, gold: usize, probabilities: &[f64], abstained: bool) {
        assert!(gold < self.classes, "gold class {gold} of {}", self.classes);
        assert_eq!(
            probabilities.len(),
            self.classes,
            "one probability per class"
        );
        let mut best = 0;
        for (class, &probability) in probabilities.iter().enumerate() {
            if probability > probabilities[best] {
                best = class;
            }
        }
        self.gold.push(gold);
        self.predicted.push(best);
        self.probabilities.extend_from_slice(probabilities);
        self.abstained.push(abstained);
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.gold.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.gold.is_empty()
    }

    /// How many classes there are.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Gold class of a row.
    pub fn gold(&self, row: usize) -> usize {
        self.gold[row]
    }

    /// Most probable class of a row.
    pub fn predicted(&self, row: usize) -> usize {
        self.predicted[row]
    }

    /// Probabilities of a row, `[classes]`.
    pub fn probabilities(&self, row: usize) -> &[f64] {
        &self.probabilities[row * self.classes..(row + 1) * self.classes]
    }

    /// Probability of the predicted class.
    pub fn confidence(&self, row: usize) -> f64 {
        self.probabilities(row)[self.predicted[row]]
    }

    /// Whether the predicted class is the gold one.
    pub fn correct(&self, row: usize) -> bool {
        self.gold[row] == self.predicted[row]
    }

    /// Whether the system declined to answer.
    pub fn abstained(&self, row: usize) -> bool {
        self.abstained[row]
    }

    /// Counts over some rows; a row may stand in the list more than once.
    pub fn confusion(&self, rows: &[usize]) -> Confusion {
        Confusion::from_pairs(
            self.classes,
            rows.iter()
                .map(|&row| (self.gold[row], self.predicted[row])),
        )
    }
}

/// A number that is read off the answers of a system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Metric {
    /// Share of rows whose class was found.
    Accuracy,
    /// Mean F1 of every class that occurs among gold or predicted labels.
    MacroF1,
    /// Mean F1 of favor and against; neutral rows count as distractors (`SemEval-2016` task 6,
    /// Mohammad et al. 2016).
    F1FavorAgainst,
    /// F(P,N) of `RuSentNE-2023` (Golubev et al. 2023): macro-F1 over the positive and the
    /// negative class, the same number as [`Metric::F1FavorAgainst`] under its task's name.
    F1PositiveNegative,
    /// Matthews correlation coefficient.
    Mcc,
    /// Multi-class Brier score, from 0 (best) to 2.
    Brier,
    /// Expected calibration error over 15 equal-width bins (Guo et al. 2017).
    Ece,
    /// What that error is on average with so many rows when every probability is right (Bröcker &
    /// Smith 2007).
    EceFloor,
    /// How probable an error at least as large as the one found is when every probability is right.
    EceP,
    /// Area under the risk–coverage curve (Geifman & El-Yaniv 2017).
    Aurc,
    /// Share of rows that the system answered.
    Coverage,
    /// Accuracy on the rows that the system answered.
    SelectiveAccuracy,
}

impl Metric {
    /// Every metric, in the order of the tables.
    pub const ALL: [Self; 12] = [
        Self::MacroF1,
        Self::Accuracy,
        Self::F1FavorAgainst,
        Self::F1PositiveNegative,
        Self::Mcc,
        Self::Brier,
        Self::Ece,
        Self::EceFloor,
        Self::EceP,
        Self::Aurc,
        Self::Coverage,
        Self::SelectiveAccuracy,
    ];

    /// The name used in suites and results.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::F1FavorAgainst => "f1_favor_against",
            Self::F1PositiveNegative => "f1_positive_negative",
            Self::Mcc => "mcc",
            Self::Brier => "brier",
            Self::Ece => "ece",
            Self::EceFloor => "ece_floor",
            Self::EceP => "ece_p",
            Self::Aurc => "aurc",
            Self::Coverage => "coverage",
            Self::SelectiveAccuracy => "selective_accuracy",
        }
    }

    /// The name used in tables and plots.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro-F1",
            Self::F1FavorAgainst => "F(fav,agn)",
            Self::F1PositiveNegative => "F(P,N)",
            Self::Mcc => "MCC",
            Self::Brier => "Brier",
            Self::Ece => "ECE",
            Self::EceFloor => "ECE floor",
            Self::EceP => "ECE p",
            Self::Aurc => "AURC",
            Self::Coverage => "coverage",
            Self::SelectiveAccuracy => "sel. acc.",
        }
    }

    /// Whether a higher value is the better one.
    pub const fn higher_is_better(self) -> bool {
        !matches!(self, Self::Brier | Self::Ece | Self::EceFloor | Self::Aurc)
    }

    /// The value over some rows, each of which may stand in the list more than once; `None`
    /// where the metric is undefined, as on no rows.
    pub fn compute(self, scores: &Scores, rows: &[usize]) -> Option<f64> {
        if rows.is_empty() {
            return None;
        }
        match self {
            Self::Accuracy => scores.confusion(rows).accuracy(),
            Self::MacroF1 => scores.confusion(rows).macro_f1(),
            Self::F1FavorAgainst | Self::F1PositiveNegative => {
                scores.confusion(rows).mean_f1([0, 1])
            }
            Self::Mcc => scores.confusion(rows).mcc(),
            Self::Brier => brier(scores, rows),
            Self::Ece => expected_calibration_error(scores, rows, ECE_BINS),
            Self::EceFloor => ece_floor(scores, rows, ECE_BINS),
            Self::EceP => ece_p_value(scores, rows, ECE_BINS),
            Self::Aurc => aurc(scores, rows),
            Self::Coverage => {
                let answered = rows.iter().filter(|&&row| !scores.abstained(row)).count();
                Some(answered as f64 / rows.len() as f64)
            }
            Self::SelectiveAccuracy => {
                let answered: Vec<usize> = rows
                    .iter()
                    .copied()
                    .filter(|&row| !scores.abstained(row))
                    .collect();
                scores.confusion(&answered).accuracy()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_equals_wins() {
        let mut scores = Scores::new(3);
        scores.push(1, &[0.4, 0.4, 0.2], false);
        assert_eq!(scores.predicted(0), 0);
        assert!(!scores.correct(0));
    }

    #[test]
    fn abstention_changes_coverage_and_selective_accuracy_only() {
        let mut scores = Scores::new(2);
        scores.push(0, &[0.9, 0.1], false);
        scores.push(0, &[0.4, 0.6], true);
        let rows = [0, 1];
        assert_eq!(Metric::Accuracy.compute(&scores, &rows), Some(0.5));
        assert_eq!(Metric::Coverage.compute(&scores, &rows), Some(0.5));
        assert_eq!(Metric::SelectiveAccuracy.compute(&scores, &rows), Some(1.0));
        assert_eq!(Metric::SelectiveAccuracy.compute(&scores, &[1]), None);
    }

    #[test]
    fn names_are_those_of_the_serialised_form() {
        for metric in Metric::ALL {
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(json, format!("\"{}\"", metric.as_str()));
        }
    }
}
