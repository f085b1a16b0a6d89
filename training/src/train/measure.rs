//! How good a student is on validation rows, and its logits there, for calibration.

use std::collections::BTreeMap;

use candle_core::Result;
use stance::heads::calibration::Kind;
use stance::heads::stance::CLASSES;

use super::item::{Item, batches};
use super::labelled::Labelled;
use super::student::Outputs;

/// Tokens that go through the encoder together.
const BATCH_TOKENS: usize = 4096;

/// What was said of one labelled target.
#[derive(Debug, Clone, serde::Serialize)]
pub struct StanceAnswer {
    /// Logits, in the order of [`stance::prediction::Stance::ALL`].
    pub logits: [f32; CLASSES],
    /// Index of the label.
    pub label: usize,
    /// What its temperature depends on.
    pub kind: Kind,
    /// ISO 639-1 code of the text's language.
    pub language: String,
}

/// Logits and labels of validation rows, by set.
#[derive(Debug, Default)]
pub struct Measured {
    /// Stance logits and labels.
    pub stance: BTreeMap<String, Vec<StanceAnswer>>,
    /// Topic logits and the label's index.
    pub topic: BTreeMap<String, Vec<(Vec<f32>, usize)>>,
}

/// Runs a model over the validation rows; `forward` is its answer to a batch of them.
///
/// # Errors
/// When the device fails.
pub fn measure(
    forward: impl Fn(&[Item]) -> Result<Outputs>,
    labelled: &Labelled,
) -> Result<Measured> {
    let mut out = Measured::default();
    for batch in batches(&labelled.stance_validation, BATCH_TOKENS) {
        let outputs = forward(batch)?;
        let Some(logits) = outputs.stance else {
            continue;
        };
        let logits: Vec<Vec<f32>> = logits.to_vec2()?;
        let targets = batch
            .iter()
            .flat_map(|item| item.targets.iter().map(move |t| (item, t)));
        for (row, (item, target)) in logits.iter().zip(targets) {
            let name = labelled.set_name(item.set).to_owned();
            out.stance.entry(name).or_default().push(StanceAnswer {
                logits: [row[0], row[1], row[2]],
                label: target.label,
                kind: Kind::of(target.queries.iter().any(|query| !query.paired), item.long),
                language: item.language.clone(),
            });
        }
    }
    for batch in batches(&labelled.topic_validation, BATCH_TOKENS) {
        let outputs = forward(batch)?;
        let Some(logits) = outputs.topic else {
            continue;
        };
        let logits: Vec<Vec<f32>> = logits.to_vec2()?;
        let labels = batch
            .iter()
            .filter_map(|item| Some((item.set, item.topic?)));
        for (row, (set, label)) in logits.into_iter().zip(labels) {
            let name = labelled.set_name(set).to_owned();
            out.topic.entry(name).or_default().push((row, label));
        }
    }
    Ok(out)
}

impl Measured {
    /// Mean of the stance sets' macro-F1 and the topic sets' accuracy, 0 without rows.
    pub fn score(&self) -> f64 {
        let values = self.values();
        let of = |name: &str| {
            values
                .iter()
                .find(|(n, _)| n == name)
                .map_or(0.0, |(_, v)| *v)
        };
        match (self.stance.is_empty(), self.topic.is_empty()) {
            (false, false) => f64::midpoint(of("mean_f1"), of("mean_accuracy")),
            (false, true) => of("mean_f1"),
            _ => of("mean_accuracy"),
        }
    }

    /// Macro-F1 over the classes that occur per stance set, accuracy per topic set, and, first,
    /// their means, of those that there are.
    pub fn values(&self) -> Vec<(String, f64)> {
        let mut values = Vec::new();
        let mean = |values: &[(String, f64)]| {
            values.iter().map(|(_, v)| v).sum::<f64>() / values.len().max(1) as f64
        };
        let stance: Vec<(String, f64)> = self
            .stance
            .iter()
            .map(|(set, rows)| (format!("f1_{set}"), macro_f1(rows)))
            .collect();
        let topic: Vec<(String, f64)> = self
            .topic
            .iter()
            .map(|(set, rows)| {
                let hits = rows
                    .iter()
                    .filter(|(logits, label)| argmax(logits) == *label)
                    .count();
                (format!("accuracy_{set}"), hits as f64 / rows.len() as f64)
            })
            .collect();
        let kinds = [("mean_f1", &stance), ("mean_accuracy", &topic)];
        for (name, sets) in kinds.into_iter().filter(|(_, sets)| !sets.is_empty()) {
            values.push((name.to_owned(), mean(sets)));
        }
        values.extend(stance);
        values.extend(topic);
        values
    }
}

/// Index of the largest value.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best
}

/// Which classes occur among the labels.
pub fn used(rows: &[StanceAnswer]) -> [bool; CLASSES] {
    let mut used = [false; CLASSES];
    for row in rows {
        used[row.label] = true;
    }
    used
}

/// `logits` with those of classes that are not `used` at minus infinity.
pub fn among(mut logits: [f32; CLASSES], used: [bool; CLASSES]) -> [f32; CLASSES] {
    for (logit, used) in logits.iter_mut().zip(used) {
        if !used {
            *logit = f32::NEG_INFINITY;
        }
    }
    logits
}

/// Mean F1 of the classes that occur among the labels; the answer is picked among those, as a
/// set without a class gives the model no way to be right about it.
fn macro_f1(rows: &[StanceAnswer]) -> f64 {
    let occurs = used(rows);
    let (mut hits, mut said, mut labels) = ([0.0; CLASSES], [0.0; CLASSES], [0.0; CLASSES]);
    for row in rows {
        let answer = argmax(&among(row.logits, occurs));
        said[answer] += 1.0;
        labels[row.label] += 1.0;
        if answer == row.label {
            hits[answer] += 1.0;
        }
    }
    let classes = occurs.iter().filter(|o| **o).count().max(1) as f64;
    (0..CLASSES)
        .filter(|&c| occurs[c])
        .map(|c| 2.0 * hits[c] / f64::max(said[c] + labels[c], 1.0))
        .sum::<f64>()
        / classes
}

#[cfg(test)]
mod tests {
    use super::{Kind, StanceAnswer, macro_f1};

    #[test]
    fn f1_counts_only_classes_that_occur() {
        let row = |logits, label| StanceAnswer {
            logits,
            label,
            kind: Kind::Named,
            language: String::new(),
        };
        let rows = [
            row([2.0, 1.0, 9.0], 0),
            row([0.0, 1.0, 9.0], 1),
            row([3.0, 1.0, 9.0], 1),
        ];
        // favor: one hit, two said, one label; against: one hit, one said, two labels.
        let expected = f64::midpoint(2.0 / 3.0, 2.0 / 3.0);
        assert!((macro_f1(&rows) - expected).abs() < 1e-12);
    }
}
