//! `POST /v1/classify`, and `/v1/topics` and `/v1/stance`, which answer a part of it.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::{IntoResponses, ToSchema};

use crate::document::{Document, OffsetUnit, Options};
use crate::engine::DocumentOutput;
use crate::predict::{Output, Task};
use crate::prediction::{
    ActorStance, DocumentError, DocumentFailure, DocumentResult, LanguageGuess, ModelInfo,
    Prediction, TopicScore, Warning,
};

use super::extract::{JsonBody, NDJSON, Patience, QueryString, media_type};
use super::problem::{self, Problem};
use super::state::AppState;
use super::stream::{self, OptionQuery};

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

impl ClassifyRequest {
    /// Reads a body as the service does.
    ///
    /// # Errors
    /// The problem that the service answers with: not JSON, or not of this shape.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        super::extract::parse(body)
    }
}

/// One result for each document, in their order. `stance classify --format json` prints the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ClassifyResponse {
    /// A prediction, or the reason why there is none.
    pub results: Vec<DocumentResult>,
    /// The model that answered.
    pub model: ModelInfo,
}

/// The topics of one document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Topics {
    /// The document's id, when it had one.
    pub id: Option<String>,
    /// The language of the text.
    pub language: LanguageGuess,
    /// Topics above the threshold, most probable first.
    pub topics: Vec<TopicScore>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

impl From<Prediction> for Topics {
    fn from(prediction: Prediction) -> Self {
        Self {
            id: prediction.id,
            language: prediction.language,
            topics: prediction.topics,
            warnings: prediction.warnings,
        }
    }
}

/// The actors of one document, and the author's stance toward each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Stances {
    /// The document's id, when it had one.
    pub id: Option<String>,
    /// The language of the text.
    pub language: LanguageGuess,
    /// One entry per actor, most mentioned first.
    pub stances: Vec<ActorStance>,
    /// Unit of every span; spans point into the original text.
    pub offset_unit: OffsetUnit,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
}

impl From<Prediction> for Stances {
    fn from(prediction: Prediction) -> Self {
        Self {
            id: prediction.id,
            language: prediction.language,
            stances: prediction.stances,
            offset_unit: prediction.offset_unit,
            warnings: prediction.warnings,
        }
    }
}

/// A part of a prediction, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PartResult<T> {
    /// The document was judged.
    Part(T),
    /// The document could not be judged.
    Failure(DocumentFailure),
}

/// One result for each document, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PartResponse<T> {
    /// The part that was asked for, or the reason why there is none.
    pub results: Vec<PartResult<T>>,
    /// The model that answered.
    pub model: ModelInfo,
}

/// What `/v1/topics` answers.
pub type TopicsResponse = PartResponse<Topics>;

/// What `/v1/stance` answers.
pub type StanceResponse = PartResponse<Stances>;

impl<T: From<Prediction>> From<ClassifyResponse> for PartResponse<T> {
    fn from(whole: ClassifyResponse) -> Self {
        Self {
            results: whole.results.into_iter().map(part).collect(),
            model: whole.model,
        }
    }
}

/// What can go wrong with the request as a whole.
pub(super) struct RequestProblems;

impl IntoResponses for RequestProblems {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        problem::responses(&[
            (
                StatusCode::BAD_REQUEST,
                "`invalid_json`, `invalid_utf8`, `unreadable_body`, `invalid_header` or \
                 `invalid_query`",
            ),
            (StatusCode::UNAUTHORIZED, "`unauthorized`"),
            (StatusCode::NOT_FOUND, "`unknown_model`"),
            (StatusCode::REQUEST_TIMEOUT, "`body_timeout`"),
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
                "`queue_full` or `rate_limited`; `Retry-After` says when to try again",
            ),
            (StatusCode::INTERNAL_SERVER_ERROR, "`internal_error`"),
            (
                StatusCode::SERVICE_UNAVAILABLE,
                "`loading` or `shutting_down`",
            ),
            (StatusCode::GATEWAY_TIMEOUT, "`deadline_exceeded`"),
        ])
    }
}

/// A document's id with what it came to.
pub(super) fn result(id: Option<String>, output: DocumentOutput) -> DocumentResult {
    match output {
        Ok(Output::Prediction(prediction)) => DocumentResult::Prediction(prediction),
        Ok(Output::Embedding(_)) => {
            let message = "the model answered by a vector";
            DocumentResult::failure(id, DocumentError::new("internal_error", message))
        }
        Err(error) => DocumentResult::failure(id, error),
    }
}

