//! An archive from its sources to its output.

use std::io::{self, Stdout, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::ArchiveError;
use super::actors::ActorRule;
use super::chunks::{Chunks, Position};
use super::columns::Columns;
use super::journal::{DoneLine, Journal, PartLine, differences};
use super::parts::Parts;
use super::pipeline::{self, Sorted};
use super::places::Places;
use super::progress::{Progress, ProgressKind, Totals};
use super::read::ReadOptions;
use super::schema::archive_schema;
use super::settings::settings;
use super::source::{InputFormat, Source, sources};
use super::store::Remote;
use super::write::{OutputFormat, Shape, Sink};
use crate::document::{ActorSpec, Options};
use crate::engine::{DocumentLimits, Judge};
use crate::predict::Predictor;

/// Where results go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// Standard output. Such a run cannot go on after a crash.
    Stdout,
    /// A file, or a folder of parts.
    Path {
        /// Where.
        path: PathBuf,
        /// Whether it is a folder.
        folder: bool,
    },
    /// An object of a store, or several below an address; made on this machine first.
    Remote {
        /// Where.
        address: url::Url,
        /// Where it is made on this machine.
        path: PathBuf,
        /// Whether it is several objects.
        folder: bool,
    },
}

/// What a run is asked for.
#[derive(Debug, Clone)]
pub struct ScoreOptions {
    /// Paths, folders, globs, addresses, or `-`.
    pub inputs: Vec<String>,
    /// How they are read; by their names when absent.
    pub input_format: Option<InputFormat>,
    /// Which columns are the document.
    pub columns: Columns,
    /// Judged in every document that brings no actors; those of the registry when absent.
    pub actors: Option<Vec<ActorSpec>>,
    /// How documents are judged.
    pub options: Options,
    /// What a document may bring.
    pub limits: DocumentLimits,
    /// Where results go.
    pub destination: Destination,
    /// How they are written.
    pub format: OutputFormat,
    /// Where rows that failed go; beside the output when absent, or to standard error.
    pub errors: Option<PathBuf>,
    /// Rows of a part at the most.
    pub part_rows: usize,
    /// Rows that may fail.
    pub max_errors: Option<u64>,
    /// Whether an output that is there is replaced.
    pub overwrite: bool,
    /// How the run tells how far it is.
    pub progress: ProgressKind,
}

/// What a run came to, with those before it that it went on from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows that were scored.
    pub scored: u64,
    /// Rows that were not.
    pub failed: u64,
    /// Rows, of both, that an earlier run had committed.
    pub resumed: u64,
    /// Tokens that this run read.
    pub tokens: u64,
    /// Where the rows that failed are, if some did.
    pub errors: Option<PathBuf>,
}

/// Scores an archive.
///
/// # Errors
/// What stops the run; what was committed until then is kept, and the same run goes on from it.
pub fn score(predictor: &Predictor, asked: &ScoreOptions) -> Result<Summary, ArchiveError> {
    let judge = Judge::new(predictor, &asked.options, asked.limits)?;
    let sources = Arc::new(sources(&asked.inputs, asked.input_format)?);
    let run = Run {
        predictor,
        asked,
        judge,
        sources,
    };
    match &asked.destination {
        Destination::Stdout => run.to_stdout(),
        Destination::Path { path, folder } => run.to_parts(path, *folder, None),
        Destination::Remote {
            address,
            path,
            folder,
        } => run.to_parts(path, *folder, Some(address)),
    }
}

struct Run<'a> {
    predictor: &'a Predictor,
    asked: &'a ScoreOptions,
    judge: Judge<'a>,
    sources: Arc<Vec<Source>>,
}

