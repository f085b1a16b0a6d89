//! Rows as Argilla exports them and as Hugging Face data sets hold them.
//!
//! Argilla: `fields.text`, `fields.target` (or both under `metadata`), and `responses` to the
//! questions `stance` (or `label`) and `topic`, either a list per question (version 2) or a
//! list of `values` (version 1). Of several submitted answers the most frequent counts, its
//! share becomes the agreement; a tie is an error. Without responses, a `suggestions` value
//! counts.
//!
//! Hugging Face: flat columns `text` (or `sentence`, `tweet`, `content`), `target` (or
//! `entity`), `stance` (or `label`), `topic`; numeric labels need their names
//! ([`Defaults::labels`]).

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::{Defaults, Draft, Row};

/// Reads one row of either form.
pub fn row(value: &Value, path: &Path, number: usize, defaults: &Defaults) -> Result<Row, String> {
    let draft = if value.get("fields").is_some() {
        argilla(value, defaults)?
    } else if value.is_object() {
        flat(value, defaults)?
    } else {
        return Err("expected an object".to_owned());
    };
    draft.finish(path, number, defaults)
}

fn flat(value: &Value, defaults: &Defaults) -> Result<Draft, String> {
    let first = |names: &[&str]| names.iter().find_map(|name| text_of(value.get(name)?));
    let label = ["stance", "label"].iter().find_map(|name| value.get(name));
    Ok(Draft {
        id: first(&["id"]),
        lang: first(&["lang", "language"]),
        text: first(&["text", "sentence", "tweet", "content"]).ok_or("text is missing")?,
        target: first(&["target", "entity"]),
        target_alt: first(&["target_alt"]),
        spans: spans(value)?,
        stance: label
            .map(|label| name_of(label, &defaults.labels))
            .transpose()?,
        topic: first(&["topic"]),
        kind: first(&["target_kind"]),
        context: first(&["context"]),
        doc: first(&["doc"]),
        agreement: None,
    })
}

fn argilla(value: &Value, defaults: &Defaults) -> Result<Draft, String> {
    let field = |name: &str| {
        ["fields", "metadata"]
            .iter()
            .find_map(|part| text_of(value.get(part)?.get(name)?))
    };
    let (stance, agreement) = match answer(value, "stance", defaults)? {
        Some(found) => Some(found),
        None => answer(value, "label", defaults)?,
    }
    .unzip();
    let topic = answer(value, "topic", defaults)?.map(|(topic, _)| topic);
    Ok(Draft {
        id: value.get("id").and_then(text_of),
        lang: field("lang").or_else(|| field("language")),
        text: field("text").ok_or("fields.text is missing")?,
        target: field("target"),
        target_alt: field("target_alt"),
        spans: spans(value.get("metadata").unwrap_or(&Value::Null))?,
        stance,
        topic,
        kind: field("target_kind"),
        context: field("context"),
        doc: field("doc"),
        agreement,
    })
}

