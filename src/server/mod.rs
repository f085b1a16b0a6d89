//! The REST service.
//!
//! [`app`] builds the router from the state; [`run()`] binds, prints where it listens, and
//! serves until it is told to stop. One file per group of routes; [`problem`] is the shape of
//! every error and [`openapi`] the description that is generated from the types.

mod actors;
mod classify;
mod extract;
mod health;
mod models;
pub mod openapi;
mod problem;
mod run;
mod state;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::trace::{DefaultOnResponse, TraceLayer};
use tracing::{Level, Span};
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use crate::config::RequestLimits;
pub use actors::{ActorEntry, ActorList};
pub use classify::{ClassifyRequest, ClassifyResponse};
pub use models::{ModelEntry, ModelList};
pub use problem::Problem;
pub use run::{ServeError, run, serve};
pub use state::{AppState, ServedModel};

/// The routes that the `OpenAPI` description lists.
fn described() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Api::openapi())
        .routes(routes!(classify::classify))
        .routes(routes!(models::list_models))
        .routes(routes!(actors::list_actors))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The whole service: described routes, `/openapi.json`, `/docs`, and an RFC 9457 body on every
/// error.
pub fn app(state: AppState) -> Router {
    let (routes, description) = described().split_for_parts();
    let max_body_bytes = state.limits().max_body_bytes;
    routes
        .with_state(state)
        .merge(openapi::pages(description))
        .layer(DefaultBodyLimit::max(max_body_bytes))
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(axum::middleware::map_response(problem::describe))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(request_span)
                .on_response(DefaultOnResponse::new().level(Level::INFO)),
        )
}

/// What the log says of a request: neither its query nor its body, which may quote a text.
fn request_span(request: &Request) -> Span {
    let path = request.uri().path();
    tracing::info_span!("request", method = %request.method(), path)
}
