//! Who may ask: API keys by their hashes, each with a name and a rate of its own.

use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::problem::Problem;
use super::state::AppState;

/// Why a file of keys cannot be used. No message quotes a key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeysError {
    /// The file cannot be read.
    #[error("cannot read the API keys in {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// What the operating system says.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("the API keys in {path} cannot be used: {message}")]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong.
        message: String,
    },
}

impl crate::error::ErrorCode for KeysError {
    fn code(&self) -> &'static str {
        "invalid_api_keys"
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    requests_per_minute: Option<NonZeroU32>,
    burst: Option<NonZeroU32>,
}

struct Key {
    name: String,
    hash: [u8; 32],
    limiter: Option<DefaultDirectRateLimiter>,
}

/// The keys that let in.
pub struct Keys(Vec<Key>);

impl Keys {
    /// Reads a TOML file: a table `[[key]]` per key with `name`, `sha256` (of the key, in
    /// hexadecimal), and optionally `requests_per_minute` and `burst`.
    ///
    /// # Errors
    /// [`KeysError`], which names the key at fault.
    pub fn load(path: &Path) -> Result<Self, KeysError> {
        let text = std::fs::read_to_string(path).map_err(|source| KeysError::Io {
            path: path.display().to_string(),
            source,
        })?;
        Self::parse(&text).map_err(|message| KeysError::Invalid {
            path: path.display().to_string(),
            message,
        })
    }

    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.message().to_owned())?;
        if file.key.is_empty() {
            return Err("there is no [[key]]".to_owned());
        }
        let mut keys: Vec<Key> = Vec::with_capacity(file.key.len());
        for entry in file.key {
            if keys.iter().any(|key| key.name == entry.name) {
                return Err(format!("two keys are named {:?}", entry.name));
            }
            let Some(hash) = unhex(&entry.sha256) else {
                let name = entry.name;
                return Err(format!(
                    "key {name:?}: `sha256` is not 64 hexadecimal digits"
                ));
            };
            let quota = entry
                .requests_per_minute
                .map(|rate| Quota::per_minute(rate).allow_burst(entry.burst.unwrap_or(rate)));
            keys.push(Key {
                name: entry.name,
                hash,
                limiter: quota.map(RateLimiter::direct),
            });
        }
        Ok(Self(keys))
    }

    /// Compares with every key, however early one fits, so that time tells nothing.
    fn find(&self, presented: &str) -> Option<&Key> {
        let hash: [u8; 32] = Sha256::digest(presented.as_bytes()).into();
        let mut found = None;
        for key in &self.0 {
            if bool::from(key.hash.ct_eq(&hash)) {
                found = Some(key);
            }
        }
        found
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..64).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| key.trim());
    }
    headers.get("x-api-key")?.to_str().ok()
}

/// Layer: lets in who has a key and has not asked too often.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    let Some(keys) = state.keys() else {
        return next.run(request).await;
    };
    let Some(key) = presented(request.headers()).and_then(|key| keys.find(key)) else {
        let detail = "send an API key as `Authorization: Bearer KEY`";
        let problem = Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail);
        let mut response = problem.into_response();
        response
            .headers_mut()
            .insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        return response;
    };
    tracing::Span::current().record("key", key.name.as_str());
    if let Some(limiter) = &key.limiter
        && let Err(early) = limiter.check()
    {
        let wait: Duration = early.wait_time_from(DefaultClock::default().now());
        let detail = "this API key asks more often than it may";
        return Problem::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", detail)
            .retry_after(wait)
            .into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SHA-256 of `open sesame`.
    const HASH: &str = "41ef4bb0b23661e66301aac36066912dac037827b4ae63a7b1165a5aa93ed4eb";

    #[test]
    fn a_key_is_known_by_its_hash() {
        let keys = Keys::parse(&format!("[[key]]\nname = \"desk\"\nsha256 = \"{HASH}\"")).unwrap();
        assert_eq!(keys.find("open sesame").unwrap().name, "desk");
        assert!(keys.find("open sesam").is_none());
        assert!(keys.find(HASH).is_none(), "the hash itself opens nothing");
    }

    #[test]
    fn a_wrong_file_is_refused_without_quoting_it() {
        for text in [
            "",
            "key = []",
            "[[key]]\nname = \"a\"\nsha256 = \"12\"",
            "[[key]]\nname = \"a\"",
            &format!("[[key]]\nname = \"a\"\nsha256 = \"{HASH}\"\nrequests_per_minute = 0"),
            &format!("[[key]]\nname=\"a\"\nsha256=\"{HASH}\"\n").repeat(2),
        ] {
            let Err(message) = Keys::parse(text) else {
                unreachable!("{text}")
            };
            assert!(!message.contains(HASH), "{message}");
        }
    }
}
