//! Character folding: spellings that mean the same word become the same characters.
//!
//! The actor matcher compares folded text with folded names, a tokenizer that training learns reads
//! folded text, and that of the default model removes the same marks, so the rules live in one place.
//! They work on single characters of NFC text (what [`crate::text::CleanText`] yields):
//!
//! - Arabic script: أ إ آ ٱ → ا, ؤ → و, ئ → ي, ى ی → ي, ة and the Persian and Urdu heh forms → ه,
//!   ک → ك; tatweel, vowel signs (U+064B to U+065F, U+0670) and Qur'anic marks are removed;
//!   presentation forms become plain letters.
//! - Digits: Arabic-Indic, Persian, Devanagari and full-width digits become ASCII.
//! - The zero-width non-joiner becomes a space: Persian writes حزب‌الله and حزب الله alike, and a
//!   suffix after it (روسیه‌ای) leaves the word before it whole. Other zero-width characters,
//!   direction marks, soft hyphens and variation selectors are removed.
//! - Hebrew points are removed, geresh, gershayim and maqaf become `'`, `"` and `-`.
//! - Everything is lower-cased. Turkish İ and ı become i, as does I, so that no case depends on
//!   the language; Greek loses tonos and final sigma, which capitals do not carry; ё → е.
//! - Curly quotation marks, apostrophes, hyphens and wide spaces become their ASCII forms.
//! - Latin accents and ß stay; ș ț are written with the older cedilla forms ş ţ.
//!
//! Folding twice changes nothing more, and neither does lower-casing a folded text.

mod presentation;

use std::collections::BTreeMap;
use std::ops::Range;

use super::alignment::Alignment;

/// What one character becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Folded {
    /// Nothing: the character is a mark that spelling does without.
    Removed,
    /// One character, perhaps the same.
    Char(char),
    /// Several characters.
    Text(&'static str),
}

impl Folded {
    /// Appends the folded form to `out`.
    pub fn push_to(self, out: &mut String) {
        match self {
            Self::Removed => {}
            Self::Char(c) => out.push(c),
            Self::Text(text) => out.push_str(text),
        }
    }
}

/// Folds one character of NFC text.
pub fn fold_char(c: char) -> Folded {
    if c.is_ascii() {
        return Folded::Char(c.to_ascii_lowercase());
    }
    match replacement(c) {
        // Only İ lower-cases to two characters, and it has a replacement.
        None => Folded::Char(c.to_lowercase().next().unwrap_or(c)),
        Some(text) => {
            let mut chars = text.chars();
            match (chars.next(), chars.next()) {
                (None, _) => Folded::Removed,
                (Some(one), None) => Folded::Char(one),
                _ => Folded::Text(text),
            }
        }
    }
}

/// Every explicit replacement, in the order of the code points; lower-casing comes on top.
///
/// No replacement contains a character that is itself replaced or lower-cased, so the pairs
/// may be applied one after the other, in any order, and `Lowercase` last.
pub fn fold_table() -> Vec<(char, &'static str)> {
    ('\u{80}'..='\u{FFFF}')
        .filter_map(|c| replacement(c).map(|to| (c, to)))
        .collect()
}

/// [`fold_table`] grouped by replacement: pairs of a regular expression (one character class
/// of `\x{…}` escapes) and what its matches become, for `Replace` normalizers of a
/// `tokenizer.json`.
pub fn fold_rules() -> Vec<(String, &'static str)> {
    let mut groups: BTreeMap<&'static str, Vec<u32>> = BTreeMap::new();
    for (from, to) in fold_table() {
        groups.entry(to).or_default().push(from as u32);
    }
    groups
        .into_iter()
        .map(|(to, codes)| (character_class(&codes), to))
        .collect()
}

/// A regular expression for exactly these code points, which are in ascending order.
fn character_class(codes: &[u32]) -> String {
    use std::fmt::Write as _;
    let mut class = String::from("[");
    for run in codes.chunk_by(|a, b| a + 1 == *b) {
        // Writing into a string cannot fail.
        let _ = match run {
            [one] => write!(class, "\\x{{{one:04X}}}"),
            _ => write!(
                class,
                "\\x{{{:04X}}}-\\x{{{:04X}}}",
                run[0],
                run[run.len() - 1]
            ),
        };
    }
    class.push(']');
    class
}

/// A folded text with the way back to what it was folded from.
#[derive(Debug, Clone)]
pub struct FoldedText {
    /// The folded characters.
    pub text: String,
    /// From bytes of `text` to bytes of the source.
    pub map: Alignment,
}

impl FoldedText {
    /// The bytes of the source that a span of the folded text stands for: the smallest span of
    /// whole characters, with the marks that belong to its last character.
    pub fn to_source(&self, span: Range<usize>) -> Range<usize> {
        self.map.to_source(span)
    }

    /// The span of the folded text that `span` of the source became, or `None` when nothing
    /// of it is left.
    pub fn from_source(&self, span: Range<usize>) -> Option<Range<usize>> {
        self.map.from_source(span)
    }
}

