//! The encoder's shape, read from Hugging Face `config.json`.
//!
//! Field names, defaults and meaning follow the configuration classes of Hugging Face
//! transformers 4.57 and, for `ModernBERT`, 5. What this crate does not compute (decoders, other
//! kinds of positions) is refused here, so that a model is never run as something it is not.

mod json;
mod raw;

use serde::{Deserialize, Serialize};

use super::error::EncoderError;

/// The model families, by `model_type` in `config.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Architecture {
    /// BERT: learned absolute positions from 0.
    #[serde(rename = "bert")]
    Bert,
    /// `DistilBERT`: BERT without token types, its tensors under other names.
    #[serde(rename = "distilbert")]
    DistilBert,
    /// `RoBERTa`: BERT's layers with positions from `pad_token_id + 1`.
    #[serde(rename = "roberta")]
    Roberta,
    /// XLM-`RoBERTa`: the same network as `RoBERTa` with another vocabulary.
    #[serde(rename = "xlm-roberta")]
    XlmRoberta,
    /// `DeBERTa` v2 and v3, `mDeBERTa`: attention to contents and to distances.
    #[serde(rename = "deberta-v2")]
    DebertaV2,
    /// `ModernBERT`, `mmBERT`: rotary positions, and most layers look at their surroundings only.
    #[serde(rename = "modernbert")]
    ModernBert,
}

impl Architecture {
    /// Every family that can be loaded.
    pub const ALL: [Self; 6] = [
        Self::Bert,
        Self::DistilBert,
        Self::Roberta,
        Self::XlmRoberta,
        Self::DebertaV2,
        Self::ModernBert,
    ];

    /// The `model_type` of `config.json`.
    pub fn model_type(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta => "roberta",
            Self::XlmRoberta => "xlm-roberta",
            Self::DebertaV2 => "deberta-v2",
            Self::ModernBert => "modernbert",
        }
    }

    /// Prefixes that a checkpoint with a task head puts before the encoder's tensor names.
    ///
    /// transformers names the encoder `bert` in BERT and `roberta` in `RoBERTa` and XLM-R.
    pub fn weight_prefix(self) -> &'static str {
        match self {
            Self::Bert => "bert",
            Self::DistilBert => "distilbert",
            Self::Roberta | Self::XlmRoberta => "roberta",
            Self::DebertaV2 => "deberta",
            Self::ModernBert => "model",
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

/// What only `DeBERTa` has. Names as in `DebertaV2Config`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DebertaConfig {
    /// Attention to distances; `None` without (`relative_attention`).
    pub distances: Option<DistanceConfig>,
    /// Contents ask for distances (`c2p` in `pos_att_type`).
    pub content_to_position: bool,
    /// Distances ask for contents (`p2c` in `pos_att_type`).
    pub position_to_content: bool,
    /// Learned absolute positions are added to the words.
    pub position_biased_input: bool,
    /// Width of the word embeddings, before they are projected to `hidden_size`.
    pub embedding_size: usize,
    /// A convolution of this many tokens beside the first layer, and its activation.
    pub convolution: Option<(usize, Activation)>,
}

/// How `DeBERTa` numbers distances between tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DistanceConfig {
    /// Distances up to half of this have a number each, farther ones share by the logarithm;
    /// `None`: each has its own up to `max_relative_positions`.
    pub position_buckets: Option<usize>,
    /// The largest distance that is told from larger ones.
    pub max_relative_positions: usize,
    /// Distances are projected by the layers' query and key projections, not by their own.
    pub share_att_key: bool,
    /// The embeddings of distances are normalised (`norm_rel_ebd`).
    pub layer_norm: bool,
}

impl DistanceConfig {
    /// Distances to either side that have an embedding; the table has twice as many rows.
    pub fn span(&self) -> usize {
        self.position_buckets.unwrap_or(self.max_relative_positions)
    }
}

/// What only `ModernBERT` has. Names as in `ModernBertConfig`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModernBertConfig {
    /// For every layer whether it looks at its surroundings only.
    pub local_layers: Vec<bool>,
    /// Width of these surroundings: half of it to either side, the token itself beside.
    pub local_attention: usize,
    /// Base of the rotary frequencies in layers that look everywhere.
    pub global_rope_theta: f64,
    /// Base of the rotary frequencies in local layers.
    pub local_rope_theta: f64,
    /// Attention projections have a bias.
    pub attention_bias: bool,
    /// Feed-forward layers have a bias.
    pub mlp_bias: bool,
    /// Layer normalisations have a bias.
    pub norm_bias: bool,
}

