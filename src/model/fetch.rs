//! A repository of the hub, brought into the cache and checked.

use std::path::{Path, PathBuf};

use super::error::ModelError;
use super::folder::ModelFolder;
use super::manifest::MANIFEST_FILE;
use super::resolve;
use crate::encoder::EncoderError;
use crate::encoder::hub::{Hub, HubId, HubOptions, verify_cached};
use crate::error::ErrorCode;

/// What a repository holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A model of this program, with a manifest.
    Model,
    /// An encoder or an embedding model.
    Encoder,
}

/// A file in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedFile {
    /// Its name inside the model.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its SHA-256, where the manifest or the hub states one; it was checked.
    pub sha256: Option<String>,
}

/// A repository in the cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// What it holds.
    pub kind: Kind,
    /// The folder of the files.
    pub folder: PathBuf,
    /// The repository at the commit that was fetched.
    pub id: HubId,
    /// The files, by name.
    pub files: Vec<FetchedFile>,
}

/// Fetches what a repository of the hub holds: a model of this program when there is a manifest,
/// else an encoder. What is in the cache already is checked again.
///
/// # Errors
/// As [`Hub::fetch`], [`Hub::fetch_embedder`] and [`ModelFolder::open`].
pub fn fetch(id: &HubId, options: &HubOptions) -> Result<Fetched, ModelError> {
    let hub = Hub::new(options)?;
    let mut files = Vec::new();
    let (kind, folder) = match resolve::fetch_model(&hub, id) {
        Ok(folder) => {
            list_model(&folder, &mut files)?;
            (Kind::Model, folder)
        }
        // No manifest, or none in the cache while offline.
        Err(ModelError::Encoder(
            EncoderError::MissingFile { .. } | EncoderError::Offline { .. },
        )) => {
            let folder = hub.fetch_embedder(id)?;
            list(&folder, "", &mut files)?;
            (Kind::Encoder, folder)
        }
        Err(error) => {
            tracing::debug!(code = error.code(), "no model");
            return Err(error);
        }
    };
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Fetched {
        kind,
        id: id.pinned(&folder),
        folder,
        files,
    })
}

/// The files that the manifest names, and the manifest.
fn list_model(folder: &Path, files: &mut Vec<FetchedFile>) -> Result<(), ModelError> {
    let model = ModelFolder::open(folder)?;
    files.extend(
        model
            .manifest()
            .files
            .iter()
            .map(|(name, entry)| FetchedFile {
                name: name.clone(),
                bytes: entry.bytes,
                sha256: Some(entry.sha256.clone()),
            }),
    );
    files.push(FetchedFile {
        name: MANIFEST_FILE.to_owned(),
        bytes: size(&folder.join(MANIFEST_FILE))?,
        sha256: None,
    });
    Ok(())
}

fn list(folder: &Path, inside: &str, files: &mut Vec<FetchedFile>) -> Result<(), ModelError> {
    let place = folder.join(inside);
    let failed = |source| super::error::io_error(&place, source);
    for entry in std::fs::read_dir(&place).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = format!("{inside}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            list(folder, &format!("{name}/"), files)?;
            continue;
        }
        files.push(FetchedFile {
            bytes: size(&path)?,
            sha256: verify_cached(&path)?,
            name,
        });
    }
    Ok(())
}

fn size(path: &Path) -> Result<u64, ModelError> {
    let metadata = std::fs::metadata(path);
    Ok(metadata
        .map_err(|source| super::error::io_error(path, source))?
        .len())
}
