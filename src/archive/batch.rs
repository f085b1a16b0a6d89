//! A table in, a table out: what Python, Ray and Spark call.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, StructArray, UInt64Array};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::take::take;

use super::actors::ActorRule;
use super::chunks::{CHUNK_BYTES, CHUNK_ROWS, Chunk, ChunkRow, Pending, Tail};
use super::columns::{Columns, Picked};
use super::pipeline::{self, Scored};
use super::read::Block;
use super::schema::{archive_schema, arrays};
use super::write::{Shape, Sink};
use super::{ArchiveError, OutputFormat};
use crate::document::{ActorSpec, Options};
use crate::engine::{DocumentLimits, Judge};
use crate::predict::Predictor;
use crate::prediction::{DocumentError, Prediction};

/// Name of the column with what was wrong with a row.
const ERROR: &str = "error";

/// A batch as a part of an archive: what `stance score` commits together when it writes Parquet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// A file of Parquet with the rows that were scored.
    pub parquet: Vec<u8>,
    /// A line of JSON for each row that was not.
    pub errors: Vec<u8>,
    /// How many were scored.
    pub scored: u64,
    /// How many were not.
    pub failed: u64,
}

/// Scores batches of Arrow.
pub struct BatchScorer<'a> {
    judge: Judge<'a>,
    predictor: &'a Predictor,
    options: Options,
    columns: Columns,
    actors: ActorRule,
}

