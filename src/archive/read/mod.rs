//! Rows out of sources, a few at a time.

mod arrow;
mod lines;
mod table;
mod whole;

use arrow_array::ArrayRef;
use arrow_schema::DataType;

use super::ArchiveError;
use super::actors::ActorRule;
use super::columns::{Columns, Row};
use super::open::BytesRead;
use super::source::{InputFormat, Source};
use crate::engine::DocumentLimits;

pub(crate) use lines::{Line, line_limit, parse, read_line, too_long};

/// Rows that are read at once.
const BLOCK_ROWS: usize = 64;
/// Bytes of lines or cells after which a block is closed.
const BLOCK_BYTES: usize = 1 << 20;

/// Rows that follow each other in a source.
#[derive(Debug)]
pub(super) struct Block {
    /// The rows.
    pub(super) rows: Vec<Row>,
    /// Their further columns, as many; `None` when the source has none.
    pub(super) extra: Option<ArrayRef>,
}

/// The rows of one source.
pub(super) trait Rows: Send {
    /// The type of the further columns.
    fn extra(&self) -> Option<&DataType>;

    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// A source that breaks off: what is left of it cannot be told apart any more.
    fn next(&mut self) -> Result<Option<Block>, ArchiveError>;
}

/// How sources are read.
#[derive(Debug, Clone)]
pub(super) struct ReadOptions {
    pub(super) columns: Columns,
    pub(super) actors: ActorRule,
    pub(super) limits: DocumentLimits,
    /// Whether the output is a table, whose columns are the same for all rows.
    pub(super) table: bool,
}

/// Opens a source. Rows up to number `skip` are left out.
pub(super) fn rows(
    source: &Source,
    options: &ReadOptions,
    count: &BytesRead,
    skip: u64,
) -> Result<Box<dyn Rows>, ArchiveError> {
    Ok(match source.format {
        InputFormat::Jsonl => Box::new(lines::LineRows::new(source, options, count, skip)?),
        InputFormat::Csv => Box::new(table::TableRows::new(source, options, count, skip, b',')?),
        InputFormat::Tsv => Box::new(table::TableRows::new(source, options, count, skip, b'\t')?),
        InputFormat::Parquet => arrow::parquet(source, options, count, skip)?,
        InputFormat::Arrow => arrow::ipc(source, options, count, skip)?,
        InputFormat::Text | InputFormat::Html => {
            Box::new(whole::WholeRow::new(source, options, count, skip))
        }
    })
}
