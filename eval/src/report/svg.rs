//! Just enough SVG for four kinds of plots: text stays text, and nothing is loaded.

use std::fmt::Write;

/// A picture that grows by shapes. Coordinates are pixels, y goes down; colours are CSS
/// variables of the page.
pub(super) struct Svg {
    width: f64,
    height: f64,
    label: String,
    body: String,
}

/// Where a text is anchored.
#[derive(Clone, Copy)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Anchor {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Middle => "middle",
            Self::End => "end",
        }
    }
}

impl Svg {
    /// An empty picture; `label` is what a screen reader says.
    pub(super) fn new(width: f64, height: f64, label: &str) -> Self {
        Self {
            width,
            height,
            label: escape(label),
            body: String::new(),
        }
    }

    /// A filled rectangle with a tooltip.
    pub(super) fn rect(&mut self, at: [f64; 4], style: &str, tip: &str) {
        let [x, y, width, height] = at;
        self.add(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" style=\"{style}\"><title>{}</title></rect>",
            width.max(0.0),
            height.max(0.0),
            escape(tip)
        ));
    }

    /// A line from one point to another.
    pub(super) fn line(&mut self, from: [f64; 2], to: [f64; 2], style: &str) {
        self.add(&format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" style=\"{style}\"/>",
            from[0], from[1], to[0], to[1]
        ));
    }

    /// A line through many points.
    pub(super) fn path(&mut self, points: &[[f64; 2]], style: &str, tip: &str) {
        let points: Vec<String> = points
            .iter()
            .map(|point| format!("{:.1},{:.1}", point[0], point[1]))
            .collect();
        self.add(&format!(
            "<polyline points=\"{}\" style=\"fill:none;{style}\"><title>{}</title></polyline>",
            points.join(" "),
            escape(tip)
        ));
    }

    /// A text; its direction follows its letters.
    pub(super) fn text(&mut self, at: [f64; 2], anchor: Anchor, style: &str, text: &str) {
        self.add(&format!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"{}\" style=\"{style}\">{}</text>",
            at[0],
            at[1],
            anchor.as_str(),
            escape(text)
        ));
    }

    /// The element.
    pub(super) fn finish(self) -> String {
        let Self {
            width,
            height,
            label,
            body,
        } = self;
        format!(
            "<svg viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" aria-label=\"{label}\">{body}</svg>"
        )
    }

    fn add(&mut self, element: &str) {
        // writing to a string cannot fail
        let _ = writeln!(self.body, "{element}");
    }
}

/// Text as it may stand in HTML and in attribute values.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_become_markup() {
        let mut svg = Svg::new(10.0, 10.0, "a \"b\"");
        svg.text([0.0, 0.0], Anchor::Start, "", "<script>&");
        let svg = svg.finish();
        assert!(svg.contains("&lt;script&gt;&amp;"));
        assert!(svg.contains("aria-label=\"a &quot;b&quot;\""));
    }
}
