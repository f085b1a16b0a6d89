//! What a run says of itself: a progress bar, one JSON line per report, and a plot.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use serde_json::{Map, Value, json};

/// Colours of a plot's lines, in turn.
const COLOURS: [RGBColor; 6] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
    RGBColor(23, 190, 207),
];

/// Writes `journal.jsonl` and `curves.svg` into a run's folder.
pub struct Journal {
    folder: PathBuf,
    file: File,
    bar: ProgressBar,
    since: Instant,
    tokens: u64,
}

impl Journal {
    /// Opens the journal of `folder` for appending; lines after `step` (of a run that was killed
    /// past its last checkpoint) are taken out first.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn open(folder: &Path, step: u64, steps: u64) -> std::io::Result<Self> {
        let path = folder.join("journal.jsonl");
        if path.exists() {
            let kept: Vec<String> = BufReader::new(File::open(&path)?)
                .lines()
                .map_while(Result::ok)
                .filter(|line| step_of(line).is_some_and(|s| s <= step))
                .collect();
            let mut text = kept.join("\n");
            if !text.is_empty() {
                text.push('\n');
            }
            std::fs::write(&path, text)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(&path)?;
        let bar = ProgressBar::new(steps).with_position(step);
        let template = "{elapsed_precise} [{bar:30}] {pos}/{len} eta {eta} {msg}";
        bar.set_style(
            ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        Ok(Self {
            folder: folder.to_owned(),
            file,
            bar,
            since: Instant::now(),
            tokens: 0,
        })
    }

    /// Counts a step and its tokens.
    pub fn step(&mut self, step: u64, tokens: u64) {
        self.tokens += tokens;
        self.bar.set_position(step);
    }

    /// Tokens per second since the last report.
    pub fn rate(&self) -> f64 {
        self.tokens as f64 / self.since.elapsed().as_secs_f64().max(1e-9)
    }

    /// Writes one line: the step, its kind (`train` or `valid`) and the values.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn report(&mut self, kind: &str, step: u64, values: &[(&str, f64)]) -> std::io::Result<()> {
        let mut line = Map::new();
        line.insert("step".into(), json!(step));
        line.insert("kind".into(), json!(kind));
        if kind == "train" {
            line.insert("tokens_per_second".into(), json!(self.rate().round()));
            self.tokens = 0;
            self.since = Instant::now();
        }
        for (name, value) in values {
            line.insert((*name).into(), json!(value));
        }
        let line = Value::Object(line).to_string();
        writeln!(self.file, "{line}")?;
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else if kind == "train" {
            let text: Vec<String> = values
                .iter()
                .take(3)
                .map(|(n, v)| format!("{n} {v:.4}"))
                .collect();
            self.bar.set_message(text.join(" "));
        } else {
            self.bar.println(line);
        }
        Ok(())
    }

    /// Ends the progress bar and draws `curves.svg` from the whole journal.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn finish(&self) -> std::io::Result<()> {
        self.bar.finish();
        self.plot()
    }

    /// Draws `curves.svg`: one panel per value, training and validation.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn plot(&self) -> std::io::Result<()> {
        let curves = read_curves(&self.folder.join("journal.jsonl"))?;
        draw(&self.folder.join("curves.svg"), &curves).map_err(std::io::Error::other)
    }
}

fn step_of(line: &str) -> Option<u64> {
    serde_json::from_str::<Value>(line)
        .ok()?
        .get("step")?
        .as_u64()
}

type Curves = Vec<(String, Vec<(f64, f64)>)>;

fn read_curves(path: &Path) -> std::io::Result<Curves> {
    let mut curves: Curves = Vec::new();
    for line in BufReader::new(File::open(path)?).lines() {
        let Ok(Value::Object(line)) = serde_json::from_str(&line?) else {
            continue;
        };
        let (Some(step), Some(kind)) = (
            line.get("step").and_then(Value::as_f64),
            line.get("kind").and_then(Value::as_str),
        ) else {
            continue;
        };
        for (name, value) in &line {
            let Some(value) = value.as_f64().filter(|_| name != "step") else {
                continue;
            };
            let name = format!("{kind} {name}");
            match curves.iter_mut().find(|(n, _)| *n == name) {
                Some((_, points)) => points.push((step, value)),
                None => curves.push((name, vec![(step, value)])),
            }
        }
    }
    Ok(curves)
}

fn draw(path: &Path, curves: &Curves) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let columns = 3;
    let rows = curves.len().div_ceil(columns).max(1);
    let root = SVGBackend::new(path, (1200, 260 * rows as u32)).into_drawing_area();
    root.fill(&WHITE).map_err(|e| text(&e))?;
    for (i, (area, (name, points))) in root
        .split_evenly((rows, columns))
        .iter()
        .zip(curves)
        .enumerate()
    {
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        for (_, y) in points {
            (low, high) = (low.min(*y), high.max(*y));
        }
        let margin = ((high - low) * 0.05).max(1e-6);
        let end = points.last().map_or(1.0, |p| p.0).max(1.0);
        let mut chart = ChartBuilder::on(area)
            .caption(name, ("sans-serif", 15))
            .margin(8)
            .x_label_area_size(24)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..end, low - margin..high + margin)
            .map_err(|e| text(&e))?;
        chart
            .configure_mesh()
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(|e| text(&e))?;
        let colour = COLOURS[i % COLOURS.len()];
        chart
            .draw_series(LineSeries::new(points.iter().copied(), colour))
            .map_err(|e| text(&e))?;
    }
    root.present().map_err(|e| text(&e).into())
}