/// What only some families have.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Family {
    /// BERT, `DistilBERT`, `RoBERTa` and XLM-R: nothing more.
    Bert,
    /// `DeBERTa`.
    Deberta(DebertaConfig),
    /// `ModernBERT`.
    ModernBert(ModernBertConfig),
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
    /// Rows of the position embedding table, where there is one. See
    /// [`EncoderConfig::max_tokens`].
    pub max_position_embeddings: usize,
    /// Rows of the token type table; only row 0 is used. `DistilBERT` has none and counts as one
    /// row of zeros; `DeBERTa` may have none, `ModernBERT` never has one.
    pub type_vocab_size: usize,
    /// The ε of layer normalisation.
    pub layer_norm_eps: f64,
    /// Id of the padding token.
    pub pad_token_id: u32,
    /// The feed-forward activation.
    pub activation: Activation,
    /// What only this family has.
    pub family: Family,
}

impl EncoderConfig {
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
            family: Family::Bert,
        };
        config.validate()?;
        Ok(config)
    }

    /// Checks that the numbers fit each other. Public fields may have changed since loading.
    ///
    /// # Errors
    /// [`EncoderError::InvalidConfig`] naming the first field that does not fit.
    pub fn validate(&self) -> Result<(), EncoderError> {
        let types = match self.family {
            Family::Bert => self.type_vocab_size,
            // Zero means that there is no table.
            Family::Deberta(_) | Family::ModernBert(_) => self.type_vocab_size.max(1),
        };
        for (field, value) in [
            ("vocab_size", self.vocab_size),
            ("hidden_size", self.hidden_size),
            ("num_hidden_layers", self.num_hidden_layers),
            ("num_attention_heads", self.num_attention_heads),
            ("intermediate_size", self.intermediate_size),
            ("max_position_embeddings", self.max_position_embeddings),
            ("type_vocab_size", types),
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
        match &self.family {
            Family::Bert => Ok(()),
            Family::Deberta(deberta) => deberta.validate(),
            Family::ModernBert(modern) => modern.validate(self),
        }
    }

    /// Position id of a sequence's first token: 0 in BERT, `pad_token_id + 1` in `RoBERTa`.
    ///
    /// Token `i` of a sequence has position id `position_offset() + i`, an integer; computing it
    /// in the dtype of the weights goes wrong from position 255 on in bf16.
    pub fn position_offset(&self) -> u32 {
        match self.architecture {
            Architecture::Roberta | Architecture::XlmRoberta => self.pad_token_id + 1,
            Architecture::Bert
            | Architecture::DistilBert
            | Architecture::DebertaV2
            | Architecture::ModernBert => 0,
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
}

impl DebertaConfig {
    fn validate(&self) -> Result<(), EncoderError> {
        if self.embedding_size == 0 {
            return Err(invalid("embedding_size", "must be at least 1".to_owned()));
        }
        if let Some((kernel, _)) = self.convolution
            && kernel % 2 == 0
        {
            let message = format!("{kernel} is even, and would change the number of tokens");
            return Err(invalid("conv_kernel_size", message));
        }
        let Some(distances) = &self.distances else {
            return Ok(());
        };
        if distances.max_relative_positions < 2 {
            let message = format!("{} is too few", distances.max_relative_positions);
            return Err(invalid("max_relative_positions", message));
        }
        match distances.position_buckets {
            // The logarithm needs a middle, and something beyond it.
            Some(buckets)
                if buckets < 4
                    || buckets / 2 >= distances.max_relative_positions - 1
                    || u32::try_from(buckets).is_err() =>
            {
                let message = format!(
                    "{buckets} do not divide {} distances",
                    distances.max_relative_positions
                );
                Err(invalid("position_buckets", message))
            }
            _ => Ok(()),
        }
    }
}

impl ModernBertConfig {
    fn validate(&self, config: &EncoderConfig) -> Result<(), EncoderError> {
        if self.local_layers.len() != config.num_hidden_layers {
            let (kinds, layers) = (self.local_layers.len(), config.num_hidden_layers);
            let message = format!("{kinds} kinds for {layers} layers");
            return Err(invalid("layer_types", message));
        }
        if !config.head_size().is_multiple_of(2) {
            let message = format!("heads of {} cannot be rotated", config.head_size());
            return Err(invalid("num_attention_heads", message));
        }
        for (field, theta) in [
            ("global_rope_theta", self.global_rope_theta),
            ("local_rope_theta", self.local_rope_theta),
        ] {
            if !(theta.is_finite() && theta > 0.0) {
                return Err(invalid(field, format!("{theta} is not a positive number")));
            }
        }
        Ok(())
    }
}

fn invalid(field: &'static str, message: String) -> EncoderError {
    EncoderError::InvalidConfig { field, message }
}

#[cfg(test)]
mod tests;
