//! The program, as a person or a script runs it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod actors;
mod classify;
mod doctor;
mod ends;
#[cfg(unix)]
mod faults;
#[path = "../common/tiny_model.rs"]
mod model;
mod serve;
mod served;
mod support;
mod traces;
