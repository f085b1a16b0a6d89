//! Documents from files, standard input and arguments, one after another.
//!
//! A file of lines is read line by line, and no line longer than a document may be is ever
//! held in memory. What cannot be read becomes a failure on its place.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::archive::read::{Line, line_limit, parse, read_line, too_long};
use crate::document::Document;
use crate::engine::DocumentLimits;
use crate::prediction::{DocumentError, DocumentFailure};
use crate::text;

use super::args::InputFormat;

/// Where documents come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// The text itself.
    Text(String),
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
}

impl Source {
    /// A file, or standard input for `-`.
    pub(super) fn from_path(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::Stdin
        } else {
            Self::File(path.to_owned())
        }
    }

    /// The id of a document that is all of this source.
    fn id(&self) -> Option<String> {
        match self {
            Self::File(path) => Some(path.display().to_string()),
            Self::Text(_) | Self::Stdin => None,
        }
    }

    fn name(&self) -> String {
        self.id().unwrap_or_else(|| "standard input".to_owned())
    }

    fn has_lines(&self, format: InputFormat) -> bool {
        match (format, self) {
            (InputFormat::Text, _) | (_, Self::Text(_)) | (InputFormat::Auto, Self::Stdin) => false,
            (InputFormat::Jsonl, _) => true,
            (InputFormat::Auto, Self::File(path)) => path.extension().is_some_and(|ext| {
                ext.eq_ignore_ascii_case("jsonl") || ext.eq_ignore_ascii_case("ndjson")
            }),
        }
    }

    fn open(&self) -> io::Result<Box<dyn Read>> {
        Ok(match self {
            Self::Text(text) => Box::new(io::Cursor::new(text.clone().into_bytes())),
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => Box::new(File::open(path)?),
        })
    }
}

/// The documents of several sources, in order.
pub(super) struct Inputs {
    sources: std::vec::IntoIter<Source>,
    format: InputFormat,
    limits: DocumentLimits,
    lines: Option<Lines>,
}

/// A source that is being read line by line.
struct Lines {
    name: String,
    reader: BufReader<Box<dyn Read>>,
    number: u64,
}

impl Inputs {
    pub(super) fn new(sources: Vec<Source>, format: InputFormat, limits: DocumentLimits) -> Self {
        Self {
            sources: sources.into_iter(),
            format,
            limits,
            lines: None,
        }
    }
}

impl Iterator for Inputs {
    type Item = Result<Document, DocumentFailure>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(lines) = &mut self.lines {
                if let Some(document) = lines.next(&self.limits) {
                    return Some(document);
                }
                self.lines = None;
            }
            let source = self.sources.next()?;
            if !source.has_lines(self.format) {
                return Some(whole(&source, &self.limits));
            }
            match source.open() {
                Ok(reader) => {
                    let reader = BufReader::new(reader);
                    self.lines = Some(Lines {
                        name: source.name(),
                        reader,
                        number: 0,
                    });
                }
                Err(error) => return Some(Err(unreadable(&source, &error))),
            }
        }
    }
}

/// A source that is one document.
fn whole(source: &Source, limits: &DocumentLimits) -> Result<Document, DocumentFailure> {
    let failure = |error| DocumentFailure {
        id: source.id(),
        error,
    };
    let mut bytes = Vec::new();
    source
        .open()
        .and_then(|reader| {
            reader
                .take(limits.max_text_bytes as u64 + 1)
                .read_to_end(&mut bytes)
        })
        .map_err(|error| unreadable(source, &error))?;
    if bytes.len() > limits.max_text_bytes {
        return Err(failure(DocumentError::new(
            "text_too_long",
            format!(
                "the text is longer than the limit of {} bytes",
                limits.max_text_bytes
            ),
        )));
    }
    let text = text::decode(&bytes).map_err(|error| failure(DocumentError::from(&error)))?;
    Ok(Document {
        id: source.id(),
        text: text.to_owned(),
        ..Document::default()
    })
}

fn unreadable(source: &Source, error: &io::Error) -> DocumentFailure {
    let message = format!("{}: {error}", source.name());
    DocumentFailure {
        id: source.id(),
        error: DocumentError::new("unreadable_file", message),
    }
}

impl Lines {
    fn next(&mut self, limits: &DocumentLimits) -> Option<Result<Document, DocumentFailure>> {
        let limit = line_limit(limits);
        let mut line = Vec::new();
        loop {
            line.clear();
            self.number += 1;
            let error = match read_line(&mut self.reader, limit, &mut line) {
                Ok(Line::End) => return None,
                Ok(Line::Whole) if line.trim_ascii().is_empty() => continue,
                Ok(Line::Whole) => match parse(&line, self.number == 1) {
                    Ok(document) => return Some(Ok(document)),
                    Err(error) => error,
                },
                Ok(Line::TooLong) => too_long(limit),
                Err(error) => {
                    // The rest of a source that fails cannot be told apart any more.
                    self.reader = BufReader::new(Box::new(io::empty()));
                    DocumentError::new("unreadable_file", error.to_string())
                }
            };
            let message = format!("{} line {}: {}", self.name, self.number, error.message);
            let error = DocumentError {
                code: error.code,
                message,
            };
            return Some(Err(DocumentFailure { id: None, error }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_go_by_name_unless_given() {
        let lines = |source: Source, format| source.has_lines(format);
        let file = |name: &str| Source::from_path(Path::new(name));
        assert!(lines(file("a.jsonl"), InputFormat::Auto));
        assert!(lines(file("a.NDJSON"), InputFormat::Auto));
        assert!(!lines(file("a.txt"), InputFormat::Auto));
        assert!(!lines(file("a.jsonl"), InputFormat::Text));
        assert!(!lines(file("-"), InputFormat::Auto));
        assert!(lines(file("-"), InputFormat::Jsonl));
    }
}
