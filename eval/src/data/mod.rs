//! What is measured on: rows, splits, suites and tasks ready to be answered.

mod revision;
mod rows;
pub mod splits;
mod suite;
mod task;

pub use revision::revision;
pub use rows::{Spans, StanceRow, TopicRow, read_jsonl, read_lines, read_pairs, read_text};
pub use suite::{Bar, HolderRule, Kind, Level, Published, Split, Suite, TaskSpec};
pub use task::{Example, STANCE_CLASSES, Task, document_groups, length_bin, prepare, sample};
