//! Which rows are held out of training, decided by the text alone.
//!
//! Sets without an official test part are split by a hash of the text, so that training
//! (`stance_training::data::splits`) and evaluation agree without sharing a list, every row of
//! a sentence or article falls on the same side, and adding rows moves none.

use sha2::{Digest, Sha256};

/// Texts of 100 that [`held_out`] keeps from training.
pub const HELD_OUT_PERCENT: u64 = 15;

/// Whether a text is measured only and never trained on: the first eight bytes of the SHA-256
/// of the text without white space at its ends, read as a big-endian number, modulo 100, lie
/// below [`HELD_OUT_PERCENT`]. The text is taken as it stands in the data.
pub fn held_out(text: &str) -> bool {
    hash(text) % 100 < HELD_OUT_PERCENT
}

/// The number behind [`held_out`]; also the order of fixed samples.
pub(super) fn hash(text: &str) -> u64 {
    let digest = Sha256::digest(text.trim().as_bytes());
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_formula_is_the_one_that_training_uses() {
        // int.from_bytes(hashlib.sha256(t.encode()).digest()[:8], "big") % 100 in Python
        for (text, remainder) in [("", 52), ("neutral", 6), ("موقف", 97)] {
            assert_eq!(hash(text) % 100, remainder, "{text}");
            assert_eq!(held_out(text), remainder < 15, "{text}");
        }
    }

    #[test]
    fn space_around_the_text_does_not_matter() {
        assert_eq!(hash(" a sentence \n"), hash("a sentence"));
    }

    #[test]
    fn about_15_percent_are_held_out() {
        let held = (0..4000)
            .filter(|number| held_out(&format!("text {number}")))
            .count();
        assert!((500..700).contains(&held), "{held}");
    }
}
