//! The actors of a matcher, as the later stages need them.

use std::collections::BTreeMap;

use super::actor::{Actor, UNKNOWN_LANGUAGE};
use super::boundary::{Script, script};

/// Letters of a text that tell its script.
const SCRIPT_SAMPLE: usize = 400;

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

    /// The name that stands in front of `text`, which is in `language` and never mentions the
    /// actor: the one of the language, else the first in the script of the text, else the one to
    /// show.
    pub fn query_name(&self, language: &str, text: &str) -> &str {
        let fits = |name: &&String| name.chars().find(|c| c.is_alphabetic()).map(script);
        let wanted = main_script(text);
        self.names
            .get(language)
            .and_then(|names| names.first())
            .or_else(|| {
                let mut names = self.names.values().flatten();
                names.find(|name| wanted.is_some() && fits(name) == wanted)
            })
            .map_or_else(|| self.name(language), String::as_str)
    }
}

/// The script of most of the first letters of `text`.
fn main_script(text: &str) -> Option<Script> {
    let mut counts: Vec<(Script, usize)> = Vec::new();
    for script in text
        .chars()
        .filter(|c| c.is_alphabetic())
        .take(SCRIPT_SAMPLE)
        .map(script)
    {
        match counts.iter_mut().find(|(s, _)| *s == script) {
            Some((_, count)) => *count += 1,
            None => counts.push((script, 1)),
        }
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count);
    most.map(|(script, _)| script)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::MatchedActor;

    #[test]
    fn a_name_in_the_script_of_the_text_is_asked_for() {
        let actor = |names: &[(&str, &[&str])]| MatchedActor {
            id: "a".into(),
            kind: "custom".into(),
            names: names
                .iter()
                .map(|(language, names)| {
                    let names = names.iter().map(|&n| n.to_owned()).collect();
                    ((*language).to_owned(), names)
                })
                .collect::<BTreeMap<_, _>>(),
        };
        let both = actor(&[("und", &["online learning", "التعليم عن بعد"])]);
        assert_eq!(both.query_name("ar", "هذا نص #OK"), "التعليم عن بعد");
        assert_eq!(both.query_name("en", "a text"), "online learning");
        assert_eq!(both.query_name("ru", "текст"), "online learning");
        assert_eq!(both.query_name("und", "12 :-)"), "online learning");
        let known = actor(&[("en", &["Russia"]), ("ar", &["روسيا"])]);
        assert_eq!(known.query_name("fa", "این یک متن است"), "روسيا");
        assert_eq!(known.query_name("en", "روسيا"), "Russia");
        assert_eq!(actor(&[]).query_name("en", "text"), "a");
    }
}
