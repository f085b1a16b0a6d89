//! The table of predictions in Arrow and Parquet: its schema, and its arrays.
//!
//! docs/archive.md describes it for people. [`ARCHIVE_SCHEMA`] is raised when a column changes its
//! meaning or goes away.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, ListArray, RecordBatch, StringArray, StructArray,
    UInt32Array, UInt64Array,
};
use arrow_buffer::OffsetBuffer;
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef};

use super::extra::input_field;
use crate::document::OffsetUnit;
use crate::prediction::{
    AbstainReason, ActorStance, Evidence, MentionSpan, ModelInfo, Prediction, TopicScore, Warning,
};

/// Version of the table.
pub const ARCHIVE_SCHEMA: &str = "1";

fn field(name: &str, kind: DataType, nullable: bool) -> Field {
    Field::new(name, kind, nullable)
}

fn text(name: &str) -> Field {
    field(name, DataType::Utf8, false)
}

fn number(name: &str) -> Field {
    field(name, DataType::Float32, false)
}

fn structure(fields: Vec<Field>) -> DataType {
    DataType::Struct(Fields::from(fields))
}

fn list(entry: DataType) -> DataType {
    DataType::List(Arc::new(field("element", entry, false)))
}

fn language() -> DataType {
    structure(vec![text("code"), number("confidence")])
}

fn topic() -> DataType {
    structure(vec![text("id"), text("label"), number("probability")])
}

fn place(name: &str) -> Field {
    field(name, DataType::UInt64, false)
}

fn mention() -> DataType {
    let weak = field("weak", DataType::Boolean, false);
    structure(vec![place("start"), place("end"), text("text"), weak])
}

fn evidence() -> DataType {
    structure(vec![
        place("start"),
        place("end"),
        text("text"),
        text("stance"),
        number("probability"),
    ])
}

fn actor() -> DataType {
    structure(vec![text("id"), text("name"), text("kind")])
}

fn probabilities() -> DataType {
    structure(vec![number("favor"), number("against"), number("neutral")])
}

fn stance() -> DataType {
    structure(vec![
        field("actor", actor(), false),
        text("stance"),
        field("probabilities", probabilities(), false),
        field("abstained", DataType::Boolean, false),
        field("reason", DataType::Utf8, true),
        field("mentions", list(mention()), false),
        field("evidence", list(evidence()), false),
    ])
}

fn warning() -> DataType {
    structure(vec![text("code"), text("message")])
}

/// The columns of a prediction, in their order. All may be null: in a batch that keeps its rows,
/// those that failed are.
fn columns() -> Vec<Field> {
    vec![
        field("id", DataType::Utf8, true),
        field("language", language(), true),
        field("topics", list(topic()), true),
        field("stances", list(stance()), true),
        field("windows", DataType::UInt32, true),
        field("warnings", list(warning()), true),
        field("text", DataType::Utf8, true),
    ]
}

/// The schema of a table of predictions by a model, with the further columns of the input when
/// `extra` is their type.
pub fn archive_schema(model: &ModelInfo, unit: OffsetUnit, extra: Option<&DataType>) -> SchemaRef {
    let mut fields = columns();
    fields.extend(extra.map(input_field));
    let unit = match unit {
        OffsetUnit::Char => "char",
        OffsetUnit::Byte => "byte",
        OffsetUnit::Utf16 => "utf16",
    };
    let metadata = [
        ("stance.archive_schema", ARCHIVE_SCHEMA),
        ("stance.offset_unit", unit),
        ("stance.model.name", &model.name),
        ("stance.model.version", &model.version),
        ("stance.model.sha256", &model.sha256),
    ];
    let metadata: HashMap<String, String> = metadata
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, metadata))
}

/// Predictions as the table that `schema` describes, with the further columns of their rows.
///
/// # Errors
/// When `extra` is not what the schema says.
pub fn archive_batch(
    schema: &SchemaRef,
    predictions: &[&Prediction],
    extra: Option<&ArrayRef>,
) -> Result<RecordBatch, ArrowError> {
    let mut arrays = arrays(predictions)?;
    arrays.extend(extra.cloned());
    RecordBatch::try_new(Arc::clone(schema), arrays)
}

