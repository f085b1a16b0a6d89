//! The product itself as the model under test: the same code path as users.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;

use stance::document::{ActorSpec, Document, OffsetUnit, Options};
use stance::encoder::device::DeviceChoice;
use stance::encoder::dtype::DtypeChoice;
use stance::encoder::hub::HubOptions;
use stance::predict::Predictor;
use stance::prediction::{ActorStance, Prediction};

use super::{Judge, ModelCard};
use crate::baselines::Answer;
use crate::data::{Example, STANCE_CLASSES};
use crate::error::EvalError;

/// Characters of text that go to the model in one call: enough documents for full batches,
/// and progress can be shown in between.
const CALL_CHARACTERS: usize = 200_000;

/// [`Predictor`] with its default options.
pub struct Product {
    predictor: Predictor,
    progress: bool,
}

impl Product {
    /// Loads `default`, a folder or a hub id, on `cpu`, `cuda`, `metal` or `auto`, in
    /// `f32`, `int8` or what `auto` finds. With
    /// `progress`, says on standard error how far it is.
    pub fn load(model: &str, device: &str, dtype: &str, progress: bool) -> Result<Self, EvalError> {
        let device: DeviceChoice = device.parse().map_err(failed)?;
        let device = device.open().map_err(failed)?;
        let dtype: DtypeChoice = dtype.parse().map_err(failed)?;
        let registry = stance::actors::Registry::embedded().clone();
        let hub = HubOptions::from_env();
        let predictor =
            Predictor::load_as(model, &hub, &device, dtype, registry).map_err(failed)?;
        Ok(Self {
            predictor,
            progress,
        })
    }

    /// Classifies documents in calls of limited size.
    fn classify(
        &self,
        documents: &[Document],
        options: &Options,
    ) -> Vec<Result<Prediction, String>> {
        let mut answers = Vec::with_capacity(documents.len());
        for call in calls(documents, |document| document.text.len()) {
            let predictions = self.predictor.classify(call, options);
            answers.extend(
                predictions
                    .into_iter()
                    .map(|one| one.map_err(|error| error.to_string())),
            );
            self.tell(answers.len(), documents.len());
        }
        answers
    }

    fn tell(&self, done: usize, all: usize) {
        if self.progress {
            eprint!(
                "\r        {done}/{all} texts{}",
                if done == all { "\n" } else { "" }
            );
        }
    }
}

impl Judge for Product {
    fn card(&self) -> ModelCard {
        let info = self.predictor.info();
        ModelCard {
            name: info.name,
            version: info.version,
            sha256: info.sha256,
        }
    }

    fn stances(&self, examples: &[Example]) -> Vec<Answer> {
        let (documents, asked) = documents(examples);
        let options = Options {
            offset_unit: OffsetUnit::Char,
            max_evidence: 0,
            max_unmentioned: 64,
            ..Options::default()
        };
        let mut answers: Vec<Option<Answer>> = vec![None; examples.len()];
        for (prediction, rows) in self.classify(&documents, &options).into_iter().zip(asked) {
            match prediction {
                Ok(prediction) => {
                    for stance in &prediction.stances {
                        let row = stance.actor.id.parse::<usize>().ok();
                        if let Some(slot) = row.and_then(|row| answers.get_mut(row)) {
                            *slot = Some(answer(stance));
                        }
                    }
                }
                Err(error) => {
                    for row in rows {
                        answers[row] = Some(Answer::failed(STANCE_CLASSES.len(), error.clone()));
                    }
                }
            }
        }
        let missing =
            || Answer::failed(STANCE_CLASSES.len(), "the actor was not judged".to_owned());
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(missing))
            .collect()
    }

    fn topics(&self, texts: &[&str]) -> Vec<Result<BTreeMap<String, f64>, String>> {
        let documents: Vec<Document> = texts
            .iter()
            .map(|text| Document {
                text: (*text).to_owned(),
                actors: Some(Vec::new()),
                ..Document::default()
            })
            .collect();
        let options = Options {
            topic_threshold: Some(0.0),
            max_evidence: 0,
            ..Options::default()
        };
        let topics = |prediction: Prediction| {
            prediction
                .topics
                .into_iter()
                .map(|topic| (topic.id, f64::from(topic.probability)))
                .collect()
        };
        self.classify(&documents, &options)
            .into_iter()
            .map(|one| one.map(topics))
            .collect()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EvalError> {
        let mut vectors = Vec::with_capacity(texts.len());
        for call in calls(texts, |text| text.len()) {
            vectors.extend(self.predictor.embed(call).map_err(failed)?);
            self.tell(vectors.len(), texts.len());
        }
        Ok(vectors)
    }
}

