//! The registry: every actor that is known without the caller naming it.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use rayon::prelude::*;

use super::actor::{Actor, Alias};
use super::canon::canon_str;
use super::error::ActorError;
use super::index::{Index, IndexBuilder, NOBODY};
use super::matched::MatchedActor;
use super::source::{Entry, RegistryFile, Territories, alias_key};
use super::{check, data};

/// Actors by id, with the automaton over their names, which is built at the first use.
#[derive(Debug, Default)]
pub struct Registry {
    actors: Vec<Actor>,
    by_id: HashMap<String, usize>,
    compiled: OnceLock<Compiled>,
}

/// The automaton and the actors as matchers show them.
#[derive(Debug, Clone)]
pub(super) struct Compiled {
    pub(super) index: Arc<Index>,
    pub(super) actors: Arc<[MatchedActor]>,
}

impl Registry {
    /// The registry that comes with the program (`models/actors/`), parsed once.
    ///
    /// # Panics
    /// Never: a test parses and checks the same files.
    #[allow(clippy::expect_used)] // the embedded files are checked by a test
    pub fn embedded() -> &'static Self {
        static EMBEDDED: OnceLock<Registry> = OnceLock::new();
        EMBEDDED.get_or_init(|| {
            let mut registry = Self::default();
            let cldr = data::territories().expect("embedded CLDR names parse");
            for (name, text) in data::FILES {
                let file = check::parse(Path::new(name), text).expect("embedded registry parses");
                for entry in &file.actor {
                    if let (Some(actor), _) = entry.build(&cldr) {
                        registry.insert(actor);
                    }
                }
            }
            registry
        })
    }

    /// The embedded registry extended by files, in this order.
    pub fn load<P: AsRef<Path>>(paths: &[P]) -> Result<Self, ActorError> {
        let mut registry = Self::embedded().clone();
        for path in paths {
            registry.extend(path.as_ref())?;
        }
        Ok(registry)
    }

    /// A registry of files alone.
    pub fn from_files<P: AsRef<Path>>(paths: &[P]) -> Result<Self, ActorError> {
        let mut registry = Self::default();
        for path in paths {
            registry.extend(path.as_ref())?;
        }
        Ok(registry)
    }

    /// Adds the actors of a TOML or JSON file. An actor whose id is known gets the names in
    /// addition to its own and must be of the same kind.
    ///
    /// The first problem is the error and leaves the registry as it was; [`check()`](super::check())
    /// lists them all.
    pub fn extend(&mut self, path: &Path) -> Result<(), ActorError> {
        let file = check::parse(path, &check::read(path)?)?;
        let actors = self
            .validate(&file)
            .map_err(|mut problems| problems.swap_remove(0))?;
        for actor in actors {
            self.insert(actor);
        }
        Ok(())
    }

    /// The actor of that id.
    pub fn get(&self, id: &str) -> Option<&Actor> {
        self.by_id.get(id).map(|&at| &self.actors[at])
    }

    /// Every actor, in the order of the files.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Actor> {
        self.actors.iter()
    }

    /// How many actors there are.
    pub fn len(&self) -> usize {
        self.actors.len()
    }

    /// Whether there is no actor.
    pub fn is_empty(&self) -> bool {
        self.actors.is_empty()
    }

    /// The actors that `text` may refer to, the best first: a name or the id is `text`; begins
    /// with it; has a word that begins with it; contains it. Spelling is folded as in matching.
    pub fn find(&self, text: &str) -> Vec<&Actor> {
        let wanted = canon_str(text);
        if wanted.is_empty() {
            return Vec::new();
        }
        let mut ranked: Vec<((u8, bool, usize), &Actor)> = self
            .actors
            .iter()
            .filter_map(|actor| {
                let id = (
                    rank(&actor.id.replace('-', " "), &wanted)?,
                    false,
                    actor.id.len(),
                );
                Some((id, actor))
            })
            .chain(self.actors.iter().flat_map(|actor| {
                let wanted = &wanted;
                actor.aliases().filter_map(move |(_, alias)| {
                    let key = alias_key(alias);
                    Some((
                        (
                            rank(&key, wanted)?,
                            alias.weak || alias.ambiguous,
                            key.len(),
                        ),
                        actor,
                    ))
                })
            }))
            .collect();
        ranked.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.id.cmp(&b.1.id)));
        let mut seen = HashSet::new();
        ranked.retain(|(_, actor)| seen.insert(actor.id.as_str()));
        ranked.into_iter().map(|(_, actor)| actor).collect()
    }

    /// The actors of a file, or everything that is wrong with them.
    pub(super) fn validate(&self, file: &RegistryFile) -> Result<Vec<Actor>, Vec<ActorError>> {
        let mut problems = Vec::new();
        let cldr = match data::territories() {
            Ok(cldr) => cldr,
            Err(error) => {
                problems.push(error);
                Territories::default()
            }
        };
        let mut ids = HashSet::new();
        let mut actors = Vec::new();
        for entry in &file.actor {
            let (actor, mut wrong) = entry.build(&cldr);
            problems.append(&mut wrong);
            if !ids.insert(entry.id.as_str()) {
                problems.push(ActorError::DuplicateActor {
                    id: entry.id.clone(),
                });
            }
            problems.extend(self.kind_conflict(entry));
            actors.extend(actor);
        }
        problems.extend(duplicates(self.actors.iter(), &actors));
        if problems.is_empty() {
            Ok(actors)
        } else {
            Err(problems)
        }
    }

    /// An entry that extends an actor of another kind.
    fn kind_conflict(&self, entry: &Entry) -> Option<ActorError> {
        let known = self.get(&entry.id)?;
        (known.kind.as_str() != entry.kind).then(|| ActorError::InvalidActor {
            id: entry.id.clone(),
            reason: format!(
                "`kind` is `{}`, but the registry has this actor as `{}`",
                entry.kind,
                known.kind.as_str()
            ),
        })
    }

    /// Adds an actor, or its names to the actor of the same id.
    fn insert(&mut self, actor: Actor) {
        self.compiled = OnceLock::new();
        let Some(&at) = self.by_id.get(&actor.id) else {
            self.by_id.insert(actor.id.clone(), self.actors.len());
            self.actors.push(actor);
            return;
        };
        let known = &mut self.actors[at];
        known.wikidata = known.wikidata.take().or(actor.wikidata);
        for (language, aliases) in actor.names {
            let list = known.names.entry(language).or_default();
            for alias in aliases {
                if !list.contains(&alias) {
                    list.push(alias);
                }
            }
        }
    }

    /// The automaton over all names, built at the first call.
    pub(super) fn compiled(&self) -> Result<&Compiled, ActorError> {
        /// Enough work to be worth a thread.
        const CHUNK: usize = 64;
        if let Some(compiled) = self.compiled.get() {
            return Ok(compiled);
        }
        let parts: Vec<IndexBuilder> = self
            .actors
            .par_chunks(CHUNK)
            .enumerate()
            .map(|(chunk, actors)| {
                let mut part = IndexBuilder::default();
                for (at, actor) in actors.iter().enumerate() {
                    for (language, alias) in actor.aliases() {
                        let at = (chunk * CHUNK + at) as u32;
                        part.add(at, Some(actor.kind), language, alias);
                    }
                }
                part
            })
            .collect();
        let mut builder = IndexBuilder::default();
        for part in parts {
            builder.append(part);
        }
        for (language, phrase) in data::not_actors() {
            builder.add(NOBODY, None, language, &Alias::parse(phrase));
        }
        let compiled = Compiled {
            index: builder.build(self.actors.len())?.shared(),
            actors: self.actors.iter().map(MatchedActor::from).collect(),
        };
        Ok(self.compiled.get_or_init(|| compiled))
    }

    /// Where an actor is in [`Registry::iter`].
    pub(super) fn position(&self, id: &str) -> Option<usize> {
        self.by_id.get(id).copied()
    }

    /// The error for an id that is not here, with the nearest ids.
    pub(super) fn unknown(&self, id: &str) -> ActorError {
        let near: Vec<String> = self
            .find(&id.replace(['-', '_'], " "))
            .iter()
            .take(3)
            .map(|actor| format!("`{}`", actor.id))
            .collect();
        let hint = if near.is_empty() {
            String::new()
        } else {
            format!(" (did you mean {}?)", near.join(" or "))
        };
        ActorError::UnknownActor {
            id: id.to_owned(),
            hint,
        }
    }
}

