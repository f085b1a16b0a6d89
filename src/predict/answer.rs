//! From the answers of its windows to the answer of a document.

use candle_core::{Device, Tensor};

use super::PredictError;
use super::assemble::{Answer, Parts, assemble};
use super::encode::SequenceAnswer;
use super::predictor::Predictor;
use super::prepare::{Prepared, Task, asked};
use crate::heads::stance::{StanceLogits, combine};
use crate::heads::weighted_rows;
use crate::prediction::Prediction;

/// What a document came to, as its [`Task`] asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Of [`Task::Full`], [`Task::Topics`] and [`Task::Stance`].
    Prediction(Box<Prediction>),
    /// Of [`Task::Embedding`].
    Embedding(Embedding),
}

/// A text as a vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Embedding {
    /// `[hidden]`, of length 1.
    pub vector: Vec<f32>,
    /// Tokens that were read, special tokens included.
    pub tokens: usize,
}

impl Output {
    /// The prediction of a document.
    ///
    /// # Errors
    /// [`PredictError::OtherTask`] when a vector was asked for.
    pub fn into_prediction(self) -> Result<Prediction, PredictError> {
        match self {
            Self::Prediction(prediction) => Ok(*prediction),
            Self::Embedding(_) => Err(PredictError::OtherTask),
        }
    }

    /// The vector of a text.
    ///
    /// # Errors
    /// [`PredictError::OtherTask`] when a prediction was asked for.
    pub fn into_embedding(self) -> Result<Embedding, PredictError> {
        match self {
            Self::Embedding(embedding) => Ok(embedding),
            Self::Prediction(_) => Err(PredictError::OtherTask),
        }
    }
}

impl Predictor {
    /// Writes a document's answer when all its sequences are read, `said` in their order.
    ///
    /// # Errors
    /// [`PredictError::NotFinite`] when the model's numbers are none.
    pub fn finish(
        &self,
        prepared: &Prepared,
        said: &[SequenceAnswer],
    ) -> Result<Output, PredictError> {
        let pooled = pool(prepared, said)?;
        if prepared.brief.task == Task::Embedding {
            let norm = (pooled.sqr()?.sum_keepdim(1)? + 1e-12)?.sqrt()?;
            let vector: Vec<f32> = pooled.broadcast_div(&norm)?.flatten_all()?.to_vec1()?;
            finite(&vector)?;
            let tokens = prepared.tokens();
            return Ok(Output::Embedding(Embedding { vector, tokens }));
        }
        let topics = if prepared.brief.task == Task::Stance {
            Vec::new()
        } else {
            let pooled = pooled.to_device(&self.encoder().info().device)?;
            let logits = self.topic.forward(&pooled, &|x| Ok(x.clone()))?;
            logits.flatten_all()?.to_vec1()?
        };
        let answer = answer_document(prepared, said, topics)?;
        let parts = Parts {
            document: &prepared.document,
            reading: &prepared.reading,
            matcher: &prepared.matcher,
            plan: &prepared.plan,
            answer: &answer,
            config: self.heads(),
            topics: &self.topics,
            model: &self.info,
        };
        let prediction = assemble(&parts, &prepared.brief.options);
        Ok(Output::Prediction(Box::new(prediction)))
    }
}

fn finite(values: &[f32]) -> Result<(), PredictError> {
    if values.iter().all(|x| x.is_finite()) {
        Ok(())
    } else {
        Err(PredictError::NotFinite)
    }
}

/// The document's vector `[1, hidden]`: window vectors weighted by their tokens.
fn pool(prepared: &Prepared, said: &[SequenceAnswer]) -> Result<Tensor, PredictError> {
    let windows = &prepared.reading.windows;
    let rows: Vec<f32> = said
        .iter()
        .take(windows.len())
        .flat_map(|window| window.pooled.iter().copied())
        .collect();
    let hidden = rows.len() / windows.len().max(1);
    let rows = Tensor::from_vec(rows, (windows.len(), hidden), &Device::Cpu)?;
    let weights = windows
        .iter()
        .enumerate()
        .map(|(row, window)| (row, window.ids.len() as f32));
    Ok(weighted_rows(&rows, &[weights.collect()])?)
}

fn answer_document(
    prepared: &Prepared,
    said: &[SequenceAnswer],
    topics: Vec<f32>,
) -> Result<Answer, PredictError> {
    // Answers stand per sequence in the order of `asked`; walking `asked` again finds each.
    let mut next = vec![0usize; said.len()];
    let (mut logits, mut gates) = (Vec::new(), Vec::new());
    for query in asked(&prepared.plan) {
        let (l, g) = said[query.sequence].queries[next[query.sequence]];
        next[query.sequence] += 1;
        finite(&l)?;
        logits.push(l);
        gates.push(g);
    }
    finite(&gates)?;
    finite(&topics)?;
    let mut at = 0;
    let (mut actors, mut sentences) = (Vec::new(), Vec::new());
    for questions in &prepared.plan.actors {
        let end = at + questions.windows.len();
        actors.push(combined(&logits[at..end], &gates[at..end])?);
        at = end;
        sentences.push(logits[at..at + questions.sentences.len()].to_vec());
        at += questions.sentences.len();
    }
    Ok(Answer {
        topics,
        actors,
        sentences,
    })
}

/// One actor's logits from those of its windows. Of an actor that was not asked about nothing is
/// known: equal logits.
fn combined(logits: &[[f32; 3]], gates: &[f32]) -> Result<[f32; 3], PredictError> {
    if logits.is_empty() {
        return Ok([0.0; 3]);
    }
    let flat: Vec<f32> = logits.iter().flatten().copied().collect();
    let said = StanceLogits {
        logits: Tensor::from_vec(flat, (logits.len(), 3), &Device::Cpu)?,
        gates: Tensor::from_vec(gates.to_vec(), gates.len(), &Device::Cpu)?,
    };
    let row: Vec<f32> = combine(&said, &[(0..gates.len()).collect()])?
        .flatten_all()?
        .to_vec1()?;
    Ok([row[0], row[1], row[2]])
}
