//! Rows of all sources in one stream, cut into chunks and parts.
//!
//! A chunk is what is read ahead and goes through the encoder together; a part is what is written
//! and committed together, and holds whole chunks. Both are cut by counts of rows and bytes from
//! the beginning of the part, whatever the threads are doing: a part that is done again comes out
//! the same.

use std::sync::Arc;

use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use arrow_select::concat::concat;
use serde::{Deserialize, Serialize};

use super::ArchiveError;
use super::columns::Row;
use super::open::BytesRead;
use super::read::{Block, ReadOptions, Rows, rows};
use super::source::{InputFormat, Source};
use crate::engine::take_bounded;

/// Rows that are read ahead together.
pub(super) const CHUNK_ROWS: usize = 512;
/// Bytes of text at which a chunk is closed.
pub(super) const CHUNK_BYTES: usize = 1 << 20;
/// Bytes of text at which a part is closed.
const PART_BYTES: usize = 64 << 20;

/// A place between two rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    /// Number of the source, from 0.
    pub(super) source: usize,
    /// Number of the last row in it that lies before the place; 0 when none does.
    pub(super) row: u64,
}

/// A row and where it is from.
#[derive(Debug)]
pub(super) struct ChunkRow {
    /// Name of its source.
    pub(super) source: Arc<str>,
    pub(super) html: bool,
    pub(super) row: Row,
}

/// Rows that go through the encoder together.
#[derive(Debug)]
pub(super) struct Chunk {
    pub(super) rows: Vec<ChunkRow>,
    pub(super) tail: Tail,
}

/// What a chunk brings beside its documents.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Further columns of the rows, as many.
    pub(super) extra: Option<ArrayRef>,
    /// Whether a part is complete with this chunk, and the place behind it.
    pub(super) ends_part: Option<Position>,
    /// Bytes of the sources read until now.
    pub(super) bytes_read: u64,
}

/// Rows of a block that are not in a chunk yet.
pub(super) struct Pending {
    rows: std::vec::IntoIter<Row>,
    extra: Option<ArrayRef>,
    taken: usize,
}

/// Rows out of a block.
pub(super) struct Taken {
    pub(super) rows: Vec<Row>,
    /// Their further columns, as many.
    pub(super) extra: Option<ArrayRef>,
    /// Bytes of their texts.
    pub(super) bytes: usize,
}

impl Pending {
    /// All rows of a block.
    pub(super) fn new(block: Block) -> Self {
        Self {
            rows: block.rows.into_iter(),
            extra: block.extra,
            taken: 0,
        }
    }

    /// The next rows, so many at the most, or until they come to so many bytes.
    pub(super) fn take(&mut self, most: usize, most_bytes: usize) -> Taken {
        let size = |row: &Row| row.document.as_ref().map_or(0, |d| d.text.len());
        let (rows, bytes) = take_bounded(&mut self.rows, most, most_bytes, size);
        let extra = self.extra.as_ref();
        let extra = extra.map(|extra| extra.slice(self.taken, rows.len()));
        self.taken += rows.len();
        Taken { rows, extra, bytes }
    }
}

/// The chunks of all sources from a place on.
pub(super) struct Chunks {
    sources: Arc<Vec<Source>>,
    options: ReadOptions,
    count: BytesRead,
    at: Position,
    open: Option<Box<dyn Rows>>,
    pending: Option<Pending>,
    extra: Option<DataType>,
    part_rows: usize,
    rows_in_part: usize,
    bytes_in_part: usize,
    ended: bool,
}

impl Chunks {
    /// Opens the first source that is not done.
    ///
    /// # Errors
    /// A source that cannot be opened.
    pub(super) fn new(
        sources: Arc<Vec<Source>>,
        options: ReadOptions,
        part_rows: usize,
        at: Position,
    ) -> Result<Self, ArchiveError> {
        let mut chunks = Self {
            sources,
            options,
            count: BytesRead::default(),
            at,
            open: None,
            pending: None,
            extra: None,
            part_rows: part_rows.max(1),
            rows_in_part: 0,
            bytes_in_part: 0,
            ended: false,
        };
        if let Some(first) = chunks.sources.first() {
            // The columns of the output are those of the first source, wherever work goes on.
            let skip = if at.source == 0 { at.row } else { 0 };
            let opened = rows(first, &chunks.options, &chunks.count, skip)?;
            chunks.extra = opened.extra().cloned();
            if at.source == 0 {
                chunks.open = Some(opened);
            }
        }
        for done in chunks.sources.iter().take(at.source) {
            chunks.count.add(done.bytes.unwrap_or(0));
        }
        Ok(chunks)
    }

