//! `config.json` as it stands, and what it means.

use serde::Deserialize;
use serde_json::Value;

use super::{
    Activation, Architecture, DebertaConfig, DistanceConfig, EncoderConfig, EncoderError, Family,
    ModernBertConfig, invalid,
};

/// The fields that are read. The same thing has other names in `DistilBERT` and `ModernBERT`.
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

    // DistilBERT.
    dim: Option<usize>,
    n_layers: Option<usize>,
    n_heads: Option<usize>,
    hidden_dim: Option<usize>,
    activation: Option<String>,

    // DeBERTa.
    relative_attention: Option<bool>,
    position_buckets: Option<i64>,
    max_relative_positions: Option<i64>,
    share_att_key: Option<bool>,
    norm_rel_ebd: Option<String>,
    pos_att_type: Option<Value>,
    position_biased_input: Option<bool>,
    embedding_size: Option<usize>,
    attention_head_size: Option<usize>,
    conv_kernel_size: Option<usize>,
    conv_groups: Option<usize>,
    conv_act: Option<String>,

    // ModernBERT.
    norm_eps: Option<f64>,
    hidden_activation: Option<String>,
    global_attn_every_n_layers: Option<usize>,
    layer_types: Option<Vec<String>>,
    local_attention: Option<usize>,
    global_rope_theta: Option<f64>,
    /// `null` means the global one.
    #[serde(default = "local_rope_theta")]
    local_rope_theta: Option<f64>,
    rope_parameters: Option<RopeParameters>,
    rope_scaling: Option<Value>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    norm_bias: Option<bool>,
}

/// The default of transformers where the field is absent.
#[allow(clippy::unnecessary_wraps)]
fn local_rope_theta() -> Option<f64> {
    Some(10_000.0)
}

/// How transformers 5 writes the rotary frequencies of `ModernBERT`.
#[derive(Deserialize)]
struct RopeParameters {
    full_attention: Option<Rope>,
    sliding_attention: Option<Rope>,
}

#[derive(Deserialize)]
struct Rope {
    rope_type: Option<String>,
    rope_theta: Option<f64>,
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
        let Some(model_type) = &raw.model_type else {
            return Err(missing("model_type"));
        };
        let Some(architecture) = Architecture::parse(model_type) else {
            let known = Architecture::ALL.map(Architecture::model_type).join(", ");
            return Err(invalid(
                "model_type",
                format!("`{model_type}` is not supported, only {known}"),
            ));
        };
        if raw.is_decoder == Some(true) {
            return Err(invalid("is_decoder", "a decoder is no encoder".to_owned()));
        }
        let config = match architecture {
            Architecture::Bert | Architecture::Roberta | Architecture::XlmRoberta => {
                raw.bert(architecture)?
            }
            Architecture::DistilBert => raw.distilbert()?,
            Architecture::DebertaV2 => raw.deberta()?,
            Architecture::ModernBert => raw.modernbert()?,
        };
        config.validate()?;
        Ok(config)
    }
}

impl RawConfig {
    fn bert(&self, architecture: Architecture) -> Result<EncoderConfig, EncoderError> {
        if let Some(kind) = &self.position_embedding_type
            && kind != "absolute"
        {
            let message = format!("`{kind}` is not supported, only absolute");
            return Err(invalid("position_embedding_type", message));
        }
        let default_pad = u32::from(architecture != Architecture::Bert);
        Ok(EncoderConfig {
            architecture,
            type_vocab_size: self.type_vocab_size.unwrap_or(2),
            layer_norm_eps: self.layer_norm_eps.unwrap_or(1e-12),
            pad_token_id: self.pad_token_id.unwrap_or(default_pad),
            activation: activation("hidden_act", self.hidden_act.as_deref())?,
            family: Family::Bert,
            ..self.shape(architecture)?
        })
    }

