//! Documents judged on the threads of the caller, as commands and the Python package do: limits
//! first, then the steps of the model; every document keeps its place, whatever befalls it.

use std::sync::Arc;

use super::limits::{DocumentLimits, internal_error};
use crate::document::{Document, InputFormat, Options};
use crate::predict::{Brief, Group, Output, PredictError, Predictor, Task};
use crate::prediction::{DocumentError, DocumentFailure, DocumentResult, Prediction};

/// Documents judged together at the most.
const CHUNK_DOCUMENTS: usize = 64;
/// Bytes of text judged together, at which a chunk is closed.
const CHUNK_BYTES: usize = 4 << 20;

/// A model, with how it is to judge and what a document may bring.
pub struct Judge<'a> {
    predictor: &'a Predictor,
    given: Arc<Brief>,
    html: Arc<Brief>,
    limits: DocumentLimits,
}

impl<'a> Judge<'a> {
    /// Checks the options.
    ///
    /// # Errors
    /// An option that the model cannot follow.
    pub fn new(
        predictor: &'a Predictor,
        options: &Options,
        limits: DocumentLimits,
    ) -> Result<Self, PredictError> {
        let html = Options {
            input: InputFormat::Html,
            ..options.clone()
        };
        Ok(Self {
            predictor,
            given: Arc::new(predictor.brief(Task::Full, options.clone())?),
            html: Arc::new(predictor.brief(Task::Full, html)?),
            limits,
        })
    }

    /// Reads documents side by side, each with whether it is HTML whatever the options say. One
    /// over its limits is not read.
    pub(crate) fn prepare(
        &self,
        documents: impl Iterator<Item = (bool, Result<Document, DocumentError>)>,
    ) -> Group<DocumentError> {
        let checked = documents.map(|(html, document)| {
            let document = document?;
            self.limits.check(&document)?;
            let brief = if html { &self.html } else { &self.given };
            Ok((Arc::clone(brief), document))
        });
        self.predictor.prepare_group(checked.collect())
    }

    /// See [`Predictor::encode_group`].
    pub(crate) fn encode(&self, group: &mut Group<DocumentError>) {
        self.predictor.encode_group(group);
    }

    /// One answer per document, in their order.
    pub(crate) fn finish(
        &self,
        group: Group<DocumentError>,
    ) -> impl Iterator<Item = Result<Prediction, DocumentError>> {
        let outputs = self.predictor.finish_group(group).into_iter();
        outputs.map(|output| Ok(Output::into_prediction(output?)?))
    }

    /// Judges the next documents of `inputs`, as many as go through the encoder together; one
    /// result each, in their order. None at the end of the inputs.
    pub fn next(
        &self,
        inputs: &mut impl Iterator<Item = Result<Document, DocumentFailure>>,
    ) -> Vec<DocumentResult> {
        let bytes = |input: &Result<Document, _>| input.as_ref().map_or(0, |d| d.text.len());
        let (chunk, _) = take_bounded(inputs, CHUNK_DOCUMENTS, CHUNK_BYTES, bytes);
        let (ids, documents): (Vec<_>, Vec<_>) = chunk
            .into_iter()
            .map(|input| match input {
                Ok(document) => (document.id.clone(), Ok(document)),
                Err(failure) => (failure.id, Err(failure.error)),
            })
            .unzip();
        let mut group = self.prepare(documents.into_iter().map(|document| (false, document)));
        self.encode(&mut group);
        let mut answers = self.finish(group);
        ids.into_iter()
            .map(
                |id| match answers.next().unwrap_or_else(|| Err(internal_error())) {
                    Ok(prediction) => DocumentResult::Prediction(Box::new(prediction)),
                    Err(error) => DocumentResult::failure(id, error),
                },
            )
            .collect()
    }
}

/// Takes items until there are so many, or they come to so many bytes; with their bytes.
pub(crate) fn take_bounded<T>(
    items: &mut impl Iterator<Item = T>,
    most: usize,
    most_bytes: usize,
    size: impl Fn(&T) -> usize,
) -> (Vec<T>, usize) {
    let (mut taken, mut bytes) = (Vec::new(), 0);
    while taken.len() < most && bytes < most_bytes {
        let Some(item) = items.next() else {
            break;
        };
        bytes += size(&item);
        taken.push(item);
    }
    (taken, bytes)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;
    use crate::actors::Registry;
    use crate::encoder::hub::HubOptions;
    use crate::encoder::{Encoder, EncoderError, EncoderInfo, TokenStates};

    /// Panics at a sequence of more tokens than a short text has.
    struct Fragile(Box<dyn Encoder>);

    impl Encoder for Fragile {
        fn info(&self) -> &EncoderInfo {
            self.0.info()
        }

        fn encode(&self, sequences: &[&[u32]]) -> Result<TokenStates, EncoderError> {
            assert!(sequences.iter().all(|s| s.len() < 40), "asked to");
            self.0.encode(sequences)
        }
    }

    #[test]
    fn a_panic_costs_only_the_document_that_caused_it() {
        let registry = Registry::embedded().clone();
        let predictor =
            Predictor::load("default", &HubOptions::default(), &Device::Cpu, registry).unwrap();
        let predictor = predictor.with_encoder(|encoder| Box::new(Fragile(encoder)));
        let limits = DocumentLimits {
            max_text_bytes: 999,
            max_actors: 1,
        };
        let judge = Judge::new(&predictor, &Options::default(), limits).unwrap();
        let long = "Nobody came. ".repeat(20);
        let too_long = "Nobody came. ".repeat(200);
        let texts = ["Syria won.", &long, &too_long, "Russia won."];
        let document = |text: &str| Document {
            id: Some(text.len().to_string()),
            text: text.to_owned(),
            ..Document::default()
        };
        let unread = DocumentFailure {
            id: Some("unread".to_owned()),
            error: DocumentError::new("unreadable_file", "it is gone"),
        };
        let mut inputs = texts.map(|text| Ok(document(text))).to_vec();
        inputs.insert(1, Err(unread));
        let ids: Vec<Option<String>> = inputs
            .iter()
            .map(|input| match input {
                Ok(document) => document.id.clone(),
                Err(failure) => failure.id.clone(),
            })
            .collect();
        let mut inputs = inputs.into_iter();
        let results = judge.next(&mut inputs);
        assert!(judge.next(&mut inputs).is_empty());
        let (codes, places): (Vec<&str>, Vec<_>) = results
            .iter()
            .map(|result| match result {
                DocumentResult::Prediction(prediction) => ("judged", prediction.id.clone()),
                DocumentResult::Failure(failure) => (&*failure.error.code, failure.id.clone()),
            })
            .unzip();
        assert_eq!(
            codes,
            [
                "judged",
                "unreadable_file",
                "internal_error",
                "text_too_long",
                "judged"
            ]
        );
        assert_eq!(places, ids);
    }
}
