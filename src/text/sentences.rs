//! Sentences, short enough to be read as evidence.

use std::ops::Range;

use icu_segmenter::SentenceSegmenter;
use icu_segmenter::options::SentenceBreakInvariantOptions;

use super::invisible::{characters_per_word, is_blank};

/// A sentence of more words than this is cut further, at clause punctuation.
pub const MAX_SENTENCE_WORDS: usize = 120;
/// A part of a long sentence ends at the first semicolon from this many words on …
const SEMICOLON_WORDS: f32 = 30.0;
/// … or at the first comma from this many words on.
const COMMA_WORDS: f32 = 50.0;
/// A rest of fewer words than this stays with the part in front of it.
const MIN_REST: f32 = 12.0;

/// The sentences of `text`: byte ranges, trimmed, not empty, in order, none of which crosses
/// the border of a paragraph.
///
/// Boundaries are those of Unicode's UAX #29 (`icu_segmenter`), except that initials and
/// common abbreviations (`Dr.`, `U.S.`, `г.`, `د.`) do not end a sentence. A sentence of more
/// than [`MAX_SENTENCE_WORDS`] words is cut at semicolons and commas (؛ ، ; , and their
/// relatives) into parts of about fifty words, and at word boundaries where it has none.
pub fn sentences(text: &str, paragraphs: &[Range<usize>]) -> Vec<Range<usize>> {
    let segmenter = SentenceSegmenter::new(SentenceBreakInvariantOptions::default());
    let mut found = Vec::new();
    for paragraph in paragraphs {
        let inside = &text[paragraph.clone()];
        let mut start = 0;
        let mut previous: Option<Range<usize>> = None;
        for end in segmenter.segment_str(inside) {
            if end == start {
                continue;
            }
            let part = trim(text, paragraph.start + start..paragraph.start + end);
            start = end;
            if part.is_empty() {
                continue;
            }
            // Something without a letter or digit is no sentence of its own.
            let bare = !text[part.clone()].chars().any(char::is_alphanumeric);
            previous = match previous.take() {
                Some(before) if bare || is_open(&text[before.clone()]) => {
                    Some(before.start..part.end)
                }
                Some(before) => {
                    cut(text, before, &mut found);
                    Some(part)
                }
                None => Some(part),
            };
        }
        if let Some(last) = previous {
            cut(text, last, &mut found);
        }
    }
    found
}

fn trim(text: &str, span: Range<usize>) -> Range<usize> {
    let part = &text[span.clone()];
    let start = span.start + (part.len() - part.trim_start_matches(is_blank).len());
    start..start + part.trim_matches(is_blank).len()
}

/// Whether the full stop at the end belongs to an initial or an abbreviation.
fn is_open(sentence: &str) -> bool {
    let Some(body) = sentence.strip_suffix('.') else {
        return false;
    };
    let start = body
        .rfind(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '«' | '“' | '„'))
        .map_or(0, |at| {
            at + body[at..].chars().next().map_or(1, char::len_utf8)
        });
    let word = &body[start..];
    // Initials (J., А.) and chains of them (U.S., т.е.); a digit may end a sentence.
    let mut parts = word.split('.').peekable();
    if parts.all(|part| {
        let mut chars = part.chars();
        chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none()
    }) {
        // A lone Latin "I" or a Chinese character is a word.
        return word != "I" && word.chars().all(|c| characters_per_word(c).is_none());
    }
    ABBREVIATIONS.contains(&word)
}

