//! A JSON object per line. No line longer than a document may be is ever held in memory.

use std::io::{self, BufRead, BufReader, Read};

use arrow_schema::DataType;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::super::ArchiveError;
use super::super::actors::actors_of_value;
use super::super::columns::Row;
use super::super::extra::{line_type, of_lines, plain};
use super::super::open::{BytesRead, open};
use super::super::source::Source;
use super::{BLOCK_BYTES, BLOCK_ROWS, Block, ReadOptions, Rows};
use crate::document::Document;
use crate::engine::DocumentLimits;
use crate::error::is_well_formed;
use crate::prediction::DocumentError;
use crate::text;

/// A line may be this much longer than its text: JSON writes a byte as up to six, and the
/// other fields need room.
const LINE_FACTOR: usize = 6;
const LINE_EXTRA: usize = 1 << 20;

/// Bytes that a line may have at the most.
pub(crate) fn line_limit(limits: &DocumentLimits) -> usize {
    limits
        .max_text_bytes
        .saturating_mul(LINE_FACTOR)
        .saturating_add(LINE_EXTRA)
}

/// What was found at a place in a file of lines.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A line.
    Whole,
    /// A line over the limit, of which nothing was kept.
    TooLong,
    /// The end of the file.
    End,
}

/// Reads to the next line break; of a line over the limit nothing is kept.
pub(crate) fn read_line(
    reader: &mut impl BufRead,
    limit: usize,
    line: &mut Vec<u8>,
) -> io::Result<Line> {
    let read = reader.take(limit as u64 + 1).read_until(b'\n', line)?;
    if read == 0 {
        return Ok(Line::End);
    }
    if read <= limit || line.ends_with(b"\n") {
        return Ok(Line::Whole);
    }
    line.clear();
    loop {
        let buffer = reader.fill_buf()?;
        let (used, done) = match buffer.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        reader.consume(used);
        if done {
            return Ok(Line::TooLong);
        }
    }
}

/// The rows of a file of lines.
pub(super) struct LineRows {
    name: String,
    reader: BufReader<Box<dyn Read + Send>>,
    number: u64,
    skip: u64,
    options: ReadOptions,
    extra: Option<DataType>,
}

impl LineRows {
    pub(super) fn new(
        source: &Source,
        options: &ReadOptions,
        count: &BytesRead,
        skip: u64,
    ) -> Result<Self, ArchiveError> {
        Ok(Self {
            name: source.name.clone(),
            reader: BufReader::new(open(source, count)?),
            number: 0,
            skip,
            extra: line_type(options.columns.keep.as_deref(), options.table),
            options: options.clone(),
        })
    }

    /// The document of a line, and its other fields.
    fn row(&self, line: &[u8]) -> (Row, Map<String, Value>) {
        let mut fields: Map<String, Value> = match parse(line, self.number == 1) {
            Ok(fields) => fields,
            Err(error) => {
                let row = Row {
                    number: self.number,
                    id: None,
                    document: Err(error),
                };
                return (row, Map::new());
            }
        };
        let columns = &self.options.columns;
        let kept = if columns.keep.is_some() {
            let mut kept = fields.clone();
            kept.retain(|name, _| columns.is_kept(name));
            kept
        } else {
            Map::new()
        };
        // Not taken out: it may be the text too.
        let id = fields.get(&columns.id.name).and_then(plain);
        let document = self.document(id.clone(), &mut fields);
        if columns.keep.is_none() {
            fields.retain(|name, _| columns.is_kept(name));
        }
        let row = Row {
            number: self.number,
            id,
            document,
        };
        (row, if columns.keep.is_some() { kept } else { fields })
    }

