//! From the model's numbers to the answer that the caller reads.

use std::ops::Range;

use super::TopicNames;
use super::questions::{Plan, is_mentioned};
use super::reading::{ActorReading, Reading};
use crate::actors::{MatchedActor, Matcher};
use crate::document::{Document, InputFormat, OffsetUnit, Options};
use crate::heads::HeadsConfig;
use crate::heads::calibration::Kind;
use crate::prediction::{
    AbstainReason, ActorRef, ActorStance, Evidence, MentionSpan, ModelInfo, Prediction,
    SCHEMA_VERSION, Stance, StanceProbabilities, TopicScore, Warning,
};
use crate::text::OffsetTable;

/// A language guess below this is called unsure.
const UNSURE_LANGUAGE: f32 = 0.5;
/// Above this share of unknown tokens the model does not commit to a stance.
const UNREADABLE: f32 = 0.3;
/// Above this share of unknown tokens the caller is told.
const HARD_TO_READ: f32 = 0.05;

/// What encoder and heads said of one document, uncalibrated.
pub struct Answer {
    /// One logit per topic.
    pub topics: Vec<f32>,
    /// Logits of the whole document per actor of the reading.
    pub actors: Vec<[f32; 3]>,
    /// Logits per actor and sentence with a mention.
    pub sentences: Vec<Vec<[f32; 3]>>,
}

/// Everything that goes into one prediction.
pub struct Parts<'a> {
    pub document: &'a Document,
    pub reading: &'a Reading,
    pub matcher: &'a Matcher,
    pub plan: &'a Plan,
    pub answer: &'a Answer,
    pub config: &'a HeadsConfig,
    pub topics: &'a TopicNames,
    pub model: &'a ModelInfo,
}

/// Turns spans of the clean text into spans and quotes of the original.
struct Spans<'a> {
    original: &'a str,
    reading: &'a Reading,
    table: OffsetTable,
    unit: OffsetUnit,
}

impl Spans<'_> {
    /// Start, end and text.
    fn quote(&self, span: &Range<usize>) -> (usize, usize, String) {
        let bytes = self.reading.clean.to_original(span.clone());
        (
            self.table.from_byte(bytes.start, self.unit),
            self.table.from_byte(bytes.end, self.unit),
            self.original[bytes].to_owned(),
        )
    }
}

/// Writes the prediction.
pub fn assemble(parts: &Parts, options: &Options) -> Prediction {
    let reading = parts.reading;
    let spans = Spans {
        original: &parts.document.text,
        reading,
        table: OffsetTable::new(&parts.document.text),
        unit: options.offset_unit,
    };
    let label_language = options
        .label_language
        .as_deref()
        .unwrap_or(&reading.language.code);
    let stances = reading
        .actors
        .iter()
        .enumerate()
        .map(|(i, actor)| stance(parts, options, &spans, label_language, i, actor))
        .collect();
    Prediction {
        schema_version: SCHEMA_VERSION.to_owned(),
        id: parts.document.id.clone(),
        text: (options.input == InputFormat::Html).then(|| parts.document.text.clone()),
        language: reading.language.clone(),
        topics: topics(parts, options, label_language),
        stances,
        offset_unit: options.offset_unit,
        windows: reading.windows.len(),
        model: parts.model.clone(),
        warnings: warnings(parts),
    }
}

fn topics(parts: &Parts, options: &Options, language: &str) -> Vec<TopicScore> {
    let calibration = &parts.config.calibration;
    let threshold = options
        .topic_threshold
        .unwrap_or(calibration.topic_threshold);
    let mut topics: Vec<TopicScore> = parts
        .config
        .topics
        .iter()
        .zip(&parts.answer.topics)
        .map(|(id, &logit)| TopicScore {
            id: id.clone(),
            label: parts.topics.name(id, language).to_owned(),
            probability: calibration.topic(logit),
        })
        .filter(|topic| topic.probability >= threshold)
        .collect();
    topics.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    topics
}

