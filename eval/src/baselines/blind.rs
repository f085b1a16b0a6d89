//! The same rows with the actor taken away: what a model answers that does not know whom it
//! is asked about, or does not know the name.

use std::ops::Range;

use crate::data::Example;

/// What stands in for a name. Longer than initials, in no word of any language.
pub const PLACEHOLDER: &str = "Xxxx";

/// The row with the question taken away: the text as it is, the actor a name that the text
/// does not have, and no spans. A model that scores as well on it does not look at the actor.
pub fn target_blind(example: &Example) -> Example {
    Example {
        names: vec![PLACEHOLDER.to_owned()],
        spans: Vec::new(),
        ..example.clone()
    }
}

/// The row with the name taken away: every mention reads [`PLACEHOLDER`], and the spans point
/// there. A model that scores much worse on it answers from the name's reputation.
pub fn name_masked(example: &Example) -> Example {
    let mut text = String::with_capacity(example.text.len());
    let mut spans = Vec::new();
    let mut read = 0;
    let mut written = 0;
    for mention in mentions(example) {
        let before = &example.text[read..mention.start];
        text.push_str(before);
        text.push_str(PLACEHOLDER);
        let start = written + before.chars().count();
        written = start + PLACEHOLDER.len();
        spans.push([start, written]);
        read = mention.end;
    }
    text.push_str(&example.text[read..]);
    Example {
        text,
        names: vec![PLACEHOLDER.to_owned()],
        spans,
        ..example.clone()
    }
}

/// Whether the text names the target, by the spans of the set or by one of its names.
pub fn is_mentioned(example: &Example) -> bool {
    !mentions(example).is_empty()
}

/// Bytes of the mentions: the spans of the set, or else every occurrence of a name; in order
/// and without overlap.
pub(super) fn mentions(example: &Example) -> Vec<Range<usize>> {
    let mut found = if example.spans.is_empty() {
        occurrences(&example.text, &example.names)
    } else {
        byte_ranges(&example.text, &example.spans)
    };
    found.sort_by_key(|range| (range.start, std::cmp::Reverse(range.end)));
    let mut end = 0;
    found.retain(|range| {
        let apart = range.start >= end && range.end > range.start;
        if apart {
            end = range.end;
        }
        apart
    });
    found
}

/// Character spans as byte ranges; spans that reach past the text are cut at its end.
fn byte_ranges(text: &str, spans: &[[usize; 2]]) -> Vec<Range<usize>> {
    let mut starts: Vec<usize> = text.char_indices().map(|(byte, _)| byte).collect();
    starts.push(text.len());
    let last = starts.len() - 1;
    spans
        .iter()
        .map(|span| starts[span[0].min(last)]..starts[span[1].min(last)])
        .collect()
}

/// Occurrences of names in any case, as bytes of the text.
fn occurrences(text: &str, names: &[String]) -> Vec<Range<usize>> {
    let mut lower = String::with_capacity(text.len());
    // for each byte of `lower`, the character of the text that it comes from
    let mut origin: Vec<Range<usize>> = Vec::with_capacity(text.len());
    for (byte, character) in text.char_indices() {
        lower.extend(character.to_lowercase());
        origin.resize(lower.len(), byte..byte + character.len_utf8());
    }
    let mut found = Vec::new();
    for name in names {
        let name = name.trim().to_lowercase();
        if name.is_empty() {
            continue;
        }
        for (start, hit) in lower.match_indices(&name) {
            found.push(origin[start].start..origin[start + hit.len() - 1].end);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(text: &str, names: &[&str], spans: &[[usize; 2]]) -> Example {
        Example {
            text: text.to_owned(),
            names: names.iter().map(|&name| name.to_owned()).collect(),
            spans: spans.to_vec(),
            ..Example::default()
        }
    }

    #[test]
    fn spans_are_masked_and_follow_the_text() {
        let row = example("أشاد أرلاند ثم أرلاند", &["أرلاند"], &[[5, 11], [15, 21]]);
        let masked = name_masked(&row);
        assert_eq!(masked.text, "أشاد Xxxx ثم Xxxx");
        assert_eq!(masked.spans, [[5, 9], [13, 17]]);
        assert_eq!(masked.names, [PLACEHOLDER]);
    }

    #[test]
    fn names_are_found_in_any_case_when_there_are_no_spans() {
        let masked = name_masked(&example("#ARLAND and İstanbul, arland", &["Arland"], &[]));
        assert_eq!(masked.text, "#Xxxx and İstanbul, Xxxx");
        assert_eq!(masked.spans, [[1, 5], [20, 24]]);
    }

    #[test]
    fn overlapping_mentions_are_masked_once() {
        let masked = name_masked(&example("South Arland", &["South Arland", "Arland"], &[]));
        assert_eq!(masked.text, "Xxxx");
    }

    #[test]
    fn a_span_past_the_end_is_cut() {
        assert_eq!(
            name_masked(&example("ab cd", &["cd"], &[[3, 99]])).text,
            "ab Xxxx"
        );
    }

    #[test]
    fn the_blind_row_keeps_the_text_and_loses_the_target() {
        let blind = target_blind(&example("Arland lies", &["Arland"], &[[0, 6]]));
        assert_eq!(blind.text, "Arland lies");
        assert!(blind.spans.is_empty() && !blind.names.contains(&"Arland".to_owned()));
    }
}
