//! A table of single-line cells that stays straight with any script.
//!
//! Widths are summed over characters, as terminals place them (`wcwidth`), and not measured as
//! ligatures and joined emoji would be drawn, which few terminals do. Cells with right-to-left
//! text are isolated, so that a terminal that reorders text keeps every cell in its column.

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthChar;

/// First strong isolate, and its end.
const ISOLATE: char = '\u{2068}';
const END_ISOLATE: char = '\u{2069}';

/// On which side a cell is filled up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Align {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// A table with a header.
#[derive(Debug)]
pub(super) struct Table<const N: usize> {
    header: [&'static str; N],
    align: [Align; N],
    rows: Vec<[String; N]>,
}

impl<const N: usize> Table<N> {
    pub(super) const fn new(columns: [(&'static str, Align); N]) -> Self {
        let mut header = [""; N];
        let mut align = [Align::Left; N];
        let mut column = 0;
        while column < N {
            (header[column], align[column]) = columns[column];
            column += 1;
        }
        Self {
            header,
            align,
            rows: Vec::new(),
        }
    }

    /// Adds a row of cells, each already one line (see [`one_line`]).
    pub(super) fn row(&mut self, cells: [String; N]) {
        self.rows.push(cells);
    }

    /// The drawn table, each line ended. A column without a header and with nothing in it is left
    /// out.
    pub(super) fn render(&self) -> String {
        let mut widths = self.header.map(display_width);
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(display_width(cell));
            }
        }
        let shown: Vec<usize> = (0..N).filter(|&column| widths[column] > 0).collect();
        let rule = |left: char, between: char, right: char| {
            let lines: Vec<String> = shown
                .iter()
                .map(|&column| "─".repeat(widths[column] + 2))
                .collect();
            format!("{left}{}{right}\n", lines.join(&between.to_string()))
        };
        let line = |cells: [&str; N]| {
            let mut line = String::from("│");
            for &column in &shown {
                let cell = cells[column];
                let fill = " ".repeat(widths[column] - display_width(cell));
                let cell = isolated(cell);
                let (before, after) = match self.align[column] {
                    Align::Left => ("", fill.as_str()),
                    Align::Right => (fill.as_str(), ""),
                };
                line.extend([" ", before, &cell, after, " │"]);
            }
            line + "\n"
        };
        let mut drawn = rule('┌', '┬', '┐') + &line(self.header) + &rule('├', '┼', '┤');
        for row in &self.rows {
            drawn += &line(row.each_ref().map(String::as_str));
        }
        drawn + &rule('└', '┴', '┘')
    }
}

/// Columns that a terminal gives to a text.
pub(super) fn display_width(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

/// The text for display on one line of at most `max` columns: white space joined, control and
/// direction characters dropped, and the end replaced by `…` when it does not fit.
pub(super) fn one_line(text: &str, max: usize) -> String {
    let text: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let text: String = text
        .chars()
        .filter(|c| !c.is_control() && !is_direction(*c))
        .collect();
    if display_width(&text) <= max {
        return text;
    }
    let mut kept = String::new();
    let mut width = 1;
    for grapheme in text.graphemes(true) {
        width += display_width(grapheme);
        if width > max {
            break;
        }
        kept += grapheme;
    }
    kept.truncate(kept.trim_end().len());
    kept + "…"
}

/// The text, shut off from the direction of what stands around it when it may run from right
/// to left.
pub(super) fn isolated(text: &str) -> String {
    if text.chars().any(is_right_to_left) {
        format!("{ISOLATE}{text}{END_ISOLATE}")
    } else {
        text.to_owned()
    }
}

/// Marks, embeddings, overrides and isolates.
const fn is_direction(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Blocks of right-to-left scripts.
const fn is_right_to_left(c: char) -> bool {
    matches!(c,
        '\u{0590}'..='\u{08ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{feff}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_stand_in_line_with_arabic_and_wide_characters() {
        let mut table = Table::new([("actor", Align::Left), ("n", Align::Right)]);
        for (name, count) in [
            ("الائتلاف السوري", "1"),
            ("中华人民共和国", "12"),
            ("Česko", "3"),
        ] {
            table.row([name.to_owned(), count.to_owned()]);
        }
        let drawn = table.render();
        let widths: Vec<usize> = drawn.lines().map(display_width).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{drawn}");
        assert!(
            drawn.contains("│ \u{2068}الائتلاف السوري\u{2069} │"),
            "{drawn}"
        );
    }

    #[test]
    fn a_column_of_nothing_is_left_out() {
        let mut table = Table::new([("a", Align::Left), ("", Align::Left), ("n", Align::Right)]);
        table.row(["x".to_owned(), String::new(), "1".to_owned()]);
        assert_eq!(
            table.render(),
            "┌───┬───┐\n│ a │ n │\n├───┼───┤\n│ x │ 1 │\n└───┴───┘\n"
        );
    }

    #[test]
    fn a_shortened_text_fits_and_never_splits_a_character() {
        assert_eq!(one_line("a  b\n c", 10), "a b c");
        assert_eq!(one_line("abcdef", 6), "abcdef");
        assert_eq!(one_line("abcdef", 5), "abcd…");
        assert_eq!(one_line("中华人民", 6), "中华…");
        assert_eq!(one_line("ab cdef", 4), "ab…");
        // e + combining acute stays together.
        assert_eq!(one_line("e\u{301}e\u{301}e\u{301}", 2), "e\u{301}…");
    }

    #[test]
    fn a_text_cannot_drive_the_terminal() {
        assert_eq!(one_line("a\u{1b}[31mb\u{202e}c", 20), "a[31mbc");
    }
}
