//! Label Studio's JSON export: an array of tasks.
//!
//! `data` holds the text (`text`) and may hold `target`, `lang`, `context`, `doc`. Of each
//! task the first annotation that was not cancelled is read: its `labels` regions become a
//! stance toward the marked words each (regions with the same words are one target), its
//! `choices` become the stance toward `data.target`, or the topic when the control is named
//! `topic`. Offsets are characters, as Label Studio counts them.

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Defaults, Draft, Row};
use crate::data::DataError;
use crate::data::lines;

#[derive(Deserialize)]
struct Task {
    id: Option<Value>,
    data: Value,
    #[serde(default)]
    annotations: Vec<Annotation>,
}

#[derive(Deserialize)]
struct Annotation {
    #[serde(default)]
    was_cancelled: bool,
    #[serde(default)]
    result: Vec<Region>,
}

#[derive(Deserialize)]
struct Region {
    #[serde(default)]
    from_name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    value: RegionValue,
}

#[derive(Deserialize, Default)]
struct RegionValue {
    start: Option<usize>,
    end: Option<usize>,
    text: Option<Value>,
    #[serde(default)]
    labels: Vec<String>,
    #[serde(default)]
    choices: Vec<String>,
}

/// Reads every task; row numbers count tasks from 1. A task without annotation gives no row.
pub fn read(path: &Path, defaults: &Defaults) -> Result<Vec<Result<Row, DataError>>, DataError> {
    let text = lines::read_to_string(path)?;
    let tasks: Vec<Value> = serde_json::from_str(&text)
        .map_err(|error| DataError::file(path, format!("expected an array of tasks: {error}")))?;
    let mut rows = Vec::new();
    for (index, task) in tasks.into_iter().enumerate() {
        let number = index + 1;
        let fault = |message: String| DataError::row(path, number, message);
        match serde_json::from_value::<Task>(task) {
            Err(error) => rows.push(Err(fault(error.to_string()))),
            Ok(task) => match drafts(&task) {
                Err(message) => rows.push(Err(fault(message))),
                Ok(drafts) => {
                    rows.extend(
                        drafts
                            .into_iter()
                            .map(|draft| draft.finish(path, number, defaults).map_err(fault)),
                    );
                }
            },
        }
    }
    Ok(rows)
}

fn drafts(task: &Task) -> Result<Vec<Draft>, String> {
    let field = |name: &str| {
        task.data
            .get(name)
            .and_then(Value::as_str)
            .map(str::to_owned)
    };
    let text = field("text").ok_or("data.text is missing")?;
    let id = task
        .id
        .as_ref()
        .map(|id| id.as_str().map_or_else(|| id.to_string(), str::to_owned));
    let draft = |suffix: usize| Draft {
        id: id.as_ref().map(|id| {
            if suffix == 0 {
                id.clone()
            } else {
                format!("{id}-{suffix}")
            }
        }),
        lang: field("lang").or_else(|| field("language")),
        text: text.clone(),
        context: field("context"),
        doc: field("doc"),
        kind: field("target_kind"),
        ..Draft::default()
    };
    let Some(annotation) = task
        .annotations
        .iter()
        .find(|annotation| !annotation.was_cancelled)
    else {
        return Ok(Vec::new());
    };
    let mut drafts: Vec<Draft> = Vec::new();
    for region in &annotation.result {
        match region.kind.as_str() {
            "labels" | "hypertextlabels" => {
                let (Some(start), Some(end)) = (region.value.start, region.value.end) else {
                    return Err("a labels region has no start and end".to_owned());
                };
                let label = region
                    .value
                    .labels
                    .first()
                    .ok_or("a labels region has no label")?;
                let marked: String = text
                    .chars()
                    .skip(start)
                    .take(end.saturating_sub(start))
                    .collect();
                let target = region
                    .value
                    .text
                    .as_ref()
                    .and_then(Value::as_str)
                    .map_or(marked, |text| text.trim().to_owned());
                let known = drafts
                    .iter_mut()
                    .find(|draft| draft.target.as_deref() == Some(target.as_str()));
                if let Some(known) = known {
                    if known.stance.as_deref() != Some(label) {
                        return Err(format!("{target:?} has two different labels"));
                    }
                    known.spans.push([start, end]);
                } else {
                    let mut new = draft(drafts.len());
                    new.target = Some(target);
                    new.stance = Some(label.clone());
                    new.spans.push([start, end]);
                    drafts.push(new);
                }
            }
            "choices" => {
                let mut new = draft(drafts.len());
                let choice = region.value.choices.first().ok_or("choices is empty")?;
                if region.from_name == "topic" {
                    new.topic = Some(choice.clone());
                } else {
                    new.target = field("target");
                    new.stance = Some(choice.clone());
                }
                drafts.push(new);
            }
            _ => {}
        }
    }
    Ok(drafts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use stance::prediction::Stance;

    fn rows(text: &str) -> Vec<Result<Row, DataError>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.json");
        std::fs::write(&path, text).unwrap();
        read(&path, &Defaults::default()).unwrap()
    }

    #[test]
    fn regions_and_choices_become_rows() {
        let rows = rows(
            r#"[{"id": 7, "data": {"text": "Oslo scolds Rome. Rome shrugs.", "lang": "en"},
              "annotations": [{"was_cancelled": true, "result": []}, {"result": [
                {"from_name": "s", "type": "labels",
                 "value": {"start": 12, "end": 16, "text": "Rome", "labels": ["Against"]}},
                {"from_name": "s", "type": "labels",
                 "value": {"start": 18, "end": 22, "text": "Rome", "labels": ["Against"]}},
                {"from_name": "s", "type": "labels",
                 "value": {"start": 0, "end": 4, "text": "Oslo", "labels": ["Neutral"]}},
                {"from_name": "topic", "type": "choices", "value": {"choices": ["politics"]}}]}]},
              {"id": 8, "data": {"text": "Good.", "target": "Rome", "lang": "en"},
               "annotations": [{"result": [
                {"from_name": "stance", "type": "choices", "value": {"choices": ["favor"]}}]}]},
              {"id": 9, "data": {"text": "Nobody looked at this."}, "annotations": []}]"#,
        );
        let rows: Vec<Row> = rows.into_iter().map(Result::unwrap).collect();
        assert_eq!(rows.len(), 4);
        let Row::Stance(rome) = &rows[0] else {
            panic!("{rows:?}")
        };
        assert_eq!((&*rome.target, rome.stance), ("Rome", Stance::Against));
        assert_eq!(rome.spans, [[12, 16], [18, 22]]);
        assert!(matches!(&rows[1], Row::Stance(row) if row.target == "Oslo"));
        assert!(matches!(&rows[2], Row::Topic(row) if row.topic == "politics"));
        assert!(matches!(&rows[3], Row::Stance(row) if row.stance == Stance::Favor));
    }

    #[test]
    fn a_bad_task_is_named_and_the_next_is_read() {
        let rows = rows(
            r#"[{"data": {"body": "x"}, "annotations": [{"result": []}]},
               {"id": 2, "data": {"text": "Good.", "lang": "en"}, "annotations": [{"result": [
                {"type": "choices", "value": {"choices": ["favor"]}}]}]}]"#,
        );
        let messages: Vec<String> = rows
            .iter()
            .map(|row| row.as_ref().unwrap_err().to_string())
            .collect();
        assert!(
            messages[0].contains("row 1: data.text is missing"),
            "{messages:?}"
        );
        assert!(
            messages[1].contains("row 2: target is missing"),
            "{messages:?}"
        );
    }
}
