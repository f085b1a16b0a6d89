//! Which words two texts have in common.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};

use crate::text::fold::{Folded, fold_char};
use crate::text::invisible::characters_per_word;

/// Words below this many characters say nothing about the subject.
const MIN_WORD: usize = 3;
/// Words are compared up to this many characters, which leaves most inflections out.
const STEM: usize = 5;

/// The beginnings of the words of a text, folded; pairs of characters where words are written without spaces.
pub(super) struct Vocabulary {
    words: HashSet<u64>,
    hasher: RandomState,
}

impl Vocabulary {
    /// Collects the words of some blocks.
    pub fn of(blocks: &[&str]) -> Self {
        let hasher = RandomState::new();
        let mut words = HashSet::new();
        for block in blocks {
            each_word(block, |word, _| {
                words.insert(hasher.hash_one(word));
            });
        }
        Self { words, hasher }
    }

    /// The share of the words of `text` that are in the vocabulary, between 0 and 1; 0 when it
    /// has no words. Of pairs of characters the square root is taken: a pair is known only
    /// when both halves are, so that their shares are smaller by that much.
    pub fn share(&self, text: &str) -> f32 {
        let (mut known, mut total, mut pairs) = (0u32, 0u32, 0u32);
        each_word(text, |word, pair| {
            total += 1;
            pairs += u32::from(pair);
            known += u32::from(self.words.contains(&self.hasher.hash_one(word)));
        });
        let share = known as f32 / total.max(1) as f32;
        if pairs * 2 > total {
            share.sqrt()
        } else {
            share
        }
    }
}

/// Calls `use_word` with the beginning of every folded word of at least three characters, and
/// with every pair of neighbouring characters of scripts without spaces (then with `true`).
fn each_word(text: &str, mut use_word: impl FnMut(&str, bool)) {
    let mut word = String::new();
    let mut length = 0;
    let mut previous: Option<char> = None;
    for c in text.chars().chain([' ']) {
        if characters_per_word(c).is_some() {
            if let Some(before) = previous.replace(c) {
                let pair: String = [before, c].iter().collect();
                use_word(&pair, true);
            }
            continue;
        }
        previous = None;
        let folded = fold_char(c);
        let letter = match folded {
            Folded::Removed => continue,
            Folded::Char(c) => {
                c.is_alphanumeric()
                    || !c.is_ascii() && unicode_normalization::char::is_combining_mark(c)
            }
            Folded::Text(_) => true,
        };
        if letter {
            if length < STEM {
                folded.push_to(&mut word);
            }
            length += 1;
        } else {
            if length >= MIN_WORD {
                use_word(&word, false);
            }
            word.clear();
            length = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_smaller_text() {
        let words = Vocabulary::of(&["The council met in Geneva.", "الأزمة السورية"]);
        assert!((words.share("Councillors in GENEVA") - 1.0).abs() < 1e-6);
        assert!((words.share("الازمه التركيه") - 0.5).abs() < 1e-6);
        assert!(words.share("of it").abs() < 1e-6);
        let han = Vocabulary::of(&["联合国安理会"]);
        assert!((han.share("联合国") - 1.0).abs() < 1e-6);
    }
}
