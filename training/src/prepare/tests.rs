//! The whole stage on a small data folder.

use super::*;
use crate::data::examples::{StanceExample, TopicExample};

fn stance_row(id: &str, text: &str, target: &str, stance: &str) -> String {
    serde_json::json!({"id": id, "dataset": "newsmtsc", "lang": "en", "text": text,
        "target": target, "span": [0, 4], "stance": stance, "target_kind": "actor"})
    .to_string()
}

fn topic_row(id: &str, text: &str, topic: &str) -> String {
    serde_json::json!({"id": id, "dataset": "sib200", "lang": "arb_Arab", "text": text,
        "topic": topic})
    .to_string()
}

fn write(data: &Path, name: &str, rows: &[String]) {
    let path = data.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, rows.join("\n")).unwrap();
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path();
    write(
        data,
        "stance/train/newsmtsc/train.jsonl",
        &[
            stance_row("1", "Rome praised Oslo on Monday.", "Rome", "neutral"),
            stance_row("2", "Rome praised Oslo on Monday.", "Oslo", "favor"),
            stance_row("3", "Rome praised Oslo on Monday.", "Oslo", "favor"),
            stance_row("4", "Bonn is a quiet little town.", "Bonn", "favor"),
            stance_row("5", "Bonn is a quiet little town.", "Bonn", "against"),
            stance_row("6", "Kyiv answered within a day.", "Kyiv", "favor"),
            stance_row("7", "Riga measured twice, they say.", "Riga", "favor"),
        ],
    );
    write(
        data,
        "stance/train/newsmtsc/test.jsonl",
        &[stance_row(
            "8",
            "Kyiv answered, within a day!",
            "Kyiv",
            "against",
        )],
    );
    write(
        data,
        "stance/measure/other/test.jsonl",
        &[stance_row(
            "9",
            "Riga measured twice they say",
            "Riga",
            "against",
        )],
    );
    write(
        data,
        "topic/sib200/train.jsonl",
        &[
            topic_row("1", "فاز الفريق في المباراة", "sports"),
            topic_row("2", "فاز الفريق في المباراة", "sports"),
            topic_row("3", "نهر طويل في الشمال", "geography"),
        ],
    );
    write(
        data,
        "topic/sib200/dev.jsonl",
        &[topic_row("4", "اجتمع الوزراء اليوم", "politics")],
    );
    write(
        data,
        "topic/taxonomy/label_map_to_iptc.json",
        &[
            r#"{"sib200": {"sports": "medtop:15000000", "politics": "medtop:11000000",
            "geography": null}}"#
                .to_owned(),
        ],
    );
    folder
}

#[test]
fn rows_are_grouped_deduplicated_and_kept_from_the_test() {
    let folder = folder();
    let out = folder.path().join("out");
    let extra = folder.path().join("mine.csv");
    std::fs::write(
        &extra,
        "text,target,stance,lang\nBonn waits.,Bonn,neutral,en\n",
    )
    .unwrap();
    let args = Args {
        data: folder.path().to_owned(),
        out: out.clone(),
        extra: vec![extra],
        unseen_targets: 0.0,
    };
    run(&args).unwrap();
    let train: Vec<StanceExample> = examples::read(&out.join("stance.jsonl")).unwrap();
    assert_eq!(train.len(), 2, "{train:?}");
    let names: Vec<&str> = train[0]
        .targets
        .iter()
        .map(|target| &*target.name)
        .collect();
    assert_eq!(names, ["Rome", "Oslo"]);
    assert_eq!(train[1].dataset, "mine");
    let test: Vec<StanceExample> = examples::read(&out.join("stance_test.jsonl")).unwrap();
    assert_eq!(test.len(), 1);
    let topics: Vec<TopicExample> = examples::read(&out.join("topic.jsonl")).unwrap();
    assert_eq!(
        (topics.len(), &*topics[0].lang, &*topics[0].topic),
        (1, "ar", "medtop:15000000")
    );

    let report: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    let set = &report["stance"]["newsmtsc"];
    let counts = [
        "read",
        "leaked",
        "repeated",
        "contradictory",
        "train",
        "test",
    ]
    .map(|name| set[name].as_u64().unwrap());
    assert_eq!(counts, [8, 2, 1, 2, 2, 1]);
    assert_eq!(report["topic"]["sib200"]["unmapped"], 1);
    assert_eq!(report["topic"]["sib200"]["repeated"], 1);

    let hash = report["data_hash"].clone();
    run(&args).unwrap();
    let again: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(hash, again["data_hash"], "the same data has the same hash");
}

#[test]
fn held_out_targets_leave_training() {
    let folder = folder();
    let out = folder.path().join("out");
    let args = Args {
        data: folder.path().to_owned(),
        out: out.clone(),
        extra: Vec::new(),
        unseen_targets: 1.0,
    };
    run(&args).unwrap();
    let train: Vec<StanceExample> = examples::read(&out.join("stance.jsonl")).unwrap();
    let unseen: Vec<StanceExample> = examples::read(&out.join("stance_unseen.jsonl")).unwrap();
    assert!(train.is_empty());
    assert_eq!(
        unseen
            .iter()
            .map(|example| example.targets.len())
            .sum::<usize>(),
        2
    );
}

#[test]
fn a_file_with_many_bad_rows_is_refused() {
    let folder = folder();
    write(
        folder.path(),
        "stance/train/newsmtsc/dev.jsonl",
        &[
            stance_row("1", "Fine text here.", "Fine", "favor"),
            "{}".to_owned(),
        ],
    );
    let args = Args {
        data: folder.path().to_owned(),
        out: folder.path().join("out"),
        extra: Vec::new(),
        unseen_targets: 0.0,
    };
    let error = run(&args).unwrap_err().to_string();
    assert!(error.contains("dev.jsonl, row 2: missing field"), "{error}");
}
