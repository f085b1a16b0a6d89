//! A model's files, checked against its manifest.

use std::borrow::Cow;
use std::path::Path;

use super::error::ModelError;
use super::manifest::{FileEntry, MANIFEST_FILE, Manifest};
use crate::encoder::EncoderError;
use crate::encoder::files::{Folder, MemoryFiles, ModelFiles, ReadSeek};

/// A model whose files are what its manifest says. Files that it does not list are not read.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    source: Source,
    manifest: Manifest,
    sha256: String,
}

#[derive(Clone, Debug)]
enum Source {
    Folder(Folder),
    Embedded(MemoryFiles<'static>),
}

impl Source {
    fn files(&self) -> &dyn ModelFiles {
        match self {
            Self::Folder(folder) => folder,
            Self::Embedded(files) => files,
        }
    }
}

impl ModelFolder {
    /// Opens the model in the folder `path` and checks the size and SHA-256 of every file.
    ///
    /// # Errors
    /// [`ModelError`]: `missing_file`, `hash_mismatch`, `invalid_manifest`, `io`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let model = Self::new(Source::Folder(Folder::new(path.as_ref())))?;
        model.verify()?;
        Ok(model)
    }

    /// The model that is built into the program, as pairs of file name and content.
    ///
    /// Sizes are checked; hashes are not, because the program's own bytes were fixed when it was
    /// built. [`ModelFolder::verify`] checks them.
    ///
    /// # Errors
    /// As [`ModelFolder::open`].
    pub fn from_embedded(
        files: &'static [(&'static str, &'static [u8])],
    ) -> Result<Self, ModelError> {
        let memory = MemoryFiles::new(files);
        let model = Self::new(Source::Embedded(memory))?;
        for (name, entry) in &model.manifest.files {
            let bytes = memory
                .get(name)
                .ok_or_else(|| model.missing_file(name))?
                .len() as u64;
            if bytes != entry.bytes {
                return Err(model.mismatch(name, size(entry.bytes), size(bytes)));
            }
        }
        Ok(model)
    }

    fn new(source: Source) -> Result<Self, ModelError> {
        let location = source.files().location();
        let manifest =
            source
                .files()
                .read(MANIFEST_FILE)?
                .ok_or_else(|| ModelError::MissingFile {
                    file: MANIFEST_FILE.to_owned(),
                    location: location.clone(),
                })?;
        let manifest = Manifest::from_json(&manifest, &location)?;
        let sha256 = manifest.sha256();
        Ok(Self {
            source,
            manifest,
            sha256,
        })
    }

    /// Checks the size and SHA-256 of every file that the manifest lists.
    ///
    /// # Errors
    /// [`ModelError`]: `missing_file`, `hash_mismatch`, `io`.
    pub fn verify(&self) -> Result<(), ModelError> {
        for (name, entry) in &self.manifest.files {
            let mut file = self
                .source
                .files()
                .open(name)?
                .ok_or_else(|| self.missing_file(name))?;
            let found = FileEntry::of(&mut file).map_err(|source| ModelError::Io {
                file: name.clone(),
                source,
            })?;
            if found.bytes != entry.bytes {
                return Err(self.mismatch(name, size(entry.bytes), size(found.bytes)));
            }
            if found.sha256 != entry.sha256 {
                return Err(self.mismatch(name, entry.sha256.clone(), found.sha256));
            }
        }
        Ok(())
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The hash of the whole model, see [`Manifest::sha256`].
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The whole content of a file that the manifest lists.
    ///
    /// # Errors
    /// [`ModelError::MissingFile`] for a file that it does not list, else `io`.
    pub fn file(&self, name: &str) -> Result<Cow<'_, [u8]>, ModelError> {
        Ok(self.require(name)?)
    }

    fn missing_file(&self, name: &str) -> ModelError {
        ModelError::MissingFile {
            file: name.to_owned(),
            location: self.location(),
        }
    }

    fn mismatch(&self, name: &str, expected: String, found: String) -> ModelError {
        let (file, location) = (name.to_owned(), self.location());
        ModelError::HashMismatch {
            file,
            location,
            expected,
            found,
        }
    }
}

