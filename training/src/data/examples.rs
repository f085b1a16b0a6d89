//! Prepared examples: what stage `prepare` writes and the training loop reads.
//!
//! One text stands in one example with all its targets, so that one pass of the encoder
//! serves them all. Spans are byte ranges of `text`.

use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use stance::prediction::Stance;

use super::DataError;
use super::lines::{self, Lines};
use super::record::TargetKind;

/// A text and the stances that were judged in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StanceExample {
    /// Id of the first row that it was made of.
    pub id: String,
    /// Name of the set.
    pub dataset: String,
    /// ISO 639-1 code.
    pub lang: String,
    /// The text.
    pub text: String,
    /// The post that the text answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Id of the article.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doc: Option<String>,
    /// What was judged; at least one.
    pub targets: Vec<StanceTarget>,
}

/// One judged target.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StanceTarget {
    /// Id of the row.
    pub id: String,
    /// The target as the set names it.
    pub name: String,
    /// The target in the text's language, when `name` is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alt: Option<String>,
    /// Where the text mentions it, as `[start, end)` in bytes of the example's text; in
    /// order, never empty ranges. No spans: the set does not say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<[usize; 2]>,
    /// The label.
    pub stance: Stance,
    /// What the target is.
    pub kind: TargetKind,
    /// What a teacher said of favor, against and neutral, in whose place the label then only stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taught: Option<[f32; 3]>,
    /// Whose stance it is, when not the author's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    /// How much the label counts in training, between 0 and 1: the share of annotators who
    /// agree where a set states it.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: f32,
}

/// A text with its topic.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TopicExample {
    /// Id of the row.
    pub id: String,
    /// Name of the set.
    pub dataset: String,
    /// ISO 639-1 code.
    pub lang: String,
    /// The text.
    pub text: String,
    /// IPTC Media Topics code of a top-level concept, such as `medtop:11000000`.
    pub topic: String,
    /// The set's own label.
    pub raw_topic: String,
}

fn one() -> f32 {
    1.0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde asks for")]
fn is_one(weight: &f32) -> bool {
    (*weight - 1.0).abs() < f32::EPSILON
}

/// An example whose promises can be checked.
pub trait Example: Serialize + DeserializeOwned {
    /// What is wrong with it, naming the field; `None` when nothing is.
    fn fault(&self) -> Option<String>;
}

impl Example for StanceExample {
    fn fault(&self) -> Option<String> {
        if self.text.trim().is_empty() {
            return Some("text is empty".to_owned());
        }
        if self.targets.is_empty() {
            return Some("targets is empty".to_owned());
        }
        self.targets.iter().find_map(|target| {
            if target.name.trim().is_empty() {
                return Some("targets: a name is empty".to_owned());
            }
            if !(0.0..=1.0).contains(&target.weight) {
                return Some(format!("targets: weight {} is not in 0..=1", target.weight));
            }
            if let Some(taught) = target.taught
                && (taught.iter().any(|p| !(0.0..=1.0).contains(p))
                    || (taught.iter().sum::<f32>() - 1.0).abs() > 0.01)
            {
                return Some(format!("targets: taught {taught:?} are no probabilities"));
            }
            let bad = target
                .spans
                .iter()
                .find(|[start, end]| start >= end || self.text.get(*start..*end).is_none())?;
            Some(format!("targets: {bad:?} are not bytes of the text"))
        })
    }
}

impl Example for TopicExample {
    fn fault(&self) -> Option<String> {
        if self.text.trim().is_empty() {
            return Some("text is empty".to_owned());
        }
        (!self.topic.starts_with("medtop:"))
            .then(|| format!("topic {:?} is no Media Topics code", self.topic))
    }
}

/// Reads all examples of a JSONL file (`.zst` too); the first bad row is an error with its
/// number.
pub fn read<T: Example>(path: &Path) -> Result<Vec<T>, DataError> {
    let mut examples = Vec::new();
    for line in Lines::open(path)? {
        let (row, line) = line?;
        if line.trim().is_empty() {
            continue;
        }
        let example: T = serde_json::from_str(&line)
            .map_err(|error| DataError::row(path, row, error.to_string()))?;
        if let Some(fault) = example.fault() {
            return Err(DataError::row(path, row, fault));
        }
        examples.push(example);
    }
    Ok(examples)
}

/// Writes examples as JSONL.
pub fn write<T: Example>(path: &Path, examples: &[T]) -> Result<(), DataError> {
    let mut writer = lines::create(path)?;
    for example in examples {
        lines::write_row(&mut writer, path, example)?;
    }
    writer.flush().map_err(|error| DataError::io(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> StanceExample {
        StanceExample {
            id: "a:1".to_owned(),
            dataset: "a".to_owned(),
            lang: "ar".to_owned(),
            text: "دعم الملك القرار".to_owned(),
            context: None,
            doc: Some("7".to_owned()),
            targets: vec![StanceTarget {
                id: "a:1".to_owned(),
                name: "King".to_owned(),
                alt: Some("الملك".to_owned()),
                spans: vec![[7, 17]],
                stance: Stance::Favor,
                kind: TargetKind::Actor,
                taught: None,
                holder: None,
                weight: 0.75,
            }],
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stance.jsonl");
        let mut plain = example();
        plain.targets[0].weight = 1.0;
        plain.targets[0].spans.clear();
        let examples = [example(), plain];
        write(&path, &examples).unwrap();
        assert_eq!(read::<StanceExample>(&path).unwrap(), examples);
        assert_eq!(&examples[0].text[7..17], "الملك");
    }

    #[test]
    fn a_span_inside_a_character_is_refused_with_its_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stance.jsonl");
        let mut bad = example();
        bad.targets[0].spans = vec![[8, 17]];
        write(&path, &[example(), bad]).unwrap();
        let error = read::<StanceExample>(&path).unwrap_err().to_string();
        assert!(
            error.contains("row 2: targets: [8, 17] are not bytes"),
            "{error}"
        );
    }

    #[test]
    fn topics_must_be_media_topics() {
        let topic = TopicExample {
            id: "1".to_owned(),
            dataset: "a".to_owned(),
            lang: "en".to_owned(),
            text: "Match ends 2:1".to_owned(),
            topic: "sport".to_owned(),
            raw_topic: "sport".to_owned(),
        };
        assert!(topic.fault().is_some());
        assert!(
            TopicExample {
                topic: "medtop:15000000".to_owned(),
                ..topic
            }
            .fault()
            .is_none()
        );
    }
}
