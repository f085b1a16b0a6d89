//! Which queries the stance head answers for an actor of a reading.

use std::collections::BTreeMap;
use std::ops::Range;

use super::reading::{ActorReading, MentionReading, Reading};
use crate::heads::stance::Query;

/// The queries about one actor of one document.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Questions {
    /// One query per window that counts: those that mention the actor, or all when none does.
    /// Their answers are combined into the document's. [`Query::sequence`] is the window's
    /// number in the document.
    pub windows: Vec<Query>,
    /// One query per sentence that mentions the actor, for evidence.
    pub sentences: Vec<(usize, Query)>,
}

/// The queries about `actor`; `name` is the row of its encoded name among the names of the
/// batch, needed when [`needs_name`] says so.
pub fn questions(reading: &Reading, actor: &ActorReading, name: Option<usize>) -> Questions {
    let mentions = telling(&actor.mentions);
    let mut out = Questions::default();
    for (number, window) in reading.windows.iter().enumerate() {
        let inside = within(&mentions, &window.tokens, reading.prefix);
        if !inside.is_empty() {
            out.windows.push(Query {
                sequence: number,
                mentions: inside,
                scope: scope(&window.tokens, &window.tokens, reading.prefix),
                name: None,
            });
        }
    }
    if out.windows.is_empty() {
        out.windows = reading
            .windows
            .iter()
            .enumerate()
            .map(|(number, window)| Query {
                sequence: number,
                mentions: Vec::new(),
                scope: scope(&window.tokens, &window.tokens, reading.prefix),
                name,
            })
            .collect();
        return out;
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
                name: None,
            },
        ));
    }
    out
}

/// Whether the stance head must be given the actor's name, because no token mentions it.
pub fn needs_name(actor: &ActorReading) -> bool {
    telling(&actor.mentions).is_empty()
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
