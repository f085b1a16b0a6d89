//! What holds for any text.

use super::*;
use proptest::prelude::*;

/// Pieces that make names, clitics and broken words likely.
fn pieces() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "سوريا",
            "وال",
            "العراق",
            "لل",
            "ـ",
            "\u{64B}",
            "حماس",
            "الجيش العربي السوري",
            "Syria",
            "US",
            "Turkey",
            "Russlands",
            "Путина",
            "İran",
            "中国",
            "发展中国家",
            "プーチン",
            "ישראל",
            "ש",
            "रूस",
            "\u{94D}",
            " ",
            "\n\n",
            "-",
            "'",
            "’",
            "\u{200C}",
            "\u{307}",
            "ﷲ",
            "ﬁ",
            "😀",
            "١٢",
        ])
        .prop_map(str::to_owned),
        "\\PC{0,6}",
        any::<char>().prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn spans_are_sound(text in pieces()) {
        let requested = [crate::document::ActorSpec {
            id: "x".to_owned(),
            names: vec!["Syria".to_owned(), "سوريا".to_owned(), "中".to_owned()],
            spans: None,
        }];
        let own = Matcher::for_specs(&requested, Registry::embedded()).unwrap();
        for matcher in [matcher(), &own] {
            let mut end = 0;
            for mention in matcher.find(&text) {
                prop_assert!(mention.actor < matcher.actors().len());
                prop_assert!(mention.span.start >= end, "overlap");
                prop_assert!(mention.span.start < mention.span.end);
                prop_assert!(text.get(mention.span.clone()).is_some(), "not on characters");
                end = mention.span.end;
            }
            prop_assert!(end <= text.len());
        }
    }

    #[test]
    fn any_names_can_be_asked_for(names in prop::collection::vec("\\PC{1,12}", 1..6), text in pieces()) {
        let spec = crate::document::ActorSpec { id: "x".to_owned(), names, spans: None };
        if let Ok(matcher) = Matcher::for_specs(&[spec], Registry::embedded()) {
            for mention in matcher.find(&text) {
                prop_assert!(text.get(mention.span).is_some());
            }
        }
    }

    #[test]
    fn lookups_never_fail(text in pieces()) {
        prop_assert!(Registry::embedded().find(&text).len() <= Registry::embedded().len());
    }
}