impl Clone for Registry {
    fn clone(&self) -> Self {
        Self {
            actors: self.actors.clone(),
            by_id: self.by_id.clone(),
            compiled: OnceLock::new(),
        }
    }
}

/// How well a name fits what is looked for, 0 being best.
fn rank(name: &str, wanted: &str) -> Option<u8> {
    if name == wanted {
        Some(0)
    } else if name.starts_with(wanted) {
        Some(1)
    } else if name.split(' ').any(|word| {
        word.starts_with(wanted)
            || word
                .strip_prefix("ال")
                .is_some_and(|bare| bare.starts_with(wanted))
    }) || name.contains(&format!(" {wanted}"))
    {
        Some(2)
    } else {
        name.contains(wanted).then_some(3)
    }
}

/// Names that two actors share without both flagging them.
pub(super) fn duplicates<'a>(
    known: impl Iterator<Item = &'a Actor>,
    added: &'a [Actor],
) -> Vec<ActorError> {
    let mut owners: HashMap<String, Vec<(&str, bool)>> = HashMap::new();
    let mut problems = Vec::new();
    let mut visit = |actor: &'a Actor, report: bool| {
        for (_, alias) in actor.aliases() {
            let flagged = alias.ambiguous || alias.weak;
            let holders = owners.entry(alias_key(alias)).or_default();
            let clash = holders
                .iter()
                .find(|(id, ok)| *id != actor.id && !(*ok && flagged));
            if let (true, Some((first, _))) = (report, clash) {
                problems.push(ActorError::DuplicateAlias {
                    alias: alias.text.clone(),
                    first: (*first).to_owned(),
                    second: actor.id.clone(),
                });
            }
            holders.push((&actor.id, flagged));
        }
    };
    for actor in known {
        visit(actor, false);
    }
    for actor in added {
        visit(actor, true);
    }
    problems
}
