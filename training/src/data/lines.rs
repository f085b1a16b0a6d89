//! Lines of a text file, plain or packed with zstd.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::DataError;

/// Window log accepted when unpacking; the corpora are packed with `zstd --long=27`.
const WINDOW_LOG: u32 = 27;

/// The lines of a file with their numbers, counted from 1, without line ends.
pub struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    row: usize,
}

impl Lines {
    /// Opens `path`; a name that ends in `.zst` is unpacked on the way.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        Ok(Self {
            path: path.to_owned(),
            reader: open(path)?,
            row: 0,
        })
    }
}

impl Iterator for Lines {
    type Item = Result<(usize, String), DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut bytes = Vec::new();
        self.row += 1;
        match self.reader.read_until(b'\n', &mut bytes) {
            Ok(0) => None,
            Ok(_) => {
                while matches!(bytes.last(), Some(b'\n' | b'\r')) {
                    bytes.pop();
                }
                Some(match String::from_utf8(bytes) {
                    Ok(line) => Ok((self.row, line)),
                    Err(error) => Err(DataError::row(
                        &self.path,
                        self.row,
                        format!("not UTF-8 at byte {}", error.utf8_error().valid_up_to()),
                    )),
                })
            }
            Err(error) => Some(Err(DataError::io(&self.path, error))),
        }
    }
}

/// A buffered reader of `path`, unpacked when the name ends in `.zst`.
pub fn open(path: &Path) -> Result<Box<dyn BufRead + Send>, DataError> {
    let file = File::open(path).map_err(|error| DataError::io(path, error))?;
    if path.extension().is_some_and(|extension| extension == "zst") {
        let mut decoder = zstd::Decoder::new(file).map_err(|error| DataError::io(path, error))?;
        decoder
            .window_log_max(WINDOW_LOG)
            .map_err(|error| DataError::io(path, error))?;
        Ok(Box::new(BufReader::with_capacity(1 << 18, decoder)))
    } else {
        Ok(Box::new(BufReader::with_capacity(1 << 18, file)))
    }
}

/// The whole of a file as text, unpacked when the name ends in `.zst`.
pub fn read_to_string(path: &Path) -> Result<String, DataError> {
    let mut text = String::new();
    open(path)?
        .read_to_string(&mut text)
        .map_err(|error| DataError::io(path, error))?;
    Ok(text)
}

/// A buffered writer to a new file; its folder is made when missing.
pub fn create(path: &Path) -> Result<BufWriter<File>, DataError> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| DataError::io(folder, error))?;
    }
    let file = File::create(path).map_err(|error| DataError::io(path, error))?;
    Ok(BufWriter::with_capacity(1 << 18, file))
}

/// Writes `value` as indented JSON with a final line end.
pub fn write_json(path: &Path, value: &impl serde::Serialize) -> Result<(), DataError> {
    let mut writer = create(path)?;
    serde_json::to_writer_pretty(&mut writer, value)
        .map_err(|error| DataError::io(path, error.into()))?;
    writer
        .write_all(b"\n")
        .and_then(|()| writer.flush())
        .map_err(|error| DataError::io(path, error))
}

/// Writes `value` as one line of JSON to `writer`, which writes to `path`.
pub fn write_row(
    writer: &mut impl Write,
    path: &Path,
    value: &impl serde::Serialize,
) -> Result<(), DataError> {
    let failed = |error| DataError::io(path, error);
    serde_json::to_writer(&mut *writer, value).map_err(|error| failed(error.into()))?;
    writer.write_all(b"\n").map_err(failed)
}

/// SHA-256 of a file's bytes as they lie on disk, in lower-case hexadecimal.
pub fn sha256(path: &Path) -> Result<String, DataError> {
    let mut file = File::open(path).map_err(|error| DataError::io(path, error))?;
    let mut hasher = Sha256::new();
    std::io::copy(&mut file, &mut hasher).map_err(|error| DataError::io(path, error))?;
    Ok(hex(&hasher.finalize()))
}

/// Lower-case hexadecimal of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_packed_files_have_the_same_lines() {
        let folder = tempfile::tempdir().unwrap();
        let text = "first\r\nsecond ✓\n\nlast";
        let plain = folder.path().join("a.txt");
        let packed = folder.path().join("a.txt.zst");
        std::fs::write(&plain, text).unwrap();
        std::fs::write(&packed, zstd::encode_all(text.as_bytes(), 3).unwrap()).unwrap();
        for path in [plain, packed] {
            let lines: Vec<_> = Lines::open(&path).unwrap().map(Result::unwrap).collect();
            let expected = [(1, "first"), (2, "second ✓"), (3, ""), (4, "last")];
            assert_eq!(lines, expected.map(|(row, line)| (row, line.to_owned())));
        }
    }

    #[test]
    fn bad_utf8_names_file_and_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.txt");
        std::fs::write(&path, b"fine\nab\xff\n").unwrap();
        let error = Lines::open(&path).unwrap().find_map(Result::err).unwrap();
        assert!(
            error
                .to_string()
                .ends_with("bad.txt, row 2: not UTF-8 at byte 2"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let error = open(Path::new("/no/such/file.txt")).err().unwrap();
        assert!(
            error.to_string().starts_with("/no/such/file.txt: "),
            "{error}"
        );
    }
}
