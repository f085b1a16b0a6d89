//! Parts of the rows: languages, targets, lengths.

use std::collections::BTreeMap;

use super::Slice;
use crate::baselines::is_mentioned;
use crate::data::{Example, length_bin};
use crate::metrics::{Interval, Metric, Resampling, Scores};

/// How slices are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Slicing {
    /// Parts with fewer rows are left out.
    pub min_cell: usize,
    /// The metric whose interval is given.
    pub metric: Metric,
    /// How its interval is computed.
    pub resampling: Resampling,
}

/// Names of the parts that an example is in, by dimension.
fn parts(example: &Example) -> Vec<(&'static str, String)> {
    let mut parts = vec![
        ("language", example.lang.clone()),
        ("length", length_bin(&example.text).to_owned()),
    ];
    if !example.target.is_empty() {
        parts.push(("target", example.target.clone()));
        let named = if is_mentioned(example) {
            "named in the text"
        } else {
            "not named"
        };
        parts.push(("mention", named.to_owned()));
    }
    if let Some(seen) = example.target_seen {
        let seen = if seen { "seen in training" } else { "unseen" };
        parts.push(("target_seen", seen.to_owned()));
    }
    parts
}

/// All slices of a task's rows that are large enough; dimensions of one part are left out,
/// for that part is the whole.
pub(super) fn slices(
    examples: &[Example],
    scores: &Scores,
    documents: &[Vec<usize>],
    slicing: Slicing,
) -> BTreeMap<String, Vec<Slice>> {
    let mut rows_of: BTreeMap<(&str, String), Vec<usize>> = BTreeMap::new();
    for (row, example) in examples.iter().enumerate() {
        for (dimension, name) in parts(example) {
            rows_of.entry((dimension, name)).or_default().push(row);
        }
    }
    let mut document_of = vec![0; examples.len()];
    for (document, rows) in documents.iter().enumerate() {
        for &row in rows {
            document_of[row] = document;
        }
    }
    let mut slices: BTreeMap<String, Vec<Slice>> = BTreeMap::new();
    for ((dimension, name), rows) in rows_of {
        if rows.len() < slicing.min_cell || rows.len() == examples.len() {
            continue;
        }
        let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for &row in &rows {
            groups.entry(document_of[row]).or_default().push(row);
        }
        let groups: Vec<Vec<usize>> = groups.into_values().collect();
        let slice = Slice {
            name,
            rows: rows.len(),
            scores: all_scores(scores, &rows),
            interval: interval(scores, &groups, slicing.metric, slicing.resampling),
        };
        slices.entry(dimension.to_owned()).or_default().push(slice);
    }
    if let Some(targets) = slices.get_mut("target") {
        targets.sort_by(|a, b| b.rows.cmp(&a.rows).then_with(|| a.name.cmp(&b.name)));
    }
    slices
}

/// Every metric that is defined on some rows.
pub(super) fn all_scores(scores: &Scores, rows: &[usize]) -> BTreeMap<String, f64> {
    Metric::ALL
        .into_iter()
        .filter_map(|metric| Some((metric.as_str().to_owned(), metric.compute(scores, rows)?)))
        .collect()
}

/// The interval of a metric.
pub(super) fn interval(
    scores: &Scores,
    documents: &[Vec<usize>],
    metric: Metric,
    resampling: Resampling,
) -> Option<Interval> {
    resampling.interval(documents, |rows| metric.compute(scores, rows))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::document_groups;

    #[test]
    fn small_parts_are_hidden_and_the_whole_is_no_part() {
        let examples: Vec<Example> = (0..30)
            .map(|row| Example {
                lang: if row < 3 { "ar" } else { "en" }.to_owned(),
                text: format!("Arland {row}"),
                target: "Arland".to_owned(),
                names: vec!["Arland".to_owned()],
                ..Example::default()
            })
            .collect();
        let mut scores = Scores::new(3);
        for row in 0..30 {
            scores.push(row % 3, &[0.5, 0.3, 0.2], false);
        }
        let slicing = Slicing {
            min_cell: 10,
            metric: Metric::Accuracy,
            resampling: Resampling {
                samples: 50,
                seed: 1,
            },
        };
        let slices = slices(&examples, &scores, &document_groups(&examples), slicing);
        assert_eq!(slices.keys().collect::<Vec<_>>(), ["language"]);
        let languages = &slices["language"];
        assert_eq!(languages.len(), 1);
        assert_eq!((languages[0].name.as_str(), languages[0].rows), ("en", 27));
        assert!((languages[0].scores["accuracy"] - 9.0 / 27.0).abs() < 1e-12);
        assert!(languages[0].interval.is_some());
    }
}