fn part<T: From<Prediction>>(result: DocumentResult) -> PartResult<T> {
    match result {
        DocumentResult::Prediction(prediction) => PartResult::Part((*prediction).into()),
        DocumentResult::Failure(failure) => PartResult::Failure(failure),
    }
}

/// Refuses a request with too many documents in `field`.
pub(super) fn check_count(
    state: &AppState,
    count: usize,
    field: &'static str,
) -> Result<(), Problem> {
    let limit = state.limits().max_documents;
    if count <= limit {
        return Ok(());
    }
    let detail = format!("the request has {count} {field}; the limit is {limit}");
    Err(
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_many_documents", detail)
            .field(field)
            .limit(limit),
    )
}

async fn judge(
    state: &AppState,
    patience: Patience,
    request: ClassifyRequest,
    task: Task,
) -> Result<ClassifyResponse, Problem> {
    check_count(state, request.documents.len(), "documents")?;
    let asked = state.ask(request.model.as_deref(), task, request.options)?;
    let ids: Vec<Option<String>> = request.documents.iter().map(|d| d.id.clone()).collect();
    let outputs = state
        .answer(&asked, request.documents, patience.deadline())
        .await?;
    Ok(ClassifyResponse {
        results: ids
            .into_iter()
            .zip(outputs)
            .map(|(id, output)| result(id, output))
            .collect(),
        model: asked.served.info.clone(),
    })
}

/// Judge documents
///
/// Topics, actors, and the author's stance toward each. A document that cannot be judged
/// (`empty_text`, `text_too_long`, `unknown_language`, `unknown_actor`, …) is answered by an
/// error on its place; the others are not affected.
///
/// As `application/x-ndjson`, the body is a document per line, of any number, and the answer a
/// result per line in the same order, each sent when it is known; the options and the model are
/// then given by the query, which goes before what a JSON body says too. A line that is no document is answered by an error on its place.
#[utoipa::path(
    post,
    path = "/v1/classify",
    tag = "stance",
    params(OptionQuery, Patience),
    request_body(content(
        (ClassifyRequest = "application/json"),
        (String = "application/x-ndjson"),
    )),
    responses((status = 200, description = "One result per document", content(
                  (ClassifyResponse = "application/json"),
                  (String = "application/x-ndjson"),
              )),
              RequestProblems),
)]
pub(super) async fn classify(
    State(state): State<AppState>,
    patience: Patience,
    QueryString(mut query): QueryString<OptionQuery>,
    request: Request,
) -> Result<Response, Problem> {
    if media_type(request.headers()).eq_ignore_ascii_case(NDJSON) {
        return stream::classify(&state, patience, query, request.into_body());
    }
    let JsonBody(request) = JsonBody::<ClassifyRequest>::from_request(request, &state).await?;
    let request = ClassifyRequest {
        model: query.model.take().or(request.model),
        options: query.over(request.options),
        documents: request.documents,
    };
    let response = judge(&state, patience, request, Task::Full).await?;
    Ok(Json(response).into_response())
}

/// Find the topics of documents
///
/// As `/v1/classify`, without looking for actors.
#[utoipa::path(
    post,
    path = "/v1/topics",
    tag = "stance",
    params(Patience),
    request_body = ClassifyRequest,
    responses((status = 200, description = "One result per document", body = PartResponse<Topics>),
              RequestProblems),
)]
pub(super) async fn topics(
    State(state): State<AppState>,
    patience: Patience,
    JsonBody(request): JsonBody<ClassifyRequest>,
) -> Result<Json<TopicsResponse>, Problem> {
    let whole = judge(&state, patience, request, Task::Topics).await?;
    Ok(Json(whole.into()))
}

/// Find the author's stance toward actors
///
/// As `/v1/classify`, without the topics.
#[utoipa::path(
    post,
    path = "/v1/stance",
    tag = "stance",
    params(Patience),
    request_body = ClassifyRequest,
    responses((status = 200, description = "One result per document", body = PartResponse<Stances>),
              RequestProblems),
)]
pub(super) async fn stance(
    State(state): State<AppState>,
    patience: Patience,
    JsonBody(request): JsonBody<ClassifyRequest>,
) -> Result<Json<StanceResponse>, Problem> {
    let whole = judge(&state, patience, request, Task::Stance).await?;
    Ok(Json(whole.into()))
}
