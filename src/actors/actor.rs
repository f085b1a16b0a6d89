//! What an actor is: an id, a kind, and names per language.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The language code of names whose language is not known.
pub const UNKNOWN_LANGUAGE: &str = "und";

/// What kind of actor it is.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ActorKind {
    /// A state, recognised or claimed.
    State,
    /// A person.
    Person,
    /// A political party or a coalition of parties.
    Party,
    /// An army, a militia, an armed movement.
    ArmedGroup,
    /// An international, national or private organisation, or a body of a state.
    Organisation,
    /// States or groups that act together without being an organisation.
    Bloc,
}

impl ActorKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::State,
        Self::Person,
        Self::Party,
        Self::ArmedGroup,
        Self::Organisation,
        Self::Bloc,
    ];

    /// The name used in files and answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Person => "person",
            Self::Party => "party",
            Self::ArmedGroup => "armed_group",
            Self::Organisation => "organisation",
            Self::Bloc => "bloc",
        }
    }

    /// The kind of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A name under which texts mention an actor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(clippy::struct_excessive_bools)] // independent flags of a data file
pub struct Alias {
    /// The name as written.
    pub text: String,
    /// Also means something else: counts only when the text supports the actor otherwise.
    pub ambiguous: bool,
    /// The capital, standing for the government.
    pub capital: bool,
    /// An adjective or demonym: supports an actor named otherwise, never makes one up.
    pub weak: bool,
    /// Matches only in this case: `Turkey` and `TURKEY` but not `turkey`.
    pub cased: bool,
    /// May be followed by an ending of at most four letters.
    pub open: bool,
    /// Counts only in texts of its own language, because it is a common word elsewhere.
    pub local: bool,
    /// Takes sides itself, as "Zionist entity" does for Israel.
    pub loaded: bool,
}

impl Alias {
    /// A plain name.
    pub fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    /// From the short form of the data files: the name, followed by any of the marks
    /// `?` ambiguous, `^` case-sensitive, `*` open ending, `@` only in its own language, `!` loaded.
    pub fn parse(marked: &str) -> Self {
        let mut alias = Self::default();
        let mut text = marked.trim();
        while let Some(mark) = text.chars().next_back() {
            match mark {
                '?' => alias.ambiguous = true,
                '^' => alias.cased = true,
                '*' => alias.open = true,
                '@' => alias.local = true,
                '!' => alias.loaded = true,
                _ => break,
            }
            text = text[..text.len() - 1].trim_end();
        }
        text.clone_into(&mut alias.text);
        alias
    }
}

/// Somebody who can be the target of a stance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Actor {
    /// Identifier: lower-case ASCII words joined by hyphens, such as `united-nations`.
    pub id: String,
    /// What kind of actor it is.
    pub kind: ActorKind,
    /// Names per ISO 639-1 code; the first of a language is the one to show.
    pub names: BTreeMap<String, Vec<Alias>>,
    /// Wikidata item, where certain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wikidata: Option<String>,
}

impl Actor {
    /// The name to show in a language; English, then any other, where there is none.
    pub fn name(&self, language: &str) -> &str {
        shown(self.names.get(language))
            .or_else(|| shown(self.names.get("en")))
            .or_else(|| shown(self.names.get(UNKNOWN_LANGUAGE)))
            .or_else(|| self.names.values().find_map(|aliases| shown(Some(aliases))))
            .unwrap_or(&self.id)
    }

    /// Every alias with its language.
    pub fn aliases(&self) -> impl Iterator<Item = (&str, &Alias)> {
        self.names.iter().flat_map(|(language, aliases)| {
            aliases.iter().map(move |alias| (language.as_str(), alias))
        })
    }
}

/// The first alias that is a name and neither an adjective nor a capital.
fn shown(aliases: Option<&Vec<Alias>>) -> Option<&str> {
    aliases?
        .iter()
        .find(|alias| !alias.weak && !alias.capital)
        .map(|alias| alias.text.as_str())
}
