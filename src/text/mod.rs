//! From raw text to clean text, language, sentences and windows.
//!
//! [`decode`] bytes, make a [`CleanText`], [`identify`] its language, cut it into
//! [`sentences()`], plan [`windows()`] over their tokens. All positions are bytes of
//! [`CleanText::text`]; [`CleanText::to_original`] and an [`OffsetTable`] lead from there to the
//! caller's text in the caller's unit.

mod alignment;
mod clean;
mod clean_text;
mod error;
pub mod fold;
mod html;
mod invisible;
mod language;
mod lines;
mod normalise;
mod offsets;
mod sentences;
mod windows;

pub use alignment::Alignment;
pub use clean_text::CleanText;
pub use error::TextError;
pub use html::html_text;
pub use language::{LanguageGuess, UNDETERMINED, identify, parse_language};
pub use offsets::OffsetTable;
pub use sentences::{MAX_SENTENCE_WORDS, sentences};
pub use windows::windows;

/// How long a text may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Greatest length in bytes. Values from 4 GiB on mean 4 GiB less one byte, which is as far
    /// as positions in a text are counted.
    pub max_bytes: usize,
}

impl Limits {
    /// Fails with `text_too_long` when a text of `bytes` bytes is over the limit.
    pub fn check(&self, bytes: usize) -> Result<(), TextError> {
        let limit = self.max_bytes.min(u32::MAX as usize);
        if bytes > limit {
            Err(TextError::TooLong { bytes, limit })
        } else {
            Ok(())
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 64 << 20,
        }
    }
}

/// The text of UTF-8 bytes, a byte-order mark included, so that offsets stay true.
pub fn decode(bytes: &[u8]) -> Result<&str, TextError> {
    std::str::from_utf8(bytes).map_err(|error| TextError::InvalidUtf8 {
        position: error.valid_up_to(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn invalid_utf8_is_named_with_its_position() {
        let error = decode(b"abc\xFFdef").unwrap_err();
        assert_eq!(error, TextError::InvalidUtf8 { position: 3 });
        assert_eq!(error.code(), "invalid_utf8");
        assert!(error.to_string().contains("position 3"));
        assert_eq!(decode("\u{FEFF}سوريا".as_bytes()), Ok("\u{FEFF}سوريا"));
    }

    #[test]
    fn the_limit_is_named() {
        let limits = Limits { max_bytes: 4 };
        assert_eq!(limits.check(4), Ok(()));
        let error = limits.check(5).unwrap_err();
        assert_eq!(error.code(), "text_too_long");
        assert_eq!(
            error.to_string(),
            "field `text` has 5 bytes, the limit is 4"
        );
    }

    /// The texts of `examples/`, each named by its language.
    #[test]
    fn examples_are_read_whole_and_in_their_language() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/examples");
        let mut seen = 0;
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_none_or(|extension| extension != "txt") {
                continue;
            }
            let original = std::fs::read_to_string(&path).unwrap();
            let clean = CleanText::new(&original, true, &[]).unwrap();
            assert!(clean.set_aside().is_empty(), "{path:?} lost text");
            let guess = identify(clean.text());
            assert_eq!(Some(guess.code), path.file_stem().unwrap().to_str());
            assert!(guess.confidence > 0.5, "{path:?}: {guess:?}");
            let found = sentences(clean.text(), clean.paragraphs());
            assert!(found.len() >= 10, "{path:?}: {} sentences", found.len());
            seen += 1;
        }
        assert!(seen >= 8, "{seen} examples");
        let documents = std::fs::read_to_string(format!("{folder}/documents.jsonl")).unwrap();
        for line in documents.lines() {
            let document: crate::document::Document = serde_json::from_str(line).unwrap();
            let table = OffsetTable::new(&document.text);
            for actor in document.actors.unwrap_or_default() {
                for [start, end] in actor.spans.unwrap_or_default() {
                    let unit = crate::document::OffsetUnit::Char;
                    assert!(table.to_byte(start, unit) < table.to_byte(end, unit));
                }
            }
        }
    }
}
