//! Charts as SVG inside the page: no script, no network.

use std::fmt::Write as _;

use super::Interval;
use super::html::escaped;

/// Size of a chart over time.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 200.0;
/// Room for the axis on the left, and for the periods below.
const LEFT: f64 = 44.0;
const BELOW: f64 = 24.0;
const ABOVE: f64 = 8.0;
/// Names of periods that fit below.
const NAMES: usize = 8;
/// Height of a row of the chart by source.
const ROW: f64 = 24.0;
/// Room for the name of a source.
const NAME: f64 = 180.0;

/// A point of a chart.
pub(super) struct Point {
    /// The period, or the source.
    pub(super) name: String,
    /// The net stance; nothing where no document was judged.
    pub(super) net: Option<Interval>,
    /// Documents.
    pub(super) documents: u64,
}

impl Point {
    fn title(&self) -> String {
        let net = match &self.net {
            Some(net) => format!("{:+.2} ({:+.2} to {:+.2})", net.value, net.low, net.high),
            None => "not sure".to_owned(),
        };
        let documents = self.documents;
        escaped(&format!("{}: {net}, {documents} documents", self.name))
    }
}

/// The net stance over periods in their order, with its interval as a band.
pub(super) fn over_time(points: &[Point]) -> String {
    let (bottom, right) = (HEIGHT - BELOW, WIDTH - 8.0);
    let x = |at: usize| {
        let steps = points.len().saturating_sub(1).max(1) as f64;
        let middle = if points.len() == 1 { 0.5 } else { 0.0 };
        LEFT + (right - LEFT) * (at as f64 / steps + middle)
    };
    let y = |net: f64| ABOVE + (bottom - ABOVE) * (1.0 - net) / 2.0;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">");
    for (net, name) in [(1.0, "+1"), (0.0, "0"), (-1.0, "−1")] {
        let y = y(net);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{name}</text>",
            LEFT - 8.0,
            y + 4.0
        );
    }
    let known: Vec<(usize, &Interval)> = points
        .iter()
        .enumerate()
        .filter_map(|(at, point)| Some((at, point.net.as_ref()?)))
        .collect();
    // A period without judged documents breaks line and band.
    for run in known.chunk_by(|a, b| a.0 + 1 == b.0) {
        let place = |at: usize, net: f64| format!("{:.1},{:.1}", x(at), y(net));
        let above = run.iter().map(|(at, net)| place(*at, net.high));
        let below = run.iter().rev().map(|(at, net)| place(*at, net.low));
        let band: Vec<String> = above.chain(below).collect();
        let line: Vec<String> = run.iter().map(|(at, net)| place(*at, net.value)).collect();
        let _ = write!(
            svg,
            "<polygon class=\"band\" points=\"{}\"/><polyline class=\"line\" points=\"{}\"/>",
            band.join(" "),
            line.join(" ")
        );
    }
    for (at, net) in known {
        let (x, title) = (x(at), points[at].title());
        let _ = write!(
            svg,
            "<line class=\"reach\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{:.1}\" y2=\"{:.1}\"/>\
             <circle cx=\"{x:.1}\" cy=\"{:.1}\" r=\"3.5\"><title>{title}</title></circle>",
            y(net.low),
            y(net.high),
            y(net.value)
        );
    }
    let every = points.len().div_ceil(NAMES).max(1);
    for (at, point) in points.iter().enumerate().step_by(every) {
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            x(at),
            HEIGHT - 6.0,
            escaped(&point.name)
        );
    }
    svg + "</svg>"
}

/// The net stance of each source, with its interval as a line.
pub(super) fn by_source(points: &[Point]) -> String {
    let height = ROW * points.len() as f64 + BELOW;
    let right = WIDTH - 16.0;
    let x = |net: f64| NAME + (right - NAME) * f64::midpoint(net, 1.0);
    let bottom = height - BELOW;
    let mut svg = format!("<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\">");
    for (net, name) in [(-1.0, "−1"), (0.0, "0"), (1.0, "+1")] {
        let x = x(net);
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"0\" y2=\"{bottom:.1}\"/>\
             <text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{name}</text>",
            height - 6.0
        );
    }
    for (at, point) in points.iter().enumerate() {
        let y = ROW * (at as f64 + 0.5);
        let title = point.title();
        let name: String = point.name.chars().take(26).collect();
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}<title>{title}</title></text>",
            NAME - 12.0,
            y + 4.0,
            escaped(&name)
        );
        if let Some(net) = &point.net {
            let _ = write!(
                svg,
                "<line class=\"reach\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <circle cx=\"{:.1}\" cy=\"{y:.1}\" r=\"4\"><title>{title}</title></circle>",
                x(net.low),
                x(net.high),
                x(net.value)
            );
        }
    }
    svg + "</svg>"
}
