//! The labelled rows of `prepare`, read by the tokenizer and ready for batches.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use candle_core::Result;
use stance::actors::Registry;
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::HeadsConfig;
use stance::heads::stance::CLASSES;
use stance::prediction::Stance;

use super::item::{Item, Row, RowTarget, read_rows};
use super::marks;
use super::student::SetLabels;
use crate::data::examples::{self, Example, StanceExample, TopicExample};
use crate::data::lines;
use crate::data::record::TargetKind;
use crate::data::splits::bucket;

/// All rows by kind and split.
pub struct Labelled {
    sets: Vec<String>,
    /// Stance rows for training.
    pub stance_train: Vec<Item>,
    /// Stance rows for validation.
    pub stance_validation: Vec<Item>,
    /// Topic rows for training.
    pub topic_train: Vec<Item>,
    /// Topic rows for validation.
    pub topic_validation: Vec<Item>,
    /// Rows that were left out because their documents have too many windows.
    pub too_long: usize,
    /// Hash of the data, from `prepare`.
    pub hash: String,
}

/// Numbers sets as they come up.
#[derive(Default)]
struct Sets {
    names: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Sets {
    fn number(&mut self, name: &str) -> usize {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        self.names.push(name.to_owned());
        self.numbers.insert(name.to_owned(), self.names.len() - 1);
        self.names.len() - 1
    }
}

/// Rows by kind and split, as `prepare` writes them.
#[derive(Debug, Clone, Default)]
pub struct Examples {
    /// Stance rows for training.
    pub stance_train: Vec<StanceExample>,
    /// Stance rows for validation.
    pub stance_validation: Vec<StanceExample>,
    /// Topic rows for training.
    pub topic_train: Vec<TopicExample>,
    /// Topic rows for validation.
    pub topic_validation: Vec<TopicExample>,
}

/// Which rows are read, and how.
#[derive(Debug, Clone, Copy)]
pub struct Rows<'a> {
    /// Output of `prepare`.
    pub folder: &'a Path,
    /// Rows of `teach` that train too.
    pub taught: &'a [PathBuf],
    /// Stance rows in these languages (ISO 639-1) neither train nor validate.
    pub leave_out: &'a [String],
    /// Every target that the text names in a text of its own, between marks ([`marks`]).
    pub marked: bool,
}

/// Reads labelled rows as the model does.
///
/// # Errors
/// When a file is missing or a row cannot be read.
pub fn load_labelled(
    rows: &Rows,
    heads: &HeadsConfig,
    tokenizer: &TextTokenizer,
    max_windows: usize,
) -> Result<Labelled> {
    let folder = rows.folder;
    let mut examples = Examples {
        stance_train: load(folder, "stance.jsonl")?,
        stance_validation: load(folder, "stance_validation.jsonl")?,
        topic_train: load(folder, "topic.jsonl")?,
        topic_validation: load(folder, "topic_validation.jsonl")?,
    };
    let mut hash = data_hash(folder)?;
    for path in rows.taught {
        let taught = examples::read(path).map_err(candle_core::Error::wrap)?;
        examples.stance_train.extend(taught);
        hash += &lines::sha256(path).map_err(candle_core::Error::wrap)?;
    }
    for all in [&mut examples.stance_train, &mut examples.stance_validation] {
        all.retain(|row| !rows.leave_out.contains(&row.lang));
        if rows.marked {
            *all = all.drain(..).flat_map(marks::each).collect();
        }
    }
    Labelled::new(examples, heads, tokenizer, max_windows, hash)
}

/// `data_hash` of the report that `prepare` wrote.
fn data_hash(folder: &Path) -> Result<String> {
    let text = std::fs::read_to_string(folder.join("report.json"))?;
    let report: serde_json::Value =
        serde_json::from_str(&text).map_err(candle_core::Error::wrap)?;
    match report.get("data_hash").and_then(serde_json::Value::as_str) {
        Some(hash) => Ok(hash.to_owned()),
        None => candle_core::bail!("report.json has no data_hash"),
    }
}

fn load<T: Example>(folder: &Path, file: &str) -> Result<Vec<T>> {
    examples::read(&folder.join(file)).map_err(candle_core::Error::wrap)
}

/// A row of set number `set` before it is read.
pub fn stance_row(row: StanceExample, set: usize, known: &mut KnownNames) -> Row {
    let half = bucket(&row.text).is_multiple_of(2);
    let targets = row
        .targets
        .into_iter()
        .filter(|t| t.holder.is_none())
        .map(|target| {
            let more = if half && target.spans.is_empty() && target.kind == TargetKind::Actor {
                known.of(&target.name, &row.lang)
            } else {
                Vec::new()
            };
            RowTarget {
                label: Stance::ALL
                    .iter()
                    .position(|s| *s == target.stance)
                    .unwrap_or(CLASSES - 1),
                names: std::iter::once(target.name)
                    .chain(target.alt)
                    .chain(more)
                    .collect(),
                spans: target.spans,
                taught: target.taught,
                weight: target.weight,
            }
        });
    Row {
        set,
        targets: targets.collect(),
        text: row.text,
        language: row.lang,
        topic: None,
    }
}

/// The registry's further names of targets. Half of the rows that do not say where their target
/// stands are read with them and half by the set's own name, as users ask in both ways.
#[derive(Default)]
pub struct KnownNames(HashMap<(String, String), Vec<String>>);

