//! A sentence with gaps, and what it says once actors fill them.

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::IndexedRandom;
use serde::Deserialize;
use stance::actors::{ActorKind, Registry};
use stance::prediction::Stance;

/// How often a name is drawn anew because it is taken.
const TRIES: usize = 32;

/// A sentence with gaps: `{s1}` is a state, `{p1}` a person, `{g1}` a party, an armed group or an
/// organisation; the same gap twice is the same actor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub lang: String,
    pub text: String,
    pub stance: BTreeMap<String, Stance>,
}

/// A part of a template's text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Gap(&'a str),
}

/// A template with names in its gaps.
pub(super) struct Sentence {
    pub text: String,
    /// In the order of the gaps' names.
    pub targets: Vec<Target>,
}

/// An actor in a text.
pub(super) struct Target {
    pub name: String,
    /// Characters of the text.
    pub spans: Vec<[usize; 2]>,
    pub stance: Stance,
}

impl Template {
    /// What is wrong with the gaps.
    pub fn fault(&self) -> Option<String> {
        let parts = match parts(&self.text) {
            Ok(parts) => parts,
            Err(message) => return Some(message),
        };
        for part in &parts {
            if let Part::Gap(gap) = part
                && (kinds(gap).is_empty() || !self.stance.contains_key(*gap))
            {
                return Some(format!("gap {{{gap}}} has no kind or no `stance`"));
            }
        }
        let missing = |gap: &&String| !parts.contains(&Part::Gap(gap.as_str()));
        let gap = self.stance.keys().find(missing)?;
        Some(format!("`stance` has {gap}, `text` has no such gap"))
    }

    /// Fills the gaps: those of `given` with the names there, the others at random with names for
    /// which `taken` is false; `None` when there are too few.
    pub fn fill(
        &self,
        given: &BTreeMap<&str, String>,
        names: &mut Names,
        taken: &dyn Fn(&str) -> bool,
        rng: &mut impl Rng,
    ) -> Option<Sentence> {
        let mut chosen = given.clone();
        for gap in self.stance.keys() {
            if chosen.contains_key(gap.as_str()) {
                continue;
            }
            let names = names.of(&self.lang, gap);
            let free = |name: &&String| chosen.values().all(|n| n != *name) && !taken(name);
            let draws = (0..TRIES).filter_map(|_| names.choose(rng));
            let name = draws.into_iter().find(free)?.clone();
            chosen.insert(gap, name);
        }
        let (mut text, mut characters) = (String::new(), 0);
        let mut spans: BTreeMap<&str, Vec<[usize; 2]>> = BTreeMap::new();
        for part in parts(&self.text).ok()? {
            let piece = match part {
                Part::Text(piece) => piece,
                Part::Gap(gap) if text.ends_with('ل') => contracted(chosen.get(gap)?),
                Part::Gap(gap) => chosen.get(gap)?,
            };
            let end = characters + piece.chars().count();
            if let Part::Gap(gap) = part {
                spans.entry(gap).or_default().push([characters, end]);
            }
            text.push_str(piece);
            characters = end;
        }
        let target = |(gap, &stance): (&String, &Stance)| {
            Some(Target {
                name: chosen.remove(gap.as_str())?,
                spans: spans.remove(gap.as_str())?,
                stance,
            })
        };
        let targets = self.stance.iter().map(target).collect::<Option<_>>()?;
        Some(Sentence { text, targets })
    }
}

/// A name after the Arabic preposition li-, which takes up the alef of the article: ل and الهند are
/// للهند.
fn contracted(name: &str) -> &str {
    match name.strip_prefix('ا') {
        Some(rest) if rest.starts_with('ل') => rest,
        _ => name,
    }
}

/// The kinds of actors that may fill a gap.
pub(super) fn kinds(gap: &str) -> &'static [ActorKind] {
    match gap.chars().next() {
        Some('s') => &[ActorKind::State],
        Some('p') => &[ActorKind::Person],
        Some('g') => &[
            ActorKind::Party,
            ActorKind::ArmedGroup,
            ActorKind::Organisation,
        ],
        _ => &[],
    }
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (gap, after) = after
            .split_once('}')
            .ok_or_else(|| "a gap is not closed".to_owned())?;
        parts.push(Part::Text(before));
        parts.push(Part::Gap(gap));
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Names by language and first letter of the gap.
#[derive(Default)]
pub(super) struct Names(BTreeMap<(String, char), Vec<String>>);

impl Names {
    fn of(&mut self, language: &str, gap: &str) -> &[String] {
        let letter = gap.chars().next().unwrap_or_default();
        self.0
            .entry((language.to_owned(), letter))
            .or_insert_with(|| {
                let actors = Registry::embedded().iter();
                actors
                    .filter(|actor| kinds(gap).contains(&actor.kind))
                    .filter_map(|actor| {
                        let mut names = actor.aliases().filter(|(code, _)| *code == language);
                        names.find(|(_, n)| !(n.weak || n.capital || n.ambiguous))
                    })
                    .map(|(_, name)| name.text.clone())
                    .collect()
            })
    }
}
