//! What goes in: one shape of a document, the same in a REST body, a JSONL file and Python.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, SchemaType, Type};

/// A text to judge, with optional identity, language and actors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// The caller's name for the document, repeated in the prediction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The text, UTF-8, as the author wrote it or as it was pasted from a page.
    pub text: String,
    /// ISO 639-1 code of the language; identified from the text when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// The actors to judge: exactly these, each answered even when the text never names it.
    /// When absent, the actors of the registry that the text names are judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actors: Option<Vec<ActorSpec>>,
}

/// An actor that the caller names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ActorSpec {
    /// Identifier, repeated in the prediction; an id of the registry brings that entry's
    /// names along when `names` is empty.
    pub id: String,
    /// Names and aliases under which the text may mention the actor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// Where the text mentions the actor, as `[start, end)` pairs in the request's offset
    /// unit, when the caller knows better than the matcher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = spans_schema)]
    pub spans: Option<Vec<[usize; 2]>>,
}

/// Pairs of exactly two offsets, which the derived schema would not say.
fn spans_schema() -> Array {
    let offset = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(0));
    let pair = ArrayBuilder::new()
        .items(offset)
        .min_items(Some(2))
        .max_items(Some(2));
    let either = SchemaType::from_iter([Type::Array, Type::Null]);
    ArrayBuilder::new()
        .schema_type(either)
        .items(pair)
        .description(Some(
            "Where the text mentions the actor, as `[start, end)` pairs in the request's offset \
             unit, when the caller knows better than the matcher.",
        ))
        .build()
}

/// The unit in which spans are counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum OffsetUnit {
    /// Unicode scalar values, as Python counts.
    #[default]
    Char,
    /// Bytes of the UTF-8 text, as Rust and Go count.
    Byte,
    /// UTF-16 code units, as JavaScript and Java count.
    Utf16,
}

/// What a document's text is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum InputFormat {
    /// Plain text.
    #[default]
    Text,
    /// A page of HTML, of which the text is judged.
    Html,
}

/// What the caller may choose about a prediction. Every field has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// Unit of every span in the request and the answer.
    pub offset_unit: OffsetUnit,
    /// How many evidence sentences an actor gets at the most (0 to 50).
    #[schema(maximum = 50)]
    pub max_evidence: usize,
    /// How many of a document's own actors that its text never mentions are judged at the most
    /// (0 to 64), each at the cost of a pass over the text; when there are more, none of them is.
    #[schema(maximum = 64)]
    pub max_unmentioned: usize,
    /// Judge only these actors of the registry; ignored for documents that bring their own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restrict_to: Option<Vec<String>>,
    /// ISO 639-1 code of the language of topic labels and actor names; the document's own
    /// language when absent, English where a name is missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_language: Option<String>,
    /// Report topics of at least this probability (0 to 1); the model's own threshold when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub topic_threshold: Option<f32>,
    /// Abstain below this probability of the best stance (0 to 1); the model's own threshold
    /// when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0.0, maximum = 1.0)]
    pub stance_threshold: Option<f32>,
    /// Set menus, comment forms and repeated headings of pasted web pages aside.
    pub clean: bool,
    /// What the texts are. Of a page of HTML the text is taken out first; the prediction brings
    /// it as `text`, and all spans, given ones too, count in it.
    pub input: InputFormat,
    /// Give every sentence that mentions an actor with its stance, in the order of the text.
    pub sentence_scores: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            offset_unit: OffsetUnit::Char,
            max_evidence: 3,
            max_unmentioned: 8,
            restrict_to: None,
            label_language: None,
            topic_threshold: None,
            stance_threshold: None,
            clean: true,
            input: InputFormat::Text,
            sentence_scores: false,
        }
    }
}
