//! Actor, stance, time and source out of what `stance score` wrote.

use std::io::{BufReader, Read};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, RecordBatch, StructArray};
use arrow_schema::{DataType, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::reader::ChunkReader;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::ArchiveError;
use super::super::columns::cell;
use super::super::extra::{INPUT, as_json, plain};
use super::super::open::{BytesRead, open, seekable};
use super::super::read::{Line, line_limit, read_line};
use super::super::source::{Compression, InputFormat, Place, Source};
use super::AggregateOptions;
use crate::engine::DocumentLimits;
use crate::prediction::Stance;

/// Rows of Parquet that are read at once.
const ROWS: usize = 1024;
/// The column of stances.
const STANCES: &str = "stances";

/// What a document says of an actor.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) actor: String,
    pub(super) name: String,
    pub(super) stance: Stance,
    pub(super) abstained: bool,
}

/// What is summed up of a document.
#[derive(Debug)]
pub(super) struct Scored {
    pub(super) stances: Vec<Said>,
    pub(super) time: Option<Value>,
    pub(super) source: Option<String>,
}

/// Reads a scored archive, a document after the other.
pub(super) fn read(
    source: &Source,
    options: &AggregateOptions,
    take: &mut dyn FnMut(&Scored),
) -> Result<(), ArchiveError> {
    match source.format {
        InputFormat::Jsonl => lines(source, options, take),
        InputFormat::Parquet => match (&source.place, source.compression) {
            (Place::Remote(remote), Compression::None) => {
                parquet(source, remote.ranges()?, options, take)
            }
            _ => parquet(
                source,
                seekable(source, &BytesRead::default())?,
                options,
                take,
            ),
        },
        other => Err(ArchiveError::UnknownInput {
            name: source.name.clone(),
            message: format!("{other:?} cannot be summed up: write Parquet or JSONL"),
        }),
    }
}

#[derive(Deserialize)]
struct ActorIn {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct StanceIn {
    actor: ActorIn,
    stance: Stance,
    abstained: bool,
}

#[derive(Deserialize)]
struct LineIn {
    stances: Option<Vec<StanceIn>>,
    #[serde(default)]
    input: Map<String, Value>,
    error: Option<Value>,
}

fn scored(stances: Vec<Said>, input: &Map<String, Value>, options: &AggregateOptions) -> Scored {
    let column = |name: &Option<String>| {
        let value = name.as_ref().and_then(|name| input.get(name));
        value.filter(|value| !value.is_null()).cloned()
    };
    Scored {
        stances,
        time: column(&options.time_column),
        source: column(&options.source_column).as_ref().and_then(plain),
    }
}

fn lines(
    source: &Source,
    options: &AggregateOptions,
    take: &mut dyn FnMut(&Scored),
) -> Result<(), ArchiveError> {
    let unreadable = |error: &dyn std::fmt::Display| ArchiveError::unreadable(&source.name, error);
    // A prediction quotes its text, more than once.
    let limit = line_limit(&DocumentLimits::default()).saturating_mul(4);
    let mut reader: BufReader<Box<dyn Read + Send>> =
        BufReader::new(open(source, &BytesRead::default())?);
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        match read_line(&mut reader, limit, &mut line).map_err(|error| unreadable(&error))? {
            Line::End => break,
            Line::TooLong => return Err(unreadable(&format!("line {number} is too long"))),
            Line::Whole if line.trim_ascii().is_empty() => continue,
            Line::Whole => {}
        }
        let read: LineIn = serde_json::from_slice(&line)
            .map_err(|error| unreadable(&format!("line {number}: {error}")))?;
        let Some(stances) = read.stances else {
            // `stance classify` leaves an error on the place of a document.
            if read.error.is_some() {
                continue;
            }
            return Err(unreadable(&format!("line {number} has no `{STANCES}`")));
        };
        let stances = stances.into_iter().map(|stance| Said {
            actor: stance.actor.id,
            name: stance.actor.name,
            stance: stance.stance,
            abstained: stance.abstained,
        });
        take(&scored(stances.collect(), &read.input, options));
    }
    Ok(())
}

