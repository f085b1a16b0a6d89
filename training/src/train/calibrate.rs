//! Stage `calibrate`: temperatures and thresholds from validation rows.
//!
//! Temperatures minimise the negative log-likelihood (Guo et al. 2017, arXiv 1706.04599); a set
//! counts by the root of its rows, as in training. Texts of more than one window have one of their own,
//! and so has a language of which there are rows enough: for actors that a text names, for those that it
//! does not, and for long texts. A model agrees with the labels of the model that it learnt from more than with
//! people's, so that these alone count where they are enough. The stance threshold is the smallest at which the answers that are given
//! are right as often as the recipe asks; the topic threshold maximises micro-F1.

use std::collections::BTreeMap;
use std::path::PathBuf;

use candle_core::{Device, Result};
use stance::encoder::EncoderError;
use stance::encoder::cpu::Precision;
use stance::encoder::dtype::DtypeChoice;
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::calibration::{Calibration, Kind, fit_sigmoid_temperature, fit_temperature};
use stance::heads::stance::CLASSES;

use super::labelled::{Rows, load_labelled};
use super::measure::{Measured, StanceAnswer, among, argmax, measure, used};
use super::model_folder::read_model;
use super::student::Student;
use crate::annotations::BY_MODEL;

/// Rows that a set contributes at the most, so that large ones do not decide alone.
const ROWS_PER_SET: usize = 600;

/// The same for topic sets, whose rows are long.
const TOPIC_ROWS_PER_SET: usize = 120;

/// Rows from which on a language has temperatures of its own.
const OWN_ROWS: usize = 250;

/// Rows that people labelled from which on the others of a language do not count.
const PEOPLES_ROWS: usize = 100;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model folder of `finetune`; its `stance.json` is rewritten.
    #[arg(long)]
    pub model: PathBuf,
    /// Output of `prepare`.
    #[arg(long)]
    pub prep: PathBuf,
    /// Share of right answers among those given that the stance threshold must reach.
    #[arg(long, default_value_t = 0.8)]
    pub accuracy: f64,
    /// Documents of more windows than this are left out.
    #[arg(long, default_value_t = 8)]
    pub max_windows: usize,
    /// How the encoder multiplies, f32, bf16 or int8: as those who will ask the model do.
    #[arg(long, default_value = "int8", value_parser = precision)]
    pub dtype: Precision,
    /// Writes the validation rows' logits and labels by set, as JSON, for a closer look.
    #[arg(long)]
    pub logits: Option<PathBuf>,
}