/// Abbreviations that a name, a number or a title follows.
const ABBREVIATIONS: &[&str] = &[
    "Mr",
    "Mrs",
    "Ms",
    "Dr",
    "Prof",
    "St",
    "Gen",
    "Col",
    "Lt",
    "Sgt",
    "Capt",
    "Sen",
    "Rep",
    "Gov",
    "Pres",
    "Rev",
    "Hon",
    "vs",
    "No",
    "Art",
    "Fig",
    "approx",
    "Jr",
    "Sr",
    "Mme",
    "Mlle",
    "Sra",
    "Dra",
    "Ing",
    "Lic",
    "Hr",
    "Fr",
    "Nr",
    "bzw",
    "ca",
    "Abs",
    "Str",
    "zzgl",
    "Inc",
    "Doç",
    "Av",
    "Org",
    "ул",
    "им",
    "тов",
    "проф",
    "акад",
    "ген",
    "гр",
    "см",
    "рис",
    "ст",
    "вул",
    "ім",
    "д-р",
    "г-н",
    "г-жа",
    "डॉ",
    "श्री",
    "प्रो",
];

/// Adds a sentence, in parts when it is very long.
fn cut(text: &str, sentence: Range<usize>, found: &mut Vec<Range<usize>>) {
    if count_words(&text[sentence.clone()]) <= MAX_SENTENCE_WORDS as f32 {
        found.push(sentence);
        return;
    }
    let mut words = 0.0;
    let mut in_word = false;
    let mut start = sentence.start;
    let mut last_words = 0.0;
    let mut chars = text[sentence.clone()].char_indices().peekable();
    let mut before = ' ';
    while let Some((at, c)) = chars.next() {
        let at = sentence.start + at;
        words += word_weight(c, &mut in_word);
        let next = chars.peek().map(|&(_, next)| next);
        let semicolon = matches!(c, ';' | '؛' | '；' | '·');
        let comma = match c {
            '،' | '，' | '、' => !(before.is_numeric() && next.is_some_and(char::is_numeric)),
            ',' => next.is_some_and(char::is_whitespace),
            '–' | '—' => before.is_whitespace() && next.is_some_and(char::is_whitespace),
            _ => false,
        };
        let anywhere = c.is_whitespace() && words >= MAX_SENTENCE_WORDS as f32;
        if semicolon && words >= SEMICOLON_WORDS || comma && words >= COMMA_WORDS || anywhere {
            let end = at + c.len_utf8();
            push_part(text, start..end, found);
            last_words = words;
            start = end;
            words = 0.0;
            in_word = false;
        }
        before = c;
    }
    let rest = start..sentence.end;
    let fits = last_words + words <= MAX_SENTENCE_WORDS as f32;
    match found.last_mut() {
        // `last` is a part of this sentence: it has words that were counted here.
        Some(last) if words < MIN_REST && fits && last_words > 0.0 => last.end = sentence.end,
        _ => push_part(text, rest, found),
    }
}

fn push_part(text: &str, span: Range<usize>, found: &mut Vec<Range<usize>>) {
    let part = trim(text, span);
    if !part.is_empty() {
        found.push(part);
    }
}

/// Words; characters of scripts without spaces count as parts of a word.
fn count_words(text: &str) -> f32 {
    let mut in_word = false;
    text.chars().map(|c| word_weight(c, &mut in_word)).sum()
}

