//! Teachers from the outside: `finetune` with marks, `teach`, and `finetune` on what was taught.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use stance::encoder::device::DeviceChoice;
use stance::prediction::Stance;
use stance_training::data::examples::{self, StanceExample};
use stance_training::train::{finetune, teach};

const ENCODER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../tests/fixtures/encoders/bert"
);
const RECIPE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/finetune.toml");

/// The recipe as it ships, for a few steps on an encoder of few tokens, without parallel text.
fn recipe(folder: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let text = std::fs::read_to_string(RECIPE).unwrap();
    let text = text.split("\n[switch]").next().unwrap().to_owned();
    let mut table: toml::Table = toml::from_str(&text).unwrap();
    let always = [
        ("steps", "3"),
        ("warmup", "1"),
        ("stance_tokens", "200"),
        ("topic_tokens", "0"),
        ("parallel_tokens", "0"),
        ("window_tokens", "48"),
        ("window_overlap", "8"),
        ("attention_heads", "2"),
        ("inner", "16"),
        ("validate_every", "3"),
        ("report_every", "1"),
    ];
    for (name, value) in always.iter().chain(changes) {
        let value = toml::from_str::<toml::Table>(&format!("v = {value}")).unwrap();
        table.insert((*name).to_owned(), value["v"].clone());
    }
    let path = folder.join(format!("recipe-{}.toml", changes.len()));
    std::fs::write(&path, toml::to_string(&table).unwrap()).unwrap();
    path
}

/// A folder as `prepare` writes it, and passages.
fn data(folder: &Path) -> (PathBuf, PathBuf) {
    let prep = folder.join("prep");
    std::fs::create_dir_all(&prep).unwrap();
    let (mut rows, mut passages) = (String::new(), String::new());
    for i in 0..24 {
        let (verb, stance) = [
            ("welcomed", "favor"),
            ("criticised", "against"),
            ("called", "neutral"),
        ][i % 3];
        let row = |set: &str, stance: &str| {
            format!(
                r#"{{"id": "{i}", "dataset": "{set}", "lang": "en", "text": "we {verb} the president and the parliament", "targets": [
                {{"id": "{i}-1", "name": "president", "spans": [[{a}, {b}]], "stance": "{stance}", "kind": "actor"}},
                {{"id": "{i}-2", "name": "parliament", "spans": [[{c}, {d}]], "stance": "neutral", "kind": "actor"}}]}}"#,
                a = verb.len() + 8, b = verb.len() + 17, c = verb.len() + 26, d = verb.len() + 36,
            )
            .replace('\n', " ")
        };
        writeln!(rows, "{}", row("made", stance)).unwrap();
        writeln!(passages, "{}", row("passages", "neutral")).unwrap();
    }
    for (name, text) in [("stance", rows.as_str()), ("topic", "")] {
        std::fs::write(prep.join(format!("{name}.jsonl")), text).unwrap();
        std::fs::write(prep.join(format!("{name}_validation.jsonl")), text).unwrap();
    }
    std::fs::write(prep.join("report.json"), r#"{"data_hash": "made"}"#).unwrap();
    let path = folder.join("passages.jsonl");
    std::fs::write(&path, passages).unwrap();
    (prep, path)
}

fn finetune(prep: &Path, recipe: PathBuf, taught: Vec<PathBuf>, out: PathBuf) -> PathBuf {
    let model = out.join("model");
    finetune::run(&finetune::Args {
        encoder: ENCODER.into(),
        prep: prep.to_owned(),
        align: None,
        teacher: None,
        taught,
        device: DeviceChoice::Cpu,
        recipe,
        out,
        max_seconds: None,
    })
    .unwrap();
    model
}

#[test]
fn passages_are_labelled_by_teachers_and_train_a_student() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (prep, passages) = data(folder);
    let marked = |seed: &str| {
        let recipe = recipe(folder, &[("marked", "true"), ("seed", seed)]);
        finetune(&prep, recipe, Vec::new(), folder.join(seed))
    };
    let taught = |models: &[&PathBuf]| {
        let out = folder.join("taught.jsonl");
        teach::run(&teach::Args {
            model: models.iter().map(|&model| model.clone()).collect(),
            rows: passages.clone(),
            out: out.clone(),
            marked: true,
            device: DeviceChoice::Cpu,
            pass_tokens: 100,
        })
        .unwrap();
        examples::read::<StanceExample>(&out).unwrap()
    };
    let teachers = [marked("1"), marked("2")];
    let alone = teachers.each_ref().map(|teacher| taught(&[teacher]));
    let both = taught(&teachers.each_ref());
    assert_eq!(both.len(), 24);
    let said = |row: &StanceExample, target: usize| row.targets[target].taught.unwrap();
    let mut differ = 0;
    for (row, (first, second)) in both.iter().zip(alone[0].iter().zip(&alone[1])) {
        for target in 0..2 {
            let mean = said(row, target);
            let (a, b) = (said(first, target), said(second, target));
            for class in 0..3 {
                assert!((mean[class] - f32::midpoint(a[class], b[class])).abs() < 1e-5);
            }
            differ += usize::from(a.iter().zip(b).any(|(a, b)| a.to_bits() != b.to_bits()));
            let best = (0..3).max_by(|i, j| mean[*i].total_cmp(&mean[*j])).unwrap();
            assert_eq!(row.targets[target].stance, Stance::ALL[best]);
        }
    }
    assert!(differ > 0, "two seeds, one answer");

    let path = folder.join("taught.jsonl");
    let recipe = recipe(
        folder,
        &[("pass_tokens", "60"), ("seed", "3"), ("steps", "4")],
    );
    let student = finetune(&prep, recipe, vec![path], folder.join("student"));
    assert!(student.join("heads.safetensors").is_file());
    let journal = std::fs::read_to_string(folder.join("student/journal.jsonl")).unwrap();
    assert!(
        journal.lines().any(|line| line.contains("f1_made")),
        "{journal}"
    );
}
