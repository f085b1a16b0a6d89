//! `fit` from the outside: labelled rows in, a model folder out that the library reads.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use candle_core::Device;
use stance::actors::Registry;
use stance::document::{ActorSpec, Document, Options};
use stance::encoder::hub::HubOptions;
use stance::predict::Predictor;
use stance::prediction::Stance;
use stance_training::train::fit::{Args, run};

const ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/encoders/bert"
);
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/fit.toml");

fn args(folder: &Path, data: Vec<PathBuf>) -> Args {
    Args {
        encoder: ENCODER.into(),
        data,
        out: folder.join("mine"),
        recipe: recipe(folder),
        name: None,
        accuracy: 0.75,
        cache_gib: 0.0001,
    }
}

/// The recipe as it ships, with passes enough for an encoder whose weights mean nothing.
fn recipe(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(RECIPE).unwrap();
    assert!(text.contains("epochs = 15\n"));
    let path = folder.join("recipe.toml");
    std::fs::write(&path, text.replace("epochs = 15\n", "epochs = 30\n")).unwrap();
    path
}

/// Rows in which one word decides, in front of or behind the actor.
fn rows(count: usize) -> String {
    let mut out = "text,target,stance\n".to_owned();
    for i in 0..count {
        let (verb, stance) = [
            ("welcomed", "favor"),
            ("criticised", "against"),
            ("called", "neutral"),
        ][i % 3];
        let actor = ["president", "opposition", "parliament"][i / 3 % 3];
        let more = [
            "that day",
            "over tea",
            "in the government",
            "on the xth of may",
        ][i / 9 % 4];
        writeln!(out, "{i} we {verb} the {actor} {more},{actor},{stance}").unwrap();
    }
    out
}

#[test]
fn heads_learn_what_rows_teach_and_the_product_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mine.csv");
    std::fs::write(&data, rows(500)).unwrap();
    run(&args(folder.path(), vec![data])).unwrap();

    let model = folder.path().join("mine");
    let predictor = Predictor::load(
        model.to_str().unwrap(),
        &HubOptions::from_env(),
        &Device::Cpu,
        Registry::embedded().clone(),
    )
    .unwrap();
    assert_eq!(predictor.info().name, "mine");
    let document = |verb: &str| Document {
        text: format!("9999 we {verb} the opposition over tea"),
        actors: Some(vec![ActorSpec {
            id: "o".into(),
            names: vec!["opposition".into()],
            spans: None,
        }]),
        ..Document::default()
    };
    let documents = ["welcomed", "criticised", "called"].map(document);
    let expected = [Stance::Favor, Stance::Against, Stance::Neutral];
    let answers = predictor.classify(&documents, &Options::default());
    for (answer, expected) in answers.into_iter().zip(expected) {
        let answer = answer.unwrap();
        assert_eq!(answer.stances[0].stance, expected);
        // No topic rows were given: the model must not make topics up.
        assert!(answer.topics.is_empty(), "{:?}", answer.topics);
    }
}

#[test]
fn a_row_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("mine.csv");
    std::fs::write(&data, rows(9) + "some text,president,perhaps\n").unwrap();
    let error = run(&args(folder.path(), vec![data]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("11") && error.contains("perhaps"), "{error}");
}
