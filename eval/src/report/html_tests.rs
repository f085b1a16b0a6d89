use super::*;
use crate::data::{Suite, TaskSpec};
use crate::report::{summary_table, task_table};
use crate::run::{Context, RESULTS_SCHEMA, run_task};

fn run() -> RunResult {
    let folder = tempfile::tempdir().unwrap();
    let rows: Vec<String> = (0..60)
        .map(|row| {
            let (word, stance) = match row % 3 {
                0 => ("good", "favor"),
                1 => ("bad", "against"),
                _ => ("late", "neutral"),
            };
            let lang = if row % 2 == 0 { "en" } else { "fr" };
            let more = "again and ".repeat(if row < 20 { 12 } else { 0 });
            format!(
                "{{\"lang\":\"{lang}\",\"text\":\"A<b> is {more}{word} {row}\",\"target\":\"A<b>\",\"stance\":\"{stance}\"}}"
            )
        })
        .collect();
    std::fs::write(folder.path().join("a.jsonl"), rows.join("\n")).unwrap();
    let suite: Suite = toml::from_str(
        "name = \"s\"\nmin_cell = 10\nbootstrap = { samples = 20, seed = 1 }\n\
         [[task]]\nname = \"t\"\nkind = \"stance\"\ngroup = \"g\"\nfiles = [\"a.jsonl\"]\n\
         train = [\"a.jsonl\"]\nmetric = \"macro_f1\"\nnote = \"a <note>\"\n\
         published = [{ system = \"BERT\", metric = \"macro-F1\", value = 0.7, source = \"a paper\" }]",
    )
    .unwrap();
    let task: &TaskSpec = &suite.tasks[0];
    let result = run_task(task, Context::of(&suite, folder.path(), None)).unwrap();
    RunResult {
        schema: RESULTS_SCHEMA.to_owned(),
        tool_version: "0".to_owned(),
        suite: suite.name.clone(),
        min_cell: 10,
        started: 0,
        seconds: 1.0,
        model: None,
        tasks: vec![result],
    }
}

#[test]
fn the_page_stands_alone_and_escapes_what_it_shows() {
    let page = html_report(&run());
    for wanted in [
        "confusion matrix",
        "reliability diagram",
        "risk-coverage curve",
        "by language",
        "by length",
        "a &lt;note&gt;",
        "BERT",
    ] {
        assert!(page.contains(wanted), "{wanted}");
    }
    assert!(!page.contains("A<b>"));
    for loaded in ["src=", "http://", "https://", "<script", "@import"] {
        assert!(!page.contains(loaded), "{loaded}");
    }
    assert_eq!(page.matches("<svg").count(), page.matches("</svg>").count());
    assert_eq!(
        page.matches("<table").count(),
        page.matches("</table>").count()
    );
}

#[test]
fn the_tables_name_systems_and_published_values() {
    let run = run();
    let table = task_table(&run.tasks[0]);
    for wanted in [
        "precision",
        "TF-IDF + LR",
        "lexicon",
        "majority",
        "0.700  BERT",
        "60 rows",
    ] {
        assert!(table.contains(wanted), "{wanted} in\n{table}");
    }
    let summary = summary_table(&run);
    assert!(
        summary.lines().nth(1).unwrap().starts_with("t "),
        "{summary}"
    );
}
