//! Writes results as they come.

use std::io::{self, Write};

use crate::prediction::{DocumentResult, ModelInfo};

use super::args::Format;
use super::report::Report;

/// Writes results in one of the formats.
pub(super) struct Printer<W: Write> {
    format: Format,
    out: io::BufWriter<W>,
    printed: usize,
    report: Report,
}

impl<W: Write> Printer<W> {
    pub(super) fn new(format: Format, out: W) -> Self {
        let report = Report::for_terminal();
        Self {
            format,
            out: io::BufWriter::new(out),
            printed: 0,
            report,
        }
    }

    /// Writes what comes before the first result.
    pub(super) fn begin(&mut self) -> io::Result<()> {
        match self.format {
            Format::Json => self.out.write_all(b"{\"results\":["),
            Format::Table | Format::Jsonl => Ok(()),
        }
    }

    /// Writes one result.
    pub(super) fn result(&mut self, result: &DocumentResult) -> io::Result<()> {
        let first = self.printed == 0;
        self.printed += 1;
        match self.format {
            Format::Json => {
                self.out.write_all(if first { b"\n" } else { b",\n" })?;
                serde_json::to_writer(&mut self.out, result)?;
                Ok(())
            }
            Format::Jsonl => {
                serde_json::to_writer(&mut self.out, result)?;
                self.out.write_all(b"\n")
            }
            Format::Table => {
                if !first {
                    self.out.write_all(b"\n")?;
                }
                self.out
                    .write_all(self.report.render(result, self.printed).as_bytes())
            }
        }
    }

    /// Hands everything written so far to the reader.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes what comes after the last result.
    pub(super) fn end(&mut self, model: &ModelInfo) -> io::Result<()> {
        if self.format == Format::Json {
            self.out.write_all(b"\n],\"model\":")?;
            serde_json::to_writer(&mut self.out, model)?;
            self.out.write_all(b"}\n")?;
        }
        self.out.flush()
    }
}
