//! Stage `templates`: labelled rows from sentences with gaps, filled with actors of the registry.
//!
//! Sets label the tone toward a target, in which an actor that suffers and one that is blamed look
//! alike: both stand in bad news. The sentences of `training/templates/` say who stands where: the
//! author is for the victim and against who harms it, reports what a person says without taking
//! sides, or tells bad news and no more. Names are drawn at random, so that the roles decide and not
//! the names (templates as in Ribeiro et al. 2020, `CheckList`, arXiv 2005.04118, here to train).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Deserialize;
use stance::actors::{ActorKind, Registry};
use stance::prediction::Stance;

use crate::data::record::{StanceRecord, TargetKind};
use crate::data::{DataError, lines};

/// Name of the set that the rows make.
const SET: &str = "templates";

/// How often a name is drawn anew because another gap has it.
const TRIES: usize = 32;

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The sentences: an object a line with `lang`, `text` and `stance`, a stance for every gap.
    #[arg(long, default_value = "training/templates/stance.jsonl")]
    pub templates: PathBuf,
    /// File for the rows, in the unified form that `prepare --extra` reads.
    #[arg(long)]
    pub out: PathBuf,
    /// How often each sentence is filled.
    #[arg(long, default_value_t = 24)]
    pub copies: usize,
    /// Seed of the names.
    #[arg(long, default_value_t = 17)]
    pub seed: u64,
}

/// A sentence with gaps: `{s1}` is a state, `{p1}` a person, `{g1}` a party, an armed group or an
/// organisation; the same gap twice is the same actor.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Template {
    lang: String,
    text: String,
    stance: BTreeMap<String, Stance>,
}

/// A part of a template's text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a str),
    Gap(&'a str),
}

