//! `stance score`: from flags to the options of a run, and from its summary to an exit code.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use crate::archive::columns::{ColumnName, Columns};
use crate::archive::progress::ProgressKind;
use crate::archive::store::address;
use crate::archive::{ArchiveError, Destination, OutputFormat, ScoreOptions, score};
use crate::document::ActorSpec;

use super::archive_args::{ColumnArgs, DestinationArgs, ScoreArgs};
use super::exit::{Exit, Failure};
use super::predictor;

/// Runs the command.
pub(super) fn run(args: &ScoreArgs) -> Result<Exit, Failure> {
    let options = options(args)?;
    let predictor = predictor(&args.model, &options.options)?;
    let summary = score(&predictor, &options)?;
    if args.destination.progress != ProgressKind::None {
        let resumed = match summary.resumed {
            0 => String::new(),
            rows => format!(", {rows} of them earlier"),
        };
        let (scored, failed) = (summary.scored, summary.failed);
        let errors = match &summary.errors {
            Some(path) => format!(" (see {})", path.display()),
            None => String::new(),
        };
        eprintln!("stance: {scored} documents scored, {failed} failed{errors}{resumed}");
    }
    Ok(if summary.failed == 0 {
        Exit::Success
    } else {
        Exit::DocumentErrors
    })
}

fn options(args: &ScoreArgs) -> Result<ScoreOptions, Failure> {
    let to = &args.destination;
    let (destination, format) = destination(to)?;
    if to.part_rows == 0 {
        return Err(Failure::usage("--part-rows must be at least 1"));
    }
    let inputs = if args.inputs.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Failure::usage(
                "nothing to score: name inputs, or pipe documents in",
            ));
        }
        vec!["-".to_owned()]
    } else {
        args.inputs.clone()
    };
    if inputs.iter().filter(|input| *input == "-").count() > 1 {
        return Err(Failure::usage("standard input can be read only once"));
    }
    Ok(ScoreOptions {
        inputs,
        input_format: args.input_format.format(),
        columns: columns(&args.columns),
        actors: args.columns.judge.as_deref().map(actors).transpose()?,
        options: args.options.options(),
        limits: args.limits.document(),
        destination,
        format,
        errors: to.errors.clone(),
        part_rows: to.part_rows,
        max_errors: to.max_errors,
        overwrite: to.overwrite,
        progress: to.progress,
    })
}

fn columns(args: &ColumnArgs) -> Columns {
    let column = |asked: &Option<String>, usual: &str| match asked.as_deref() {
        None => ColumnName::usual(usual),
        // None at all.
        Some("") => ColumnName::usual(""),
        Some(name) => ColumnName::required(name),
    };
    Columns {
        text: args.text_column.clone(),
        id: column(&args.id_column, "id"),
        actors: column(&args.actors_column, "actors"),
        language: column(&args.language_column, "language"),
        keep: args
            .keep
            .clone()
            .map(|keep| keep.into_iter().filter(|name| !name.is_empty()).collect()),
    }
}

/// The actors of a file, a JSON list as in a document.
fn actors(path: &Path) -> Result<Vec<ActorSpec>, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        let error = ArchiveError::InvalidOption(format!("--judge {}: {error}", path.display()));
        Failure::usage(error.to_string())
    };
    let text = std::fs::read(path).map_err(|error| wrong(&error))?;
    serde_json::from_slice(&text).map_err(|error| wrong(&error))
}

fn destination(args: &DestinationArgs) -> Result<(Destination, OutputFormat), Failure> {
    let asked = args.output_format.format();
    if args.output == "-" {
        return Ok((Destination::Stdout, asked.unwrap_or(OutputFormat::Jsonl)));
    }
    let address = address(&args.output);
    let named = match &address {
        Some(url) => url.path().to_owned(),
        None => args.output.clone(),
    };
    let trimmed = Path::new(named.trim_end_matches('/'));
    let folder = named.ends_with('/')
        || trimmed.extension().is_none()
        || (address.is_none() && trimmed.is_dir());
    let by_name = match trimmed.extension().and_then(|ending| ending.to_str()) {
        Some("jsonl" | "ndjson") => Some(OutputFormat::Jsonl),
        Some("csv") => Some(OutputFormat::Csv),
        Some("parquet") => Some(OutputFormat::Parquet),
        _ if folder => Some(OutputFormat::Parquet),
        _ => None,
    };
    let format = asked.or(by_name).ok_or_else(|| {
        Failure::usage(format!(
            "--output {}: the name does not say the format; give it by --output-format",
            args.output
        ))
    })?;
    let Some(address) = address else {
        let path = if args.output.starts_with('/') && trimmed == Path::new("") {
            PathBuf::from("/")
        } else {
            trimmed.to_owned()
        };
        return Ok((Destination::Path { path, folder }, format));
    };
    let work = args.work.as_ref().ok_or_else(|| {
        Failure::usage("--output with an address needs --work: a folder on this machine for parts")
    })?;
    std::fs::create_dir_all(work)?;
    let name = trimmed.file_name().ok_or_else(|| {
        Failure::usage(format!("--output {}: the address has no name", args.output))
    })?;
    let path = work.join(name);
    let remote = Destination::Remote {
        address,
        path,
        folder,
    };
    Ok((remote, format))
}