/// One document per distinct text, with an actor for each row that asks about it, named by the
/// row's index; and the rows of each document.
fn documents(examples: &[Example]) -> (Vec<Document>, Vec<Vec<usize>>) {
    let mut place: HashMap<&str, usize> = HashMap::new();
    let mut documents: Vec<Document> = Vec::new();
    let mut asked: Vec<Vec<usize>> = Vec::new();
    for (row, example) in examples.iter().enumerate() {
        let at = *place.entry(&example.text).or_insert_with(|| {
            documents.push(Document {
                text: example.text.clone(),
                actors: Some(Vec::new()),
                ..Document::default()
            });
            asked.push(Vec::new());
            documents.len() - 1
        });
        let spec = ActorSpec {
            id: row.to_string(),
            names: example.names.clone(),
            spans: (!example.spans.is_empty()).then(|| example.spans.clone()),
        };
        documents[at].actors.get_or_insert_default().push(spec);
        asked[at].push(row);
    }
    (documents, asked)
}

fn answer(stance: &ActorStance) -> Answer {
    let probabilities = stance.probabilities;
    Answer {
        probabilities: [
            probabilities.favor,
            probabilities.against,
            probabilities.neutral,
        ]
        .map(f64::from)
        .to_vec(),
        abstained: stance.abstained,
        error: None,
    }
}

/// Parts of a list whose sizes add up to about [`CALL_CHARACTERS`], each of at least one item.
fn calls<T>(items: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut calls = Vec::new();
    let (mut start, mut sum) = (0, 0);
    for (index, item) in items.iter().enumerate() {
        sum += size(item);
        if sum >= CALL_CHARACTERS {
            calls.push(&items[start..=index]);
            (start, sum) = (index + 1, 0);
        }
    }
    if start < items.len() {
        calls.push(&items[start..]);
    }
    calls
}

fn failed(error: impl Display) -> EvalError {
    EvalError::Model(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_read_once_for_all_that_ask_about_it() {
        let row = |text: &str, name: &str, spans: &[[usize; 2]]| Example {
            text: text.to_owned(),
            names: vec![name.to_owned()],
            spans: spans.to_vec(),
            ..Example::default()
        };
        let rows = [
            row("A b", "A", &[[0, 1]]),
            row("c", "c", &[]),
            row("A b", "b", &[]),
        ];
        let (documents, asked) = documents(&rows);
        assert_eq!(asked, [vec![0, 2], vec![1]]);
        let actors = documents[0].actors.as_ref().unwrap();
        assert_eq!(
            actors
                .iter()
                .map(|actor| actor.id.as_str())
                .collect::<Vec<_>>(),
            ["0", "2"]
        );
        assert_eq!(actors[0].spans.as_deref(), Some(&[[0, 1]][..]));
        assert_eq!(actors[1].spans, None);
    }

    #[test]
    fn calls_cover_everything_in_order() {
        let items: Vec<usize> = vec![CALL_CHARACTERS, 1, CALL_CHARACTERS - 1, 5];
        let calls = calls(&items, |size| *size);
        assert_eq!(calls, [&items[..1], &items[1..3], &items[3..]]);
        assert!(super::calls(&[] as &[usize], |size| *size).is_empty());
    }

    #[test]
    fn a_model_that_is_not_there_is_an_error() {
        let error = Product::load("./no/such/model", "cpu", "f32", false)
            .err()
            .unwrap();
        assert!(matches!(error, EvalError::Model(_)), "{error}");
        assert!(Product::load("default", "abacus", "f32", false).is_err());
        assert!(Product::load("default", "cpu", "int4", false).is_err());
    }
}
