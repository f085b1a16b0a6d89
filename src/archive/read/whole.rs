//! A source that is one document.

use std::io::Read;

use arrow_schema::DataType;

use super::super::ArchiveError;
use super::super::columns::Row;
use super::super::open::{BytesRead, open};
use super::super::source::Source;
use super::{Block, ReadOptions, Rows};
use crate::document::Document;
use crate::prediction::DocumentError;
use crate::text;

/// The one row, until it is taken.
pub(super) struct WholeRow {
    source: Option<Source>,
    options: ReadOptions,
    count: BytesRead,
}

impl WholeRow {
    pub(super) fn new(
        source: &Source,
        options: &ReadOptions,
        count: &BytesRead,
        skip: u64,
    ) -> Self {
        Self {
            source: (skip == 0).then(|| source.clone()),
            options: options.clone(),
            count: count.clone(),
        }
    }

    fn document(&self, source: &Source) -> Result<Document, DocumentError> {
        // Where a file is a document, a file that cannot be read costs this document only.
        let unreadable =
            |error: &dyn ToString| DocumentError::new("unreadable_file", error.to_string());
        let limit = self.options.limits.max_text_bytes;
        let mut bytes = Vec::new();
        open(source, &self.count)
            .map_err(|error| unreadable(&error))?
            .take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&error))?;
        if bytes.len() > limit {
            return Err(DocumentError::new(
                "text_too_long",
                format!("the text is longer than the limit of {limit} bytes"),
            ));
        }
        let text = text::decode(&bytes).map_err(|error| DocumentError::from(&error))?;
        Ok(Document {
            id: Some(source.name.clone()),
            text: text.to_owned(),
            language: None,
            actors: self.options.actors.usual(),
        })
    }
}

impl Rows for WholeRow {
    fn extra(&self) -> Option<&DataType> {
        None
    }

    fn next(&mut self) -> Result<Option<Block>, ArchiveError> {
        let Some(source) = self.source.take() else {
            return Ok(None);
        };
        let row = Row {
            number: 1,
            document: self.document(&source),
            id: Some(source.name),
        };
        Ok(Some(Block {
            rows: vec![row],
            extra: None,
        }))
    }
}
