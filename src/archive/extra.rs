//! Further columns of the input, which the output repeats under `input`.
//!
//! They travel as one Arrow array: a struct with the columns of a table, or, for lines of JSON,
//! whose fields may differ from line to line, a column of JSON text that is marked as such.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, StructArray};
use arrow_json::writer::{LineDelimited, WriterBuilder};
use arrow_schema::{DataType, Field, Fields};
use serde_json::{Map, Value};

use super::ArchiveError;

/// Name of the column.
pub(super) const INPUT: &str = "input";

/// The column of a table with this type. Text is JSON, by Arrow's canonical extension type.
pub(super) fn input_field(kind: &DataType) -> Field {
    let field = Field::new(INPUT, kind.clone(), true);
    if kind == &DataType::Utf8 {
        let name = ("ARROW:extension:name".to_owned(), "arrow.json".to_owned());
        let data = ("ARROW:extension:metadata".to_owned(), String::new());
        field.with_metadata(HashMap::from([name, data]))
    } else {
        field
    }
}

/// The type of the further fields of lines of JSON: columns of text when they are chosen by name
/// and the output is a table, JSON text otherwise; nothing when none is kept.
pub(super) fn line_type(keep: Option<&[String]>, table: bool) -> Option<DataType> {
    match keep {
        Some([]) => None,
        Some(keep) if table => Some(DataType::Struct(text_fields(keep))),
        _ => Some(DataType::Utf8),
    }
}

/// Columns of text with these names.
pub(super) fn text_fields<T: AsRef<str>>(names: &[T]) -> Fields {
    let field = |name: &T| Field::new(name.as_ref(), DataType::Utf8, true);
    names.iter().map(field).collect()
}

/// Fields of lines as an array of the type.
pub(super) fn of_lines(
    kind: &DataType,
    lines: &[Map<String, Value>],
) -> Result<ArrayRef, ArchiveError> {
    let DataType::Struct(fields) = kind else {
        let text = lines.iter().map(|line| serde_json::to_string(line).ok());
        return Ok(Arc::new(text.collect::<StringArray>()));
    };
    let count = lines.len();
    let columns = fields.iter().map(|field| {
        let cells = lines
            .iter()
            .map(|line| line.get(field.name()).and_then(plain));
        Arc::new(cells.collect::<StringArray>()) as ArrayRef
    });
    let columns: Vec<ArrayRef> = columns.collect();
    let array = StructArray::try_new_with_length(fields.clone(), columns, None, count)
        .map_err(ArchiveError::encoding)?;
    Ok(Arc::new(array))
}

/// A value as a cell of text: a text as it is, anything else as JSON; nothing for null.
pub(super) fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The further columns of every row as a JSON object.
pub(super) fn as_json(extra: &dyn Array) -> Result<Vec<Map<String, Value>>, ArchiveError> {
    match extra.data_type() {
        DataType::Struct(_) => rows_as_json(extra.as_struct()),
        DataType::Utf8 => {
            let row = |text: Option<&str>| match text {
                Some(text) => serde_json::from_str(text).map_err(ArchiveError::encoding),
                None => Ok(Map::new()),
            };
            extra.as_string::<i32>().iter().map(row).collect()
        }
        other => Err(ArchiveError::Encoding(format!(
            "column `{INPUT}` holds {other}"
        ))),
    }
}

/// The rows of columns as JSON objects; nulls stay.
pub(super) fn rows_as_json(columns: &StructArray) -> Result<Vec<Map<String, Value>>, ArchiveError> {
    let mut lines = Vec::new();
    let batch = RecordBatch::from(columns.clone());
    let mut writer = WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, LineDelimited>(&mut lines);
    writer
        .write(&batch)
        .and_then(|()| writer.finish())
        .map_err(ArchiveError::encoding)?;
    drop(writer);
    lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(ArchiveError::encoding))
        .collect()
}
