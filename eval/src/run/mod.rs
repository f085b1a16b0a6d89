//! Running a suite: every system answers every task, and the answers are scored and sliced.

mod evaluate;
mod judge;
mod model;
mod results;
mod retrieval;
mod slices;

pub(crate) use evaluate::score_task;
pub use evaluate::{Baseline, Context, run_task};
pub use judge::{Judge, ModelCard};
pub use model::Product;
pub(crate) use results::write_file;
pub use results::{
    BarResult, RESULTS_SCHEMA, RowRecord, RunResult, Slice, SystemResult, TaskResult,
};
