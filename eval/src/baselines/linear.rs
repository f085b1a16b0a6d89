//! Multinomial logistic regression with an L2 penalty, as scikit-learn's `LogisticRegression`.

use super::minimise;
use super::{Matrix, SparseRow};

/// How a regression is fitted; the defaults are those of scikit-learn but for the iterations.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinearOptions {
    /// Inverse strength of the penalty, scikit-learn's `C`.
    pub c: f64,
    /// Largest slope of the mean loss at which the fit ends.
    pub tolerance: f64,
    /// Iterations that it may take.
    pub iterations: usize,
    /// Whether every class weighs the same in all, scikit-learn's `class_weight="balanced"`.
    pub balanced: bool,
}

impl Default for LinearOptions {
    fn default() -> Self {
        Self {
            c: 1.0,
            tolerance: 1e-4,
            iterations: 300,
            balanced: false,
        }
    }
}

/// A fitted regression.
#[derive(Debug, Clone, PartialEq)]
pub struct LinearModel {
    classes: usize,
    /// `[features, classes]`, then the intercepts `[classes]`.
    weights: Vec<f64>,
}

impl LinearModel {
    /// Minimises the (weighted) mean cross-entropy plus `|weights|² / (2 · c · rows)`, the intercepts
    /// free. `gold` holds a class below `classes` for every row.
    pub fn fit(matrix: &Matrix, gold: &[usize], classes: usize, options: LinearOptions) -> Self {
        let (rows, inner) = (matrix.rows(), matrix.columns() * classes);
        let share = 1.0 / rows.max(1) as f64;
        let penalty = share / options.c;
        let weights_of = if options.balanced {
            balance(gold, classes)
        } else {
            vec![1.0; classes]
        };
        let loss = |weights: &[f64], gradient: &mut [f64]| {
            let (weights, intercepts) = weights.split_at(inner);
            let (sums, intercept_sums) = gradient.split_at_mut(inner);
            intercept_sums.fill(0.0);
            let mut residuals = matrix.times(weights, classes);
            let mut loss = 0.0;
            for (row, &gold) in residuals.chunks_exact_mut(classes).zip(gold) {
                row.iter_mut()
                    .zip(intercepts)
                    .for_each(|(logit, intercept)| *logit += intercept);
                loss += weights_of[gold] * (log_sum_exp(row) - row[gold]);
                softmax(row);
                row[gold] -= 1.0;
                for residual in row.iter_mut() {
                    *residual *= share * weights_of[gold];
                }
                intercept_sums
                    .iter_mut()
                    .zip(&*row)
                    .for_each(|(sum, residual)| *sum += residual);
            }
            sums.iter_mut()
                .zip(weights)
                .for_each(|(sum, weight)| *sum = penalty * weight);
            matrix.add_transpose_times(&residuals, classes, sums);
            let square: f64 = weights.iter().map(|weight| weight * weight).sum();
            loss * share + 0.5 * penalty * square
        };
        let start = vec![0.0; inner + classes];
        let minimum = minimise(start, options.iterations, options.tolerance, loss);
        Self {
            classes,
            weights: minimum.point,
        }
    }

    /// Probability of each class for a row.
    pub fn predict(&self, row: &SparseRow) -> Vec<f64> {
        let intercepts = self.weights.len() - self.classes;
        let mut logits = self.weights[intercepts..].to_vec();
        for &(feature, value) in row {
            let weights = &self.weights[feature as usize * self.classes..][..self.classes];
            for (sum, weight) in logits.iter_mut().zip(weights) {
                *sum += f64::from(value) * weight;
            }
        }
        softmax(&mut logits);
        logits
    }
}

/// Weights by which the classes that occur have the same sum, and all rows that of their number.
fn balance(gold: &[usize], classes: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; classes];
    for &class in gold {
        counts[class] += 1;
    }
    let present = counts.iter().filter(|&&count| count > 0).count();
    let even = gold.len() as f64 / present.max(1) as f64;
    counts
        .into_iter()
        .map(|count| if count > 0 { even / count as f64 } else { 1.0 })
        .collect()
}

fn log_sum_exp(logits: &[f64]) -> f64 {
    let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    largest
        + logits
            .iter()
            .map(|logit| (logit - largest).exp())
            .sum::<f64>()
            .ln()
}

/// Turns logits into probabilities, in place.
pub(super) fn softmax(logits: &mut [f64]) {
    let scale = log_sum_exp(logits);
    for logit in logits {
        *logit = (*logit - scale).exp();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separable_rows_are_separated_and_a_penalty_holds_back() {
        let rows: Vec<SparseRow> = vec![vec![(0, 1.0)], vec![(1, 1.0)], vec![(2, 1.0)]];
        let matrix = Matrix::from_rows(&rows, 3);
        let fit = |c| {
            let options = LinearOptions {
                c,
                ..LinearOptions::default()
            };
            LinearModel::fit(&matrix, &[0, 1, 2], 3, options)
        };
        let (loose, tight) = (fit(100.0), fit(0.01));
        for (class, row) in rows.iter().enumerate() {
            assert!(loose.predict(row)[class] > 0.9);
            assert!(tight.predict(row)[class] < 0.4);
            assert!((loose.predict(row).iter().sum::<f64>() - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn intercepts_learn_the_shares() {
        let matrix = Matrix::from_rows(&vec![vec![]; 4], 0);
        let model = LinearModel::fit(&matrix, &[0, 0, 0, 1], 2, LinearOptions::default());
        assert!((model.predict(&vec![])[0] - 0.75).abs() < 1e-3);
    }
}
