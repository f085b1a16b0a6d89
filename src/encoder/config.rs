//! The encoder's shape, read from Hugging Face `config.json`.
//!
//! Field names, defaults and meaning follow `BertConfig` and `XLMRobertaConfig` of Hugging Face
//! transformers 4.x. What this crate does not compute (relative positions, decoders) is refused
//! here, so that a model is never run as something it is not.

use serde::{Deserialize, Serialize};

use super::error::EncoderError;

/// The model families, by `model_type` in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Architecture {
    /// BERT: learned absolute positions from 0.
    #[serde(rename = "bert")]
    Bert,
    /// `RoBERTa`: BERT's layers with positions from `pad_token_id + 1`.
    #[serde(rename = "roberta")]
    Roberta,
    /// XLM-`RoBERTa`: the same network as `RoBERTa` with another vocabulary.
    #[serde(rename = "xlm-roberta")]
    XlmRoberta,
}

impl Architecture {
    /// Every family that can be loaded.
    pub const ALL: [Self; 3] = [Self::Bert, Self::Roberta, Self::XlmRoberta];

    /// The `model_type` of `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
        }
    }

    /// Prefixes that a checkpoint with a task head puts before the encoder's tensor names.
    ///
    /// transformers names the encoder `bert` in BERT and `roberta` in `RoBERTa` and XLM-R.
    pub fn weight_prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::Roberta | Self::XlmRoberta => "roberta",
        }
    }

    fn parse(model_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|architecture| architecture.model_type() == model_type)
    }
}

/// The feed-forward activation, by `hidden_act` in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// Exact GELU, `x Φ(x)` by the error function (`gelu`).
    Gelu,
    /// GELU by its tanh approximation (`gelu_new`, `gelu_pytorch_tanh`).
    GeluTanh,
    /// `max(x, 0)` (`relu`).
    Relu,
}

impl Activation {
    fn parse(name: &str) -> Option<Self> {
        match name {
            "gelu" | "gelu_python" => Some(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            _ => None,
        }
    }

    /// The `hidden_act` of `config.json`.
    pub fn hidden_act(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_new",
            Self::Relu => "relu",
        }
    }
}

/// The shape of an encoder.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct EncoderConfig {
    /// The family.
    pub architecture: Architecture,
    /// Rows of the word embedding table.
    pub vocab_size: usize,
    /// Width of a token state.
    pub hidden_size: usize,
    /// Transformer layers.
    pub num_hidden_layers: usize,
    /// Attention heads; they divide `hidden_size`.
    pub num_attention_heads: usize,
    /// Width of the feed-forward layer.
    pub intermediate_size: usize,
    /// Rows of the position embedding table. See [`EncoderConfig::max_tokens`].
    pub max_position_embeddings: usize,
    /// Rows of the token type table; only row 0 is used.
    pub type_vocab_size: usize,
    /// The ε of layer normalisation.
    pub layer_norm_eps: f64,
    /// Id of the padding token.
    pub pad_token_id: u32,
    /// The feed-forward activation.
    pub activation: Activation,
}

/// `config.json` as it stands; [`EncoderConfig::from_json`] checks it.
#[derive(Deserialize)]
struct RawConfig {
    model_type: Option<String>,
    vocab_size: Option<usize>,
    hidden_size: Option<usize>,
    num_hidden_layers: Option<usize>,
    num_attention_heads: Option<usize>,
    intermediate_size: Option<usize>,
    max_position_embeddings: Option<usize>,
    type_vocab_size: Option<usize>,
    layer_norm_eps: Option<f64>,
    pad_token_id: Option<u32>,
    hidden_act: Option<String>,
    position_embedding_type: Option<String>,
    is_decoder: Option<bool>,
}

