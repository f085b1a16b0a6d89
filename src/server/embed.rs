//! `POST /v1/embed`, and `/v1/embeddings` in the shape of `OpenAI`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::document::{Document, Options};
use crate::engine::DocumentOutput;
use crate::predict::{Embedding, Output, Task};
use crate::prediction::{DocumentError, ModelInfo};

use super::classify::{RequestProblems, check_count};
use super::extract::{JsonBody, Patience};
use super::problem::Problem;
use super::state::{AppState, Asked};

/// Texts to turn into vectors.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbedRequest {
    /// The texts, read as they stand.
    pub texts: Vec<String>,
    /// Name of a model of `/v1/models`; the default model when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// A vector of length 1, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EmbedResult {
    /// The mean of the text's token states, windows weighted by their tokens.
    Vector {
        /// As many numbers as the encoder is wide.
        vector: Vec<f32>,
    },
    /// The text could not be read.
    Failure {
        /// What was wrong with it.
        error: DocumentError,
    },
}

/// One result for each text, in their order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmbedResponse {
    /// Vectors and errors.
    pub results: Vec<EmbedResult>,
    /// The model that answered.
    pub model: ModelInfo,
}

/// One text, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EmbeddingInput {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

/// How a vector is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EncodingFormat {
    /// A list of numbers.
    #[default]
    Float,
    /// Little-endian 32-bit floats in Base64.
    Base64,
}

/// As the embeddings of `OpenAI`; tokens instead of a text are not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingsRequest {
    /// A text or a list of texts.
    pub input: EmbeddingInput,
    /// Name of a model of `/v1/models`; the default model when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// How the vectors are written.
    #[serde(default)]
    pub encoding_format: EncodingFormat,
    /// Must be the width of the encoder when given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// Not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// A vector as a list or in Base64.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum EncodedVector {
    /// A list of numbers.
    Float(Vec<f32>),
    /// Little-endian 32-bit floats in Base64.
    Base64(String),
}

/// One vector of the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingEntry {
    /// `embedding`.
    pub object: String,
    /// Place of the text in the request.
    pub index: usize,
    /// The vector, of length 1.
    pub embedding: EncodedVector,
}

/// Tokens that were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Usage {
    /// Special tokens included.
    pub prompt_tokens: usize,
    /// The same.
    pub total_tokens: usize,
}

/// As `OpenAI` answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EmbeddingsResponse {
    /// `list`.
    pub object: String,
    /// One vector per text.
    pub data: Vec<EmbeddingEntry>,
    /// Name of the model that answered.
    pub model: String,
    /// Tokens that were read.
    pub usage: Usage,
}

async fn read(
    state: &AppState,
    patience: Patience,
    model: Option<&str>,
    texts: Vec<String>,
    field: &'static str,
) -> Result<(Asked, Vec<Result<Embedding, DocumentError>>), Problem> {
    check_count(state, texts.len(), field)?;
    let asked = state.ask(model, Task::Embedding, Options::default())?;
    let documents = texts
        .into_iter()
        .map(|text| Document {
            text,
            ..Document::default()
        })
        .collect();
    let outputs = state.answer(&asked, documents, patience.deadline()).await?;
    let embeddings = outputs.into_iter().map(embedding).collect();
    Ok((asked, embeddings))
}

fn embedding(output: DocumentOutput) -> Result<Embedding, DocumentError> {
    match output? {
        Output::Embedding(embedding) => Ok(embedding),
        Output::Prediction(_) => Err(DocumentError::new(
            "internal_error",
            "the model answered by a prediction",
        )),
    }
}

/// Turn texts into vectors
///
/// Texts are read as they stand: nothing is set aside. A text that cannot be read is answered
/// by an error on its place.
#[utoipa::path(
    post,
    path = "/v1/embed",
    tag = "vectors",
    params(Patience),
    request_body = EmbedRequest,
    responses((status = 200, description = "One result per text", body = EmbedResponse),
              RequestProblems),
)]
pub(super) async fn embed(
    State(state): State<AppState>,
    patience: Patience,
    JsonBody(request): JsonBody<EmbedRequest>,
) -> Result<Json<EmbedResponse>, Problem> {
    let model = request.model.as_deref();
    let (asked, embeddings) = read(&state, patience, model, request.texts, "texts").await?;
    let result = |embedding: Result<Embedding, DocumentError>| match embedding {
        Ok(Embedding { vector, .. }) => EmbedResult::Vector { vector },
        Err(error) => EmbedResult::Failure { error },
    };
    Ok(Json(EmbedResponse {
        results: embeddings.into_iter().map(result).collect(),
        model: asked.served.info.clone(),
    }))
}

/// Turn texts into vectors, as `OpenAI` does
///
/// A text that cannot be read refuses the whole request by the code of its error.
#[utoipa::path(
    post,
    path = "/v1/embeddings",
    tag = "vectors",
    params(Patience),
    request_body = EmbeddingsRequest,
    responses((status = 200, description = "One vector per text", body = EmbeddingsResponse),
              RequestProblems),
)]
pub(super) async fn embeddings(
    State(state): State<AppState>,
    patience: Patience,
    JsonBody(request): JsonBody<EmbeddingsRequest>,
) -> Result<Json<EmbeddingsResponse>, Problem> {
    let texts = match request.input {
        EmbeddingInput::One(text) => vec![text],
        EmbeddingInput::Many(texts) => texts,
    };
    let model = request.model.as_deref();
    let (asked, embeddings) = read(&state, patience, model, texts, "input").await?;
    let mut data = Vec::with_capacity(embeddings.len());
    let mut tokens = 0;
    for (index, embedding) in embeddings.into_iter().enumerate() {
        let embedding = embedding.map_err(|error| unreadable(index, &error))?;
        let width = embedding.vector.len();
        if let Some(dimensions) = request.dimensions.filter(|&wanted| wanted != width) {
            let detail = format!("`dimensions` is {dimensions}; this model's vectors have {width}");
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            return Err(Problem::new(status, "invalid_value", detail).field("dimensions"));
        }
        tokens += embedding.tokens;
        data.push(EmbeddingEntry {
            object: "embedding".to_owned(),
            index,
            embedding: encoded(embedding.vector, request.encoding_format),
        });
    }
    Ok(Json(EmbeddingsResponse {
        object: "list".to_owned(),
        data,
        model: asked.served.info.name.clone(),
        usage: Usage {
            prompt_tokens: tokens,
            total_tokens: tokens,
        },
    }))
}

/// The error of one text as that of the request.
fn unreadable(index: usize, error: &DocumentError) -> Problem {
    let (status, code) = match error.code.as_ref() {
        "internal_error" => return Problem::internal(),
        "empty_text" => (StatusCode::UNPROCESSABLE_ENTITY, "empty_text"),
        "text_too_long" => (StatusCode::PAYLOAD_TOO_LARGE, "text_too_long"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_value"),
    };
    Problem::new(status, code, error.message.clone()).field(format!("input[{index}]"))
}

fn encoded(vector: Vec<f32>, format: EncodingFormat) -> EncodedVector {
    match format {
        EncodingFormat::Float => EncodedVector::Float(vector),
        EncodingFormat::Base64 => {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            EncodedVector::Base64(BASE64.encode(bytes))
        }
    }
}
