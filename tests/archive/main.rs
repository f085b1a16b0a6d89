//! Archives, as a person or a script scores them: every format both ways, rows that fail, runs
//! that are killed, stores, and sums.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod aggregate;
mod batch;
mod errors;
mod formats;
#[path = "../common/tiny_model.rs"]
mod model;
mod outputs;
mod resume;
mod rows;
mod stores;
#[path = "../cli/support.rs"]
mod support;
