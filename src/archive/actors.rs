//! The actors that a row brings: a list as in a document, or names for short.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::Value;

use crate::actors::Registry;
use crate::document::ActorSpec;
use crate::prediction::DocumentError;

/// How actors of rows are understood.
#[derive(Debug, Clone)]
pub struct ActorRule {
    /// Ids of the registry.
    known: Arc<HashSet<String>>,
    /// Judged in every row that brings no actors.
    usual: Option<Vec<ActorSpec>>,
}

impl ActorRule {
    /// Ids are looked up in the registry; `usual` are the actors of rows that bring none.
    pub fn new(registry: &Registry, usual: Option<Vec<ActorSpec>>) -> Self {
        let known = registry.iter().map(|actor| actor.id.clone()).collect();
        Self {
            known: Arc::new(known),
            usual,
        }
    }

    /// The actors of a row that brings none; `None` means those of the registry.
    pub(super) fn usual(&self) -> Option<Vec<ActorSpec>> {
        self.usual.clone()
    }

    /// A word is the id of an actor of the registry, or else a name of its own.
    fn named(&self, word: &str) -> ActorSpec {
        let names = if self.known.contains(word) {
            Vec::new()
        } else {
            vec![word.to_owned()]
        };
        ActorSpec {
            id: word.to_owned(),
            names,
            spans: None,
        }
    }
}

/// Actors of a cell of text: a JSON list, or words separated by `;`. Empty for none.
pub(super) fn actors_of_text(
    text: &str,
    rule: &ActorRule,
) -> Result<Option<Vec<ActorSpec>>, DocumentError> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(rule.usual());
    }
    if text.starts_with('[') {
        let value = serde_json::from_str(text)
            .map_err(|error| invalid(&format!("no JSON list: {error}")))?;
        return actors_of_value(value, rule);
    }
    let words = text
        .split(';')
        .map(str::trim)
        .filter(|word| !word.is_empty());
    Ok(Some(words.map(|word| rule.named(word)).collect()))
}

/// Actors of a JSON value: a list of actors as in a document, or of words. `None` means those that
/// the rule names for documents without any.
///
/// # Errors
/// `invalid_document` for anything else.
pub fn actors_of_value(
    value: Value,
    rule: &ActorRule,
) -> Result<Option<Vec<ActorSpec>>, DocumentError> {
    let entries = match value {
        Value::Null => return Ok(rule.usual()),
        Value::Array(entries) => entries,
        Value::String(text) => return actors_of_text(&text, rule),
        other => return Err(invalid(&format!("not a list but {other}"))),
    };
    let actors = entries.into_iter().map(|entry| match entry {
        Value::String(word) => Ok(rule.named(&word)),
        // A null is what tables write where a document has no such field.
        Value::Object(mut fields) => {
            fields.retain(|_, value| !value.is_null());
            serde_json::from_value(Value::Object(fields))
                .map_err(|error| invalid(&error.to_string()))
        }
        other => Err(invalid(&format!("an entry is {other}"))),
    });
    actors.collect::<Result<_, _>>().map(Some)
}

fn invalid(message: &str) -> DocumentError {
    DocumentError::new("invalid_document", format!("field `actors`: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Result<Option<Vec<(String, usize)>>, DocumentError> {
        let rule = ActorRule::new(Registry::embedded(), None);
        let actors = actors_of_text(text, &rule)?;
        let id = |actor: ActorSpec| (actor.id, actor.names.len());
        Ok(actors.map(|actors| actors.into_iter().map(id).collect()))
    }

    #[test]
    fn words_are_ids_or_names() {
        let nato = ("nato".to_owned(), 0);
        let own = ("River Party".to_owned(), 1);
        assert_eq!(ids(""), Ok(None));
        assert_eq!(ids("[]"), Ok(Some(vec![])));
        assert_eq!(ids("nato; River Party"), Ok(Some(vec![nato.clone(), own])));
        let list = r#"["nato", {"id": "x", "names": ["X", "Y"], "spans": null}]"#;
        assert_eq!(ids(list), Ok(Some(vec![nato, ("x".to_owned(), 2)])));
    }

    #[test]
    fn what_is_no_list_is_an_error_of_the_row() {
        for text in ["[1]", "[", r#"[{"names": ["no id"]}]"#] {
            assert_eq!(ids(text).unwrap_err().code, "invalid_document", "{text}");
        }
    }
}
