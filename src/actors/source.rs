//! The shape of a registry file, TOML or JSON, and how it becomes actors.
//!
//! ```toml
//! [[actor]]
//! id = "hamas"
//! kind = "armed_group"
//! wikidata = "Q38799"                      # optional
//! names.ar = ["حماس", "حركة حماس"]         # the first one is shown
//! names.en = ["Hamas", "Islamic Resistance Movement"]
//! adjectives.en = ["Hamas-led"]            # optional: weak mentions
//! capitals.en = ["…"]                      # optional: capital for government
//! ```
//!
//! In JSON the same under `{"actors": [{…}]}`. A name is a string, which may end in marks
//! (see [`Alias::parse`]), or a table `{ text = "Yahoo!", ambiguous = true }`, which is taken
//! as it is. `names` may also be a plain list when the language is not known. A state takes
//! its CLDR names with `cldr = "SY"`, and then may `drop` some or flag them (`ambiguous`,
//! `cased`, `local`).

use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;

use super::actor::{Actor, ActorKind, Alias, UNKNOWN_LANGUAGE};
use super::canon::canon_str;
use super::error::ActorError;
use super::language::is_language;

/// A registry file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RegistryFile {
    #[serde(default, alias = "actors")]
    pub(super) actor: Vec<Entry>,
}

/// One actor of a registry file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) kind: String,
    wikidata: Option<String>,
    cldr: Option<String>,
    #[serde(default)]
    names: Names,
    #[serde(default)]
    adjectives: BTreeMap<String, Vec<Name>>,
    #[serde(default)]
    capitals: BTreeMap<String, Vec<Name>>,
    #[serde(default)]
    drop: Vec<String>,
    #[serde(default)]
    ambiguous: Vec<String>,
    #[serde(default)]
    cased: Vec<String>,
    #[serde(default)]
    local: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Names {
    PerLanguage(BTreeMap<String, Vec<Name>>),
    Unknown(Vec<Name>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Unknown(Vec::new())
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Name {
    Marked(String),
    Table(NameTable),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools)] // the flags of an alias, as a file gives them
struct NameTable {
    text: String,
    #[serde(default)]
    ambiguous: bool,
    #[serde(default)]
    capital: bool,
    #[serde(default)]
    weak: bool,
    #[serde(default)]
    cased: bool,
    #[serde(default)]
    open: bool,
    #[serde(default)]
    local: bool,
    #[serde(default)]
    loaded: bool,
}

impl From<&Name> for Alias {
    fn from(name: &Name) -> Self {
        match name {
            Name::Marked(text) => Self::parse(text),
            Name::Table(table) => Self {
                text: table.text.trim().to_owned(),
                ambiguous: table.ambiguous,
                capital: table.capital,
                weak: table.weak,
                cased: table.cased,
                open: table.open,
                local: table.local,
                loaded: table.loaded,
            },
        }
    }
}

/// What CLDR says about a territory: names and the capital, per language.
#[derive(Debug, Clone, Default, Deserialize)]
pub(super) struct Territory {
    names: BTreeMap<String, Vec<String>>,
    capital: BTreeMap<String, Vec<String>>,
}

/// `models/actors/cldr/territories.json`.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Territories {
    pub(super) territories: HashMap<String, Territory>,
}

