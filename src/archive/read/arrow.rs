//! Parquet and Arrow IPC: tables with types.

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::{ArrowError, DataType, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;

use super::super::ArchiveError;
use super::super::actors::ActorRule;
use super::super::columns::Picked;
use super::super::open::{BytesRead, seekable};
use super::super::source::{Compression, Place, Source};
use super::{BLOCK_ROWS, Block, ReadOptions, Rows};

/// The first bytes of an Arrow IPC file; a stream has no such mark.
const IPC_FILE: &[u8] = b"ARROW1";

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, ArrowError>> + Send>;

/// The rows of a table with types.
struct BatchRows {
    name: String,
    batches: Batches,
    /// Of a batch that is larger than a block.
    left: Option<RecordBatch>,
    picked: Picked,
    extra: Option<DataType>,
    actors: ActorRule,
    number: u64,
    skip: u64,
    /// What progress is told when all rows are read, and what it was told.
    bytes: Option<Share>,
}

/// Bytes of a file by its rows: the reader jumps about in the file.
struct Share {
    count: BytesRead,
    bytes: u64,
    rows: u64,
    told: u64,
}

impl Share {
    fn tell(&mut self, row: u64) {
        let until = self.bytes.saturating_mul(row) / self.rows.max(1);
        self.count.add(until.saturating_sub(self.told));
        self.told = self.told.max(until);
    }
}

pub(super) fn parquet(
    source: &Source,
    options: &ReadOptions,
    count: &BytesRead,
    skip: u64,
) -> Result<Box<dyn Rows>, ArchiveError> {
    match (&source.place, source.compression) {
        (Place::Remote(remote), Compression::None) => {
            parquet_of(source, remote.ranges()?, options, count, skip)
        }
        _ => parquet_of(source, seekable(source, count)?, options, count, skip),
    }
}

fn parquet_of<R: ChunkReader + 'static>(
    source: &Source,
    reader: R,
    options: &ReadOptions,
    count: &BytesRead,
    skip: u64,
) -> Result<Box<dyn Rows>, ArchiveError> {
    let unreadable = |error| ArchiveError::unreadable(&source.name, error);
    let builder = ParquetRecordBatchReaderBuilder::try_new(reader).map_err(unreadable)?;
    let schema = builder.schema().clone();
    let rows = builder.metadata().file_metadata().num_rows().unsigned_abs();
    let batches = builder
        .with_batch_size(BLOCK_ROWS)
        .with_offset(skip as usize)
        .build()
        .map_err(unreadable)?;
    let plain = source.compression == Compression::None;
    let mut share = source.bytes.filter(|_| plain).map(|bytes| Share {
        count: count.clone(),
        bytes,
        rows,
        told: 0,
    });
    if let Some(share) = &mut share {
        share.tell(skip);
    }
    let mut rows = BatchRows::new(source, &schema, Box::new(batches), options, share)?;
    rows.number = skip;
    Ok(Box::new(rows))
}

pub(super) fn ipc(
    source: &Source,
    options: &ReadOptions,
    count: &BytesRead,
    skip: u64,
) -> Result<Box<dyn Rows>, ArchiveError> {
    let unreadable = |error: &dyn std::fmt::Display| ArchiveError::unreadable(&source.name, error);
    let mut file = seekable(source, count)?;
    let mut mark = [0; IPC_FILE.len()];
    let is_file = file.read_exact(&mut mark).is_ok() && mark == *IPC_FILE;
    file.rewind().map_err(|error| unreadable(&error))?;
    let reader = BufReader::new(file);
    let (schema, batches) = if is_file {
        let reader = FileReader::try_new(reader, None).map_err(|error| unreadable(&error))?;
        (reader.schema(), Box::new(reader) as Batches)
    } else {
        let reader: StreamReader<BufReader<File>> =
            StreamReader::try_new(reader, None).map_err(|error| unreadable(&error))?;
        (reader.schema(), Box::new(reader) as Batches)
    };
    let mut rows = BatchRows::new(source, &schema, batches, options, None)?;
    rows.skip = skip;
    Ok(Box::new(rows))
}

impl BatchRows {
    fn new(
        source: &Source,
        schema: &SchemaRef,
        batches: Batches,
        options: &ReadOptions,
        bytes: Option<Share>,
    ) -> Result<Self, ArchiveError> {
        let picked = Picked::of_schema(&options.columns, schema, &source.name)?;
        let extra = picked.extra_fields(schema).map(DataType::Struct);
        Ok(Self {
            name: source.name.clone(),
            batches,
            left: None,
            picked,
            extra,
            actors: options.actors.clone(),
            number: 0,
            skip: 0,
            bytes,
        })
    }

    /// The next rows that are not skipped, at most a block of them.
    fn batch(&mut self) -> Result<Option<RecordBatch>, ArchiveError> {
        loop {
            let batch = match self.left.take() {
                Some(batch) => batch,
                None => match self.batches.next() {
                    Some(batch) => {
                        batch.map_err(|error| ArchiveError::unreadable(&self.name, error))?
                    }
                    None => return Ok(None),
                },
            };
            let rows = batch.num_rows();
            let skipped = (self.skip.saturating_sub(self.number)).min(rows as u64) as usize;
            self.number += skipped as u64;
            let taken = (rows - skipped).min(BLOCK_ROWS);
            let rest = skipped + taken;
            if rest < rows {
                self.left = Some(batch.slice(rest, rows - rest));
            }
            if taken > 0 {
                return Ok(Some(batch.slice(skipped, taken)));
            }
        }
    }
}

impl Rows for BatchRows {
    fn extra(&self) -> Option<&DataType> {
        self.extra.as_ref()
    }

    fn next(&mut self) -> Result<Option<Block>, ArchiveError> {
        let Some(batch) = self.batch()? else {
            return Ok(None);
        };
        let (rows, extra) = self.picked.rows(&batch, self.number + 1, &self.actors)?;
        self.number += rows.len() as u64;
        if let Some(share) = &mut self.bytes {
            share.tell(self.number);
        }
        Ok(Some(Block { rows, extra }))
    }
}
