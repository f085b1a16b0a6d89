//! What a model answered where it was made, to be asked again where it runs.
//!
//! A model folder may hold `selftest.json`: a few texts with the vector, the topics and the
//! stances that came out. A kernel that is wrong on some processor, or a file that is whole but
//! belongs to another model, shows here and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{PredictError, Predictor};
use crate::document::{Document, Options};
use crate::encoder::cpu::Precision;
use crate::encoder::dtype::parity;
use crate::prediction::Prediction;

pub use crate::model::SELF_TEST_FILE;

/// The version of its layout.
const SCHEMA: u32 = 1;

/// The texts, in three scripts. Each names states, which every registry has.
const TEXTS: [&str; 3] = [
    "The government of Qatar criticised the shameful decision. Turkey welcomed it, and its \
     generous help saved thousands of families.",
    "انتقدت قطر القرار الظالم بشدة، ورحّبت به تركيا التي أنقذت مساعداتها آلاف العائلات.",
    "Катар осудил это позорное решение, а Турция, чья щедрая помощь спасла тысячи семей, его \
     поддержала.",
];

/// Stored answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SelfTest {
    /// Version of this layout.
    pub schema: u32,
    /// How far an answer may be off in a precision that `tolerances` lacks.
    pub tolerance: Tolerance,
    /// How far an answer may be off by the name of the encoder's precision.
    #[serde(default)]
    pub tolerances: BTreeMap<String, Tolerance>,
    /// The texts and what came out.
    pub cases: Vec<Case>,
}

/// How far an answer may be off. Kernels add in another order, and in half or 8-bit precision.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tolerance {
    /// The least cosine between a vector and the stored one.
    pub cosine: f32,
    /// The most that a probability may differ.
    pub probability: f32,
}

impl Default for Tolerance {
    /// What the parity of 8-bit kernels is held to.
    fn default() -> Self {
        Self {
            cosine: 0.99,
            probability: 0.05,
        }
    }
}

impl Tolerance {
    /// Twice as far as a model was off in `precision` where it was made, and a little for sums in another
    /// order; a vector's cosine, which falls with the square of the distance, may always be what `--dtype auto`
    /// asks of a token's.
    fn of(outcome: &Outcome, precision: Precision) -> Self {
        let twice = 1.0 - 4.0 * (1.0 - outcome.cosine).max(0.0) - 1e-5;
        Self {
            cosine: twice.min(parity(precision)),
            probability: 2.0 * outcome.probability + 0.005,
        }
    }
}

/// A text and what came out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// The text.
    pub text: String,
    /// Its vector, of length 1.
    pub embedding: Vec<f32>,
    /// Probability of every topic by its id.
    pub topics: BTreeMap<String, f32>,
    /// Probabilities of favor, against and neutral by the actor's id.
    pub stances: BTreeMap<String, [f32; 3]>,
}

/// How a model did.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The least cosine of a vector to the stored one.
    pub cosine: f32,
    /// The largest difference of a probability; 1 where an answer is missing.
    pub probability: f32,
    /// How far they may be off.
    pub tolerance: Tolerance,
}

impl Outcome {
    /// Whether every answer is within the tolerance.
    pub fn passed(&self) -> bool {
        // Comparisons that a NaN fails.
        self.cosine >= self.tolerance.cosine && self.probability <= self.tolerance.probability
    }
}

impl SelfTest {
    /// Reads a `selftest.json`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn from_json(bytes: &[u8]) -> Result<Self, String> {
        let test: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if test.schema != SCHEMA {
            return Err(format!(
                "schema {} is unknown, this version reads {SCHEMA}",
                test.schema
            ));
        }
        if test.cases.is_empty() {
            return Err("there is no case".to_owned());
        }
        Ok(test)
    }

    /// Asks `exact`, a model in f32, and keeps its answers.
    ///
    /// # Errors
    /// When it cannot answer.
    pub fn record(exact: &Predictor) -> Result<Self, PredictError> {
        let cases = TEXTS.map(|text| ask(exact, text));
        let mut test = Self {
            schema: SCHEMA,
            tolerance: Tolerance::default(),
            tolerances: BTreeMap::new(),
            cases: cases.into_iter().collect::<Result<_, _>>()?,
        };
        test.measure(exact)?;
        Ok(test)
    }

    /// Holds the precision of `predictor`, the same model, to what it answers here from now on: what fewer
    /// bits do to a probability is another for every model and its temperatures.
    ///
    /// # Errors
    /// When it cannot answer.
    pub fn measure(&mut self, predictor: &Predictor) -> Result<(), PredictError> {
        let outcome = self.run(predictor)?;
        let precision = predictor.dtype().precision;
        let tolerance = Tolerance::of(&outcome, precision);
        self.tolerances
            .insert(precision.name().to_owned(), tolerance);
        Ok(())
    }

    /// How far an answer in `precision` may be off.
    pub fn tolerance(&self, precision: Precision) -> Tolerance {
        let found = self.tolerances.get(precision.name());
        found.copied().unwrap_or(self.tolerance)
    }

    /// Asks `predictor` again and compares.
    ///
    /// # Errors
    /// When it cannot answer.
    pub fn run(&self, predictor: &Predictor) -> Result<Outcome, PredictError> {
        let mut outcome = Outcome {
            cosine: 1.0,
            probability: 0.0,
            tolerance: self.tolerance(predictor.dtype().precision),
        };
        for case in &self.cases {
            let found = ask(predictor, &case.text)?;
            outcome.cosine = lesser(outcome.cosine, cosine(&found.embedding, &case.embedding));
            for (topic, expected) in &case.topics {
                let off = found
                    .topics
                    .get(topic)
                    .map_or(1.0, |found| (found - expected).abs());
                outcome.probability = greater(outcome.probability, off);
            }
            for (actor, expected) in &case.stances {
                let off = found.stances.get(actor).map_or(1.0, |found| {
                    let pairs = found.iter().zip(expected);
                    pairs.fold(0.0, |most, (a, b)| greater(most, (a - b).abs()))
                });
                outcome.probability = greater(outcome.probability, off);
            }
        }
        Ok(outcome)
    }
}