impl<'a> BatchScorer<'a> {
    /// Checks the options. `actors` are judged in every row that brings none, those of the
    /// registry when absent.
    ///
    /// # Errors
    /// An option that the model cannot follow.
    pub fn new(
        predictor: &'a Predictor,
        columns: Columns,
        actors: Option<Vec<ActorSpec>>,
        options: Options,
        limits: DocumentLimits,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            judge: Judge::new(predictor, &options, limits)?,
            predictor,
            actors: ActorRule::new(predictor.registry(), actors),
            options,
            columns,
        })
    }

    /// The schema of the answer to batches of this schema: [`archive_schema`] and a column
    /// `error` with code and message, null where the row was scored.
    ///
    /// # Errors
    /// A column that is missing, or of another type.
    pub fn schema(&self, input: &Schema) -> Result<SchemaRef, ArchiveError> {
        let schema = self.shape(&self.picked(input)?, input).schema;
        let mut fields: Vec<_> = schema.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(
            ERROR,
            DataType::Struct(error_fields()),
            true,
        )));
        Ok(Arc::new(Schema::new_with_metadata(
            fields,
            schema.metadata().clone(),
        )))
    }

    /// One row for each row, in their order. Rows go through the encoder in the same chunks as
    /// those of a part of an archive, and come to the same numbers.
    ///
    /// # Errors
    /// A column that is missing, or of another type. What a single row has stands in its column
    /// `error`.
    pub fn score(&self, batch: &RecordBatch) -> Result<RecordBatch, ArchiveError> {
        let schema = self.schema(batch.schema_ref())?;
        let picked = self.picked(batch.schema_ref())?;
        let block = self.block(&picked, batch, 1)?;
        let extra = block.extra.clone();
        let scored = self.scored(block, "");
        let (ids, results): (Vec<_>, Vec<_>) = scored.flat_map(Scored::into_rows).unzip();
        let good: Vec<&Prediction> = results.iter().flatten().collect();
        let mut place = 0u64;
        let places: UInt64Array = results
            .iter()
            .map(|result| {
                let at = place;
                place += u64::from(result.is_ok());
                result.is_ok().then_some(at)
            })
            .collect();
        let mut columns: Vec<ArrayRef> = Vec::new();
        for column in arrays(&good).map_err(ArchiveError::encoding)? {
            columns.push(take(&column, &places, None).map_err(ArchiveError::encoding)?);
        }
        // A row that failed keeps its id.
        columns[0] = Arc::new(StringArray::from(ids));
        columns.extend(extra);
        columns.push(errors(&results)?);
        RecordBatch::try_new(schema, columns).map_err(ArchiveError::encoding)
    }

    /// The batch as a part of an archive, to the byte what `stance score` writes for these rows.
    /// `source` is the name that rows which failed are listed under, `first` the number of the
    /// first row in it.
    ///
    /// # Errors
    /// As [`BatchScorer::score`].
    pub fn part(
        &self,
        batch: &RecordBatch,
        source: &str,
        first: u64,
    ) -> Result<Part, ArchiveError> {
        let picked = self.picked(batch.schema_ref())?;
        let shape = self.shape(&picked, batch.schema_ref());
        let block = self.block(&picked, batch, first)?;
        let mut sink = Sink::new(&shape, Vec::new(), true).map_err(ArchiveError::encoding)?;
        let (mut errors, mut scored, mut failed) = (Vec::new(), 0, 0);
        for chunk in self.scored(block, source) {
            let sorted = chunk.sorted()?;
            if !sorted.predictions.is_empty() {
                sink.write(&sorted.predictions, sorted.extra.as_ref())
                    .map_err(ArchiveError::encoding)?;
            }
            for error in &sorted.errors {
                error.write(&mut errors).map_err(ArchiveError::encoding)?;
            }
            scored += sorted.predictions.len() as u64;
            failed += sorted.errors.len() as u64;
        }
        Ok(Part {
            parquet: sink.finish().map_err(ArchiveError::encoding)?,
            errors,
            scored,
            failed,
        })
    }

    fn picked(&self, input: &Schema) -> Result<Picked, ArchiveError> {
        Picked::of_schema(&self.columns, input, "the batch")
    }

    fn shape(&self, picked: &Picked, input: &Schema) -> Shape {
        let extra = picked.extra_fields(input).map(DataType::Struct);
        let unit = self.options.offset_unit;
        Shape {
            format: OutputFormat::Parquet,
            schema: archive_schema(&self.predictor.info(), unit, extra.as_ref()),
            extra,
        }
    }

    fn block(
        &self,
        picked: &Picked,
        batch: &RecordBatch,
        first: u64,
    ) -> Result<Block, ArchiveError> {
        let (rows, extra) = picked.rows(batch, first, &self.actors)?;
        Ok(Block { rows, extra })
    }

    /// The rows of a block, chunk after chunk, cut where an archive cuts them.
    fn scored(&self, block: Block, source: &str) -> impl Iterator<Item = Scored> {
        let source: Arc<str> = source.into();
        let mut pending = Pending::new(block);
        std::iter::from_fn(move || {
            let taken = pending.take(CHUNK_ROWS, CHUNK_BYTES);
            let rows = taken.rows.into_iter().map(|row| ChunkRow {
                source: Arc::clone(&source),
                html: false,
                row,
            });
            let rows: Vec<ChunkRow> = rows.collect();
            let tail = Tail {
                extra: taken.extra,
                ..Tail::default()
            };
            (!rows.is_empty()).then(|| pipeline::score(&self.judge, Chunk { rows, tail }))
        })
    }
}

fn error_fields() -> Fields {
    ["code", "message"]
        .into_iter()
        .map(|name| Field::new(name, DataType::Utf8, true))
        .collect()
}

fn errors(results: &[Result<Prediction, DocumentError>]) -> Result<ArrayRef, ArchiveError> {
    let cells = |of: fn(&DocumentError) -> &str| {
        let cells = results.iter().map(|result| result.as_ref().err().map(of));
        Arc::new(cells.collect::<StringArray>()) as ArrayRef
    };
    let valid: Vec<bool> = results.iter().map(Result::is_err).collect();
    let columns = vec![cells(|error| &error.code), cells(|error| &error.message)];
    let array = StructArray::try_new(error_fields(), columns, Some(valid.into()));
    Ok(Arc::new(array.map_err(ArchiveError::encoding)?))
}
