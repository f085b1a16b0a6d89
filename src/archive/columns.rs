//! Which columns are the document, and what the others are to the output.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, RecordBatch, StructArray};
use arrow_schema::{DataType, Field, Fields, Schema};
use arrow_select::take::take;

use super::ArchiveError;
use super::actors::{ActorRule, actors_of_text, actors_of_value};
use super::extra::rows_as_json;
use crate::document::{ActorSpec, Document};
use crate::prediction::DocumentError;
use crate::text;

/// The name of a column, and whether it must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnName {
    /// Its name; empty for none.
    pub name: String,
    /// Whether a table without it is refused.
    pub required: bool,
}

impl ColumnName {
    /// A column that is used where it is there.
    pub fn usual(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            required: false,
        }
    }

    /// A column that must be there.
    pub fn required(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            required: true,
        }
    }
}

/// Columns by name. In JSONL these are the fields of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Columns {
    /// The text. Always required.
    pub text: String,
    /// The document's id.
    pub id: ColumnName,
    /// The document's own actors.
    pub actors: ColumnName,
    /// The document's language.
    pub language: ColumnName,
    /// Further columns that the output repeats; all when absent.
    pub keep: Option<Vec<String>>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            text: "text".to_owned(),
            id: ColumnName::usual("id"),
            actors: ColumnName::usual("actors"),
            language: ColumnName::usual("language"),
            keep: None,
        }
    }
}

impl Columns {
    /// Whether the column is one of those that make up the document.
    pub(super) fn is_document(&self, name: &str) -> bool {
        name == self.text
            || [&self.id, &self.actors, &self.language]
                .iter()
                .any(|column| column.name == name)
    }

    /// Whether the output repeats the column.
    pub(super) fn is_kept(&self, name: &str) -> bool {
        match &self.keep {
            Some(keep) => keep.iter().any(|kept| kept == name),
            None => !self.is_document(name),
        }
    }
}

/// A row of a source: a document, or why it is none.
#[derive(Debug)]
pub struct Row {
    /// Number in its source, from 1: the line of a file of lines, the record of a table.
    pub number: u64,
    /// Its id, if it could be read.
    pub id: Option<String>,
    /// What is to be judged.
    pub document: Result<Document, DocumentError>,
}

/// The places of the chosen columns in a table.
#[derive(Debug)]
pub(super) struct Picked {
    pub(super) text: usize,
    pub(super) id: Option<usize>,
    pub(super) actors: Option<usize>,
    pub(super) language: Option<usize>,
    /// The further columns.
    pub(super) extra: Vec<usize>,
}

impl Picked {
    /// Finds the columns in the header of a table.
    pub(super) fn new(
        columns: &Columns,
        header: &[&str],
        name: &str,
    ) -> Result<Self, ArchiveError> {
        let find = |column: &str| header.iter().position(|field| *field == column);
        let missing = |column: &str| ArchiveError::Column {
            name: name.to_owned(),
            column: column.to_owned(),
            problem: format!("is missing; there are: {}", header.join(", ")),
        };
        let must = |column: &str| find(column).ok_or_else(|| missing(column));
        let may = |column: &ColumnName| {
            if column.required {
                must(&column.name).map(Some)
            } else {
                Ok(find(&column.name))
            }
        };
        let extra = match &columns.keep {
            Some(keep) => keep
                .iter()
                .map(|kept| must(kept))
                .collect::<Result<_, _>>()?,
            None => (0..header.len())
                .filter(|at| columns.is_kept(header[*at]))
                .collect(),
        };
        Ok(Self {
            text: must(&columns.text)?,
            id: may(&columns.id)?,
            actors: may(&columns.actors)?,
            language: may(&columns.language)?,
            extra,
        })
    }

    /// As [`Picked::new`], for columns with types.
    pub(super) fn of_schema(
        columns: &Columns,
        schema: &Schema,
        name: &str,
    ) -> Result<Self, ArchiveError> {
        let header: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
        let picked = Self::new(columns, &header, name)?;
        let text = [Some(picked.text), picked.language, picked.id];
        for (which, at) in text.into_iter().enumerate() {
            let Some(at) = at else { continue };
            let kind = schema.field(at).data_type();
            if !(is_text(kind) || which == 2 && kind.is_integer()) {
                return Err(ArchiveError::Column {
                    name: name.to_owned(),
                    column: header[at].to_owned(),
                    problem: format!("holds {kind}, not text"),
                });
            }
        }
        Ok(picked)
    }

    /// The fields of the struct of further columns; `None` when there are none.
    pub(super) fn extra_fields(&self, schema: &Schema) -> Option<Fields> {
        let fields: Fields = self
            .extra
            .iter()
            .map(|&at| Arc::new(schema.field(at).clone().with_nullable(true)))
            .collect();
        (!fields.is_empty()).then_some(fields)
    }

