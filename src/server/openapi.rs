//! The `OpenAPI` 3.1 description, generated from the types, and the page that shows it.

use axum::routing::get;
use axum::{Json, Router};
use utoipa::OpenApi;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{Components, OpenApi as Description};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::problem;

/// What the description says beside the routes.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "stance",
        description = "Topics, actors, and the author's stance toward each, in any language.",
    ),
    tags(
        (name = "stance", description = "Judging documents"),
        (name = "vectors", description = "Texts as vectors"),
        (name = "health", description = "Probes"),
    ),
    modifiers(&Problems),
)]
pub(super) struct Api;

/// Adds the schema that every error response refers to.
struct Problems;

impl utoipa::Modify for Problems {
    fn modify(&self, description: &mut Description) {
        let (name, schema) = problem::schema();
        let components = description
            .components
            .get_or_insert_with(Components::default);
        components.schemas.insert(name, schema);
    }
}

/// Says that these routes take a key in either of two headers, and do without where the service
/// asks for none.
pub(super) fn ask_for_keys(description: &mut Description) {
    const BEARER: &str = "bearer";
    const HEADER: &str = "key";
    let components = description
        .components
        .get_or_insert_with(Components::default);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer));
    let header = ApiKey::Header(ApiKeyValue::new("x-api-key"));
    components.add_security_scheme(HEADER, SecurityScheme::ApiKey(header));
    for path in description.paths.paths.values_mut() {
        for operation in [&mut path.get, &mut path.post].into_iter().flatten() {
            operation.security = Some(vec![
                SecurityRequirement::default(),
                SecurityRequirement::new(BEARER, [""; 0]),
                SecurityRequirement::new(HEADER, [""; 0]),
            ]);
        }
    }
}

/// The description of the whole service.
pub fn description() -> Description {
    super::open().merge(super::guarded()).into_openapi()
}

/// `/openapi.json`, and Swagger UI at `/docs`, all of it inside the binary.
pub(super) fn pages(description: Description) -> Router {
    let ui = SwaggerUi::new("/docs").config(
        Config::new(["/openapi.json"])
            .validator_url("none")
            .try_it_out_enabled(true),
    );
    Router::new()
        .route(
            "/openapi.json",
            get(move || async move { Json(description) }),
        )
        .merge(ui)
}
