//! Nothing is truncated.

use std::fmt::Write;

use stance::document::Options;

use super::{actor, classify, document};

#[test]
fn a_long_document_is_read_to_its_end() {
    let mut text = String::new();
    for number in 0..1500 {
        let _ = write!(
            text,
            "Report number {number} says that the harvest was good. "
        );
    }
    text += "At the very end Syria thanked the farmers.";
    let prediction = classify(document(&text), &Options::default());
    assert!(prediction.windows > 100, "{} windows", prediction.windows);
    let syria = actor(&prediction, "Syria");
    assert_eq!(syria.mentions.len(), 1);
    assert_eq!(
        syria.evidence[0].text,
        "At the very end Syria thanked the farmers."
    );
}

#[test]
fn a_word_without_end_is_read() {
    let text = format!("Syria {}", "x".repeat(40_000));
    // A word of one letter is no language's: the actor's name must not depend on the guess.
    let options = Options {
        label_language: Some("en".into()),
        ..Options::default()
    };
    let prediction = classify(document(&text), &options);
    assert!(prediction.windows >= 1);
    assert_eq!(actor(&prediction, "Syria").mentions.len(), 1);
}

#[test]
fn restricting_the_registry_leaves_the_others_out() {
    let text = "Syria thanked Russia.";
    let all = classify(document(text), &Options::default());
    let russia = actor(&all, "Russia").actor.id.clone();
    let only = Options {
        restrict_to: Some(vec![russia.clone()]),
        ..Options::default()
    };
    let prediction = classify(document(text), &only);
    let ids: Vec<&String> = prediction.stances.iter().map(|s| &s.actor.id).collect();
    assert_eq!(ids, [&russia]);
}
