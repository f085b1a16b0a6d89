use super::*;
use crate::run::{ModelCard, RunResult};

/// Knows the gold label from the text and lets the target's name decide whether to say so.
struct Oracle;

impl Judge for Oracle {
    fn card(&self) -> ModelCard {
        ModelCard {
            name: "oracle".to_owned(),
            version: "1".to_owned(),
            sha256: "0".repeat(64),
        }
    }

    fn stances(&self, examples: &[Example]) -> Vec<Answer> {
        let answer = |example: &Example| {
            if example.text.contains("broken") {
                return Answer::failed(3, "cannot read".to_owned());
            }
            let knows = example.names.contains(&"Arland".to_owned());
            let favor = if knows && example.text.contains("good") {
                0.8
            } else {
                0.1
            };
            Answer::new(vec![favor, 0.9 - favor, 0.1])
        };
        examples.iter().map(answer).collect()
    }

    fn topics(&self, texts: &[&str]) -> Vec<Result<BTreeMap<String, f64>, String>> {
        let topics = [
            ("medtop:15000000", 0.2),
            ("medtop:99", 0.7),
            ("medtop:07000000", 0.1),
        ];
        let topics: BTreeMap<String, f64> = topics
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        texts.iter().map(|_| Ok(topics.clone())).collect()
    }

    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EvalError> {
        // a sentence and its translation share their first number
        let number = |text: &str| {
            let number: String = text.chars().filter(char::is_ascii_digit).collect();
            number.parse::<f32>().unwrap_or(0.0)
        };
        Ok(texts
            .iter()
            .map(|text| vec![number(text).cos(), number(text).sin()])
            .collect())
    }
}

const SUITE: &str = "name = \"s\"\nmin_cell = 2\nbootstrap = { samples = 50, seed = 1 }\n";

fn suite(task: &str) -> Suite {
    toml::from_str(&format!(
        "{SUITE}[[task]]\nname = \"t\"\ngroup = \"g\"\n{task}"
    ))
    .unwrap()
}

fn rows() -> String {
    let row = |index: usize| {
        let (word, stance) = if index.is_multiple_of(2) {
            ("good", "favor")
        } else {
            ("bad", "against")
        };
        format!(
            "{{\"id\":\"{index}\",\"lang\":\"en\",\"text\":\"Arland is {word} {index}\",\"target\":\"Arland\",\"stance\":\"{stance}\"}}\n"
        )
    };
    let mut rows: String = (0..40).map(row).collect();
    rows.push_str("{\"id\":\"x\",\"lang\":\"en\",\"text\":\"broken\",\"target\":\"Arland\",\"stance\":\"neutral\"}\n");
    rows
}

#[test]
fn every_system_is_scored_on_the_same_rows() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), rows()).unwrap();
    let suite = suite(
        "kind = \"stance\"\nfiles = [\"a.jsonl\"]\ntrain = [\"a.jsonl\"]\nmetric = \"f1_favor_against\"\n\
         bar = [{ metric = \"accuracy\", value = 0.9 }, { metric = \"ece\", value = 0.01 }]",
    );
    let context = Context::of(&suite, folder.path(), Some(&Oracle));
    let result = run_task(&suite.tasks[0], context).unwrap();
    let names: Vec<&str> = result
        .systems
        .iter()
        .map(|system| system.system.as_str())
        .collect();
    assert_eq!(
        names,
        [
            "model",
            "target-blind",
            "name masked",
            "TF-IDF + LR",
            "lexicon",
            "majority"
        ]
    );
    let model = result.model().unwrap();
    assert!((model.scores["accuracy"] - 40.0 / 41.0).abs() < 1e-12);
    assert_eq!(
        (model.errors, model.first_error.as_deref()),
        (1, Some("cannot read"))
    );
    assert_eq!(model.abstained, [40]);
    assert!(result.bars[0].reached && !result.bars[1].reached);
    let blind = &result.systems[1];
    assert!(blind.scores["accuracy"] < 0.6);
    let gap = blind.model_minus_this.unwrap();
    assert!(gap.difference > 0.4 && gap.p_value < 0.1, "{gap:?}");
    let stored = model.stored_scores(3, &result.rows).unwrap();
    let all: Vec<usize> = (0..41).collect();
    assert_eq!(
        Metric::Accuracy.compute(&stored, &all),
        Some(model.scores["accuracy"])
    );
    assert_eq!(result.document_groups().len(), 41);
}