fn parquet<R: ChunkReader + 'static>(
    source: &Source,
    reader: R,
    options: &AggregateOptions,
    take: &mut dyn FnMut(&Scored),
) -> Result<(), ArchiveError> {
    let unreadable = |error: &dyn std::fmt::Display| ArchiveError::unreadable(&source.name, error);
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(reader).map_err(|error| unreadable(&error))?;
    let wanted = roots(builder.schema(), options, &source.name)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), wanted);
    let batches = builder
        .with_projection(mask)
        .with_batch_size(ROWS)
        .build()
        .map_err(|error| unreadable(&error))?;
    for batch in batches {
        let batch = batch.map_err(|error| unreadable(&error))?;
        let inputs = inputs(&batch, options)?;
        for (row, input) in inputs.iter().enumerate() {
            let stances = stances(&batch, row).ok_or_else(|| missing(&source.name, STANCES))?;
            take(&scored(stances, input, options));
        }
    }
    Ok(())
}

fn missing(name: &str, column: &str) -> ArchiveError {
    ArchiveError::Column {
        name: name.to_owned(),
        column: column.to_owned(),
        problem: "is missing, or not as `stance score` writes it".to_owned(),
    }
}

/// The top columns that are needed; an error for one that was asked for and is not there.
fn roots(
    schema: &Schema,
    options: &AggregateOptions,
    name: &str,
) -> Result<Vec<usize>, ArchiveError> {
    let stances = schema
        .index_of(STANCES)
        .map_err(|_| missing(name, STANCES))?;
    let asked = [&options.time_column, &options.source_column];
    let asked: Vec<&String> = asked.into_iter().flatten().collect();
    if asked.is_empty() {
        return Ok(vec![stances]);
    }
    let input = schema
        .index_of(INPUT)
        .map_err(|_| missing(name, asked[0]))?;
    if let DataType::Struct(fields) = schema.field(input).data_type() {
        let absent = asked
            .into_iter()
            .find(|column| fields.find(column).is_none());
        if let Some(absent) = absent {
            return Err(missing(name, absent));
        }
    }
    Ok(vec![stances, input])
}

/// The columns that were asked for, of every row.
fn inputs(
    batch: &RecordBatch,
    options: &AggregateOptions,
) -> Result<Vec<Map<String, Value>>, ArchiveError> {
    let Some(input) = batch.column_by_name(INPUT) else {
        return Ok(vec![Map::new(); batch.num_rows()]);
    };
    let Some(columns) = input.as_struct_opt() else {
        return as_json(input);
    };
    let (mut fields, mut arrays) = (Vec::new(), Vec::new());
    for (field, array) in columns.fields().iter().zip(columns.columns()) {
        let asked = [&options.time_column, &options.source_column];
        if asked.into_iter().flatten().any(|name| name == field.name()) {
            fields.push(Arc::clone(field));
            arrays.push(Arc::clone(array));
        }
    }
    let chosen =
        StructArray::try_new(fields.into(), arrays, None).map_err(ArchiveError::encoding)?;
    as_json(&chosen)
}

/// The stances of a row; `None` when the column is not as it must be.
fn stances(batch: &RecordBatch, row: usize) -> Option<Vec<Said>> {
    let lists = batch.column_by_name(STANCES)?.as_list_opt::<i32>()?;
    if lists.is_null(row) {
        return Some(Vec::new());
    }
    let entries = lists.value(row);
    let entries = entries.as_struct_opt()?;
    let actors = entries.column_by_name("actor")?.as_struct_opt()?;
    let (ids, names) = (actors.column_by_name("id")?, actors.column_by_name("name")?);
    let stances = entries.column_by_name("stance")?;
    let abstained = entries.column_by_name("abstained")?.as_boolean_opt()?;
    (0..entries.len())
        .map(|at| {
            let text = |column: &dyn Array| cell(column, at).ok().flatten().map(String::from);
            let said = text(stances)?;
            Some(Said {
                actor: text(ids)?,
                name: text(names)?,
                stance: Stance::ALL
                    .into_iter()
                    .find(|stance| stance.as_str() == said)?,
                abstained: abstained.value(at),
            })
        })
        .collect()
}
