use super::*;
use crate::data::{Kind, Level};
use crate::metrics::Metric;
use crate::run::{RowRecord, SystemResult};

const RESAMPLING: Resampling = Resampling {
    samples: 500,
    seed: 3,
};

fn run(right: impl Fn(usize) -> bool, rows: usize) -> RunResult {
    let probabilities = (0..rows)
        .map(|row| {
            if right(row) {
                vec![0.7, 0.2, 0.1]
            } else {
                vec![0.2, 0.7, 0.1]
            }
        })
        .collect();
    let text = serde_json::json!({
        "system": SystemResult::MODEL, "scores": {}, "interval": null, "model_minus_this": null,
        "confusion": null, "per_class": [], "reliability": [], "risk_coverage": [],
        "slices": {}, "seconds": 0.0, "errors": 0, "first_error": null,
        "probabilities": [], "abstained": [],
    });
    let mut system: SystemResult = serde_json::from_value(text).unwrap();
    system.probabilities = probabilities;
    let task = TaskResult {
        task: "t".to_owned(),
        kind: Kind::Stance,
        group: "g".to_owned(),
        level: Level::Sentence,
        metric: Metric::Accuracy,
        note: None,
        files: Vec::new(),
        data_revision: "r".to_owned(),
        classes: crate::data::STANCE_CLASSES.map(str::to_owned).to_vec(),
        languages: std::collections::BTreeMap::new(),
        documents: rows,
        train_rows: 0,
        excluded: std::collections::BTreeMap::new(),
        rows: (0..rows)
            .map(|row| RowRecord {
                id: row.to_string(),
                document: row,
                gold: 0,
            })
            .collect(),
        systems: vec![system],
        bars: Vec::new(),
        published: Vec::new(),
    };
    RunResult {
        schema: crate::run::RESULTS_SCHEMA.to_owned(),
        tool_version: String::new(),
        suite: String::new(),
        min_cell: 10,
        started: 0,
        seconds: 0.0,
        model: None,
        tasks: vec![task],
    }
}

#[test]
fn a_better_run_is_seen_as_one() {
    let first = run(|row| row.is_multiple_of(2), 100);
    let second = run(|row| !row.is_multiple_of(5), 100);
    let (compared, skipped) = compare(&first, &second, RESAMPLING).unwrap();
    assert!(skipped.is_empty());
    let task = &compared[0];
    assert!((task.values[0] - 0.5).abs() < 1e-12 && (task.values[1] - 0.8).abs() < 1e-12);
    assert_eq!(
        (task.mcnemar.only_first, task.mcnemar.only_second),
        (10, 40)
    );
    assert!(task.difference.p_value < 0.01 && task.mcnemar.p_value < 0.001);
    assert!(task.log_likelihood.mean > 0.0 && task.log_likelihood.deviation > 0.0);
    let table = comparison_table(&compared, &skipped);
    assert!(table.contains("10 : 40"));
    assert!(table.contains(&format!("{:+.4} ± ", task.log_likelihood.mean)));
}

#[test]
fn rows_are_paired_by_their_id() {
    let mut first = run(|row| row < 50, 100);
    let second = run(|row| row < 50, 60);
    first.tasks[0].rows.reverse();
    first.tasks[0].systems[0].probabilities.reverse();
    let (compared, _) = compare(&first, &second, RESAMPLING).unwrap();
    assert_eq!(compared[0].rows, 60);
    assert!(compared[0].difference.difference.abs() < 1e-12);
    assert_eq!(
        compared[0].mcnemar.only_first + compared[0].mcnemar.only_second,
        0
    );
}

#[test]
fn different_data_are_not_compared() {
    let first = run(|_| true, 20);
    let mut second = run(|_| true, 20);
    second.tasks[0].data_revision = "other".to_owned();
    let error = compare(&first, &second, RESAMPLING).unwrap_err();
    assert!(error.to_string().contains("the data differ"), "{error}");
}
