//! `GET /v1/models`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, ToSchema};

use crate::prediction::{ModelInfo, SCHEMA_VERSION};

use super::problem;
use super::state::{AppState, ServedModel};

/// The models of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// One entry per model, the default one first; none while they are loaded.
    pub models: Vec<ModelEntry>,
}

/// A model that a request may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelEntry {
    /// What a request writes in `model`; the model's own `name` will do too.
    pub id: String,
    /// Name, version and hash.
    #[serde(flatten)]
    pub info: ModelInfo,
    /// Whether it answers requests that name no model.
    pub default: bool,
}

/// List the models
#[utoipa::path(
    get,
    path = "/v1/models",
    tag = "stance",
    responses((status = 200, description = "The models of the service", body = ModelList),
              ReadProblems),
)]
pub(super) async fn list_models(State(state): State<AppState>) -> Json<ModelList> {
    Json(ModelList {
        models: entries(&state),
    })
}

/// The models, the default one first.
fn entries(state: &AppState) -> Vec<ModelEntry> {
    let entry = |(number, served): (usize, &Arc<ServedModel>)| ModelEntry {
        id: served.name.clone(),
        info: served.info.clone(),
        default: number == 0,
    };
    state.models().iter().enumerate().map(entry).collect()
}

/// What this service is and what it allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// `stance`.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Version of the schema of predictions.
    pub schema_version: String,
    /// The models, the default one first.
    pub models: Vec<ModelEntry>,
    /// Bytes of a request's body, or of one line of a stream, at the most.
    pub max_body_bytes: usize,
    /// Documents in one request at the most.
    pub max_documents: usize,
}

/// What this service is and what it allows
#[utoipa::path(
    get,
    path = "/info",
    tag = "stance",
    responses((status = 200, description = "The service", body = Info), ReadProblems),
)]
pub(super) async fn info(State(state): State<AppState>) -> Json<Info> {
    let limits = state.limits();
    Json(Info {
        name: env!("CARGO_PKG_NAME").to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        schema_version: SCHEMA_VERSION.to_owned(),
        models: entries(&state),
        max_body_bytes: limits.max_body_bytes,
        max_documents: limits.max_documents,
    })
}

/// What can go wrong with a question that has no body.
pub(super) struct ReadProblems;

impl IntoResponses for ReadProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problem::responses(&[
            (StatusCode::UNAUTHORIZED, "`unauthorized`"),
            (StatusCode::TOO_MANY_REQUESTS, "`rate_limited`"),
        ])
    }
}
