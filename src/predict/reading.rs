//! What a document says before any model reads it: clean text, sentences, tokens, windows, and
//! where the actors are mentioned.

use std::ops::Range;

use crate::actors::Matcher;
use crate::document::{Document, OffsetUnit};
use crate::encoder::tokenizer::{TextTokenizer, Tokens};
use crate::prediction::LanguageGuess;
use crate::text::{CleanText, OffsetTable, identify, parse_language, sentences, windows};

use super::PredictError;

/// How a document is read.
#[derive(Debug, Clone, Copy)]
pub struct ReadingOptions {
    /// Longest window in tokens, special tokens included.
    pub window_tokens: usize,
    /// Most tokens that consecutive windows share.
    pub window_overlap: usize,
    /// Set menus and the like aside.
    pub clean: bool,
    /// Unit of the spans that the document's actors bring.
    pub unit: OffsetUnit,
}

/// One stretch of tokens that the encoder reads at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Which tokens of the document.
    pub tokens: Range<usize>,
    /// Their ids with the special tokens around them.
    pub ids: Vec<u32>,
}

/// One mention of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MentionReading {
    /// Bytes of the clean text.
    pub span: Range<usize>,
    /// Tokens of the document that the span touches; empty when the tokenizer saw nothing there.
    pub tokens: Range<usize>,
    /// Only an adjective.
    pub weak: bool,
}

/// An actor and its mentions in the order of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActorReading {
    /// Index into the matcher's actors.
    pub actor: usize,
    /// The mentions.
    pub mentions: Vec<MentionReading>,
}

/// A document, read.
#[derive(Debug)]
pub struct Reading {
    /// The clean text and its map to the original.
    pub clean: CleanText,
    /// Given or identified.
    pub language: LanguageGuess,
    /// Bytes of the clean text.
    pub sentences: Vec<Range<usize>>,
    /// Tokens of the whole document, without special tokens.
    pub tokens: Tokens,
    /// The windows, at least one.
    pub windows: Vec<Window>,
    /// Special tokens before the first token of a window.
    pub prefix: usize,
    /// The actors to judge, most mentioned first; those of a request stand in its order.
    pub actors: Vec<ActorReading>,
    /// Share of tokens that the vocabulary does not know.
    pub unknown: f32,
    window_tokens: usize,
    window_overlap: usize,
}

impl Reading {
    /// Reads `document`, looking for the actors of `matcher`.
    ///
    /// # Errors
    /// `empty_text`, `text_too_long`, `unknown_language`, `invalid_span`, or what the tokenizer
    /// says.
    pub fn new(
        document: &Document,
        matcher: &Matcher,
        tokenizer: &TextTokenizer,
        options: &ReadingOptions,
    ) -> Result<Self, PredictError> {
        let given = given_spans(document, options.unit)?;
        let keep: Vec<Range<usize>> = given.iter().flatten().cloned().collect();
        let clean = CleanText::new(&document.text, options.clean, &keep)?;
        let language = if let Some(code) = &document.language {
            LanguageGuess {
                code: parse_language(code)?.to_owned(),
                confidence: 1.0,
            }
        } else {
            let guess = identify(clean.text());
            LanguageGuess {
                code: guess.code.to_owned(),
                confidence: guess.confidence,
            }
        };
        let sentences = sentences(clean.text(), clean.paragraphs());
        let tokens = tokenizer.encode(clean.text(), &sentences)?;
        let mut reading = Self {
            windows: Vec::new(),
            window_tokens: options.window_tokens,
            window_overlap: options.window_overlap,
            unknown: tokenizer.unknown_fraction(&tokens.ids),
            prefix: tokenizer.prefix_len(),
            clean,
            language,
            sentences,
            tokens,
            actors: Vec::new(),
        };
        reading.windows = reading
            .cut(
                options
                    .window_tokens
                    .saturating_sub(tokenizer.special_len()),
            )
            .into_iter()
            .map(|range| Window {
                ids: tokenizer.wrap(&reading.tokens.ids[range.clone()]),
                tokens: range,
            })
            .collect();
        reading.actors = reading.find_actors(matcher, &given);
        Ok(reading)
    }

