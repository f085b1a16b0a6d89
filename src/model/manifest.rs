//! `manifest.json`: what a model is called and which files it is made of.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::{ModelError, io_error};
use crate::encoder::files::is_plain_name;

/// Name of the manifest inside a model.
pub const MANIFEST_FILE: &str = "manifest.json";
/// Name of the model card.
pub const CARD_FILE: &str = "MODEL_CARD.md";
/// Name of the answers that the model gave where it was made.
pub const SELF_TEST_FILE: &str = "selftest.json";
/// The version of the manifest's layout that this crate writes, and the only one that it reads.
pub const SCHEMA: u32 = 1;

/// A model's description and the hashes of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of this layout, [`SCHEMA`].
    pub schema: u32,
    /// What the model is called and where it comes from.
    #[serde(flatten)]
    pub info: ManifestInfo,
    /// The files by name, the manifest itself left out.
    pub files: BTreeMap<String, FileEntry>,
}

/// The part of a manifest that people write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestInfo {
    /// The model's name, such as `stance-default`.
    pub name: String,
    /// The model's own version, such as `0.1.0`.
    pub version: String,
    /// When it was made, RFC 3339 in UTC.
    pub created: String,
    /// SPDX identifier of the license.
    pub license: String,
}

/// One file of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// SHA-256 of the content, 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// Size in bytes.
    pub bytes: u64,
}

impl Manifest {
    /// Reads and checks a manifest. `location` goes into the messages.
    ///
    /// # Errors
    /// [`ModelError::InvalidManifest`] for bytes that are no manifest, another schema, a name that
    /// leaves the folder, or a hash that is none.
    pub fn from_json(bytes: &[u8], location: &str) -> Result<Self, ModelError> {
        let invalid = |message| ModelError::InvalidManifest {
            location: location.to_owned(),
            message,
        };
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| invalid(error.to_string()))?;
        if manifest.schema != SCHEMA {
            let found = manifest.schema;
            return Err(invalid(format!(
                "schema {found} is unknown, this version reads {SCHEMA}"
            )));
        }
        for (name, entry) in &manifest.files {
            if !is_plain_name(name) || name == MANIFEST_FILE {
                return Err(invalid(format!("`{name}` is no file name inside a model")));
            }
            let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            if entry.sha256.len() != 64 || !entry.sha256.bytes().all(is_hex) {
                return Err(invalid(format!("`{name}` has no valid sha256")));
            }
        }
        if manifest.files.is_empty() {
            return Err(invalid("no file is listed".to_owned()));
        }
        Ok(manifest)
    }

    /// The hash of the model: SHA-256 over one line `NAME SHA256` per file, sorted by name, each
    /// ended by a line feed. Two models with the same hash have the same files, except for the
    /// card and the stored answers: they state what was measured on the model of this hash, and so
    /// cannot be part of it.
    pub fn sha256(&self) -> String {
        let mut hasher = Sha256::new();
        let measured = [CARD_FILE, SELF_TEST_FILE];
        for (name, entry) in &self.files {
            if measured.contains(&name.as_str()) {
                continue;
            }
            hasher.update(format!("{name} {}\n", entry.sha256));
        }
        format!("{:x}", hasher.finalize())
    }
}

impl FileEntry {
    /// The entry of the content that `reader` holds from here to its end.
    ///
    /// # Errors
    /// When reading fails.
    pub fn of(reader: &mut dyn Read) -> std::io::Result<Self> {
        let mut hasher = Sha256::new();
        let bytes = std::io::copy(reader, &mut hasher)?;
        Ok(Self {
            sha256: format!("{:x}", hasher.finalize()),
            bytes,
        })
    }
}

