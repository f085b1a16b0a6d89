//! Liveness and readiness.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, ToSchema};

use super::problem::{self, Problem};
use super::state::AppState;

/// The service is well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`.
    status: String,
}

impl Health {
    fn ok() -> Json<Self> {
        Json(Self {
            status: "ok".to_owned(),
        })
    }
}

struct NotReady;

impl IntoResponses for NotReady {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problem::responses(&[(
            StatusCode::SERVICE_UNAVAILABLE,
            "`loading` or `shutting_down`",
        )])
    }
}

/// Is the process alive?
///
/// Never waits for the queue.
#[utoipa::path(
    get,
    path = "/health/live",
    tag = "health",
    responses((status = 200, description = "The process is alive", body = Health)),
)]
pub(super) async fn live() -> Json<Health> {
    Health::ok()
}

/// Does the service take new work?
#[utoipa::path(
    get,
    path = "/health/ready",
    tag = "health",
    responses((status = 200, description = "The model is loaded and new work is taken",
               body = Health),
              NotReady),
)]
pub(super) async fn ready(State(state): State<AppState>) -> Result<Json<Health>, Problem> {
    if state.is_ready() {
        return Ok(Health::ok());
    }
    if state.engine().is_open() {
        return Err(Problem::loading());
    }
    Err(Problem::shutting_down())
}
