//! The REST service, as a client sees it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod classify;
#[path = "../common/double.rs"]
mod double;
mod embed;
mod errors;
mod faults;
mod load;
#[path = "../common/tiny_model.rs"]
mod model;
mod routes;
mod schema;
mod security;
mod stream;
mod support;
