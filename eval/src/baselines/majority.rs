//! The share of each class among the training rows, whatever the text says.

use super::{Answer, by_language};
use crate::data::{Example, Task};

/// Answers every row with the class shares of the training rows of its language, of all
/// training rows where the language has none, and of the measured rows themselves where there
/// is no training part (which flatters the baseline).
pub fn majority(task: &Task) -> Vec<Answer> {
    let classes = task.classes.len();
    let everywhere = shares(task.train.iter(), classes)
        .or_else(|| shares(task.examples.iter(), classes))
        .unwrap_or_else(|| vec![1.0 / classes as f64; classes]);
    let mut answers = vec![Answer::new(everywhere); task.examples.len()];
    for (lang, rows) in by_language(task) {
        let own = shares(task.train.iter().filter(|row| row.lang == lang), classes);
        if let Some(own) = own {
            for row in rows {
                answers[row] = Answer::new(own.clone());
            }
        }
    }
    answers
}

fn shares<'a>(rows: impl Iterator<Item = &'a Example>, classes: usize) -> Option<Vec<f64>> {
    let mut counts = vec![0_usize; classes];
    for row in rows {
        counts[row.gold] += 1;
    }
    let total: usize = counts.iter().sum();
    (total > 0).then(|| {
        counts
            .iter()
            .map(|&count| count as f64 / total as f64)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(examples: &[(&str, usize)], train: &[(&str, usize)]) -> Task {
        let rows = |rows: &[(&str, usize)]| {
            rows.iter()
                .map(|&(lang, gold)| Example {
                    lang: lang.to_owned(),
                    gold,
                    ..Example::default()
                })
                .collect()
        };
        Task {
            classes: vec!["a".to_owned(), "b".to_owned()],
            allowed: vec![true; 2],
            examples: rows(examples),
            train: rows(train),
            revision: String::new(),
            excluded: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn each_language_has_its_own_majority() {
        let task = task(
            &[("en", 0), ("ar", 0), ("ru", 0)],
            &[("en", 0), ("en", 0), ("en", 0), ("en", 1), ("ar", 1)],
        );
        let answers = majority(&task);
        assert_eq!(answers[0].probabilities, [0.75, 0.25]);
        assert_eq!(answers[1].probabilities, [0.0, 1.0]);
        assert_eq!(answers[2].probabilities, [0.6, 0.4]);
    }

    #[test]
    fn without_training_rows_the_measured_ones_count() {
        let task = task(&[("en", 1), ("en", 1)], &[]);
        assert_eq!(majority(&task)[0].probabilities, [0.0, 1.0]);
    }
}
