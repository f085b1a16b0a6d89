//! What is committed: a header with the settings of the run, a line for each part, and a last
//! line when the run is done.
//!
//! A part is named here only after its files are where they belong, so a journal never promises
//! what is not there; a line that breaks off, or parts without a line, are as if they had never
//! been. The file is locked for as long as the run lasts.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ArchiveError;
use super::chunks::Position;
use super::places::sync_folder;

/// A part that is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct PartLine {
    /// From 0, without a gap.
    pub(super) part: u64,
    /// Rows that were scored.
    pub(super) scored: u64,
    /// Rows that went to the errors.
    pub(super) failed: u64,
    /// Bytes of its file.
    pub(super) bytes: u64,
    /// Bytes of the file of its errors; 0 when there is none.
    pub(super) error_bytes: u64,
    /// The place behind its last row.
    pub(super) until: Position,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct DoneLine {
    pub(super) done: bool,
    pub(super) scored: u64,
    pub(super) failed: u64,
    /// Bytes of the output, when it is one file.
    pub(super) bytes: Option<u64>,
}

/// What a journal says.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// The settings, when a run began at all.
    pub(super) settings: Option<Map<String, Value>>,
    pub(super) parts: Vec<PartLine>,
    pub(super) done: Option<DoneLine>,
    /// Length up to the end of each line.
    ends: Vec<u64>,
}

/// An open journal.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
}

impl Journal {
    /// Opens the journal, or makes an empty one, and reads it.
    pub(super) fn open(path: &Path) -> Result<(Self, Record), ArchiveError> {
        let failed = || ArchiveError::output(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(failed())?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(ArchiveError::OutputBusy(path.to_owned()));
            }
            Err(TryLockError::Error(error)) => return Err(failed()(error)),
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed())?;
        let journal = Self {
            path: path.to_owned(),
            file,
        };
        Ok((journal, read(&text)))
    }

    /// Forgets everything after the first `parts` parts, and stands at the end.
    pub(super) fn keep(&mut self, record: &Record, parts: usize) -> Result<(), ArchiveError> {
        let end = record.ends.get(parts).copied().unwrap_or(0);
        self.cut(end).map_err(ArchiveError::output(&self.path))
    }

    /// Forgets everything, and begins with the settings.
    pub(super) fn begin(&mut self, settings: &Map<String, Value>) -> Result<(), ArchiveError> {
        self.cut(0).map_err(ArchiveError::output(&self.path))?;
        self.append(settings)?;
        sync_folder(&self.path)
    }

    fn cut(&mut self, end: u64) -> io::Result<()> {
        self.file.set_len(end)?;
        self.file.seek(SeekFrom::Start(end))?;
        self.file.sync_all()
    }

    /// Adds a line that outlasts a power cut.
    pub(super) fn append(&mut self, line: &impl Serialize) -> Result<(), ArchiveError> {
        let mut text = serde_json::to_vec(line).map_err(ArchiveError::encoding)?;
        text.push(b'\n');
        self.file
            .write_all(&text)
            .and_then(|()| self.file.sync_all())
            .map_err(ArchiveError::output(&self.path))
    }
}

/// Reads lines up to the first that is none, or is not the next.
fn read(text: &[u8]) -> Record {
    let mut record = Record::default();
    let mut end = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if !line.ends_with(b"\n") || record.done.is_some() {
            break;
        }
        if record.settings.is_none() {
            let Ok(settings) = serde_json::from_slice(line) else {
                break;
            };
            record.settings = Some(settings);
        } else if let Ok(part) = serde_json::from_slice::<PartLine>(line) {
            if part.part != record.parts.len() as u64 {
                break;
            }
            record.parts.push(part);
        } else if let Ok(done) = serde_json::from_slice(line) {
            record.done = Some(done);
            break;
        } else {
            break;
        }
        end += line.len() as u64;
        record.ends.push(end);
    }
    record
}

/// Settings that differ, each with both values.
pub(super) fn differences(old: &Map<String, Value>, new: &Map<String, Value>) -> Vec<String> {
    let names = old
        .keys()
        .chain(new.keys().filter(|name| !old.contains_key(*name)));
    names
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| {
            let shown = |value: Option<&Value>| match value.map(Value::to_string) {
                Some(text) if text.chars().count() > 80 => {
                    text.chars().take(79).collect::<String>() + "…"
                }
                Some(text) => text,
                None => "nothing".to_owned(),
            };
            format!(
                "{name} was {} and is {}",
                shown(old.get(name)),
                shown(new.get(name))
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(number: u64) -> String {
        let line = PartLine {
            part: number,
            ..PartLine::default()
        };
        serde_json::to_string(&line).unwrap() + "\n"
    }

    #[test]
    fn a_line_that_breaks_off_was_never_written() {
        let header = "{\"model\":\"x\"}\n";
        let whole = format!("{header}{}{}", part(0), part(1));
        for cut in 0..=whole.len() {
            let record = read(&whole.as_bytes()[..cut]);
            let lines = whole[..cut].matches('\n').count();
            assert_eq!(record.parts.len(), lines.saturating_sub(1), "{cut}");
            assert_eq!(record.settings.is_some(), lines > 0);
            assert_eq!(record.ends.len(), lines);
        }
    }

    #[test]
    fn parts_follow_each_other() {
        let text = format!("{{}}\n{}{}", part(0), part(2));
        assert_eq!(read(text.as_bytes()).parts.len(), 1);
    }

    #[test]
    fn every_setting_that_differs_is_named() {
        let map = |text| serde_json::from_str(text).unwrap();
        let (old, new) = (
            map(r#"{"a": 1, "b": 2, "c": 3}"#),
            map(r#"{"a": 1, "b": 5, "d": 4}"#),
        );
        let found = differences(&old, &new);
        assert_eq!(
            found,
            [
                "b was 2 and is 5",
                "c was 3 and is nothing",
                "d was nothing and is 4"
            ]
        );
    }
}
