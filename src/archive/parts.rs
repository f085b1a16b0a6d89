//! The output of a run that can go on after a crash: part after part, each committed whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::ArrayRef;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::column::writer::ColumnCloseResult;
use parquet::file::metadata::{PageIndexPolicy, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;

use super::ArchiveError;
use super::chunks::Position;
use super::journal::{DoneLine, Journal, PartLine};
use super::pipeline::ErrorLine;
use super::places::{Places, commit, remove, sync_folder};
use super::write::{OutputFormat, Shape, Sink, into_io};
use crate::prediction::Prediction;

/// The part that is being written.
struct Open {
    path: PathBuf,
    sink: Sink<File>,
    errors: Option<BufWriter<File>>,
    line: PartLine,
}

/// Parts of an output, the committed ones and the one in work.
pub(super) struct Parts {
    places: Places,
    shape: Shape,
    journal: Journal,
    committed: Vec<PartLine>,
    open: Option<Open>,
}

impl Parts {
    pub(super) fn new(
        places: Places,
        shape: Shape,
        journal: Journal,
        committed: Vec<PartLine>,
    ) -> Self {
        Self {
            places,
            shape,
            journal,
            committed,
            open: None,
        }
    }

    fn open(&mut self) -> Result<&mut Open, ArchiveError> {
        if let Some(open) = self.open.take() {
            return Ok(self.open.insert(open));
        }
        let path = self.places.temporary("part");
        let header = self.places.folder;
        let sink = File::create(&path)
            .and_then(|file| Sink::new(&self.shape, file, header))
            .map_err(ArchiveError::output(&path))?;
        let line = PartLine {
            part: self.committed.len() as u64,
            ..PartLine::default()
        };
        let open = Open {
            path,
            sink,
            errors: None,
            line,
        };
        Ok(self.open.insert(open))
    }

    /// Writes results to the part in work.
    pub(super) fn write(
        &mut self,
        predictions: &[&Prediction],
        extra: Option<&ArrayRef>,
    ) -> Result<(), ArchiveError> {
        let open = self.open()?;
        open.line.scored += predictions.len() as u64;
        open.sink
            .write(predictions, extra)
            .map_err(ArchiveError::output(&open.path))
    }

    /// Writes a row that failed to the errors of the part in work.
    pub(super) fn fail(&mut self, error: &ErrorLine<'_>) -> Result<(), ArchiveError> {
        let path = self.places.temporary("errors");
        let open = self.open()?;
        open.line.failed += 1;
        let mut write = || -> io::Result<()> {
            let out = match open.errors.take() {
                Some(out) => out,
                None => BufWriter::new(File::create(&path)?),
            };
            error.write(open.errors.insert(out))
        };
        write().map_err(ArchiveError::output(&path))
    }

    /// Commits the part in work. After this its rows are never scored again.
    pub(super) fn commit(&mut self, until: Position) -> Result<(), ArchiveError> {
        self.open()?;
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let mut line = PartLine { until, ..open.line };
        let file = open
            .sink
            .finish()
            .map_err(ArchiveError::output(&open.path))?;
        line.bytes = length(&file, &open.path)?;
        commit(&file, &open.path, &self.places.part(line.part))?;
        if let Some(errors) = open.errors {
            let path = self.places.temporary("errors");
            let file = errors
                .into_inner()
                .map_err(|error| ArchiveError::output(&path)(error.into_error()))?;
            line.error_bytes = length(&file, &path)?;
            commit(&file, &path, &self.places.part_errors(line.part))?;
        }
        self.journal.append(&line)?;
        self.committed.push(line);
        Ok(())
    }

    /// Makes the output of the committed parts.
    pub(super) fn finish(&mut self) -> Result<DoneLine, ArchiveError> {
        let mut done = DoneLine {
            done: true,
            ..DoneLine::default()
        };
        for line in &self.committed {
            done.scored += line.scored;
            done.failed += line.failed;
        }
        self.gather_errors(done.failed)?;
        if self.places.folder {
            let mark = self.places.success();
            File::create(&mark)
                .and_then(|file| file.sync_all())
                .map_err(ArchiveError::output(&mark))?;
            sync_folder(&mark)?;
        } else {
            done.bytes = Some(self.gather()?);
        }
        Ok(done)
    }

    /// Ends the journal, when the output is where it belongs.
    pub(super) fn close(mut self, done: &DoneLine) -> Result<(), ArchiveError> {
        self.journal.append(done)?;
        self.places.clear_parts()
    }

    fn gather_errors(&self, failed: u64) -> Result<(), ArchiveError> {
        if failed == 0 {
            return remove(&self.places.errors);
        }
        let path = self.places.temporary("all-errors");
        let parts = self.committed.iter().filter(|line| line.failed > 0);
        let parts = parts.map(|line| self.places.part_errors(line.part));
        let file = join(&path, &[], parts)?;
        // The errors may be wanted on another disk.
        if fs::rename(&path, &self.places.errors).is_err() {
            fs::copy(&path, &self.places.errors)
                .map_err(ArchiveError::output(&self.places.errors))?;
        }
        drop(file);
        sync_folder(&self.places.errors)
    }

    /// Joins the parts to one file; returns its bytes.
    fn gather(&self) -> Result<u64, ArchiveError> {
        let path = self.places.temporary("output");
        let parts = self
            .committed
            .iter()
            .map(|line| self.places.part(line.part));
        let file = match self.shape.format {
            OutputFormat::Parquet => self.join_groups(&path, parts)?,
            OutputFormat::Jsonl => join(&path, &[], parts)?,
            OutputFormat::Csv => {
                let header = Sink::new(&self.shape, Vec::new(), true)
                    .and_then(Sink::finish)
                    .map_err(ArchiveError::output(&path))?;
                join(&path, &header, parts)?
            }
        };
        let bytes = length(&file, &path)?;
        commit(&file, &path, &self.places.output)?;
        Ok(bytes)
    }

    /// Copies the groups of rows as they are, without unpacking them.
    fn join_groups(
        &self,
        path: &Path,
        parts: impl Iterator<Item = PathBuf>,
    ) -> Result<File, ArchiveError> {
        let failed = |error| ArchiveError::output(path)(into_io(error));
        // A file without rows says how schema and metadata are written down.
        let empty = Sink::new(&self.shape, Vec::new(), true)
            .and_then(Sink::finish)
            .map_err(ArchiveError::output(path))?;
        let empty = bytes::Bytes::from(empty);
        let metadata =
            ArrowReaderMetadata::load(&empty, ArrowReaderOptions::new()).map_err(failed)?;
        let described = metadata.metadata().file_metadata();
        let properties = WriterProperties::builder()
            .set_key_value_metadata(described.key_value_metadata().cloned())
            .build();
        let schema = described.schema_descr().root_schema_ptr();
        let file = File::create(path).map_err(ArchiveError::output(path))?;
        let copy = file.try_clone().map_err(ArchiveError::output(path))?;
        let mut writer =
            SerializedFileWriter::new(copy, schema, Arc::new(properties)).map_err(failed)?;
        for part in parts {
            let input = File::open(&part).map_err(ArchiveError::output(&part))?;
            let metadata = ParquetMetaDataReader::new()
                .with_page_index_policy(PageIndexPolicy::Optional)
                .parse_and_finish(&input)
                .map_err(failed)?;
            let index = metadata.page_index();
            for (number, group) in metadata.row_groups().iter().enumerate() {
                let mut out = writer.next_row_group().map_err(failed)?;
                for (at, column) in group.columns().iter().enumerate() {
                    let closed = ColumnCloseResult {
                        bytes_written: column.compressed_size().unsigned_abs(),
                        rows_written: group.num_rows().unsigned_abs(),
                        metadata: column.clone(),
                        bloom_filter: None,
                        column_index: index.and_then(|i| i.column_index(number, at)).cloned(),
                        offset_index: index.and_then(|i| i.offset_index(number, at)).cloned(),
                    };
                    out.append_column(&input, closed).map_err(failed)?;
                }
                out.close().map_err(failed)?;
            }
        }
        writer.close().map_err(failed)?;
        Ok(file)
    }

    /// The files of the output, when it is finished: one, or its parts.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        if !self.places.folder {
            return vec![self.places.output.clone()];
        }
        let parts = self
            .committed
            .iter()
            .map(|line| self.places.part(line.part));
        parts.chain([self.places.success()]).collect()
    }
}

/// Bytes of a file.
fn length(file: &File, path: &Path) -> Result<u64, ArchiveError> {
    Ok(file.metadata().map_err(ArchiveError::output(path))?.len())
}

/// Files one after another, in a new file that is on the disk when this returns.
fn join(
    path: &Path,
    header: &[u8],
    parts: impl Iterator<Item = PathBuf>,
) -> Result<File, ArchiveError> {
    let mut file = File::create(path).map_err(ArchiveError::output(path))?;
    file.write_all(header).map_err(ArchiveError::output(path))?;
    for part in parts {
        let mut input = File::open(&part).map_err(ArchiveError::output(&part))?;
        io::copy(&mut input, &mut file).map_err(ArchiveError::output(path))?;
    }
    file.sync_all().map_err(ArchiveError::output(path))?;
    Ok(file)
}
