//! The folder that holds a model: manifest, hashes, files.
//!
//! A model is a folder with a [`Manifest`] that lists its files and their SHA-256. It comes from
//! the program itself, from a folder or from the hub; [`open`] finds it by name, checks it, and
//! hands its files to [`crate::encoder`] and to the heads through [`ModelFolder`].

pub mod error;
pub mod fetch;
pub mod folder;
pub mod manifest;
pub mod resolve;

pub use error::ModelError;
pub use fetch::{Fetched, FetchedFile, Kind as FetchedKind, fetch};
pub use folder::ModelFolder;
pub use manifest::{
    FileEntry, MANIFEST_FILE, Manifest, ManifestInfo, SELF_TEST_FILE, write_manifest,
};
pub use resolve::{DEFAULT_MODEL, default_model, forget_default, open};
