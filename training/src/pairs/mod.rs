//! The pair store: parallel text as token ids with word alignments, one file per language.
//!
//! `<lang>.bin` is a header (magic, version, number of pairs, length and SHA-256 of the
//! body), then the body: the pairs' offsets (`u32`, one more than pairs), then the pairs one
//! after the other. All numbers are little-endian. A pair is the three token counts (`u8`),
//! the two link counts (`u16`), the ids (`u16`), and the links (two `u8` each).

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Most tokens that a side of a stored pair may have.
pub const MAX_TOKENS: usize = 128;

const MAGIC: &[u8; 8] = b"STNCPAIR";
const VERSION: u32 = 1;
const HEADER: usize = 8 + 4 + 8 + 8 + 32;
const COUNTS: usize = 3 + 4;

/// What can go wrong with a pair store.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A file could not be read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file is not a pair store of this version, or was damaged.
    #[error("{path}: {message}")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        message: String,
    },
    /// A pair does not fit the form.
    #[error("pair: {field} has {found}, at most {limit} are allowed")]
    TooLong {
        /// Which part of the pair.
        field: &'static str,
        /// How many it has.
        found: usize,
        /// How many it may have.
        limit: usize,
    },
}

impl stance::error::ErrorCode for PairError {
    fn code(&self) -> &'static str {
        match self {
            Self::Io { .. } => "pairs_io",
            Self::Corrupt { .. } => "pairs_corrupt",
            Self::TooLong { .. } => "pair_too_long",
        }
    }
}

/// An English sentence in the teacher's and the student's tokens, its translation in the
/// student's, and which teacher token stands for which student token. Ids are without
/// special tokens; links are `(teacher index, student index)`, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// The English side, teacher ids.
    pub teacher: Vec<u16>,
    /// The English side, student ids.
    pub english: Vec<u16>,
    /// The other side, student ids.
    pub other: Vec<u16>,
    /// Teacher tokens and student tokens of the same English characters.
    pub english_links: Vec<(u16, u16)>,
    /// Teacher tokens and student tokens that translate each other.
    pub other_links: Vec<(u16, u16)>,
}

/// Collects pairs of one language and writes them as one file.
#[derive(Debug, Default)]
pub struct PairWriter {
    offsets: Vec<u32>,
    bytes: Vec<u8>,
}

impl PairWriter {
    /// A store without pairs.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a pair; refused when a side has more than [`MAX_TOKENS`] tokens.
    pub fn push(&mut self, pair: &Pair) -> Result<(), PairError> {
        let sides = [
            ("teacher", &pair.teacher),
            ("english", &pair.english),
            ("other", &pair.other),
        ];
        let links = [
            ("english_links", &pair.english_links),
            ("other_links", &pair.other_links),
        ];
        let check = |field, found, limit| {
            if found > limit {
                Err(PairError::TooLong {
                    field,
                    found,
                    limit,
                })
            } else {
                Ok(())
            }
        };
        for (field, ids) in sides {
            check(field, ids.len(), MAX_TOKENS)?;
        }
        for (field, links) in links {
            check(field, links.len(), usize::from(u16::MAX))?;
            let largest = links.iter().map(|(left, right)| left.max(right)).max();
            check(
                field,
                largest.map_or(0, |index| usize::from(*index)),
                MAX_TOKENS - 1,
            )?;
        }
        let start = u32::try_from(self.bytes.len()).map_err(|_| PairError::TooLong {
            field: "store",
            found: self.bytes.len(),
            limit: u32::MAX as usize,
        })?;
        self.offsets.push(start);
        self.bytes.extend(sides.map(|(_, ids)| ids.len() as u8));
        for (_, links) in links {
            self.bytes.extend((links.len() as u16).to_le_bytes());
        }
        for id in sides.into_iter().flat_map(|(_, ids)| ids) {
            self.bytes.extend(id.to_le_bytes());
        }
        for (left, right) in links.into_iter().flat_map(|(_, links)| links) {
            self.bytes.extend([*left as u8, *right as u8]);
        }
        Ok(())
    }

