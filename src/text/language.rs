//! Which language a text is written in.

mod codes;
mod evidence;
mod words;

use whatlang::{Detector, Lang};

use super::error::TextError;
use codes::{ISO_639_1, code_of};
use evidence::Evidence;

/// The code of a text without letters, or in a script that no known language uses.
pub const UNDETERMINED: &str = "und";

/// So many bytes from the beginning are looked at.
const LOOK_AT: usize = 16 << 10;
/// A text of at least this many letters is long enough to be sure.
const SURE_LETTERS: f32 = 60.0;
/// Below this many letters, languages that are rarer by far than their neighbours are not
/// considered: on a few words their trigrams match anything.
const RARE_LETTERS: usize = 200;

/// What language a text seems to be in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LanguageGuess {
    /// ISO 639-1 code, or [`UNDETERMINED`].
    pub code: &'static str,
    /// How sure the guess is, between 0 and 1; low for short texts.
    pub confidence: f32,
}

/// Identifies the language of a text from its first 16 KiB.
///
/// The trigrams and alphabets of `whatlang` decide, except where letters and function words
/// tell neighbours apart more surely, which matters for short texts: Arabic, Persian, Urdu,
/// Pashto and Kurdish; Russian, Ukrainian, Belarusian, Bulgarian, Serbian, Macedonian and
/// Kazakh; Hindi, Marathi and Nepali; Hebrew and Yiddish; languages in Latin letters by their
/// function words.
pub fn identify(text: &str) -> LanguageGuess {
    let mut end = text.len().min(LOOK_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = &text[..end];
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 {
        return LanguageGuess {
            code: UNDETERMINED,
            confidence: 0.0,
        };
    }
    let length = (letters as f32 / SURE_LETTERS).min(1.0);
    let Evidence {
        code,
        strength,
        candidates,
    } = evidence::of(text);
    let guess = trigrams(text, letters, &candidates);
    match (code, guess) {
        (Some(code), guess) => {
            let agreed = guess
                .filter(|&(guessed, _)| guessed == code)
                .map_or(0.0, |it| it.1);
            LanguageGuess {
                code,
                confidence: strength.max(agreed) * length,
            }
        }
        (None, Some((code, confidence))) => LanguageGuess {
            code,
            confidence: confidence * length,
        },
        (None, None) => LanguageGuess {
            code: UNDETERMINED,
            confidence: 0.0,
        },
    }
}

/// What `whatlang` says, of the candidates if there are any.
fn trigrams(text: &str, letters: usize, candidates: &[&str]) -> Option<(&'static str, f32)> {
    let mut denied = evidence::impossible(text);
    if letters < RARE_LETTERS {
        denied.extend(RARE);
    }
    let of = |detector: Detector| {
        let info = detector.detect(text)?;
        Some((code_of(info.lang()), info.confidence() as f32))
    };
    let allowed: Vec<Lang> = Lang::all()
        .iter()
        .copied()
        .filter(|lang| candidates.contains(&code_of(*lang)) && !denied.contains(lang))
        .collect();
    if let [only] = allowed.as_slice() {
        return Some((code_of(*only), 0.5));
    }
    let among = if allowed.is_empty() {
        None
    } else {
        of(Detector::with_allowlist(allowed))
    };
    among.or_else(|| of(Detector::with_denylist(denied)))
}

/// Languages not considered for short texts.
const RARE: [Lang; 12] = [
    Lang::Afr,
    Lang::Uzb,
    Lang::Lat,
    Lang::Epo,
    Lang::Aka,
    Lang::Sna,
    Lang::Zul,
    Lang::Jav,
    Lang::Tuk,
    Lang::Tgl,
    Lang::Cym,
    Lang::Yid,
];

/// The code as a static string, if it is one of the 183 codes of ISO 639-1 (in any case, with
/// white space around it).
pub fn parse_language(given: &str) -> Result<&'static str, TextError> {
    let lower = given.trim().to_ascii_lowercase();
    ISO_639_1
        .binary_search(&lower.as_str())
        .map(|at| ISO_639_1[at])
        .map_err(|_| TextError::UnknownLanguage {
            given: given.chars().take(32).collect(),
        })
}

#[cfg(test)]
mod tests;