impl Entry {
    /// The actor, and everything that is wrong with it.
    pub(super) fn build(&self, cldr: &Territories) -> (Option<Actor>, Vec<ActorError>) {
        let mut problems = Vec::new();
        if !is_id(&self.id) {
            problems.push(self.invalid(
                "`id` must be 1 to 64 lower-case ASCII letters, digits, `-`, `_`, `.`, starting with a letter or digit".to_owned(),
            ));
        }
        let kind = ActorKind::parse(&self.kind);
        if kind.is_none() {
            problems.push(ActorError::UnknownKind {
                id: self.id.clone(),
                kind: self.kind.clone(),
            });
        }
        let wikidata_ok = |item: &String| {
            item.strip_prefix('Q').is_some_and(|digits| {
                !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
            })
        };
        if let Some(item) = self.wikidata.as_ref().filter(|item| !wikidata_ok(item)) {
            problems.push(self.invalid(format!("`wikidata` must look like Q42, not `{item}`")));
        }
        let names = self.collect(cldr, &mut problems);
        if names.values().flatten().all(|alias| alias.weak) {
            problems.push(self.invalid("`names` must hold at least one name".to_owned()));
        }
        let actor = kind.map(|kind| Actor {
            id: self.id.clone(),
            kind,
            names,
            wikidata: self.wikidata.clone(),
        });
        (actor, problems)
    }

    fn invalid(&self, reason: String) -> ActorError {
        ActorError::InvalidActor {
            id: self.id.clone(),
            reason,
        }
    }

    /// All aliases per language: CLDR names, own names, capitals, adjectives; each text once.
    fn collect(
        &self,
        cldr: &Territories,
        problems: &mut Vec<ActorError>,
    ) -> BTreeMap<String, Vec<Alias>> {
        let mut names: BTreeMap<String, Vec<Alias>> = BTreeMap::new();
        let mut add = |language: &str, alias: Alias, own: bool| {
            if own && !(is_language(language) || language == UNKNOWN_LANGUAGE) {
                problems.push(ActorError::UnknownAliasLanguage {
                    id: self.id.clone(),
                    language: language.to_owned(),
                });
            }
            if !alias.text.chars().any(char::is_alphanumeric) {
                problems.push(ActorError::EmptyName {
                    id: self.id.clone(),
                    language: language.to_owned(),
                    name: alias.text,
                });
                return;
            }
            let list = names.entry(language.to_owned()).or_default();
            if !list
                .iter()
                .any(|known| known.text == alias.text && known.weak == alias.weak)
            {
                list.push(alias);
            }
        };
        let flagged = |text: &str, capital: bool| Alias {
            text: text.to_owned(),
            ambiguous: self.ambiguous.iter().any(|flag| flag == text),
            cased: self.cased.iter().any(|flag| flag == text),
            local: self.local.iter().any(|flag| flag == text),
            capital,
            ..Alias::default()
        };
        let territory = self
            .cldr
            .as_ref()
            .and_then(|code| cldr.territories.get(code));
        let add_cldr = |forms: &BTreeMap<String, Vec<String>>,
                        capital: bool,
                        add: &mut dyn FnMut(&str, Alias, bool)| {
            for (language, list) in forms {
                for text in list.iter().filter(|text| !self.drop.contains(text)) {
                    add(language, flagged(text, capital), false);
                }
            }
        };
        if let Some(territory) = territory {
            add_cldr(&territory.names, false, &mut add);
        }
        match &self.names {
            Names::PerLanguage(lists) => {
                for (language, list) in lists {
                    for name in list {
                        add(language, name.into(), true);
                    }
                }
            }
            Names::Unknown(list) => {
                for name in list {
                    add(UNKNOWN_LANGUAGE, name.into(), true);
                }
            }
        }
        if let Some(territory) = territory {
            add_cldr(&territory.capital, true, &mut add);
        }
        for (lists, weak) in [(&self.capitals, false), (&self.adjectives, true)] {
            for (language, list) in lists {
                for name in list {
                    let alias = Alias {
                        weak,
                        capital: !weak,
                        ..name.into()
                    };
                    add(language, alias, true);
                }
            }
        }
        if let (Some(code), None) = (&self.cldr, territory) {
            problems.push(self.invalid(format!("`cldr`: there is no territory `{code}`")));
        }
        names
    }
}

/// Whether a string may be an id of a registry.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len())
        && id.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && id
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-_.".contains(&b))
}

/// The form under which two aliases are the same.
pub(super) fn alias_key(alias: &Alias) -> String {
    canon_str(&alias.text)
}
