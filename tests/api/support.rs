//! A running service on a free port, over a classifier that does what the text says.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};
use stance::document::{Document, OffsetUnit, Options};
use stance::engine::{EngineLimits, Model};
use stance::prediction::{
    ActorRef, ActorStance, Evidence, LanguageGuess, MentionSpan, ModelInfo, Prediction,
    SCHEMA_VERSION, Stance, StanceProbabilities, TopicScore, Warning,
};
use stance::server::{AppState, ConnectionLimits, Page, RequestLimits, ServedModel, Serving};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

pub use crate::double::{Control, Double};

/// The tiny model under control.
pub fn double() -> (Arc<Double>, Control) {
    Double::new(crate::double::predictor(crate::model::tiny))
}

/// Hand-built: every field of the schema has a value.
pub fn prediction(document: &Document, options: &Options) -> Prediction {
    let text = "Moscow was wrong.";
    Prediction {
        schema_version: SCHEMA_VERSION.to_owned(),
        id: document.id.clone(),
        text: None,
        language: LanguageGuess {
            code: "en".into(),
            confidence: 0.75,
        },
        topics: vec![TopicScore {
            id: "medtop:11000000".into(),
            label: "politics and government".into(),
            probability: 0.5,
        }],
        stances: vec![ActorStance {
            actor: ActorRef {
                id: "russia".into(),
                name: "Russia".into(),
                kind: "state".into(),
            },
            stance: Stance::Against,
            probabilities: StanceProbabilities::from_array([0.125, 0.625, 0.25]),
            abstained: false,
            reason: None,
            mentions: vec![MentionSpan {
                start: 0,
                end: 6,
                text: "Moscow".into(),
                weak: false,
            }],
            evidence: vec![Evidence {
                start: 0,
                end: text.len(),
                text: text.into(),
                stance: Stance::Against,
                probability: 0.625,
            }],
            sentences: None,
        }],
        offset_unit: match options.offset_unit {
            OffsetUnit::Byte => OffsetUnit::Byte,
            _ => OffsetUnit::Char,
        },
        windows: 1,
        model: ModelInfo {
            name: "double".into(),
            version: "0.1.0".into(),
            sha256: "ab".repeat(32),
        },
        warnings: vec![Warning {
            code: "text_set_aside".into(),
            message: "12 characters of menus were set aside".into(),
        }],
    }
}

/// A service that runs until it is dropped or stopped.
pub struct Service {
    pub url: String,
    pub client: Client,
    pub state: AppState,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<std::io::Result<()>>,
}

/// What a service is started with.
#[derive(Default)]
pub struct Settings {
    pub request: RequestLimits,
    pub engine: EngineLimits,
    pub connections: ConnectionLimits,
    pub page: Page,
}

impl Service {
    /// With a model that never waits.
    pub async fn start() -> Self {
        let (double, _) = double();
        Self::with(double, Settings::default()).await
    }

    pub async fn with(model: Arc<dyn Model>, settings: Settings) -> Self {
        let service = Self::loading(settings).await;
        service
            .state
            .install(vec![ServedModel::new("default", model)]);
        service
    }

    /// Without a model.
    pub async fn loading(settings: Settings) -> Self {
        let state = AppState::loading(settings.request, settings.engine).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let until = async move {
            let _ = stopped.await;
        };
        let serving = Serving {
            listener,
            state: state.clone(),
            page: settings.page,
            connections: settings.connections,
            tls: None,
            grace: Duration::from_hours(1),
        };
        let server = tokio::spawn(serving.until(until));
        Self {
            url,
            client: Client::new(),
            state,
            stop: Some(stop),
            server,
        }
    }

    /// Where it listens, without the scheme.
    pub fn address(&self) -> String {
        self.url.strip_prefix("http://").unwrap().to_owned()
    }

    /// As SIGTERM does.
    pub fn stop(&mut self) {
        self.stop.take();
    }

    /// Waits until the service has ended by itself.
    pub async fn ended(self) -> std::io::Result<()> {
        self.server.await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Response {
        self.client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
    }

    pub async fn post(&self, body: impl Into<String>) -> Response {
        self.post_to("/v1/classify", body).await
    }

    pub async fn post_to(&self, path: &str, body: impl Into<String>) -> Response {
        let json = HeaderValue::from_static("application/json");
        self.send(Method::POST, path, Some(json), body.into().into_bytes())
            .await
    }

    /// What a path answers to a JSON body, which it must accept.
    pub async fn ask(&self, path: &str, body: Value) -> Value {
        let response = self.post_to(path, body.to_string()).await;
        assert_eq!(response.status(), StatusCode::OK);
        response.json().await.unwrap()
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        media_type: Option<HeaderValue>,
        body: Vec<u8>,
    ) -> Response {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .body(body);
        if let Some(media_type) = media_type {
            request = request.header(CONTENT_TYPE, media_type);
        }
        request.send().await.unwrap()
    }

    /// Classifies and returns the whole answer.
    pub async fn classify(&self, body: Value) -> Value {
        self.ask("/v1/classify", body).await
    }

    /// The body of an error of `POST /v1/classify`, whose status must be a documented one.
    pub async fn refused(&self, response: Response, status: u16, code: &str) -> Value {
        let description: Value = self.get("/openapi.json").await.json().await.unwrap();
        let documented = &description["paths"]["/v1/classify"]["post"]["responses"];
        let documented = &documented[status.to_string()];
        let content = &documented["content"]["application/problem+json"]["schema"]["$ref"];
        assert_eq!(
            content, "#/components/schemas/Problem",
            "{status} is not documented"
        );
        let text = documented["description"].as_str().unwrap();
        assert!(
            text.contains(&format!("`{code}`")),
            "{code} is not documented: {text}"
        );
        problem(response, status, code).await
    }
}

/// The body of an RFC 9457 error with this status and code.
pub async fn problem(response: Response, status: u16, code: &str) -> Value {
    assert_eq!(response.headers()[CONTENT_TYPE], "application/problem+json");
    let actual = response.status();
    let body: Value = response.json().await.unwrap();
    assert_eq!(
        (actual.as_u16(), body["code"].as_str()),
        (status, Some(code)),
        "{body}"
    );
    assert_eq!(body["status"], status);
    assert_eq!(body["type"], "about:blank");
    assert_eq!(body["title"], actual.canonical_reason().unwrap());
    assert!(!body["detail"].as_str().unwrap().is_empty());
    body
}

/// A request of documents that have only a text.
pub fn texts(texts: &[&str]) -> Value {
    let documents: Vec<Value> = texts.iter().map(|text| json!({"text": text})).collect();
    json!({"documents": documents})
}
