//! The TF-IDF baseline against scikit-learn's (`fixtures/make_metrics.py`).

use serde::Deserialize;
use stance_eval::baselines::{LinearModel, LinearOptions, Matrix, TfIdf, TfIdfOptions};

#[derive(Deserialize)]
struct Fixture {
    train: Vec<Row>,
    test: Vec<String>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Row {
    text: String,
    label: usize,
}

#[derive(Deserialize)]
struct Case {
    min_df: usize,
    c: f64,
    rows: usize,
    balanced: bool,
    features: usize,
    train_nonzero: usize,
    test_nonzero: Vec<usize>,
    test_row_sums: Vec<f32>,
    probabilities: Vec<Vec<f64>>,
}

#[test]
fn features_and_probabilities_agree() {
    let fixture: Fixture = serde_json::from_str(include_str!("fixtures/tfidf.json")).unwrap();
    for case in fixture.cases {
        let rows = &fixture.train[..case.rows];
        let labels: Vec<usize> = rows.iter().map(|row| row.label).collect();
        let texts = rows.iter().map(|row| row.text.as_str());
        let features = TfIdf::fit(
            texts.clone(),
            TfIdfOptions {
                min_df: case.min_df,
            },
        );
        assert_eq!(features.features(), case.features);
        let train: Vec<_> = texts.map(|text| features.transform(text)).collect();
        assert_eq!(
            train.iter().map(Vec::len).sum::<usize>(),
            case.train_nonzero
        );
        let options = LinearOptions {
            c: case.c,
            tolerance: 1e-8,
            iterations: 10_000,
            balanced: case.balanced,
        };
        let matrix = Matrix::from_rows(&train, features.features());
        let model = LinearModel::fit(&matrix, &labels, 3, options);
        for (index, text) in fixture.test.iter().enumerate() {
            let row = features.transform(text);
            assert_eq!(row.len(), case.test_nonzero[index], "{text}");
            let sum: f32 = row.iter().map(|&(_, value)| value).sum();
            assert!(
                (sum - case.test_row_sums[index]).abs() < 1e-3,
                "{text}: {sum}"
            );
            for (got, want) in model.predict(&row).iter().zip(&case.probabilities[index]) {
                assert!(
                    (got - want).abs() < 1e-5,
                    "{text}: {got}, scikit-learn has {want}"
                );
            }
        }
    }
}
