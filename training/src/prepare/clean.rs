//! Cleaning one text without losing its spans.

/// A cleaned text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleaned {
    /// Without control characters (except line ends and tabs), replacement characters and
    /// byte order marks, and without white space at both ends.
    pub text: String,
    /// The spans as bytes of `text`, in order; what became empty is gone.
    pub spans: Vec<[usize; 2]>,
}

/// Cleans `text`; `spans` are characters of it.
pub fn clean(text: &str, spans: &[[usize; 2]]) -> Cleaned {
    let mut cleaned = String::with_capacity(text.len());
    // Byte in `cleaned` at which each character of `text` begins.
    let mut starts = Vec::with_capacity(text.len() + 1);
    for character in text.chars() {
        starts.push(cleaned.len());
        let keep = matches!(character, '\n' | '\t')
            || !(character.is_control() || matches!(character, '\u{FFFD}' | '\u{FEFF}'));
        if keep {
            cleaned.push(character);
        }
    }
    starts.push(cleaned.len());
    let before = cleaned.len() - cleaned.trim_start().len();
    let trimmed = cleaned.trim();
    let place = |character: usize| {
        let byte = starts.get(character).copied().unwrap_or(cleaned.len());
        byte.saturating_sub(before).min(trimmed.len())
    };
    let mut spans: Vec<[usize; 2]> = spans
        .iter()
        .map(|[start, end]| [place(*start), place(*end)])
        .filter(|[start, end]| start < end)
        .collect();
    spans.sort_unstable();
    spans.dedup();
    Cleaned {
        text: trimmed.to_owned(),
        spans,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_follow_their_words_through_cleaning() {
        let text = " \u{FEFF}Год\u{0}а: Москва\r\n и Рим \n";
        let find = |word: &str| {
            let start = text[..text.find(word).unwrap()].chars().count();
            [start, start + word.chars().count()]
        };
        let cleaned = clean(text, &[find("Рим"), find("Москва"), find("Москва"), [0, 2]]);
        assert_eq!(cleaned.text, "Года: Москва\n и Рим");
        let words: Vec<&str> = cleaned
            .spans
            .iter()
            .map(|[start, end]| &cleaned.text[*start..*end])
            .collect();
        assert_eq!(words, ["Москва", "Рим"]);
    }

    #[test]
    fn a_clean_text_stays_as_it_is() {
        let cleaned = clean("a b\tc\nd", &[[2, 3]]);
        assert_eq!(
            cleaned,
            Cleaned {
                text: "a b\tc\nd".to_owned(),
                spans: vec![[2, 3]]
            }
        );
    }
}
