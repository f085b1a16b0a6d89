//! Every span points into the text as it came.

use stance::document::{ActorSpec, Document, OffsetUnit, Options};
use stance::error::ErrorCode;

use super::{actor, classify, document, predictor};

/// Emoji, combining marks and a byte-order mark make the three units differ.
const TEXT: &str = "\u{feff}😀 Cafe\u{301} talk: Syria thanked Russia.\r\n\r\nThen Syria left.";

fn cut(text: &str, start: usize, end: usize, unit: OffsetUnit) -> String {
    match unit {
        OffsetUnit::Byte => text[start..end].to_owned(),
        OffsetUnit::Utf16 => {
            let units: Vec<u16> = text.encode_utf16().collect();
            String::from_utf16(&units[start..end]).unwrap()
        }
        _ => text.chars().skip(start).take(end - start).collect(),
    }
}

#[test]
fn mentions_and_evidence_are_cut_from_the_original() {
    for unit in [OffsetUnit::Char, OffsetUnit::Byte, OffsetUnit::Utf16] {
        let options = Options {
            offset_unit: unit,
            ..Options::default()
        };
        let prediction = classify(document(TEXT), &options);
        assert_eq!(prediction.offset_unit, unit);
        let syria = actor(&prediction, "Syria");
        assert_eq!(syria.mentions.len(), 2);
        for mention in &syria.mentions {
            assert_eq!(mention.text, "Syria");
            assert_eq!(cut(TEXT, mention.start, mention.end, unit), mention.text);
        }
        assert_eq!(syria.evidence.len(), 2);
        for evidence in &syria.evidence {
            assert_eq!(cut(TEXT, evidence.start, evidence.end, unit), evidence.text);
            assert!(evidence.text.contains("Syria"), "{evidence:?}");
        }
    }
}

fn with_span(span: [usize; 2]) -> Document {
    let actors = vec![ActorSpec {
        id: "he".into(),
        names: vec!["the president".into()],
        spans: Some(vec![span]),
    }];
    Document {
        actors: Some(actors),
        ..document("The president spoke. Later he left.")
    }
}

#[test]
fn the_caller_knows_better_than_the_matcher() {
    let prediction = classify(with_span([27, 29]), &Options::default());
    let mentions = &prediction.stances[0].mentions;
    assert_eq!(mentions.len(), 1);
    assert_eq!(
        (
            mentions[0].start,
            mentions[0].end,
            mentions[0].text.as_str()
        ),
        (27, 29, "he")
    );
    assert_eq!(prediction.stances[0].evidence[0].text, "Later he left.");
}

#[test]
fn a_span_outside_the_text_is_an_error_that_names_it() {
    for span in [[27, 99], [5, 5], [9, 3]] {
        let results = predictor().classify(&[with_span(span)], &Options::default());
        let error = results.into_iter().next().unwrap().unwrap_err();
        assert_eq!(error.code(), "invalid_span");
        assert!(error.to_string().contains("`he`"), "{error}");
    }
}
