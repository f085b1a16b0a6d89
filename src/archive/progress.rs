//! How far a run is, on standard error: a bar at a terminal, lines otherwise.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use clap::ValueEnum;
use indicatif::{HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

/// How it is shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// A bar at a terminal, plain lines otherwise.
    #[default]
    Auto,
    /// A bar.
    Bar,
    /// A line now and then.
    Plain,
    /// A JSON object per line.
    Json,
    /// Not at all.
    None,
}

/// What was done in this run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals {
    pub(super) scored: u64,
    pub(super) failed: u64,
    pub(super) tokens: u64,
}

/// A line of `--progress json`.
#[derive(Debug, Serialize)]
struct Line {
    /// Documents, failed ones too.
    documents: u64,
    failed: u64,
    tokens: u64,
    tokens_per_second: f64,
    elapsed_seconds: f64,
    /// Absent where the size of the input is unknown.
    seconds_left: Option<f64>,
    done: bool,
}

/// Tells how far the run is.
pub(super) struct Progress {
    kind: ProgressKind,
    bar: Option<ProgressBar>,
    began: Instant,
    told: Option<Instant>,
    /// Bytes of all sources, if known.
    bytes: Option<u64>,
    /// Bytes that were read when the first results came: nothing can be said of their time.
    first: Option<(u64, Instant)>,
}

impl Progress {
    pub(super) fn new(kind: ProgressKind, bytes: Option<u64>) -> Self {
        let kind = match kind {
            ProgressKind::Auto if io::stderr().is_terminal() => ProgressKind::Bar,
            ProgressKind::Auto => ProgressKind::Plain,
            chosen => chosen,
        };
        let bar = (kind == ProgressKind::Bar).then(|| {
            let bar = match bytes {
                Some(bytes) => ProgressBar::new(bytes),
                None => ProgressBar::no_length(),
            };
            bar.set_draw_target(ProgressDrawTarget::stderr());
            let template = match bytes {
                Some(_) => "{bar:30} {percent:>3}%  {msg}",
                None => "{spinner} {msg}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self {
            kind,
            bar,
            began: Instant::now(),
            told: None,
            bytes,
            first: None,
        }
    }

    /// Tells, if it is time to.
    pub(super) fn update(&mut self, totals: Totals, bytes_read: u64) {
        let now = Instant::now();
        self.first.get_or_insert((bytes_read, now));
        if let Some(bar) = &self.bar {
            bar.set_position(bytes_read.min(self.bytes.unwrap_or(bytes_read)));
        }
        let pause = match self.kind {
            ProgressKind::Bar => Duration::from_millis(100),
            ProgressKind::Json => Duration::from_secs(1),
            _ => Duration::from_secs(10),
        };
        if now - self.told.unwrap_or(self.began) >= pause {
            self.told = Some(now);
            self.tell(totals, bytes_read, false);
        }
    }

    /// Tells for the last time.
    pub(super) fn finish(&mut self, totals: Totals, bytes_read: u64) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if self.kind == ProgressKind::Json {
            self.tell(totals, bytes_read, true);
        }
    }

    fn seconds_left(&self, bytes_read: u64) -> Option<f64> {
        let (first, since) = self.first?;
        let (read, left) = (
            bytes_read.checked_sub(first).filter(|read| *read > 0)?,
            self.bytes?.saturating_sub(bytes_read),
        );
        Some(since.elapsed().as_secs_f64() * left as f64 / read as f64)
    }

    fn tell(&self, totals: Totals, bytes_read: u64, done: bool) {
        let elapsed = self.began.elapsed().as_secs_f64();
        let line = Line {
            documents: totals.scored + totals.failed,
            failed: totals.failed,
            tokens: totals.tokens,
            tokens_per_second: (totals.tokens as f64 / elapsed.max(1e-3)).round(),
            elapsed_seconds: (elapsed * 10.0).round() / 10.0,
            seconds_left: if done {
                Some(0.0)
            } else {
                self.seconds_left(bytes_read).map(f64::round)
            },
            done,
        };
        // Nobody to tell is no reason to stop the work.
        let _ = match (self.kind, &self.bar) {
            (ProgressKind::None, _) => Ok(()),
            (ProgressKind::Json, _) => serde_json::to_string(&line)
                .map_err(io::Error::from)
                .and_then(|line| writeln!(io::stderr(), "{line}")),
            (_, Some(bar)) => {
                bar.set_message(line.words());
                Ok(())
            }
            _ => writeln!(io::stderr(), "stance: {}", line.words()),
        };
    }
}

impl Line {
    fn words(&self) -> String {
        let left = self.seconds_left.map_or(String::new(), |seconds| {
            format!(", {} left", HumanDuration(Duration::from_secs_f64(seconds)))
        });
        format!(
            "{} documents, {} tokens/s, {} failed{left}",
            self.documents, self.tokens_per_second, self.failed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_goes_by_the_bytes_since_the_first_results() {
        let mut progress = Progress::new(ProgressKind::None, Some(1000));
        assert_eq!(progress.seconds_left(500), None);
        let since = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        progress.first = Some((500, since));
        assert_eq!(progress.seconds_left(500), None);
        let left = progress.seconds_left(600).unwrap();
        assert!((40.0..41.0).contains(&left), "{left}");
        let unknown = Progress {
            bytes: None,
            ..progress
        };
        assert_eq!(unknown.seconds_left(600), None);
    }
}
