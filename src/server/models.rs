//! `GET /v1/models`.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::prediction::ModelInfo;

use super::state::AppState;

/// The models of the service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelList {
    /// One entry per model.
    pub models: Vec<ModelEntry>,
}

/// A model that a request may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ModelEntry {
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
    responses((status = 200, description = "The models of the service", body = ModelList)),
)]
pub(super) async fn list_models(State(state): State<AppState>) -> Json<ModelList> {
    let info = state.default_model().info().clone();
    Json(ModelList {
        models: vec![ModelEntry {
            info,
            default: true,
        }],
    })
}
