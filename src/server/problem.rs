//! Errors of a whole request, as RFC 9457 `application/problem+json`.

use std::any::Any;
use std::collections::BTreeMap;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response};
use utoipa::{PartialSchema, ToSchema};

use crate::engine::EngineError;
use crate::error::ErrorCode;
use crate::predict::{OptionsError, PredictError};

/// Media type of every error.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// The only type of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AboutBlank;

impl Serialize for AboutBlank {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("about:blank")
    }
}

/// Why a request got no answer (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` says what happened.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: AboutBlank,
    /// The status in words.
    title: &'static str,
    /// The HTTP status code.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// Stable code, such as `queue_full`.
    code: &'static str,
    /// What happened, for people.
    #[schema(value_type = String)]
    detail: Box<str>,
    /// Path of the field at fault, such as `documents[0].text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    field: Option<Box<str>>,
    /// The limit that was passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<usize>,
    /// Line of the body at which reading stopped, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// Column of that line, in bytes, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<u32>,
    /// Seconds after which it is worth trying again; also in the header `Retry-After`.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u32>,
}

/// The code of a problem, for the layers that its answer passes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Code(pub(super) &'static str);

impl Problem {
    /// A problem with a status, a stable code, and a sentence for people.
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind: AboutBlank,
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            code,
            detail: detail.into(),
            field: None,
            limit: None,
            line: None,
            column: None,
            retry_after: None,
        }
    }

    /// The stable code.
    pub(super) const fn code(&self) -> &'static str {
        self.code
    }

    /// Says when it is worth trying again.
    #[must_use]
    pub(super) fn retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after.as_secs_f64().ceil().max(1.0) as u32);
        self
    }

    /// Names the field at fault.
    #[must_use]
    pub(super) fn field(mut self, field: impl Into<Box<str>>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// Names the limit that was passed.
    #[must_use]
    pub(super) const fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Names the place in the body, both from 1.
    #[must_use]
    pub(super) const fn at(mut self, line: u32, column: u32) -> Self {
        self.line = Some(line);
        self.column = Some(column);
        self
    }

    pub(super) fn unknown_model(name: &str) -> Self {
        let detail = format!("this service has no model named {name:?}; see /v1/models");
        Self::new(StatusCode::NOT_FOUND, "unknown_model", detail).field("model")
    }

    /// The sentence for people.
    pub(super) fn detail(&self) -> &str {
        &self.detail
    }

    /// Something is longer than its limit.
    pub(super) fn too_large(detail: impl Into<Box<str>>, limit: usize) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).limit(limit)
    }

    /// The service takes nothing new.
    pub(super) fn shutting_down() -> Self {
        let detail = "the service is shutting down and takes no new requests";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "shutting_down", detail)
    }

    /// No model is loaded yet.
    pub(super) fn loading() -> Self {
        let detail = "the model is being loaded";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "loading", detail)
            .retry_after(Duration::from_secs(1))
    }

    pub(super) fn internal() -> Self {
        let detail = "the request could not be answered: an internal error";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", detail)
    }

    /// What a bare status of the router means.
    fn from_status(status: StatusCode) -> Self {
        match status {
            StatusCode::NOT_FOUND => {
                Self::new(status, "not_found", "there is nothing at this path")
            }
            StatusCode::METHOD_NOT_ALLOWED => Self::new(
                status,
                "method_not_allowed",
                "this path does not answer this method; see the `Allow` header",
            ),
            _ if status.is_server_error() => Self {
                status: status.as_u16(),
                ..Self::internal()
            },
            _ => Self::new(status, "bad_request", "the request could not be understood"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(CONTENT_TYPE, MEDIA_TYPE)], body).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response.extensions_mut().insert(Code(self.code));
        response
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let problem = |status, detail: String| Self::new(status, error.code(), detail);
        match &error {
            EngineError::QueueFull {
                limit, retry_after, ..
            } => problem(StatusCode::TOO_MANY_REQUESTS, error.to_string())
                .limit(*limit)
                .retry_after(*retry_after),
            EngineError::DeadlineExceeded => {
                problem(StatusCode::GATEWAY_TIMEOUT, error.to_string())
            }
            EngineError::ShuttingDown => {
                problem(StatusCode::SERVICE_UNAVAILABLE, error.to_string())
            }
            EngineError::WorkerLost | EngineError::Thread(_) => {
                tracing::error!(%error, "the engine failed");
                Self::internal()
            }
        }
    }
}

impl From<OptionsError> for Problem {
    fn from(error: OptionsError) -> Self {
        let problem = Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            error.code(),
            error.to_string(),
        )
        .field(format!("options.{}", error.field()));
        match error.limit() {
            Some(limit) => problem.limit(limit),
            None => problem,
        }
    }
}

impl From<PredictError> for Problem {
    fn from(error: PredictError) -> Self {
        match error {
            PredictError::Options(error) => error.into(),
            error => Self::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                error.code(),
                error.to_string(),
            )
            .field("options"),
        }
    }
}

/// Layer: gives every error that has no description yet (unknown path, wrong method) one.
pub(super) async fn describe(response: Response) -> Response {
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let described = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value == MEDIA_TYPE);
    if !is_error || described {
        return response;
    }
    let mut problem = Problem::from_status(status).into_response();
    if let Some(allow) = response.headers().get(ALLOW) {
        problem.headers_mut().insert(ALLOW, allow.clone());
    }
    problem
}

/// Layer: a handler that panicked. The panic's message stays out of the log: it may quote a text.
pub(super) fn from_panic(_: Box<dyn Any + Send>) -> Response<Body> {
    tracing::error!("a handler panicked");
    Problem::internal().into_response()
}

/// Descriptions of errors for the `OpenAPI` document.
pub(super) fn responses(
    errors: &[(StatusCode, &str)],
) -> BTreeMap<String, RefOr<response::Response>> {
    let schema = RefOr::Ref(Ref::from_schema_name(Problem::name()));
    errors
        .iter()
        .map(|(status, description)| {
            let content = ContentBuilder::new().schema(Some(schema.clone())).build();
            let response = ResponseBuilder::new()
                .description(*description)
                .content(MEDIA_TYPE, content);
            (status.as_str().to_owned(), RefOr::T(response.build()))
        })
        .collect()
}

/// Schema of the problem, for the `OpenAPI` document's components.
pub(super) fn schema() -> (String, RefOr<utoipa::openapi::Schema>) {
    (Problem::name().into_owned(), Problem::schema())
}