/// The most frequent submitted answer to a question with its share, or the suggestion.
fn answer(
    value: &Value,
    question: &str,
    defaults: &Defaults,
) -> Result<Option<(String, f32)>, String> {
    let submitted = |answer: &&Value| {
        answer
            .get("status")
            .and_then(Value::as_str)
            .is_none_or(|status| status == "submitted")
    };
    let answers: Vec<&Value> = match value.get("responses") {
        Some(Value::Object(by_question)) => by_question
            .get(question)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(submitted)
            .filter_map(|answer| answer.get("value"))
            .collect(),
        Some(Value::Array(by_user)) => by_user
            .iter()
            .filter(submitted)
            .filter_map(|answer| answer.get("values")?.get(question)?.get("value"))
            .collect(),
        _ => Vec::new(),
    };
    let mut votes: BTreeMap<String, usize> = BTreeMap::new();
    for answer in &answers {
        *votes.entry(name_of(answer, &defaults.labels)?).or_default() += 1;
    }
    let most = votes.values().copied().max().unwrap_or(0);
    let mut winners = votes.into_iter().filter(|(_, count)| *count == most);
    match (winners.next(), winners.next()) {
        (Some(_), Some(_)) => Err(format!("responses to {question} are tied")),
        (Some((label, count)), None) => Ok(Some((label, count as f32 / answers.len() as f32))),
        (None, _) => value
            .get("suggestions")
            .and_then(|suggestions| suggestions.get(question)?.get("value"))
            .map(|suggestion| Ok((name_of(suggestion, &defaults.labels)?, 1.0)))
            .transpose(),
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn spans(value: &Value) -> Result<Vec<[usize; 2]>, String> {
    let Some(spans) = ["span", "spans"].iter().find_map(|name| value.get(name)) else {
        return Ok(Vec::new());
    };
    serde_json::from_value::<[usize; 2]>(spans.clone())
        .map(|span| vec![span])
        .or_else(|_| serde_json::from_value(spans.clone()))
        .map_err(|_| "spans: expected [start, end] or a list of them".to_owned())
}

/// A label's name; a number is looked up in `names`.
fn name_of(label: &Value, names: &[String]) -> Result<String, String> {
    match label {
        Value::String(name) => Ok(name.clone()),
        Value::Number(number) => number
            .as_u64()
            .and_then(|number| names.get(number as usize).cloned())
            .ok_or_else(|| format!("label {number} has no name: give the names of the labels")),
        other => Err(format!("label {other} is neither text nor number")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use stance::prediction::Stance;

    fn read(value: &Value, labels: &[&str]) -> Result<Row, String> {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        let defaults = Defaults {
            lang: Some("en".to_owned()),
            labels,
            ..Defaults::default()
        };
        row(value, Path::new("set.jsonl"), 4, &defaults)
    }

    #[test]
    fn argilla_answers_are_counted_in_both_versions() {
        let text = json!({"text": "Rome won.", "target": "Rome"});
        let two = json!({"id": "r1", "fields": text, "responses": {"stance": [
            {"value": "favor", "status": "submitted"}, {"value": "favor", "status": "submitted"},
            {"value": "against", "status": "submitted"}, {"value": "against", "status": "draft"}]}});
        let Ok(Row::Stance(row)) = read(&two, &[]) else {
            panic!()
        };
        assert_eq!((row.stance, &*row.id), (Stance::Favor, "r1"));
        assert!((row.agreement.unwrap() - 2.0 / 3.0).abs() < 1e-6);

        let one = json!({"fields": text, "responses": [
            {"values": {"stance": {"value": "against"}}, "status": "submitted"}]});
        assert!(matches!(read(&one, &[]), Ok(Row::Stance(row)) if row.stance == Stance::Against));

        let tie = json!({"fields": text, "responses": {"stance": [
            {"value": "favor"}, {"value": "against"}]}});
        assert_eq!(read(&tie, &[]).unwrap_err(), "responses to stance are tied");

        let suggested = json!({"fields": text, "responses": {},
            "suggestions": {"stance": {"value": "neutral"}}});
        assert!(matches!(read(&suggested, &[]), Ok(Row::Stance(row)) if row.id == "set:4"));
    }

    #[test]
    fn flat_rows_with_numeric_labels_need_names() {
        let value = json!({"tweet": "Rome won.", "target": "Rome", "label": 2, "span": [0, 4]});
        let Ok(Row::Stance(row)) = read(&value, &["against", "neutral", "favor"]) else {
            panic!()
        };
        assert_eq!((row.stance, row.spans), (Stance::Favor, vec![[0, 4]]));
        assert!(
            read(&value, &[])
                .unwrap_err()
                .contains("label 2 has no name")
        );
        let topic = json!({"text": "Rome won.", "topic": "sport"});
        assert!(matches!(read(&topic, &[]), Ok(Row::Topic(_))));
        assert!(
            read(&json!({"text": "Rome won."}), &[])
                .unwrap_err()
                .contains("neither stance")
        );
    }
}
