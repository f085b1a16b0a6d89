//! BERT (Devlin et al. 2019, arXiv 1810.04805) and the RoBERTa/XLM-R family, which differ from
//! it in the numbering of positions only. Reference: Hugging Face transformers `BertModel` and
//! `XLMRobertaModel`. Sequences are packed; there is no padding and no attention mask.

use std::sync::Arc;

use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use candle_nn::VarBuilder;

use super::config::{Activation, EncoderConfig};
use super::cpu::Precision;
use super::cpu::model::{Batch, EmbeddingTensors, Frozen, ModelTensors, Trained};
use super::cpu::simd::Level;
use super::cpu::train::{LayerTensors, Named};
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

    fn named(&self) -> Named {
        Named {
            weight: self.weight.clone(),
            bias: self.bias.clone(),
        }
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

    fn named(&self) -> Named {
        Named {
            weight: self.gamma.clone(),
            bias: self.beta.clone(),
        }
    }
}

struct Layer {
    projections: [Dense; 3],
    attention_output: Dense,
    attention_norm: Norm,
    intermediate: Dense,
    output: Dense,
    output_norm: Norm,
    heads: usize,
    activation: Activation,
}

impl Layer {
    fn load(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        let (hidden, inner, eps) = (
            config.hidden_size,
            config.intermediate_size,
            config.layer_norm_eps,
        );
        let part = |name: &str| Dense::load(&vb.pp("attention.self").pp(name), hidden, hidden);
        Ok(Self {
            projections: [part("query")?, part("key")?, part("value")?],
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
        let [q, k, v] = &self.projections;
        let fused = Dense {
            weight: Tensor::cat(&[&q.weight, &k.weight, &v.weight], 0)?,
            bias: Tensor::cat(&[&q.bias, &k.bias, &v.bias], 0)?,
        };
        let context = ops::attention(&fused.forward(x)?, offsets, self.heads)?;
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

    fn tensors(&self) -> LayerTensors {
        LayerTensors {
            projections: self.projections.each_ref().map(Dense::named),
            output: self.attention_output.named(),
            attention_norm: self.attention_norm.named(),
            up: self.intermediate.named(),
            down: self.output.named(),
            output_norm: self.output_norm.named(),
        }
    }
}

/// The same network on candle tensors: on any device, for any activation, with gradients.
struct Stock {
    words: Tensor,
    positions: Tensor,
    token_type: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
    activation: Activation,
}

impl Stock {
    fn load(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        let (hidden, embeddings) = (config.hidden_size, vb.pp("embeddings"));
        let table = |rows: usize, name: &str| embeddings.get((rows, hidden), name);
        let layers = (0..config.num_hidden_layers)
            .map(|i| Layer::load(&vb.pp("encoder.layer").pp(i.to_string()), config))
            .collect::<candle_core::Result<_>>()?;
        Ok(Self {
            words: table(config.vocab_size, "word_embeddings.weight")?,
            positions: table(config.max_position_embeddings, "position_embeddings.weight")?,
            token_type: table(config.type_vocab_size, "token_type_embeddings.weight")?,
            norm: Norm::load(&embeddings.pp("LayerNorm"), hidden, config.layer_norm_eps)?,
            layers,
            activation: config.activation,
        })
    }

    /// The tensors for the CPU backend, where it can run them.
    fn tensors(&self, heads: usize) -> Option<ModelTensors> {
        let tensors = ModelTensors {
            embeddings: EmbeddingTensors {
                words: self.words.clone(),
                positions: self.positions.clone(),
                token_type: self.token_type.clone(),
                norm: self.norm.named(),
            },
            layers: self.layers.iter().map(Layer::tensors).collect(),
            heads,
            eps: self.norm.eps,
        };
        (self.activation == Activation::Gelu && tensors.supported()).then_some(tensors)
    }

    /// States after the embeddings and after each layer.
    fn run(&self, batch: Batch) -> candle_core::Result<Vec<Tensor>> {
        let device = self.words.device();
        let total = batch.ids.len();
        let words = self
            .words
            .index_select(&Tensor::from_vec(batch.ids, total, device)?, 0)?;
        let positions = self
            .positions
            .index_select(&Tensor::from_vec(batch.positions, total, device)?, 0)?;
        let sum = ops::add_bias(&(words + positions)?, &self.token_type.get(0)?)?;
        let offsets = Arc::new(batch.offsets);
        let mut states = vec![self.norm.forward(&sum)?];
        for layer in &self.layers {
            let next = layer.forward(&states[states.len() - 1], &offsets)?;
            states.push(next);
        }
        Ok(states)
    }
}

/// What runs the network.
enum Backend {
    Stock(Stock),
    Frozen(Box<Frozen>),
    Trained(Box<Trained>),
}

/// A BERT or XLM-R encoder: on a CPU by kernels of its own ([`super::cpu`]), elsewhere, and for
/// activations other than the exact GELU, on candle tensors.
pub struct Bert {
    info: EncoderInfo,
    backend: Backend,
    position_offset: u32,
}

impl Bert {
    /// Loads frozen weights for reading, f32; `vb` stands where `embeddings` and `encoder` are.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than `config` says.
    pub fn load(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        Self::frozen(vb, config, Precision::F32)
    }

    /// The same with products in `precision`, where the CPU backend runs them.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn frozen(
        vb: &VarBuilder,
        config: &EncoderConfig,
        precision: Precision,
    ) -> candle_core::Result<Self> {
        let stock = Stock::load(vb, config)?;
        let backend = match stock.tensors(config.num_attention_heads) {
            Some(tensors) => {
                Backend::Frozen(Box::new(Frozen::new(&tensors, Level::best(), precision)?))
            }
            None => Backend::Stock(stock),
        };
        Ok(Self::new(vb, config, backend))
    }

    /// The same on weights that are being trained: gradients reach every tensor of `vb` that is
    /// a variable, through [`Bert::backward`].
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn trainable(
        vb: &VarBuilder,
        config: &EncoderConfig,
        precision: Precision,
    ) -> candle_core::Result<Self> {
        let stock = Stock::load(vb, config)?;
        let backend = match stock.tensors(config.num_attention_heads) {
            Some(tensors) => match Trained::new(&tensors, Level::best(), precision)? {
                Some(trained) => Backend::Trained(Box::new(trained)),
                None => Backend::Frozen(Box::new(Frozen::new(&tensors, Level::best(), precision)?)),
            },
            None => Backend::Stock(stock),
        };
        Ok(Self::new(vb, config, backend))
    }

    /// On candle tensors alone, whatever the device: what the CPU backend is measured against.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn stock(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        let backend = Backend::Stock(Stock::load(vb, config)?);
        Ok(Self::new(vb, config, backend))
    }

    fn new(vb: &VarBuilder, config: &EncoderConfig, backend: Backend) -> Self {
        Self {
            info: EncoderInfo {
                architecture: config.architecture.model_type().to_owned(),
                hidden: config.hidden_size,
                layers: config.num_hidden_layers,
                max_tokens: config.max_tokens(),
                vocab: config.vocab_size,
                device: vb.device().clone(),
            },
            backend,
            position_offset: config.position_offset(),
        }
    }

    /// Whether the kernels of [`super::cpu`] run this encoder, and not candle.
    pub fn has_kernels(&self) -> bool {
        !matches!(self.backend, Backend::Stock(_))
    }

    /// Gradients of `loss`, which was computed from this encoder's states, by weight. Several
    /// passes of the encoder may stand behind one loss.
    ///
    /// # Errors
    /// When the device fails.
    pub fn backward(&self, loss: &Tensor) -> candle_core::Result<GradStore> {
        let mut grads = loss.backward()?;
        if let Backend::Trained(trained) = &self.backend {
            for (weight, grad) in trained.gradients()? {
                let sum = match grads.get(&weight) {
                    Some(other) => (other + grad)?,
                    None => grad,
                };
                grads.insert(&weight, sum);
            }
        }
        Ok(grads)
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

    fn batch(&self, sequences: &[&[u32]]) -> Batch {
        Batch {
            ids: sequences.iter().flat_map(|s| s.iter().copied()).collect(),
            positions: sequences
                .iter()
                .flat_map(|s| (0..s.len() as u32).map(|i| i + self.position_offset))
                .collect(),
            offsets: offsets_of(sequences.iter().map(|s| s.len())),
        }
    }

    /// States after the embedding layer and after each transformer layer, `layers + 1` tensors
    /// of `[total, hidden]`; the last is what [`Encoder::encode`] returns. Weights under training
    /// give the last alone.
    ///
    /// # Errors
    /// As [`Encoder::encode`].
    pub fn hidden_states(&self, sequences: &[&[u32]]) -> Result<Vec<Tensor>, EncoderError> {
        self.check(sequences)?;
        let batch = self.batch(sequences);
        let shape = (batch.ids.len(), self.info.hidden);
        match &self.backend {
            Backend::Stock(stock) => Ok(stock.run(batch)?),
            Backend::Trained(trained) => Ok(vec![trained.run(batch)?]),
            Backend::Frozen(frozen) => {
                let mut states = Vec::with_capacity(self.info.layers + 1);
                frozen.run(&batch, |x| states.push(x.to_vec()))?;
                let states = states.into_iter();
                Ok(states
                    .map(|x| Tensor::from_vec(x, shape, &self.info.device))
                    .collect::<candle_core::Result<_>>()?)
            }
        }
    }
}

impl Encoder for Bert {
    fn info(&self) -> &EncoderInfo {
        &self.info
    }

    fn encode(&self, sequences: &[&[u32]]) -> Result<TokenStates, EncoderError> {
        self.check(sequences)?;
        let offsets = offsets_of(sequences.iter().map(|s| s.len()));
        if sequences.is_empty() {
            let states = Tensor::zeros((0, self.info.hidden), DType::F32, &self.info.device)?;
            return Ok(TokenStates { states, offsets });
        }
        let batch = self.batch(sequences);
        let shape = (batch.ids.len(), self.info.hidden);
        let states = match &self.backend {
            Backend::Stock(stock) => stock
                .run(batch)?
                .pop()
                .ok_or(EncoderError::EmptySequence { sequence: 0 })?
                .to_dtype(DType::F32)?,
            Backend::Trained(trained) => trained.run(batch)?,
            Backend::Frozen(frozen) => {
                Tensor::from_vec(frozen.run(&batch, |_| ())?, shape, &self.info.device)?
            }
        };
        Ok(TokenStates { states, offsets })
    }
}
