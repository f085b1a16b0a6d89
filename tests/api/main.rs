//! The REST service, as a client sees it.

mod classify;
mod errors;
mod load;
mod routes;
mod schema;
mod support;