fn word_weight(c: char, in_word: &mut bool) -> f32 {
    if let Some(per_word) = characters_per_word(c) {
        *in_word = false;
        return 1.0 / per_word;
    }
    let starts = c.is_alphanumeric() && !*in_word;
    *in_word = !c.is_whitespace() && (*in_word || c.is_alphanumeric());
    if starts { 1.0 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn texts(text: &str) -> Vec<&str> {
        let paragraphs: Vec<Range<usize>> = text
            .split_inclusive('\n')
            .scan(0, |at, line| {
                let start = *at;
                *at += line.len();
                Some(start..start + line.trim_end_matches('\n').len())
            })
            .collect();
        sentences(text, &paragraphs)
            .into_iter()
            .map(|span| &text[span])
            .collect()
    }

    #[test]
    fn sentences_end_in_every_script() {
        assert_eq!(
            texts("هل تعود حماس؟ نعم. ربما!"),
            ["هل تعود حماس؟", "نعم.", "ربما!"]
        );
        assert_eq!(
            texts("我们反对战争。他们支持。"),
            ["我们反对战争。", "他们支持。"]
        );
        assert_eq!(texts("यह सही है। वह गलत है।"), ["यह सही है।", "वह गलत है।"]);
        assert_eq!(
            texts("یہ درست ہے۔ وہ غلط ہے۔"),
            ["یہ درست ہے۔", "وہ غلط ہے۔"]
        );
        assert_eq!(
            texts("Он сказал: «Нет». Мы ушли."),
            ["Он сказал: «Нет».", "Мы ушли."]
        );
    }

    #[test]
    fn paragraphs_are_never_crossed() {
        assert_eq!(
            texts("A title\nand a line\n\nEnd."),
            ["A title", "and a line", "End."]
        );
    }

    #[test]
    fn initials_and_abbreviations_do_not_end_a_sentence() {
        assert_eq!(
            texts("Dr. Smith met J. Doe. They left."),
            ["Dr. Smith met J. Doe.", "They left."]
        );
        assert_eq!(
            texts("The U.S. Army left. So did we."),
            ["The U.S. Army left.", "So did we."]
        );
        assert_eq!(
            texts("На ул. Ленина тихо. Ночь."),
            ["На ул. Ленина тихо.", "Ночь."]
        );
        assert_eq!(
            texts("قال د. محمد ذلك. انتهى."),
            ["قال د. محمد ذلك.", "انتهى."]
        );
    }

    #[test]
    fn punctuation_alone_is_no_sentence() {
        assert_eq!(
            texts("He left. ... And came back."),
            ["He left. ...", "And came back."]
        );
        assert_eq!(texts("!!!"), ["!!!"]);
    }

    #[test]
    fn long_sentences_are_cut_at_clauses() {
        let clause = "واحد اثنان ثلاثة أربعة خمسة ستة سبعة ثمانية تسعة عشرة ، ";
        let text = clause.repeat(30);
        let parts = texts(text.trim());
        assert!((4..=6).contains(&parts.len()), "{}", parts.len());
        assert!(parts.iter().all(|part| part.ends_with('،')));
        assert_eq!(
            texts(clause.repeat(11).trim()).len(),
            1,
            "110 words are left alone"
        );
    }

    #[test]
    fn a_long_sentence_without_commas_is_cut_between_words() {
        let text = "слово ".repeat(500);
        let parts = texts(text.trim());
        assert_eq!(parts.len(), 5);
        assert!(
            parts
                .iter()
                .all(|part| part.split(' ').count() <= MAX_SENTENCE_WORDS)
        );
    }

    #[test]
    fn a_comma_in_a_number_is_no_clause() {
        let text = format!("{} 1,000 {}, end", "word ".repeat(60), "word ".repeat(70));
        assert!(texts(&text).iter().all(|part| !part.ends_with("1,")));
    }

    proptest! {
        #[test]
        fn in_order_trimmed_and_complete(lines in prop::collection::vec("[a-zA-Zسعودي。؟.,;، !ה0-9\u{200C}]{0,80}|(слово, ){0,90}", 0..8)) {
            let text = lines.join("\n");
            let mut paragraphs = Vec::new();
            let mut at = 0;
            for line in &lines {
                paragraphs.push(at..at + line.len());
                at += line.len() + 1;
            }
            let found = sentences(&text, &paragraphs);
            let mut end = 0;
            for span in &found {
                prop_assert!(span.start >= end && !span.is_empty());
                prop_assert!(text[end..span.start].chars().all(is_blank), "lost text");
                prop_assert_eq!(trim(&text, span.clone()), span.clone());
                prop_assert!(paragraphs.iter().any(|it| it.start <= span.start && span.end <= it.end));
                end = span.end;
            }
            prop_assert!(text[end..].chars().all(is_blank), "lost text");
        }
    }
}