    /// Writes the store to `path`, whole or not at all.
    pub fn finish(mut self, path: &Path) -> Result<(), PairError> {
        let count = self.offsets.len() as u64;
        self.offsets.push(self.bytes.len() as u32);
        let offsets: Vec<u8> = self
            .offsets
            .iter()
            .flat_map(|offset| offset.to_le_bytes())
            .collect();
        let mut hasher = Sha256::new();
        hasher.update(&offsets);
        hasher.update(&self.bytes);
        let length = (offsets.len() + self.bytes.len()) as u64;
        let temporary = path.with_extension("tmp");
        let write = || -> std::io::Result<()> {
            let mut file = std::fs::File::create(&temporary)?;
            file.write_all(MAGIC)?;
            file.write_all(&VERSION.to_le_bytes())?;
            file.write_all(&count.to_le_bytes())?;
            file.write_all(&length.to_le_bytes())?;
            file.write_all(&hasher.finalize())?;
            file.write_all(&offsets)?;
            file.write_all(&self.bytes)?;
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        write().map_err(|source| PairError::Io {
            path: path.to_owned(),
            source,
        })
    }
}

#[derive(Debug)]
struct LanguageFile {
    /// Offsets, then pairs.
    body: Vec<u8>,
    count: usize,
}

/// Every language's pairs, held in memory.
#[derive(Debug)]
pub struct PairStore {
    files: BTreeMap<String, LanguageFile>,
}

impl PairStore {
    /// Reads every `<lang>.bin` of `folder` and checks it whole.
    pub fn open(folder: &Path) -> Result<Self, PairError> {
        let io = |path: &Path| {
            let path = path.to_owned();
            move |source| PairError::Io { path, source }
        };
        let mut files = BTreeMap::new();
        for entry in std::fs::read_dir(folder).map_err(io(folder))? {
            let path = entry.map_err(io(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "bin") {
                let lang = path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let bytes = std::fs::read(&path).map_err(io(&path))?;
                let file = LanguageFile::parse(bytes).map_err(|message| PairError::Corrupt {
                    path: path.clone(),
                    message,
                })?;
                files.insert(lang, file);
            }
        }
        if files.is_empty() {
            return Err(PairError::Corrupt {
                path: folder.to_owned(),
                message: "no file <lang>.bin".to_owned(),
            });
        }
        Ok(Self { files })
    }

    /// The languages, in alphabetic order.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// How many pairs `lang` has; 0 when the store does not have the language.
    pub fn len(&self, lang: &str) -> usize {
        self.files.get(lang).map_or(0, |file| file.count)
    }

    /// Whether no language has a pair.
    pub fn is_empty(&self) -> bool {
        self.files.values().all(|file| file.count == 0)
    }

    /// Pair `index` of `lang`; `None` when there is no such pair.
    pub fn get(&self, lang: &str, index: usize) -> Option<Pair> {
        let file = self.files.get(lang)?;
        (index < file.count).then(|| file.pair(index))
    }
}

impl LanguageFile {
    fn parse(mut bytes: Vec<u8>) -> Result<Self, String> {
        let header = bytes.get(..HEADER).ok_or("too short for a pair store")?;
        if &header[..8] != MAGIC {
            return Err("not a pair store".to_owned());
        }
        let version = number(&header[8..12]);
        if version != u64::from(VERSION) {
            return Err(format!("version {version}, this program reads {VERSION}"));
        }
        let (count, length) = (
            number(&header[12..20]) as usize,
            number(&header[20..28]) as usize,
        );
        let hash = header[28..60].to_vec();
        let body = bytes.split_off(HEADER);
        if body.len() != length || length / 4 <= count {
            return Err(format!(
                "the header promises {length} bytes, the body has {}",
                body.len()
            ));
        }
        if Sha256::digest(&body)[..] != hash[..] {
            return Err("the SHA-256 of the body differs from the header's".to_owned());
        }
        let file = Self { body, count };
        for index in 0..count {
            let (start, end) = (file.offset(index), file.offset(index + 1));
            let fits = end <= file.body.len()
                && start + COUNTS <= end
                && start + file.size_at(start) == end;
            if !fits {
                return Err(format!("pair {index} does not fit its place"));
            }
        }
        Ok(file)
    }

    fn offset(&self, index: usize) -> usize {
        let table = 4 * (self.count + 1);
        table + number(&self.body[4 * index..4 * index + 4]) as usize
    }

    fn counts(&self, start: usize) -> [usize; 5] {
        let head = &self.body[start..start + COUNTS];
        [
            usize::from(head[0]),
            usize::from(head[1]),
            usize::from(head[2]),
            number(&head[3..5]) as usize,
            number(&head[5..7]) as usize,
        ]
    }

    fn size_at(&self, start: usize) -> usize {
        COUNTS + 2 * self.counts(start).iter().sum::<usize>()
    }

    fn pair(&self, index: usize) -> Pair {
        let start = self.offset(index);
        let [teacher, english, other, english_links, other_links] = self.counts(start);
        let mut rest = &self.body[start + COUNTS..];
        let mut take = |count: usize| {
            let (taken, left) = rest.split_at(2 * count);
            rest = left;
            taken.chunks_exact(2)
        };
        let mut ids = |count| {
            take(count)
                .map(|bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
                .collect::<Vec<_>>()
        };
        let (teacher, english, other) = (ids(teacher), ids(english), ids(other));
        let mut links = |count| {
            take(count)
                .map(|bytes| (u16::from(bytes[0]), u16::from(bytes[1])))
                .collect::<Vec<_>>()
        };
        let (english_links, other_links) = (links(english_links), links(other_links));
        Pair {
            teacher,
            english,
            other,
            english_links,
            other_links,
        }
    }
}

fn number(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