/// Folds a text of NFC characters.
///
/// # Panics
/// If `text` is 4 GiB or longer, which [`crate::text::Limits`] rules out for documents.
pub fn fold(text: &str) -> FoldedText {
    assert!(
        u32::try_from(text.len()).is_ok(),
        "a text to fold must be under 4 GiB"
    );
    let mut folded = String::with_capacity(text.len());
    let mut map = Alignment::default();
    let mut chars = text.char_indices().peekable();
    while let Some((start, c)) = chars.next() {
        let before = folded.len();
        let to = fold_char(c);
        to.push_to(&mut folded);
        if folded.len() == before {
            continue;
        }
        let mut end = start + c.len_utf8();
        // A removed mark belongs to the letter before it.
        while let Some(&(at, mark)) = chars.peek() {
            if mark.is_ascii() || fold_char(mark) != Folded::Removed {
                break;
            }
            end = at + mark.len_utf8();
            chars.next();
        }
        if matches!(to, Folded::Char(_)) && end == start + c.len_utf8() {
            map.push(before..folded.len(), start..end);
        } else {
            map.push_unit(before..folded.len(), start..end);
        }
    }
    FoldedText { text: folded, map }
}

/// The folded text alone, for names and other strings whose positions do not matter.
pub fn fold_str(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    text.chars().for_each(|c| fold_char(c).push_to(&mut folded));
    folded
}

/// The rules: what replaces `c`, if it is not merely lower-cased.
fn replacement(c: char) -> Option<&'static str> {
    Some(match c {
        // Latin, Greek and Cyrillic letters.
        'İ' | 'ı' => "i",
        'Ș' | 'ș' => "ş",
        'Ț' | 'ț' => "ţ",
        'Ё' | 'ё' => "е",
        'ά' | 'Ά' => "α",
        'έ' | 'Έ' => "ε",
        'ή' | 'Ή' => "η",
        'ί' | 'Ί' | 'ϊ' | 'Ϊ' | 'ΐ' => "ι",
        'ό' | 'Ό' => "ο",
        'ύ' | 'Ύ' | 'ϋ' | 'Ϋ' | 'ΰ' => "υ",
        'ώ' | 'Ώ' => "ω",
        'ς' => "σ",
        'ﬀ' => "ff",
        'ﬁ' => "fi",
        'ﬂ' => "fl",
        'ﬃ' => "ffi",
        'ﬄ' => "ffl",
        'ﬅ' | 'ﬆ' => "st",
        // Marks without which the word is the same word: the dot that lower-casing İ leaves
        // behind, Hebrew points, Arabic vowels and Qur'anic signs, tatweel, zero-width
        // characters, direction marks, variation selectors.
        '\u{00AD}'
        | '\u{0307}'
        | '\u{0591}'..='\u{05BD}'
        | '\u{05BF}'
        | '\u{05C1}'
        | '\u{05C2}'
        | '\u{05C4}'
        | '\u{05C5}'
        | '\u{05C7}'
        | '\u{0610}'..='\u{061A}'
        | '\u{061C}'
        | '\u{0640}'
        | '\u{064B}'..='\u{065F}'
        | '\u{0670}'
        | '\u{06D6}'..='\u{06DC}'
        | '\u{06DF}'..='\u{06E8}'
        | '\u{06EA}'..='\u{06ED}'
        | '\u{08D3}'..='\u{08E1}'
        | '\u{08E3}'..='\u{08FF}'
        | '\u{200B}'
        | '\u{200D}'..='\u{200F}'
        | '\u{202A}'..='\u{202E}'
        | '\u{2060}'
        | '\u{2066}'..='\u{2069}'
        | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' => "",
        // Spaces.
        '\u{00A0}'
        | '\u{2000}'..='\u{200A}'
        | '\u{200C}'
        | '\u{202F}'
        | '\u{205F}'
        | '\u{3000}' => " ",
        // Quotation marks, apostrophes, hyphens.
        '‘' | '’' | '‛' | 'ʼ' | 'ʹ' | '׳' | '＇' => "'",
        '“' | '”' | '„' | '‟' | '״' | '＂' => "\"",
        '\u{2010}' | '\u{2011}' | '\u{2212}' | '־' | '－' => "-",
        // Arabic letters.
        'أ' | 'إ' | 'آ' | 'ٱ' | 'ٲ' | 'ٳ' | 'ٵ' => "ا",
        'ؤ' | 'ٶ' => "و",
        'ئ' | 'ى' | 'ی' | 'ٸ' => "ي",
        'ة' | 'ہ' | 'ھ' | 'ۂ' | 'ۀ' | 'ۃ' | 'ە' => "ه",
        'ک' | 'ڪ' => "ك",
        'ۓ' => "ے",
        _ => {
            return digit(c)
                .or_else(|| full_width(c))
                .or_else(|| presentation::letters(c));
        }
    })
}

/// ASCII digits and letters as strings, for the digits and full-width forms that become them.
const ASCII: &str = "!\"#$%&'()*+,-./0123456789:;<=>?@abcdefghijklmnopqrstuvwxyz[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~";

/// The ASCII digit of an Arabic-Indic, Persian or Devanagari digit.
fn digit(c: char) -> Option<&'static str> {
    let zero = match c {
        '٠'..='٩' => '٠',
        '۰'..='۹' => '۰',
        '०'..='९' => '०',
        _ => return None,
    };
    let at = ('0' as usize - '!' as usize) + (c as usize - zero as usize);
    ASCII.get(at..=at)
}

/// The lower-case ASCII form of a full-width character.
fn full_width(c: char) -> Option<&'static str> {
    let at = match c {
        '！'..='～' => c as usize - '！' as usize,
        _ => return None,
    };
    ASCII.get(at..=at)
}

#[cfg(test)]
mod tests;
