//! Where a run keeps what: the output, and beside it its journal, its errors and its parts.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::ArchiveError;
use super::write::OutputFormat;

/// The files of a run. For an output `scores.parquet` these are `scores.parquet.journal`,
/// `scores.parquet.errors.jsonl`, and `scores.parquet.parts/` until the run is done.
#[derive(Debug, Clone)]
pub(super) struct Places {
    pub(super) output: PathBuf,
    /// Whether the output is a folder of parts and not one file.
    pub(super) folder: bool,
    pub(super) format: OutputFormat,
    pub(super) journal: PathBuf,
    pub(super) errors: PathBuf,
    parts: PathBuf,
}

impl Places {
    pub(super) fn new(
        output: &Path,
        folder: bool,
        format: OutputFormat,
        errors: Option<&Path>,
    ) -> Self {
        let beside = |ending: &str| {
            let mut name = output.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Self {
            output: output.to_owned(),
            folder,
            format,
            journal: beside(".journal"),
            errors: errors.map_or_else(|| beside(".errors.jsonl"), Path::to_owned),
            parts: beside(".parts"),
        }
    }

    /// A committed part.
    pub(super) fn part(&self, number: u64) -> PathBuf {
        let folder = if self.folder {
            &self.output
        } else {
            &self.parts
        };
        folder.join(format!("part-{number:06}.{}", self.format.ending()))
    }

    /// The errors of a committed part that has some.
    pub(super) fn part_errors(&self, number: u64) -> PathBuf {
        self.parts.join(format!("part-{number:06}.errors.jsonl"))
    }

    /// A file that is being written, under a name that nobody reads.
    pub(super) fn temporary(&self, name: &str) -> PathBuf {
        self.parts.join(format!("{name}.tmp"))
    }

    /// The mark of a folder of parts that is complete, as Spark and Hadoop set it.
    pub(super) fn success(&self) -> PathBuf {
        self.output.join("_SUCCESS")
    }

    /// Makes the folders.
    pub(super) fn create(&self) -> Result<(), ArchiveError> {
        create(&self.parts)?;
        if self.folder {
            create(&self.output)?;
        }
        Ok(())
    }

    /// Whether there is an output already.
    pub(super) fn is_taken(&self) -> bool {
        if self.folder && self.output.is_dir() {
            return fs::read_dir(&self.output).is_ok_and(|mut entries| entries.next().is_some());
        }
        self.output.exists()
    }

    /// Removes the output, its errors and its parts.
    pub(super) fn clear(&self) -> Result<(), ArchiveError> {
        if self.folder && self.output.is_dir() {
            // Only what a run writes: the folder may be somebody's.
            let entries = fs::read_dir(&self.output).map_err(ArchiveError::output(&self.output))?;
            for entry in entries {
                let entry = entry.map_err(ArchiveError::output(&self.output))?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name.starts_with("part-") || name == "_SUCCESS" {
                    remove(&entry.path())?;
                }
            }
        } else {
            remove(&self.output)?;
        }
        remove(&self.errors)?;
        self.clear_parts()
    }

    /// Removes what is needed only until the run is done.
    pub(super) fn clear_parts(&self) -> Result<(), ArchiveError> {
        match fs::remove_dir_all(&self.parts) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(ArchiveError::output(&self.parts)(error))
            }
            _ => Ok(()),
        }
    }
}

fn create(folder: &Path) -> Result<(), ArchiveError> {
    fs::create_dir_all(folder).map_err(ArchiveError::output(folder))
}

/// Removes a file, if it is there.
pub(super) fn remove(path: &Path) -> Result<(), ArchiveError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(ArchiveError::output(path)(error))
        }
        _ => Ok(()),
    }
}

/// Moves a complete file to its name, so that after a power cut it is there whole or not at all.
pub(super) fn commit(file: &File, from: &Path, to: &Path) -> Result<(), ArchiveError> {
    file.sync_all().map_err(ArchiveError::output(from))?;
    fs::rename(from, to).map_err(ArchiveError::output(to))?;
    sync_folder(to)
}

/// Makes sure that the name of a file outlasts a power cut.
pub(super) fn sync_folder(path: &Path) -> Result<(), ArchiveError> {
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    // Where folders cannot be opened, as on Windows, the system sees to it.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(ArchiveError::output(folder))?;
    }
    Ok(())
}
