//! Stage `templates`: labelled rows from sentences with gaps, filled with actors of the registry.
//!
//! Sets label the tone toward a target, in which an actor that suffers and one that is blamed look
//! alike: both stand in bad news. The sentences of `training/templates/` say who stands where: the
//! author is for the victim and against who harms it, reports what a person says without taking
//! sides, or tells bad news and no more. Names are drawn at random, so that the roles decide and not
//! the names (templates as in Ribeiro et al. 2020, `CheckList`, arXiv 2005.04118, here to train).
//! With `--articles` the sentences also stand in runs of news, as a column's do.

mod document;
mod sentence;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use stance::actors::{ActorError, Matcher, Registry};

use self::document::Maker;
use self::sentence::{Names, Target, Template};
use crate::data::record::{self, StanceRecord, TargetKind, TopicRecord};
use crate::data::{DataError, lines};
use crate::train::draw::Draw;

/// Name of the set that filled sentences make.
const SET: &str = "templates";

/// Name of the set that documents make.
const DOCUMENTS: &str = "template_documents";

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
    /// News articles to put sentences into: `topic.jsonl` of `prepare`. Short ones are left out, those
    /// that name fewer than two actors, and those in languages without sentences.
    #[arg(long)]
    pub articles: Option<PathBuf>,
    /// Documents that are made of the articles.
    #[arg(long, default_value_t = 3000)]
    pub documents: usize,
    /// Seed of the names.
    #[arg(long, default_value_t = 17)]
    pub seed: u64,
}

/// Why the stage ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TemplatesError {
    /// The sentences or articles cannot be read, or the rows not be written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The registry's matcher cannot be built.
    #[error(transparent)]
    Actors(#[from] ActorError),
}

/// Runs the stage.
///
/// # Errors
/// When the sentences or articles cannot be read, a gap is not one of a known kind with a stance,
/// or the disk fails.
pub fn run(args: &Args) -> Result<(), TemplatesError> {
    let templates = read(&args.templates)?;
    let mut names = Names::default();
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut out = lines::create(&args.out)?;
    let mut rows = 0;
    for (number, template) in templates.iter().enumerate() {
        for copy in 0..args.copies {
            let id = format!("{SET}:{}:{copy}", number + 1);
            let filled = template.fill(&BTreeMap::new(), &mut names, &|_| false, &mut rng);
            let Some(filled) = filled else {
                let message = format!("too few actors have a name in {:?}", template.lang);
                return Err(DataError::row(&args.templates, number + 1, message).into());
            };
            for record in records(SET, &id, &template.lang, &filled.text, filled.targets) {
                lines::write_row(&mut out, &args.out, &record)?;
                rows += 1;
            }
        }
    }
    println!("{} sentences, {rows} rows", templates.len());
    if let Some(path) = &args.articles {
        let registry = Registry::embedded();
        let maker = Maker::new(&templates, Matcher::new(registry, None)?);
        let articles = articles(path, &maker)?;
        // A language with four times the articles gets twice the documents.
        let weights = articles.values().map(|some| (some.len() as f64).sqrt());
        let languages = Draw::new("articles of a language", weights)
            .map_err(|error| DataError::row(path, 0, format!("no article fits: {error}")))?;
        let groups: Vec<&Vec<TopicRecord>> = articles.values().collect();
        let (mut documents, mut rows) = (0, 0);
        for number in 0..args.documents {
            let Some(article) = groups[languages.number(&mut rng)].choose(&mut rng) else {
                continue;
            };
            let Some(made) = maker.document(article, &mut names, &mut rng) else {
                continue;
            };
            documents += 1;
            let id = format!("{DOCUMENTS}:{number}");
            for record in records(DOCUMENTS, &id, &article.lang, &made.text, made.targets) {
                lines::write_row(&mut out, &args.out, &record)?;
                rows += 1;
            }
        }
        let count: usize = groups.iter().map(|some| some.len()).sum();
        println!("{count} articles, {documents} documents, {rows} rows");
    }
    out.flush()
        .map_err(|error| DataError::io(&args.out, error))?;
    Ok(())
}

fn read(path: &Path) -> Result<Vec<Template>, DataError> {
    let mut templates = Vec::new();
    for line in lines::Lines::open(path)? {
        let (row, line) = line?;
        let fault = |message: String| DataError::row(path, row, message);
        let template: Template =
            serde_json::from_str(&line).map_err(|error| fault(error.to_string()))?;
        if let Some(message) = template.fault() {
            return Err(fault(message));
        }
        templates.push(template);
    }
    Ok(templates)
}

/// The articles that documents can be made of, by language.
fn articles(
    path: &Path,
    maker: &Maker<'_>,
) -> Result<BTreeMap<String, Vec<TopicRecord>>, DataError> {
    let mut articles: BTreeMap<String, Vec<TopicRecord>> = BTreeMap::new();
    for row in record::read::<TopicRecord>(path)? {
        let (_, article) = row?;
        if maker.takes(&article) {
            articles
                .entry(article.lang.clone())
                .or_default()
                .push(article);
        }
    }
    Ok(articles)
}

/// One row for each target of a text.
fn records<'a>(
    set: &'a str,
    id: &'a str,
    language: &'a str,
    text: &'a str,
    targets: Vec<Target>,
) -> impl Iterator<Item = StanceRecord> + 'a {
    let targets = targets.into_iter().enumerate();
    targets.map(move |(number, target)| StanceRecord {
        id: format!("{id}:{number}"),
        dataset: set.to_owned(),
        lang: language.to_owned(),
        text: text.to_owned(),
        target: target.name,
        target_alt: None,
        spans: target.spans,
        stance: target.stance,
        raw_label: target.stance.as_str().to_owned(),
        target_kind: TargetKind::Actor,
        holder: None,
        context: None,
        doc: None,
        agreement: None,
    })
}

#[cfg(test)]
mod tests {
    use stance::prediction::Stance;

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
            articles: None,
            documents: 0,
            seed: 3,
        })
        .map_err(|error| match error {
            TemplatesError::Data(error) => error,
            TemplatesError::Actors(error) => panic!("{error}"),
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
            let favor = row.id.ends_with(":0");
            assert_eq!(row.spans.len(), if favor { 2 } else { 1 });
            assert_eq!(row.stance == Stance::Favor, favor);
        }
        let texts: std::collections::BTreeSet<&str> = rows.iter().map(|r| &*r.text).collect();
        assert!(texts.len() > 3, "names are drawn anew: {texts:?}");
    }

    #[test]
    fn the_arabic_preposition_takes_up_the_article() {
        let template = r#"{"lang": "ar", "text": "تحية ل{s1}.", "stance": {"s1": "favor"}}"#;
        let rows = rows(template, 60).unwrap();
        let with_article = rows.iter().filter(|row| row.target.starts_with("ال"));
        assert!(with_article.clone().count() > 5);
        for row in with_article {
            let rest: String = row.target.chars().skip(1).collect();
            assert_eq!(row.text, format!("تحية ل{rest}."));
            let characters = row.text.chars().count();
            assert_eq!(row.spans, [[6, characters - 1]]);
        }
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
            let filled = template.fill(&BTreeMap::new(), &mut names, &|_| false, &mut rng);
            assert!(filled.is_some(), "{template:?}");
        }
    }
}
