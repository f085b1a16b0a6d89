//! CSV and TSV with a header.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow_array::{ArrayRef, StringArray, StructArray};
use arrow_schema::{DataType, Fields};
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::super::ArchiveError;
use super::super::actors::actors_of_text;
use super::super::columns::{Picked, Row};
use super::super::extra::text_fields;
use super::super::open::{BytesRead, open};
use super::super::source::Source;
use super::lines::line_limit;
use super::{BLOCK_BYTES, BLOCK_ROWS, Block, ReadOptions, Rows};
use crate::document::Document;
use crate::prediction::DocumentError;
use crate::text;

/// A reader that gives up when a record does not end: one quote too many would otherwise make
/// one record of all that is left.
struct Bounded {
    inner: Box<dyn Read + Send>,
    /// Bytes since the last record ended.
    since: Arc<AtomicUsize>,
    limit: usize,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let since = self.since.fetch_add(read, Ordering::Relaxed);
        if since > self.limit {
            let limit = self.limit;
            return Err(io::Error::other(format!(
                "a record is longer than {limit} bytes; is a quote missing?"
            )));
        }
        Ok(read)
    }
}

/// The rows of a table of text.
pub(super) struct TableRows {
    name: String,
    reader: Reader<Bounded>,
    since: Arc<AtomicUsize>,
    number: u64,
    skip: u64,
    width: usize,
    picked: Picked,
    fields: Option<DataType>,
    options: ReadOptions,
    record: ByteRecord,
}

impl TableRows {
    pub(super) fn new(
        source: &Source,
        options: &ReadOptions,
        count: &BytesRead,
        skip: u64,
        delimiter: u8,
    ) -> Result<Self, ArchiveError> {
        let since = Arc::new(AtomicUsize::new(0));
        let bounded = Bounded {
            inner: open(source, count)?,
            since: Arc::clone(&since),
            limit: line_limit(&options.limits),
        };
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .flexible(true)
            .from_reader(bounded);
        let header = reader
            .headers()
            .map_err(|error| ArchiveError::unreadable(&source.name, error))?;
        let header: Vec<&str> = header
            .iter()
            .enumerate()
            // A mark at the beginning of the file is no part of the first name.
            .map(|(at, name)| {
                if at == 0 {
                    name.trim_start_matches('\u{feff}')
                } else {
                    name
                }
            })
            .collect();
        if let Some(twice) = (1..header.len()).find(|&at| header[..at].contains(&header[at])) {
            return Err(ArchiveError::Column {
                name: source.name.clone(),
                column: header[twice].to_owned(),
                problem: "stands twice in the header".to_owned(),
            });
        }
        let picked = Picked::new(&options.columns, &header, &source.name)?;
        let names: Vec<&str> = picked.extra.iter().map(|&at| header[at]).collect();
        let fields = (!names.is_empty()).then(|| DataType::Struct(text_fields(&names)));
        let width = header.len();
        Ok(Self {
            name: source.name.clone(),
            reader,
            since,
            number: 0,
            skip,
            width,
            picked,
            fields,
            options: options.clone(),
            record: ByteRecord::new(),
        })
    }

    fn row(&self) -> Row {
        let cell = |at: Option<usize>| match at.and_then(|at| self.record.get(at)) {
            Some(cell) => text::decode(cell).map_err(|error| DocumentError::from(&error)),
            None => Ok(""),
        };
        let filled = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let id = cell(self.picked.id).ok().and_then(filled);
        let document = (|| {
            let width = self.record.len();
            if width != self.width {
                let message = format!("{width} cells, but the header has {}", self.width);
                return Err(DocumentError::new("invalid_document", message));
            }
            Ok(Document {
                id: id.clone(),
                text: cell(Some(self.picked.text))?.to_owned(),
                language: filled(cell(self.picked.language)?),
                actors: actors_of_text(cell(self.picked.actors)?, &self.options.actors)?,
            })
        })();
        Row {
            number: self.number,
            id,
            document,
        }
    }
}

impl Rows for TableRows {
    fn extra(&self) -> Option<&DataType> {
        self.fields.as_ref()
    }

    fn next(&mut self) -> Result<Option<Block>, ArchiveError> {
        let mut rows = Vec::new();
        let mut cells: Vec<Vec<String>> = vec![Vec::new(); self.picked.extra.len()];
        let (mut bytes, mut ended) = (0, false);
        while rows.len() < BLOCK_ROWS && bytes < BLOCK_BYTES {
            let mut record = std::mem::take(&mut self.record);
            let more = self
                .reader
                .read_byte_record(&mut record)
                .map_err(|error| ArchiveError::unreadable(&self.name, error))?;
            self.record = record;
            if !more {
                ended = true;
                break;
            }
            self.since.store(0, Ordering::Relaxed);
            self.number += 1;
            if self.number <= self.skip {
                continue;
            }
            bytes += self.record.as_slice().len();
            rows.push(self.row());
            for (&at, cells) in self.picked.extra.iter().zip(&mut cells) {
                // Of a row with too few cells nothing but its error is written.
                let cell = self.record.get(at).unwrap_or_default();
                cells.push(String::from_utf8_lossy(cell).into_owned());
            }
        }
        if rows.is_empty() && ended {
            return Ok(None);
        }
        let extra = match &self.fields {
            Some(DataType::Struct(fields)) => Some(columns(fields, cells)?),
            _ => None,
        };
        Ok(Some(Block { rows, extra }))
    }
}

fn columns(fields: &Fields, cells: Vec<Vec<String>>) -> Result<ArrayRef, ArchiveError> {
    let columns = cells
        .into_iter()
        .map(|column| Arc::new(StringArray::from(column)) as ArrayRef);
    let array = StructArray::try_new(fields.clone(), columns.collect(), None);
    Ok(Arc::new(array.map_err(ArchiveError::encoding)?))
}
