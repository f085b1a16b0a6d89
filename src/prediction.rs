//! What comes out: the documented, versioned answer for one document.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document::OffsetUnit;

/// Version of the output schema; raised when a field changes meaning or goes away.
pub const SCHEMA_VERSION: &str = "1";

/// The answer for one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prediction {
    /// Version of this schema.
    pub schema_version: String,
    /// The document's id, when it had one.
    pub id: Option<String>,
    /// The text that was taken out of a page of HTML: what the spans point into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The language of the text.
    pub language: LanguageGuess,
    /// Topics above the threshold, most probable first.
    pub topics: Vec<TopicScore>,
    /// One entry per actor, most mentioned first.
    pub stances: Vec<ActorStance>,
    /// Unit of every span in this prediction; spans point into the original text.
    pub offset_unit: OffsetUnit,
    /// How many windows the encoder read.
    pub windows: usize,
    /// The model that answered.
    pub model: ModelInfo,
    /// What the caller should know: text set aside, a guess of the language that is unsure, ….
    pub warnings: Vec<Warning>,
}

/// What a document came to: a prediction, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum DocumentResult {
    /// The document was read and judged.
    Prediction(Box<Prediction>),
    /// The document could not be judged; its neighbours are not affected.
    Failure(DocumentFailure),
}

impl DocumentResult {
    /// The failure of a document with this id.
    pub fn failure(id: Option<String>, error: DocumentError) -> Self {
        Self::Failure(DocumentFailure { id, error })
    }

    /// Whether the document could not be judged.
    pub const fn is_failure(&self) -> bool {
        matches!(self, Self::Failure(_))
    }
}

/// A document that could not be judged, on its place among the results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DocumentFailure {
    /// The document's id, when it had one.
    pub id: Option<String>,
    /// What was wrong with it.
    pub error: DocumentError,
}

/// Why one document could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema, thiserror::Error)]
#[serde(deny_unknown_fields)]
#[error("{message}")]
pub struct DocumentError {
    /// Stable code, such as `empty_text`.
    #[schema(value_type = String)]
    pub code: Cow<'static, str>,
    /// The same for people, naming the field and the limit.
    pub message: String,
}

impl DocumentError {
    /// An error with a code that is known at compile time.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code: Cow::Borrowed(code),
            message: message.into(),
        }
    }
}

impl<E: crate::error::ErrorCode> From<&E> for DocumentError {
    fn from(error: &E) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// A language, given or identified.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct LanguageGuess {
    /// ISO 639-1 code, `und` when unknown.
    pub code: String,
    /// Confidence between 0 and 1; 1 when the caller gave the language.
    pub confidence: f32,
}

/// A topic with its probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TopicScore {
    /// IPTC Media Topics code, such as `medtop:11000000`.
    pub id: String,
    /// Name in the language asked for.
    pub label: String,
    /// Calibrated probability that the document is about the topic.
    pub probability: f32,
}

/// The author's stance toward one actor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stance {
    /// The author stands for the actor.
    Favor,
    /// The author stands against the actor.
    Against,
    /// Neither.
    Neutral,
}

impl Stance {
    /// All classes in the order of the head's logits.
    pub const ALL: [Self; 3] = [Self::Favor, Self::Against, Self::Neutral];

    /// The name used in every file and answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Favor => "favor",
            Self::Against => "against",
            Self::Neutral => "neutral",
        }
    }
}

/// Calibrated probabilities of the three stances; they add up to 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StanceProbabilities {
    /// Probability of [`Stance::Favor`].
    pub favor: f32,
    /// Probability of [`Stance::Against`].
    pub against: f32,
    /// Probability of [`Stance::Neutral`].
    pub neutral: f32,
}

impl StanceProbabilities {
    /// From probabilities in the order of [`Stance::ALL`].
    pub const fn from_array([favor, against, neutral]: [f32; 3]) -> Self {
        Self {
            favor,
            against,
            neutral,
        }
    }

    /// The most probable stance and its probability.
    pub fn best(&self) -> (Stance, f32) {
        let mut best = (Stance::Favor, self.favor);
        for (stance, probability) in [
            (Stance::Against, self.against),
            (Stance::Neutral, self.neutral),
        ] {
            if probability > best.1 {
                best = (stance, probability);
            }
        }
        best
    }
}

/// An actor and the author's stance toward it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActorStance {
    /// Who is judged.
    pub actor: ActorRef,
    /// The most probable stance, also when the model abstains.
    pub stance: Stance,
    /// Calibrated probabilities.
    pub probabilities: StanceProbabilities,
    /// Whether the model is too unsure to answer.
    pub abstained: bool,
    /// Why it abstained.
    pub reason: Option<AbstainReason>,
    /// Where the text names the actor, in order.
    pub mentions: Vec<MentionSpan>,
    /// The sentences that show the stance, strongest first.
    pub evidence: Vec<Evidence>,
    /// Every sentence that mentions the actor, in the order of the text, when asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentences: Option<Vec<Evidence>>,
}

/// Why the model does not commit to a stance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum AbstainReason {
    /// The best stance is less probable than the threshold.
    LowConfidence,
    /// The text never names the actor.
    NotMentioned,
    /// The model was not trained on the text's language and its tokenizer barely reads it.
    UnreadableText,
}

impl AbstainReason {
    /// The name used in every file and answer.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LowConfidence => "low_confidence",
            Self::NotMentioned => "not_mentioned",
            Self::UnreadableText => "unreadable_text",
        }
    }
}

/// An actor, as named in the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ActorRef {
    /// Identifier in the registry or in the request.
    pub id: String,
    /// Name in the language asked for.
    pub name: String,
    /// `state`, `person`, `party`, `armed_group`, `organisation`, `bloc`, or `custom` for an
    /// actor that the request brought.
    pub kind: String,
}

/// A place where the text names an actor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MentionSpan {
    /// Start in the original text, in the prediction's offset unit.
    pub start: usize,
    /// End, exclusive.
    pub end: usize,
    /// The original text between them.
    pub text: String,
    /// Whether this is only an adjective such as "Syrian".
    pub weak: bool,
}

/// A sentence that shows a stance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// Start in the original text, in the prediction's offset unit.
    pub start: usize,
    /// End, exclusive.
    pub end: usize,
    /// The original text between them.
    pub text: String,
    /// The stance that this sentence shows.
    pub stance: Stance,
    /// Its calibrated probability.
    pub probability: f32,
}

/// Which model answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelInfo {
    /// Name from the manifest.
    pub name: String,
    /// Version from the manifest.
    pub version: String,
    /// SHA-256 over the manifest's file hashes, lower-case hex.
    pub sha256: String,
}

/// Something the caller should know that is no error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// Stable code, such as `text_set_aside`.
    pub code: String,
    /// The same for people.
    pub message: String,
}
