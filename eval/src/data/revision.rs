//! Which data exactly was measured on.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::error::EvalError;

/// SHA-256 over the bytes of the files in order, lower-case hex: the data revision of a task.
pub fn revision(files: &[PathBuf]) -> Result<String, EvalError> {
    let mut digest = Sha256::new();
    for path in files {
        let mut file = std::fs::File::open(path).map_err(EvalError::read(path))?;
        std::io::copy(&mut file, &mut digest).map_err(EvalError::read(path))?;
    }
    Ok(hex(&digest.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // writing to a string cannot fail
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_revision_is_the_hash_of_the_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = ["ab", "c"]
            .iter()
            .enumerate()
            .map(|(index, text)| {
                let path = folder.path().join(index.to_string());
                std::fs::write(&path, text).unwrap();
                path
            })
            .collect();
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(revision(&paths).unwrap(), abc);
    }
}
