//! The README's table of results is the model card's: once it kept the numbers of the version before.

#![allow(clippy::unwrap_used)] // helpers of tests

use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// Cells of the rows of a table in Markdown.
fn rows(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| "));
    lines.map(|line| {
        line.trim_end_matches('|')
            .split('|')
            .map(str::trim)
            .collect()
    })
}

#[test]
fn results_are_those_of_the_model_card() {
    let (readme, card) = (read("README.md"), read("models/default/MODEL_CARD.md"));
    let (_, numbers) = readme.split_once("<!-- NUMBERS").unwrap();
    let (numbers, _) = numbers.split_once("\n## ").unwrap();
    let mut compared = 0;
    for row in rows(numbers) {
        let [task, .., score, baseline] = row[..] else {
            panic!("{row:?} is no result");
        };
        // Of one language alone, or of one side of a retrieval: the card has the mean.
        if !score.contains('(') || task == "task" {
            continue;
        }
        let task = task.split(',').next().unwrap();
        let known = rows(&card).find(|known| known[0] == task && known.contains(&score));
        let known = known.unwrap_or_else(|| panic!("{task}: {score} is not the card's"));
        let baseline = format!("TF-IDF + LR {baseline}");
        assert!(
            known.iter().any(|cell| cell.contains(&baseline)),
            "{task}: {baseline} is not the card's {known:?}"
        );
        compared += 1;
    }
    assert!(compared >= 10, "{compared} results compared");
}
