//! Every metric against the value that scikit-learn gives (`fixtures/make_metrics.py`).

#![allow(clippy::unwrap_used)] // helpers of tests

use serde::Deserialize;
use stance_eval::metrics::{Metric, Scores, mcnemar};

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
    mcnemar: Vec<McNemarCase>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    classes: usize,
    gold: Vec<usize>,
    probabilities: Vec<Vec<f64>>,
    confusion: Vec<Vec<u64>>,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<u64>,
    accuracy: f64,
    macro_f1: f64,
    f1_favor_against: f64,
    mcc: f64,
    brier: f64,
    ece: f64,
    aurc: f64,
}

#[derive(Deserialize)]
struct McNemarCase {
    only_first: usize,
    only_second: usize,
    p_value: f64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap()
}

fn close(name: &str, got: f64, want: f64) {
    assert!(
        (got - want).abs() < 1e-9,
        "{name}: {got}, scikit-learn has {want}"
    );
}

#[test]
fn classes_and_summaries_agree() {
    for case in fixture().cases {
        let mut scores = Scores::new(case.classes);
        for (&gold, probabilities) in case.gold.iter().zip(&case.probabilities) {
            scores.push(gold, probabilities, false);
        }
        let rows: Vec<usize> = (0..scores.len()).collect();
        let confusion = scores.confusion(&rows);
        for class in 0..case.classes {
            let report = confusion.class(class);
            let name = format!("{}, class {class}", case.name);
            close(&name, report.precision, case.precision[class]);
            close(&name, report.recall, case.recall[class]);
            close(&name, report.f1, case.f1[class]);
            assert_eq!(report.support, case.support[class], "{name}");
            for predicted in 0..case.classes {
                assert_eq!(
                    confusion.count(class, predicted),
                    case.confusion[class][predicted]
                );
            }
        }
        for (metric, want) in [
            (Metric::Accuracy, case.accuracy),
            (Metric::MacroF1, case.macro_f1),
            (Metric::F1FavorAgainst, case.f1_favor_against),
            (Metric::F1PositiveNegative, case.f1_favor_against),
            (Metric::Mcc, case.mcc),
            (Metric::Brier, case.brier),
            (Metric::Ece, case.ece),
            (Metric::Aurc, case.aurc),
        ] {
            let name = format!("{}, {}", case.name, metric.as_str());
            close(&name, metric.compute(&scores, &rows).unwrap(), want);
        }
    }
}

#[test]
fn mcnemar_agrees_with_the_binomial_test_of_scipy() {
    for case in fixture().mcnemar {
        let pairs = std::iter::repeat_n((true, false), case.only_first)
            .chain(std::iter::repeat_n((false, true), case.only_second));
        close("McNemar", mcnemar(pairs).p_value, case.p_value);
    }
}
