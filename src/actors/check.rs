//! What is wrong with a registry file, all of it, with lines.

use std::path::{Path, PathBuf};

use super::error::ActorError;
use super::registry::Registry;
use super::source::RegistryFile;

/// What [`check`] found in a file.
#[derive(Debug)]
pub struct CheckReport {
    /// The file.
    pub path: PathBuf,
    /// How many actors it gives.
    pub actors: usize,
    /// How many names they have together; 0 when the file has problems.
    pub names: usize,
    /// Everything that is wrong, in the order of the file.
    pub problems: Vec<Problem>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub struct Problem {
    /// Line, counted from 1, where it could be found.
    pub line: Option<usize>,
    /// What it is.
    pub error: ActorError,
}

impl CheckReport {
    /// Whether the file can be used.
    pub fn is_ok(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Checks a registry file on its own and against the embedded registry.
///
/// Fails only when the file cannot be read; a file that does not parse is a problem.
pub fn check(path: &Path) -> Result<CheckReport, ActorError> {
    let text = read(path)?;
    let mut report = CheckReport {
        path: path.to_owned(),
        actors: 0,
        names: 0,
        problems: Vec::new(),
    };
    let file = match parse(path, &text) {
        Ok(file) => file,
        Err(error) => {
            let line = match &error {
                ActorError::InvalidFile { line, .. } => *line,
                _ => None,
            };
            report.problems.push(Problem { line, error });
            return Ok(report);
        }
    };
    report.actors = file.actor.len();
    match Registry::embedded().validate(&file) {
        Ok(actors) => report.names = actors.iter().map(|actor| actor.aliases().count()).sum(),
        Err(errors) => {
            report.problems = errors
                .into_iter()
                .map(|error| Problem {
                    line: locate(&text, &error),
                    error,
                })
                .collect();
            report
                .problems
                .sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        }
    }
    Ok(report)
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String, ActorError> {
    std::fs::read_to_string(path).map_err(|source| ActorError::UnreadableFile {
        path: path.to_owned(),
        source,
    })
}

/// The entries of a file: JSON if its name ends in `.json`, TOML otherwise.
pub(super) fn parse(path: &Path, text: &str) -> Result<RegistryFile, ActorError> {
    let json = path
        .extension()
        .is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
    let parsed = if json {
        serde_json::from_str(text).map_err(|error| (Some(error.line()), error.to_string()))
    } else {
        toml::from_str(text).map_err(|error| {
            let line = error.span().map(|span| line_of(text, span.start));
            (line, error.message().to_owned())
        })
    };
    parsed.map_err(|(line, message)| ActorError::InvalidFile {
        path: path.to_owned(),
        line,
        message,
    })
}

/// The line of a byte, counted from 1.
fn line_of(text: &str, at: usize) -> usize {
    text.get(..at).unwrap_or(text).matches('\n').count() + 1
}

/// The line that an error is about: that of the offending value behind the actor's id.
fn locate(text: &str, error: &ActorError) -> Option<usize> {
    let (id, detail, last) = match error {
        ActorError::DuplicateActor { id } => (id, None, true),
        ActorError::DuplicateAlias { alias, second, .. } => (second, Some(alias), false),
        ActorError::EmptyName { id, name, .. } => (id, Some(name), false),
        ActorError::UnknownKind { id, kind } => (id, Some(kind), false),
        ActorError::UnknownAliasLanguage { id, language } => (id, Some(language), false),
        ActorError::InvalidActor { id, .. } => (id, None, false),
        _ => return None,
    };
    let quoted = format!("\"{id}\"");
    let mut places = text.match_indices(&quoted).map(|(at, _)| at).filter(|&at| {
        let key = text[..at]
            .trim_end()
            .trim_end_matches(['=', ':'])
            .trim_end()
            .trim_end_matches('"');
        key.ends_with("id")
    });
    let at = if last { places.last()? } else { places.next()? };
    let offset = detail.and_then(|detail| {
        let behind = &text[at + quoted.len()..];
        let bounds = |found: usize| {
            let next = behind[found + detail.len()..].chars().next();
            let before = behind[..found].chars().next_back();
            !before.is_some_and(char::is_alphanumeric) && !next.is_some_and(char::is_alphanumeric)
        };
        behind
            .match_indices(detail.as_str())
            .map(|(found, _)| found)
            .find(|&found| bounds(found))
    });
    Some(line_of(
        text,
        at + offset.map_or(0, |offset| quoted.len() + offset),
    ))
}