/// Runs the stage.
///
/// # Errors
/// When the sentences cannot be read, a gap is not one of a known kind with a stance, or the disk
/// fails.
pub fn run(args: &Args) -> Result<(), DataError> {
    let templates = read(&args.templates)?;
    let mut names = Names::default();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut out = lines::create(&args.out)?;
    let mut rows = 0;
    for (number, template) in templates.iter().enumerate() {
        for copy in 0..args.copies {
            let id = format!("{SET}:{}:{copy}", number + 1);
            let Some(records) = fill(template, &id, &mut names, &mut rng) else {
                let message = format!("too few actors have a name in {:?}", template.lang);
                return Err(DataError::row(&args.templates, number + 1, message));
            };
            rows += records.len();
            for record in records {
                lines::write_row(&mut out, &args.out, &record)?;
            }
        }
    }
    out.flush()
        .map_err(|error| DataError::io(&args.out, error))?;
    println!("{} sentences, {rows} rows", templates.len());
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Template>, DataError> {
    let mut templates = Vec::new();
    for line in lines::Lines::open(path)? {
        let (row, line) = line?;
        let fault = |message: String| DataError::row(path, row, message);
        let template: Template =
            serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?;
        let parts = parts(&template.text).map_err(fault)?;
        for part in &parts {
            if let Part::Gap(gap) = part
                && (kinds(gap).is_empty() || !template.stance.contains_key(*gap))
            {
                return Err(fault(format!("gap {{{gap}}} has no kind or no `stance`")));
            }
        }
        if let Some(gap) = template.stance.keys().find(|gap| {
            let wanted = Part::Gap(gap.as_str());
            !parts.contains(&wanted)
        }) {
            return Err(fault(format!("`stance` has {gap}, `text` has no such gap")));
        }
        templates.push(template);
    }
    Ok(templates)
}

/// The kinds of actors that may fill a gap.
fn kinds(gap: &str) -> &'static [ActorKind] {
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
struct Names(BTreeMap<(String, char), Vec<String>>);

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

/// One row for each gap's actor; `None` when there are too few names.
fn fill(
    template: &Template,
    id: &str,
    names: &mut Names,
    rng: &mut impl Rng,
) -> Option<Vec<StanceRecord>> {
    let mut chosen: BTreeMap<&str, String> = BTreeMap::new();
    for gap in template.stance.keys() {
        let names = names.of(&template.lang, gap);
        let free = |name: &&String| chosen.values().all(|other| other != *name);
        let name = (0..TRIES)
            .filter_map(|_| names.choose(rng))
            .find(free)?
            .clone();
        chosen.insert(gap, name);
    }
    let mut text = String::new();
    let mut characters = 0;
    let mut spans: BTreeMap<&str, Vec<[usize; 2]>> = BTreeMap::new();
    for part in parts(&template.text).ok()? {
        let piece = match part {
            Part::Text(piece) => piece,
            Part::Gap(gap) => chosen.get(gap)?,
        };
        let end = characters + piece.chars().count();
        if let Part::Gap(gap) = part {
            spans.entry(gap).or_default().push([characters, end]);
        }
        text.push_str(piece);
        characters = end;
    }
    let record = |(gap, &stance): (&String, &Stance)| StanceRecord {
        id: format!("{id}:{gap}"),
        dataset: SET.to_owned(),
        lang: template.lang.clone(),
        text: text.clone(),
        target: chosen[gap.as_str()].clone(),
        target_alt: None,
        spans: spans[gap.as_str()].clone(),
        stance,
        raw_label: stance.as_str().to_owned(),
        target_kind: TargetKind::Actor,
        holder: None,
        context: None,
        doc: None,
        agreement: None,
    };
    Some(template.stance.iter().map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(template: &str, copies: usize) -> Result<Vec<StanceRecord>, DataError> {
        let folder = tempfile::tempdir().unwrap();
        let templates = folder.path().join("t.jsonl");
        std::fs::write(&templates, template).unwrap();
        let out = folder.path().join("rows.jsonl");
        run(&Args {
            templates,
            out: out.clone(),
            copies,
            seed: 3,
        })?;
        crate::data::record::read::<StanceRecord>(&out)?
            .map(|row| row.map(|(_, row)| row))
            .collect()
    }

    #[test]
    fn gaps_become_names_with_their_places() {
        let rows = rows(
            r#"{"lang": "ar", "text": "صمدت {s1} أمام {s2}، ونجت {s1}.", "stance": {"s1": "favor", "s2": "against"}}"#,
            5,
        )
        .unwrap();
        assert_eq!(rows.len(), 10);
        for row in &rows {
            let characters: Vec<char> = row.text.chars().collect();
            for span in &row.spans {
                let named: String = characters[span[0]..span[1]].iter().collect();
                assert_eq!(named, row.target);
            }
            let favor = row.id.ends_with("s1");
            assert_eq!(row.spans.len(), if favor { 2 } else { 1 });
            assert_eq!(row.stance == Stance::Favor, favor);
        }
        let texts: std::collections::BTreeSet<&str> = rows.iter().map(|r| &*r.text).collect();
        assert!(texts.len() > 3, "names are drawn anew: {texts:?}");
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line() {
        for (template, said) in [
            (
                r#"{"lang": "en", "text": "{s1} and {s2}", "stance": {"s1": "favor"}}"#,
                "{s2}",
            ),
            (
                r#"{"lang": "en", "text": "{s1}", "stance": {"s1": "favor", "p1": "favor"}}"#,
                "p1",
            ),
            (
                r#"{"lang": "en", "text": "{x1}", "stance": {"x1": "favor"}}"#,
                "{x1}",
            ),
            (
                r#"{"lang": "en", "text": "{s1", "stance": {"s1": "favor"}}"#,
                "closed",
            ),
            (
                r#"{"lang": "xx", "text": "{s1}", "stance": {"s1": "favor"}}"#,
                "\"xx\"",
            ),
        ] {
            let error = rows(template, 1).unwrap_err().to_string();
            assert!(error.contains("row 1") && error.contains(said), "{error}");
        }
    }

    #[test]
    fn the_sentences_of_the_repository_can_be_filled() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates/stance.jsonl");
        let templates = read(&folder).unwrap();
        assert!(templates.len() > 200);
        let (mut names, mut rng) = (Names::default(), ChaCha8Rng::seed_from_u64(1));
        for template in &templates {
            assert!(
                fill(template, "1", &mut names, &mut rng).is_some(),
                "{template:?}"
            );
        }
    }
}
