//! What is to be read: paths, folders, globs, addresses and standard input become a list of
//! sources, each with its format and compression by its name.

use std::fs;
use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::ArchiveError;
use super::store::{Remote, address};

/// A `*` does not reach below a folder, in a store as in a file system.
const ONE_LEVEL: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// How the rows of a source are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum InputFormat {
    /// A JSON object per line.
    Jsonl,
    /// Comma separated, with a header.
    Csv,
    /// Tab separated, with a header.
    Tsv,
    /// Apache Parquet.
    Parquet,
    /// Arrow IPC, as a file or as a stream.
    Arrow,
    /// One text.
    Text,
    /// One page of HTML.
    Html,
}

/// How the bytes of a source are packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// Gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// Where the bytes of a source are.
#[derive(Debug, Clone)]
pub enum Place {
    /// Standard input.
    Stdin,
    /// A file.
    File(PathBuf),
    /// An object of a store.
    Remote(Remote),
}

/// One file, object or stream.
#[derive(Debug, Clone)]
pub struct Source {
    /// As it is called in the output: the path or address.
    pub name: String,
    /// Where it is.
    pub place: Place,
    /// What is in it.
    pub format: InputFormat,
    /// How it is packed.
    pub compression: Compression,
    /// Its size as it lies there; unknown for a stream.
    pub bytes: Option<u64>,
}

/// Lists the sources that the arguments mean, in the order of the arguments, and inside a folder
/// or glob in the order of their names. `format` overrules the names.
///
/// # Errors
/// An argument that means nothing.
pub fn sources(
    arguments: &[String],
    format: Option<InputFormat>,
) -> Result<Vec<Source>, ArchiveError> {
    let mut all = Vec::new();
    for argument in arguments {
        if argument == "-" {
            all.push(stdin(format));
        } else if let Some(url) = address(argument) {
            remote(argument, url, format, &mut all)?;
        } else {
            local(argument, format, &mut all)?;
        }
    }
    Ok(all)
}

fn stdin(format: Option<InputFormat>) -> Source {
    Source {
        name: "-".to_owned(),
        place: Place::Stdin,
        format: format.unwrap_or(InputFormat::Jsonl),
        compression: Compression::None,
        bytes: None,
    }
}

fn local(
    argument: &str,
    format: Option<InputFormat>,
    all: &mut Vec<Source>,
) -> Result<(), ArchiveError> {
    let path = Path::new(argument);
    if path.is_dir() {
        let before = all.len();
        folder(path, format, all)?;
        if all.len() == before {
            return Err(unknown(
                argument,
                "no file in this folder has a known format",
            ));
        }
        return Ok(());
    }
    if path.exists() {
        all.push(file(path, argument, format)?);
        return Ok(());
    }
    if !is_pattern(argument) {
        return Err(unknown(argument, "there is no such file"));
    }
    let paths = glob::glob(argument).map_err(|error| unknown(argument, error.msg))?;
    let before = all.len();
    for path in paths {
        let path = path.map_err(|error| unknown(argument, &error.to_string()))?;
        if path.is_file() {
            all.push(file(&path, &path.display().to_string(), format)?);
        }
    }
    if all.len() == before {
        return Err(unknown(argument, "no file is named like this"));
    }
    Ok(())
}

/// Files with a known ending, by name, folders inside it too. Hidden ones and those that begin
/// with `_` are left out, as every reader of such folders does.
fn folder(
    path: &Path,
    format: Option<InputFormat>,
    all: &mut Vec<Source>,
) -> Result<(), ArchiveError> {
    let name = path.display().to_string();
    let mut entries = fs::read_dir(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| ArchiveError::unreadable(&name, error))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = path.display().to_string();
        if entry.file_name().to_string_lossy().starts_with(['.', '_']) {
            continue;
        }
        if path.is_dir() {
            folder(&path, format, all)?;
        } else if by_name(&name).0.is_some() {
            all.push(file(&path, &name, format)?);
        }
    }
    Ok(())
}

fn file(path: &Path, name: &str, format: Option<InputFormat>) -> Result<Source, ArchiveError> {
    let data = fs::metadata(path).map_err(|error| ArchiveError::unreadable(name, error))?;
    let bytes = data.is_file().then_some(data.len());
    named(name, Place::File(path.to_owned()), format, bytes)
}

