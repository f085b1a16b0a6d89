//! The model of a tokenizer: unigram pieces as kept here, all others by the crate.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::{Map, Value};
use tokenizers::models::{ModelWrapper, TrainerWrapper};
use tokenizers::{Model, Result, Token};

use super::unigram::{File, Unigram};

/// What cuts words into pieces.
#[derive(Clone, Debug)]
pub enum TextModel {
    /// Unigram pieces.
    Unigram(Unigram),
    /// BPE, word pieces, or words.
    Other(ModelWrapper),
}

impl TextModel {
    /// The largest id of a piece; `None` for an empty vocabulary.
    pub fn largest_id(&self) -> Option<u32> {
        match self {
            Self::Unigram(model) => (model.get_vocab_size() as u32).checked_sub(1),
            Self::Other(model) => model.get_vocab().into_values().max(),
        }
    }
}

impl Model for TextModel {
    type Trainer = TrainerWrapper;

    fn tokenize(&self, text: &str) -> Result<Vec<Token>> {
        match self {
            Self::Unigram(model) => model.tokenize(text),
            Self::Other(model) => model.tokenize(text),
        }
    }

    fn token_to_id(&self, token: &str) -> Option<u32> {
        match self {
            Self::Unigram(model) => model.token_to_id(token),
            Self::Other(model) => model.token_to_id(token),
        }
    }

    fn id_to_token(&self, id: u32) -> Option<String> {
        match self {
            Self::Unigram(model) => model.id_to_token(id),
            Self::Other(model) => model.id_to_token(id),
        }
    }

    fn get_vocab(&self) -> HashMap<String, u32> {
        match self {
            Self::Unigram(model) => model.get_vocab(),
            Self::Other(model) => model.get_vocab(),
        }
    }

    fn get_vocab_size(&self) -> usize {
        match self {
            Self::Unigram(model) => model.get_vocab_size(),
            Self::Other(model) => model.get_vocab_size(),
        }
    }

    fn save(&self, folder: &Path, prefix: Option<&str>) -> Result<Vec<PathBuf>> {
        match self {
            Self::Unigram(model) => model.save(folder, prefix),
            Self::Other(model) => model.save(folder, prefix),
        }
    }

    fn get_trainer(&self) -> TrainerWrapper {
        match self {
            Self::Unigram(model) => model.get_trainer().into(),
            Self::Other(model) => model.get_trainer(),
        }
    }
}

impl<'de> Deserialize<'de> for TextModel {
    fn deserialize<D: Deserializer<'de>>(from: D) -> std::result::Result<Self, D::Error> {
        from.deserialize_map(Fields)
    }
}

/// Reads the pieces of a unigram model without a copy in between where its type comes first, as
/// the crate writes it.
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = TextModel;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("the model of a tokenizer")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<TextModel, A::Error> {
        let is_unigram = |fields: &Map<String, Value>| {
            fields.get("type").and_then(Value::as_str) == Some("Unigram")
        };
        let mut fields = Map::new();
        let mut pieces = None;
        while let Some(key) = map.next_key::<String>()? {
            if key == "vocab" && is_unigram(&fields) {
                pieces = Some(map.next_value::<Vec<(String, f64)>>()?);
            } else {
                fields.insert(key, map.next_value()?);
            }
        }
        if !is_unigram(&fields) {
            let other = ModelWrapper::deserialize(Value::Object(fields));
            return other.map(TextModel::Other).map_err(A::Error::custom);
        }
        let file = match pieces {
            Some(vocab) => File::new(vocab, &fields),
            None => serde_json::from_value(Value::Object(fields)),
        };
        let model = Unigram::try_from(file.map_err(A::Error::custom)?);
        model.map(TextModel::Unigram).map_err(A::Error::custom)
    }
}
