//! The form in which names and texts are compared: folded text in which every run of white
//! space and hyphens is one space, and the dots between the parts of Chinese and Japanese
//! renderings of foreign names are one dot.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;

use crate::text::fold::{FoldedText, fold, fold_str};

/// A text in comparable form, with the way back.
pub(super) struct Canon {
    pub(super) text: String,
    /// For each byte of `text`, where its character starts in the folded text.
    starts: Vec<u32>,
    folded: FoldedText,
}

impl Canon {
    /// Of a text under 4 GiB.
    pub(super) fn new(source: &str) -> Self {
        let folded = fold(source);
        let mut text = String::with_capacity(folded.text.len());
        let mut starts = Vec::with_capacity(folded.text.len());
        squeeze(&folded.text, |at, c| {
            text.push(c);
            starts.resize(text.len(), at as u32);
        });
        Self {
            text,
            starts,
            folded,
        }
    }

    /// The bytes of the source that a span of whole characters stands for.
    pub(super) fn to_source(&self, span: Range<usize>) -> Range<usize> {
        let folded_at = |at: usize| {
            self.starts
                .get(at)
                .map_or(self.folded.text.len(), |&start| start as usize)
        };
        let start = folded_at(span.start);
        let last = self.text[..span.end]
            .chars()
            .next_back()
            .map_or(0, char::len_utf8);
        let last_start = folded_at(span.end.saturating_sub(last));
        let width = self.folded.text[last_start..]
            .chars()
            .next()
            .map_or(0, char::len_utf8);
        self.folded
            .to_source(start..(last_start + width).max(start))
    }
}

/// The comparable form of a name.
pub(super) fn canon_str(name: &str) -> String {
    let composed: String = name.nfc().collect();
    let mut text = String::with_capacity(composed.len());
    squeeze(&fold_str(&composed), |_, c| text.push(c));
    text.trim().to_owned()
}

/// Calls `push` with each remaining character and the byte where it starts.
fn squeeze(folded: &str, mut push: impl FnMut(usize, char)) {
    let mut gap: Option<(usize, u32)> = None;
    for (at, c) in folded.char_indices() {
        if c.is_whitespace() || matches!(c, '-' | '\u{2012}' | '\u{2013}') {
            let (start, lines) = gap.unwrap_or((at, 0));
            gap = Some((start, lines + u32::from(c == '\n')));
            continue;
        }
        if let Some((start, lines)) = gap.take() {
            // A name may run over the end of a line, but not from one paragraph into the next.
            push(start, if lines > 1 { '\n' } else { ' ' });
        }
        push(
            at,
            match c {
                '•' | '‧' | '・' | '･' | '∙' => '·',
                other => other,
            },
        );
    }
    if let Some((start, _)) = gap {
        push(start, ' ');
    }
}
