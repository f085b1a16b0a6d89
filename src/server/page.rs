//! The playground at `/`: plain HTML, CSS and JavaScript, all of it inside the binary.

use axum::Json;
use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;

const HTML: &str = include_str!("page/index.html");
const STYLE: &str = include_str!("page/style.css");
const SCRIPT: &str = include_str!("page/app.js");

/// A text to try, by its language.
#[derive(Debug, Clone, Copy, Serialize)]
struct Sample {
    language: &'static str,
    text: &'static str,
}

macro_rules! samples {
    ($($language:literal),*) => {
        [$(Sample {
            language: $language,
            text: include_str!(concat!("../../examples/", $language, ".txt")),
        }),*]
    };
}

/// The texts of `examples/`.
const SAMPLES: [Sample; 12] = samples!(
    "en", "ar", "de", "es", "fa", "fr", "he", "hi", "ru", "tr", "uk", "zh"
);

fn asset(media_type: &'static str, content: &'static str) -> impl IntoResponse {
    // A new version of the program is seen at once.
    let headers = [(CONTENT_TYPE, media_type), (CACHE_CONTROL, "no-cache")];
    (headers, content)
}

/// The page and what it loads.
pub(super) fn routes() -> Router {
    let page = || async { asset("text/html; charset=utf-8", HTML) };
    let style = || async { asset("text/css; charset=utf-8", STYLE) };
    let script = || async { asset("text/javascript; charset=utf-8", SCRIPT) };
    Router::new()
        .route("/", get(page))
        .route("/assets/style.css", get(style))
        .route("/assets/app.js", get(script))
        .route("/assets/samples.json", get(|| async { Json(SAMPLES) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_small_and_loads_nothing_from_elsewhere() {
        let size = HTML.len() + STYLE.len() + SCRIPT.len();
        assert!(size < 200_000, "{size} bytes");
        for part in [HTML, STYLE, SCRIPT] {
            assert!(!part.contains("http://") && !part.contains("https://"));
        }
    }

    #[test]
    fn every_element_that_the_script_asks_for_is_on_the_page() {
        let ids = SCRIPT
            .split("$(\"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next());
        for id in ids {
            assert!(HTML.contains(&format!("id=\"{id}\"")), "{id}");
        }
    }
}
