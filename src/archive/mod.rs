//! Scoring archives: rows in, rows out, nothing lost and nothing scored twice.
//!
//! [`source`] finds what is to be read, `open` and [`store`] give its bytes, `read` its rows,
//! [`columns`] and `actors` make documents of them; `chunks` cuts rows into what is read ahead
//! and what is committed; `pipeline` passes them through the model on threads; `write` and
//! [`schema`] turn answers into JSONL, CSV or Parquet; `parts`, `places` and `journal` commit them;
//! [`run`] does it all. [`batch`] is the same for a table in memory. [`aggregate`] sums scored
//! archives up.

pub mod actors;
pub mod aggregate;
pub mod batch;
mod chunks;
pub mod columns;
mod error;
mod extra;
mod journal;
mod open;
mod parts;
mod pipeline;
mod places;
pub mod progress;
pub(crate) mod read;
pub mod run;
pub mod schema;
mod settings;
pub mod source;
pub mod store;
mod write;

pub use error::ArchiveError;
pub use run::{Destination, ScoreOptions, Summary, score};
pub use write::OutputFormat;