    /// The rows of a batch, numbered from `first`, and their further columns.
    pub(super) fn rows(
        &self,
        batch: &RecordBatch,
        first: u64,
        rule: &ActorRule,
    ) -> Result<(Vec<Row>, Option<ArrayRef>), ArchiveError> {
        let actors = match self.actors {
            Some(at) => actor_column(batch, at, rule)?,
            None => vec![Ok(rule.usual()); batch.num_rows()],
        };
        let unpacked = |at: usize| unpacked(batch.column(at));
        let text = unpacked(self.text)?;
        let id = self.id.map(unpacked).transpose()?;
        let language = self.language.map(unpacked).transpose()?;
        let mut rows = Vec::with_capacity(batch.num_rows());
        for (at, actors) in actors.into_iter().enumerate() {
            let owned = |column: Option<&ArrayRef>| match column {
                Some(column) => cell(column, at).map(|cell| cell.map(Cow::into_owned)),
                None => Ok(None),
            };
            let id = owned(id.as_ref()).ok().flatten();
            let document = (|| {
                let text = owned(Some(&text))?.ok_or_else(null_text)?;
                let language = owned(language.as_ref())?;
                Ok(Document {
                    id: id.clone(),
                    text,
                    language: language.filter(|code| !code.is_empty()),
                    actors: actors?,
                })
            })();
            rows.push(Row {
                number: first + at as u64,
                id,
                document,
            });
        }
        let extra = self.extra_fields(batch.schema_ref()).map(|fields| {
            let arrays = self.extra.iter().map(|&at| Arc::clone(batch.column(at)));
            StructArray::try_new(fields, arrays.collect(), None)
        });
        let extra = extra.transpose().map_err(ArchiveError::encoding)?;
        Ok((rows, extra.map(|extra| Arc::new(extra) as ArrayRef)))
    }
}

fn null_text() -> DocumentError {
    DocumentError::new("empty_text", "the text is null")
}

fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::Null => true,
        DataType::Dictionary(_, values) => is_text(values),
        _ => false,
    }
}

/// A column whose cells stand for themselves and not for entries of a dictionary.
fn unpacked(column: &ArrayRef) -> Result<ArrayRef, ArchiveError> {
    match column.as_any_dictionary_opt() {
        Some(dictionary) => {
            take(dictionary.values(), dictionary.keys(), None).map_err(ArchiveError::encoding)
        }
        None => Ok(Arc::clone(column)),
    }
}

/// A cell as text; `None` when it is null.
pub(super) fn cell(array: &dyn Array, at: usize) -> Result<Option<Cow<'_, str>>, DocumentError> {
    if array.is_null(at) || array.data_type() == &DataType::Null {
        return Ok(None);
    }
    let bytes = |bytes| {
        text::decode(bytes)
            .map(Cow::Borrowed)
            .map_err(|error| DocumentError::from(&error))
    };
    let number = |number: &dyn ToString| Cow::Owned(number.to_string());
    Ok(Some(match array.data_type() {
        DataType::Utf8 => Cow::Borrowed(array.as_string::<i32>().value(at)),
        DataType::LargeUtf8 => Cow::Borrowed(array.as_string::<i64>().value(at)),
        DataType::Utf8View => Cow::Borrowed(array.as_string_view().value(at)),
        DataType::Binary => bytes(array.as_binary::<i32>().value(at))?,
        DataType::LargeBinary => bytes(array.as_binary::<i64>().value(at))?,
        DataType::BinaryView => bytes(array.as_binary_view().value(at))?,
        DataType::Int8 => number(&array.as_primitive::<Int8Type>().value(at)),
        DataType::Int16 => number(&array.as_primitive::<Int16Type>().value(at)),
        DataType::Int32 => number(&array.as_primitive::<Int32Type>().value(at)),
        DataType::Int64 => number(&array.as_primitive::<Int64Type>().value(at)),
        DataType::UInt8 => number(&array.as_primitive::<UInt8Type>().value(at)),
        DataType::UInt16 => number(&array.as_primitive::<UInt16Type>().value(at)),
        DataType::UInt32 => number(&array.as_primitive::<UInt32Type>().value(at)),
        DataType::UInt64 => number(&array.as_primitive::<UInt64Type>().value(at)),
        other => {
            return Err(DocumentError::new(
                "invalid_document",
                format!("a cell of type {other} is no text"),
            ));
        }
    }))
}

type RowActors = Result<Option<Vec<ActorSpec>>, DocumentError>;

/// The actors of every row: text as in CSV, or lists as in JSON.
fn actor_column(
    batch: &RecordBatch,
    at: usize,
    rule: &ActorRule,
) -> Result<Vec<RowActors>, ArchiveError> {
    let column = batch.column(at);
    if is_text(column.data_type()) {
        let column = unpacked(column)?;
        let row = |row| match cell(&column, row)? {
            Some(text) => actors_of_text(&text, rule),
            None => Ok(rule.usual()),
        };
        return Ok((0..column.len()).map(row).collect());
    }
    let field = Arc::new(Field::new("actors", column.data_type().clone(), true));
    let column = StructArray::try_new(Fields::from(vec![field]), vec![Arc::clone(column)], None)
        .map_err(ArchiveError::encoding)?;
    let rows = rows_as_json(&column)?;
    Ok(rows
        .into_iter()
        .map(|mut row| match row.remove("actors") {
            Some(value) => actors_of_value(value, rule),
            None => Ok(rule.usual()),
        })
        .collect())
}
