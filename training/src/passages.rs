//! Stage `passages`: runs of sentences that name actors of the registry, from the text of every
//! language, without labels. Models that read better than they are fast label them (`teach`).

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::ops::{Range, RangeInclusive};
use std::path::PathBuf;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use stance::actors::{ActorError, Matcher, Registry};
use stance::prediction::Stance;
use stance::text::{CleanText, sentences};

use crate::data::corpus::{self, CorpusFile};
use crate::data::examples::{self, StanceExample, StanceTarget, TopicExample};
use crate::data::record::TargetKind;
use crate::data::splits::Split;
use crate::data::{DataError, lines};
use crate::mentions::certain;
use crate::prepare::leaks::Leaks;

/// Names of the set that the rows make: of passages, and of whole texts.
const SETS: [&str; 2] = ["passages", "documents"];

/// Bytes at which a passage ends, drawn for each; a sentence is always whole.
const LENGTH: Range<usize> = 80..900;

/// Bytes of the longest sentence that is read.
const LONGEST: usize = 1200;

/// Words of a whole text.
const WORDS: RangeInclusive<usize> = 150..=1300;

/// Texts that are looked at for each passage that is wanted, as not every text names an actor.
const TEXTS: usize = 4;

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Folder with `corpus/mono`.
    #[arg(long, default_value = "../shared/data")]
    pub data: PathBuf,
    /// Output of `prepare`, whose validation and test texts are kept out.
    #[arg(long)]
    pub prep: PathBuf,
    /// File for the rows.
    #[arg(long)]
    pub out: PathBuf,
    /// Texts of these rows (`topic.jsonl` of `prepare`) instead of those of `corpus/mono`.
    #[arg(long)]
    pub texts: Option<PathBuf>,
    /// Passages of each language at the most, `LANGUAGE=NUMBER`.
    #[arg(long, value_delimiter = ',', value_parser = language,
        default_value = "ar=36000,arz=1000,en=16000,ru=16000,fr=6000,de=5000,es=5000,fa=5000,\
                         tr=4000,he=4000,zh=5000,it=3000,pt=3000,uk=2000,hi=2000,ur=1000")]
    pub languages: Vec<(String, usize)>,
    /// Whole texts of 150 to 1,300 words instead of runs of sentences, with the actors that they name most often.
    #[arg(long)]
    pub whole: bool,
    /// Targets of a passage at the most.
    #[arg(long, default_value_t = 3)]
    pub targets: usize,
    /// Which passages are taken.
    #[arg(long, default_value_t = 17)]
    pub seed: u64,
}

fn language(text: &str) -> Result<(String, usize), String> {
    let parts = text.trim().split_once('=');
    let number = parts.and_then(|(code, number)| Some((code.to_owned(), number.parse().ok()?)));
    number.ok_or_else(|| format!("`{text}` is not LANGUAGE=NUMBER"))
}

/// Why the stage ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassagesError {
    /// A corpus cannot be read, or the rows not be written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The registry's matcher cannot be built.
    #[error(transparent)]
    Actors(#[from] ActorError),
}

/// Runs the stage.
///
/// # Errors
/// A corpus that cannot be read, or a disk that fails.
pub fn run(args: &Args) -> Result<(), PassagesError> {
    let drawer = Drawer {
        matcher: Matcher::new(&Registry::embedded().clone(), None)?,
        leaks: held_out(args)?,
        whole: args.whole,
        targets: args.targets,
    };
    let wanted: BTreeMap<&str, usize> = args
        .languages
        .iter()
        .map(|(language, number)| (language.as_str(), *number))
        .collect();
    let mut out = lines::create(&args.out)?;
    for source in sources(args)? {
        let language = source.language();
        let Some(&number) = wanted.get(language) else {
            continue;
        };
        let texts = sample(source.texts()?, number * TEXTS, args.seed)?;
        let found: Vec<Option<StanceExample>> = texts
            .into_par_iter()
            .enumerate()
            .map(|(i, text)| {
                let mut rng = ChaCha8Rng::seed_from_u64(args.seed ^ (i as u64) << 8);
                drawer.draw(&text, language, i, &mut rng)
            })
            .collect();
        let mut taken = 0;
        for example in found.into_iter().flatten().take(number) {
            lines::write_row(&mut out, &args.out, &example)?;
            taken += 1;
        }
        println!("{language}\t{taken}");
    }
    out.flush()
        .map_err(|error| DataError::io(&args.out, error))?;
    Ok(())
}

