//! Rows of labelled data as the model reads them: through the same [`Reading`] and the same
//! [`questions`] that serve users.

use candle_core::{Error, Result};
use rayon::prelude::*;
use stance::actors::{Matcher, Registry};
use stance::document::{ActorSpec, Document, OffsetUnit};
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::stance::Query;
use stance::predict::{Reading, ReadingOptions, needs_name, questions};

/// One labelled target of a text.
#[derive(Debug, Clone)]
pub struct Target {
    /// Index of the label in `Stance::ALL`.
    pub label: usize,
    /// How much the label counts, between 0 and 1.
    pub weight: f32,
    /// The queries whose combined answer is the stance; [`Query::name`] is 0 where the name is
    /// asked for.
    pub queries: Vec<Query>,
    /// Ids of the target's name with special tokens, when no token mentions it.
    pub name: Option<Vec<u32>>,
}

/// One text with its labels.
#[derive(Debug, Clone)]
pub struct Item {
    /// Index of its set in the recipe.
    pub set: usize,
    /// Token ids of each window, with special tokens.
    pub windows: Vec<Vec<u32>>,
    /// Labelled targets; empty for a topic row.
    pub targets: Vec<Target>,
    /// Index of its topic among the model's, for a topic row.
    pub topic: Option<usize>,
}

impl Item {
    /// Tokens of all windows.
    pub fn tokens(&self) -> usize {
        self.windows.iter().map(Vec::len).sum()
    }
}

/// A labelled target of a row before it is read.
#[derive(Debug, Clone)]
pub struct RowTarget {
    /// Names; the last is in the text's language.
    pub names: Vec<String>,
    /// Where the text mentions it, in bytes; empty where the matcher is to look.
    pub spans: Vec<[usize; 2]>,
    /// Index of the label in `Stance::ALL`.
    pub label: usize,
    /// How much the label counts, between 0 and 1.
    pub weight: f32,
}

/// A row before it is read.
#[derive(Debug, Clone)]
pub struct Row {
    /// Index of its set in the recipe.
    pub set: usize,
    /// The text.
    pub text: String,
    /// ISO 639-1 code.
    pub language: String,
    /// Labelled targets.
    pub targets: Vec<RowTarget>,
    /// Index of its topic.
    pub topic: Option<usize>,
}

/// Reads rows in parallel. Rows that the product would refuse are errors here too.
///
/// # Errors
/// What [`Reading::new`] says of the first row that fails.
pub fn read_rows(
    rows: &[Row],
    tokenizer: &TextTokenizer,
    window_tokens: usize,
    window_overlap: usize,
) -> Result<Vec<Item>> {
    let options = ReadingOptions {
        window_tokens,
        window_overlap,
        clean: false,
        unit: OffsetUnit::Byte,
    };
    rows.par_iter()
        .map(|row| read_row(row, tokenizer, &options))
        .collect()
}

fn read_row(row: &Row, tokenizer: &TextTokenizer, options: &ReadingOptions) -> Result<Item> {
    let specs: Vec<ActorSpec> = row
        .targets
        .iter()
        .enumerate()
        .map(|(i, target)| ActorSpec {
            id: format!("target-{i}"),
            names: target.names.clone(),
            spans: (!target.spans.is_empty()).then(|| target.spans.clone()),
        })
        .collect();
    let document = Document {
        id: None,
        text: row.text.clone(),
        language: None,
        actors: Some(specs.clone()),
    };
    let matcher = Matcher::for_specs(&specs, Registry::embedded()).map_err(Error::wrap)?;
    let reading = Reading::new(&document, &matcher, tokenizer, options).map_err(Error::wrap)?;
    let mut targets = Vec::with_capacity(row.targets.len());
    for (actor, target) in reading.actors.iter().zip(&row.targets) {
        let name = if needs_name(actor) {
            let name = target.names.last().map_or("", String::as_str);
            let tokens = tokenizer
                .encode(name, std::slice::from_ref(&(0..name.len())))
                .map_err(Error::wrap)?;
            Some(tokenizer.wrap(&tokens.ids))
        } else {
            None
        };
        let asked = questions(&reading, actor, name.as_ref().map(|_| 0));
        targets.push(Target {
            label: target.label,
            weight: target.weight,
            queries: asked.windows,
            name,
        });
    }
    Ok(Item {
        set: row.set,
        windows: reading.windows.into_iter().map(|w| w.ids).collect(),
        targets,
        topic: row.topic,
    })
}