/// Writes `manifest.json` into `folder` for the files named, which must be in it. Returns what was
/// written.
///
/// # Errors
/// [`ModelError::MissingFile`] for a file that is not there, [`ModelError::InvalidManifest`] for a
/// name that leaves the folder, [`ModelError::Io`].
pub fn write_manifest(
    folder: &Path,
    info: ManifestInfo,
    files: &[&str],
) -> Result<Manifest, ModelError> {
    let location = folder.display().to_string();
    let mut entries = BTreeMap::new();
    for &name in files {
        let path = folder.join(name);
        let mut file = File::open(&path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                ModelError::MissingFile {
                    file: name.to_owned(),
                    location: location.clone(),
                }
            } else {
                io_error(&path, error)
            }
        })?;
        let entry = FileEntry::of(&mut file).map_err(|error| io_error(&path, error))?;
        entries.insert(name.to_owned(), entry);
    }
    let manifest = Manifest {
        schema: SCHEMA,
        info,
        files: entries,
    };
    let mut json =
        serde_json::to_vec_pretty(&manifest).map_err(|error| ModelError::InvalidManifest {
            location: location.clone(),
            message: error.to_string(),
        })?;
    json.push(b'\n');
    Manifest::from_json(&json, &location)?;
    // Written whole or not at all.
    let (path, part) = (
        folder.join(MANIFEST_FILE),
        folder.join("manifest.json.part"),
    );
    std::fs::write(&part, json).map_err(|error| io_error(&part, error))?;
    std::fs::rename(&part, &path).map_err(|error| io_error(&path, error))?;
    Ok(manifest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn info() -> ManifestInfo {
        ManifestInfo {
            name: "tiny".to_owned(),
            version: "0.1.0".to_owned(),
            created: "2025-01-01T00:00:00Z".to_owned(),
            license: "Apache-2.0".to_owned(),
        }
    }

    #[test]
    fn the_model_hash_is_that_of_the_sorted_lines() {
        let folder = tempfile::tempdir().expect("folder");
        std::fs::write(folder.path().join("b"), b"abc").expect("written");
        std::fs::write(folder.path().join("a"), b"").expect("written");
        let manifest = write_manifest(folder.path(), info(), &["b", "a"]).expect("manifest");
        // sha256sum of the empty file and of "abc" (FIPS 180-2), then of the two lines.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(
            manifest.files["a"],
            FileEntry {
                sha256: empty.to_owned(),
                bytes: 0
            }
        );
        assert_eq!(
            manifest.files["b"],
            FileEntry {
                sha256: abc.to_owned(),
                bytes: 3
            }
        );
        let lines = format!("a {empty}\nb {abc}\n");
        assert_eq!(manifest.sha256(), format!("{:x}", Sha256::digest(lines)));
        let bytes = std::fs::read(folder.path().join(MANIFEST_FILE)).expect("read");
        assert_eq!(
            Manifest::from_json(&bytes, "here").expect("reads"),
            manifest
        );
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let folder = tempfile::tempdir().expect("folder");
        let error = write_manifest(folder.path(), info(), &["gone"]).expect_err("missing");
        assert_eq!(error.code(), "missing_file");
        assert!(error.to_string().contains("gone"));
        assert!(!folder.path().join(MANIFEST_FILE).exists());
    }

    #[test]
    fn refuses_what_is_no_manifest() {
        let entry = |name: &str, sha256: &str, schema: u32| {
            serde_json::json!({
                "schema": schema, "name": "m", "version": "1", "created": "", "license": "",
                "files": {name: {"sha256": sha256, "bytes": 1}},
            })
        };
        let hash = "0".repeat(64);
        assert!(Manifest::from_json(entry("a", &hash, 1).to_string().as_bytes(), "x").is_ok());
        for value in [
            entry("../a", &hash, 1),
            entry(MANIFEST_FILE, &hash, 1),
            entry("a", &hash[1..], 1),
            entry("a", &hash.replace('0', "A"), 1),
            entry("a", &hash, 2),
            serde_json::json!({"schema": 1}),
        ] {
            let error = Manifest::from_json(value.to_string().as_bytes(), "x").expect_err("no");
            assert_eq!(error.code(), "invalid_manifest", "{value}");
        }
    }
}