/// Texts that measure.
fn held_out(args: &Args) -> Result<Leaks, DataError> {
    let mut leaks = Leaks::default();
    leaks.add_measured(&args.data)?;
    for (split, name) in [(Split::Validation, "validation"), (Split::Test, "test")] {
        let path = args.prep.join(format!("stance_{name}.jsonl"));
        for example in examples::read::<StanceExample>(&path)? {
            leaks.add(split, &example.text, None);
        }
        let path = args.prep.join(format!("topic_{name}.jsonl"));
        for example in examples::read::<TopicExample>(&path)? {
            leaks.add(split, &example.text, None);
        }
    }
    Ok(leaks)
}

/// Where the texts of a language stand.
enum Source {
    Corpus(CorpusFile),
    Rows(String, Vec<String>),
}

impl Source {
    fn language(&self) -> &str {
        match self {
            Self::Corpus(file) => &file.lang,
            Self::Rows(language, _) => language,
        }
    }

    fn texts(&self) -> Result<Box<dyn Iterator<Item = Result<String, DataError>> + '_>, DataError> {
        Ok(match self {
            Self::Corpus(file) => {
                let lines = lines::Lines::open(&file.path)?;
                Box::new(lines.map(|line| line.map(|(_, text)| text)))
            }
            Self::Rows(_, texts) => Box::new(texts.iter().cloned().map(Ok)),
        })
    }
}

/// The texts that are drawn from, by language.
fn sources(args: &Args) -> Result<Vec<Source>, DataError> {
    let Some(path) = &args.texts else {
        let files = corpus::mono_files(&args.data)?;
        return Ok(files.into_iter().map(Source::Corpus).collect());
    };
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in examples::read::<TopicExample>(path)? {
        texts.entry(row.lang).or_default().push(row.text);
    }
    let rows = texts.into_iter();
    Ok(rows
        .map(|(lang, texts)| Source::Rows(lang, texts))
        .collect())
}

/// So many texts, each with the same chance (Vitter 1985, algorithm R), in an order of chance.
fn sample(
    texts: impl Iterator<Item = Result<String, DataError>>,
    number: usize,
    seed: u64,
) -> Result<Vec<String>, DataError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut kept: Vec<String> = Vec::new();
    for (seen, text) in texts.enumerate() {
        let text = text?;
        if kept.len() < number {
            kept.push(text);
        } else if let Some(place) = kept.get_mut(rng.random_range(0..=seen)) {
            *place = text;
        }
    }
    kept.shuffle(&mut rng);
    Ok(kept)
}

/// What is drawn from a text.
struct Drawer {
    matcher: Matcher,
    leaks: Leaks,
    whole: bool,
    targets: usize,
}

impl Drawer {
    /// A run of sentences of `text`, or all of it, that names an actor for certain.
    fn draw(
        &self,
        text: &str,
        language: &str,
        number: usize,
        rng: &mut ChaCha8Rng,
    ) -> Option<StanceExample> {
        let clean = CleanText::new(text, false, &[]).ok()?;
        let text = clean.text();
        let all = sentences(text, clean.paragraphs());
        let span = if self.whole {
            self.all(text, &all)?
        } else {
            self.run(text, &all, rng)?
        };
        let text = &text[span];
        if self.measures(text) {
            return None;
        }
        let set = SETS[usize::from(self.whole)];
        let id = format!("{set}:{language}:{number}");
        let mut named: Vec<_> = certain(&self.matcher, text).into_iter().collect();
        named.shuffle(rng);
        if self.whole {
            named.sort_by_key(|(_, spans)| Reverse(spans.len()));
        }
        named.truncate(self.targets);
        let actors = self.matcher.actors();
        let targets: Vec<StanceTarget> = named
            .into_iter()
            .map(|(actor, spans)| StanceTarget {
                id: format!("{id}:{}", actors[actor].id),
                name: actors[actor].name("en").to_owned(),
                alt: Some(text[spans[0].clone()].to_owned()),
                spans: spans.iter().map(|span| [span.start, span.end]).collect(),
                stance: Stance::Neutral,
                kind: TargetKind::Actor,
                taught: None,
                holder: None,
                weight: 1.0,
            })
            .collect();
        (!targets.is_empty()).then(|| StanceExample {
            id,
            dataset: set.to_owned(),
            lang: if language == "arz" { "ar" } else { language }.to_owned(),
            text: text.to_owned(),
            context: None,
            doc: None,
            targets,
        })
    }

    /// Whether a text validates or measures.
    fn measures(&self, text: &str) -> bool {
        self.leaks.leaks(Split::Train, text, None)
    }

    /// All of a text that is neither short nor endless, if no sentence of it measures.
    fn all(&self, text: &str, all: &[Range<usize>]) -> Option<Range<usize>> {
        let held = |sentence: &Range<usize>| self.measures(&text[sentence.clone()]);
        let fits = WORDS.contains(&text.split_whitespace().count()) && !all.iter().any(held);
        fits.then_some(0..text.len())
    }