#[test]
fn classes_that_a_task_does_not_have_are_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    let rows = rows()
        .replace("broken", "fine")
        .replace("\"neutral\"", "\"against\"");
    std::fs::write(folder.path().join("a.jsonl"), rows).unwrap();
    let suite = suite(
        "kind = \"stance\"\nfiles = [\"a.jsonl\"]\nclasses = [\"favor\", \"against\"]\nmetric = \"macro_f1\"",
    );
    let context = Context {
        baselines: &[],
        ..Context::of(&suite, folder.path(), Some(&Oracle))
    };
    let result = run_task(&suite.tasks[0], context).unwrap();
    let model = result.model().unwrap();
    assert!(model.probabilities.iter().all(|row| row[2] == 0.0));
    assert!((model.probabilities[0][0] - 0.88889).abs() < 1e-9);
}

#[test]
fn topics_are_chosen_among_those_of_the_task() {
    let folder = tempfile::tempdir().unwrap();
    let rows = "{\"dataset\":\"d\",\"lang\":\"en\",\"text\":\"a\",\"topic\":\"sports\"}\n\
                {\"dataset\":\"d\",\"lang\":\"en\",\"text\":\"b\",\"topic\":\"health\"}\n";
    std::fs::write(folder.path().join("a.jsonl"), rows).unwrap();
    let map = r#"{"d":{"sports":"medtop:15000000","health":"medtop:07000000"}}"#;
    std::fs::write(folder.path().join("map.json"), map).unwrap();
    let suite = suite(
        "kind = \"topic\"\nfiles = [\"a.jsonl\"]\nlabel_map = \"map.json\"\nmetric = \"accuracy\"",
    );
    let context = Context {
        baselines: &[],
        ..Context::of(&suite, folder.path(), Some(&Oracle))
    };
    let result = run_task(&suite.tasks[0], context).unwrap();
    let model = result.model().unwrap();
    assert!((model.scores["accuracy"] - 0.5).abs() < 1e-12);
    assert!(!model.scores.contains_key("f1_favor_against"));
    // 0.2 and 0.1 of the two topics that the task has
    assert!((model.probabilities[0][1] - 0.66667).abs() < 1e-9);
}

#[test]
fn translations_are_found_in_both_directions() {
    let folder = tempfile::tempdir().unwrap();
    let pairs: Vec<String> = (0..6).map(|n| format!("one {n}\tun {n}")).collect();
    std::fs::write(folder.path().join("en-fr.tsv"), pairs.join("\n")).unwrap();
    let suite = suite(
        "kind = \"retrieval\"\nfiles = [\"en-fr.tsv\"]\nmetric = \"accuracy\"\n\
         bar = [{ metric = \"accuracy\", value = 0.6, language = \"fr-en\" }]",
    );
    let result = run_task(
        &suite.tasks[0],
        Context::of(&suite, folder.path(), Some(&Oracle)),
    )
    .unwrap();
    let model = result.model().unwrap();
    let names: Vec<&str> = model.slices["language"]
        .iter()
        .map(|slice| slice.name.as_str())
        .collect();
    assert_eq!(names, ["en-fr", "fr-en"]);
    assert!((model.scores["accuracy"] - 1.0).abs() < 1e-12);
    assert!(result.bars[0].reached);
    let nobody = run_task(&suite.tasks[0], Context::of(&suite, folder.path(), None)).unwrap();
    assert!(nobody.systems.is_empty());
}

#[test]
fn results_survive_the_way_through_a_file() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.jsonl"), rows()).unwrap();
    let suite = suite("kind = \"stance\"\nfiles = [\"a.jsonl\"]\nmetric = \"macro_f1\"");
    let context = Context::of(&suite, folder.path(), Some(&Oracle));
    let run = RunResult {
        schema: crate::run::RESULTS_SCHEMA.to_owned(),
        tool_version: "0".to_owned(),
        suite: "s".to_owned(),
        min_cell: 2,
        started: 0,
        seconds: 0.0,
        model: Some(Oracle.card()),
        tasks: vec![run_task(&suite.tasks[0], context).unwrap()],
    };
    assert_eq!(run.file_stem(), "s-oracle-1-00000000");
    let path = folder.path().join("results").join("run.json");
    run.write(&path).unwrap();
    let read = RunResult::read(&path).unwrap();
    assert_eq!(read.tasks[0].rows, run.tasks[0].rows);
    assert_eq!(read.tasks[0].systems.len(), run.tasks[0].systems.len());
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(
        &path,
        text.replacen("\"schema\":\"1\"", "\"schema\":\"0\"", 1),
    )
    .unwrap();
    assert!(matches!(RunResult::read(&path), Err(EvalError::Results(_))));
}
