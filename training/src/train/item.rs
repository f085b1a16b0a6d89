//! Rows of labelled data as the model reads them: through the same [`Reading`] and the same
//! [`Plan`] that serve users.

use candle_core::{Error, Result};
use rayon::prelude::*;
use stance::actors::{Matcher, Registry};
use stance::document::{ActorSpec, Document, OffsetUnit};
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::stance::{CLASSES, Query};
use stance::predict::{Plan, Reading, ReadingOptions};

/// One labelled target of a text.
#[derive(Debug, Clone)]
pub struct Target {
    /// Index of the label in `Stance::ALL`.
    pub label: usize,
    /// What a teacher said of each class; the loss takes these where they are given.
    pub taught: Option<[f32; CLASSES]>,
    /// How much the label counts, between 0 and 1.
    pub weight: f32,
    /// The queries whose combined answer is the stance.
    pub queries: Vec<Query>,
}

/// One text with its labels.
#[derive(Debug, Clone)]
pub struct Item {
    /// Index of its set in the recipe.
    pub set: usize,
    /// ISO 639-1 code.
    pub language: String,
    /// Token ids of each sequence, with special tokens: a topic row's windows, or those windows
    /// and paired sequences that a target asks.
    pub windows: Vec<Vec<u32>>,
    /// Labelled targets; empty for a topic row.
    pub targets: Vec<Target>,
    /// Index of its topic among the model's, for a topic row.
    pub topic: Option<usize>,
    /// The text takes more than one window, asked or not.
    pub long: bool,
}

impl Item {
    /// Tokens of all windows.
    pub fn tokens(&self) -> usize {
        self.windows.iter().map(Vec::len).sum()
    }

    /// Tokens of the longest window.
    pub fn longest(&self) -> usize {
        self.windows.iter().map(Vec::len).max().unwrap_or(0)
    }
}

/// Neighbouring items up to so many tokens; every item stands in exactly one batch.
pub fn batches(items: &[Item], tokens: usize) -> Vec<&[Item]> {
    let mut out = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (i, item) in items.iter().enumerate() {
        if i > start && used + item.tokens() > tokens {
            out.push(&items[start..i]);
            (start, used) = (i, 0);
        }
        used += item.tokens();
    }
    if start < items.len() {
        out.push(&items[start..]);
    }
    out
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
    /// What a teacher said of each class.
    pub taught: Option<[f32; CLASSES]>,
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
    let plan = Plan::new(&reading, &matcher, tokenizer, row.targets.len()).map_err(Error::wrap)?;
    let long = reading.windows.len() > 1;
    let mut windows: Vec<Vec<u32>> = reading.windows.into_iter().map(|w| w.ids).collect();
    windows.extend(plan.paired);
    let mut targets: Vec<Target> = plan
        .actors
        .into_iter()
        .zip(&row.targets)
        .map(|(asked, target)| Target {
            label: target.label,
            taught: target.taught,
            weight: target.weight,
            queries: asked.windows,
        })
        .collect();
    if row.topic.is_none() {
        keep_asked(&mut windows, &mut targets);
    }
    Ok(Item {
        set: row.set,
        language: row.language.clone(),
        windows,
        targets,
        topic: row.topic,
        long,
    })
}

/// Drops the sequences that no query asks.
fn keep_asked(windows: &mut Vec<Vec<u32>>, targets: &mut [Target]) {
    let mut asked = vec![false; windows.len()];
    for query in targets.iter().flat_map(|t| &t.queries) {
        asked[query.sequence] = true;
    }
    let mut next = 0;
    let places: Vec<usize> = asked
        .iter()
        .map(|&asked| {
            next += usize::from(asked);
            next.saturating_sub(1)
        })
        .collect();
    for query in targets.iter_mut().flat_map(|t| &mut t.queries) {
        query.sequence = places[query.sequence];
    }
    let mut keep = asked.into_iter();
    windows.retain(|_| keep.next().unwrap_or(true));
}

#[cfg(test)]
mod tests {
    use stance::heads::stance::Query;

    use super::{Target, keep_asked};

    #[test]
    fn what_nobody_asks_is_not_read() {
        let mention = 1..2;
        let query = |sequence| Query {
            sequence,
            mentions: vec![mention.clone()],
            scope: 1..3,
            paired: false,
        };
        let target = |queries| Target {
            label: 0,
            taught: None,
            weight: 1.0,
            queries,
        };
        let mut windows: Vec<Vec<u32>> = (0..4).map(|i| vec![i; 4]).collect();
        let mut targets = [target(vec![query(1)]), target(vec![query(3), query(1)])];
        keep_asked(&mut windows, &mut targets);
        assert_eq!(windows, [[1; 4], [3; 4]]);
        let asked = |t: &Target| t.queries.iter().map(|q| q.sequence).collect::<Vec<_>>();
        assert_eq!(asked(&targets[0]), [0]);
        assert_eq!(asked(&targets[1]), [1, 0]);
    }
}
