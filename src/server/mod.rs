//! The REST service.
//!
//! [`app`] builds the router from the state; [`run()`] binds, loads the models, prints where it
//! listens, and serves until it is told to stop. One file per group of routes; [`problem`] is the
//! shape of every error and [`openapi`] the description that is generated from the types.
//! `connection` takes connections, `layers` is what every request passes, `keys` who may ask,
//! `reload` where models come from, `admin` the port of those who run the service.

mod actors;
mod admin;
mod classify;
mod connection;
mod embed;
mod extract;
mod health;
mod keys;
mod layers;
mod models;
pub mod openapi;
mod page;
mod problem;
mod reload;
mod run;
mod slow;
mod state;
mod stream;
mod trace;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn_with_state, map_response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::OpenApi as _;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use crate::config::RequestLimits;
pub use actors::{ActorEntry, ActorList};
pub use classify::{
    ClassifyRequest, ClassifyResponse, PartResponse, PartResult, StanceResponse, Stances, Topics,
    TopicsResponse,
};
pub use connection::{ConnectionLimits, TlsError, tls};
pub use embed::{EmbedRequest, EmbedResponse, EmbeddingsRequest, EmbeddingsResponse};
pub use keys::{Keys, KeysError};
pub use models::{ModelEntry, ModelList};
pub use problem::Problem;
pub use run::{Page, ServeError, Serving, run};
pub use state::{AppState, ServedModel};

/// The routes for which a key is asked, where keys are.
fn guarded() -> OpenApiRouter<AppState> {
    let mut routes = OpenApiRouter::new()
        .routes(routes!(classify::classify))
        .routes(routes!(classify::topics))
        .routes(routes!(classify::stance))
        .routes(routes!(embed::embed))
        .routes(routes!(embed::embeddings))
        .routes(routes!(models::list_models))
        .routes(routes!(actors::list_actors))
        .routes(routes!(models::info));
    openapi::ask_for_keys(routes.get_openapi_mut());
    routes
}

/// The routes that everybody may ask.
fn open() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::Api::openapi())
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
}

/// The whole service: described routes, `/openapi.json`, `/docs`, the playground at `/`, and an
/// RFC 9457 body on every error.
pub fn app(state: AppState, page: &Page) -> Router {
    let guard = || from_fn_with_state(state.clone(), keys::guard);
    let (routes, description) = open().merge(guarded().layer(guard())).split_for_parts();
    let mut routes = routes;
    if page.metrics {
        let metrics = Router::new().route("/metrics", get(admin::metrics));
        routes = routes.merge(metrics.layer(guard()));
    }
    let mut app = routes
        .with_state(state.clone())
        .merge(openapi::pages(description))
        .merge(page::routes())
        .layer(DefaultBodyLimit::disable())
        .layer(CatchPanicLayer::custom(problem::from_panic))
        .layer(map_response(problem::describe))
        .layer(map_response(layers::secure));
    if let Some(cors) = layers::cors(&page.cors_origins) {
        app = app.layer(cors);
    }
    app.layer(from_fn_with_state(state, layers::observe))
}
