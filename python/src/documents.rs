//! What Python hands over, as JSON: documents, actors, options, columns.

use pyo3::prelude::*;
use serde::Deserialize;
use serde_json::{Map, Value};
use stance::actors::Registry;
use stance::archive::actors::{ActorRule, actors_of_value};
use stance::archive::columns::{ColumnName, Columns};
use stance::document::{ActorSpec, Document, Options};
use stance::prediction::{DocumentError, DocumentFailure};

use crate::errors::stance_error;

/// How documents are judged.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Asked {
    /// Judged in every document that brings no actors: as in a document, or ids and names.
    actors: Value,
    options: Options,
    columns: ColumnsAsked,
}

/// Columns of a table; `None` is the usual one where it is there, an empty name none.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ColumnsAsked {
    text: Option<String>,
    id: Option<String>,
    actors: Option<String>,
    language: Option<String>,
    keep: Option<Vec<String>>,
}

impl Asked {
    /// Reads the settings.
    pub fn read(py: Python<'_>, json: &str) -> PyResult<Self> {
        serde_json::from_str(json)
            .map_err(|error| stance_error(py, "invalid_option", &error.to_string()))
    }

    /// The options.
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// The actors of documents that bring none; `None` for those of the registry.
    pub fn actors(&self, py: Python<'_>, registry: &Registry) -> PyResult<Option<Vec<ActorSpec>>> {
        let rule = ActorRule::new(registry, None);
        actors_of_value(self.actors.clone(), &rule)
            .map_err(|error| stance_error(py, &error.code, &error.message))
    }

    /// The columns.
    pub fn columns(&self) -> Columns {
        let column = |asked: &Option<String>, usual: &str| match asked.as_deref() {
            None => ColumnName::usual(usual),
            Some("") => ColumnName::usual(""),
            Some(name) => ColumnName::required(name),
        };
        let asked = &self.columns;
        Columns {
            text: asked.text.clone().unwrap_or_else(|| "text".to_owned()),
            id: column(&asked.id, "id"),
            actors: column(&asked.actors, "actors"),
            language: column(&asked.language, "language"),
            keep: asked.keep.clone(),
        }
    }
}

/// A document out of JSON.
///
/// # Errors
/// Its id and what is wrong with it.
pub fn document(json: &str, rule: &ActorRule) -> Result<Document, DocumentFailure> {
    let invalid = |error: serde_json::Error| DocumentFailure {
        id: None,
        error: DocumentError::new("invalid_document", error.to_string()),
    };
    let mut fields: Map<String, Value> = serde_json::from_str(json).map_err(invalid)?;
    let actors = fields.remove("actors").unwrap_or_default();
    let document: Document = serde_json::from_value(Value::Object(fields)).map_err(invalid)?;
    match actors_of_value(actors, rule) {
        Ok(actors) => Ok(Document { actors, ..document }),
        Err(error) => Err(DocumentFailure {
            id: document.id,
            error,
        }),
    }
}