    fn distilbert(&self) -> Result<EncoderConfig, EncoderError> {
        let required = |field, value: Option<usize>| value.ok_or_else(|| missing(field));
        Ok(EncoderConfig {
            architecture: Architecture::DistilBert,
            vocab_size: required("vocab_size", self.vocab_size)?,
            hidden_size: required("dim", self.dim)?,
            num_hidden_layers: required("n_layers", self.n_layers)?,
            num_attention_heads: required("n_heads", self.n_heads)?,
            intermediate_size: required("hidden_dim", self.hidden_dim)?,
            max_position_embeddings: required(
                "max_position_embeddings",
                self.max_position_embeddings,
            )?,
            type_vocab_size: 1,
            // Fixed in transformers.
            layer_norm_eps: 1e-12,
            pad_token_id: self.pad_token_id.unwrap_or(0),
            activation: activation("activation", self.activation.as_deref())?,
            family: Family::Bert,
        })
    }

    fn deberta(&self) -> Result<EncoderConfig, EncoderError> {
        let shape = self.shape(Architecture::DebertaV2)?;
        if let Some(size) = self.attention_head_size
            && size != shape.hidden_size / shape.num_attention_heads.max(1)
        {
            let message = format!("heads of {size} do not share hidden_size evenly");
            return Err(invalid("attention_head_size", message));
        }
        let kinds = self.pos_att_type.as_ref().map_or(Ok(Vec::new()), kinds)?;
        if let Some(kind) = kinds.iter().find(|kind| !["c2p", "p2c"].contains(kind)) {
            let message = format!("`{kind}` is not supported, only c2p and p2c");
            return Err(invalid("pos_att_type", message));
        }
        let positive = |value: Option<i64>| {
            value
                .filter(|value| *value > 0)
                .and_then(|value| usize::try_from(value).ok())
        };
        let norm = self.norm_rel_ebd.as_deref().unwrap_or("none");
        let distances = DistanceConfig {
            position_buckets: positive(self.position_buckets),
            max_relative_positions: positive(self.max_relative_positions)
                .unwrap_or(shape.max_position_embeddings),
            share_att_key: self.share_att_key.unwrap_or(false),
            layer_norm: norm
                .to_ascii_lowercase()
                .split('|')
                .any(|part| part.trim() == "layer_norm"),
        };
        let convolution = match self.conv_kernel_size.unwrap_or(0) {
            0 => None,
            _ if self.conv_groups.unwrap_or(1) != 1 => {
                let message = "a convolution in groups is not supported".to_owned();
                return Err(invalid("conv_groups", message));
            }
            size => {
                let name = self.conv_act.as_deref().unwrap_or("tanh");
                Some((size, activation("conv_act", Some(name))?))
            }
        };
        let family = DebertaConfig {
            distances: self
                .relative_attention
                .unwrap_or(false)
                .then_some(distances),
            content_to_position: kinds.contains(&"c2p"),
            position_to_content: kinds.contains(&"p2c"),
            position_biased_input: self.position_biased_input.unwrap_or(true),
            embedding_size: self.embedding_size.unwrap_or(shape.hidden_size),
            convolution,
        };
        Ok(EncoderConfig {
            type_vocab_size: self.type_vocab_size.unwrap_or(0),
            layer_norm_eps: self.layer_norm_eps.unwrap_or(1e-7),
            pad_token_id: self.pad_token_id.unwrap_or(0),
            activation: activation("hidden_act", self.hidden_act.as_deref())?,
            family: Family::Deberta(family),
            ..shape
        })
    }

