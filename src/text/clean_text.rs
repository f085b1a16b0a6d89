//! The text that is judged, and where each part of it stands in the original.

use std::ops::Range;

use super::Limits;
use super::clean::keep_blocks;
use super::error::TextError;
use super::invisible::is_blank;
use super::lines::{Block, blocks};
use super::normalise::Normaliser;
use super::{Alignment, fold};

/// The readable text of a document: NFC, one paragraph a line, with the way back to the
/// original.
///
/// Invisible characters (control characters, byte-order marks, zero-width spaces, direction
/// marks, soft hyphens) are left out, runs of white space are one space, hard-wrapped lines
/// are joined, empty lines are dropped. With cleaning, what a pasted web page brings along
/// besides its article is set aside as well.
#[derive(Debug, Clone)]
pub struct CleanText {
    text: String,
    map: Alignment,
    paragraphs: Vec<Range<usize>>,
    set_aside: Vec<Range<usize>>,
}

impl CleanText {
    /// Reads a text under the default [`Limits`].
    ///
    /// - `clean`: set menus, boxes, forms and repeated headings aside; otherwise every visible
    ///   character is kept;
    /// - `keep`: byte spans of the original that must survive cleaning, such as mentions that
    ///   the caller knows of; the paragraphs around them are kept whole.
    pub fn new(original: &str, clean: bool, keep: &[Range<usize>]) -> Result<Self, TextError> {
        Self::with_limits(original, clean, keep, &Limits::default())
    }

    /// [`CleanText::new`] under other limits.
    pub fn with_limits(
        original: &str,
        clean: bool,
        keep: &[Range<usize>],
        limits: &Limits,
    ) -> Result<Self, TextError> {
        limits.check(original.len())?;
        if original.chars().all(is_blank) {
            return Err(TextError::Empty);
        }
        let blocks = blocks(original);
        let mut kept = if clean {
            keep_blocks(original, &blocks)
        } else {
            vec![true; blocks.len()]
        };
        for span in keep {
            let first = blocks.partition_point(|block| block.range.end <= span.start);
            for (at, block) in blocks.iter().enumerate().skip(first) {
                if block.range.start >= span.end.max(span.start + 1) {
                    break;
                }
                kept[at] = true;
            }
        }
        Ok(Self::assemble(original, &blocks, &kept))
    }

    fn assemble(original: &str, blocks: &[Block], kept: &[bool]) -> Self {
        let mut built = Normaliser::default();
        built.text.reserve(original.len());
        let mut paragraphs = Vec::new();
        let mut set_aside: Vec<Range<usize>> = Vec::new();
        let mut last_break: Option<Range<usize>> = None;
        let mut last_kept = true;
        for (block, &keep) in blocks.iter().zip(kept) {
            if keep {
                if let Some(line_break) = last_break.take() {
                    built.push_break(line_break);
                }
                let start = built.text.len();
                built.push_block(original, block);
                paragraphs.push(start..built.text.len());
                last_break = Some(block.line_break.clone());
            } else {
                match set_aside.last_mut() {
                    Some(last) if !last_kept => last.end = block.range.end,
                    _ => set_aside.push(block.range.clone()),
                }
            }
            last_kept = keep;
        }
        Self {
            text: built.text,
            map: built.map,
            paragraphs,
            set_aside,
        }
    }

    /// The text: NFC, paragraphs separated by one line feed each.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes of the original that a span of [`CleanText::text`] stands for: the smallest
    /// span of whole characters that covers it. What was set aside between two paragraphs lies
    /// inside the span when `span` crosses it.
    pub fn to_original(&self, span: Range<usize>) -> Range<usize> {
        self.map.to_source(span)
    }

    /// The bytes of [`CleanText::text`] that a span of the original became; `None` when all of
    /// it was set aside or is invisible.
    pub fn from_original(&self, span: Range<usize>) -> Option<Range<usize>> {
        self.map.from_source(span)
    }

    /// What cleaning set aside: byte ranges of the original, in order, each from the first to
    /// the last visible character of a run of lines.
    pub fn set_aside(&self) -> &[Range<usize>] {
        &self.set_aside
    }

    /// Byte ranges of the paragraphs in [`CleanText::text`], in order, without line breaks.
    pub fn paragraphs(&self) -> &[Range<usize>] {
        &self.paragraphs
    }

    /// The folded text (see [`fold`]), whose map leads to bytes of [`CleanText::text`].
    pub fn folded(&self) -> fold::FoldedText {
        fold::fold(&self.text)
    }
}

#[cfg(test)]
mod tests;
