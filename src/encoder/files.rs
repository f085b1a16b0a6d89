//! Where a model's files come from: a folder, or bytes in memory.

use std::borrow::Cow;
use std::fs::File;
use std::io::{Cursor, ErrorKind, Read, Seek};
use std::path::{Path, PathBuf};

use super::error::EncoderError;

/// A file that can be read from any position.
pub trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// The files of one model, by name; several threads may read them.
pub trait ModelFiles: Sync {
    /// Opens the file `name`; `None` when the model has no such file.
    ///
    /// # Errors
    /// [`EncoderError::Io`] when the file is there and cannot be opened.
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadSeek + '_>>, EncoderError>;

    /// Where the files are, for messages.
    fn location(&self) -> String;

    /// The file's path, for readers that need one; `None` when it is in no folder.
    fn path(&self, name: &str) -> Option<PathBuf> {
        let _ = name;
        None
    }

    /// The whole file `name`; `None` when the model has no such file.
    ///
    /// # Errors
    /// [`EncoderError::Io`] when the file is there and cannot be read.
    fn read(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, EncoderError> {
        let Some(mut file) = self.open(name)? else {
            return Ok(None);
        };
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)
            .map_err(|source| io_error(name, source))?;
        Ok(Some(Cow::Owned(bytes)))
    }

    /// The whole file `name`, which the model must have.
    ///
    /// # Errors
    /// [`EncoderError::MissingFile`] when it is not there, else as [`ModelFiles::read`].
    fn require(&self, name: &str) -> Result<Cow<'_, [u8]>, EncoderError> {
        self.read(name)?.ok_or_else(|| self.missing(name))
    }

    /// The error that says that `name` is missing.
    fn missing(&self, name: &str) -> EncoderError {
        EncoderError::MissingFile {
            file: name.to_owned(),
            location: self.location(),
        }
    }
}

/// The files of a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// The files of the folder at `path`, which is not opened yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// The folder's path.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl ModelFiles for Folder {
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadSeek + '_>>, EncoderError> {
        if !is_plain_name(name) {
            return Ok(None);
        }
        match File::open(self.0.join(name)) {
            Ok(file) => Ok(Some(Box::new(file))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error(name, source)),
        }
    }

    fn location(&self) -> String {
        self.0.display().to_string()
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        is_plain_name(name).then(|| self.0.join(name))
    }
}

/// Files in memory, such as those built into the program.
#[derive(Clone, Copy, Debug)]
pub struct MemoryFiles<'a>(&'a [(&'a str, &'a [u8])]);

impl<'a> MemoryFiles<'a> {
    /// The files as pairs of name and content.
    pub fn new(files: &'a [(&'a str, &'a [u8])]) -> Self {
        Self(files)
    }

    /// The content of the file `name`.
    pub fn get(&self, name: &str) -> Option<&'a [u8]> {
        self.0
            .iter()
            .find(|(file, _)| *file == name)
            .map(|(_, bytes)| *bytes)
    }
}

impl ModelFiles for MemoryFiles<'_> {
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadSeek + '_>>, EncoderError> {
        Ok(self
            .get(name)
            .map(|bytes| Box::new(Cursor::new(bytes)) as Box<dyn ReadSeek>))
    }

    fn location(&self) -> String {
        "memory".to_owned()
    }

    fn read(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, EncoderError> {
        Ok(self.get(name).map(Cow::Borrowed))
    }
}

/// Whether `name` names a file inside a model: relative, without `..`, at most subfolders.
pub(crate) fn is_plain_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['\\', ':', '\0'])
        && name.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

pub(super) fn io_error(file: &str, source: std::io::Error) -> EncoderError {
    EncoderError::Io {
        file: file.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn folder_and_memory_answer_alike() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("a.json"), b"{}").expect("write");
        let memory: [(&str, &[u8]); 1] = [("a.json", b"{}")];
        let folder = Folder::new(folder.path());
        let memory = MemoryFiles::new(&memory);
        for files in [&folder as &dyn ModelFiles, &memory] {
            assert_eq!(files.require("a.json").expect("there").as_ref(), b"{}");
            assert!(files.read("b.json").expect("readable").is_none());
            let error = files.require("b.json").expect_err("missing");
            assert_eq!(error.code(), "missing_file");
            assert!(error.to_string().contains("b.json"));
        }
    }

    #[test]
    fn names_cannot_leave_the_folder() {
        for name in [
            "../x",
            "/etc/passwd",
            "a/../b",
            "",
            "a//b",
            "c:x",
            "a\\b",
            ".",
        ] {
            assert!(!is_plain_name(name), "{name}");
        }
        assert!(is_plain_name("1_Pooling/config.json"));
    }
}