impl KnownNames {
    /// The certain names, in `language` and in English, of the actor that is called `name`.
    fn of(&mut self, name: &str, language: &str) -> Vec<String> {
        let key = (name.to_owned(), language.to_owned());
        self.0
            .entry(key)
            .or_insert_with(|| {
                let same = |text: &str| text.to_lowercase() == name.to_lowercase();
                let mut found = Registry::embedded().find(name).into_iter();
                let Some(actor) = found.find(|a| a.aliases().any(|(_, n)| same(&n.text))) else {
                    return Vec::new();
                };
                actor
                    .aliases()
                    .filter(|(code, _)| *code == language || *code == "en")
                    .filter(|(_, n)| !(n.weak || n.capital || n.ambiguous || same(&n.text)))
                    .map(|(_, n)| n.text.clone())
                    .collect()
            })
            .clone()
    }
}

fn topic_row(row: TopicExample, heads: &HeadsConfig, sets: &mut Sets) -> Option<Row> {
    let topic = heads.topics.iter().position(|t| *t == row.topic)?;
    Some(Row {
        set: sets.number(&row.dataset),
        text: row.text,
        language: row.lang,
        targets: Vec::new(),
        topic: Some(topic),
    })
}

impl Labelled {
    /// Reads `examples` as the model does; documents of more than `max_windows` sequences are left
    /// out. `hash` names the data.
    ///
    /// # Errors
    /// What the product would say of a row.
    pub fn new(
        examples: Examples,
        heads: &HeadsConfig,
        tokenizer: &TextTokenizer,
        max_windows: usize,
        hash: String,
    ) -> Result<Self> {
        let (mut sets, mut known) = (Sets::default(), KnownNames::default());
        let mut too_long = 0;
        let mut read = |rows: Vec<Row>| -> Result<Vec<Item>> {
            let items = read_rows(&rows, tokenizer, heads.window_tokens, heads.window_overlap)?;
            let before = items.len();
            let kept: Vec<Item> = items
                .into_iter()
                .filter(|item| item.topic.is_some() || item.windows.len() <= max_windows)
                .filter(|item| item.topic.is_some() || !item.targets.is_empty())
                .collect();
            too_long += before - kept.len();
            Ok(kept)
        };
        let mut stance = |rows: Vec<StanceExample>| {
            let rows = rows.into_iter();
            read(
                rows.map(|row| {
                    let set = sets.number(&row.dataset);
                    stance_row(row, set, &mut known)
                })
                .collect(),
            )
        };
        let stance_train = stance(examples.stance_train)?;
        let stance_validation = stance(examples.stance_validation)?;
        let mut topic = |rows: Vec<TopicExample>| {
            let rows = rows.into_iter();
            read(
                rows.filter_map(|row| topic_row(row, heads, &mut sets))
                    .collect(),
            )
        };
        let topic_train = topic(examples.topic_train)?;
        let topic_validation = topic(examples.topic_validation)?;
        Ok(Self {
            sets: sets.names,
            stance_train,
            stance_validation,
            topic_train,
            topic_validation,
            too_long,
            hash,
        })
    }

    /// Name of a set by its number.
    pub fn set_name(&self, set: usize) -> &str {
        &self.sets[set]
    }

    /// Class weights of every set, from the rows for training; the sets named in `closed` are.
    pub fn labels(&self, balance: f32, closed: &[String]) -> Vec<SetLabels> {
        let mut counts = vec![[0usize; CLASSES]; self.sets.len()];
        for item in &self.stance_train {
            for target in &item.targets {
                counts[item.set][target.label] += 1;
            }
        }
        let sets = counts.into_iter().zip(&self.sets);
        sets.map(|(c, set)| SetLabels::new(c, balance, closed.contains(set)))
            .collect()
    }

    /// Keeps at most so many validation rows of every stance set and of every topic set, evenly
    /// spread.
    pub fn thin_validation(&mut self, stance: usize, topic: usize) {
        thin(&mut self.stance_validation, stance);
        thin(&mut self.topic_validation, topic);
    }

    /// Rows and tokens of every set, for the log.
    #[allow(clippy::format_push_string)] // a few lines, once a run
    pub fn summary(&self) -> String {
        let mut lines = BTreeMap::new();
        for (kind, items) in [
            ("train", &self.stance_train),
            ("validation", &self.stance_validation),
            ("train", &self.topic_train),
            ("validation", &self.topic_validation),
        ] {
            for item in items {
                let key = (self.set_name(item.set), kind);
                let (rows, targets, tokens) = lines.entry(key).or_insert((0, 0, 0));
                *rows += 1;
                *targets += item.targets.len();
                *tokens += item.tokens();
            }
        }
        let mut out = format!(
            "{} documents have too many windows and are left out",
            self.too_long
        );
        for ((set, kind), (rows, targets, tokens)) in lines {
            out += &format!(
                "\n{set:24} {kind:10} {rows:>7} rows {targets:>7} targets {tokens:>9} tokens"
            );
        }
        out
    }
}

fn thin(items: &mut Vec<Item>, rows: usize) {
    let mut counts: HashMap<usize, usize> = HashMap::new();
    for item in items.iter() {
        *counts.entry(item.set).or_default() += 1;
    }
    let mut seen: HashMap<usize, usize> = HashMap::new();
    items.retain(|item| {
        let (all, at) = (counts[&item.set], seen.entry(item.set).or_default());
        // The share that is kept grows by one at evenly spread places.
        let keep = all <= rows || *at * rows / all != (*at + 1) * rows / all;
        *at += 1;
        keep
    });
}

#[cfg(test)]
mod tests {
    use super::KnownNames;

    #[test]
    fn known_actors_bring_their_names() {
        let mut known = KnownNames::default();
        let names = known.of("Israel", "he");
        assert!(names.iter().any(|n| n == "ישראל"), "{names:?}");
        assert!(names.iter().all(|n| n != "Israel"), "{names:?}");
        assert!(known.of("online learning", "ar").is_empty());
    }
}
