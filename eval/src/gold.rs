//! A user's own labels: what to run on fifty documents before trusting a model.
//!
//! Three forms are read: rows of the unified form (`{"text", "target", "stance", …}`),
//! documents as the product takes them with a label per actor (`{"text", "actors": [{"id",
//! "names", "spans", "stance"}]}`), and CSV with the columns `text`, `target`, `stance` and,
//! if wanted, `id`, `lang` and `names` (split by `|`).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::data::{
    Example, Kind, Level, STANCE_CLASSES, Spans, Task, TaskSpec, read_text, revision,
};
use crate::error::EvalError;
use crate::metrics::Metric;
use crate::run::TaskResult;

/// A line of a JSONL file in either form.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    id: Option<String>,
    #[serde(default, alias = "language")]
    lang: Option<String>,
    text: String,
    #[serde(default)]
    target: Option<String>,
    #[serde(default)]
    target_alt: Option<String>,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default, alias = "spans")]
    span: Option<Spans>,
    #[serde(default)]
    stance: Option<String>,
    #[serde(default)]
    stance_of: Option<String>,
    #[serde(default)]
    actors: Vec<LabelledActor>,
}

#[derive(Deserialize)]
struct LabelledActor {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    spans: Option<Spans>,
    #[serde(default)]
    stance: Option<String>,
}

/// A row of a CSV file.
#[derive(Deserialize)]
struct Record {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    lang: Option<String>,
    text: String,
    target: String,
    #[serde(default)]
    names: Option<String>,
    stance: String,
}

/// Reads a file of labels as a task. Rows without a label are left out and counted; a label
/// that is no stance is an error with its line.
pub fn read_gold(path: &Path) -> Result<Task, EvalError> {
    let text = read_text(path)?;
    let mut gold = Gold {
        path,
        examples: Vec::new(),
        excluded: BTreeMap::new(),
    };
    let packed = path.extension().is_some_and(|end| end == "zst");
    let inner = if packed {
        path.with_extension("")
    } else {
        path.to_owned()
    };
    if inner
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("csv"))
    {
        gold.read_csv(&text)?;
    } else {
        gold.read_jsonl(&text)?;
    }
    let Gold {
        examples, excluded, ..
    } = gold;
    if examples.is_empty() {
        return Err(EvalError::Empty {
            task: path.display().to_string(),
            why: format!("left out: {excluded:?}"),
        });
    }
    Ok(Task {
        classes: STANCE_CLASSES.map(str::to_owned).to_vec(),
        allowed: vec![true; STANCE_CLASSES.len()],
        examples,
        train: Vec::new(),
        revision: revision(&[PathBuf::from(path)])?,
        excluded,
    })
}

/// The task of a file of labels.
pub fn gold_spec(path: &Path) -> TaskSpec {
    let name = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    TaskSpec {
        name: name.clone(),
        kind: Kind::Stance,
        group: "gold".to_owned(),
        level: Level::Document,
        files: vec![name],
        train: Vec::new(),
        split: crate::data::Split::Files,
        holder: crate::data::HolderRule::Exclude,
        labels: BTreeMap::new(),
        classes: Vec::new(),
        aliases: BTreeMap::new(),
        context: false,
        label_map: None,
        max_rows: None,
        metric: Metric::MacroF1,
        bars: Vec::new(),
        published: Vec::new(),
        note: Some(
            "The majority baseline is that of these very labels, which flatters it.".to_owned(),
        ),
    }
}

struct Gold<'a> {
    path: &'a Path,
    examples: Vec<Example>,
    excluded: BTreeMap<String, usize>,
}

impl Gold<'_> {
    fn read_jsonl(&mut self, text: &str) -> Result<(), EvalError> {
        for (index, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty())
        {
            let number = index + 1;
            let row: Line =
                serde_json::from_str(line).map_err(|error| self.bad(number, error.to_string()))?;
            let id = row.id.unwrap_or_else(|| number.to_string());
            if row.stance_of.as_deref() == Some("holder") {
                self.exclude("stance of a party");
                continue;
            }
            let base = Example {
                lang: language(row.lang, &row.text),
                text: row.text,
                ..Example::default()
            };
            if let Some(target) = row.target {
                let mut names = vec![target.clone()];
                names.extend(row.target_alt);
                names.extend(row.names);
                let spans = row.span.map(|span| span.to_vec()).unwrap_or_default();
                let example = Example {
                    id: id.clone(),
                    target,
                    names,
                    spans,
                    ..base.clone()
                };
                self.push(number, example, row.stance.as_deref())?;
            } else if row.actors.is_empty() {
                return Err(self.bad(number, "neither a target nor actors".to_owned()));
            }
            for actor in row.actors {
                let mut names = actor.names;
                if names.is_empty() {
                    names.push(actor.id.clone());
                }
                let example = Example {
                    id: format!("{id}/{}", actor.id),
                    target: actor.id,
                    names,
                    spans: actor.spans.map(|spans| spans.to_vec()).unwrap_or_default(),
                    ..base.clone()
                };
                self.push(number, example, actor.stance.as_deref())?;
            }
        }
        Ok(())
    }

    fn read_csv(&mut self, text: &str) -> Result<(), EvalError> {
        let mut reader = csv::Reader::from_reader(text.trim_start_matches('\u{feff}').as_bytes());
        for (index, record) in reader.deserialize::<Record>().enumerate() {
            let record = record.map_err(|error| {
                let line = error
                    .position()
                    .map_or(index + 2, |position| position.line() as usize);
                self.bad(line, error.to_string())
            })?;
            let mut names = vec![record.target.clone()];
            let more = record.names.unwrap_or_default();
            names.extend(
                more.split('|')
                    .map(str::trim)
                    .filter(|name| !name.is_empty())
                    .map(str::to_owned),
            );
            let example = Example {
                id: record.id.unwrap_or_else(|| (index + 1).to_string()),
                lang: language(record.lang, &record.text),
                text: record.text,
                target: record.target,
                names,
                ..Example::default()
            };
            self.push(index + 2, example, Some(&record.stance))?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        line: usize,
        example: Example,
        label: Option<&str>,
    ) -> Result<(), EvalError> {
        let label = label
            .map(|label| label.trim().to_lowercase())
            .unwrap_or_default();
        let gold = match label.as_str() {
            "" => {
                self.exclude("no label");
                return Ok(());
            }
            "favor" | "favour" | "pro" | "positive" => 0,
            "against" | "con" | "anti" | "negative" => 1,
            "neutral" | "none" => 2,
            _ => {
                return Err(self.bad(
                    line,
                    format!("'{label}' is no stance (favor, against, neutral)"),
                ));
            }
        };
        if example.text.trim().is_empty() {
            return Err(self.bad(line, "the text is empty".to_owned()));
        }
        self.examples.push(Example { gold, ..example });
        Ok(())
    }

    fn exclude(&mut self, reason: &str) {
        *self.excluded.entry(reason.to_owned()).or_default() += 1;
    }

    fn bad(&self, line: usize, message: String) -> EvalError {
        EvalError::Row {
            path: self.path.to_owned(),
            line,
            message,
        }
    }
}

