//! `ModernBERT` (Warner et al. 2024, arXiv 2412.13663) and `mmBERT`: normalised before each block,
//! gated feed-forward layers, rotary positions, and layers that look at their surroundings only
//! between those that look everywhere. Reference: Hugging Face transformers `ModernBertModel`.
//!
//! Sequences are packed, as they are in the original.

mod attention;
mod rotary;

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::config::{Activation, EncoderConfig, Family, ModernBertConfig};
use super::error::EncoderError;
use super::layers::{Dense, Norm, activate, packed_ids, places};
use super::ops::Packed;
use super::{Encoder, EncoderInfo, TokenStates, offsets_of};
use rotary::{Frequencies, Rotation};

struct Layer {
    attention_norm: Option<Norm>,
    projections: Dense,
    attention_output: Dense,
    inner_norm: Norm,
    inner: Dense,
    output: Dense,
    activation: Activation,
    heads: usize,
    /// How far a token sees to either side; `None`: everywhere.
    reach: Option<usize>,
}

impl Layer {
    fn load(
        vb: &VarBuilder,
        config: &EncoderConfig,
        modern: &ModernBertConfig,
        number: usize,
    ) -> Result<Self> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let dense =
            |name: &str, inputs, outputs, bias| Dense::load(&vb.pp(name), inputs, outputs, bias);
        let norm = |name: &str| {
            Norm::load(
                &vb.pp(name),
                hidden,
                config.layer_norm_eps,
                modern.norm_bias,
            )
        };
        Ok(Self {
            attention_norm: (number > 0).then(|| norm("attn_norm")).transpose()?,
            projections: dense("attn.Wqkv", hidden, 3 * hidden, modern.attention_bias)?,
            attention_output: dense("attn.Wo", hidden, hidden, modern.attention_bias)?,
            inner_norm: norm("mlp_norm")?,
            inner: dense("mlp.Wi", hidden, 2 * wide, modern.mlp_bias)?,
            output: dense("mlp.Wo", wide, hidden, modern.mlp_bias)?,
            activation: config.activation,
            heads: config.num_attention_heads,
            reach: modern.local_layers[number].then_some(modern.local_attention / 2),
        })
    }

    fn forward(&self, x: &Tensor, offsets: &Arc<Packed>, rotation: &Rotation) -> Result<Tensor> {
        let normed = match &self.attention_norm {
            Some(norm) => norm.forward(x)?,
            None => x.clone(),
        };
        let qkv = rotation.turn(&self.projections.forward(&normed)?, self.heads)?;
        let context = attention::attention(&qkv, offsets, self.heads, self.reach)?;
        let x = (self.attention_output.forward(&context)? + x)?;
        let both = self.inner.forward(&self.inner_norm.forward(&x)?)?;
        let wide = both.dim(1)? / 2;
        let input = activate(self.activation, &both.narrow(1, 0, wide)?.contiguous()?)?;
        let gated = (input * both.narrow(1, wide, wide)?)?;
        self.output.forward(&gated)? + x
    }
}

/// A `ModernBERT` encoder.
pub struct ModernBert {
    info: EncoderInfo,
    words: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    final_norm: Norm,
    everywhere: Frequencies,
    local: Frequencies,
}

impl ModernBert {
    /// Loads the weights; `vb` stands where `embeddings` and `layers` are.
    ///
    /// # Errors
    /// When `config` is of another family, or a tensor is missing or has another shape than it
    /// says.
    pub fn load(vb: &VarBuilder, config: &EncoderConfig) -> Result<Self> {
        let Family::ModernBert(modern) = &config.family else {
            candle_core::bail!("{:?} is not ModernBERT", config.architecture);
        };
        let hidden = config.hidden_size;
        let norm = |name: &str| {
            Norm::load(
                &vb.pp(name),
                hidden,
                config.layer_norm_eps,
                modern.norm_bias,
            )
        };
        let frequencies = |theta| Frequencies::new(theta, config.head_size());
        Ok(Self {
            info: EncoderInfo::of(config, vb.device()),
            words: vb.get(
                (config.vocab_size, hidden),
                "embeddings.tok_embeddings.weight",
            )?,
            norm: norm("embeddings.norm")?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::load(&vb.pp("layers").pp(i.to_string()), config, modern, i))
                .collect::<Result<_>>()?,
            final_norm: norm("final_norm")?,
            everywhere: frequencies(modern.global_rope_theta),
            local: frequencies(modern.local_rope_theta),
        })
    }
}

impl Encoder for ModernBert {
    fn info(&self) -> &EncoderInfo {
        &self.info
    }

    fn encode(&self, sequences: &[&[u32]]) -> std::result::Result<TokenStates, EncoderError> {
        self.info.check(sequences)?;
        if sequences.is_empty() {
            return Ok(TokenStates::none(&self.info)?);
        }
        let device = &self.info.device;
        let offsets = Arc::new(Packed::new(offsets_of(sequences.iter().map(|s| s.len()))));
        let places = places(sequences);
        let mut rotations = HashMap::new();
        for (local, frequencies) in [(true, &self.local), (false, &self.everywhere)] {
            rotations.insert(local, frequencies.rotation(&places, device)?);
        }
        let ids = packed_ids(sequences, device)?;
        let mut x = self.norm.forward(&self.words.index_select(&ids, 0)?)?;
        for layer in &self.layers {
            x = layer.forward(&x, &offsets, &rotations[&layer.reach.is_some()])?;
        }
        let offsets = offsets_of(sequences.iter().map(|s| s.len()));
        let states = self.final_norm.forward(&x)?;
        Ok(TokenStates { states, offsets })
    }
}
