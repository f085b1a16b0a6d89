//! One document in, one prediction out.
//!
//! [`Reading`] is what the text itself says: clean text, sentences, tokens, windows, mentions.
//! [`mod@questions`] turns a reading into queries for the stance head. [`Predictor`] puts readings
//! through encoder and heads, and [`assemble`] writes the answer. Training reads documents by
//! the same [`Reading`] and asks the same questions.

mod assemble;
mod error;
mod predictor;
mod questions;
mod reading;
mod topics;

pub use error::PredictError;
pub use predictor::{HEADS_CONFIG_FILE, HEADS_FILE, Predictor};
pub use questions::{Plan, Questions, is_mentioned};
pub use reading::{ActorReading, MentionReading, Reading, ReadingOptions, Window};
pub use topics::TopicNames;
