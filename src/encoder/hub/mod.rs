//! Models by hub id and revision, through the cache that Hugging Face's own tools share.
//!
//! The network is asked for the files that are needed and not in the cache, and nothing else.
//! What arrives is checked against the size and, for large files, the SHA-256 that the hub
//! states, because a broken download would otherwise stay in the cache for good.

mod encoders;
mod id;
mod options;
mod resume;

use std::fs::File;
use std::path::{Path, PathBuf};

use hf_hub::repository::RepoTreeEntry;
use hf_hub::{HFClient, HFClientSync, HFError, HFRepositorySync, RepoTypeModel};
use sha2::{Digest, Sha256};

use super::error::EncoderError;
use super::files::{Folder, io_error};

pub use id::{DEFAULT_REVISION, HubId};
pub use options::HubOptions;

/// A hub of models and its local cache.
pub struct Hub {
    client: HFClientSync,
    endpoint: String,
    cache: PathBuf,
    offline: bool,
    allow_pickle: bool,
    chunk_bytes: Option<u64>,
}

impl Hub {
    /// Prepares the connection; nothing is sent yet.
    ///
    /// # Errors
    /// [`EncoderError::HubUnavailable`] when the address is no URL or no client can be made.
    pub fn new(options: &HubOptions) -> Result<Self, EncoderError> {
        let mut builder = HFClient::builder()
            .retry_max_attempts(3)
            .user_agent(concat!("stance/", env!("CARGO_PKG_VERSION")));
        if let Some(endpoint) = &options.endpoint {
            builder = builder.endpoint(endpoint);
        }
        if let Some(token) = &options.token {
            builder = builder.token(token);
        }
        if let Some(cache) = &options.cache_dir {
            builder = builder.cache_dir(cache);
        }
        let unavailable = |error: HFError| EncoderError::HubUnavailable {
            endpoint: options.endpoint.clone().unwrap_or_default(),
            message: error.to_string(),
        };
        let client = builder.build().map_err(unavailable)?;
        let endpoint = client.endpoint().to_owned();
        let cache = client.cache_dir().to_owned();
        let client = HFClientSync::from_inner(client).map_err(unavailable)?;
        Ok(Self {
            client,
            endpoint,
            cache,
            offline: options.offline,
            allow_pickle: options.allow_pickle,
            chunk_bytes: options.chunk_bytes,
        })
    }

    /// Fetches files of a model into the cache, all of one commit, and returns the folder that
    /// holds them. The first required file settles which commit `id` means. Optional files that
    /// the model lacks are passed over.
    ///
    /// # Errors
    /// [`EncoderError`]: `unknown_model` when the hub does not know the model or revision or does
    /// not show it to this token, `missing_file` for a required file, `hub_unavailable`, `offline`
    /// when the network is off and the cache lacks a required file, `hash_mismatch` for a broken
    /// download. Large files go on where an earlier attempt broke off.
    pub fn fetch(
        &self,
        id: &HubId,
        required: &[&str],
        optional: &[&str],
    ) -> Result<PathBuf, EncoderError> {
        let Some((first, _)) = required.split_first() else {
            return Err(self.missing(id, "(no file was asked for)"));
        };
        let repository = self.repository(id);
        let cached = Self::cached(&repository, id, first).is_some();
        let path = self.download(&repository, id, first)?;
        let folder = ancestor(&path, first).ok_or_else(|| self.missing(id, first))?;
        let wanted = |name: &&str| !folder.join(name).exists();
        let wanted: Vec<&str> = required
            .iter()
            .chain(optional)
            .copied()
            .filter(wanted)
            .collect();
        if self.offline {
            let lost = required.iter().find(|name| wanted.contains(name));
            return lost.map_or(Ok(folder.clone()), |name| Err(self.offline(id, name)));
        }
        let pinned = id.pinned(&folder);
        let mut listed = wanted.clone();
        if !cached {
            listed.push(first);
        }
        if listed.is_empty() {
            return Ok(folder);
        }
        let entries = match self.list(&repository, &pinned, &listed) {
            Err(error @ EncoderError::HubUnavailable { .. })
                if !required.iter().any(|name| listed.contains(name)) =>
            {
                tracing::warn!(%error, "going on without files that may not exist");
                return Ok(folder);
            }
            entries => entries?,
        };
        if !cached {
            self.check(&path, first, &entries)?;
        }
        for name in wanted {
            if let Some(entry) = entries.iter().find(|entry| entry.name == name) {
                self.bring(&repository, &pinned, &folder, entry)?;
                let path = self.download(&repository, &pinned, name)?;
                self.check(&path, name, &entries)?;
            } else if required.contains(&name) {
                return Err(self.missing(&pinned, name));
            }
        }
        Ok(folder)
    }

