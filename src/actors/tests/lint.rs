//! The embedded data: complete, consistent, without traps.

use super::*;
use std::collections::BTreeMap;

/// Every language that the registry names states in.
const LANGUAGES: [&str; 15] = [
    "ar", "en", "ru", "fr", "de", "es", "fa", "tr", "he", "zh", "it", "pt", "uk", "hi", "ur",
];

#[test]
fn embedded_files_have_no_problems() {
    for (name, text) in super::super::data::FILES {
        let file = super::super::check::parse(std::path::Path::new(name), text).unwrap();
        let problems = Registry::default()
            .validate(&file)
            .err()
            .unwrap_or_default();
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{name}:\n{}", shown.join("\n"));
    }
    let all: Vec<Actor> = Registry::embedded().iter().cloned().collect();
    let shared: Vec<String> = super::super::registry::duplicates([].iter(), &all)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert!(shared.is_empty(), "{}", shared.join("\n"));
}

#[test]
fn there_are_enough_actors_of_every_kind() {
    let mut kinds: BTreeMap<ActorKind, usize> = BTreeMap::new();
    for actor in Registry::embedded().iter() {
        *kinds.entry(actor.kind).or_default() += 1;
    }
    assert!(Registry::embedded().len() >= 400);
    for (kind, least) in [
        (ActorKind::State, 197),
        (ActorKind::Person, 200),
        (ActorKind::Party, 50),
        (ActorKind::ArmedGroup, 30),
        (ActorKind::Organisation, 50),
        (ActorKind::Bloc, 10),
    ] {
        assert!(kinds[&kind] >= least, "{kind:?}: {}", kinds[&kind]);
    }
}

#[test]
fn states_have_names_and_most_have_capitals_in_every_language() {
    let mut without_capital = Vec::new();
    for actor in Registry::embedded()
        .iter()
        .filter(|actor| actor.kind == ActorKind::State)
    {
        for language in LANGUAGES {
            let named = actor
                .names
                .get(language)
                .is_some_and(|names| names.iter().any(|name| !name.weak && !name.capital));
            assert!(named, "{} has no name in {language}", actor.id);
        }
        let capital = |language: &str| actor.names[language].iter().any(|name| name.capital);
        if !(capital("en") && capital("ar")) {
            without_capital.push(actor.id.as_str());
        }
    }
    assert!(without_capital.len() < 60, "{without_capital:?}");
    for id in [
        "united-states",
        "china",
        "turkey",
        "india",
        "united-arab-emirates",
        "pakistan",
        "russia",
        "syria",
    ] {
        let actor = Registry::embedded().get(id).unwrap();
        for language in LANGUAGES {
            assert!(
                actor.names[language].iter().any(|name| name.capital),
                "{id} has no capital in {language}"
            );
        }
    }
}

#[test]
fn every_actor_has_an_english_and_nearly_every_one_an_arabic_name() {
    let plain = |actor: &Actor, language: &str| {
        actor
            .names
            .get(language)
            .is_some_and(|names| names.iter().any(|name| !name.weak && !name.capital))
    };
    let mut missing = Vec::new();
    for actor in Registry::embedded().iter() {
        assert!(plain(actor, "en"), "{}", actor.id);
        if !plain(actor, "ar") {
            missing.push(actor.id.as_str());
        }
    }
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn names_are_long_enough_and_clean() {
    for actor in Registry::embedded().iter() {
        for (language, alias) in actor.aliases() {
            let letters = alias.text.chars().filter(|c| c.is_alphanumeric()).count();
            assert!(letters >= 2, "{}: `{}`", actor.id, alias.text);
            let odd = |c: char| {
                matches!(c, '?' | '*' | '^' | '@' | ';' | '|' | '=' | '/')
                    && !(c == '/' && alias.text.contains('/'))
            };
            assert!(
                !alias.text.contains(odd),
                "{} ({language}): `{}`",
                actor.id,
                alias.text
            );
            assert_eq!(alias.text.trim(), alias.text, "{}", actor.id);
            // Two letters in a cased script are no name unless written in capitals.
            let acronym = alias.text.chars().all(|c| !c.is_lowercase());
            assert!(
                letters > 2 || acronym || alias.ambiguous || alias.local,
                "{}: `{}`",
                actor.id,
                alias.text
            );
        }
    }
}

#[test]
fn aliases_are_written_in_the_script_of_their_language() {
    let in_script = |language: &str, c: char| match language {
        "ar" | "fa" | "ur" => ('\u{600}'..='\u{6FF}').contains(&c) || c.is_ascii_digit(),
        "ru" | "uk" => ('\u{400}'..='\u{52F}').contains(&c),
        "he" => ('\u{590}'..='\u{5FF}').contains(&c),
        "hi" => ('\u{900}'..='\u{97F}').contains(&c),
        "zh" | "ja" => c as u32 > 0x2E80 || c == '·',
        _ => super::super::inflect::is_latin(c),
    };
    for actor in Registry::embedded().iter() {
        for (language, alias) in actor.aliases() {
            // Names such as "G20" and "YPG" stand in Latin letters everywhere.
            let ascii = alias.text.is_ascii();
            let first = alias.text.chars().find(|c| c.is_alphanumeric()).unwrap();
            assert!(
                ascii || in_script(language, first) || first.is_ascii_digit(),
                "{} ({language}): `{}`",
                actor.id,
                alias.text
            );
        }
    }
}

#[test]
fn wikidata_items_are_used_once() {
    let mut seen = BTreeMap::new();
    for actor in Registry::embedded().iter() {
        if let Some(item) = &actor.wikidata {
            assert!(
                seen.insert(item.clone(), actor.id.clone()).is_none(),
                "{item}: {} and {}",
                actor.id,
                seen[item]
            );
        }
    }
    assert!(seen.len() > 150);
}

#[test]
fn every_plain_name_is_found_as_itself() {
    let mut lost = Vec::new();
    let mut tried = 0;
    for actor in Registry::embedded().iter() {
        for (language, alias) in actor.aliases() {
            // A name of letter names ("سی این این") may read as words of another language.
            let canon = super::super::canon::canon_str(&alias.text);
            let vote = super::super::language::vote(&canon);
            let foreign = vote & !super::super::language::bit(language) != 0;
            if alias.weak || alias.ambiguous || alias.local || foreign {
                continue;
            }
            tried += 1;
            let hit = matcher()
                .find(&alias.text)
                .iter()
                .any(|mention| matcher().actors()[mention.actor].id == actor.id);
            if !hit {
                lost.push(format!("{}: {}", actor.id, alias.text));
            }
        }
    }
    assert!(tried > 5000);
    assert!(
        lost.is_empty(),
        "{} of {tried}:\n{}",
        lost.len(),
        lost.join("\n")
    );
}
