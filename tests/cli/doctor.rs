//! `stance doctor` and `stance fetch`.

use std::path::Path;

use serde_json::Value;

use crate::model;
use crate::support::{Folder, run};

/// A copy of the tiny model.
fn copy() -> Folder {
    let folder = Folder::new();
    for entry in std::fs::read_dir(model::tiny()).unwrap().flatten() {
        std::fs::copy(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    folder
}

fn path(folder: &Folder) -> &str {
    folder.path().to_str().unwrap()
}

fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {report}"))
}

#[test]
fn a_model_without_stored_answers_is_well_and_says_so() {
    let report = run(&["doctor", "--json"]).code(0).json();
    assert_eq!(report["schema"], 1);
    assert_eq!(report["ok"], true);
    assert_eq!(report["devices"][0]["name"], "cpu");
    assert!(report["cpu"]["threads"].as_u64().unwrap() >= 1);
    assert_eq!(check(&report, "model_files")["status"], "pass");
    assert_eq!(check(&report, "model_loads")["status"], "pass");
    assert_eq!(check(&report, "self_test")["status"], "skip");
    assert_eq!(report["model"]["encoder"]["hidden"], 32);
    assert_eq!(report["model"]["dtype"]["precision"], "f32");
    let text = run(&["doctor"]).code(0).out;
    assert!(text.ends_with("all well\n"), "{text}");
    assert!(text.contains("model.safetensors"), "{text}");
}

/// The names of fields that the page does not have.
fn missing(value: &Value, page: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if !page.contains(&format!("`{name}`")) && !page.contains(&format!(".{name}")) {
                    found.push(name.clone());
                }
                missing(value, page, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|v| missing(v, page, found)),
        _ => {}
    }
}

/// Every field of the report stands in `docs/doctor.md`.
#[test]
fn every_field_is_documented() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/doctor.md");
    let page = std::fs::read_to_string(page).unwrap();
    let report = run(&["doctor", "--json"]).code(0).json();
    let mut found = Vec::new();
    missing(&report, &page, &mut found);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn stored_answers_are_asked_again() {
    let folder = copy();
    let before = run(&["doctor", "--json", "--model", path(&folder)])
        .code(0)
        .json();
    run(&["doctor", "--model", path(&folder), "--write-self-test"]).code(0);
    let report = run(&["doctor", "--json", "--model", path(&folder)])
        .code(0)
        .json();
    assert_eq!(check(&report, "self_test")["status"], "pass");
    assert!(report["model"]["self_test"]["cosine"].as_f64().unwrap() > 0.999_99);
    // A precision is held to what it did where the answers were stored, twice over.
    let bound = |dtype: &str| {
        let args = [
            "doctor",
            "--json",
            "--model",
            path(&folder),
            "--dtype",
            dtype,
        ];
        let report = run(&args).code(0).json();
        assert_eq!(check(&report, "self_test")["status"], "pass", "{dtype}");
        let found = &report["model"]["self_test"];
        let [seen, allowed] = [&found["probability"], &found["tolerance"]["probability"]];
        let [seen, allowed] = [seen.as_f64().unwrap(), allowed.as_f64().unwrap()];
        assert!(
            (allowed - 2.0 * seen - 0.005).abs() < 1e-6,
            "{dtype}: {found}"
        );
        allowed
    };
    assert!(bound("f32") < bound("bf16") && bound("bf16") < bound("int8"));
    // Stored answers do not make another model of it.
    assert_eq!(report["model"]["info"], before["model"]["info"]);

    // Answers of another model, under a manifest that fits.
    let stored = folder.path().join("selftest.json");
    let mut test: Value = serde_json::from_slice(&std::fs::read(&stored).unwrap()).unwrap();
    let topics = test["cases"][0]["topics"].as_object_mut().unwrap();
    assert!(!topics.is_empty());
    for probability in topics.values_mut() {
        *probability = (1.0 - probability.as_f64().unwrap()).into();
    }
    let first = test["cases"][1]["embedding"][0].as_f64().unwrap();
    test["cases"][1]["embedding"][0] = (first + 2.0).into();
    let bytes = serde_json::to_vec(&test).unwrap();
    std::fs::write(&stored, &bytes).unwrap();
    let report = run(&["doctor", "--json", "--model", path(&folder)])
        .code(1)
        .json();
    assert_eq!(check(&report, "model_files")["code"], "hash_mismatch");
    let manifest = stance::model::ModelFolder::open(model::tiny()).unwrap();
    let mut names: Vec<&str> = manifest
        .manifest()
        .files
        .keys()
        .map(String::as_str)
        .collect();
    names.push("selftest.json");
    stance::model::write_manifest(folder.path(), manifest.manifest().info.clone(), &names).unwrap();
    let ended = run(&["doctor", "--json", "--model", path(&folder)]).code(1);
    let report = ended.json();
    assert_eq!(report["ok"], false);
    assert_eq!(check(&report, "self_test")["code"], "self_test_failed");
}

#[test]
fn what_is_wrong_is_named_and_ends_with_1() {
    let folder = copy();
    let weights = folder.path().join("model.safetensors");
    let mut bytes = std::fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&weights, bytes).unwrap();
    let report = run(&["doctor", "--json", "--model", path(&folder)])
        .code(1)
        .json();
    assert_eq!(report["ok"], false);
    assert_eq!(check(&report, "model_files")["code"], "hash_mismatch");
    let text = run(&["doctor", "--model", path(&folder)]).code(1).out;
    assert!(text.contains("FAIL"), "{text}");
    assert!(text.ends_with("something is wrong\n"), "{text}");

    let missing = folder.path().join("gone").display().to_string();
    let report = run(&["doctor", "--json", "--model", &missing])
        .code(1)
        .json();
    assert_eq!(check(&report, "model_files")["code"], "unknown_model");
    run(&["doctor", "--write-self-test", "--model", "default"]).code(2);
}

#[test]
fn fetch_says_why_it_cannot() {
    let folder = Folder::new();
    let cache = path(&folder).to_owned();
    let fetch = |arguments: &[&str]| -> crate::support::Ended {
        let mut command = crate::support::stance(&["fetch"]);
        command.args(arguments).env("HF_HUB_CACHE", &cache);
        command.output().unwrap().into()
    };
    let ended = fetch(&["owner/name", "--offline"]).code(1);
    assert!(ended.err.contains("[offline]"), "{}", ended.err);
    let ended = fetch(&["no-id", "--offline"]).code(1);
    assert!(ended.err.contains("[unknown_model]"), "{}", ended.err);
    let ended = fetch(&["owner/name@v1", "--revision", "v2", "--offline"]).code(2);
    assert!(ended.err.contains("--revision"), "{}", ended.err);
    let ended = fetch(&["owner/name", "--allow-pickle", "--offline"]).code(1);
    assert!(ended.err.contains("warning"), "{}", ended.err);
}
