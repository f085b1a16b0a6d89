//! BERT (Devlin et al. 2019, arXiv 1810.04805) and the RoBERTa/XLM-R family, which differ from
//! it in the numbering of positions only. Reference: Hugging Face transformers `BertModel` and
//! `XLMRobertaModel`. Sequences are packed; there is no padding and no attention mask.

use std::sync::Arc;

use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::config::{Activation, EncoderConfig};
use super::error::EncoderError;
use super::{Encoder, EncoderInfo, TokenStates, offsets_of, ops};

/// Weight and bias of a dense layer, `[out, in]` and `[out]`.
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn load(vb: &VarBuilder, inputs: usize, outputs: usize) -> candle_core::Result<Self> {
        Ok(Self {
            weight: vb.get((outputs, inputs), "weight")?,
            bias: vb.get(outputs, "bias")?,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::linear(x, &self.weight, &self.bias)
    }
}

/// Scale and shift of a layer normalisation, both `[hidden]`.
struct Norm {
    gamma: Tensor,
    beta: Tensor,
    eps: f64,
}

impl Norm {
    fn load(vb: &VarBuilder, hidden: usize, eps: f64) -> candle_core::Result<Self> {
        let gamma = if vb.contains_tensor("gamma") {
            "gamma"
        } else {
            "weight"
        };
        let beta = if vb.contains_tensor("beta") {
            "beta"
        } else {
            "bias"
        };
        Ok(Self {
            gamma: vb.get(hidden, gamma)?,
            beta: vb.get(hidden, beta)?,
            eps,
        })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        ops::layer_norm(x, &self.gamma, &self.beta, self.eps)
    }
}

/// Query, key and value projections: three while they are trained, one when they are frozen.
enum Projections {
    Apart([Dense; 3]),
    Fused(Dense),
}

impl Projections {
    fn fuse(parts: &[Dense; 3]) -> candle_core::Result<Dense> {
        let [q, k, v] = parts;
        Ok(Dense {
            weight: Tensor::cat(&[&q.weight, &k.weight, &v.weight], 0)?,
            bias: Tensor::cat(&[&q.bias, &k.bias, &v.bias], 0)?,
        })
    }

    /// `[total, 3 · hidden]`.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Apart(parts) => Self::fuse(parts)?.forward(x),
            Self::Fused(dense) => dense.forward(x),
        }
    }
}

struct Layer {
    projections: Projections,
    attention_output: Dense,
    attention_norm: Norm,
    intermediate: Dense,
    output: Dense,
    output_norm: Norm,
    heads: usize,
    activation: Activation,
}

impl Layer {
    fn load(vb: &VarBuilder, config: &EncoderConfig, trainable: bool) -> candle_core::Result<Self> {
        let (hidden, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let part = |name: &str| Dense::load(&vb.pp("attention.self").pp(name), hidden, hidden);
        let parts = [part("query")?, part("key")?, part("value")?];
        let projections = if trainable {
            Projections::Apart(parts)
        } else {
            Projections::Fused(Projections::fuse(&parts)?)
        };
        Ok(Self {
            projections,
            attention_output: Dense::load(&vb.pp("attention.output.dense"), hidden, hidden)?,
            attention_norm: Norm::load(&vb.pp("attention.output.LayerNorm"), hidden, eps)?,
            intermediate: Dense::load(&vb.pp("intermediate.dense"), hidden, inner)?,
            output: Dense::load(&vb.pp("output.dense"), inner, hidden)?,
            output_norm: Norm::load(&vb.pp("output.LayerNorm"), hidden, eps)?,
            heads: config.num_attention_heads,
            activation: config.activation,
        })
    }

    fn forward(&self, x: &Tensor, offsets: &Arc<Vec<usize>>) -> candle_core::Result<Tensor> {
        let context = ops::attention(&self.projections.forward(x)?, offsets, self.heads)?;
        let x = self
            .attention_norm
            .forward(&(self.attention_output.forward(&context)? + x)?)?;
        let inner = self.intermediate.forward(&x)?;
        let inner = match self.activation {
            Activation::Gelu => ops::gelu(&inner)?,
            Activation::GeluTanh => inner.gelu()?,
            Activation::Relu => inner.relu()?,
        };
        self.output_norm
            .forward(&(self.output.forward(&inner)? + x)?)
    }
}

/// A BERT or XLM-R encoder on stock candle tensors.
pub struct Bert {
    info: EncoderInfo,
    words: Tensor,
    positions: Tensor,
    token_type: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    position_offset: u32,
}

impl Bert {
    /// Loads frozen weights for reading; `vb` stands where `embeddings` and `encoder` are.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` says.
    pub fn load(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        Self::build(vb, config, false)
    }

