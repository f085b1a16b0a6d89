use super::*;
use crate::error::ErrorCode;
use proptest::prelude::*;
use unicode_normalization::is_nfc;

fn clean(text: &str) -> CleanText {
    CleanText::new(text, true, &[]).unwrap()
}

#[test]
fn nothing_to_read_is_an_error() {
    for text in ["", " \r\n\t", "\u{FEFF}\u{200B}\u{7}\n\u{200F}"] {
        assert_eq!(
            CleanText::new(text, true, &[]).unwrap_err().code(),
            "empty_text"
        );
    }
}

#[test]
fn the_limit_is_enforced() {
    let limits = Limits { max_bytes: 8 };
    assert!(CleanText::with_limits("12345678", true, &[], &limits).is_ok());
    let error = CleanText::with_limits("123456789", true, &[], &limits).unwrap_err();
    assert_eq!(error, TextError::TooLong { bytes: 9, limit: 8 });
}

#[test]
fn invisible_characters_leave_and_spans_stay_true() {
    let original = "\u{FEFF}Nou\u{AD}velle\u{200B} e\u{301}\u{302}tape\r\n\r\n\u{200F}سوريا\u{200F}  و\u{A0}\tتركيا\u{0}";
    let text = clean(original);
    assert_eq!(text.text(), "Nouvelle é\u{302}tape\nسوريا و تركيا");
    assert_eq!(text.paragraphs().len(), 2);
    for (word, there) in [
        ("Nouvelle", "Nou\u{AD}velle"),
        ("سوريا", "سوريا"),
        ("é", "e\u{301}\u{302}"),
    ] {
        let at = text.text().find(word).unwrap();
        let span = text.to_original(at..at + word.len());
        assert_eq!(&original[span.clone()], there);
        let back = text.from_original(span).unwrap();
        assert!(text.text()[back].starts_with(word));
    }
    assert_eq!(text.from_original(0..3), None, "the byte-order mark");
}

#[test]
fn non_joiner_stays_between_arabic_letters_only() {
    assert_eq!(
        clean("می\u{200C}رود cap\u{200C}able").text(),
        "می\u{200C}رود capable"
    );
    assert_eq!(clean("a\u{200C}\u{301}b").text(), "a\u{200C}\u{301}b");
}

#[test]
fn line_breaks_of_all_kinds_separate_paragraphs() {
    assert_eq!(clean("a\r\nb\n\n\nc\rd").text(), "a\nb\nc\nd");
}

#[test]
fn hard_wrapped_lines_are_one_paragraph() {
    let original = "The council met on Tuesday and agreed on\na statement that nobody had expected to\nread so soon after the long quarrel of\nthe spring.";
    let text = clean(original);
    assert_eq!(text.paragraphs().len(), 1);
    let at = text.text().find("on a statement").unwrap();
    assert_eq!(&original[text.to_original(at..at + 4)], "on\na");
}

#[test]
fn marked_spans_survive_cleaning() {
    let page = include_str!("../clean/fixtures/en_page.txt");
    let at = page.find("Zimbabwe").unwrap();
    let without = clean(page);
    assert!(!without.text().contains("Zimbabwe"));
    assert_eq!(without.from_original(at..at + 8), None);
    let with = CleanText::new(page, true, std::slice::from_ref(&(at..at + 8))).unwrap();
    let span = with.from_original(at..at + 8).unwrap();
    assert_eq!(&with.text()[span], "Zimbabwe");
    assert_eq!(with.paragraphs().len(), without.paragraphs().len() + 1);
}

#[test]
fn without_cleaning_everything_visible_is_kept() {
    let page = include_str!("../clean/fixtures/en_page.txt");
    let text = CleanText::new(page, false, &[]).unwrap();
    assert!(text.set_aside().is_empty());
    let visible = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(visible(text.text()), visible(page));
}

#[test]
fn what_is_set_aside_is_what_is_missing() {
    let page = include_str!("../clean/fixtures/en_page.txt");
    let text = clean(page);
    assert!(!text.set_aside().is_empty());
    for span in text.set_aside() {
        assert_eq!(text.from_original(span.clone()), None);
    }
    let aside: usize = text
        .set_aside()
        .iter()
        .map(|span| page[span.clone()].split_whitespace().count())
        .sum();
    let kept = text.text().split_whitespace().count();
    assert_eq!(aside + kept, page.split_whitespace().count());
}

/// Pieces that make every rule of the map fire.
fn messy() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z سعودي]{1,12}",
        Just("e\u{301}".to_owned()),
        Just("\u{1100}\u{1161}\u{11A8}".to_owned()),
        Just("\u{FB2A}\u{5B8}".to_owned()),
        Just("\u{5B8}\u{5BC}".to_owned()),
        Just("\u{1D165}\u{301}\u{327}".to_owned()),
        Just("\u{958}".to_owned()),
        Just("\u{200C}".to_owned()),
        Just("\u{200B}\u{FEFF}".to_owned()),
        Just("\u{AD}".to_owned()),
        Just("\r\n".to_owned()),
        Just("\n\n".to_owned()),
        Just(" \t\u{A0}".to_owned()),
        Just("undefined\n".to_owned()),
        Just("Comments (3)\n".to_owned()),
        Just("The members of the council agreed on a long and careful statement about the matter, which was read out in the evening by its chair.\n".to_owned()),
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #[test]
    fn the_map_is_monotone_and_covers(original in messy(), cleaning: bool, a in 0usize..999, b in 0usize..999) {
        let Ok(text) = CleanText::new(&original, cleaning, &[]) else {
            return Ok(());
        };
        prop_assert!(is_nfc(text.text()));
        let mut bounds: Vec<usize> = text.text().char_indices().map(|(at, _)| at).collect();
        bounds.push(text.text().len());
        let mut last = 0;
        for &at in &bounds {
            let there = text.to_original(at..at).start;
            prop_assert!(there >= last && original.is_char_boundary(there));
            last = there;
        }
        let (a, b) = (bounds[a % bounds.len()], bounds[b % bounds.len()]);
        let span = a.min(b)..a.max(b);
        let there = text.to_original(span.clone());
        prop_assert!(original.get(there.clone()).is_some());
        if !span.is_empty() {
            let back = text.from_original(there).unwrap();
            prop_assert!(back.start <= span.start && back.end >= span.end);
            prop_assert!(text.text().get(back).is_some());
        }
        let mut end = 0;
        for (at, paragraph) in text.paragraphs().iter().enumerate() {
            prop_assert!(!paragraph.is_empty() && paragraph.start == end + usize::from(at > 0));
            prop_assert!(!text.text()[paragraph.clone()].contains(['\n', '\r']));
            end = paragraph.end;
        }
        prop_assert_eq!(end, text.text().len());
        prop_assert!(text.set_aside().windows(2).all(|pair| pair[0].end < pair[1].start));
    }

    #[test]
    fn any_kept_span_survives(original in messy(), a in 0usize..999) {
        let chars: Vec<(usize, char)> =
            original.char_indices().filter(|&(_, c)| c.is_alphanumeric()).collect();
        prop_assume!(!chars.is_empty());
        let (at, c) = chars[a % chars.len()];
        let span = at..at + c.len_utf8();
        let text = CleanText::new(&original, true, std::slice::from_ref(&span)).unwrap();
        prop_assert!(text.from_original(span).is_some());
    }
}
