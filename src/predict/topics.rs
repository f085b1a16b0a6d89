//! Names of the topics in many languages.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::PredictError;

/// The 17 top-level concepts of IPTC Media Topics (CC BY 4.0), with their names.
const IPTC: &str = include_str!("../../models/topics/iptc.json");

#[derive(Deserialize)]
struct File {
    topics: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: String,
    names: BTreeMap<String, String>,
}

/// Topic names by id and language.
#[derive(Debug, Clone)]
pub struct TopicNames(BTreeMap<String, BTreeMap<String, String>>);

impl TopicNames {
    /// The names that come with the crate.
    ///
    /// # Errors
    /// When the file inside the crate is not what it should be.
    pub fn embedded() -> Result<Self, PredictError> {
        let file: File = serde_json::from_str(IPTC)
            .map_err(|error| PredictError::InvalidHeads(format!("topics/iptc.json: {error}")))?;
        Ok(Self(
            file.topics.into_iter().map(|t| (t.id, t.names)).collect(),
        ))
    }

    /// The name of `topic` in `language`, else in English, else the id itself.
    pub fn name<'a>(&'a self, topic: &'a str, language: &str) -> &'a str {
        self.0
            .get(topic)
            .and_then(|names| names.get(language).or_else(|| names.get("en")))
            .map_or(topic, String::as_str)
    }

    /// All ids in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::TopicNames;

    #[test]
    fn seventeen_topics_with_english_and_arabic_names() -> Result<(), super::PredictError> {
        let names = TopicNames::embedded()?;
        assert_eq!(names.ids().count(), 17);
        for id in names.ids() {
            assert_ne!(names.name(id, "en"), id);
            assert_ne!(names.name(id, "ar"), names.name(id, "en"));
        }
        assert_eq!(
            names.name("medtop:11000000", "xx"),
            names.name("medtop:11000000", "en")
        );
        assert_eq!(names.name("nothing", "en"), "nothing");
        Ok(())
    }
}