    fn modernbert(&self) -> Result<EncoderConfig, EncoderError> {
        let shape = self.shape(Architecture::ModernBert)?;
        if self
            .rope_scaling
            .as_ref()
            .is_some_and(|value| !value.is_null())
        {
            return Err(invalid("rope_scaling", "is not supported".to_owned()));
        }
        let ropes = self.rope_parameters.as_ref();
        let full = ropes.and_then(|ropes| ropes.full_attention.as_ref());
        let sliding = ropes.and_then(|ropes| ropes.sliding_attention.as_ref());
        for rope in [full, sliding].into_iter().flatten() {
            if let Some(kind) = rope.rope_type.as_deref()
                && kind != "default"
            {
                let message = format!("rope_type `{kind}` is not supported, only default");
                return Err(invalid("rope_parameters", message));
            }
        }
        let global = full
            .and_then(|rope| rope.rope_theta)
            .or(self.global_rope_theta)
            .unwrap_or(160_000.0);
        let local = sliding
            .and_then(|rope| rope.rope_theta)
            .or(self.local_rope_theta)
            .unwrap_or(global);
        let family = ModernBertConfig {
            local_layers: self.local_layers(shape.num_hidden_layers)?,
            local_attention: self.local_attention.unwrap_or(128),
            global_rope_theta: global,
            local_rope_theta: local,
            attention_bias: self.attention_bias.unwrap_or(false),
            mlp_bias: self.mlp_bias.unwrap_or(false),
            norm_bias: self.norm_bias.unwrap_or(false),
        };
        Ok(EncoderConfig {
            type_vocab_size: 0,
            layer_norm_eps: self.norm_eps.unwrap_or(1e-5),
            pad_token_id: self.pad_token_id.ok_or_else(|| missing("pad_token_id"))?,
            activation: activation("hidden_activation", self.hidden_activation.as_deref())?,
            family: Family::ModernBert(family),
            ..shape
        })
    }

    /// Which layers are local: by name, or all but every n-th.
    fn local_layers(&self, layers: usize) -> Result<Vec<bool>, EncoderError> {
        if let Some(kinds) = &self.layer_types {
            return kinds
                .iter()
                .map(|kind| match kind.as_str() {
                    "full_attention" => Ok(false),
                    "sliding_attention" => Ok(true),
                    other => Err(invalid(
                        "layer_types",
                        format!("`{other}` is not supported"),
                    )),
                })
                .collect();
        }
        let every = self.global_attn_every_n_layers.unwrap_or(3);
        if every == 0 {
            return Err(invalid(
                "global_attn_every_n_layers",
                "must be at least 1".to_owned(),
            ));
        }
        Ok((0..layers).map(|layer| layer % every != 0).collect())
    }

    /// The fields that most families name alike; the rest is for the caller to set.
    fn shape(&self, architecture: Architecture) -> Result<EncoderConfig, EncoderError> {
        let required = |field, value: Option<usize>| value.ok_or_else(|| missing(field));
        Ok(EncoderConfig {
            architecture,
            vocab_size: required("vocab_size", self.vocab_size)?,
            hidden_size: required("hidden_size", self.hidden_size)?,
            num_hidden_layers: required("num_hidden_layers", self.num_hidden_layers)?,
            num_attention_heads: required("num_attention_heads", self.num_attention_heads)?,
            intermediate_size: required("intermediate_size", self.intermediate_size)?,
            max_position_embeddings: required(
                "max_position_embeddings",
                self.max_position_embeddings,
            )?,
            type_vocab_size: 0,
            layer_norm_eps: 0.0,
            pad_token_id: 0,
            activation: Activation::Gelu,
            family: Family::Bert,
        })
    }
}

/// `pos_att_type`: a list, or names with `|` between.
fn kinds(value: &Value) -> Result<Vec<&str>, EncoderError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) => Ok(text
            .split('|')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect()),
        Value::Array(list) => list
            .iter()
            .map(|kind| kind.as_str().ok_or_else(|| no_list(value)))
            .collect(),
        _ => Err(no_list(value)),
    }
}

fn no_list(value: &Value) -> EncoderError {
    invalid("pos_att_type", format!("{value} is no list of names"))
}

fn activation(field: &'static str, name: Option<&str>) -> Result<Activation, EncoderError> {
    let name = name.unwrap_or("gelu");
    Activation::parse(name).ok_or_else(|| {
        let message = format!("`{name}` is not supported, only gelu, gelu_new and relu");
        invalid(field, message)
    })
}

fn missing(field: &'static str) -> EncoderError {
    invalid(field, "is missing".to_owned())
}
