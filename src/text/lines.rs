//! Blocks: the lines of a text, with hard-wrapped paragraphs put together again.

use std::ops::Range;

use super::invisible::is_blank;

/// A paragraph or a heading, a menu entry, a line of a poem: what stands between line breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// Bytes of the original, from the first visible character to the last. Line breaks inside
    /// are those of hard wrapping.
    pub range: Range<usize>,
    /// The line break behind it, empty at the end of the text.
    pub line_break: Range<usize>,
    /// Whether an empty line, or the beginning of the text, stands in front of it.
    pub after_gap: bool,
}

/// Widths between which a text counts as hard-wrapped, in characters.
const WRAP_WIDTHS: std::ops::RangeInclusive<usize> = 40..=130;
/// So many breaks must look wrapped, and so large a share of all breaks inside paragraphs.
const MIN_WRAPPED: usize = 3;
const MIN_WRAPPED_SHARE: f32 = 0.8;

/// The non-empty lines of `text`, hard-wrapped ones joined.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let lines = lines(text);
    let Some(width) = wrap_width(text, &lines) else {
        return lines;
    };
    let mut joined: Vec<Block> = Vec::new();
    let mut previous: Option<Block> = None;
    for line in lines {
        match (&previous, joined.last_mut()) {
            (Some(before), Some(block))
                if !line.after_gap && is_wrapped(text, before, &line, width) =>
            {
                block.range.end = line.range.end;
                block.line_break = line.line_break.clone();
            }
            _ => joined.push(line.clone()),
        }
        previous = Some(line);
    }
    joined
}

/// The non-empty lines as they are.
fn lines(text: &str) -> Vec<Block> {
    let mut found: Vec<Block> = Vec::new();
    let mut after_gap = true;
    let mut start = 0;
    while start < text.len() {
        let rest = &text[start..];
        let (length, break_length) = line_length(rest);
        let line = &rest[..length];
        let leading = line.len() - line.trim_start_matches(is_blank).len();
        let visible = line.trim_matches(is_blank);
        if visible.is_empty() {
            after_gap = true;
        } else {
            let from = start + leading;
            found.push(Block {
                range: from..from + visible.len(),
                line_break: start + length..start + length + break_length,
                after_gap,
            });
            after_gap = false;
        }
        start += length + break_length;
    }
    found
}

/// Length of the first line, and of the line break behind it.
fn line_length(text: &str) -> (usize, usize) {
    for (at, byte) in text.bytes().enumerate() {
        let length = match byte {
            b'\r' if text.as_bytes().get(at + 1) == Some(&b'\n') => 2,
            b'\n' | b'\r' | 0x0B | 0x0C => 1,
            // U+0085, U+2028, U+2029.
            0xC2 if text.as_bytes().get(at + 1) == Some(&0x85) => 2,
            0xE2 if matches!(
                text.as_bytes().get(at + 1..at + 3),
                Some([0x80, 0xA8 | 0xA9])
            ) =>
            {
                3
            }
            _ => continue,
        };
        return (at, length);
    }
    (text.len(), 0)
}

/// The width at which the text is hard-wrapped, if it is.
///
/// A greedy wrapper breaks a line exactly where the next word would not have fitted. When
/// nearly all breaks inside paragraphs are of that kind, and most do not end a sentence, the
/// breaks mean nothing.
fn wrap_width(text: &str, lines: &[Block]) -> Option<usize> {
    let width = lines
        .iter()
        .map(|line| width_of(&text[line.range.clone()]))
        .max()?;
    if !WRAP_WIDTHS.contains(&width) {
        return None;
    }
    let (mut breaks, mut wrapped, mut open) = (0, 0, 0);
    for pair in lines.windows(2).filter(|pair| !pair[1].after_gap) {
        breaks += 1;
        if is_wrapped(text, &pair[0], &pair[1], width) {
            wrapped += 1;
            let ends = text[pair[0].range.clone()].ends_with(['.', '!', '?', '؟', '۔', '।', ':']);
            open += usize::from(!ends);
        }
    }
    let share = wrapped as f32 / breaks.max(1) as f32;
    (wrapped >= MIN_WRAPPED && share >= MIN_WRAPPED_SHARE && open * 2 > wrapped).then_some(width)
}

/// Whether the first word of `next` would not have fitted behind `line`.
fn is_wrapped(text: &str, line: &Block, next: &Block, width: usize) -> bool {
    let word = text[next.range.clone()]
        .split_whitespace()
        .next()
        .unwrap_or("");
    width_of(&text[line.range.clone()]) + 1 + width_of(word) > width
}

fn width_of(line: &str) -> usize {
    line.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        blocks(text)
            .into_iter()
            .map(|block| &text[block.range])
            .collect()
    }

    #[test]
    fn every_kind_of_line_break() {
        assert_eq!(
            texts("\u{FEFF}a\r\nb\rc\u{2028}d\u{85}e\n\n f \u{200B}"),
            ["a", "b", "c", "d", "e", "f"]
        );
        let found = blocks("a\r\n\r\nb");
        assert_eq!(found[0].line_break, 1..3);
        assert!(found[1].after_gap);
    }

    #[test]
    fn hard_wrapped_paragraphs_are_joined() {
        let text = "The council met on Tuesday and agreed on\na statement that nobody had expected to\nread so soon after the long quarrel of\nthe spring.\n\nThe second paragraph is shorter, but it\nis wrapped at the same width.\n";
        let found = texts(text);
        assert_eq!(found.len(), 2);
        assert!(found[0].ends_with("the spring."));
    }

    #[test]
    fn lines_of_a_poem_stay_lines() {
        let text = "Roses are red and the violets are blue\nSugar is sweet\nAnd so are you, the old song goes on\nNobody knows\nWhy\n";
        assert_eq!(texts(text).len(), 5);
    }
}
