//! From a model's name to its checked files: `default`, a folder, or a hub id.

use std::path::{Path, PathBuf};

use super::error::ModelError;
use super::folder::ModelFolder;
use super::manifest::{MANIFEST_FILE, Manifest};
use crate::encoder::hub::{Hub, HubId, HubOptions};
use crate::memory;

/// The name of the model that is built into the program.
pub const DEFAULT_MODEL: &str = "default";

/// Names and contents of the files of `models/default`, none when the program was built without.
mod embedded {
    include!(concat!(env!("OUT_DIR"), "/default_model.rs"));
}

/// The model that is built into the program.
///
/// # Errors
/// [`ModelError::UnknownModel`] when it was built without one, else as
/// [`ModelFolder::from_embedded`].
pub fn default_model() -> Result<ModelFolder, ModelError> {
    if embedded::FILES.is_empty() {
        let message = "this program was built without models/default".to_owned();
        return Err(ModelError::UnknownModel {
            name: DEFAULT_MODEL.to_owned(),
            message,
        });
    }
    ModelFolder::from_embedded(embedded::FILES)
}

/// Lets the system take the pages of the model that is built into the program, which nobody reads once it is loaded.
pub fn forget_default() {
    for (_, bytes) in embedded::FILES {
        // SAFETY: constants of the program, of bytes alone: nothing in them depends on where they are loaded, so that
        // they are never written to.
        #[allow(unsafe_code)]
        unsafe {
            memory::forget(bytes);
        }
    }
}

/// Opens the model that `name` means: [`DEFAULT_MODEL`], else a folder at that path, else a model
/// of the hub, `owner/name` or `owner/name@revision`.
///
/// # Errors
/// [`ModelError::UnknownModel`] when it is none of these; else as [`ModelFolder::open`] and
/// [`Hub::fetch`].
pub fn open(name: &str, hub: &HubOptions) -> Result<ModelFolder, ModelError> {
    if name == DEFAULT_MODEL {
        return default_model();
    }
    if Path::new(name).is_dir() {
        return ModelFolder::open(name);
    }
    let Ok(id) = name.parse::<HubId>() else {
        let message = "expected `default`, a folder that exists, or `owner/name` on the hub";
        return Err(ModelError::UnknownModel {
            name: name.to_owned(),
            message: message.to_owned(),
        });
    };
    ModelFolder::open(fetch_model(&Hub::new(hub)?, &id)?)
}

/// Fetches a model's manifest and every file that it lists; returns their folder.
pub(super) fn fetch_model(hub: &Hub, id: &HubId) -> Result<PathBuf, ModelError> {
    let folder = hub.fetch(id, &[MANIFEST_FILE], &[])?;
    let bytes = std::fs::read(folder.join(MANIFEST_FILE)).map_err(|source| ModelError::Io {
        file: MANIFEST_FILE.to_owned(),
        source,
    })?;
    let manifest = Manifest::from_json(&bytes, &id.to_string())?;
    let files: Vec<&str> = std::iter::once(MANIFEST_FILE)
        .chain(manifest.files.keys().map(String::as_str))
        .collect();
    Ok(hub.fetch(&id.pinned(&folder), &files, &[])?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn a_name_that_means_nothing_is_unknown() {
        for name in ["", "defualt", "./no/such/folder", "a b/c"] {
            let error = open(name, &HubOptions::default()).expect_err(name);
            assert_eq!(error.code(), "unknown_model", "{name}");
        }
    }

    #[test]
    fn the_model_inside_the_program_is_whole() {
        match default_model() {
            Ok(model) => model.verify().expect("every hash fits"),
            Err(error) => {
                assert!(embedded::FILES.is_empty(), "{error}");
                assert_eq!(error.code(), "unknown_model");
            }
        }
    }
}
