//! What can go wrong between a model's files and its token states.

use crate::error::ErrorCode;

/// An error of the encoder: its files, its tokenizer, its device or its input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EncoderError {
    /// A file that the model needs is not there.
    #[error("the model at {location} has no file `{file}`")]
    MissingFile {
        /// The file's name inside the model.
        file: String,
        /// The folder, hub id or other place that was searched.
        location: String,
    },
    /// A file is there and cannot be read.
    #[error("cannot read `{file}`: {source}")]
    Io {
        /// The file's name or path.
        file: String,
        /// The operating system's answer.
        source: std::io::Error,
    },
    /// `config.json` does not describe an encoder that can be built.
    #[error("config.json: field `{field}`: {message}")]
    InvalidConfig {
        /// The field of `config.json`, or `config.json` itself when it is no JSON object.
        field: &'static str,
        /// What was found and what is expected.
        message: String,
    },
    /// A file that says how an embedding model makes its vectors cannot be followed.
    #[error("{file}: {message}")]
    InvalidEmbedding {
        /// The file's name inside the model.
        file: String,
        /// What was found and what is expected.
        message: String,
    },
    /// The weights are there as Python pickles only, and nobody allowed those.
    #[error(
        "the model at {location} has its weights in `{file}` alone, a Python pickle; prefer a \
         model with safetensors, or allow pickles"
    )]
    PickleRefused {
        /// The pickle.
        file: String,
        /// The folder, hub id or other place of the model.
        location: String,
    },
    /// `tokenizer.json` cannot be read or lacks what the encoder needs.
    #[error("tokenizer.json: {message}")]
    InvalidTokenizer {
        /// What is wrong.
        message: String,
    },
    /// The tokenizer produces ids that the embedding table has no row for.
    #[error(
        "the tokenizer needs {tokenizer} embedding rows (largest id + 1) but the model has {model}"
    )]
    TokenizerMismatch {
        /// Largest token id of the tokenizer plus one.
        tokenizer: usize,
        /// Rows of the model's word embedding table.
        model: usize,
    },
    /// A weights file is not valid safetensors, or holds a number type no encoder uses.
    #[error("corrupt weights in `{file}`: {message}")]
    CorruptWeights {
        /// The weights file.
        file: String,
        /// What is wrong.
        message: String,
    },
    /// A tensor is absent or does not have the shape that `config.json` implies.
    #[error("tensor `{tensor}`: expected shape {expected:?}, found {}", shape_or_nothing(found.as_deref()))]
    WrongTensorShape {
        /// Name of the tensor in the weights file.
        tensor: String,
        /// The shape that the configuration implies.
        expected: Vec<usize>,
        /// The shape in the file; `None` when the file has no such tensor.
        found: Option<Vec<usize>>,
    },
    /// A token sequence is empty.
    #[error("sequence {sequence} is empty")]
    EmptySequence {
        /// Position of the sequence in the batch.
        sequence: usize,
    },
    /// A token sequence is longer than the model's positions.
    #[error("sequence {sequence} has {tokens} tokens, the model reads at most {limit}")]
    SequenceTooLong {
        /// Position of the sequence in the batch.
        sequence: usize,
        /// Its tokens, special tokens included.
        tokens: usize,
        /// The most tokens that the model reads, special tokens included.
        limit: usize,
    },
    /// A token id has no embedding row.
    #[error("token id {id} is outside the vocabulary of {vocab} ids")]
    TokenOutOfRange {
        /// The id.
        id: u32,
        /// Rows of the embedding table.
        vocab: usize,
    },
    /// A text is too long for 32-bit byte offsets.
    #[error("a text of {bytes} bytes cannot be tokenized, the limit is {limit} bytes")]
    TextTooLong {
        /// Bytes of the text.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A sentence span does not lie on character boundaries inside the text, or is out of order.
    #[error("sentence {sentence} ({start}..{end}) is not a span of the text")]
    InvalidSpan {
        /// Position of the span in the list.
        sentence: usize,
        /// Its first byte.
        start: usize,
        /// One past its last byte.
        end: usize,
    },
    /// A device name that does not parse.
    #[error("unknown device `{0}`: expected auto, cpu, cuda, cuda:N or metal")]
    InvalidDevice(String),
    /// A precision whose name does not parse.
    #[error("unknown dtype `{0}`: expected auto, f32, bf16 or int8")]
    InvalidDtype(String),
    /// A precision that this model cannot be run in here.
    #[error("dtype {dtype} is not available: {message}")]
    DtypeUnavailable {
        /// The precision that was asked for.
        dtype: &'static str,
        /// Why it cannot be used.
        message: &'static str,
    },
    /// A device that this machine or this build does not have.
    #[error("device `{device}` is not available: {message}")]
    DeviceUnavailable {
        /// The device that was asked for.
        device: String,
        /// Why it cannot be used.
        message: String,
    },
    /// A name that is neither a folder nor of the form `owner/name`.
    #[error("`{0}` is neither a folder nor a model id of a hub, `owner/name`")]
    InvalidModelId(String),
    /// The hub has no such model or revision, or does not show it to this token.
    #[error("the hub at {endpoint} has no model `{model}` at revision `{revision}`: {message}")]
    UnknownModel {
        /// Model id, `owner/name`.
        model: String,
        /// Branch, tag or commit.
        revision: String,
        /// The hub's address.
        endpoint: String,
        /// What the hub answered.
        message: String,
    },
    /// The hub could not be reached or answered with a failure.
    #[error("the hub at {endpoint} is unavailable: {message}")]
    HubUnavailable {
        /// The hub's address.
        endpoint: String,
        /// What happened.
        message: String,
    },
    /// A downloaded file is not what the hub says it is.
    #[error("`{file}` is broken: expected {expected}, found {found}")]
    HashMismatch {
        /// The file's name.
        file: String,
        /// The SHA-256 or size that the hub states.
        expected: String,
        /// The SHA-256 or size that was found.
        found: String,
    },
    /// The network is switched off and the local cache lacks a file.
    #[error(
        "offline, and `{file}` of `{model}` at revision `{revision}` is not in the cache {cache}"
    )]
    Offline {
        /// Model id, `owner/name`.
        model: String,
        /// Branch, tag or commit.
        revision: String,
        /// The file that is missing.
        file: String,
        /// The cache folder.
        cache: String,
    },
    /// The tensor library failed.
    #[error("tensor computation failed: {0}")]
    Compute(#[from] candle_core::Error),
}

