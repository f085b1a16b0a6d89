//! The plots of the report.

use super::svg::{Anchor, Svg};
use crate::metrics::{Confusion, CoveragePoint, Interval, ReliabilityBin};

const AXIS: &str = "stroke:var(--line);stroke-width:1";
const SMALL: &str = "font-size:11px;fill:var(--quiet)";
const LABEL: &str = "font-size:12px;fill:var(--text)";
/// Left and bottom margin of the square plots.
const MARGIN: f64 = 44.0;
/// Side of the square plots.
const SIDE: f64 = 220.0;

/// Gold classes down, predicted classes across; shades are shares of the gold class.
pub(super) fn confusion(confusion: &Confusion, classes: &[String]) -> String {
    let (cell, left, top) = (64.0, 96.0, 40.0);
    let across = cell * classes.len() as f64;
    let mut svg = Svg::new(left + across + 8.0, top + across + 8.0, "confusion matrix");
    svg.text(
        [left + across / 2.0, 14.0],
        Anchor::Middle,
        SMALL,
        "predicted",
    );
    for (gold, name) in classes.iter().enumerate() {
        let short = short(name, 12);
        let y = top + cell * gold as f64;
        let x = left + cell * gold as f64;
        svg.text(
            [left - 8.0, y + cell / 2.0 + 4.0],
            Anchor::End,
            LABEL,
            &short,
        );
        svg.text([x + cell / 2.0, top - 8.0], Anchor::Middle, LABEL, &short);
        let support = confusion.support(gold).max(1) as f64;
        for (predicted, other) in classes.iter().enumerate() {
            let count = confusion.count(gold, predicted);
            let share = count as f64 / support;
            let x = left + cell * predicted as f64;
            let style = format!("fill:var(--accent);fill-opacity:{:.2}", 0.06 + 0.84 * share);
            let tip = format!(
                "{count} rows of {name} predicted as {other}, {:.0} %",
                share * 100.0
            );
            svg.rect([x + 1.0, y + 1.0, cell - 2.0, cell - 2.0], &style, &tip);
            let ink = if share > 0.55 {
                "fill:#fff"
            } else {
                "fill:var(--text)"
            };
            let at = [x + cell / 2.0, y + cell / 2.0];
            svg.text(
                at,
                Anchor::Middle,
                &format!("font-size:14px;{ink}"),
                &count.to_string(),
            );
            let at = [at[0], at[1] + 15.0];
            let percent = format!("{:.0} %", share * 100.0);
            svg.text(
                at,
                Anchor::Middle,
                &format!("font-size:10px;{ink}"),
                &percent,
            );
        }
    }
    svg.finish()
}

/// Confidence against accuracy per bin; the width of a bar's ink is its share of the rows.
pub(super) fn reliability(bins: &[ReliabilityBin], ece: Option<f64>) -> String {
    let mut svg = square("reliability diagram", "confidence", "accuracy");
    svg.line(
        place(0.0, 0.0),
        place(1.0, 1.0),
        "stroke:var(--quiet);stroke-dasharray:4 3",
    );
    let total: usize = bins.iter().map(|bin| bin.count).sum();
    for bin in bins.iter().filter(|bin| bin.count > 0) {
        let [left, top] = place(bin.low, bin.accuracy);
        let [right, bottom] = place(bin.high, 0.0);
        let share = bin.count as f64 / total as f64;
        let style = format!(
            "fill:var(--accent);fill-opacity:{:.2}",
            0.25 + 0.65 * share.sqrt()
        );
        let tip = format!(
            "{} rows with confidence {:.2} to {:.2}: mean {:.3}, accuracy {:.3}",
            bin.count, bin.low, bin.high, bin.confidence, bin.accuracy
        );
        svg.rect(
            [left + 0.5, top, right - left - 1.0, bottom - top],
            &style,
            &tip,
        );
        let mark = place(bin.confidence, bin.accuracy);
        svg.line(
            [mark[0] - 3.0, mark[1]],
            [mark[0] + 3.0, mark[1]],
            "stroke:var(--text);stroke-width:2",
        );
    }
    if let Some(ece) = ece {
        svg.text(
            [MARGIN + 8.0, 22.0],
            Anchor::Start,
            LABEL,
            &format!("ECE {ece:.3}"),
        );
    }
    svg.finish()
}

/// Error rate among the most confident rows, one line per system.
pub(super) fn risk_coverage(curves: &[(String, &[CoveragePoint])]) -> String {
    let worst = curves
        .iter()
        .flat_map(|(_, points)| *points)
        .map(|point| point.risk);
    let scale = worst.fold(0.05_f64, f64::max);
    let mut svg = square("risk-coverage curve", "coverage", "");
    svg.text(
        [4.0, 22.0],
        Anchor::Start,
        SMALL,
        &format!("risk {scale:.2}"),
    );
    for (index, (name, points)) in curves.iter().enumerate() {
        let style = format!(
            "stroke:var(--series{});stroke-width:{}",
            index % SERIES,
            if index == 0 { 2.5 } else { 1.5 }
        );
        let points: Vec<[f64; 2]> = points
            .iter()
            .map(|point| place(point.coverage, point.risk / scale))
            .collect();
        svg.path(&points, &style, name);
        let y = 26.0 + 14.0 * index as f64;
        svg.line([MARGIN + 10.0, y - 4.0], [MARGIN + 26.0, y - 4.0], &style);
        svg.text([MARGIN + 31.0, y], Anchor::Start, SMALL, name);
    }
    svg.finish()
}

