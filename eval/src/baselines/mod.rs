//! What a model must beat, computed on the spot: majority, a lexicon, TF-IDF with logistic
//! regression, and the same model with the actor taken away.

mod answer;
mod blind;
mod features;
mod lexicon;
mod linear;
mod majority;
mod minimise;
mod probe;
mod tfidf;

pub use answer::Answer;
pub use blind::{PLACEHOLDER, is_mentioned, name_masked, target_blind};
pub use features::{Matrix, SparseRow};
pub use lexicon::lexicon;
pub use linear::{LinearModel, LinearOptions};
pub use majority::majority;
pub use minimise::{Minimum, minimise};
pub use probe::probe;
pub use tfidf::{TfIdf, TfIdfOptions, tfidf_regression, with_target_markup};

use crate::data::Task;

/// Rows of the same language, in order of first appearance: baselines of words are trained
/// for each language on its own, as they would be in use.
pub(crate) fn by_language(task: &Task) -> Vec<(&str, Vec<usize>)> {
    let mut languages: Vec<(&str, Vec<usize>)> = Vec::new();
    for (row, example) in task.examples.iter().enumerate() {
        match languages.iter_mut().find(|(lang, _)| *lang == example.lang) {
            Some((_, rows)) => rows.push(row),
            None => languages.push((&example.lang, vec![row])),
        }
    }
    languages
}
