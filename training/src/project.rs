//! Stage `project`: what a model says of English sentences becomes labels of their translations.
//!
//! Annotations are projected through parallel text (Yarowsky, Ngai & Wicentowski 2001, H01-1035)
//! with a finetuned model as the annotator: where both sides of a pair name the same actor of the
//! registry, and the model is sure of the stance in the English sentence, the other sentence is a
//! labelled row of its language. Languages without labelled sets learn from these rows that the
//! words decide, and not the language.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use candle_core::Device;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use stance::actors::{ActorError, Matcher, Registry};
use stance::document::{Document, Options};
use stance::encoder::dtype::DtypeChoice;
use stance::encoder::hub::HubOptions;
use stance::engine::{DocumentLimits, Judge};
use stance::predict::{PredictError, Predictor};
use stance::prediction::{ActorStance, DocumentResult, Stance};

use crate::data::corpus::{self, RetrievalTest};
use crate::data::record::{StanceRecord, TargetKind};
use crate::data::{DataError, lines};
use crate::mentions::certain;

/// Name of the set that the rows make.
const SET: &str = "projected";

/// Characters of an English sentence: shorter ones say little, longer ones are seldom sentences.
const LENGTH: Range<usize> = 25..400;

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The model that judges the English sentences: `default`, or a folder of `export`.
    #[arg(long, default_value = "default")]
    pub model: String,
    /// Folder with `corpus/parallel`.
    #[arg(long, default_value = "../shared/data")]
    pub data: PathBuf,
    /// File for the rows, in the unified form that `prepare --extra` reads.
    #[arg(long)]
    pub out: PathBuf,
    /// Least probability of a stance that is projected.
    #[arg(long, default_value_t = 0.7)]
    pub confidence: f32,
    /// Pairs of a language that are judged at the most.
    #[arg(long, default_value_t = 12_000)]
    pub pairs: usize,
    /// Rows of a language and a stance at the most; neutral ones are also no more than those of
    /// the more frequent other stance.
    #[arg(long, default_value_t = 1000)]
    pub rows: usize,
    /// Which pairs and rows are taken, where there are more.
    #[arg(long, default_value_t = 17)]
    pub seed: u64,
}

/// Why the stage ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// A corpus cannot be read, or the rows not be written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model cannot be loaded.
    #[error(transparent)]
    Model(Box<PredictError>),
    /// The registry's matcher cannot be built.
    #[error(transparent)]
    Actors(#[from] ActorError),
}

impl From<PredictError> for ProjectError {
    fn from(error: PredictError) -> Self {
        Self::Model(Box::new(error))
    }
}

/// A pair of sentences that name the same actors.
struct Candidate {
    row: usize,
    english: String,
    other: String,
    /// Ids of the actors that both sides name.
    actors: Vec<String>,
}

/// Runs the stage.
///
/// # Errors
/// A model or a corpus that cannot be read, or a disk that fails.
pub fn run(args: &Args) -> Result<(), ProjectError> {
    let registry = Registry::embedded().clone();
    let matcher = Matcher::new(&registry, None)?;
    let hub = HubOptions::default();
    let device = Device::Cpu;
    let predictor = Predictor::load_as(&args.model, &hub, &device, DtypeChoice::Auto, registry)?;
    let options = Options {
        max_evidence: 0,
        ..Options::default()
    };
    let judge = Judge::new(&predictor, &options, DocumentLimits::default())?;
    let test = RetrievalTest::load(&args.data)?;
    let mut rng = ChaCha8Rng::seed_from_u64(args.seed);
    let mut out = lines::create(&args.out)?;
    for file in corpus::parallel_files(&args.data)? {
        let mut pairs = candidates(&file.path, &matcher, &test)?;
        pairs.shuffle(&mut rng);
        pairs.truncate(args.pairs);
        let mut labels = labels(&judge, &pairs, &file.lang, &matcher, args.confidence);
        labels.shuffle(&mut rng);
        let kept = balanced(labels, args.rows);
        println!("{}\t{} pairs\t{}", file.lang, pairs.len(), counts(&kept));
        for record in kept {
            lines::write_row(&mut out, &args.out, &record)?;
        }
    }
    out.flush()
        .map_err(|error| DataError::io(&args.out, error))?;
    Ok(())
}

/// The pairs of a file that could be projected, in their order.
fn candidates(
    path: &Path,
    matcher: &Matcher,
    test: &RetrievalTest,
) -> Result<Vec<Candidate>, DataError> {
    let pairs: Vec<(usize, String, String)> = corpus::pairs(path)?.collect::<Result<_, _>>()?;
    let checked = pairs.into_par_iter().filter_map(|(row, english, other)| {
        if !LENGTH.contains(&english.chars().count())
            || english == other
            || test.contains(&english)
            || test.contains(&other)
        {
            return None;
        }
        let there = named(matcher, &other);
        let mut here = named(matcher, &english);
        here.retain(|actor, _| there.contains_key(actor));
        let actors: Vec<String> = here.into_keys().map(str::to_owned).collect();
        (!actors.is_empty()).then_some(Candidate {
            row,
            english,
            other,
            actors,
        })
    });
    Ok(checked.collect())
}

/// The actors that a text names for certain, and where.
fn named<'m>(matcher: &'m Matcher, text: &str) -> BTreeMap<&'m str, Vec<Range<usize>>> {
    let named = certain(matcher, text).into_iter();
    named
        .map(|(actor, spans)| (matcher.actors()[actor].id.as_str(), spans))
        .collect()
}