impl Run<'_> {
    fn chunks(&self, at: Position) -> Result<Chunks, ArchiveError> {
        let options = ReadOptions {
            columns: self.asked.columns.clone(),
            actors: ActorRule::new(self.predictor.registry(), self.asked.actors.clone()),
            limits: self.asked.limits,
            table: self.asked.format.is_table(),
        };
        let sources = Arc::clone(&self.sources);
        Chunks::new(sources, options, self.asked.part_rows, at)
    }

    fn shape(&self, chunks: &Chunks) -> Shape {
        let extra = chunks.extra().cloned();
        let unit = self.asked.options.offset_unit;
        Shape {
            format: self.asked.format,
            schema: archive_schema(&self.predictor.info(), unit, extra.as_ref()),
            extra,
        }
    }

    /// Bytes of all sources, when all are known.
    fn bytes(&self) -> Option<u64> {
        self.sources.iter().map(|source| source.bytes).sum()
    }

    /// Passes everything through, and keeps count; `before` are the rows that failed earlier.
    fn work(
        &self,
        chunks: Chunks,
        before: u64,
        mut sink: impl FnMut(&Sorted<'_>, Option<Position>) -> Result<(), ArchiveError>,
    ) -> Result<Totals, ArchiveError> {
        self.bear(before)?;
        let mut progress = Progress::new(self.asked.progress, self.bytes());
        let mut totals = Totals::default();
        let mut bytes_read = 0;
        let ended = pipeline::run(&self.judge, chunks, |scored| {
            let results = scored.sorted()?;
            totals.scored += results.predictions.len() as u64;
            totals.failed += results.errors.len() as u64;
            totals.tokens += scored.tokens;
            bytes_read = scored.tail.bytes_read;
            self.bear(before + totals.failed)?;
            sink(&results, scored.tail.ends_part)?;
            progress.update(totals, bytes_read);
            Ok(())
        });
        progress.finish(totals, bytes_read);
        ended.map(|()| totals)
    }

    /// Whether so many rows may fail.
    fn bear(&self, failed: u64) -> Result<(), ArchiveError> {
        match self.asked.max_errors {
            Some(limit) if failed > limit => Err(ArchiveError::TooManyErrors { failed, limit }),
            _ => Ok(()),
        }
    }

    fn to_stdout(&self) -> Result<Summary, ArchiveError> {
        let chunks = self.chunks(Position::default())?;
        let shape = self.shape(&chunks);
        let mut out: Option<Sink<Stdout>> =
            Some(Sink::new(&shape, io::stdout(), true).map_err(ArchiveError::Stdout)?);
        let mut errors: Box<dyn Write> = match &self.asked.errors {
            Some(path) => {
                let file = std::fs::File::create(path).map_err(ArchiveError::output(path))?;
                Box::new(io::BufWriter::new(file))
            }
            None => Box::new(io::stderr()),
        };
        let failed = |error| match &self.asked.errors {
            Some(path) => ArchiveError::output(path)(error),
            None => ArchiveError::Stdout(error),
        };
        let totals = self.work(chunks, 0, |results, ends_part| {
            if let Some(out) = &mut out {
                out.write(&results.predictions, results.extra.as_ref())
                    .and_then(|()| match shape.format {
                        // A group of rows for every chunk would be many small ones.
                        OutputFormat::Parquet if ends_part.is_none() => Ok(()),
                        _ => out.flush(),
                    })
                    .map_err(ArchiveError::Stdout)?;
            }
            for error in &results.errors {
                error.write(&mut errors).map_err(failed)?;
            }
            errors.flush().map_err(failed)
        })?;
        if let Some(out) = out.take() {
            out.finish()
                .and_then(|mut out| out.flush())
                .map_err(ArchiveError::Stdout)?;
        }
        Ok(Summary {
            scored: totals.scored,
            failed: totals.failed,
            resumed: 0,
            tokens: totals.tokens,
            errors: self.asked.errors.clone().filter(|_| totals.failed > 0),
        })
    }

    fn to_parts(
        &self,
        path: &std::path::Path,
        folder: bool,
        remote: Option<&url::Url>,
    ) -> Result<Summary, ArchiveError> {
        let format = self.asked.format;
        let places = Places::new(path, folder, format, self.asked.errors.as_deref());
        let (journal, committed) = match self.begin(&places)? {
            Begun::Done(done) => return Ok(summary(&places, &done, done.scored + done.failed, 0)),
            Begun::Open(journal, committed) => (journal, committed),
        };
        let at = committed.last().map(|part| part.until).unwrap_or_default();
        let resumed = committed.iter().map(|part| part.scored + part.failed).sum();
        let failed = committed.iter().map(|part| part.failed).sum();
        let chunks = self.chunks(at)?;
        let mut parts = Parts::new(places.clone(), self.shape(&chunks), journal, committed);
        let totals = self.work(chunks, failed, |results, ends_part| {
            if !results.predictions.is_empty() {
                parts.write(&results.predictions, results.extra.as_ref())?;
            }
            for error in &results.errors {
                parts.fail(error)?;
            }
            match ends_part {
                Some(until) => parts.commit(until),
                None => Ok(()),
            }
        })?;
        let done = parts.finish()?;
        if let Some(address) = remote {
            upload(&parts.files(), folder, address)?;
        }
        parts.close(&done)?;
        Ok(summary(&places, &done, resumed, totals.tokens))
    }

    /// Finds out what is committed already, or begins anew.
    fn begin(&self, places: &Places) -> Result<Begun, ArchiveError> {
        let settings = settings(self.predictor, self.asked, &self.sources);
        if !places.journal.exists() && places.is_taken() && !self.asked.overwrite {
            return Err(ArchiveError::OutputExists(places.output.clone()));
        }
        let (mut journal, record) = Journal::open(&places.journal)?;
        let old = record.settings.as_ref().filter(|_| !self.asked.overwrite);
        let Some(old) = old else {
            if self.asked.overwrite {
                places.clear()?;
            } else if places.is_taken() {
                return Err(ArchiveError::OutputExists(places.output.clone()));
            }
            places.clear_parts()?;
            journal.begin(&settings)?;
            places.create()?;
            return Ok(Begun::Open(journal, Vec::new()));
        };
        let differences = differences(old, &settings);
        if !differences.is_empty() {
            return Err(ArchiveError::JournalMismatch {
                path: places.journal.clone(),
                differences: differences.join("; "),
            });
        }
        if let Some(done) = record.done {
            let length = std::fs::metadata(&places.output).map(|data| data.len());
            let same = match done.bytes {
                Some(bytes) => length.is_ok_and(|length| length == bytes),
                None => places.success().exists(),
            };
            if !same {
                return Err(ArchiveError::OutputChanged(places.output.clone()));
            }
            places.clear_parts()?;
            return Ok(Begun::Done(done));
        }
        let whole = |part: &&PartLine| {
            let is = |path: PathBuf, bytes: u64| {
                std::fs::metadata(path).is_ok_and(|data| data.len() == bytes)
            };
            is(places.part(part.part), part.bytes)
                && (part.failed == 0 || is(places.part_errors(part.part), part.error_bytes))
        };
        let kept = record.parts.iter().take_while(whole).count();
        journal.keep(&record, kept)?;
        places.create()?;
        let mut parts = record.parts;
        parts.truncate(kept);
        Ok(Begun::Open(journal, parts))
    }
}

enum Begun {
    Done(DoneLine),
    Open(Journal, Vec<PartLine>),
}

fn summary(places: &Places, done: &DoneLine, resumed: u64, tokens: u64) -> Summary {
    Summary {
        scored: done.scored,
        failed: done.failed,
        resumed,
        tokens,
        errors: (done.failed > 0).then(|| places.errors.clone()),
    }
}

fn upload(files: &[PathBuf], folder: bool, address: &url::Url) -> Result<(), ArchiveError> {
    for file in files {
        let mut url = address.clone();
        if folder {
            let name = file.file_name().unwrap_or_default().to_string_lossy();
            url.set_path(&format!("{}/{name}", address.path().trim_end_matches('/')));
        }
        Remote::new(url)?.upload(file)?;
    }
    Ok(())
}
