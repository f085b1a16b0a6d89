//! Logistic regression on vectors: what a model's text vectors hold of a label.

use super::{Answer, LinearModel, LinearOptions, Matrix, SparseRow, by_language};
use crate::data::Task;
use crate::error::EvalError;

/// Trains a regression for each language on the vectors of its training rows and answers the
/// task. Vectors are scaled to length √dimension, so that components are about 1 and the
/// strength of the penalty does not depend on the encoder.
pub fn probe(
    task: &Task,
    embed: impl Fn(&[&str]) -> Result<Vec<Vec<f32>>, EvalError>,
) -> Result<Vec<Answer>, EvalError> {
    let mut answers = vec![
        Answer::failed(task.classes.len(), "no training rows".to_owned());
        task.examples.len()
    ];
    for (lang, rows) in by_language(task) {
        let (gold, texts): (Vec<usize>, Vec<&str>) = task
            .train
            .iter()
            .filter(|row| row.lang == lang)
            .map(|row| (row.gold, row.text.as_str()))
            .unzip();
        if texts.is_empty() {
            continue;
        }
        let train = features(&embed(&texts)?);
        let columns = train.iter().map(Vec::len).max().unwrap_or(0);
        let options = LinearOptions {
            c: 0.01,
            ..LinearOptions::default()
        };
        let model = LinearModel::fit(
            &Matrix::from_rows(&train, columns),
            &gold,
            task.classes.len(),
            options,
        );
        let texts: Vec<&str> = rows
            .iter()
            .map(|&row| task.examples[row].text.as_str())
            .collect();
        for (&row, vector) in rows.iter().zip(features(&embed(&texts)?)) {
            answers[row] = Answer::new(model.predict(&vector));
        }
    }
    Ok(answers)
}

fn features(vectors: &[Vec<f32>]) -> Vec<SparseRow> {
    vectors
        .iter()
        .map(|vector| {
            let length = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            let scale = (vector.len() as f32).sqrt() / length.max(f32::MIN_POSITIVE);
            (0..)
                .zip(vector.iter().map(|value| value * scale))
                .collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Example;

    #[test]
    fn a_direction_that_holds_the_label_is_found() {
        let rows = |from: usize| {
            (from..from + 40)
                .map(|row| Example {
                    text: row.to_string(),
                    gold: row % 2,
                    ..Example::default()
                })
                .collect()
        };
        let task = Task {
            classes: vec!["even".to_owned(), "odd".to_owned()],
            allowed: vec![true; 2],
            examples: rows(100),
            train: rows(0),
            revision: String::new(),
            excluded: std::collections::BTreeMap::new(),
        };
        let embed = |texts: &[&str]| {
            let vector = |text: &&str| {
                let number: f32 = text.parse().unwrap();
                vec![
                    if number % 2.0 == 0.0 { 1.0 } else { -1.0 },
                    (number * 0.7).sin(),
                    0.3,
                ]
            };
            Ok(texts.iter().map(vector).collect())
        };
        let answers = probe(&task, embed).unwrap();
        let right = answers
            .iter()
            .zip(&task.examples)
            .filter(|(answer, row)| answer.probabilities[row.gold] > 0.5);
        assert_eq!(right.count(), 40);
    }
}