fn stance(
    parts: &Parts,
    options: &Options,
    spans: &Spans,
    language: &str,
    index: usize,
    actor: &ActorReading,
) -> ActorStance {
    let calibration = &parts.config.calibration;
    let probabilities =
        StanceProbabilities::from_array(calibrated(parts, index)(parts.answer.actors[index]));
    let (stance, probability) = probabilities.best();
    let threshold = options
        .stance_threshold
        .unwrap_or(calibration.stance_threshold);
    let judged = !parts.plan.actors[index].windows.is_empty();
    let reason = if !judged {
        Some(AbstainReason::NotMentioned)
    } else if parts.reading.unknown > UNREADABLE {
        Some(AbstainReason::UnreadableText)
    } else if probability >= threshold {
        None
    } else if !is_mentioned(actor) {
        Some(AbstainReason::NotMentioned)
    } else {
        Some(AbstainReason::LowConfidence)
    };
    let mentions = actor.mentions.iter().map(|mention| {
        let (start, end, text) = spans.quote(&mention.span);
        MentionSpan {
            start,
            end,
            text,
            weak: mention.weak,
        }
    });
    ActorStance {
        actor: reference(&parts.matcher.actors()[actor.actor], language),
        stance,
        probabilities,
        abstained: reason.is_some(),
        reason,
        mentions: mentions.collect(),
        evidence: evidence(parts, options, spans, index, stance),
        sentences: options
            .sentence_scores
            .then(|| sentences(parts, spans, index)),
    }
}

fn reference(actor: &MatchedActor, language: &str) -> ActorRef {
    ActorRef {
        id: actor.id.clone(),
        name: actor.name(language).to_owned(),
        kind: actor.kind.clone(),
    }
}

/// The sentences that show the document's stance best, strongest first.
fn evidence(
    parts: &Parts,
    options: &Options,
    spans: &Spans,
    index: usize,
    stance: Stance,
) -> Vec<Evidence> {
    let class = Stance::ALL.iter().position(|&s| s == stance).unwrap_or(0);
    let mut scored: Vec<(usize, [f32; 3])> = scored(parts, index).collect();
    scored.sort_by(|a, b| b.1[class].total_cmp(&a.1[class]).then(a.0.cmp(&b.0)));
    scored.truncate(options.max_evidence);
    scored
        .into_iter()
        .map(|(sentence, probabilities)| quoted(parts, spans, sentence, probabilities))
        .collect()
}

/// Every sentence that mentions the actor, in the order of the text.
fn sentences(parts: &Parts, spans: &Spans, index: usize) -> Vec<Evidence> {
    scored(parts, index)
        .map(|(sentence, probabilities)| quoted(parts, spans, sentence, probabilities))
        .collect()
}

/// The sentences of an actor with their calibrated probabilities.
fn scored<'a>(parts: &'a Parts, index: usize) -> impl Iterator<Item = (usize, [f32; 3])> + 'a {
    let calibrated = calibrated(parts, index);
    parts.plan.actors[index]
        .sentences
        .iter()
        .zip(&parts.answer.sentences[index])
        .map(move |((sentence, _), &logits)| (*sentence, calibrated(logits)))
}

/// What makes calibrated probabilities of logits of the stance toward an actor.
fn calibrated<'a>(parts: &Parts<'a>, index: usize) -> impl Fn([f32; 3]) -> [f32; 3] + use<'a> {
    let reading = parts.reading;
    let named = is_mentioned(&reading.actors[index]);
    let kind = Kind::of(named, reading.windows.len() > 1);
    let calibration = &parts.config.calibration;
    move |logits| calibration.stance(&reading.language.code, kind, logits)
}

fn quoted(parts: &Parts, spans: &Spans, sentence: usize, probabilities: [f32; 3]) -> Evidence {
    let (start, end, text) = spans.quote(&parts.reading.sentences[sentence]);
    let (stance, probability) = StanceProbabilities::from_array(probabilities).best();
    Evidence {
        start,
        end,
        text,
        stance,
        probability,
    }
}

fn warnings(parts: &Parts) -> Vec<Warning> {
    let reading = parts.reading;
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| {
        warnings.push(Warning {
            code: code.to_owned(),
            message,
        });
    };
    let aside: usize = reading
        .clean
        .set_aside()
        .iter()
        .map(|span| parts.document.text[span.clone()].chars().count())
        .sum();
    if aside > 0 {
        warn(
            "text_set_aside",
            format!("{aside} characters of menus, forms or repeated headings were set aside"),
        );
    }
    let unjudged = parts.plan.actors.iter().filter(|a| a.windows.is_empty());
    let unjudged = unjudged.count();
    if unjudged > 0 {
        warn(
            "actors_not_judged",
            format!(
                "{unjudged} actors are never mentioned, over `options.max_unmentioned`, and were \
                 not judged"
            ),
        );
    }
    if reading.language.confidence < UNSURE_LANGUAGE {
        warn(
            "language_unsure",
            format!(
                "the language was guessed as `{}` with confidence {:.2}",
                reading.language.code, reading.language.confidence
            ),
        );
    }
    if reading.unknown > HARD_TO_READ {
        warn(
            "unknown_tokens",
            format!(
                "{:.0}% of the tokens are unknown to the model",
                reading.unknown * 100.0
            ),
        );
    }
    warnings
}
