//! Which bytes of a derived text come from which bytes of its source.

use std::ops::Range;

/// A piece of the derived text and where it comes from.
///
/// A linear piece is read byte by byte (its characters have the same length on both sides);
/// any other piece is one unit that cannot be divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    out: u32,
    out_len: u32,
    source: u32,
    source_len: u32,
    /// Whether positions inside correspond byte by byte.
    linear: bool,
}

impl Piece {
    fn out_end(&self) -> usize {
        self.out as usize + self.out_len as usize
    }
    fn source_end(&self) -> usize {
        self.source as usize + self.source_len as usize
    }
}

/// A monotone map between the bytes of a derived text and the bytes of its source.
///
/// The derived text is covered without gaps; the source may have gaps, where something was
/// left out. Memory grows with the number of changes and not with the length of the text;
/// lookups are binary searches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Alignment {
    pieces: Vec<Piece>,
}

impl Alignment {
    /// Adds the next stretch: bytes `out` of the derived text come from bytes `source`.
    ///
    /// Stretches come in order on both sides, `out` without gaps. Stretches of equal length
    /// must agree character by character; see [`Alignment::push_unit`] for those that do not.
    pub(super) fn push(&mut self, out: Range<usize>, source: Range<usize>) {
        if out.len() != source.len() {
            self.push_unit(out, source);
            return;
        }
        if let Some(last) = self.pieces.last_mut()
            && last.linear
            && last.source_end() == source.start
        {
            debug_assert_eq!(out.start, last.out_end());
            last.out_len += out.len() as u32;
            last.source_len += source.len() as u32;
            return;
        }
        self.push_piece(&out, &source, true);
    }

    /// Adds a stretch whose characters do not correspond one by one.
    pub(super) fn push_unit(&mut self, out: Range<usize>, source: Range<usize>) {
        self.push_piece(&out, &source, false);
    }

    fn push_piece(&mut self, out: &Range<usize>, source: &Range<usize>, linear: bool) {
        debug_assert!(out.start < out.end && source.start < source.end);
        debug_assert_eq!(out.start, self.out_len());
        debug_assert!(
            self.pieces
                .last()
                .is_none_or(|last| last.source_end() <= source.start)
        );
        self.pieces.push(Piece {
            out: out.start as u32,
            out_len: out.len() as u32,
            source: source.start as u32,
            source_len: source.len() as u32,
            linear,
        });
    }

    /// Length of the derived text in bytes.
    pub fn out_len(&self) -> usize {
        self.pieces.last().map_or(0, Piece::out_end)
    }

    /// The smallest span of the source that covers `span` of the derived text.
    ///
    /// An empty span maps to an empty span in front of the same character; a span beyond the
    /// end is cut at the end.
    pub fn to_source(&self, span: Range<usize>) -> Range<usize> {
        let length = self.out_len();
        let Some(start_piece) = self.piece_at_out(span.start) else {
            let end = self.pieces.last().map_or(0, Piece::source_end);
            return end..end;
        };
        let inside = if start_piece.linear {
            span.start - start_piece.out as usize
        } else {
            0
        };
        let start = start_piece.source as usize + inside;
        let last = span.end.min(length);
        if last <= span.start {
            return start..start;
        }
        let end = match self.piece_at_out(last - 1) {
            Some(piece) if piece.linear => piece.source as usize + (last - piece.out as usize),
            Some(piece) => piece.source_end(),
            None => start,
        };
        start..end
    }

    /// The smallest span of the derived text that covers what is left of `span` of the source;
    /// `None` when nothing of it is left.
    pub fn from_source(&self, span: Range<usize>) -> Option<Range<usize>> {
        let first = self
            .pieces
            .partition_point(|piece| piece.source_end() <= span.start);
        let behind = self
            .pieces
            .partition_point(|piece| (piece.source as usize) < span.end);
        if first >= behind || span.is_empty() {
            return None;
        }
        let (from, to) = (self.pieces[first], self.pieces[behind - 1]);
        let start = if from.linear {
            from.out as usize + span.start.saturating_sub(from.source as usize)
        } else {
            from.out as usize
        };
        let end = if to.linear {
            to.out_end()
                .min(to.out as usize + (span.end - to.source as usize))
        } else {
            to.out_end()
        };
        Some(start..end)
    }

    /// The piece that holds byte `at` of the derived text.
    fn piece_at_out(&self, at: usize) -> Option<Piece> {
        let behind = self
            .pieces
            .partition_point(|piece| piece.out as usize <= at);
        let piece = *self.pieces.get(behind.checked_sub(1)?)?;
        (at < piece.out_end()).then_some(piece)
    }
}
