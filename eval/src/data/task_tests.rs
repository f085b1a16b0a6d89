use super::*;
use crate::metrics::Metric;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn spec(extra: &str) -> TaskSpec {
    let text = format!(
        "name = \"t\"\ngroup = \"g\"\nfiles = [\"test.jsonl\"]\nmetric = \"macro_f1\"\n{extra}"
    );
    toml::from_str(&text).unwrap()
}

const STANCE: &str = r#"{"id":"1","lang":"en","text":"Arland helps. ","target":"Arland","target_alt":"أرلاند","span":[0,6],"stance":"favor","context":"Ökö?"}
{"id":"2","lang":"en","text":"Arland helps.","target":"Borland","stance":"neutral"}
{"id":"3","lang":"en","text":"Borland lies.","target":"Borland","stance":"against","stance_of":"holder"}
"#;

#[test]
fn stance_rows_become_examples() {
    let folder = folder(&[("test.jsonl", STANCE), ("train.jsonl", STANCE)]);
    let spec = spec(
        "kind = \"stance\"\ntrain = [\"train.jsonl\"]\naliases = { Arland = [\"Arlanders\"] }",
    );
    let task = prepare(&spec, folder.path(), None).unwrap();
    assert_eq!(task.examples.len(), 2);
    assert_eq!(task.excluded.get("stance of a party"), Some(&1));
    let first = &task.examples[0];
    assert_eq!(first.names, ["Arland", "أرلاند", "Arlanders"]);
    assert_eq!(first.spans, [[0, 6]]);
    assert_eq!((first.gold, first.target_seen), (0, Some(true)));
    assert_eq!(document_groups(&task.examples), [vec![0, 1]]);
    assert_eq!(spec.metric, Metric::MacroF1);
}

#[test]
fn context_moves_the_spans() {
    let folder = folder(&[("test.jsonl", STANCE)]);
    let task = prepare(
        &spec("kind = \"stance\"\ncontext = true"),
        folder.path(),
        None,
    )
    .unwrap();
    let first = &task.examples[0];
    let [start, end] = first.spans[0];
    let mention: String = first.text.chars().skip(start).take(end - start).collect();
    assert_eq!(mention, "Arland");
    assert_eq!(first.target_seen, None);
}

#[test]
fn labels_can_be_renamed_dropped_and_refused() {
    let folder = folder(&[("test.jsonl", STANCE)]);
    let kept = "kind = \"stance\"\nholder = \"keep\"\nlabels = { neutral = \"exclude\" }";
    let task = prepare(&spec(kept), folder.path(), None).unwrap();
    assert_eq!(
        task.examples.iter().map(|row| row.gold).collect::<Vec<_>>(),
        [0, 1]
    );
    let bad = STANCE.replace("\"neutral\"", "\"unsure\"");
    std::fs::write(folder.path().join("test.jsonl"), bad).unwrap();
    let error = prepare(&spec("kind = \"stance\""), folder.path(), None).unwrap_err();
    assert!(matches!(error, EvalError::Row { line: 2, .. }), "{error}");
}

#[test]
fn held_out_rows_are_measured_and_the_others_trained_on() {
    let row = |n| {
        format!(
            "{{\"dataset\":\"rusentne\",\"text\":\"sentence {n}\",\"target\":\"a\",\"stance\":\"favor\"}}"
        )
    };
    let rows: Vec<String> = (0..200).map(row).collect();
    let folder = folder(&[("train.jsonl", &rows.join("\n"))]);
    let mut spec = spec("kind = \"stance\"\ntrain = [\"train.jsonl\"]\nsplit = \"held_out\"");
    spec.files = spec.train.clone();
    let task = prepare(&spec, folder.path(), None).unwrap();
    assert_eq!(task.examples.len() + task.train.len(), 200);
    assert_eq!(
        task.excluded.get("not in the measured part"),
        Some(&task.train.len())
    );
    assert!((10..60).contains(&task.examples.len()));
    let measured: Vec<&str> = task.examples.iter().map(|row| row.text.as_str()).collect();
    assert!(
        task.train
            .iter()
            .all(|row| !measured.contains(&row.text.as_str()))
    );
}

#[test]
fn samples_are_fixed_and_keep_texts_whole() {
    let examples: Vec<Example> = (0..40)
        .map(|n| Example {
            text: format!("text {}", n / 2),
            id: n.to_string(),
            ..Example::default()
        })
        .collect();
    let sampled = sample(examples.clone(), 7);
    assert_eq!(sampled.len(), 8);
    assert!(
        document_groups(&sampled)
            .iter()
            .all(|group| group.len() == 2)
    );
    assert_eq!(sampled, sample(examples.clone(), 7));
    assert_eq!(sample(examples.clone(), 100), examples);
}

#[test]
fn topics_follow_the_map_and_null_has_no_counterpart() {
    let rows = concat!(
        r#"{"id":"1","dataset":"s","lang":"eng","text":"a","topic":"sports"}"#,
        "\n",
        r#"{"id":"2","dataset":"s","lang":"eng","text":"b","topic":"geography"}"#,
        "\n",
        r#"{"id":"3","dataset":"s","lang":"eng","text":"c","topic":"health"}"#,
    );
    let map = r#"{"s":{"sports":"medtop:15000000","geography":null,"health":"medtop:07000000"}}"#;
    let folder = folder(&[("test.jsonl", rows), ("map.json", map)]);
    let mapped = spec("kind = \"topic\"\nlabel_map = \"map.json\"");
    let task = prepare(&mapped, folder.path(), None).unwrap();
    assert_eq!(task.classes, ["medtop:07000000", "medtop:15000000"]);
    assert_eq!(
        task.examples.iter().map(|row| row.gold).collect::<Vec<_>>(),
        [1, 0]
    );
    assert_eq!(
        task.excluded.get("label geography has no counterpart"),
        Some(&1)
    );
}
