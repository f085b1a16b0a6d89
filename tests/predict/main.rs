//! One document in, one prediction out: what holds whatever the weights are.

#![allow(clippy::unwrap_used)]

#[path = "../common/tiny_model.rs"]
mod model;
mod spans;
mod windows;

use std::sync::OnceLock;

use stance::actors::Registry;
use stance::document::{ActorSpec, Document, Options};
use stance::encoder::hub::HubOptions;
use stance::error::ErrorCode;
use stance::predict::Predictor;
use stance::prediction::{ActorStance, Prediction};

/// The tiny model, loaded once.
fn predictor() -> &'static Predictor {
    static PREDICTOR: OnceLock<Predictor> = OnceLock::new();
    PREDICTOR.get_or_init(|| {
        let folder = model::tiny().to_string_lossy().into_owned();
        let registry = Registry::embedded().clone();
        let device = candle_core::Device::Cpu;
        Predictor::load(&folder, &HubOptions::default(), &device, registry).unwrap()
    })
}

fn document(text: &str) -> Document {
    Document {
        text: text.to_owned(),
        ..Document::default()
    }
}

fn with_actors(text: &str, actors: &[(&str, &[&str])]) -> Document {
    let actors = actors.iter().map(|(id, names)| ActorSpec {
        id: (*id).to_owned(),
        names: names.iter().map(|n| (*n).to_owned()).collect(),
        spans: None,
    });
    Document {
        actors: Some(actors.collect()),
        ..document(text)
    }
}

fn classify(document: Document, options: &Options) -> Prediction {
    predictor()
        .classify(&[document], options)
        .remove(0)
        .unwrap()
}

fn actor<'a>(prediction: &'a Prediction, name: &str) -> &'a ActorStance {
    prediction
        .stances
        .iter()
        .find(|s| s.actor.name == name)
        .unwrap()
}

#[test]
fn documents_do_not_depend_on_their_company() {
    let texts = [
        "Syria thanked Russia. The United Nations did not.",
        "France and Germany quarrel, and the European Union waits.",
        "Nobody is named here.",
    ];
    let options = Options::default();
    let together = predictor().classify(&texts.map(document), &options);
    for (text, together) in texts.into_iter().zip(together) {
        let (alone, together) = (classify(document(text), &options), together.unwrap());
        assert_eq!(alone.stances.len(), together.stances.len());
        for (a, b) in alone.stances.iter().zip(&together.stances) {
            assert_eq!((&a.actor, &a.mentions), (&b.actor, &b.mentions));
            assert!((a.probabilities.favor - b.probabilities.favor).abs() < 1e-5);
        }
    }
}

#[test]
fn probabilities_add_up_and_the_best_is_the_stance() {
    let prediction = classify(
        document("Syria thanked Russia in Moscow."),
        &Options::default(),
    );
    assert!(prediction.stances.len() >= 2);
    for stance in &prediction.stances {
        let p = &stance.probabilities;
        assert!((p.favor + p.against + p.neutral - 1.0).abs() < 1e-5);
        assert_eq!(p.best().0, stance.stance);
        assert_eq!(stance.abstained, stance.reason.is_some());
    }
}

#[test]
fn an_actor_that_the_text_never_names_is_answered_by_its_name() {
    let text = "The harvest was good this year.";
    let ask = |name: &str| {
        let prediction = classify(with_actors(text, &[("x", &[name])]), &Options::default());
        assert_eq!(prediction.stances.len(), 1);
        assert!(
            prediction.stances[0].mentions.is_empty() && prediction.stances[0].evidence.is_empty()
        );
        prediction.stances[0].probabilities
    };
    assert_ne!(ask("Atlantis"), ask("The Ministry of Truth"));
}

#[test]
fn actors_of_a_request_keep_its_order_and_nothing_else_is_judged() {
    let text = "Syria thanked Russia. Russia thanked Atlantis.";
    let document = with_actors(
        text,
        &[
            ("b", &["Atlantis"]),
            ("a", &["Lemuria"]),
            ("c", &["Russia"]),
        ],
    );
    let prediction = classify(document, &Options::default());
    let ids: Vec<&str> = prediction
        .stances
        .iter()
        .map(|s| s.actor.id.as_str())
        .collect();
    assert_eq!(ids, ["b", "a", "c"]);
    assert_eq!(prediction.stances[2].mentions.len(), 2);
    assert_eq!(prediction.stances[2].actor.kind, "custom");
}

#[test]
fn one_bad_document_does_not_spoil_the_others() {
    let long = Document {
        language: Some("klingon".into()),
        ..document("Syria.")
    };
    let unknown = with_actors("Syria.", &[("no-such-actor", &[])]);
    let results = predictor().classify(
        &[
            document("Syria."),
            document("  \n "),
            long,
            unknown,
            document("Russia."),
        ],
        &Options::default(),
    );
    let codes: Vec<&str> = results
        .iter()
        .map(|r| r.as_ref().map_or_else(ErrorCode::code, |_| "ok"))
        .collect();
    assert_eq!(
        codes,
        [
            "ok",
            "empty_text",
            "unknown_language",
            "unknown_actor",
            "ok"
        ]
    );
}

#[test]
fn options_are_checked_by_name() {
    for (options, field) in [
        (
            Options {
                topic_threshold: Some(1.5),
                ..Options::default()
            },
            "topic_threshold",
        ),
        (
            Options {
                stance_threshold: Some(-0.1),
                ..Options::default()
            },
            "stance_threshold",
        ),
        (
            Options {
                max_evidence: 51,
                ..Options::default()
            },
            "max_evidence",
        ),
    ] {
        let error = predictor()
            .classify(&[document("Syria.")], &options)
            .remove(0)
            .unwrap_err();
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn thresholds_decide_what_is_said() {
    let text = "Syria thanked Russia.";
    let never = Options {
        stance_threshold: Some(1.0),
        topic_threshold: Some(0.0),
        ..Options::default()
    };
    let always = Options {
        stance_threshold: Some(0.0),
        topic_threshold: Some(1.0),
        ..Options::default()
    };
    let (never, always) = (
        classify(document(text), &never),
        classify(document(text), &always),
    );
    assert!(never.stances.iter().all(|s| s.abstained));
    assert_eq!(never.topics.len(), predictor().heads().topics.len());
    assert!(always.stances.iter().all(|s| !s.abstained) && always.topics.is_empty());
}

#[test]
fn vectors_have_length_one_and_differ() {
    let vectors = predictor()
        .embed(&["Syria thanked Russia.", "The harvest was good."])
        .unwrap();
    for vector in &vectors {
        let norm: f32 = vector.iter().map(|x| x * x).sum();
        assert!((norm - 1.0).abs() < 1e-4);
    }
    assert_ne!(vectors[0], vectors[1]);
}
