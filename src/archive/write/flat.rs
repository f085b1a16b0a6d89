//! A row per document and actor, for spreadsheets.

use std::io::{self, Write};

use arrow_schema::DataType;
use serde_json::{Map, Value};

use super::super::extra::{INPUT, plain};
use crate::prediction::{AbstainReason, ActorStance, Prediction};

/// Columns of every row.
pub(super) const COLUMNS: [&str; 15] = [
    "id",
    "language",
    "topics",
    "windows",
    "actor_id",
    "actor_name",
    "actor_kind",
    "stance",
    "favor",
    "against",
    "neutral",
    "abstained",
    "reason",
    "mentions",
    "evidence",
];

/// Writes rows of text.
pub(in crate::archive) struct FlatWriter<W: Write> {
    out: csv::Writer<W>,
    /// Names of the further columns; `None` when they are JSON.
    extra: Option<Vec<String>>,
    json: bool,
}

impl<W: Write> FlatWriter<W> {
    pub(super) fn new(out: W, extra: Option<&DataType>, header: bool) -> io::Result<Self> {
        let mut writer = Self {
            out: csv::Writer::from_writer(out),
            extra: match extra {
                Some(DataType::Struct(fields)) => {
                    Some(fields.iter().map(|field| field.name().clone()).collect())
                }
                _ => None,
            },
            json: matches!(extra, Some(DataType::Utf8)),
        };
        if header {
            let mut names: Vec<String> = COLUMNS.map(str::to_owned).to_vec();
            match &writer.extra {
                Some(extra) => names.extend(extra.iter().map(|name| format!("{INPUT}.{name}"))),
                None => names.extend(writer.json.then(|| INPUT.to_owned())),
            }
            writer.out.write_record(names)?;
        }
        Ok(writer)
    }

    /// A row for each actor, or one without an actor when there is none: no document is lost.
    pub(super) fn write(
        &mut self,
        prediction: &Prediction,
        input: Option<&Map<String, Value>>,
    ) -> io::Result<()> {
        let topics: Vec<&str> = prediction
            .topics
            .iter()
            .map(|topic| topic.id.as_str())
            .collect();
        let document = [
            prediction.id.clone().unwrap_or_default(),
            prediction.language.code.clone(),
            topics.join(";"),
            prediction.windows.to_string(),
        ];
        let value = |name: &String| input.and_then(|row| row.get(name)).and_then(plain);
        let mut extra: Vec<String> = match &self.extra {
            Some(names) => names
                .iter()
                .map(|name| value(name).unwrap_or_default())
                .collect(),
            None => Vec::new(),
        };
        if self.json {
            extra.push(
                input
                    .map(|row| Value::from(row.clone()).to_string())
                    .unwrap_or_default(),
            );
        }
        let mut row = |actor: [String; 11]| {
            let cells = document.iter().chain(&actor).chain(&extra);
            self.out.write_record(cells)
        };
        if prediction.stances.is_empty() {
            row([const { String::new() }; 11])?;
        }
        for stance in &prediction.stances {
            row(actor_cells(stance))?;
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.out
            .into_inner()
            .map_err(csv::IntoInnerError::into_error)
    }
}

fn actor_cells(stance: &ActorStance) -> [String; 11] {
    let evidence = stance.evidence.first();
    [
        stance.actor.id.clone(),
        stance.actor.name.clone(),
        stance.actor.kind.clone(),
        stance.stance.as_str().to_owned(),
        stance.probabilities.favor.to_string(),
        stance.probabilities.against.to_string(),
        stance.probabilities.neutral.to_string(),
        stance.abstained.to_string(),
        stance.reason.map_or("", AbstainReason::as_str).to_owned(),
        stance.mentions.len().to_string(),
        evidence
            .map(|evidence| evidence.text.clone())
            .unwrap_or_default(),
    ]
}