fn language(given: Option<String>, text: &str) -> String {
    given
        .filter(|code| !code.is_empty())
        .unwrap_or_else(|| stance::text::identify(text).code.to_owned())
}

/// The rows on which the model is surest and wrong: the first to look at, for either the
/// model or the label errs. At most `count`, with the start of the text.
pub fn disagreements(task: &Task, result: &TaskResult, count: usize) -> String {
    let Some(model) = result.model() else {
        return String::new();
    };
    let mut wrong: Vec<(f64, usize, usize)> = Vec::new();
    for (row, (example, probabilities)) in
        task.examples.iter().zip(&model.probabilities).enumerate()
    {
        let best =
            (0..probabilities.len()).max_by(|&a, &b| probabilities[a].total_cmp(&probabilities[b]));
        if let Some(best) = best.filter(|&best| best != example.gold) {
            wrong.push((probabilities[best], row, best));
        }
    }
    wrong.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut out = String::new();
    for &(probability, row, best) in wrong.iter().take(count) {
        let example = &task.examples[row];
        let start: String = example
            .text
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        let start: String = start.chars().take(90).collect();
        // writing to a string cannot fail
        let _ = writeln!(
            out,
            "{:.2} {:7} labelled {:7}  {} → {}: {start}",
            probability,
            STANCE_CLASSES[best],
            STANCE_CLASSES[example.gold],
            example.id,
            example.target
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, text: &str) -> Result<Task, EvalError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        read_gold(&path)
    }

    #[test]
    fn all_three_forms_give_the_same_examples() {
        let row =
            r#"{"id":"1","lang":"en","text":"Arland helps","target":"Arland","stance":"Favour"}"#;
        let document = r#"{"id":"1","language":"en","text":"Arland helps","actors":[{"id":"Arland","stance":"favor"},{"id":"b","names":["Borland"]}]}"#;
        let table = "id,lang,text,target,stance,names\n1,en,Arland helps,Arland,positive,Arlanders | The Arlands\n";
        let row = read("a.jsonl", row).unwrap();
        let document = read("b.jsonl", document).unwrap();
        let table = read("c.csv", table).unwrap();
        assert_eq!(row.examples[0].names, ["Arland"]);
        assert_eq!(document.examples[0].id, "1/Arland");
        assert_eq!(document.excluded.get("no label"), Some(&1));
        assert_eq!(
            table.examples[0].names,
            ["Arland", "Arlanders", "The Arlands"]
        );
        for task in [&row, &document, &table] {
            assert_eq!((task.examples.len(), task.examples[0].gold), (1, 0));
            assert_eq!(task.examples[0].text, "Arland helps");
        }
    }

    #[test]
    fn the_language_is_identified_when_it_is_not_given() {
        let text = "{\"text\":\"Правительство Арландии помогло всем соседям после наводнения\",\"target\":\"Арландия\",\"stance\":\"favor\"}";
        assert_eq!(read("a.jsonl", text).unwrap().examples[0].lang, "ru");
    }

    #[test]
    fn mistakes_are_named_with_their_line() {
        let line = |name: &str, text: &str| match read(name, text).unwrap_err() {
            EvalError::Row { line, .. } => line,
            other => panic!("{other}"),
        };
        let good = "{\"text\":\"a\",\"target\":\"b\",\"stance\":\"favor\"}\n";
        assert_eq!(
            line(
                "a.jsonl",
                &format!("{good}{}", good.replace("favor", "maybe"))
            ),
            2
        );
        assert_eq!(line("a.jsonl", "{\"text\":\"a\"}"), 1);
        assert_eq!(
            line("a.csv", "text,target,stance\na,b,favor\na,b,maybe\n"),
            3
        );
        assert_eq!(line("a.csv", "text,target,stance\na,b\n"), 2);
        assert!(matches!(
            read("a.jsonl", "\n"),
            Err(EvalError::Empty { .. })
        ));
    }
}
