//! The model under test, as the evaluation sees it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::baselines::Answer;
use crate::data::Example;
use crate::error::EvalError;

/// Which model was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModelCard {
    /// Name from the manifest.
    pub name: String,
    /// Version from the manifest.
    pub version: String,
    /// SHA-256 over the manifest's file hashes.
    pub sha256: String,
}

/// A model that answers what a suite asks.
pub trait Judge {
    /// Which model this is.
    fn card(&self) -> ModelCard;

    /// The stance toward each example's target, in the order of
    /// [`STANCE_CLASSES`](crate::data::STANCE_CLASSES). A row that fails becomes
    /// [`Answer::failed`].
    fn stances(&self, examples: &[Example]) -> Vec<Answer>;

    /// The probability of every topic, by its id, for each text; or why there is none.
    fn topics(&self, texts: &[&str]) -> Vec<Result<BTreeMap<String, f64>, String>>;

    /// One vector per text, all of one length.
    fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, EvalError>;
}