    fn repository(&self, id: &HubId) -> HFRepositorySync<RepoTypeModel> {
        let (owner, name) = hf_hub::split_id(id.repository());
        self.client.model(owner, name)
    }

    fn cached(
        repository: &HFRepositorySync<RepoTypeModel>,
        id: &HubId,
        name: &str,
    ) -> Option<PathBuf> {
        let file = repository
            .download_file()
            .filename(name)
            .revision(id.revision());
        file.local_files_only(true).send().ok()
    }

    fn download(
        &self,
        repository: &HFRepositorySync<RepoTypeModel>,
        id: &HubId,
        name: &str,
    ) -> Result<PathBuf, EncoderError> {
        if self.offline {
            return Self::cached(repository, id, name).ok_or_else(|| self.offline(id, name));
        }
        tracing::debug!(model = %id, file = name, "resolving on the hub");
        repository
            .download_file()
            .filename(name)
            .revision(id.revision())
            .send()
            .map_err(|error| match error {
                // The answer does not tell an unknown model from a model without this file.
                HFError::EntryNotFound { .. } => {
                    match repository.info().revision(id.revision()).send() {
                        Ok(_) => self.missing(id, name),
                        Err(error) => self.failed(id, &error),
                    }
                }
                error => self.failed(id, &error),
            })
    }

    /// What the hub says of the files that it has; it passes over those that it lacks.
    fn list(
        &self,
        repository: &HFRepositorySync<RepoTypeModel>,
        id: &HubId,
        names: &[&str],
    ) -> Result<Vec<Listed>, EncoderError> {
        let paths = names.iter().map(ToString::to_string).collect();
        let entries = repository
            .get_paths_info()
            .paths(paths)
            .revision(id.revision())
            .send()
            .map_err(|error| self.failed(id, &error))?;
        Ok(entries.into_iter().filter_map(Listed::new).collect())
    }

    /// Compares a downloaded file with what the hub listed, and takes it out of the cache when it
    /// differs, so that the next attempt downloads it again.
    fn check(&self, path: &Path, name: &str, entries: &[Listed]) -> Result<(), EncoderError> {
        let Some(listed) = entries.iter().find(|entry| entry.name == name) else {
            return Ok(());
        };
        let read = |source| io_error(&path.display().to_string(), source);
        let blob = std::fs::canonicalize(path).map_err(read)?;
        let bytes = std::fs::metadata(&blob).map_err(read)?.len();
        let mut wrong = (bytes != listed.bytes)
            .then(|| (format!("{} bytes", listed.bytes), format!("{bytes} bytes")));
        if let (None, Some(expected)) = (&wrong, listed.sha256.clone().or_else(|| hash_name(&blob)))
        {
            let found = sha256_of(&blob).map_err(read)?;
            wrong = (found != expected).then_some((expected, found));
        }
        let Some((expected, found)) = wrong else {
            return Ok(());
        };
        tracing::warn!(
            file = name,
            endpoint = self.endpoint,
            "removing a broken download"
        );
        std::fs::remove_file(&blob).map_err(read)?;
        // On Unix the path is a link to the blob and remains.
        std::fs::remove_file(path)
            .or_else(ignore_missing)
            .map_err(read)?;
        Err(EncoderError::HashMismatch {
            file: name.to_owned(),
            expected,
            found,
        })
    }