/// One array per column of [`columns`].
pub(super) fn arrays(all: &[&Prediction]) -> Result<Vec<ArrayRef>, ArrowError> {
    let language = fields_of(
        &language(),
        vec![
            strings(all.iter().map(|p| p.language.code.as_str())),
            floats(all.iter().map(|p| p.language.confidence)),
        ],
    )?;
    Ok(vec![
        Arc::new(all.iter().map(|p| p.id.as_deref()).collect::<StringArray>()),
        language,
        lists(all.iter().map(|p| &p.topics), &topic(), |all| {
            Ok(topics(all))
        })?,
        lists(all.iter().map(|p| &p.stances), &stance(), stances)?,
        Arc::new(UInt32Array::from_iter_values(
            all.iter()
                .map(|p| u32::try_from(p.windows).unwrap_or(u32::MAX)),
        )),
        lists(all.iter().map(|p| &p.warnings), &warning(), |all| {
            Ok(warnings(all))
        })?,
        Arc::new(
            all.iter()
                .map(|p| p.text.as_deref())
                .collect::<StringArray>(),
        ),
    ])
}

fn strings<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

fn floats(values: impl Iterator<Item = f32>) -> ArrayRef {
    Arc::new(Float32Array::from_iter_values(values))
}

fn places(values: impl Iterator<Item = usize>) -> ArrayRef {
    Arc::new(UInt64Array::from_iter_values(values.map(|at| at as u64)))
}

fn booleans(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(BooleanArray::from(values.collect::<Vec<bool>>()))
}

fn fields_of(kind: &DataType, arrays: Vec<ArrayRef>) -> Result<ArrayRef, ArrowError> {
    let DataType::Struct(fields) = kind else {
        return Err(ArrowError::SchemaError(format!("{kind} is no struct")));
    };
    Ok(Arc::new(StructArray::try_new(
        fields.clone(),
        arrays,
        None,
    )?))
}

/// Lists of entries: `build` makes the columns of all entries of all lists.
fn lists<'a, T: 'a>(
    lists: impl Iterator<Item = &'a Vec<T>> + Clone,
    entry: &DataType,
    build: impl Fn(&[&'a T]) -> Result<Vec<ArrayRef>, ArrowError>,
) -> Result<ArrayRef, ArrowError> {
    let offsets = OffsetBuffer::from_lengths(lists.clone().map(Vec::len));
    let entries: Vec<&T> = lists.flatten().collect();
    let values = fields_of(entry, build(&entries)?)?;
    let field = Arc::new(field("element", entry.clone(), false));
    Ok(Arc::new(ListArray::try_new(field, offsets, values, None)?))
}

fn topics(all: &[&TopicScore]) -> Vec<ArrayRef> {
    vec![
        strings(all.iter().map(|topic| topic.id.as_str())),
        strings(all.iter().map(|topic| topic.label.as_str())),
        floats(all.iter().map(|topic| topic.probability)),
    ]
}

fn stances(all: &[&ActorStance]) -> Result<Vec<ArrayRef>, ArrowError> {
    let actor = fields_of(
        &actor(),
        vec![
            strings(all.iter().map(|stance| stance.actor.id.as_str())),
            strings(all.iter().map(|stance| stance.actor.name.as_str())),
            strings(all.iter().map(|stance| stance.actor.kind.as_str())),
        ],
    )?;
    let probabilities = fields_of(
        &probabilities(),
        vec![
            floats(all.iter().map(|stance| stance.probabilities.favor)),
            floats(all.iter().map(|stance| stance.probabilities.against)),
            floats(all.iter().map(|stance| stance.probabilities.neutral)),
        ],
    )?;
    let reasons = all
        .iter()
        .map(|stance| stance.reason.map(AbstainReason::as_str));
    Ok(vec![
        actor,
        strings(all.iter().map(|stance| stance.stance.as_str())),
        probabilities,
        booleans(all.iter().map(|stance| stance.abstained)),
        Arc::new(reasons.collect::<StringArray>()),
        lists(
            all.iter().map(|stance| &stance.mentions),
            &mention(),
            |all| Ok(mentions(all)),
        )?,
        lists(
            all.iter().map(|stance| &stance.evidence),
            &evidence(),
            |all| Ok(quotes(all)),
        )?,
    ])
}

fn mentions(all: &[&MentionSpan]) -> Vec<ArrayRef> {
    vec![
        places(all.iter().map(|mention| mention.start)),
        places(all.iter().map(|mention| mention.end)),
        strings(all.iter().map(|mention| mention.text.as_str())),
        booleans(all.iter().map(|mention| mention.weak)),
    ]
}

fn quotes(all: &[&Evidence]) -> Vec<ArrayRef> {
    vec![
        places(all.iter().map(|quote| quote.start)),
        places(all.iter().map(|quote| quote.end)),
        strings(all.iter().map(|quote| quote.text.as_str())),
        strings(all.iter().map(|quote| quote.stance.as_str())),
        floats(all.iter().map(|quote| quote.probability)),
    ]
}

fn warnings(all: &[&Warning]) -> Vec<ArrayRef> {
    vec![
        strings(all.iter().map(|warning| warning.code.as_str())),
        strings(all.iter().map(|warning| warning.message.as_str())),
    ]
}
