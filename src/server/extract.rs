//! Reading requests: a JSON body, a query string, a deadline; with errors that name the place.

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequest, FromRequestParts, Query, Request};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, SchemaFormat, Type};

use super::problem::Problem;
use super::state::AppState;
use crate::error::is_well_formed;

/// Header by which a client says how long it waits.
pub(super) const TIMEOUT_HEADER: &str = "x-request-timeout-ms";
/// Media type of a body with a JSON value per line.
pub(super) const NDJSON: &str = "application/x-ndjson";

/// What that header may say: what the description calls a positive `int64`.
const MILLISECONDS: RangeInclusive<u64> = 1..=i64::MAX as u64;

/// A JSON body.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<AppState> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &AppState) -> Result<Self, Problem> {
        let limit = state.limits().max_body_bytes;
        if !media_type(request.headers()).eq_ignore_ascii_case("application/json") {
            return Err(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "send the body as `Content-Type: application/json`",
            ));
        }
        check_length(request.headers(), limit)?;
        let bytes = read(request.into_body(), limit, state.limits().client_timeout).await?;
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

/// How long the client waits: what its header says, but not longer than the settings allow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience(Option<Duration>);

impl Patience {
    /// When it ends, counted from now.
    pub(super) fn deadline(self) -> Option<Instant> {
        self.0.and_then(|time| Instant::now().checked_add(time))
    }
}

/// The header, as the description has it.
impl IntoParams for Patience {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let milliseconds = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(*MILLISECONDS.start()));
        let header = ParameterBuilder::new()
            .name(TIMEOUT_HEADER)
            .parameter_in(ParameterIn::Header)
            .required(Required::False)
            .description(Some(
                "Milliseconds the client waits for the answer, or for that of a line",
            ))
            .schema(Some(milliseconds));
        vec![header.build()]
    }
}

impl FromRequestParts<AppState> for Patience {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let most = state.limits().timeout;
        let Some(value) = parts.headers.get(TIMEOUT_HEADER) else {
            return Ok(Self(most));
        };
        let given: Option<u64> = value.to_str().ok().and_then(|text| text.parse().ok());
        let Some(given) = given.filter(|milliseconds| MILLISECONDS.contains(milliseconds)) else {
            let detail = format!("`{TIMEOUT_HEADER}` must be a positive number of milliseconds");
            return Err(
                Problem::new(StatusCode::BAD_REQUEST, "invalid_header", detail)
                    .field(TIMEOUT_HEADER),
            );
        };
        let given = Duration::from_millis(given);
        Ok(Self(Some(most.map_or(given, |most| most.min(given)))))
    }
}

/// The media type without its parameters, empty when there is none.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers
        .get(CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
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
    Problem::too_large(detail, limit)
}

/// The client sent nothing for too long.
pub(super) fn too_slow(time: Duration) -> Problem {
    let detail = format!("the body did not arrive within {} s", time.as_secs_f64());
    Problem::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", detail)
}

/// The client went away in the middle.
pub(super) fn broken_off() -> Problem {
    let detail = "the body ended before it was complete";
    Problem::new(StatusCode::BAD_REQUEST, "unreadable_body", detail)
}

async fn read(body: Body, limit: usize, time: Duration) -> Result<Bytes, Problem> {
    let collected = Limited::new(body, limit).collect();
    match tokio::time::timeout(time, collected).await {
        Ok(Ok(collected)) => Ok(collected.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(_)) => Err(broken_off()),
        Err(_) => Err(too_slow(time)),
    }
}

/// A JSON value.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
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
    if !is_well_formed(error, text) {
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