fn precision(text: &str) -> std::result::Result<Precision, String> {
    let choice: DtypeChoice = text.parse().map_err(|e: EncoderError| e.to_string())?;
    let unclear =
        || format!("`{choice}` is another precision on another machine: take f32, bf16 or int8");
    choice.precision().ok_or_else(unclear)
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read or written.
pub fn run(args: &Args) -> Result<()> {
    let (params, config, mut heads) = read_model(&args.model, &Device::Cpu)?;
    let tokenizer =
        TextTokenizer::load(args.model.join("tokenizer.json")).map_err(candle_core::Error::wrap)?;
    let rows = Rows {
        folder: &args.prep,
        taught: &[],
        leave_out: &[],
        marked: false,
    };
    let mut labelled = load_labelled(&rows, &heads, &tokenizer, args.max_windows)?;
    labelled.thin_validation(ROWS_PER_SET, TOPIC_ROWS_PER_SET);
    let student = Student::new(&params, &config, &heads, args.dtype, |_| false)?;
    let measured = measure(
        |items| student.forward(items, &|x| Ok(x.clone())),
        &labelled,
    )?;
    if let Some(path) = &args.logits {
        let text = serde_json::to_string(&measured.stance).map_err(candle_core::Error::wrap)?;
        std::fs::write(path, text)?;
    }
    heads.calibration = calibrate(&measured, args.accuracy);
    let text = serde_json::to_string_pretty(&heads).map_err(candle_core::Error::wrap)?;
    std::fs::write(args.model.join("stance.json"), text)?;
    for (name, value) in measured.values() {
        println!("{name}\t{value:.4}");
    }
    println!(
        "{}",
        serde_json::to_string(&heads.calibration).map_err(candle_core::Error::wrap)?
    );
    Ok(())
}

/// Rows that a temperature is fitted to.
#[derive(Default)]
struct Fit {
    logits: Vec<[f32; CLASSES]>,
    labels: Vec<usize>,
    weights: Vec<f64>,
}

impl Fit {
    /// A class that a set never uses was not asked of its annotators: it takes no part.
    fn add(&mut self, row: &StanceAnswer, used: [bool; CLASSES], weight: f64) {
        self.logits.push(among(row.logits, used));
        self.labels.push(row.label);
        self.weights.push(weight);
    }

    fn temperature(&self) -> f32 {
        fit_temperature(&self.logits, &self.labels, &self.weights)
    }
}

/// The rows of a kind in a language.
#[derive(Default)]
struct Own {
    all: Fit,
    /// Those that people labelled.
    peoples: Fit,
}

impl Own {
    /// The temperature, if there are rows enough for one.
    fn temperature(&self) -> Option<f32> {
        if self.all.labels.len() < OWN_ROWS {
            return None;
        }
        let enough = self.peoples.labels.len() >= PEOPLES_ROWS;
        let fit = if enough { &self.peoples } else { &self.all };
        Some(fit.temperature())
    }
}

/// Temperatures and thresholds of what was measured; `accuracy` is the share of right answers
/// among those given that the stance threshold must reach.
pub fn calibrate(measured: &Measured, accuracy: f64) -> Calibration {
    let mut all = Fit::default();
    let mut all_long = Fit::default();
    let mut own: BTreeMap<(&str, Kind), Own> = BTreeMap::new();
    for (set, rows) in &measured.stance {
        let used = used(rows);
        let weight = (rows.len() as f64).sqrt().recip();
        for row in rows {
            all.add(row, used, weight);
            if row.kind == Kind::Long {
                all_long.add(row, used, weight);
            }
            let group = (row.language.as_str(), row.kind);
            // Here every row counts the same, or a set of a few would decide for a language.
            let own = own.entry(group).or_default();
            own.all.add(row, used, 1.0);
            if !set.starts_with(BY_MODEL) {
                own.peoples.add(row, used, 1.0);
            }
        }
    }
    let mut languages: BTreeMap<String, BTreeMap<Kind, f32>> = BTreeMap::new();
    for ((language, kind), own) in own {
        if let Some(temperature) = own.temperature() {
            let of = languages.entry(language.to_owned()).or_default();
            of.insert(kind, temperature);
        }
    }
    let long = (all_long.labels.len() >= OWN_ROWS).then(|| all_long.temperature());
    let pairs: Vec<(f32, bool)> = measured
        .topic
        .values()
        .flatten()
        .flat_map(|(logits, label)| {
            logits
                .iter()
                .enumerate()
                .map(move |(i, l)| (*l, i == *label))
        })
        .collect();
    let mut out = Calibration {
        stance_temperature: all.temperature(),
        stance_long_temperature: long,
        stance_languages: languages,
        topic_temperature: fit_sigmoid_temperature(&pairs),
        ..Calibration::default()
    };
    let rows = measured.stance.values().flatten();
    let sure: Vec<(f32, bool)> = rows
        .map(|row| {
            let p = out.stance(&row.language, row.kind, row.logits);
            let best = argmax(&p);
            (p[best], best == row.label)
        })
        .collect();
    out.stance_threshold = smallest_threshold(sure, accuracy);
    out.topic_threshold = best_threshold(
        &pairs
            .iter()
            .map(|(l, y)| (out.topic(*l), *y))
            .collect::<Vec<_>>(),
    );
    out
}

/// The smallest threshold at or above which a share `accuracy` of the answers is right, to two
/// places; between 0.34, which everything passes, and 0.9.
fn smallest_threshold(mut rows: Vec<(f32, bool)>, accuracy: f64) -> f32 {
    rows.sort_by(|a, b| b.0.total_cmp(&a.0));
    let (mut right, mut threshold) = (0.0, 0.9f32);
    for (given, (probability, hit)) in rows.iter().enumerate() {
        right += f64::from(u8::from(*hit));
        if right / (given + 1) as f64 >= accuracy {
            threshold = *probability;
        }
    }
    // 0.6 is 0.60000002 as f32, and must not become 0.61.
    ((threshold * 100.0 - 1e-3).ceil() / 100.0).clamp(0.34, 0.9)
}

/// The threshold of greatest micro-F1, to two places.
fn best_threshold(pairs: &[(f32, bool)]) -> f32 {
    let positives = pairs.iter().filter(|(_, y)| *y).count() as f64;
    let f1 = |threshold: f32| {
        let said = pairs.iter().filter(|(p, _)| *p >= threshold).count() as f64;
        let hits = pairs.iter().filter(|(p, y)| *p >= threshold && *y).count() as f64;
        2.0 * hits / f64::max(said + positives, 1.0)
    };
    let mut best = (0.5, 0.0);
    for percent in 10..=90 {
        let threshold = percent as f32 / 100.0;
        let value = f1(threshold);
        if value > best.1 {
            best = (threshold, value);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::{
        Calibration, Kind, OWN_ROWS, PEOPLES_ROWS, best_threshold, calibrate, smallest_threshold,
    };
    use crate::train::measure::{Measured, StanceAnswer};

    // Right in 75 of 100 with logits that claim more asks for a temperature above 1, more so the surer they are.
    fn rows(sure: f32, kind: Kind, language: &str, number: usize) -> Vec<StanceAnswer> {
        let row = |i: usize| StanceAnswer {
            logits: [sure, 0.0, 0.0],
            label: if i.is_multiple_of(4) {
                1 + i / 4 % 2
            } else {
                0
            },
            kind,
            language: language.to_owned(),
        };
        (0..number).map(row).collect()
    }

    fn ideal(sure: f32) -> f32 {
        sure / 6f32.ln()
    }

    fn calibrated<const N: usize>(sets: [(&str, Vec<StanceAnswer>); N]) -> Calibration {
        let mut measured = Measured::default();
        for (name, rows) in sets {
            measured.stance.insert(name.to_owned(), rows);
        }
        calibrate(&measured, 0.7)
    }

    #[test]
    fn long_texts_have_temperatures_of_their_own() {
        let found = calibrated([
            ("passages", rows(4.0, Kind::Named, "ar", OWN_ROWS)),
            ("documents", rows(8.0, Kind::Long, "ar", OWN_ROWS)),
            ("others", rows(6.0, Kind::Long, "en", OWN_ROWS - 1)),
        ]);
        let own = &found.stance_languages["ar"];
        assert!((own[&Kind::Named] - ideal(4.0)).abs() < 0.05, "{found:?}");
        assert!((own[&Kind::Long] - ideal(8.0)).abs() < 0.1, "{found:?}");
        assert!(!own.contains_key(&Kind::Unnamed) && !found.stance_languages.contains_key("en"));
        let long = found.stance_long_temperature.unwrap();
        assert!(long > ideal(6.0) && long < ideal(8.0), "{found:?}");
    }

    #[test]
    fn labels_of_people_count_where_they_are_enough() {
        for (number, expected) in [(PEOPLES_ROWS, 8.0), (PEOPLES_ROWS - 1, 4.0)] {
            let found = calibrated([
                (
                    "annotated_passages",
                    rows(4.0, Kind::Named, "ar", 8 * OWN_ROWS),
                ),
                ("news", rows(8.0, Kind::Named, "ar", number)),
            ]);
            let own = found.stance_languages["ar"][&Kind::Named];
            assert!((own - ideal(expected)).abs() < 0.25, "{number}: {own}");
        }
    }

    #[test]
    fn thresholds_are_where_the_errors_begin() {
        let rows = vec![
            (0.9, true),
            (0.8, true),
            (0.7, true),
            (0.6, false),
            (0.5, false),
        ];
        assert!((smallest_threshold(rows.clone(), 0.75) - 0.6).abs() < 1e-6);
        assert!((smallest_threshold(rows, 0.99) - 0.7).abs() < 1e-6);
        let pairs = [(0.9, true), (0.62, true), (0.4, false), (0.2, false)];
        let t = best_threshold(&pairs);
        assert!(t > 0.4 && t <= 0.62, "{t}");
    }
}