/// The lesser of two numbers, and NaN where one is NaN.
fn lesser(a: f32, b: f32) -> f32 {
    if b.is_nan() || b < a { b } else { a }
}

fn greater(a: f32, b: f32) -> f32 {
    if b.is_nan() || b > a { b } else { a }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let pairs = a.iter().zip(b);
        pairs.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    };
    if a.len() != b.len() {
        return -1.0;
    }
    (dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()) as f32
}

fn ask(predictor: &Predictor, text: &str) -> Result<Case, PredictError> {
    let document = Document {
        text: text.to_owned(),
        ..Document::default()
    };
    let options = Options {
        topic_threshold: Some(0.0),
        ..Options::default()
    };
    let mut embedding = predictor.embed(&[text])?;
    let mut answers = predictor.classify(std::slice::from_ref(&document), &options);
    let (Some(embedding), Some(answer)) = (embedding.pop(), answers.pop()) else {
        return Err(PredictError::NotFinite);
    };
    let Prediction {
        topics, stances, ..
    } = answer?;
    Ok(Case {
        text: text.to_owned(),
        embedding,
        topics: topics.into_iter().map(|t| (t.id, t.probability)).collect(),
        stances: stances
            .into_iter()
            .map(|stance| {
                let p = stance.probabilities;
                (stance.actor.id, [p.favor, p.against, p.neutral])
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_no_number_passes() {
        let tolerance = Tolerance::default();
        for (cosine, probability, passed) in [
            (1.0, 0.0, true),
            (0.9, 0.0, false),
            (1.0, 0.5, false),
            (f32::NAN, 0.0, false),
            (1.0, f32::NAN, false),
        ] {
            let outcome = Outcome {
                cosine,
                probability,
                tolerance,
            };
            assert_eq!(outcome.passed(), passed, "{outcome:?}");
        }
        assert!(lesser(1.0, f32::NAN).is_nan() && greater(0.0, f32::NAN).is_nan());
        assert!(cosine(&[1.0], &[1.0, 0.0]) < 0.0);
        assert!((cosine(&[3.0, 4.0], &[6.0, 8.0]) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn twice_as_far_is_allowed_and_no_more() {
        let outcome = |cosine, probability, tolerance| Outcome {
            cosine,
            probability,
            tolerance,
        };
        let measured = outcome(0.9996, 0.05, Tolerance::default());
        let tolerance = Tolerance::of(&measured, Precision::Bf16);
        for (cosine, probability, passed) in [
            (0.9985, 0.1, true),
            (0.998, 0.1, false),
            (0.9985, 0.11, false),
        ] {
            let found = outcome(cosine, probability, tolerance);
            assert_eq!(found.passed(), passed, "{found:?}");
        }
        let nearer = Tolerance::of(&outcome(0.9999, 0.05, tolerance), Precision::Bf16);
        assert!((nearer.cosine - 0.999).abs() < 1e-6);
        // A cosine is rounded: an exact answer may have one above 1.
        let exact = Tolerance::of(&outcome(1.000_000_1, 0.0, tolerance), Precision::F32);
        assert!(exact.cosine < 1.0 && exact.cosine > 0.999_9 && exact.probability < 0.01);
    }

    /// A self-test of before it had bounds for each precision.
    #[test]
    fn a_precision_without_a_bound_of_its_own_has_the_general_one() {
        let text = r#"{"schema": 1, "tolerance": {"cosine": 0.99, "probability": 0.05},
            "cases": [{"text": "", "embedding": [], "topics": {}, "stances": {}}]}"#;
        let mut stored = SelfTest::from_json(text.as_bytes()).expect("a self-test");
        assert_eq!(stored.tolerance(Precision::Int8), Tolerance::default());
        let own = Tolerance {
            cosine: 0.9,
            probability: 0.1,
        };
        stored.tolerances.insert("int8".to_owned(), own);
        assert_eq!(stored.tolerance(Precision::Int8), own);
        assert_eq!(stored.tolerance(Precision::F32), Tolerance::default());
    }

    #[test]
    fn what_is_no_self_test_is_refused() {
        for text in [
            "{}",
            r#"{"schema": 2, "tolerance": {"cosine": 1, "probability": 0}, "cases": []}"#,
            r#"{"schema": 1, "tolerance": {"cosine": 1, "probability": 0}, "cases": []}"#,
        ] {
            assert!(SelfTest::from_json(text.as_bytes()).is_err(), "{text}");
        }
    }
}
