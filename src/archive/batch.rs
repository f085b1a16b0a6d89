//! A table in, a table out: what Python, Ray and Spark call.

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, StringArray, StructArray, UInt64Array};
use arrow_schema::{DataType, Field, Fields, Schema, SchemaRef};
use arrow_select::take::take;

use super::ArchiveError;
use super::actors::ActorRule;
use super::columns::{Columns, Picked};
use super::pipeline::Judge;
use super::schema::{archive_schema, arrays};
use crate::document::{ActorSpec, Options};
use crate::engine::DocumentLimits;
use crate::predict::Predictor;
use crate::prediction::{DocumentError, Prediction};

/// Name of the column with what was wrong with a row.
const ERROR: &str = "error";

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

    /// One row for each row, in their order. The whole batch goes through the encoder at once:
    /// some hundreds of rows are enough to fill it.
    ///
    /// # Errors
    /// A column that is missing, or of another type. What a single row has stands in its column
    /// `error`.
    pub fn score(&self, batch: &RecordBatch) -> Result<RecordBatch, ArchiveError> {
        let schema = self.schema(batch.schema_ref())?;
        let picked = Picked::of_schema(&self.columns, batch.schema_ref(), "the batch")?;
        let (rows, extra) = picked.rows(batch, 1, &self.actors)?;
        let ids: Vec<Option<String>> = rows.iter().map(|row| row.id.clone()).collect();
        let results = self
            .judge
            .score(rows.into_iter().map(|row| row.document).collect());
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