    /// The same on weights that are being trained: gradients reach every tensor of `vb`.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn trainable(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        Self::build(vb, config, true)
    }

    fn build(
        vb: &VarBuilder,
        config: &EncoderConfig,
        trainable: bool,
    ) -> candle_core::Result<Self> {
        let (hidden, embeddings) = (config.hidden_size, vb.pp("embeddings"));
        let table = |rows: usize, name: &str| embeddings.get((rows, hidden), name);
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::load(&vb.pp("encoder.layer").pp(i.to_string()), config, trainable))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self {
            info: EncoderInfo {
                architecture: config.architecture.model_type().to_owned(),
                hidden,
                layers: config.num_hidden_layers,
                max_tokens: config.max_tokens(),
                vocab: config.vocab_size,
                device: vb.device().clone(),
            },
            words: table(config.vocab_size, "word_embeddings.weight")?,
            positions: table(config.max_position_embeddings, "position_embeddings.weight")?,
            token_type: table(config.type_vocab_size, "token_type_embeddings.weight")?,
            norm: Norm::load(&embeddings.pp("LayerNorm"), hidden, config.layer_norm_eps)?,
            layers,
            position_offset: config.position_offset(),
        })
    }

    fn check(&self, sequences: &[&[u32]]) -> Result<(), EncoderError> {
        for (sequence, ids) in sequences.iter().enumerate() {
            if ids.is_empty() {
                return Err(EncoderError::EmptySequence { sequence });
            }
            if ids.len() > self.info.max_tokens {
                return Err(EncoderError::SequenceTooLong {
                    sequence,
                    tokens: ids.len(),
                    limit: self.info.max_tokens,
                });
            }
            if let Some(&id) = ids.iter().find(|&&id| id as usize >= self.info.vocab) {
                return Err(EncoderError::TokenOutOfRange {
                    id,
                    vocab: self.info.vocab,
                });
            }
        }
        Ok(())
    }

    /// States after the embedding layer and after each transformer layer, `layers + 1` tensors
    /// of `[total, hidden]`; the last is what [`Encoder::encode`] returns.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn hidden_states(&self, sequences: &[&[u32]]) -> Result<Vec<Tensor>, EncoderError> {
        self.check(sequences)?;
        let offsets = Arc::new(offsets_of(sequences.iter().map(|s| s.len())));
        let ids: Vec<u32> = sequences.iter().flat_map(|s| s.iter().copied()).collect();
        let positions: Vec<u32> = sequences
            .iter()
            .flat_map(|s| (0..s.len() as u32).map(|i| i + self.position_offset))
            .collect();
        let total = ids.len();
        let device = &self.info.device;
        let words = self
            .words
            .index_select(&Tensor::from_vec(ids, total, device)?, 0)?;
        let positions = self
            .positions
            .index_select(&Tensor::from_vec(positions, total, device)?, 0)?;
        let sum = ops::add_bias(&(words + positions)?, &self.token_type.get(0)?)?;
        let mut states = vec![self.norm.forward(&sum)?];
        for layer in &self.layers {
            let next = layer.forward(&states[states.len() - 1], &offsets)?;
            states.push(next);
        }
        Ok(states)
    }
}

impl Encoder for Bert {
    fn info(&self) -> &EncoderInfo {
        &self.info
    }

    fn encode(&self, sequences: &[&[u32]]) -> Result<TokenStates, EncoderError> {
        let offsets = offsets_of(sequences.iter().map(|s| s.len()));
        if sequences.is_empty() {
            let states = Tensor::zeros((0, self.info.hidden), DType::F32, &self.info.device)?;
            return Ok(TokenStates { states, offsets });
        }
        let mut states = self.hidden_states(sequences)?;
        let last = states
            .pop()
            .ok_or(EncoderError::EmptySequence { sequence: 0 })?;
        Ok(TokenStates {
            states: last.to_dtype(DType::F32)?,
            offsets,
        })
    }
}
