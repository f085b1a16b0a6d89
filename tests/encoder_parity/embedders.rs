//! Vectors of texts against sentence-transformers.

use candle_core::Device;
use serde::Deserialize;
use stance::encoder::embed::{Embedder, Pooling, Step};
use stance::encoder::files::Folder;
use stance::encoder::load::LoadOptions;

use crate::{assert_agrees, compare, folder};

#[derive(Deserialize)]
struct Expected {
    encoder: String,
    texts: Vec<String>,
    by: Vec<ByPrompt>,
}

#[derive(Deserialize)]
struct ByPrompt {
    /// Empty: no prefix.
    prompt: String,
    embeddings: Vec<Vec<f32>>,
}

/// The steps of the fixture beside the encoder that it stands on.
fn load(name: &str) -> (Embedder, Expected) {
    let steps = folder("../embedders").join(name);
    let json = std::fs::read(steps.join("expected.json")).expect("expected");
    let expected: Expected = serde_json::from_slice(&json).expect("expected");
    let model = tempfile::tempdir().expect("folder");
    let mut places = vec![steps, folder(&expected.encoder)];
    while let Some(place) = places.pop() {
        for entry in std::fs::read_dir(&place).expect("listed").flatten() {
            let inside = entry.file_name();
            if entry.path().is_dir() {
                let target = model.path().join(&inside);
                std::fs::create_dir_all(&target).expect("created");
                for file in std::fs::read_dir(entry.path()).expect("listed").flatten() {
                    std::fs::copy(file.path(), target.join(file.file_name())).expect("copied");
                }
            } else {
                std::fs::copy(entry.path(), model.path().join(inside)).expect("copied");
            }
        }
    }
    let files = Folder::new(model.path());
    let embedder = Embedder::load(&files, &Device::Cpu, LoadOptions::default()).expect(name);
    (embedder, expected)
}

#[test]
fn vectors_equal_those_of_sentence_transformers() {
    for (name, prompts) in [("mean", 3), ("cls-dense", 1)] {
        let (embedder, expected) = load(name);
        assert!(embedder.config().normalizes());
        // Without a prefix, and with each.
        assert_eq!(expected.by.len(), prompts);
        let texts: Vec<&str> = expected.texts.iter().map(String::as_str).collect();
        for by in &expected.by {
            let prefix = match by.prompt.as_str() {
                "" => "",
                prompt => embedder.config().prompt(prompt).expect(prompt),
            };
            let found = embedder.embed(&texts, prefix).expect(name);
            let what = format!("{name}, prompt {:?}", by.prompt);
            assert_agrees(compare(&found, &by.embeddings), &what);
        }
    }
}

#[test]
fn the_steps_are_those_of_the_files() {
    let (mean, _) = load("mean");
    assert_eq!(mean.config().pooling, Pooling::Mean);
    assert_eq!(mean.config().steps, [Step::Normalize]);
    assert_eq!(mean.config().prompt("query"), Some("query: "));
    assert_eq!(mean.config().prompt("passage"), Some("passage: "));
    let (cls, _) = load("cls-dense");
    assert_eq!(cls.config().pooling, Pooling::Cls);
    assert!(matches!(
        cls.config().steps.as_slice(),
        [Step::Dense(dense), Step::Normalize] if dense.tanh && dense.outputs == 24
    ));
}

#[test]
fn a_text_of_too_many_tokens_is_named_by_its_place() {
    let (embedder, _) = load("mean");
    let long = "decision ".repeat(400);
    let error = embedder.embed(&["short", &long], "").expect_err("too long");
    assert!(error.to_string().contains("sequence 1"), "{error}");
}
