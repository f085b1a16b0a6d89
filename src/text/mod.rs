//! From raw text to clean text, language, sentences and windows.

mod alignment;
mod error;
pub mod fold;

pub use alignment::Alignment;
pub use error::TextError;