    /// Sentences from one of them on, up to a length that is drawn too, none of which measures.
    fn run(&self, text: &str, all: &[Range<usize>], rng: &mut ChaCha8Rng) -> Option<Range<usize>> {
        let limit = rng.random_range(LENGTH);
        let start = rng.random_range(0..all.len().max(1));
        let mut end = all.get(start)?.start;
        for sentence in &all[start..] {
            let fits = end == all[start].start || sentence.end - all[start].start <= limit;
            if !fits || sentence.len() > LONGEST {
                break;
            }
            if self.measures(&text[sentence.clone()]) {
                return None;
            }
            end = sentence.end;
        }
        Some(all[start].start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_name_actors_and_hold_no_text_that_measures() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path();
        std::fs::create_dir_all(data.join("corpus/mono")).unwrap();
        // Of the last text the first sentence alone may be taken, where a passage ends before the second.
        let texts = [
            "Russia bombed a hospital in the north. Nobody was told why.",
            "It rained for three days in the hills.",
            "The king of Morocco spoke in Geneva about water and roads and schools and the price of bread \
             and the long dry summer in the fields of the south. Israel rejected the plan at once.",
        ];
        std::fs::write(data.join("corpus/mono/en.txt"), texts.join("\n")).unwrap();
        for kind in ["stance", "topic"] {
            for split in ["validation", "test"] {
                std::fs::write(data.join(format!("{kind}_{split}.jsonl")), "").unwrap();
            }
        }
        let test = r#"{"id": "1", "dataset": "d", "lang": "en", "text": "Israel rejected the plan, at once!", "targets": [{"id": "1", "name": "Israel", "stance": "against", "kind": "actor"}]}"#;
        std::fs::write(data.join("stance_test.jsonl"), test).unwrap();
        let args = |seed| Args {
            data: data.to_owned(),
            prep: data.to_owned(),
            texts: None,
            out: data.join("out.jsonl"),
            languages: vec![("en".to_owned(), 10)],
            whole: false,
            targets: 3,
            seed,
        };
        let mut texts = std::collections::BTreeSet::new();
        for seed in 0..40 {
            run(&args(seed)).unwrap();
            for row in examples::read::<StanceExample>(&data.join("out.jsonl")).unwrap() {
                for target in &row.targets {
                    let [start, end] = target.spans[0];
                    assert_eq!(target.alt.as_deref(), Some(&row.text[start..end]));
                }
                texts.insert(row.text);
            }
        }
        assert!(
            texts.iter().any(|text| text.starts_with("Russia bombed")),
            "{texts:?}"
        );
        assert!(
            texts.iter().any(|text| text.contains("Morocco")),
            "{texts:?}"
        );
        assert!(
            texts.iter().all(|text| !text.contains("Israel")),
            "{texts:?}"
        );
        // Whole texts: the one that is long enough, and not where a sentence of it measures.
        let long = "Russia bombed a hospital in the north. ".repeat(30);
        let held = format!("{long}Israel rejected the plan at once.");
        std::fs::write(
            data.join("corpus/mono/en.txt"),
            [long.trim(), held.as_str()].join("\n"),
        )
        .unwrap();
        let whole = Args {
            whole: true,
            ..args(1)
        };
        run(&whole).unwrap();
        let rows = examples::read::<StanceExample>(&data.join("out.jsonl")).unwrap();
        assert_eq!(rows.len(), 1);
        assert_eq!(
            (rows[0].dataset.as_str(), rows[0].text.as_str()),
            ("documents", long.trim())
        );
        assert_eq!(rows[0].targets[0].spans.len(), 30);
        // The same of prepared rows.
        let row = TopicExample {
            id: "1".to_owned(),
            dataset: "d".to_owned(),
            lang: "en".to_owned(),
            text: long.trim().to_owned(),
            topic: "medtop:11000000".to_owned(),
            raw_topic: "politics".to_owned(),
        };
        let path = data.join("topic.jsonl");
        std::fs::write(&path, serde_json::to_string(&row).unwrap()).unwrap();
        std::fs::remove_file(data.join("corpus/mono/en.txt")).unwrap();
        run(&Args {
            texts: Some(path),
            ..whole
        })
        .unwrap();
        let again = examples::read::<StanceExample>(&data.join("out.jsonl")).unwrap();
        assert_eq!(again.len(), 1);
        assert_eq!(again[0].text, rows[0].text);
        assert_eq!(language("ar=5"), Ok(("ar".to_owned(), 5)));
        assert!(language("ar").is_err());
    }
}