    fn missing(&self, id: &HubId, name: &str) -> EncoderError {
        EncoderError::MissingFile {
            file: name.to_owned(),
            location: format!("{}/{id}", self.endpoint),
        }
    }

    fn offline(&self, id: &HubId, name: &str) -> EncoderError {
        EncoderError::Offline {
            model: id.repository().to_owned(),
            revision: id.revision().to_owned(),
            file: name.to_owned(),
            cache: self.cache.display().to_string(),
        }
    }

    fn failed(&self, id: &HubId, error: &HFError) -> EncoderError {
        let message = with_sources(error);
        match error {
            HFError::RepoNotFound { .. }
            | HFError::RevisionNotFound { .. }
            | HFError::AuthRequired { .. }
            | HFError::Forbidden { .. } => EncoderError::UnknownModel {
                model: id.repository().to_owned(),
                revision: id.revision().to_owned(),
                endpoint: self.endpoint.clone(),
                message,
            },
            _ => EncoderError::HubUnavailable {
                endpoint: self.endpoint.clone(),
                message,
            },
        }
    }
}

/// The folder of the encoder that `name` means: a folder at that path, else a model of the hub,
/// `owner/name` or `owner/name@revision`.
///
/// # Errors
/// [`EncoderError::InvalidModelId`] when it is neither; else as [`Hub::fetch`].
pub fn locate_encoder(name: &str, options: &HubOptions) -> Result<Folder, EncoderError> {
    if Path::new(name).is_dir() {
        return Ok(Folder::new(name));
    }
    let id = name.parse::<HubId>()?;
    Ok(Folder::new(Hub::new(options)?.fetch_encoder(&id)?))
}

/// Whether a file of the cache is what it was when it was fetched: `None` when the cache does not
/// know its SHA-256, as for small files.
///
/// # Errors
/// [`EncoderError::Io`], or [`EncoderError::HashMismatch`] for a file that has changed.
pub fn verify_cached(path: &Path) -> Result<Option<String>, EncoderError> {
    let read = |source| io_error(&path.display().to_string(), source);
    let blob = std::fs::canonicalize(path).map_err(read)?;
    let Some(expected) = hash_name(&blob) else {
        return Ok(None);
    };
    let found = sha256_of(&blob).map_err(read)?;
    if found == expected {
        return Ok(Some(found));
    }
    Err(EncoderError::HashMismatch {
        file: path.display().to_string(),
        expected,
        found,
    })
}

/// What the hub states of a file.
struct Listed {
    name: String,
    bytes: u64,
    /// Whether it is in large-file storage.
    large: bool,
    /// Only of those, and not from every hub.
    sha256: Option<String>,
}

impl Listed {
    fn new(entry: RepoTreeEntry) -> Option<Self> {
        let RepoTreeEntry::File {
            path, size, lfs, ..
        } = entry
        else {
            return None;
        };
        let large = lfs.is_some();
        let sha256 = lfs.and_then(|lfs| lfs.sha256);
        Some(Self {
            name: path,
            bytes: size,
            large,
            sha256,
        })
    }
}

/// The cache names the content of a large file by its SHA-256, that of a small one by git's SHA-1.
fn hash_name(blob: &Path) -> Option<String> {
    let name = blob.file_name()?.to_str()?;
    is_sha256(name).then(|| name.to_owned())
}

fn is_sha256(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The folder that `path` has the relative `name` in.
fn ancestor(path: &Path, name: &str) -> Option<PathBuf> {
    path.ancestors()
        .nth(name.split('/').count())
        .map(Path::to_owned)
}

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    std::io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(format!("{:x}", hasher.finalize()))
}

fn ignore_missing(error: std::io::Error) -> std::io::Result<()> {
    if error.kind() == std::io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(error)
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        source = error.source();
    }
    message
}
