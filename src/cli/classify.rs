//! `stance classify`: inputs in, results out, a bounded chunk at a time.

use std::io::{self, IsTerminal, Write};

use crate::document::Document;
use crate::engine::Judge;
use crate::prediction::{DocumentFailure, ModelInfo};

use super::args::ClassifyArgs;
use super::exit::{Exit, Failure};
use super::input::{Inputs, Source};
use super::output::Printer;
use super::predictor;

/// Runs the command.
pub(super) fn run(args: &ClassifyArgs) -> Result<Exit, Failure> {
    let sources = sources(args)?;
    let options = args.output.options.options();
    let limits = args.limits.document();
    let predictor = predictor(&args.model, &options)?;
    let inputs = Inputs::new(sources, args.input_format, limits);
    let printer = Printer::new(args.output.format, io::stdout().lock());
    let judge =
        Judge::new(&predictor, &options, limits).map_err(|error| Failure::from_error(&error))?;
    let counts = classify(&judge, inputs, &predictor.info(), printer)?;
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
    judge: &Judge<'_>,
    mut inputs: impl Iterator<Item = Result<Document, DocumentFailure>>,
    model: &ModelInfo,
    mut printer: Printer<W>,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    printer.begin()?;
    loop {
        let results = judge.next(&mut inputs);
        if results.is_empty() {
            break;
        }
        for result in results {
            counts.all += 1;
            counts.failed += usize::from(result.is_failure());
            printer.result(&result)?;
        }
        printer.flush()?;
    }
    printer.end(model)?;
    Ok(counts)
}
