//! Measures how good a stance model is: the same code path as users, the metrics of the
//! field, baselines computed on the spot, and intervals that respect documents.

pub mod baselines;
pub mod cli;
pub mod compare;
pub mod data;
pub mod error;
pub mod gold;
pub mod metrics;
pub mod report;
pub mod run;