impl EncoderConfig {
    /// Reads and checks the bytes of a `config.json`.
    ///
    /// # Errors
    /// [`EncoderError::InvalidConfig`] naming the first field that is absent, of the wrong type,
    /// out of range, or of a kind that this crate does not compute.
    pub fn from_json(bytes: &[u8]) -> Result<Self, EncoderError> {
        let raw: RawConfig = serde_json::from_slice(bytes)
            .map_err(|error| invalid("config.json", error.to_string()))?;
        let model_type = required("model_type", raw.model_type)?;
        let Some(architecture) = Architecture::parse(&model_type) else {
            let known = Architecture::ALL.map(Architecture::model_type).join(", ");
            return Err(invalid(
                "model_type",
                format!("`{model_type}` is not supported, only {known}"),
            ));
        };
        let hidden_act = raw.hidden_act.unwrap_or_else(|| "gelu".to_owned());
        let Some(activation) = Activation::parse(&hidden_act) else {
            let message = format!("`{hidden_act}` is not supported, only gelu, gelu_new and relu");
            return Err(invalid("hidden_act", message));
        };
        if let Some(kind) = raw.position_embedding_type
            && kind != "absolute"
        {
            let message = format!("`{kind}` is not supported, only absolute");
            return Err(invalid("position_embedding_type", message));
        }
        if raw.is_decoder == Some(true) {
            return Err(invalid("is_decoder", "a decoder is no encoder".to_owned()));
        }
        let default_pad = u32::from(architecture != Architecture::Bert);
        let config = Self {
            architecture,
            vocab_size: required("vocab_size", raw.vocab_size)?,
            hidden_size: required("hidden_size", raw.hidden_size)?,
            num_hidden_layers: required("num_hidden_layers", raw.num_hidden_layers)?,
            num_attention_heads: required("num_attention_heads", raw.num_attention_heads)?,
            intermediate_size: required("intermediate_size", raw.intermediate_size)?,
            max_position_embeddings: required(
                "max_position_embeddings",
                raw.max_position_embeddings,
            )?,
            type_vocab_size: raw.type_vocab_size.unwrap_or(2),
            layer_norm_eps: raw.layer_norm_eps.unwrap_or(1e-12),
            pad_token_id: raw.pad_token_id.unwrap_or(default_pad),
            activation,
        };
        config.validate()?;
        Ok(config)
    }

    /// The configuration of a BERT encoder with the defaults of `BertConfig` and the given shape.
    ///
    /// # Errors
    /// [`EncoderError::InvalidConfig`] as [`EncoderConfig::from_json`].
    pub fn bert(
        vocab_size: usize,
        hidden_size: usize,
        num_hidden_layers: usize,
        num_attention_heads: usize,
        intermediate_size: usize,
        max_position_embeddings: usize,
    ) -> Result<Self, EncoderError> {
        let config = Self {
            architecture: Architecture::Bert,
            vocab_size,
            hidden_size,
            num_hidden_layers,
            num_attention_heads,
            intermediate_size,
            max_position_embeddings,
            type_vocab_size: 2,
            layer_norm_eps: 1e-12,
            pad_token_id: 0,
            activation: Activation::Gelu,
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks that the numbers fit each other. Public fields may have changed since loading.
    ///
    /// # Errors
    /// [`EncoderError::InvalidConfig`] naming the first field that does not fit.
    pub fn validate(&self) -> Result<(), EncoderError> {
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", self.type_vocab_size),
        ] {
            if value == 0 {
                return Err(invalid(field, "must be at least 1".to_owned()));
            }
            if u32::try_from(value).is_err() {
                return Err(invalid(field, format!("{value} does not fit in 32 bits")));
            }
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let message = format!(
                "{} heads do not divide hidden_size {}",
                self.num_attention_heads, self.hidden_size
            );
            return Err(invalid("num_attention_heads", message));
        }
        if self.pad_token_id as usize >= self.vocab_size {
            let message = format!(
                "{} is outside vocab_size {}",
                self.pad_token_id, self.vocab_size
            );
            return Err(invalid("pad_token_id", message));
        }
        if !(self.layer_norm_eps.is_finite() && self.layer_norm_eps > 0.0) {
            let message = format!("{} is not a positive number", self.layer_norm_eps);
            return Err(invalid("layer_norm_eps", message));
        }
        if self.max_position_embeddings <= self.position_offset() as usize {
            let message = format!(
                "{} positions leave none after the first {}",
                self.max_position_embeddings,
                self.position_offset()
            );
            return Err(invalid("max_position_embeddings", message));
        }
        Ok(())
    }

    /// Position id of a sequence's first token: 0 in BERT, `pad_token_id + 1` in `RoBERTa`.
    ///
    /// Token `i` of a sequence has position id `position_offset() + i`, an integer; computing it
    /// in the dtype of the weights goes wrong from position 255 on in bf16.
    pub fn position_offset(&self) -> u32 {
        match self.architecture {
            Architecture::Bert => 0,
            Architecture::Roberta | Architecture::XlmRoberta => self.pad_token_id + 1,
        }
    }

    /// The most tokens of one sequence, special tokens included.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings
            .saturating_sub(self.position_offset() as usize)
    }

