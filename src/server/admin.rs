//! Routes for those who run the service, on a port of their own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Router, middleware};

use crate::error::ErrorCode;

use super::models::{ModelList, list_models};
use super::problem::Problem;
use super::reload::Reloader;
use super::state::AppState;
use super::{health, layers, problem};

/// Media type of the text format of Prometheus.
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The admin port: `POST /admin/reload`, `/metrics` and the probes.
pub(super) fn app(state: AppState, reloader: Reloader) -> Router {
    let reload_route = post(reload).with_state((state.clone(), reloader));
    Router::new()
        .route("/metrics", get(metrics))
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(state.clone())
        .route("/admin/reload", reload_route)
        .layer(middleware::map_response(problem::describe))
        .layer(middleware::map_response(layers::secure))
        .layer(middleware::from_fn_with_state(state, layers::observe))
}

/// Counters for Prometheus.
pub(super) async fn metrics(State(state): State<AppState>) -> impl IntoResponse {
    ([(CONTENT_TYPE, OPENMETRICS)], state.metrics().text())
}

/// Loads models, actors and keys anew; what is served goes on when that fails.
async fn reload(
    State((state, reloader)): State<(AppState, Reloader)>,
) -> Result<Json<ModelList>, Problem> {
    match reloader.reload().await {
        Ok(()) => Ok(list_models(State(state)).await),
        Err(error) => {
            let detail = format!("nothing was changed: {error} [{}]", error.code());
            Err(Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "reload_failed",
                detail,
            ))
        }
    }
}
