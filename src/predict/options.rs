//! Checks of a request's options before anything is queued.

use crate::actors::Registry;
use crate::document::Options;
use crate::error::ErrorCode;
use crate::text::parse_language;

/// The most evidence sentences that may be asked for per actor.
pub const MAX_EVIDENCE: usize = 50;

/// The most actors that a text never mentions and that may be judged all the same.
pub const MAX_UNMENTIONED: usize = 64;

/// An option that cannot be followed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// A number outside its range.
    #[error("`{field}` is {value}; it must lie between 0 and {limit}")]
    OutOfRange {
        /// Name of the option.
        field: &'static str,
        /// What was given.
        value: f64,
        /// The largest value allowed.
        limit: usize,
    },
    /// `label_language` is no ISO 639-1 code.
    #[error("`label_language` is {code:?}, which is no ISO 639-1 code")]
    UnknownLanguage {
        /// What was given.
        code: String,
    },
    /// `restrict_to` names an actor that the registry does not know.
    #[error("`restrict_to` names {id:?}, which the registry does not know")]
    UnknownActor {
        /// What was given.
        id: String,
    },
}

impl OptionsError {
    /// Name of the option at fault.
    pub const fn field(&self) -> &'static str {
        match self {
            Self::OutOfRange { field, .. } => field,
            Self::UnknownLanguage { .. } => "label_language",
            Self::UnknownActor { .. } => "restrict_to",
        }
    }

    /// The limit that was passed, where there is one.
    pub const fn limit(&self) -> Option<usize> {
        match self {
            Self::OutOfRange { limit, .. } => Some(*limit),
            _ => None,
        }
    }
}

impl ErrorCode for OptionsError {
    fn code(&self) -> &'static str {
        match self {
            Self::OutOfRange { .. } => "invalid_value",
            Self::UnknownLanguage { .. } => "unknown_language",
            Self::UnknownActor { .. } => "unknown_actor",
        }
    }
}

/// Checks ranges, the label language, and that every actor of `restrict_to` is known.
///
/// # Errors
/// The first option that cannot be followed.
pub fn check_options(options: &Options, registry: &Registry) -> Result<(), OptionsError> {
    for (field, value, limit) in [
        ("max_evidence", options.max_evidence, MAX_EVIDENCE),
        ("max_unmentioned", options.max_unmentioned, MAX_UNMENTIONED),
    ] {
        if value > limit {
            return Err(OptionsError::OutOfRange {
                field,
                value: value as f64,
                limit,
            });
        }
    }
    let thresholds = [
        ("topic_threshold", options.topic_threshold),
        ("stance_threshold", options.stance_threshold),
    ];
    for (field, threshold) in thresholds {
        if let Some(value) = threshold.filter(|value| !(0.0..=1.0).contains(value)) {
            return Err(OptionsError::OutOfRange {
                field,
                value: value.into(),
                limit: 1,
            });
        }
    }
    if let Some(code) = &options.label_language
        && parse_language(code).is_err()
    {
        return Err(OptionsError::UnknownLanguage { code: code.clone() });
    }
    let unknown = options
        .restrict_to
        .iter()
        .flatten()
        .find(|id| registry.get(id).is_none());
    match unknown {
        Some(id) => Err(OptionsError::UnknownActor { id: id.clone() }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::ActorKind;

    #[test]
    fn options_are_checked_by_name_and_limit() {
        let registry = Registry::embedded();
        let check = |options: Options| {
            check_options(&options, registry)
                .map_err(|error| (error.code(), error.field(), error.limit()))
        };
        let default = Options::default();
        assert_eq!(check(default.clone()), Ok(()));
        let evidence = Options {
            max_evidence: 51,
            ..default.clone()
        };
        assert_eq!(
            check(evidence),
            Err(("invalid_value", "max_evidence", Some(50)))
        );
        for threshold in [-0.1, 1.1, f32::NAN] {
            let options = Options {
                topic_threshold: Some(threshold),
                ..default.clone()
            };
            assert_eq!(
                check(options),
                Err(("invalid_value", "topic_threshold", Some(1)))
            );
            let options = Options {
                stance_threshold: Some(threshold),
                ..default.clone()
            };
            assert_eq!(
                check(options),
                Err(("invalid_value", "stance_threshold", Some(1)))
            );
        }
        let language = Options {
            label_language: Some("xx".into()),
            ..default.clone()
        };
        assert_eq!(
            check(language),
            Err(("unknown_language", "label_language", None))
        );
        let state = registry
            .iter()
            .find(|actor| actor.kind == ActorKind::State)
            .unwrap();
        let restrict = |ids: &[&str]| Options {
            restrict_to: Some(ids.iter().map(|id| (*id).to_owned()).collect()),
            ..default.clone()
        };
        assert_eq!(check(restrict(&[&state.id])), Ok(()));
        let unknown = restrict(&[&state.id, "nobody-at-all"]);
        assert_eq!(check(unknown), Err(("unknown_actor", "restrict_to", None)));
    }
}
