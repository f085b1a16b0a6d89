//! From a document to windows and queries: everything that is text, before any device is asked.

use std::sync::Arc;

use super::PredictError;
use super::options::check_options;
use super::predictor::Predictor;
use super::questions::Plan;
use super::reading::{Reading, ReadingOptions};
use crate::actors::Matcher;
use crate::document::{Document, InputFormat, OffsetUnit, Options};
use crate::heads::stance::Query;
use crate::text::html_text;

/// What is wanted of a document.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Task {
    /// Topics, actors and stances.
    #[default]
    Full,
    /// Topics alone: no actor is looked for.
    Topics,
    /// Actors and stances alone.
    Stance,
    /// The pooled vector of the text as it stands: nothing is set aside, windows do not overlap.
    Embedding,
}

/// What a request asks of each of its documents: checked once, shared by all of them.
#[derive(Debug)]
pub struct Brief {
    pub(super) task: Task,
    pub(super) options: Options,
    reading: ReadingOptions,
    /// The actors of documents that bring none.
    matcher: Arc<Matcher>,
    /// Whether actors that a document brings count.
    own_actors: bool,
}

impl Brief {
    /// What is wanted.
    pub const fn task(&self) -> Task {
        self.task
    }

    /// The options as they were asked for.
    pub const fn options(&self) -> &Options {
        &self.options
    }
}

/// A document that waits for the encoder: read, cut into windows, with all its queries.
#[derive(Debug)]
pub struct Prepared {
    pub(super) document: Document,
    pub(super) brief: Arc<Brief>,
    pub(super) reading: Reading,
    pub(super) matcher: Arc<Matcher>,
    pub(super) plan: Plan,
    /// The queries about each sequence, in the order of [`asked`].
    pub(super) queries: Vec<Vec<Query>>,
}

impl Prepared {
    /// How many sequences the encoder must read, at least one: the windows of the text, then
    /// those with the name of an actor that it never mentions.
    pub fn sequences(&self) -> usize {
        self.queries.len()
    }

    /// Token ids of sequence `index`, special tokens included.
    pub(super) fn ids(&self, index: usize) -> &[u32] {
        let windows = &self.reading.windows;
        match windows.get(index) {
            Some(window) => &window.ids,
            None => self
                .plan
                .paired
                .get(index - windows.len())
                .map_or(&[], Vec::as_slice),
        }
    }

    /// Tokens of sequence `index`, special tokens included.
    pub fn cost(&self, index: usize) -> usize {
        self.ids(index).len()
    }

    /// Tokens of all sequences.
    pub fn tokens(&self) -> usize {
        (0..self.sequences()).map(|index| self.cost(index)).sum()
    }

    /// The document as it came.
    pub const fn document(&self) -> &Document {
        &self.document
    }

    /// ISO 639-1 code of the language it was read in, `und` when unknown.
    pub fn language(&self) -> &str {
        &self.reading.language.code
    }
}

/// All queries of a document, in the order in which their answers come back per sequence.
pub(super) fn asked(plan: &Plan) -> impl Iterator<Item = &Query> {
    plan.actors.iter().flat_map(|q| {
        q.windows
            .iter()
            .chain(q.sentences.iter().map(|(_, query)| query))
    })
}

impl Predictor {
    /// Checks the options and makes ready what all documents of a request share.
    ///
    /// # Errors
    /// [`PredictError::Options`].
    pub fn brief(&self, task: Task, options: Options) -> Result<Brief, PredictError> {
        check_options(&options, self.registry())?;
        let own_actors = matches!(task, Task::Full | Task::Stance);
        let matcher = match &options.restrict_to {
            _ if !own_actors => Arc::new(Matcher::for_specs(&[], self.registry())?),
            Some(ids) => Arc::new(Matcher::new(self.registry(), Some(ids))?),
            None => Arc::clone(&self.matcher),
        };
        let embedding = task == Task::Embedding;
        let heads = self.heads();
        let reading = ReadingOptions {
            window_tokens: heads.window_tokens.min(self.encoder().info().max_tokens),
            window_overlap: if embedding { 0 } else { heads.window_overlap },
            clean: options.clean && !embedding,
            unit: if own_actors {
                options.offset_unit
            } else {
                OffsetUnit::Byte
            },
        };
        Ok(Brief {
            task,
            options,
            reading,
            matcher,
            own_actors,
        })
    }

    /// Reads a document: cleans, tokenises, finds the actors, and plans every query.
    ///
    /// # Errors
    /// What is wrong with the text or with the actors it brings.
    pub fn prepare(
        &self,
        brief: &Arc<Brief>,
        mut document: Document,
    ) -> Result<Prepared, PredictError> {
        if !brief.own_actors {
            document.actors = None;
        }
        if brief.options.input == InputFormat::Html {
            document.text = html_text(&document.text)?;
        }
        let matcher = match &document.actors {
            Some(specs) => Arc::new(Matcher::for_specs(specs, self.registry())?),
            None => Arc::clone(&brief.matcher),
        };
        let reading = Reading::new(&document, &matcher, &self.tokenizer, &brief.reading)?;
        let unmentioned = brief.options.max_unmentioned;
        let plan = Plan::new(&reading, &matcher, &self.tokenizer, unmentioned)?;
        let mut queries = vec![Vec::new(); reading.windows.len() + plan.paired.len()];
        for query in asked(&plan) {
            queries[query.sequence].push(query.clone());
        }
        Ok(Prepared {
            document,
            brief: Arc::clone(brief),
            reading,
            matcher,
            plan,
            queries,
        })
    }
}
