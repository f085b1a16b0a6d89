//! Which queries the stance head answers for an actor of a reading.

use std::collections::BTreeMap;
use std::ops::Range;

use super::PredictError;
use super::reading::{ActorReading, MentionReading, Reading};
use crate::actors::Matcher;
use crate::encoder::tokenizer::TextTokenizer;
use crate::heads::stance::Query;

/// The queries about one actor of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// One query per window that mentions the actor, or per [`Plan::paired`] sequence of an actor
    /// that no window mentions. Their answers are combined into the document's. Empty for an
    /// actor that is not judged.
    pub windows: Vec<Query>,
    /// One query per sentence that mentions the actor, for evidence.
    pub sentences: Vec<(usize, Query)>,
}

/// Everything that is asked about one document. [`Query::sequence`] counts the windows of the
/// reading first and the paired sequences after them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The queries about each actor of the reading, in its order.
    pub actors: Vec<Questions>,
    /// Sequences of a name and a stretch of the text, for actors that the text never mentions.
    pub paired: Vec<Vec<u32>>,
}

impl Plan {
    /// Asks about every actor of `reading`, which `matcher` found. Actors that the text never
    /// mentions cost a pass over the text each; when there are more than `max_unmentioned` of
    /// them, none of these is asked about.
    ///
    /// # Errors
    /// `name_too_long` for such an actor, or what the tokenizer says.
    pub fn new(
        reading: &Reading,
        matcher: &Matcher,
        tokenizer: &TextTokenizer,
        max_unmentioned: usize,
    ) -> Result<Self, PredictError> {
        let mut plan = Self::default();
        let unmentioned = reading.actors.iter().filter(|a| !is_mentioned(a)).count();
        for actor in &reading.actors {
            let questions = if is_mentioned(actor) {
                mentioned(reading, actor)
            } else if unmentioned <= max_unmentioned {
                let asked = &matcher.actors()[actor.actor];
                let name = asked.query_name(&reading.language.code, reading.clean.text());
                let whole = 0..name.len();
                let ids = tokenizer.encode(name, std::slice::from_ref(&whole))?.ids;
                plan.pair(reading, &ids, tokenizer)
                    .map_err(|(tokens, limit)| PredictError::NameTooLong {
                        actor: asked.id.clone(),
                        tokens,
                        limit,
                    })?
            } else {
                Questions::default()
            };
            plan.actors.push(questions);
        }
        Ok(plan)
    }

    /// Puts `name` in front of the whole text, in as many sequences as it takes; the error gives
    /// the tokens of the name and the limit.
    fn pair(
        &mut self,
        reading: &Reading,
        name: &[u32],
        tokenizer: &TextTokenizer,
    ) -> Result<Questions, (usize, usize)> {
        let room = reading.window_tokens().saturating_sub(tokenizer.pair_len());
        if name.len() > room / 2 {
            return Err((name.len(), room / 2));
        }
        // A name that the tokenizer drops whole is asked for by the opening special token.
        let start = tokenizer.prefix_len();
        let mention = match name.len() {
            0 => 0..1,
            tokens => start..start + tokens,
        };
        let text = tokenizer.special_len() + name.len();
        let mut questions = Questions::default();
        for range in reading.cut(room - name.len()) {
            questions.windows.push(Query {
                sequence: reading.windows.len() + self.paired.len(),
                mentions: vec![mention.clone()],
                scope: scope(&range, &range, text),
                paired: true,
            });
            self.paired
                .push(tokenizer.wrap_pair(name, &reading.tokens.ids[range]));
        }
        Ok(questions)
    }
}

/// The queries about an actor that the text mentions.
fn mentioned(reading: &Reading, actor: &ActorReading) -> Questions {
    let mentions = telling(&actor.mentions);
    let mut out = Questions::default();
    for (number, window) in reading.windows.iter().enumerate() {
        let inside = within(&mentions, &window.tokens, reading.prefix);
        if !inside.is_empty() {
            out.windows.push(Query {
                sequence: number,
                mentions: inside,
                scope: scope(&window.tokens, &window.tokens, reading.prefix),
                paired: false,
            });
        }
    }
    let mut by_sentence: BTreeMap<usize, Vec<Range<usize>>> = BTreeMap::new();
    for mention in &mentions {
        for token in mention.clone() {
            let sentence = reading.tokens.sentence_of[token] as usize;
            let parts = by_sentence.entry(sentence).or_default();
            match parts.last_mut() {
                Some(last) if last.end == token && last.start >= mention.start => last.end += 1,
                _ => parts.push(token..token + 1),
            }
        }
    }
    for (sentence, parts) in by_sentence {
        let tokens = reading.sentence_tokens(sentence);
        // The window that holds most of the sentence, the earlier one of two.
        let shared = |range: &Range<usize>| {
            range
                .end
                .min(tokens.end)
                .saturating_sub(range.start.max(tokens.start))
        };
        let Some((number, window)) = reading
            .windows
            .iter()
            .enumerate()
            .filter(|(_, w)| !within(&parts, &w.tokens, 0).is_empty())
            .max_by_key(|(number, w)| (shared(&w.tokens), std::cmp::Reverse(*number)))
        else {
            continue;
        };
        let visible = tokens.start.max(window.tokens.start)..tokens.end.min(window.tokens.end);
        out.sentences.push((
            sentence,
            Query {
                sequence: number,
                mentions: within(&parts, &window.tokens, reading.prefix),
                scope: scope(&visible, &window.tokens, reading.prefix),
                paired: false,
            },
        ));
    }
    out
}

/// Whether any token mentions the actor.
pub fn is_mentioned(actor: &ActorReading) -> bool {
    !telling(&actor.mentions).is_empty()
}

/// Token ranges of the mentions that say who is meant: the full ones, or the adjectives where
/// there is nothing else.
fn telling(mentions: &[MentionReading]) -> Vec<Range<usize>> {
    let some = |weak: bool| -> Vec<Range<usize>> {
        mentions
            .iter()
            .filter(|m| m.weak == weak && !m.tokens.is_empty())
            .map(|m| m.tokens.clone())
            .collect()
    };
    let strong = some(false);
    if strong.is_empty() {
        some(true)
    } else {
        strong
    }
}

/// The parts of `ranges` inside `window`, counted from its first sequence position.
fn within(ranges: &[Range<usize>], window: &Range<usize>, prefix: usize) -> Vec<Range<usize>> {
    ranges
        .iter()
        .map(|r| r.start.max(window.start)..r.end.min(window.end))
        .filter(|r| r.start < r.end)
        .map(|r| r.start - window.start + prefix..r.end - window.start + prefix)
        .collect()
}

/// `tokens` of the document as positions of the window's sequence; an empty window's scope is
/// its first position, which is a special token.
fn scope(tokens: &Range<usize>, window: &Range<usize>, prefix: usize) -> Range<usize> {
    let start = tokens.start - window.start + prefix;
    let end = tokens.end - window.start + prefix;
    if start < end { start..end } else { 0..1 }
}