    fn document(
        &self,
        id: Option<String>,
        fields: &mut Map<String, Value>,
    ) -> Result<Document, DocumentError> {
        let columns = &self.options.columns;
        let text = match fields.remove(&columns.text) {
            Some(Value::String(text)) => text,
            Some(Value::Null) => return Err(DocumentError::new("empty_text", "the text is null")),
            Some(other) => return Err(wrong_type(&columns.text, &other)),
            None => {
                let message = format!("field `{}` is missing", columns.text);
                return Err(DocumentError::new("invalid_document", message));
            }
        };
        let language = match fields.remove(&columns.language.name) {
            None | Some(Value::Null) => None,
            Some(Value::String(code)) => Some(code),
            Some(other) => return Err(wrong_type(&columns.language.name, &other)),
        };
        let actors = match fields.remove(&columns.actors.name) {
            Some(value) => actors_of_value(value, &self.options.actors)?,
            None => self.options.actors.usual(),
        };
        Ok(Document {
            id,
            text,
            language,
            actors,
        })
    }
}

impl Rows for LineRows {
    fn extra(&self) -> Option<&DataType> {
        self.extra.as_ref()
    }

    fn next(&mut self) -> Result<Option<Block>, ArchiveError> {
        let limit = line_limit(&self.options.limits);
        let (mut rows, mut extra) = (Vec::new(), Vec::new());
        let (mut line, mut bytes) = (Vec::new(), 0);
        while rows.len() < BLOCK_ROWS && bytes < BLOCK_BYTES {
            line.clear();
            self.number += 1;
            let found = read_line(&mut self.reader, limit, &mut line)
                .map_err(|error| ArchiveError::unreadable(&self.name, error))?;
            bytes += line.len();
            let (row, fields) = match found {
                Line::End => break,
                _ if self.number <= self.skip => continue,
                Line::Whole if line.trim_ascii().is_empty() => continue,
                Line::Whole => self.row(&line),
                Line::TooLong => {
                    let row = Row {
                        number: self.number,
                        id: None,
                        document: Err(too_long(limit)),
                    };
                    (row, Map::new())
                }
            };
            rows.push(row);
            extra.push(fields);
        }
        if rows.is_empty() && bytes < BLOCK_BYTES {
            return Ok(None);
        }
        let extra = match &self.extra {
            Some(kind) => Some(of_lines(kind, &extra)?),
            None => None,
        };
        Ok(Some(Block { rows, extra }))
    }
}

/// The value of a line; `first` is the first of its source, which may begin with a byte-order mark.
pub(crate) fn parse<T: DeserializeOwned>(line: &[u8], first: bool) -> Result<T, DocumentError> {
    let text = text::decode(line).map_err(|error| DocumentError::from(&error))?;
    let text = if first {
        text.trim_start_matches('\u{feff}')
    } else {
        text
    };
    serde_json::from_str(text).map_err(|error| {
        let code = if is_well_formed(&error, text) {
            "invalid_document"
        } else {
            "invalid_json"
        };
        DocumentError::new(code, error.to_string())
    })
}

/// What a line over the limit comes to.
pub(crate) fn too_long(limit: usize) -> DocumentError {
    let message = format!("the line is longer than the limit of {limit} bytes");
    DocumentError::new("text_too_long", message)
}

fn wrong_type(field: &str, value: &Value) -> DocumentError {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    let message = format!("field `{field}`: expected a string, found {kind}");
    DocumentError::new("invalid_document", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_over_the_limit_is_skipped_whole() {
        let mut reader = io::Cursor::new(b"abc\nabcdefgh\nxyz".to_vec());
        let mut line = Vec::new();
        let mut next = || {
            line.clear();
            let kind = read_line(&mut reader, 4, &mut line).unwrap();
            (kind, String::from_utf8(line.clone()).unwrap())
        };
        assert_eq!(next(), (Line::Whole, "abc\n".to_owned()));
        assert_eq!(next(), (Line::TooLong, String::new()));
        assert_eq!(next(), (Line::Whole, "xyz".to_owned()));
        assert_eq!(next(), (Line::End, String::new()));
    }
}
