//! Finds actors in a text.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use super::actor::{Alias, UNKNOWN_LANGUAGE};
use super::canon::{Canon, canon_str};
use super::error::ActorError;
use super::index::{Index, IndexBuilder};
use super::matched::{CUSTOM_KIND, MatchedActor};
use super::registry::Registry;
use super::resolve::{longest, settle};
use crate::document::ActorSpec;

/// How many names a request may give to one actor.
pub const MAX_NAMES: usize = 1000;
/// How long a name of a request may be, in bytes.
pub const MAX_NAME_BYTES: usize = 512;
/// How long an id of a request may be, in bytes.
pub const MAX_ID_BYTES: usize = 256;

/// A place where a text names an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // independent facts about a mention
pub struct Mention {
    /// Index into [`Matcher::actors`].
    pub actor: usize,
    /// Bytes of the text, on character boundaries. Clitics in front of a name are outside,
    /// its article and endings inside.
    pub span: Range<usize>,
    /// Only an adjective, such as "Syrian".
    pub weak: bool,
    /// The capital in place of the government, such as "Moscow".
    pub capital: bool,
    /// A name that also means something else, which the rest of the text decided.
    pub ambiguous: bool,
    /// A name that takes sides itself, such as "Zionist entity".
    pub loaded: bool,
}

/// Marks actors of the registry that a matcher does not report.
const NOT_SELECTED: u32 = u32::MAX;

/// Finds the actors of a registry, or those of a request, in a text.
///
/// Building one over the embedded registry is cheap after the first time; one for a request
/// compiles the request's names alone.
#[derive(Debug)]
pub struct Matcher {
    actors: Arc<[MatchedActor]>,
    /// The registry's automaton, with the matcher's index of each of its actors.
    registry: Option<(Arc<Index>, Vec<u32>)>,
    /// The automaton over the names that the request brought.
    request: Option<Index>,
    /// The actors were asked for by name, so that every mention counts.
    requested: bool,
}

impl Matcher {
    /// Finds the actors of a registry, all of them or those of `restrict`.
    ///
    /// # Errors
    /// `unknown_actor` for an id in `restrict` that the registry does not have,
    /// `duplicate_actor` for one that is there twice.
    pub fn new(registry: &Registry, restrict: Option<&[String]>) -> Result<Self, ActorError> {
        let compiled = registry.compiled()?;
        let all = registry.len();
        let (actors, selected) = match restrict {
            None => (Arc::clone(&compiled.actors), (0..all as u32).collect()),
            Some(ids) => {
                let mut actors = Vec::with_capacity(ids.len());
                let mut selected = vec![NOT_SELECTED; all];
                for id in ids {
                    let at = registry.position(id).ok_or_else(|| registry.unknown(id))?;
                    if selected[at] != NOT_SELECTED {
                        return Err(ActorError::DuplicateActor { id: id.clone() });
                    }
                    selected[at] = actors.len() as u32;
                    actors.push(compiled.actors[at].clone());
                }
                (actors.into(), selected)
            }
        };
        Ok(Self {
            actors,
            registry: Some((Arc::clone(&compiled.index), selected)),
            request: None,
            requested: false,
        })
    }

    /// Finds the actors of a request, in its order.
    ///
    /// An id of the registry brings that entry's names when `names` is empty. An actor with
    /// `spans` and no names is never found here, and still one of [`Matcher::actors`].
    ///
    /// # Errors
    /// `unknown_actor` for an id that is not in the registry and has neither names nor spans,
    /// `duplicate_actor`, and `invalid_actor` for an empty or overlong id or name.
    pub fn for_specs(specs: &[ActorSpec], registry: &Registry) -> Result<Self, ActorError> {
        let mut seen = HashSet::new();
        let mut builder = IndexBuilder::default();
        let mut actors = Vec::with_capacity(specs.len());
        let mut selected: Option<Vec<u32>> = None;
        for (at, spec) in specs.iter().enumerate() {
            validate(spec)?;
            if !seen.insert(spec.id.as_str()) {
                return Err(ActorError::DuplicateActor {
                    id: spec.id.clone(),
                });
            }
            let known = registry.position(&spec.id);
            let has_spans = spec.spans.as_ref().is_some_and(|spans| !spans.is_empty());
            match known {
                Some(position) if spec.names.is_empty() => {
                    actors.push(registry.compiled()?.actors[position].clone());
                    selected.get_or_insert_with(|| vec![NOT_SELECTED; registry.len()])[position] =
                        at as u32;
                    continue;
                }
                None if spec.names.is_empty() && !has_spans => {
                    return Err(registry.unknown(&spec.id));
                }
                _ => {}
            }
            for name in &spec.names {
                builder.add(
                    at as u32,
                    None,
                    UNKNOWN_LANGUAGE,
                    &Alias::plain(name.trim()),
                );
            }
            let names = match spec.names.as_slice() {
                [] => BTreeMap::new(),
                names => BTreeMap::from([(UNKNOWN_LANGUAGE.to_owned(), names.to_vec())]),
            };
            let kind = registry
                .get(&spec.id)
                .map_or(CUSTOM_KIND, |actor| actor.kind.as_str());
            actors.push(MatchedActor {
                id: spec.id.clone(),
                kind: kind.to_owned(),
                names,
            });
        }
        let registry = match selected {
            Some(selected) => Some((Arc::clone(&registry.compiled()?.index), selected)),
            None => None,
        };
        Ok(Self {
            actors: actors.into(),
            registry,
            request: Some(builder.build(specs.len())?),
            requested: true,
        })
    }

