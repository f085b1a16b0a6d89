//! NFC with the way back to the original.

use unicode_normalization::char::{canonical_combining_class, decompose_canonical};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::alignment::Alignment;
use super::invisible::{is_arabic, is_invisible};
use super::lines::Block;

/// A text under construction, with its alignment to the original.
#[derive(Debug, Default)]
pub(super) struct Normaliser {
    pub text: String,
    pub map: Alignment,
}

impl Normaliser {
    /// Appends a block of `original`: characters in NFC, invisible ones dropped, every run of
    /// white space (the line breaks of hard wrapping among them) one space. A zero-width
    /// non-joiner stays between Arabic letters, where it separates the parts of Persian words,
    /// and is dropped elsewhere.
    pub fn push_block(&mut self, original: &str, block: &Block) {
        let base = block.range.start;
        let mut chars = original[block.range.clone()]
            .char_indices()
            .map(|(at, c)| (base + at, c))
            .peekable();
        let mut cluster = String::new();
        while let Some((start, c)) = chars.next() {
            let mut end = start + c.len_utf8();
            if is_invisible(c) {
                continue;
            }
            if c.is_whitespace() {
                while let Some(&(at, next)) = chars.peek() {
                    if !next.is_whitespace() && !is_invisible(next) {
                        break;
                    }
                    end = at + next.len_utf8();
                    chars.next();
                }
                self.push_str(" ", start..end);
                continue;
            }
            if c == '\u{200C}' {
                let before = self.text.chars().next_back().is_some_and(is_arabic);
                let next = chars
                    .clone()
                    .map(|(_, next)| next)
                    .find(|&next| !is_invisible(next));
                // In front of a combining mark it stays too: the mark must not move.
                if !(before && next.is_some_and(is_arabic)) && next.is_none_or(starts_cluster) {
                    continue;
                }
            }
            // A cluster: this character and everything that may combine with it.
            cluster.clear();
            cluster.push(c);
            while let Some(&(at, next)) = chars.peek() {
                if is_invisible(next) {
                    // Dropped inside a cluster only when the cluster goes on behind it.
                    let mut ahead = chars.clone();
                    while ahead.next_if(|&(_, later)| is_invisible(later)).is_some() {}
                    if ahead.peek().is_none_or(|&(_, later)| starts_cluster(later)) {
                        break;
                    }
                    chars = ahead;
                } else if starts_cluster(next) {
                    break;
                } else {
                    cluster.push(next);
                    end = at + next.len_utf8();
                    chars.next();
                }
            }
            let single = cluster.len() == c.len_utf8();
            if single && (c < '\u{300}' || is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes) {
                self.push_str(&cluster, start..end);
            } else {
                let composed: String = cluster.nfc().collect();
                self.push_cluster(&cluster, &composed, start..end);
            }
        }
    }

    /// Appends the line break between two blocks.
    pub fn push_break(&mut self, line_break: std::ops::Range<usize>) {
        self.push_str("\n", line_break);
    }

    fn push_str(&mut self, piece: &str, source: std::ops::Range<usize>) {
        let start = self.text.len();
        self.text.push_str(piece);
        self.map.push(start..self.text.len(), source);
    }

    /// Appends a composed cluster: character by character when nothing changed, else as one.
    fn push_cluster(&mut self, cluster: &str, composed: &str, source: std::ops::Range<usize>) {
        if cluster == composed && cluster.len() == source.len() {
            self.push_str(composed, source);
            return;
        }
        let start = self.text.len();
        self.text.push_str(composed);
        self.map.push_unit(start..self.text.len(), source);
    }
}

/// Whether normalisation never joins `c` with what stands in front of it.
fn starts_cluster(c: char) -> bool {
    match c {
        '\0'..='\u{2FF}'
        | '\u{400}'..='\u{482}'
        | '\u{620}'..='\u{64A}'
        | '\u{4E00}'..='\u{9FFF}' => true,
        _ => match is_nfc_quick(std::iter::once(c)) {
            IsNormalized::Yes => canonical_combining_class(c) == 0,
            IsNormalized::Maybe => false,
            IsNormalized::No => {
                let mut first = None;
                decompose_canonical(c, |part| {
                    first.get_or_insert(part);
                });
                first.is_some_and(|part| {
                    canonical_combining_class(part) == 0
                        && is_nfc_quick(std::iter::once(part)) != IsNormalized::Maybe
                })
            }
        },
    }
}
