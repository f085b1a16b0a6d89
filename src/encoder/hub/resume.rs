//! Large files, piece by piece: what has arrived stays when a download breaks off.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::path::Path;

use hf_hub::{HFRepositorySync, RepoTypeModel};

use super::super::error::EncoderError;
use super::super::files::io_error;
use super::{Hub, HubId, Listed, is_sha256, sha256_of};

/// Bytes that are asked for at a time where the options do not say.
const CHUNK_BYTES: u64 = 16 << 20;

impl Hub {
    /// Brings the content of a large file into the cache, where it goes by its SHA-256; the
    /// client then finds it there. `folder` holds the files of the commit that `id` names.
    pub(super) fn bring(
        &self,
        repository: &HFRepositorySync<RepoTypeModel>,
        id: &HubId,
        folder: &Path,
        listed: &Listed,
    ) -> Result<(), EncoderError> {
        if !listed.large {
            return Ok(());
        }
        let sha256 = if let Some(sha256) = &listed.sha256 {
            sha256.clone()
        } else {
            // Most listings do not have it; the file's own headers do.
            let metadata = repository
                .get_file_metadata()
                .filepath(listed.name.as_str())
                .revision(id.revision())
                .send()
                .map_err(|error| self.failed(id, &error))?;
            metadata.etag
        };
        let (Some(cache), true) = (folder.ancestors().nth(2), is_sha256(&sha256)) else {
            return Ok(());
        };
        let blobs = cache.join("blobs");
        let (blob, part) = (blobs.join(&sha256), blobs.join(format!("{sha256}.part")));
        let failed = |source| io_error(&part.display().to_string(), source);
        std::fs::create_dir_all(&blobs).map_err(failed)?;
        if blob.exists() {
            return Ok(());
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&part)
            .map_err(failed)?;
        // Another process may be at it; it has moved the file away when it is done.
        file.lock().map_err(failed)?;
        if blob.exists() {
            return std::fs::remove_file(&part)
                .or_else(super::ignore_missing)
                .map_err(failed);
        }
        self.complete(repository, id, listed, &mut file)
            .map_err(|error| error.or_io(failed))?;
        let found = sha256_of(&part).map_err(failed)?;
        if found != sha256 {
            std::fs::remove_file(&part).map_err(failed)?;
            return Err(EncoderError::HashMismatch {
                file: listed.name.clone(),
                expected: sha256,
                found,
            });
        }
        std::fs::rename(&part, &blob).map_err(failed)
    }

    /// Appends to `file` what it lacks.
    fn complete(
        &self,
        repository: &HFRepositorySync<RepoTypeModel>,
        id: &HubId,
        listed: &Listed,
        file: &mut File,
    ) -> Result<(), Failure> {
        let mut have = file.metadata()?.len();
        if have > listed.bytes {
            file.set_len(0)?;
            have = 0;
        }
        file.seek(SeekFrom::Start(have))?;
        let chunk = self.chunk_bytes.unwrap_or(CHUNK_BYTES).max(1);
        if have > 0 {
            tracing::info!(
                file = listed.name,
                have,
                of = listed.bytes,
                "going on with a download"
            );
        }
        while have < listed.bytes {
            let end = listed.bytes.min(have + chunk);
            let bytes = repository
                .download_file_to_bytes()
                .filename(listed.name.as_str())
                .revision(id.revision())
                .range(have..end)
                .send()
                .map_err(|error| Failure::Hub(self.failed(id, &error)))?;
            let count = bytes.len() as u64;
            // A hub that knows no ranges sends everything.
            let whole = have == 0 && count == listed.bytes;
            if count != end - have && !whole {
                return Err(Failure::Hub(EncoderError::HubUnavailable {
                    endpoint: self.endpoint.clone(),
                    message: format!(
                        "{} bytes of `{}` were asked for, {count} came",
                        end - have,
                        listed.name
                    ),
                }));
            }
            file.write_all(&bytes)?;
            have += count;
            tracing::debug!(file = listed.name, have, of = listed.bytes, "downloading");
        }
        file.flush()?;
        Ok(())
    }
}

/// Why a file did not become complete.
enum Failure {
    Io(std::io::Error),
    Hub(EncoderError),
}

impl Failure {
    fn or_io(self, io: impl FnOnce(std::io::Error) -> EncoderError) -> EncoderError {
        match self {
            Self::Io(error) => io(error),
            Self::Hub(error) => error,
        }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}
