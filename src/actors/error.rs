//! What can be wrong with actors: those of a request and those of a registry file.

use std::path::PathBuf;

use crate::error::ErrorCode;

/// An actor, an alias or a registry file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ActorError {
    /// An id that the registry does not have, without names that would make it usable.
    #[error(
        "actor `{id}` is not in the registry{hint}; give it `names` or `spans`, or use an id that `actors list` shows"
    )]
    UnknownActor {
        /// The id asked for.
        id: String,
        /// ` (did you mean …?)`, or empty.
        hint: String,
    },
    /// An actor that breaks a rule of its fields.
    #[error("actor `{id}`: {reason}")]
    InvalidActor {
        /// Its id, perhaps empty.
        id: String,
        /// Which field, which rule, which limit.
        reason: String,
    },
    /// The same id twice.
    #[error("actor id `{id}` is given twice")]
    DuplicateActor {
        /// The id.
        id: String,
    },
    /// The same alias for two actors, not flagged as ambiguous in both.
    #[error(
        "alias `{alias}` names both `{first}` and `{second}`; flag it as ambiguous in both or remove one"
    )]
    DuplicateAlias {
        /// The alias as written.
        alias: String,
        /// The actor that had it first.
        first: String,
        /// The actor that repeats it.
        second: String,
    },
    /// A name without a letter or digit.
    #[error("actor `{id}`: name `{name}` ({language}) has no letter or digit")]
    EmptyName {
        /// The actor.
        id: String,
        /// Language code of the name.
        language: String,
        /// The name as written.
        name: String,
    },
    /// A kind that does not exist.
    #[error(
        "actor `{id}`: unknown kind `{kind}`, expected state, person, party, armed_group, organisation or bloc"
    )]
    UnknownKind {
        /// The actor.
        id: String,
        /// The kind as written.
        kind: String,
    },
    /// A language code that is no ISO 639-1 code and not `und`.
    #[error("actor `{id}`: `{language}` is no ISO 639-1 language code (use `und` if unknown)")]
    UnknownAliasLanguage {
        /// The actor.
        id: String,
        /// The code as written.
        language: String,
    },
    /// A registry file that does not parse, or whose fields have the wrong type.
    #[error("registry file {}{}: {message}", path.display(), line.map(|line| format!(", line {line}")).unwrap_or_default())]
    InvalidFile {
        /// The file.
        path: PathBuf,
        /// Line, counted from 1, where known.
        line: Option<usize>,
        /// What the parser says.
        message: String,
    },
    /// A registry file that cannot be read.
    #[error("registry file {} cannot be read: {source}", path.display())]
    UnreadableFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The automaton over all names could not be built, for want of room.
    #[error("the names of {actors} actors are too many to match: {message}")]
    TooManyNames {
        /// How many actors there are.
        actors: usize,
        /// What the builder says.
        message: String,
    },
}

impl ErrorCode for ActorError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownActor { .. } => "unknown_actor",
            Self::InvalidActor { .. } => "invalid_actor",
            Self::DuplicateActor { .. } => "duplicate_actor",
            Self::DuplicateAlias { .. } => "duplicate_alias",
            Self::EmptyName { .. } => "empty_name",
            Self::UnknownKind { .. } => "unknown_kind",
            Self::UnknownAliasLanguage { .. } => "unknown_alias_language",
            Self::InvalidFile { .. } => "invalid_registry_file",
            Self::UnreadableFile { .. } => "unreadable_registry_file",
            Self::TooManyNames { .. } => "too_many_names",
        }
    }
}
