//! Results in one of the formats, to a part or to standard output.

mod flat;

use std::io::{self, BufWriter, Write};
use std::sync::Arc;

use arrow_array::ArrayRef;
use arrow_schema::{DataType, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use serde::Serialize;
use serde_json::{Map, Value};

use super::extra::as_json;
use super::schema::archive_batch;
use crate::prediction::Prediction;

use flat::FlatWriter;

/// How results are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OutputFormat {
    /// A prediction per line.
    Jsonl,
    /// A row per document and actor.
    Csv,
    /// A row per document, nested.
    Parquet,
}

impl OutputFormat {
    /// The ending of a file's name.
    pub const fn ending(self) -> &'static str {
        match self {
            Self::Jsonl => "jsonl",
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    /// Whether all rows have the same columns.
    pub(super) const fn is_table(self) -> bool {
        !matches!(self, Self::Jsonl)
    }
}

/// Writes results to `W`.
pub(super) enum Sink<W: Write + Send> {
    Jsonl(BufWriter<W>),
    Csv(Box<FlatWriter<W>>),
    Parquet(Box<ArrowWriter<W>>, SchemaRef),
}

/// What is written.
#[derive(Debug, Clone)]
pub(super) struct Shape {
    pub(super) format: OutputFormat,
    /// Of the table, also where the format is another.
    pub(super) schema: SchemaRef,
    /// Further columns of the input.
    pub(super) extra: Option<DataType>,
}

/// A line of JSON: the prediction as everywhere, and the other fields of the input.
#[derive(Serialize)]
struct LineOut<'a> {
    #[serde(flatten)]
    prediction: &'a Prediction,
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<Map<String, Value>>,
}

/// How Parquet is written. No more rows than a part has are in one group.
pub(super) fn properties(schema: &Schema) -> WriterProperties {
    // For readers that know nothing of Arrow, which has them in its own schema.
    let notes: Vec<KeyValue> = schema
        .metadata()
        .iter()
        .map(|(name, value)| KeyValue::new(name.clone(), value.clone()))
        .collect();
    WriterProperties::builder()
        .set_key_value_metadata(Some(notes))
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .build()
}

impl<W: Write + Send> Sink<W> {
    /// Begins; `header` says whether a table of text begins with the names of its columns.
    pub(super) fn new(shape: &Shape, out: W, header: bool) -> io::Result<Self> {
        Ok(match shape.format {
            OutputFormat::Jsonl => Self::Jsonl(BufWriter::new(out)),
            OutputFormat::Csv => Self::Csv(Box::new(FlatWriter::new(
                out,
                shape.extra.as_ref(),
                header,
            )?)),
            OutputFormat::Parquet => {
                let schema = Arc::clone(&shape.schema);
                let writer =
                    ArrowWriter::try_new(out, Arc::clone(&schema), Some(properties(&schema)))
                        .map_err(into_io)?;
                Self::Parquet(Box::new(writer), schema)
            }
        })
    }

    /// Writes predictions with the further columns of their rows, as many.
    pub(super) fn write(
        &mut self,
        predictions: &[&Prediction],
        extra: Option<&ArrayRef>,
    ) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => {
                for (prediction, input) in predictions.iter().zip(inputs(predictions, extra)?) {
                    serde_json::to_writer(&mut *out, &LineOut { prediction, input })?;
                    out.write_all(b"\n")?;
                }
                Ok(())
            }
            Self::Csv(out) => {
                for (prediction, input) in predictions.iter().zip(inputs(predictions, extra)?) {
                    out.write(prediction, input.as_ref())?;
                }
                Ok(())
            }
            Self::Parquet(out, schema) => {
                let batch = archive_batch(schema, predictions, extra).map_err(io::Error::other)?;
                out.write(&batch).map_err(into_io)
            }
        }
    }

    /// Hands on what was written so far; in Parquet a group of rows ends here.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Jsonl(out) => out.flush(),
            Self::Csv(out) => out.flush(),
            Self::Parquet(out, _) => out.flush().map_err(into_io),
        }
    }

    /// Writes what comes at the end, and gives back where it was written.
    pub(super) fn finish(self) -> io::Result<W> {
        match self {
            Self::Jsonl(out) => out.into_inner().map_err(io::IntoInnerError::into_error),
            Self::Csv(out) => out.finish(),
            Self::Parquet(out, _) => out.into_inner().map_err(into_io),
        }
    }
}

/// The further columns of every row, nothing where there are none.
fn inputs(
    predictions: &[&Prediction],
    extra: Option<&ArrayRef>,
) -> io::Result<Vec<Option<Map<String, Value>>>> {
    let Some(extra) = extra else {
        return Ok(vec![None; predictions.len()]);
    };
    let rows = as_json(extra).map_err(io::Error::other)?;
    let filled = |row: Map<String, Value>| (!row.is_empty()).then_some(row);
    Ok(rows.into_iter().map(filled).collect())
}

/// What the system said, where it was the system.
pub(super) fn into_io(error: ParquetError) -> io::Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => *error,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    }
}
