//! What every system gives for a row, model and baseline alike.

/// A system's answer to one row.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// Probability of each class of the task.
    pub probabilities: Vec<f64>,
    /// Whether the system declined to answer.
    pub abstained: bool,
    /// Why there is no answer; the probabilities are then even.
    pub error: Option<String>,
}

impl Answer {
    /// An answer that the system stands by.
    pub fn new(probabilities: Vec<f64>) -> Self {
        Self {
            probabilities,
            abstained: false,
            error: None,
        }
    }

    /// What stands for an answer that failed: even probabilities, abstained.
    pub fn failed(classes: usize, error: String) -> Self {
        let probabilities = vec![1.0 / classes as f64; classes];
        Self {
            probabilities,
            abstained: true,
            error: Some(error),
        }
    }

    /// Sets the classes that the task does not have to zero and scales the rest to 1.
    pub fn restrict(&mut self, allowed: &[bool]) {
        let mut sum = 0.0;
        for (probability, allowed) in self.probabilities.iter_mut().zip(allowed) {
            if !allowed {
                *probability = 0.0;
            }
            sum += *probability;
        }
        let number = allowed.iter().filter(|allowed| **allowed).count();
        for (probability, allowed) in self.probabilities.iter_mut().zip(allowed) {
            *probability = match (sum > 0.0, allowed) {
                (true, _) => *probability / sum,
                (false, true) => 1.0 / number as f64,
                (false, false) => 0.0,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn restriction_scales_the_rest() {
        let mut answer = Answer::new(vec![0.25, 0.25, 0.5]);
        answer.restrict(&[true, true, false]);
        assert_eq!(answer.probabilities, [0.5, 0.5, 0.0]);
        let mut nothing = Answer::new(vec![0.0, 0.0, 1.0]);
        nothing.restrict(&[true, true, false]);
        assert_eq!(nothing.probabilities, [0.5, 0.5, 0.0]);
    }
}
