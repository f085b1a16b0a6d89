//! `POST /v1/classify`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::openapi::{RefOr, Response};
use utoipa::{IntoResponses, ToSchema};

use crate::document::{Document, Options};
use crate::engine::check_options;
use crate::prediction::{DocumentResult, ModelInfo};

use super::extract::JsonBody;
use super::problem::{self, Problem};
use super::state::AppState;

/// Documents to judge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ClassifyRequest {
    /// The documents; each gets a result of its own, in this order.
    pub documents: Vec<Document>,
    /// What is asked for, the same for all documents.
    #[serde(default)]
    pub options: Options,
    /// Name of a model of `/v1/models`; the default model when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// One result for each document, in their order. `stance classify --format json` prints the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassifyResponse {
    /// A prediction, or the reason why there is none.
    pub results: Vec<DocumentResult>,
    /// The model that answered.
    pub model: ModelInfo,
}

/// What can go wrong with the request as a whole.
struct ClassifyProblems;

impl IntoResponses for ClassifyProblems {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        problem::responses(&[
            (
                StatusCode::BAD_REQUEST,
                "`invalid_json`, `invalid_utf8` or `unreadable_body`",
            ),
            (StatusCode::NOT_FOUND, "`unknown_model`"),
            (
                StatusCode::PAYLOAD_TOO_LARGE,
                "`body_too_large` or `too_many_documents`",
            ),
            (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "`unsupported_media_type`",
            ),
            (
                StatusCode::UNPROCESSABLE_ENTITY,
                "`unknown_field`, `missing_field`, `invalid_value`, and of the options \
                 `unknown_language` or `unknown_actor`",
            ),
            (
                StatusCode::TOO_MANY_REQUESTS,
                "`queue_full`; `Retry-After` says when to try again",
            ),
            (StatusCode::INTERNAL_SERVER_ERROR, "`internal_error`"),
            (StatusCode::SERVICE_UNAVAILABLE, "`shutting_down`"),
        ])
    }
}

/// Judge documents
///
/// Topics, actors, and the author's stance toward each. A document that cannot be judged
/// (`empty_text`, `text_too_long`, `unknown_language`, `unknown_actor`, …) is answered by an
/// error on its place; the others are not affected.
#[utoipa::path(
    post,
    path = "/v1/classify",
    tag = "stance",
    request_body = ClassifyRequest,
    responses((status = 200, description = "One result per document", body = ClassifyResponse),
              ClassifyProblems),
)]
pub(super) async fn classify(
    State(state): State<AppState>,
    JsonBody(request): JsonBody<ClassifyRequest>,
) -> Result<Json<ClassifyResponse>, Problem> {
    let limit = state.limits().max_documents;
    let count = request.documents.len();
    if count > limit {
        let detail = format!("the request has {count} documents; the limit is {limit}");
        return Err(
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_documents", detail)
                .field("documents")
                .limit(limit),
        );
    }
    let model = state.model(request.model.as_deref())?;
    check_options(&request.options, model.classifier().registry())?;
    let results = model
        .engine()
        .classify(request.documents, request.options)
        .await?;
    Ok(Json(ClassifyResponse {
        results,
        model: model.info().clone(),
    }))
}
