use super::*;
use proptest::prelude::*;

#[test]
fn arabic_spellings_meet() {
    assert_eq!(fold_str("الأزمة الأمريكيّة"), fold_str("الازمه الامريكيه"));
    assert_eq!(fold_str("ایران"), fold_str("إيران"));
    assert_eq!(fold_str("موسى"), fold_str("موسي"));
    assert_eq!(fold_str("سـوريـــا"), "سوريا");
    assert_eq!(fold_str("تُرْكِيَا"), "تركيا");
    assert_eq!(fold_str("آمریکائی"), fold_str("امریکایی"));
    assert_eq!(fold_str("کشور"), "كشور");
    assert_eq!(fold_str("ﺳﻮﺭﻳﺎ ﻻ"), "سوريا لا");
    assert_eq!(fold_str("هٰذا"), "هذا");
}

#[test]
fn non_joiner_separates_and_joiner_vanishes() {
    assert_eq!(fold_str("حزب\u{200C}الله"), "حزب الله");
    assert_eq!(fold_str("a\u{200D}b\u{200B}c\u{FEFF}"), "abc");
}

#[test]
fn digits_and_width() {
    assert_eq!(fold_str("٢٠١٥ ۱۳۹۵ २०२४ ２０２４"), "2015 1395 2024 2024");
    assert_eq!(fold_str("ＮＡＴＯ～"), "nato~");
    assert_eq!(fold_str("ＡＺａｚ"), "azaz");
}

#[test]
fn case_and_accents() {
    assert_eq!(
        fold_str("İRAN Irak ırak i\u{307}ran"),
        "iran irak irak iran"
    );
    assert_eq!(fold_str("Пётр ЁЛКА"), "петр елка");
    assert_eq!(fold_str("Straße É ñ Ç"), "straße é ñ ç");
    assert_eq!(fold_str("ΡΩΣΙΑ ΗΠΑΣ"), fold_str("Ρωσία Ηπας"));
    assert_eq!(fold_str("Ґ Ї Є"), "ґ ї є");
}

#[test]
fn hebrew_points_and_marks() {
    assert_eq!(fold_str("יִשְׂרָאֵל"), "ישראל");
    assert_eq!(fold_str("ארה״ב"), fold_str("ארה\"ב"));
    assert_eq!(fold_str("l’ONU"), "l'onu");
}

#[test]
fn spans_map_back_with_their_marks() {
    let source = "في سُورِيَةَ ٢٠١٥";
    let folded = fold(source);
    let name = "سوريه";
    let at = folded.text.find(name).unwrap();
    let span = folded.to_source(at..at + name.len());
    assert_eq!(&source[span.clone()], "سُورِيَةَ");
    assert_eq!(folded.from_source(span), Some(at..at + name.len()));
    let at = folded.text.find("20").unwrap();
    assert_eq!(&source[folded.to_source(at..at + 2)], "٢٠");
}

#[test]
fn ligatures_are_not_divided() {
    // Three bytes become three letters, which are no three characters of the source.
    let folded = fold("oﬃce");
    assert_eq!(folded.text, "office");
    assert_eq!(folded.to_source(2..3), 1..4);
    assert_eq!(folded.from_source(1..4), Some(1..4));
}

#[test]
fn table_is_stable_under_itself_and_lower_case() {
    let table = fold_table();
    assert!(table.len() > 300);
    for (from, to) in table {
        let lowered: String = to.chars().flat_map(char::to_lowercase).collect();
        assert_eq!(lowered, to, "replacement of {from:?} is not lower-case");
        assert_eq!(
            fold_str(to),
            to,
            "replacement of {from:?} is replaced itself"
        );
    }
}

#[test]
fn folding_any_character_is_idempotent() {
    for c in ('\0'..=char::MAX).filter(|c| !c.is_control()) {
        let once = fold_str(c.encode_utf8(&mut [0; 4]));
        assert_eq!(fold_str(&once), once, "{c:?}");
    }
}

#[test]
fn rules_are_the_table() {
    // Applies the rules as a tokenizer runtime does: one regular expression after the other.
    let rules = fold_rules();
    let table = fold_table();
    assert!(rules.len() < 160, "{} passes over every text", rules.len());
    let covered: usize = rules
        .iter()
        .map(|(class, _)| {
            let body = class.trim_start_matches('[').trim_end_matches(']');
            let codes: Vec<u32> = body
                .split("\\x{")
                .skip(1)
                .map(|part| u32::from_str_radix(part.split('}').next().unwrap(), 16).unwrap())
                .collect();
            let ranges = body.matches("}-\\x{").count();
            let spans: u32 = body
                .split("\\x{")
                .skip(1)
                .zip(&codes)
                .scan(None, |open: &mut Option<u32>, (part, &code)| {
                    let extra = open.take().map_or(0, |from| code - from - 1);
                    *open = part.ends_with('-').then_some(code);
                    Some(extra)
                })
                .sum();
            assert!(ranges <= codes.len() / 2);
            codes.len() + spans as usize
        })
        .sum();
    assert_eq!(covered, table.len());
}

proptest! {
    #[test]
    fn any_span_maps_to_whole_characters(text in "\\PC{0,40}[\u{600}-\u{6FF}\u{591}-\u{5F4}ＡİＢё ]{0,40}", a in 0usize..200, b in 0usize..200) {
        let folded = fold(&text);
        prop_assert_eq!(&folded.text, &fold_str(&text));
        prop_assert_eq!(folded.map.out_len(), folded.text.len());
        let mut bounds: Vec<usize> = folded.text.char_indices().map(|(at, _)| at).collect();
        bounds.push(folded.text.len());
        let (a, b) = (bounds[a % bounds.len()], bounds[b % bounds.len()]);
        let (a, b) = (a.min(b), a.max(b));
        let span = folded.to_source(a..b);
        prop_assert!(text.get(span.clone()).is_some());
        prop_assert!(fold_str(&text[span.clone()]).contains(&folded.text[a..b]));
        if a < b {
            let back = folded.from_source(span).unwrap();
            prop_assert!(back.start <= a && back.end >= b);
        }
    }
}