impl ErrorCode for EncoderError {
    fn code(&self) -> &'static str {
        match self {
            Self::MissingFile { .. } => "missing_file",
            Self::Io { .. } => "io",
            Self::InvalidConfig { .. } | Self::InvalidEmbedding { .. } => "invalid_config",
            Self::PickleRefused { .. } => "pickle_refused",
            Self::InvalidTokenizer { .. } => "invalid_tokenizer",
            Self::TokenizerMismatch { .. } => "tokenizer_mismatch",
            Self::CorruptWeights { .. } => "corrupt_weights",
            Self::WrongTensorShape { .. } => "wrong_tensor_shape",
            Self::EmptySequence { .. } => "empty_sequence",
            Self::SequenceTooLong { .. } => "sequence_too_long",
            Self::TokenOutOfRange { .. } => "token_out_of_range",
            Self::TextTooLong { .. } => "text_too_long",
            Self::InvalidSpan { .. } => "invalid_span",
            Self::InvalidDevice(_) => "invalid_device",
            Self::InvalidDtype(_) => "invalid_dtype",
            Self::DtypeUnavailable { .. } => "dtype_unavailable",
            Self::DeviceUnavailable { .. } => "device_unavailable",
            Self::InvalidModelId(_) | Self::UnknownModel { .. } => "unknown_model",
            Self::HubUnavailable { .. } => "hub_unavailable",
            Self::HashMismatch { .. } => "hash_mismatch",
            Self::Offline { .. } => "offline",
            Self::Compute(_) => "compute",
        }
    }
}

fn shape_or_nothing(shape: Option<&[usize]>) -> String {
    shape.map_or_else(|| "no such tensor".to_owned(), |dims| format!("{dims:?}"))
}