fn remote(
    argument: &str,
    url: url::Url,
    format: Option<InputFormat>,
    all: &mut Vec<Source>,
) -> Result<(), ArchiveError> {
    let web = matches!(url.scheme(), "http" | "https");
    let pattern = (!web && is_pattern(argument)).then(|| Pattern::new(argument));
    let pattern = pattern
        .transpose()
        .map_err(|error| unknown(argument, error.msg))?;
    if pattern.is_none() && !argument.ends_with('/') {
        let object = Remote::new(url)?;
        let bytes = Some(object.size()?);
        all.push(named(argument, Place::Remote(object), format, bytes)?);
        return Ok(());
    }
    // Stores list what begins with a prefix: up to the last `/` before the first wildcard.
    let literal = argument.find(['*', '?', '[']).unwrap_or(argument.len());
    let prefix = argument[..literal]
        .rfind('/')
        .map_or("", |at| &argument[..at]);
    let prefix = address(prefix).ok_or_else(|| unknown(argument, "not an address"))?;
    let before = all.len();
    for (object, bytes) in Remote::new(prefix)?.list()? {
        let name = object.name().to_owned();
        let wanted = match &pattern {
            Some(pattern) => pattern.matches_with(&name, ONE_LEVEL),
            None => by_name(&name).0.is_some(),
        };
        if wanted {
            all.push(named(&name, Place::Remote(object), format, Some(bytes))?);
        }
    }
    if all.len() == before {
        return Err(unknown(argument, "the store has no such object"));
    }
    Ok(())
}

fn named(
    name: &str,
    place: Place,
    format: Option<InputFormat>,
    bytes: Option<u64>,
) -> Result<Source, ArchiveError> {
    let (known, compression) = by_name(name);
    let format = format.or(known).ok_or_else(|| {
        unknown(
            name,
            "the name does not say the format; give it by --input-format",
        )
    })?;
    Ok(Source {
        name: name.to_owned(),
        place,
        format,
        compression,
        bytes,
    })
}

/// Format and compression that a name promises. The query of an address does not count.
fn by_name(name: &str) -> (Option<InputFormat>, Compression) {
    let name = match address(name) {
        Some(url) => url.path().to_ascii_lowercase(),
        None => name.to_ascii_lowercase(),
    };
    let (name, compression) = [(".gz", Compression::Gzip), (".zst", Compression::Zstd)]
        .into_iter()
        .find_map(|(ending, kind)| Some((name.strip_suffix(ending)?.to_owned(), kind)))
        .unwrap_or((name, Compression::None));
    let ending = name.rsplit(['/', '\\']).next().and_then(|file| {
        let (_, ending) = file.rsplit_once('.')?;
        Some(ending)
    });
    let format = match ending {
        Some("jsonl" | "ndjson") => Some(InputFormat::Jsonl),
        Some("csv") => Some(InputFormat::Csv),
        Some("tsv" | "tab") => Some(InputFormat::Tsv),
        Some("parquet" | "pq") => Some(InputFormat::Parquet),
        Some("arrow" | "arrows" | "ipc" | "feather") => Some(InputFormat::Arrow),
        Some("txt" | "text") => Some(InputFormat::Text),
        Some("html" | "htm" | "xhtml") => Some(InputFormat::Html),
        _ => None,
    };
    (format, compression)
}

fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

fn unknown(name: &str, message: &str) -> ArchiveError {
    ArchiveError::UnknownInput {
        name: name.to_owned(),
        message: message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_format_and_compression() {
        use Compression::{Gzip, None as Plain, Zstd};
        for (name, format, compression) in [
            ("a/b.JSONL.gz", Some(InputFormat::Jsonl), Gzip),
            ("b.tsv.zst", Some(InputFormat::Tsv), Zstd),
            ("s3://bucket/x.parquet", Some(InputFormat::Parquet), Plain),
            (
                "https://example.org/x.csv?key=a.txt",
                Some(InputFormat::Csv),
                Plain,
            ),
            ("folder.csv/readme", None, Plain),
            ("page.htm", Some(InputFormat::Html), Plain),
        ] {
            assert_eq!(by_name(name), (format, compression), "{name}");
        }
    }

    #[test]
    fn what_means_nothing_is_named() {
        for argument in ["missing.csv", "missing-*.csv"] {
            let error = sources(&[argument.to_owned()], None).unwrap_err();
            assert!(error.to_string().contains(argument), "{error}");
        }
    }
}