    /// The actors that this matcher looks for; [`Mention::actor`] counts in it.
    pub fn actors(&self) -> &[MatchedActor] {
        &self.actors
    }

    /// Whether the actors come from a request: then each of them is to be judged, mentioned or
    /// not, and weak and ambiguous mentions count without support.
    pub fn is_requested(&self) -> bool {
        self.requested
    }

    /// Every mention, in the order of the text, not overlapping.
    ///
    /// Of overlapping names the longest wins, also when it belongs to an actor that is not
    /// looked for. Actors of the registry need support: a name that is neither an adjective
    /// nor ambiguous, or an ambiguous one together with an adjective or behind a title.
    /// Texts of 4 GiB and more, which [`crate::text::Limits`] rules out, have no mentions.
    pub fn find(&self, text: &str) -> Vec<Mention> {
        if u32::try_from(text.len()).is_err() {
            return Vec::new();
        }
        let canon = Canon::new(text);
        let mut found = Vec::new();
        if let Some((index, selected)) = &self.registry {
            let mut groups = longest(index.candidates(text, &canon));
            let local = |actor: u32| {
                selected
                    .get(actor as usize)
                    .copied()
                    .unwrap_or(NOT_SELECTED)
            };
            if self.requested {
                for group in &mut groups {
                    group.retain(|candidate| local(candidate.actor) != NOT_SELECTED);
                }
            }
            for mut candidate in settle(groups, &canon.text, self.requested) {
                candidate.actor = local(candidate.actor);
                if candidate.actor != NOT_SELECTED {
                    found.push(candidate);
                }
            }
        }
        if let Some(index) = &self.request {
            let own = index.candidates(text, &canon);
            if !own.is_empty() {
                found.extend(own);
                found = settle(longest(found), &canon.text, true);
            }
        }
        found.sort_unstable_by_key(|candidate| candidate.start);
        found
            .into_iter()
            .map(|candidate| Mention {
                actor: candidate.actor as usize,
                span: canon.to_source(candidate.start..candidate.end),
                weak: candidate.weak,
                capital: candidate.capital,
                ambiguous: candidate.ambiguous,
                loaded: candidate.loaded,
            })
            .collect()
    }

    /// How many patterns the automata have, for measurements.
    pub fn patterns(&self) -> usize {
        self.registry
            .as_ref()
            .map_or(0, |(index, _)| index.patterns())
            + self.request.as_ref().map_or(0, Index::patterns)
    }
}

/// What a request may say about an actor.
fn validate(spec: &ActorSpec) -> Result<(), ActorError> {
    let invalid = |reason: String| {
        Err(ActorError::InvalidActor {
            id: spec.id.clone(),
            reason,
        })
    };
    if spec.id.trim().is_empty() {
        return invalid("`id` must not be empty".to_owned());
    }
    if spec.id.len() > MAX_ID_BYTES {
        return invalid(format!(
            "`id` has {} bytes, at most {MAX_ID_BYTES} are allowed",
            spec.id.len()
        ));
    }
    if spec.names.len() > MAX_NAMES {
        return invalid(format!(
            "`names` has {} names, at most {MAX_NAMES} are allowed",
            spec.names.len()
        ));
    }
    for (at, name) in spec.names.iter().enumerate() {
        if canon_str(name).is_empty() {
            return invalid(format!("`names[{at}]` is empty"));
        }
        if name.len() > MAX_NAME_BYTES {
            return invalid(format!(
                "`names[{at}]` has {} bytes, at most {MAX_NAME_BYTES} are allowed",
                name.len()
            ));
        }
    }
    Ok(())
}
