//! The names of models on the hub.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use super::super::error::EncoderError;
use super::super::files::is_plain_name;

/// The branch that is meant when no revision is named.
pub const DEFAULT_REVISION: &str = "main";

/// A model on the hub: `owner/name`, or `owner/name@revision`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HubId {
    /// Owner and name, with a slash between.
    repository: String,
    /// Branch, tag or commit.
    revision: String,
}

impl HubId {
    /// The same model at another branch, tag or commit.
    #[must_use]
    pub fn at(mut self, revision: impl Into<String>) -> Self {
        self.revision = revision.into();
        self
    }

    /// The same model at the commit whose files `folder` holds, as [`super::Hub::fetch`] returns it.
    #[must_use]
    pub fn pinned(&self, folder: &Path) -> Self {
        // The cache keeps them at `…/snapshots/COMMIT`.
        let commit = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        self.clone()
            .at(commit.unwrap_or_else(|| self.revision.clone()))
    }

    /// `owner/name`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Branch, tag or commit.
    pub fn revision(&self) -> &str {
        &self.revision
    }
}

impl FromStr for HubId {
    type Err = EncoderError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, revision) = text.split_once('@').unwrap_or((text, DEFAULT_REVISION));
        let part = |part: &str| {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            !part.is_empty()
                && part.len() <= 96
                && part.bytes().all(allowed)
                && !part.starts_with(['.', '-'])
                && !part.ends_with(['.', '-'])
                && !part.contains("..")
                && !part.contains("--")
        };
        let valid = repository
            .split_once('/')
            .is_some_and(|(owner, name)| part(owner) && part(name));
        if !valid || !is_plain_name(revision) {
            return Err(EncoderError::InvalidModelId(text.to_owned()));
        }
        Ok(Self {
            repository: repository.to_owned(),
            revision: revision.to_owned(),
        })
    }
}

impl fmt::Display for HubId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.repository, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn ids_parse_with_and_without_a_revision() {
        let id: HubId = "intfloat/multilingual-e5-small".parse().expect("valid");
        assert_eq!(id.to_string(), "intfloat/multilingual-e5-small@main");
        let id: HubId = "a/b.c_d@refs/pr/3".parse().expect("valid");
        assert_eq!((id.repository(), id.revision()), ("a/b.c_d", "refs/pr/3"));
    }

    #[test]
    fn refuses_what_is_no_id() {
        for text in [
            "", "bert", "/b", "a/", "a/b/c", "../b", "a/..", "a/b@", "a/b@../x", "a b/c",
        ] {
            let error = text.parse::<HubId>().expect_err(text);
            assert_eq!(error.code(), "unknown_model", "{text}");
        }
    }
}
