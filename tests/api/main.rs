//! The REST service, as a client sees it.

#![allow(clippy::unwrap_used, clippy::panic)] // helpers of tests

mod classify;
mod errors;
mod load;
mod routes;
mod schema;
mod support;
