//! Reading requests: a JSON body or a query string, with errors that name the place.

use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::problem::Problem;
use super::state::AppState;

/// A JSON body.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let limit = state.limits().max_body_bytes;
        check_media_type(request.headers())?;
        check_length(request.headers(), limit)?;
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|error| unread(&error, limit))?;
        parse(&bytes).map(Self)
    }
}

/// A query string.
pub(super) struct QueryString<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for QueryString<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let invalid = |error: QueryRejection| {
            Problem::new(StatusCode::BAD_REQUEST, "invalid_query", error.body_text())
        };
        Query::from_request_parts(parts, state)
            .await
            .map(|Query(query)| Self(query))
            .map_err(invalid)
    }
}

fn check_media_type(headers: &HeaderMap) -> Result<(), Problem> {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let essence = value.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(Problem::new(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "send the body as `Content-Type: application/json`",
    ))
}

/// Refuses a body that announces itself as too long, before any of it is read.
fn check_length(headers: &HeaderMap, limit: usize) -> Result<(), Problem> {
    let length: Option<u64> = headers
        .get(CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok()?.parse().ok());
    match length {
        Some(length) if length > limit as u64 => Err(too_large(limit)),
        _ => Ok(()),
    }
}

fn too_large(limit: usize) -> Problem {
    let detail = format!("the body is longer than the limit of {limit} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail).limit(limit)
}

fn unread(error: &BytesRejection, limit: usize) -> Problem {
    match error {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            too_large(limit)
        }
        _ => Problem::new(
            StatusCode::BAD_REQUEST,
            "unreadable_body",
            "the body ended before it was complete",
        ),
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let detail = format!("the body is not valid UTF-8 at byte {at}");
        Problem::new(StatusCode::BAD_REQUEST, "invalid_utf8", detail)
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let field = error.path().to_string();
        invalid(
            error.inner(),
            text,
            Some(field).filter(|field| field != "."),
        )
    })?;
    deserializer
        .end()
        .map_err(|error| invalid(&error, text, None))?;
    Ok(value)
}

fn invalid(error: &serde_json::Error, text: &str, field: Option<String>) -> Problem {
    let detail = error.to_string();
    // An array with too many items is reported as if the syntax were wrong.
    let well_formed = error.is_data() || serde_json::from_str::<IgnoredAny>(text).is_ok();
    if !well_formed {
        return Problem::new(StatusCode::BAD_REQUEST, "invalid_json", detail)
            .at(error.line() as u32, error.column() as u32);
    }
    // serde tells what is wrong with well-formed JSON by its message alone.
    let code = if detail.starts_with("unknown field") {
        "unknown_field"
    } else if detail.starts_with("missing field") {
        "missing_field"
    } else {
        "invalid_value"
    };
    let problem = Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
        .at(error.line() as u32, error.column() as u32);
    match field {
        Some(field) => problem.field(field),
        None => problem,
    }
}