/// Colours of lines that the page defines.
pub(super) const SERIES: usize = 6;

/// A bar of [`bars`].
pub(super) struct BarRow {
    pub(super) label: String,
    pub(super) value: f64,
    pub(super) interval: Option<Interval>,
    pub(super) rows: usize,
}

/// Horizontal bars from 0 to 1 with intervals.
pub(super) fn bars(title: &str, rows: &[BarRow]) -> String {
    let (left, width, step) = (190.0, 260.0, 20.0);
    let bottom = 10.0 + step * rows.len() as f64;
    let mut svg = Svg::new(left + width + 110.0, bottom + 22.0, title);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        let x = left + width * share;
        svg.line([x, 6.0], [x, bottom], AXIS);
        svg.text(
            [x, bottom + 14.0],
            Anchor::Middle,
            SMALL,
            &format!("{share:.2}"),
        );
    }
    for (index, row) in rows.iter().enumerate() {
        let y = 10.0 + step * index as f64;
        let tip = format!("{}: {:.3} on {} rows", row.label, row.value, row.rows);
        svg.text(
            [left - 8.0, y + 12.0],
            Anchor::End,
            LABEL,
            &short(&row.label, 28),
        );
        let length = width * row.value.clamp(0.0, 1.0);
        svg.rect(
            [left, y + 2.0, length, step - 7.0],
            "fill:var(--accent);fill-opacity:.75",
            &tip,
        );
        if let Some(interval) = row.interval {
            let ends = [interval.low, interval.high].map(|end| left + width * end.clamp(0.0, 1.0));
            let middle = y + 2.0 + (step - 7.0) / 2.0;
            svg.line(
                [ends[0], middle],
                [ends[1], middle],
                "stroke:var(--text);stroke-width:1.5",
            );
        }
        let text = format!("{:.3}  n={}", row.value, row.rows);
        svg.text([left + width + 8.0, y + 12.0], Anchor::Start, SMALL, &text);
    }
    svg.finish()
}

/// A square with both axes from 0 to 1.
fn square(label: &str, across: &str, up: &str) -> Svg {
    let mut svg = Svg::new(MARGIN + SIDE + 12.0, SIDE + 48.0, label);
    for tick in 0..=4 {
        let share = f64::from(tick) / 4.0;
        svg.line(place(share, 0.0), place(share, 1.0), AXIS);
        svg.line(place(0.0, share), place(1.0, share), AXIS);
        let [x, y] = place(share, 0.0);
        svg.text([x, y + 14.0], Anchor::Middle, SMALL, &format!("{share:.2}"));
        if !up.is_empty() {
            let [x, y] = place(0.0, share);
            svg.text(
                [x - 5.0, y + 4.0],
                Anchor::End,
                SMALL,
                &format!("{share:.2}"),
            );
        }
    }
    svg.text(
        [MARGIN + SIDE / 2.0, SIDE + 42.0],
        Anchor::Middle,
        SMALL,
        across,
    );
    svg.text([4.0, 8.0], Anchor::Start, SMALL, up);
    svg
}

/// Pixels of a point of the unit square.
fn place(x: f64, y: f64) -> [f64; 2] {
    [MARGIN + SIDE * x, 12.0 + SIDE * (1.0 - y)]
}

/// At most so many characters.
fn short(text: &str, characters: usize) -> String {
    if text.chars().count() <= characters {
        return text.to_owned();
    }
    text.chars().take(characters - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_are_cut_between_characters() {
        assert_eq!(short("أرلاند العظيمة", 7), "أرلاند…");
        assert_eq!(short("abc", 3), "abc");
    }

    #[test]
    fn a_full_bin_reaches_its_accuracy() {
        let bin = ReliabilityBin {
            low: 0.8,
            high: 1.0,
            count: 4,
            confidence: 0.9,
            accuracy: 0.5,
        };
        let svg = reliability(&[bin], Some(0.4));
        assert!(svg.contains("4 rows with confidence 0.80 to 1.00: mean 0.900, accuracy 0.500"));
        // half of the square
        assert!(svg.contains("height=\"110.0\""), "{svg}");
    }

    #[test]
    fn confusion_shows_counts_and_shares() {
        let counts = Confusion::from_pairs(2, [(0, 0), (0, 1), (1, 1), (1, 1)]);
        let svg = confusion(&counts, &["favor".to_owned(), "against".to_owned()]);
        assert!(svg.contains("1 rows of favor predicted as against, 50 %"));
        assert!(svg.contains("2 rows of against predicted as against, 100 %"));
    }
}
