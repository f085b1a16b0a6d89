//! Documents that go through the encoder together, in three steps that may run on different
//! threads.
//!
//! [`Predictor::prepare_group`], [`Predictor::encode_group`] and [`Predictor::finish_group`] one
//! after another are what [`Predictor::classify`] does. What scores an archive runs them side by
//! side on groups that follow each other. The batches of a group depend on its documents alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use rayon::prelude::*;

use super::PredictError;
use super::answer::Output;
use super::encode::SequenceAnswer;
use super::predictor::{BATCH_TOKENS, Predictor};
use super::prepare::{Brief, Prepared};
use crate::document::Document;
use crate::encoder::batch;

/// Documents on their way, each read or failed: on its own, or before it came here.
pub struct Group<E = PredictError> {
    documents: Vec<Result<Prepared, E>>,
    answers: Vec<Vec<SequenceAnswer>>,
}

/// A sequence of a group: the document's number, and its number in the document.
type Place = (usize, usize);

impl<E> Group<E> {
    /// Tokens of all sequences, special tokens included.
    pub fn tokens(&self) -> usize {
        self.documents.iter().flatten().map(Prepared::tokens).sum()
    }

    fn places(&self) -> Vec<Place> {
        let counts = self.documents.iter().map(|document| match document {
            Ok(document) => document.sequences(),
            Err(_) => 0,
        });
        counts
            .enumerate()
            .flat_map(|(number, count)| (0..count).map(move |index| (number, index)))
            .collect()
    }

    fn cost(&self, (number, index): Place) -> usize {
        self.documents[number]
            .as_ref()
            .map_or(0, |document| document.cost(index))
    }
}

impl Predictor {
    /// Reads documents side by side, each under its brief. What failed already keeps its place.
    pub fn prepare_group<E: From<PredictError> + Send>(
        &self,
        documents: Vec<Result<(Arc<Brief>, Document), E>>,
    ) -> Group<E> {
        let documents: Vec<Result<Prepared, E>> = documents
            .into_par_iter()
            .map(|document| {
                let (brief, document) = document?;
                Ok(caught(|| self.prepare(&brief, document))?)
            })
            .collect();
        let answers = documents
            .iter()
            .map(|document| {
                let count = document.as_ref().map_or(0, Prepared::sequences);
                vec![SequenceAnswer::default(); count]
            })
            .collect();
        Group { documents, answers }
    }

    /// Passes all sequences through the encoder, packed by like length, longest first. When a
    /// pass fails, its documents are tried again one by one, and only those that fail alone are
    /// given up.
    pub fn encode_group<E: From<PredictError>>(&self, group: &mut Group<E>) {
        let places = group.places();
        let lengths: Vec<usize> = places.iter().map(|&place| group.cost(place)).collect();
        for batch in batch::plan(&lengths, BATCH_TOKENS) {
            let members: Vec<Place> = batch
                .into_iter()
                .map(|at| places[at])
                // What remains of a document of which a batch failed is not needed.
                .filter(|&(number, _)| group.documents[number].is_ok())
                .collect();
            if self.pass(group, &members).is_ok() {
                continue;
            }
            let mut numbers: Vec<usize> = members.iter().map(|&(number, _)| number).collect();
            numbers.sort_unstable();
            numbers.dedup();
            for number in numbers {
                let alone: Vec<Place> = members
                    .iter()
                    .copied()
                    .filter(|place| place.0 == number)
                    .collect();
                if let Err(error) = self.pass(group, &alone) {
                    group.documents[number] = Err(error.into());
                }
            }
        }
    }

    fn pass<E>(&self, group: &mut Group<E>, members: &[Place]) -> Result<(), PredictError> {
        let sequences: Vec<(&Prepared, usize)> = members
            .iter()
            .filter_map(|&(number, index)| Some((group.documents[number].as_ref().ok()?, index)))
            .collect();
        if sequences.is_empty() {
            return Ok(());
        }
        let said = caught(|| {
            let states = self.encode(&sequences)?;
            self.ask_heads(&sequences, &states)
        })?;
        for (&(number, index), answer) in members.iter().zip(said) {
            group.answers[number][index] = answer;
        }
        Ok(())
    }

    /// Writes the answers side by side; one per document, in their order.
    pub fn finish_group<E: From<PredictError> + Send>(
        &self,
        group: Group<E>,
    ) -> Vec<Result<Output, E>> {
        group
            .documents
            .into_par_iter()
            .zip(group.answers)
            .map(|(document, said)| {
                let document = document?;
                Ok(caught(|| self.finish(&document, &said))?)
            })
            .collect()
    }
}

/// A panic costs its document, never its neighbours.
fn caught<T>(work: impl FnOnce() -> Result<T, PredictError>) -> Result<T, PredictError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(PredictError::Panicked))
}