    /// Tokens of the document that touch bytes `span` of the clean text.
    fn tokens_of(&self, span: &Range<usize>) -> Range<usize> {
        let spans = &self.tokens.spans;
        let start = spans.partition_point(|t| t.end as usize <= span.start);
        let end = spans.partition_point(|t| (t.start as usize) < span.end);
        start..end.max(start)
    }

    fn find_actors(&self, matcher: &Matcher, given: &[Vec<Range<usize>>]) -> Vec<ActorReading> {
        let mut actors: Vec<ActorReading> = (0..matcher.actors().len())
            .map(|actor| ActorReading {
                actor,
                mentions: Vec::new(),
            })
            .collect();
        let has_given = |actor: usize| given.get(actor).is_some_and(|spans| !spans.is_empty());
        for mention in matcher.find(self.clean.text()) {
            if !has_given(mention.actor) {
                actors[mention.actor].mentions.push(MentionReading {
                    tokens: self.tokens_of(&mention.span),
                    span: mention.span,
                    weak: mention.weak,
                });
            }
        }
        for (actor, spans) in given.iter().enumerate() {
            for span in spans
                .iter()
                .filter_map(|s| self.clean.from_original(s.clone()))
            {
                let tokens = self.tokens_of(&span);
                actors[actor].mentions.push(MentionReading {
                    tokens,
                    span,
                    weak: false,
                });
            }
            actors[actor]
                .mentions
                .sort_by_key(|m| (m.span.start, m.span.end));
        }
        if !matcher.is_requested() {
            actors.retain(|a| a.mentions.iter().any(|m| !m.weak));
            actors.sort_by_key(|a| {
                let strong = a.mentions.iter().filter(|m| !m.weak).count();
                (
                    std::cmp::Reverse((strong, a.mentions.len())),
                    a.mentions[0].span.start,
                )
            });
        }
        actors
    }

    /// Longest window in tokens, special tokens included.
    pub fn window_tokens(&self) -> usize {
        self.window_tokens
    }

    /// Stretches of at most `room` tokens that cover the document, at least one.
    pub fn cut(&self, room: usize) -> Vec<Range<usize>> {
        let mut counts = vec![0usize; self.sentences.len()];
        for &sentence in &self.tokens.sentence_of {
            counts[sentence as usize] += 1;
        }
        let room = room.max(1);
        let mut ranges = windows(&counts, room, self.window_overlap.min(room / 2));
        if ranges.is_empty() {
            // A text of nothing but characters that the tokenizer drops is read all the same.
            ranges.push(0..0);
        }
        ranges
    }

    /// Tokens of sentence `index`.
    pub fn sentence_tokens(&self, index: usize) -> Range<usize> {
        let of = &self.tokens.sentence_of;
        let start = of.partition_point(|&s| (s as usize) < index);
        let end = of.partition_point(|&s| (s as usize) <= index);
        start..end
    }

    /// The sentence that holds byte `at` of the clean text.
    pub fn sentence_at(&self, at: usize) -> Option<usize> {
        let after = self.sentences.partition_point(|s| s.start <= at);
        after.checked_sub(1).filter(|&i| at < self.sentences[i].end)
    }
}

/// The request's spans of each actor, in bytes of the original text.
fn given_spans(
    document: &Document,
    unit: OffsetUnit,
) -> Result<Vec<Vec<Range<usize>>>, PredictError> {
    let Some(actors) = &document.actors else {
        return Ok(Vec::new());
    };
    if actors.iter().all(|a| a.spans.is_none()) {
        return Ok(vec![Vec::new(); actors.len()]);
    }
    let table = OffsetTable::new(&document.text);
    let name = match unit {
        OffsetUnit::Char => "characters",
        OffsetUnit::Byte => "bytes",
        OffsetUnit::Utf16 => "UTF-16 code units",
    };
    actors
        .iter()
        .map(|actor| {
            actor
                .spans
                .iter()
                .flatten()
                .map(|&[start, end]| {
                    let bytes = table.to_byte(start, unit).zip(table.to_byte(end, unit));
                    match bytes {
                        Some((a, b)) if a < b => Ok(a..b),
                        _ => Err(PredictError::InvalidSpan {
                            actor: actor.id.clone(),
                            start,
                            end,
                            length: table.len(unit),
                            unit: name,
                        }),
                    }
                })
                .collect()
        })
        .collect()
}