    /// The type of the further columns of the first source.
    pub(super) fn extra(&self) -> Option<&DataType> {
        self.extra.as_ref()
    }

    /// Rows that wait to be put into a chunk; `None` at the end of the last source.
    fn fill(&mut self) -> Result<Option<&mut Pending>, ArchiveError> {
        loop {
            if self
                .pending
                .as_ref()
                .is_some_and(|left| left.rows.len() > 0)
            {
                return Ok(self.pending.as_mut());
            }
            let Some(source) = self.sources.get(self.at.source) else {
                return Ok(None);
            };
            if self.open.is_none() {
                let opened = rows(source, &self.options, &self.count, self.at.row)?;
                if self.options.table && opened.extra() != self.extra.as_ref() {
                    return Err(ArchiveError::OtherColumns {
                        name: source.name.clone(),
                        difference: difference(self.extra.as_ref(), opened.extra()),
                    });
                }
                self.open = Some(opened);
            }
            let block = match &mut self.open {
                Some(open) => open.next()?,
                None => None,
            };
            if let Some(block) = block {
                self.pending = Some(Pending::new(block));
            } else {
                self.open = None;
                self.at = Position {
                    source: self.at.source + 1,
                    row: 0,
                };
            }
        }
    }

    fn part_is_full(&self) -> bool {
        self.rows_in_part >= self.part_rows || self.bytes_in_part >= PART_BYTES
    }

    fn chunk(&mut self) -> Result<Option<Chunk>, ArchiveError> {
        let mut taken: Vec<ChunkRow> = Vec::new();
        let mut extras: Vec<ArrayRef> = Vec::new();
        let mut kind: Option<Option<DataType>> = None;
        let mut bytes = 0;
        while taken.len() < CHUNK_ROWS && bytes < CHUNK_BYTES && !self.part_is_full() {
            let (chunk_left, part_left) =
                (CHUNK_ROWS - taken.len(), self.part_rows - self.rows_in_part);
            let Some(pending) = self.fill()? else {
                self.ended = true;
                break;
            };
            let this = pending
                .extra
                .as_ref()
                .map(|extra| extra.data_type().clone());
            if *kind.get_or_insert_with(|| this.clone()) != this {
                break;
            }
            let fresh = pending.take(chunk_left.min(part_left), CHUNK_BYTES - bytes);
            extras.extend(fresh.extra);
            bytes += fresh.bytes;
            self.rows_in_part += fresh.rows.len();
            self.bytes_in_part += fresh.bytes;
            if let Some(last) = fresh.rows.last() {
                self.at.row = last.number;
            }
            let source = self.sources.get(self.at.source);
            let html = source.is_some_and(|source| source.format == InputFormat::Html);
            let name: Arc<str> = source.map_or("", |source| &source.name).into();
            taken.extend(fresh.rows.into_iter().map(|row| ChunkRow {
                source: Arc::clone(&name),
                html,
                row,
            }));
        }
        if taken.is_empty() && self.rows_in_part == 0 {
            return Ok(None);
        }
        let ends = self.ended || self.part_is_full();
        if ends {
            (self.rows_in_part, self.bytes_in_part) = (0, 0);
        }
        let extras: Vec<&dyn Array> = extras.iter().map(AsRef::as_ref).collect();
        let extra = (!extras.is_empty())
            .then(|| concat(&extras))
            .transpose()
            .map_err(ArchiveError::encoding)?;
        Ok(Some(Chunk {
            rows: taken,
            tail: Tail {
                extra,
                ends_part: ends.then_some(self.at),
                bytes_read: self.count.get(),
            },
        }))
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk, ArchiveError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let chunk = self.chunk().transpose();
        if !matches!(chunk, Some(Ok(_))) {
            self.ended = true;
        }
        chunk
    }
}

fn difference(first: Option<&DataType>, other: Option<&DataType>) -> String {
    let names = |kind: Option<&DataType>| match kind {
        Some(DataType::Struct(fields)) => fields
            .iter()
            .map(|field| format!("{} {}", field.name(), field.data_type()))
            .collect::<Vec<_>>()
            .join(", "),
        Some(_) => "fields of JSON".to_owned(),
        None => "none".to_owned(),
    };
    format!("{} against {}", names(other), names(first))
}