impl ModelFiles for ModelFolder {
    fn open(&self, name: &str) -> Result<Option<Box<dyn ReadSeek + '_>>, EncoderError> {
        if !self.manifest.files.contains_key(name) {
            return Ok(None);
        }
        self.source.files().open(name)
    }

    fn location(&self) -> String {
        match &self.source {
            Source::Folder(folder) => folder.location(),
            Source::Embedded(_) => "the program itself".to_owned(),
        }
    }

    fn read(&self, name: &str) -> Result<Option<Cow<'_, [u8]>>, EncoderError> {
        if !self.manifest.files.contains_key(name) {
            return Ok(None);
        }
        self.source.files().read(name)
    }
}

fn size(bytes: u64) -> String {
    format!("{bytes} bytes")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::ErrorCode;
    use crate::model::{ManifestInfo, write_manifest};

    fn model() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("folder");
        fs::write(folder.path().join("a.json"), b"{\"a\": 1}").expect("written");
        fs::write(folder.path().join("b.bin"), [7; 100]).expect("written");
        fs::write(folder.path().join("notes"), b"not listed").expect("written");
        let info = ManifestInfo {
            name: "tiny".to_owned(),
            version: "0.1.0".to_owned(),
            created: "2025-01-01T00:00:00Z".to_owned(),
            license: "Apache-2.0".to_owned(),
        };
        write_manifest(folder.path(), info, &["a.json", "b.bin"]).expect("manifest");
        folder
    }

    fn leaked(folder: &Path) -> &'static [(&'static str, &'static [u8])] {
        let read = |name: &str| &*fs::read(folder.join(name)).expect("read").leak();
        let names = ["a.json", "b.bin", "notes", MANIFEST_FILE];
        names.map(|name| (name, read(name))).to_vec().leak()
    }

    #[test]
    fn a_folder_and_the_same_files_embedded_are_the_same_model() {
        let folder = model();
        let opened = ModelFolder::open(folder.path()).expect("opens");
        let embedded = ModelFolder::from_embedded(leaked(folder.path())).expect("opens");
        embedded.verify().expect("hashes fit");
        assert_eq!(opened.sha256(), embedded.sha256());
        for model in [&opened, &embedded] {
            assert_eq!(
                model.file("a.json").expect("listed").as_ref(),
                b"{\"a\": 1}"
            );
            let error = model.file("notes").expect_err("not listed");
            assert_eq!(error.code(), "missing_file");
        }
    }

    #[test]
    fn a_changed_file_is_named_with_both_hashes() {
        let folder = model();
        let before = ModelFolder::open(folder.path()).expect("opens");
        fs::write(folder.path().join("b.bin"), [8; 100]).expect("written");
        let error = ModelFolder::open(folder.path()).expect_err("changed");
        assert_eq!(error.code(), "hash_mismatch");
        let expected = &before.manifest().files["b.bin"].sha256;
        let message = error.to_string();
        assert!(
            message.contains("b.bin") && message.contains(expected),
            "{message}"
        );
        let embedded = ModelFolder::from_embedded(leaked(folder.path())).expect("same size");
        assert_eq!(
            embedded.verify().expect_err("changed").code(),
            "hash_mismatch"
        );
    }

    #[test]
    fn a_shorter_file_and_a_missing_one_are_refused() {
        let folder = model();
        fs::write(folder.path().join("b.bin"), [7; 99]).expect("written");
        for error in [
            ModelFolder::open(folder.path()).expect_err("shorter"),
            ModelFolder::from_embedded(leaked(folder.path())).expect_err("shorter"),
        ] {
            assert_eq!(error.code(), "hash_mismatch");
            assert!(error.to_string().contains("99 bytes"), "{error}");
        }
        fs::remove_file(folder.path().join("b.bin")).expect("removed");
        let error = ModelFolder::open(folder.path()).expect_err("missing");
        assert_eq!(error.code(), "missing_file");
        fs::remove_file(folder.path().join(MANIFEST_FILE)).expect("removed");
        let error = ModelFolder::open(folder.path()).expect_err("no manifest");
        assert!(error.to_string().contains(MANIFEST_FILE), "{error}");
    }
}
