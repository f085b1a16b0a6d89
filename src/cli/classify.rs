//! `stance classify`: inputs in, results out, a bounded chunk at a time.

use std::io::{self, IsTerminal, Write};

use crate::document::{Document, Options};
use crate::engine::{DocumentLimits, classify_guarded};
use crate::predict::{Predictor, check_options};
use crate::prediction::{DocumentError, DocumentFailure, DocumentResult};

use super::args::ClassifyArgs;
use super::exit::{Exit, Failure};
use super::input::{Inputs, Source};
use super::output::Printer;

/// Documents judged together at the most.
const CHUNK_DOCUMENTS: usize = 64;
/// Bytes of text judged together, at which a chunk is closed.
const CHUNK_BYTES: usize = 4 << 20;

/// Runs the command.
pub(super) fn run(args: &ClassifyArgs) -> Result<Exit, Failure> {
    let sources = sources(args)?;
    let options = args.output.options.options();
    let limits = args.limits.document();
    let registry = args
        .model
        .source
        .registry()
        .map_err(|error| Failure::from_error(&error))?;
    check_options(&options, &registry)?;
    let predictor = args
        .model
        .source
        .load(&args.model.model, registry)
        .map_err(|error| Failure::from_error(&error))?;
    let inputs = Inputs::new(sources, args.input_format, limits);
    let printer = Printer::new(args.output.format, io::stdout().lock());
    let counts = classify(&predictor, inputs, &limits, &options, printer)?;
    if counts.failed == 0 {
        return Ok(Exit::Success);
    }
    eprintln!(
        "stance: {} of {} documents could not be judged",
        counts.failed, counts.all
    );
    Ok(Exit::DocumentErrors)
}

fn sources(args: &ClassifyArgs) -> Result<Vec<Source>, Failure> {
    if let Some(text) = &args.text {
        return Ok(vec![Source::Text(text.clone())]);
    }
    if !args.files.is_empty() {
        return Ok(args
            .files
            .iter()
            .map(|file| Source::from_path(file))
            .collect());
    }
    if io::stdin().is_terminal() {
        let hint = "nothing to judge: name files, give --text TEXT, or pipe a text in";
        return Err(Failure::usage(hint));
    }
    Ok(vec![Source::Stdin])
}

/// How many documents there were.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    all: usize,
    failed: usize,
}

fn classify<W: Write>(
    predictor: &Predictor,
    mut inputs: impl Iterator<Item = Result<Document, DocumentFailure>>,
    limits: &DocumentLimits,
    options: &Options,
    mut printer: Printer<W>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    printer.begin()?;
    loop {
        let chunk = next_chunk(&mut inputs);
        if chunk.is_empty() {
            break;
        }
        for result in judge(predictor, limits, options, chunk) {
            counts.all += 1;
            counts.failed += usize::from(result.is_failure());
            printer.result(&result)?;
        }
        printer.flush()?;
    }
    printer.end(&predictor.info())?;
    Ok(counts)
}

/// Takes documents up to the bounds of a chunk; empty at the end of the input.
fn next_chunk(
    inputs: &mut impl Iterator<Item = Result<Document, DocumentFailure>>,
) -> Vec<Result<Document, DocumentFailure>> {
    let mut chunk = Vec::new();
    let mut bytes = 0;
    while chunk.len() < CHUNK_DOCUMENTS && bytes < CHUNK_BYTES {
        let Some(input) = inputs.next() else {
            break;
        };
        bytes += input.as_ref().map_or(0, |document| document.text.len());
        chunk.push(input);
    }
    chunk
}

/// Judges what could be read; every input keeps its place.
fn judge(
    predictor: &Predictor,
    limits: &DocumentLimits,
    options: &Options,
    chunk: Vec<Result<Document, DocumentFailure>>,
) -> Vec<DocumentResult> {
    let mut places = Vec::with_capacity(chunk.len());
    let mut documents = Vec::with_capacity(chunk.len());
    for input in chunk {
        match input {
            Ok(document) => {
                places.push(None);
                documents.push(document);
            }
            Err(failure) => places.push(Some(DocumentResult::Failure(failure))),
        }
    }
    let answers = |documents: &[Document]| {
        let errors = |result: Result<_, _>| result.map_err(|error| DocumentError::from(&error));
        let results = predictor.classify(documents, options);
        results.into_iter().map(errors).collect()
    };
    let mut judged = classify_guarded(&answers, limits, documents).into_iter();
    places
        .into_iter()
        .filter_map(|place| place.or_else(|| judged.next()))
        .collect()
}
