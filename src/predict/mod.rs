//! One document in, one prediction out.
//!
//! [`Reading`] is what the text itself says: clean text, sentences, tokens, windows, mentions.
//! [`mod@questions`] turns a reading into queries for the stance head. [`Predictor`] is the model;
//! a document goes through it in four steps that may run on different threads: `prepare` (text
//! only), `encode` and `ask_heads` (windows of any documents together), `answer` (one document
//! again, written by [`assemble`]); a [`Group`] takes many through the same steps at once.
//! Training reads documents by the same [`Reading`] and asks the same questions.

mod answer;
mod assemble;
mod encode;
mod error;
mod group;
mod options;
mod predictor;
mod prepare;
mod questions;
mod reading;
mod selftest;
mod topics;

pub use answer::{Embedding, Output};
pub use encode::SequenceAnswer;
pub use error::PredictError;
pub use group::Group;
pub use options::{MAX_EVIDENCE, MAX_UNMENTIONED, OptionsError, check_options};
pub use predictor::{BATCH_TOKENS, HEADS_CONFIG_FILE, HEADS_FILE, Predictor};
pub use prepare::{Brief, Prepared, Task};
pub use questions::{Plan, Questions, is_mentioned};
pub use reading::{ActorReading, MentionReading, Reading, ReadingOptions, Window};
pub use selftest::{Outcome, SELF_TEST_FILE, SelfTest};
pub use topics::TopicNames;
