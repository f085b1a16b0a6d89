//! The actors of a matcher, as the later stages need them.

use std::collections::BTreeMap;

use super::actor::{Actor, UNKNOWN_LANGUAGE};

/// The kind of an actor that only the request knows.
pub const CUSTOM_KIND: &str = "custom";

/// An actor that a matcher finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedActor {
    /// Identifier in the registry or in the request.
    pub id: String,
    /// A kind of the registry, or [`CUSTOM_KIND`].
    pub kind: String,
    /// Names per ISO 639-1 code (`und` when unknown), without adjectives and capitals; the
    /// first of a language is the one to show.
    pub names: BTreeMap<String, Vec<String>>,
}

impl MatchedActor {
    /// The name to show in a language; English, then any other, where there is none, and the
    /// id where there is no name at all.
    pub fn name(&self, language: &str) -> &str {
        [language, UNKNOWN_LANGUAGE, "en"]
            .iter()
            .find_map(|code| self.names.get(*code).and_then(|names| names.first()))
            .or_else(|| self.names.values().find_map(|names| names.first()))
            .map_or(&self.id, |name| name)
    }

    /// The name that stands for the actor when the text, which is in `language`, never
    /// mentions it: the stance head encodes it in the place of mentions.
    pub fn query_name(&self, language: &str) -> &str {
        self.name(language)
    }
}

impl From<&Actor> for MatchedActor {
    fn from(actor: &Actor) -> Self {
        let mut names: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (language, alias) in actor
            .aliases()
            .filter(|(_, alias)| !alias.weak && !alias.capital)
        {
            names
                .entry(language.to_owned())
                .or_default()
                .push(alias.text.clone());
        }
        Self {
            id: actor.id.clone(),
            kind: actor.kind.as_str().to_owned(),
            names,
        }
    }
}
