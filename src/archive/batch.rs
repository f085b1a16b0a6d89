//! A table in, a table out: what Python, Ray and Spark call.

use std::sync::Arc;

use arrow_array::{
    Array, ArrayRef, BooleanArray, RecordBatch, StringArray, StructArray, UInt64Array,
};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::filter::filter;
use arrow_select::take::take;

use super::actors::ActorRule;
use super::chunks::{CHUNK_BYTES, CHUNK_ROWS};
use super::columns::{Columns, Picked};
use super::parts::ErrorLine;
use super::pipeline::Judge;
use super::schema::{archive_schema, arrays};
use super::write::{Shape, Sink};
use super::{ArchiveError, OutputFormat};
use crate::document::{ActorSpec, Document, Options};
use crate::engine::DocumentLimits;
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

/// Rows of a batch with what they came to.
struct Judged {
    ids: Vec<Option<String>>,
    results: Vec<Result<Prediction, DocumentError>>,
    extra: Option<ArrayRef>,
    /// Rows of the chunks that went through the encoder one after another.
    chunks: Vec<usize>,
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
        let picked = Picked::of_schema(&self.columns, input, "the batch")?;
        let extra = picked.extra_fields(input).map(DataType::Struct);
        let model = self.predictor.info();
        let schema = archive_schema(&model, self.options.offset_unit, extra.as_ref());
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
        let Judged {
            ids,
            results,
            extra,
            ..
        } = self.judged(batch)?;
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
        let picked = Picked::of_schema(&self.columns, batch.schema_ref(), "the batch")?;
        let kind = picked
            .extra_fields(batch.schema_ref())
            .map(DataType::Struct);
        let unit = self.options.offset_unit;
        let shape = Shape {
            format: OutputFormat::Parquet,
            schema: archive_schema(&self.predictor.info(), unit, kind.as_ref()),
            extra: kind,
        };
        let judged = self.judged(batch)?;
        let mut sink = Sink::new(&shape, Vec::new(), true).map_err(ArchiveError::encoding)?;
        let mut errors = Vec::new();
        let (mut scored, mut start) = (0, 0);
        for rows in judged.chunks {
            let range = start..start + rows;
            let results = &judged.results[range.clone()];
            let good: Vec<&Prediction> = results.iter().flatten().collect();
            let extra = judged.extra.as_ref().map(|extra| {
                let valid: BooleanArray = results.iter().map(|r| Some(r.is_ok())).collect();
                filter(&extra.slice(start, rows), &valid)
            });
            let extra = extra.transpose().map_err(ArchiveError::encoding)?;
            if !good.is_empty() {
                sink.write(&good, extra.as_ref())
                    .map_err(ArchiveError::encoding)?;
            }
            scored += good.len() as u64;
            for (at, result) in range.zip(results) {
                let Err(error) = result else { continue };
                let line = ErrorLine {
                    source,
                    row: first + at as u64,
                    id: judged.ids[at].as_deref(),
                    code: &error.code,
                    message: &error.message,
                };
                serde_json::to_writer(&mut errors, &line).map_err(ArchiveError::encoding)?;
                errors.push(b'\n');
            }
            start += rows;
        }
        Ok(Part {
            parquet: sink.finish().map_err(ArchiveError::encoding)?,
            errors,
            scored,
            failed: judged.results.len() as u64 - scored,
        })
    }

    fn judged(&self, batch: &RecordBatch) -> Result<Judged, ArchiveError> {
        let picked = Picked::of_schema(&self.columns, batch.schema_ref(), "the batch")?;
        let (rows, extra) = picked.rows(batch, 1, &self.actors)?;
        let mut judged = Judged {
            ids: rows.iter().map(|row| row.id.clone()).collect(),
            results: Vec::with_capacity(rows.len()),
            extra,
            chunks: Vec::new(),
        };
        let mut documents = rows.into_iter().map(|row| row.document).peekable();
        while documents.peek().is_some() {
            let chunk = chunk(&mut documents);
            judged.chunks.push(chunk.len());
            judged.results.extend(self.judge.score(chunk));
        }
        Ok(judged)
    }
}

/// The next rows that go through the encoder together, cut where an archive cuts them.
fn chunk(
    documents: &mut impl Iterator<Item = Result<Document, DocumentError>>,
) -> Vec<Result<Document, DocumentError>> {
    let (mut chunk, mut bytes) = (Vec::new(), 0);
    while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
        let Some(document) = documents.next() else {
            break;
        };
        bytes += document.as_ref().map_or(0, |document| document.text.len());
        chunk.push(document);
    }
    chunk
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