    /// Width of one attention head.
    pub fn head_size(&self) -> usize {
        self.hidden_size / self.num_attention_heads
    }

    /// The configuration as a `config.json` that transformers reads too.
    pub fn to_json(&self) -> serde_json::Value {
        let class = match self.architecture {
            Architecture::Bert => "BertModel",
            Architecture::Roberta => "RobertaModel",
            Architecture::XlmRoberta => "XLMRobertaModel",
        };
        serde_json::json!({
            "architectures": [class],
            "model_type": self.architecture.model_type(),
            "vocab_size": self.vocab_size,
            "hidden_size": self.hidden_size,
            "num_hidden_layers": self.num_hidden_layers,
            "num_attention_heads": self.num_attention_heads,
            "intermediate_size": self.intermediate_size,
            "max_position_embeddings": self.max_position_embeddings,
            "type_vocab_size": self.type_vocab_size,
            "layer_norm_eps": self.layer_norm_eps,
            "pad_token_id": self.pad_token_id,
            "hidden_act": self.activation.hidden_act(),
            "position_embedding_type": "absolute",
        })
    }
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, EncoderError> {
    value.ok_or_else(|| invalid(field, "is missing".to_owned()))
}

fn invalid(field: &'static str, message: String) -> EncoderError {
    EncoderError::InvalidConfig { field, message }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::error::ErrorCode;

    fn minilm() -> Value {
        json!({
            "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1,
            "model_type": "bert", "vocab_size": 30522, "hidden_size": 384,
            "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536,
            "max_position_embeddings": 512, "type_vocab_size": 2, "layer_norm_eps": 1e-12,
            "pad_token_id": 0, "hidden_act": "gelu", "position_embedding_type": "absolute"
        })
    }

    fn parse(value: &Value) -> Result<EncoderConfig, EncoderError> {
        EncoderConfig::from_json(value.to_string().as_bytes())
    }

    fn refused(field: &str, value: Value) -> String {
        let mut config = minilm();
        config[field] = value;
        let error = parse(&config).expect_err(field);
        assert_eq!(error.code(), "invalid_config");
        let message = error.to_string();
        assert!(message.contains(field), "{message} does not name {field}");
        message
    }

    #[test]
    fn reads_bert_and_its_round_trip() {
        let config = parse(&minilm()).expect("valid");
        assert_eq!(config.architecture, Architecture::Bert);
        assert_eq!((config.position_offset(), config.max_tokens()), (0, 512));
        assert_eq!(config.head_size(), 32);
        assert_eq!(parse(&config.to_json()).expect("own JSON"), config);
    }

    #[test]
    fn roberta_positions_start_after_the_padding_id() {
        let mut raw = minilm();
        raw["model_type"] = json!("xlm-roberta");
        raw["max_position_embeddings"] = json!(514);
        raw["pad_token_id"] = json!(1);
        let config = parse(&raw).expect("valid");
        assert_eq!((config.position_offset(), config.max_tokens()), (2, 512));
        raw.as_object_mut().expect("object").remove("pad_token_id");
        assert_eq!(parse(&raw).expect("default").pad_token_id, 1);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert!(refused("num_attention_heads", json!(7)).contains("384"));
        refused("hidden_size", json!(0));
        refused("pad_token_id", json!(30522));
        refused("layer_norm_eps", json!(0.0));
        refused("hidden_act", json!("swish"));
        refused("position_embedding_type", json!("relative_key"));
        refused("is_decoder", json!(true));
        assert!(refused("model_type", json!("gpt2")).contains("xlm-roberta"));
        refused("vocab_size", Value::Null);
    }

    #[test]
    fn refuses_what_is_no_json_object() {
        for bytes in [&b""[..], b"[]", b"{\"hidden_size\": -1}", b"\xff"] {
            let error = EncoderConfig::from_json(bytes).expect_err("refused");
            assert_eq!(error.code(), "invalid_config");
        }
    }
}
