//! The raw corpora: one text a line (`mono/<lang>.txt`), and English TAB other
//! (`parallel/en-<lang>.tsv`).

use std::path::{Path, PathBuf};

use rustc_hash::FxHashSet;

use super::DataError;
use super::lines::Lines;
use super::splits::normalise;

/// A corpus file and the language it is in.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct CorpusFile {
    /// The file's own language code (`arz` stays `arz`); of a parallel file, the other side's.
    pub lang: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// The files `corpus/mono/<lang>.txt[.zst]` under the data folder, by language.
pub fn mono_files(data: &Path) -> Result<Vec<CorpusFile>, DataError> {
    list(&data.join("corpus/mono"), "", ".txt")
}

/// The files `corpus/parallel/en-<lang>.tsv[.zst]` under the data folder, by language.
pub fn parallel_files(data: &Path) -> Result<Vec<CorpusFile>, DataError> {
    list(&data.join("corpus/parallel"), "en-", ".tsv")
}

/// The files `corpus/retrieval_test_ntrex/en-<lang>.tsv[.zst]`: for measuring only.
pub fn retrieval_files(data: &Path) -> Result<Vec<CorpusFile>, DataError> {
    list(&data.join("corpus/retrieval_test_ntrex"), "en-", ".tsv")
}

/// Reads a parallel file: `(row, english, other)` for every line that has exactly one TAB.
/// A line of another form is an error that names its row.
pub fn pairs(
    path: &Path,
) -> Result<impl Iterator<Item = Result<(usize, String, String), DataError>>, DataError> {
    let owned = path.to_owned();
    Ok(Lines::open(path)?.map(move |line| {
        let (row, line) = line?;
        let mut parts = line.split('\t');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(english), Some(other), None) => {
                Ok((row, english.trim().to_owned(), other.trim().to_owned()))
            }
            _ => Err(DataError::row(
                &owned,
                row,
                format!(
                    "expected English TAB other, found {} columns",
                    line.split('\t').count()
                ),
            )),
        }
    }))
}

/// The sentences of the retrieval test, which must teach nothing. The corpora hold many of
/// them: they are the sentences of a news translation test that other sets took up.
#[derive(Debug, Clone, Default)]
pub struct RetrievalTest {
    sentences: FxHashSet<String>,
    /// Bytes of the longest sentence as it stands in the file.
    longest: usize,
}

impl RetrievalTest {
    /// Reads both sides of every file; a data folder without the test has no sentences.
    pub fn load(data: &Path) -> Result<Self, DataError> {
        let mut test = Self::default();
        if data.join("corpus/retrieval_test_ntrex").is_dir() {
            for file in retrieval_files(data)? {
                for pair in pairs(&file.path)? {
                    let (_, english, other) = pair?;
                    for side in [english, other] {
                        test.longest = test.longest.max(side.len());
                        test.sentences.insert(normalise(&side));
                    }
                }
            }
            test.sentences.remove("");
        }
        Ok(test)
    }

    /// Whether `text` is one of the sentences, whatever its case and punctuation.
    pub fn contains(&self, text: &str) -> bool {
        // Twice the length leaves room for quotation marks and spaces; articles are longer.
        text.len() <= 2 * self.longest && self.sentences.contains(&normalise(text))
    }

    /// The sentences, normalised.
    pub fn sentences(&self) -> impl Iterator<Item = &str> {
        self.sentences.iter().map(String::as_str)
    }
}

fn list(folder: &Path, prefix: &str, suffix: &str) -> Result<Vec<CorpusFile>, DataError> {
    let entries = std::fs::read_dir(folder).map_err(|error| DataError::io(folder, error))?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| DataError::io(folder, error))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let stem = name.strip_suffix(".zst").unwrap_or(name);
        if let Some(lang) = stem
            .strip_prefix(prefix)
            .and_then(|rest| rest.strip_suffix(suffix))
        {
            files.push(CorpusFile {
                lang: lang.to_owned(),
                path: path.clone(),
            });
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_files_by_language_and_reads_pairs() {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().join("corpus/parallel");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("en-fr.tsv"), "a house\tune maison\n").unwrap();
        std::fs::write(
            folder.join("en-ar.tsv.zst"),
            zstd::encode_all(&b"x\ty\n"[..], 1).unwrap(),
        )
        .unwrap();
        std::fs::write(folder.join("notes.md"), "").unwrap();
        let files = parallel_files(data.path()).unwrap();
        assert_eq!(
            files.iter().map(|file| &*file.lang).collect::<Vec<_>>(),
            ["ar", "fr"]
        );
        let rows: Vec<_> = pairs(&files[1].path).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows, [(1, "a house".to_owned(), "une maison".to_owned())]);
    }

    #[test]
    fn sentences_of_the_retrieval_test_are_recognised() {
        let data = tempfile::tempdir().unwrap();
        assert!(
            !RetrievalTest::load(data.path())
                .unwrap()
                .contains("A house.")
        );
        let folder = data.path().join("corpus/retrieval_test_ntrex");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("en-fr.tsv"), "A house.\tUne maison.\n").unwrap();
        let test = RetrievalTest::load(data.path()).unwrap();
        assert!(test.contains("a house") && test.contains("Une maison !"));
        assert!(!test.contains("another house"));
        assert_eq!(test.sentences().count(), 2);
    }

    #[test]
    fn a_row_without_tab_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("en-fr.tsv");
        std::fs::write(&path, "one\tun\ntwo\n").unwrap();
        let error = pairs(&path).unwrap().find_map(Result::err).unwrap();
        assert!(
            error
                .to_string()
                .contains("row 2: expected English TAB other"),
            "{error}"
        );
    }
}
