//! What happens to every request and answer: an id, a line in the log, counting, headers that
//! keep browsers from guessing.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
    X_FRAME_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tracing::Instrument;

use super::extract::TIMEOUT_HEADER;
use super::problem::Code;
use super::state::AppState;
use super::trace;

/// Header of the id of a request, in the request and in the answer.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id that the client gave, if it is short and plain; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    static START: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one("stance"));
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(byte);
    if let Some(given) = headers.get(REQUEST_ID)
        && (1..=128).contains(&given.len())
        && given.as_bytes().iter().all(plain)
    {
        return given.clone();
    }
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let id = format!("{:016x}-{number:08x}", *START);
    HeaderValue::try_from(id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

/// Layer: gives each request an id, logs it, counts it. The log says neither its query nor its
/// body, which may quote a text.
pub(super) async fn observe(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(request.headers());
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| "other".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        id = id.to_str().unwrap_or_default(),
        method = %request.method(),
        route,
        key = tracing::field::Empty,
    );
    let trace = trace::begin(
        request.method(),
        &route,
        id.to_str().unwrap_or_default(),
        request.headers(),
    );
    let answer = next.run(request).instrument(trace.clone());
    let mut response = answer.instrument(span.clone()).await;
    trace::end(&trace, response.status());
    let took = started.elapsed();
    let status = response.status().as_u16();
    state.metrics().request(&route, status, took);
    let code = response.extensions().get::<Code>().map(|code| code.0);
    if let Some(code) = code {
        state.metrics().refuse(code);
    }
    span.in_scope(|| {
        tracing::info!(
            status,
            code,
            milliseconds = took.as_millis() as u64,
            "answered"
        );
    });
    response.headers_mut().insert(REQUEST_ID, id);
    response
}

/// Layer: tells browsers not to guess, not to frame, not to keep answers, and to load nothing
/// from elsewhere.
pub(super) async fn secure(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; \
                          img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                          frame-ancestors 'none'";
    let headers = response.headers_mut();
    for (name, value) in [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CONTENT_SECURITY_POLICY, POLICY),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Lets pages of these origins ask; `None` when there are none.
pub(super) fn cors(origins: &[String]) -> Option<CorsLayer> {
    let origins: Vec<HeaderValue> = origins
        .iter()
        .filter_map(|origin| HeaderValue::try_from(origin).ok())
        .collect();
    if origins.is_empty() {
        return None;
    }
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            axum::http::header::CONTENT_TYPE,
            axum::http::header::AUTHORIZATION,
            HeaderName::from_static("x-api-key"),
            HeaderName::from_static(TIMEOUT_HEADER),
            REQUEST_ID,
        ])
        .expose_headers([REQUEST_ID, axum::http::header::RETRY_AFTER]);
    Some(layer)
}