/// The rows of pairs whose English side the model is sure of.
fn labels(
    judge: &Judge<'_>,
    pairs: &[Candidate],
    language: &str,
    matcher: &Matcher,
    confidence: f32,
) -> Vec<StanceRecord> {
    let mut rows = Vec::new();
    let mut documents = pairs.iter().map(|pair| {
        Ok(Document {
            text: pair.english.clone(),
            language: Some("en".to_owned()),
            ..Document::default()
        })
    });
    let mut left = pairs.iter();
    loop {
        let results = judge.next(&mut documents);
        if results.is_empty() {
            return rows;
        }
        for (result, pair) in results.iter().zip(left.by_ref()) {
            // A sentence that cannot be judged, such as one of signs alone, teaches nothing.
            let DocumentResult::Prediction(prediction) = result else {
                continue;
            };
            let sure = prediction.stances.iter().filter(|stance| {
                pair.actors.contains(&stance.actor.id)
                    && stance.probabilities.best().1 >= confidence
            });
            let places = named(matcher, &pair.other);
            for stance in sure {
                let Some(spans) = places.get(stance.actor.id.as_str()) else {
                    continue;
                };
                rows.push(record(pair, language, stance, spans));
            }
        }
    }
}

fn record(
    pair: &Candidate,
    language: &str,
    stance: &ActorStance,
    spans: &[Range<usize>],
) -> StanceRecord {
    let text = &pair.other;
    let characters = |byte: usize| text[..byte].chars().count();
    let (best, probability) = stance.probabilities.best();
    StanceRecord {
        id: format!("{SET}:{language}:{}:{}", pair.row, stance.actor.id),
        dataset: SET.to_owned(),
        lang: language.to_owned(),
        text: text.clone(),
        target: stance.actor.name.clone(),
        target_alt: Some(text[spans[0].clone()].to_owned()),
        spans: spans
            .iter()
            .map(|span| [characters(span.start), characters(span.end)])
            .collect(),
        stance: best,
        raw_label: best.as_str().to_owned(),
        target_kind: TargetKind::Actor,
        holder: None,
        context: None,
        doc: None,
        agreement: Some(probability),
    }
}

/// At most so many rows of each stance, and no more neutral ones than of the more frequent other.
fn balanced(rows: Vec<StanceRecord>, most: usize) -> Vec<StanceRecord> {
    let count = |stance| rows.iter().filter(|row| row.stance == stance).count();
    let sides = count(Stance::Favor).max(count(Stance::Against)).min(most);
    let mut taken: BTreeMap<&str, usize> = BTreeMap::new();
    rows.into_iter()
        .filter(|row| {
            let limit = if row.stance == Stance::Neutral {
                sides
            } else {
                most
            };
            let taken = taken.entry(row.stance.as_str()).or_default();
            *taken += 1;
            *taken <= limit
        })
        .collect()
}

fn counts(rows: &[StanceRecord]) -> String {
    let count = |stance: Stance| {
        let rows = rows.iter().filter(|row| row.stance == stance).count();
        format!("{} {rows}", stance.as_str())
    };
    Stance::ALL.map(count).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::record;

    #[test]
    fn what_both_sides_name_is_projected() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("corpus/parallel");
        let ntrex = data.path().join("corpus/retrieval_test_ntrex");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::create_dir_all(&ntrex).unwrap();
        let lines = [
            "Russia lies about its shameful war.\tLa Russie ment sur sa guerre honteuse.",
            "Nobody knows what will come of this.\tPersonne ne sait ce qui en sortira.",
            "Germany was named in English alone.\tUn pays est nommé en anglais seulement.",
            "China built yet another long bridge.\tLa Chine a construit un autre long pont.",
        ];
        std::fs::write(folder.join("en-fr.tsv"), lines.join("\n")).unwrap();
        std::fs::write(ntrex.join("en-fr.tsv"), lines[3]).unwrap();
        let out = data.path().join("projected.jsonl");
        run(&Args {
            model: "default".to_owned(),
            data: data.path().to_owned(),
            out: out.clone(),
            confidence: 0.0,
            pairs: 10,
            rows: 10,
            seed: 1,
        })
        .unwrap();
        let rows: Vec<StanceRecord> = record::read(&out)
            .unwrap()
            .map(|row| row.unwrap().1)
            .collect();
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = &rows[0];
        assert_eq!((&*row.lang, &*row.target), ("fr", "Russia"));
        assert_eq!(row.target_alt.as_deref(), Some("Russie"));
        assert_eq!(row.spans, [[3, 9]]);
        assert_eq!(row.stance, Stance::Against);
        assert!(row.agreement.unwrap() > 0.5);
    }

    #[test]
    fn neutral_rows_do_not_drown_the_others() {
        let row = |stance: Stance| StanceRecord {
            id: "1".to_owned(),
            dataset: SET.to_owned(),
            lang: "fr".to_owned(),
            text: "a".to_owned(),
            target: "a".to_owned(),
            target_alt: None,
            spans: Vec::new(),
            stance,
            raw_label: String::new(),
            target_kind: TargetKind::Actor,
            holder: None,
            context: None,
            doc: None,
            agreement: None,
        };
        let rows: Vec<StanceRecord> = [Stance::Neutral; 9]
            .into_iter()
            .chain([Stance::Favor; 2])
            .chain([Stance::Against; 4])
            .map(row)
            .collect();
        assert_eq!(
            counts(&balanced(rows.clone(), 9)),
            "favor 2, against 4, neutral 4"
        );
        assert_eq!(counts(&balanced(rows, 3)), "favor 2, against 3, neutral 3");
    }
}
