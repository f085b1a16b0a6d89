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
use super::layers::{activate, places};
use super::ops::{self, Packed};
use super::stored::{Stored, StoredWeights};
use super::{Encoder, EncoderInfo, TokenStates, offsets_of};

/// Where tensors come from: `matrix` gives those whose form `W` may differ.
struct Source<'a, M> {
    vb: &'a VarBuilder<'a>,
    matrix: M,
}

impl<W, M: Fn(&[usize], &str) -> candle_core::Result<W>> Source<'_, M> {
    fn vector(&self, width: usize, name: &str) -> candle_core::Result<Tensor> {
        self.vb.get(width, name)
    }

    fn dense(&self, inputs: usize, outputs: usize, name: &str) -> candle_core::Result<Named<W>> {
        Ok(Named {
            weight: (self.matrix)(&[outputs, inputs], &format!("{name}.weight"))?,
            bias: self.vector(outputs, &format!("{name}.bias"))?,
        })
    }

    fn norm(&self, hidden: usize, name: &str) -> candle_core::Result<Named> {
        Ok(Named {
            weight: self.vector(hidden, &format!("{name}.weight"))?,
            bias: self.vector(hidden, &format!("{name}.bias"))?,
        })
    }

    fn layer(&self, i: usize, config: &EncoderConfig) -> candle_core::Result<LayerTensors<W>> {
        let (hidden, inner) = (config.hidden_size, config.intermediate_size);
        let name = |part: &str| format!("encoder.layer.{i}.{part}");
        let part = |part| self.dense(hidden, hidden, &name(part));
        Ok(LayerTensors {
            projections: [
                part("attention.self.query")?,
                part("attention.self.key")?,
                part("attention.self.value")?,
            ],
            output: part("attention.output.dense")?,
            attention_norm: self.norm(hidden, &name("attention.output.LayerNorm"))?,
            up: self.dense(hidden, inner, &name("intermediate.dense"))?,
            down: self.dense(inner, hidden, &name("output.dense"))?,
            output_norm: self.norm(hidden, &name("output.LayerNorm"))?,
        })
    }

    fn model(&self, config: &EncoderConfig) -> candle_core::Result<ModelTensors<W>> {
        let hidden = config.hidden_size;
        let table = |rows: usize, name: &str| self.vb.get((rows, hidden), name);
        Ok(ModelTensors {
            embeddings: EmbeddingTensors {
                words: (self.matrix)(
                    &[config.vocab_size, hidden],
                    "embeddings.word_embeddings.weight",
                )?,
                positions: table(
                    config.max_position_embeddings,
                    "embeddings.position_embeddings.weight",
                )?,
                token_type: table(
                    config.type_vocab_size,
                    "embeddings.token_type_embeddings.weight",
                )?,
                norm: self.norm(hidden, "embeddings.LayerNorm")?,
            },
            layers: (0..config.num_hidden_layers)
                .map(|i| self.layer(i, config))
                .collect::<candle_core::Result<_>>()?,
            heads: config.num_attention_heads,
            eps: config.layer_norm_eps,
        })
    }
}

fn tensors(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<ModelTensors> {
    let matrix = |shape: &[usize], name: &str| vb.get(shape, name);
    Source { vb, matrix }.model(config)
}

/// The same network on candle tensors: on any device, for any activation, with gradients.
struct Stock {
    tensors: ModelTensors,
    /// The projections of each layer as one, unless they are learnt.
    projections: Vec<Option<Named>>,
    activation: Activation,
}

/// The projections to queries, keys and values as one.
fn fused(layer: &LayerTensors) -> candle_core::Result<Named> {
    let [q, k, v] = &layer.projections;
    Ok(Named {
        weight: Tensor::cat(&[&q.weight, &k.weight, &v.weight], 0)?,
        bias: Tensor::cat(&[&q.bias, &k.bias, &v.bias], 0)?,
    })
}

impl Stock {
    fn new(tensors: ModelTensors, activation: Activation) -> candle_core::Result<Self> {
        let frozen = |layer: &LayerTensors| {
            let learnt = layer.projections.iter().any(|p| p.weight.track_op());
            (!learnt).then(|| fused(layer)).transpose()
        };
        let projections = tensors.layers.iter().map(frozen);
        Ok(Self {
            projections: projections.collect::<candle_core::Result<_>>()?,
            tensors,
            activation,
        })
    }

    /// Layer norm of `x`, to which the bias of its weights is not added yet, and `other`.
    fn norm(
        &self,
        x: &Tensor,
        bias: &Tensor,
        other: &Tensor,
        norm: &Named,
    ) -> candle_core::Result<Tensor> {
        let scales = (&norm.weight, &norm.bias);
        ops::add_norm(x, bias, other, scales, self.tensors.eps)
    }

    fn layer(
        &self,
        number: usize,
        x: &Tensor,
        packed: &Arc<Packed>,
    ) -> candle_core::Result<Tensor> {
        let layer = &self.tensors.layers[number];
        let product = |x: &Tensor, dense: &Named| x.matmul(&dense.weight.t()?);
        let own;
        let projections = if let Some(fused) = &self.projections[number] {
            fused
        } else {
            own = fused(layer)?;
            &own
        };
        let context = ops::biased_attention(
            &product(x, projections)?,
            &projections.bias,
            packed,
            self.tensors.heads,
        )?;
        let (output, norm) = (&layer.output, &layer.attention_norm);
        let x = self.norm(&product(&context, output)?, &output.bias, x, norm)?;
        let up = product(&x, &layer.up)?;
        let inner = match self.activation {
            Activation::Gelu => ops::bias_gelu(&up, &layer.up.bias)?,
            other => activate(other, &ops::add_bias(&up, &layer.up.bias)?)?,
        };
        let (down, norm) = (&layer.down, &layer.output_norm);
        self.norm(&product(&inner, down)?, &down.bias, &x, norm)
    }

    /// The last states; `each` sees those after the embeddings and after each layer.
    fn run(&self, batch: Batch, mut each: impl FnMut(&Tensor)) -> candle_core::Result<Tensor> {
        let embeddings = &self.tensors.embeddings;
        let device = embeddings.words.device();
        let total = batch.ids.len();
        let rows = |table: &Tensor, rows: Vec<u32>| {
            ops::take(table, &Tensor::from_vec(rows, total, device)?)
        };
        let words = rows(&embeddings.words, batch.ids)?;
        let positions = rows(&embeddings.positions, batch.positions)?;
        let kind = embeddings.token_type.get(0)?;
        let packed = Arc::new(Packed::new(batch.offsets));
        let mut states = self.norm(&words, &kind, &positions, &embeddings.norm)?;
        each(&states);
        for number in 0..self.tensors.layers.len() {
            states = self.layer(number, &states, &packed)?;
            each(&states);
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

impl Backend {
    fn stock(tensors: ModelTensors, activation: Activation) -> candle_core::Result<Self> {
        Ok(Self::Stock(Stock::new(tensors, activation)?))
    }

    fn frozen<W: Into<Stored> + Clone>(
        tensors: &ModelTensors<W>,
        precision: Precision,
    ) -> candle_core::Result<Self> {
        let frozen = Frozen::new(tensors, Level::best(), precision)?;
        Ok(Self::Frozen(Box::new(frozen)))
    }
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

    /// The same with products in `precision`, where the CPU backend runs them; elsewhere bf16 holds
    /// weights and states too, and 8-bit integers are not to be had.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn frozen(
        vb: &VarBuilder,
        config: &EncoderConfig,
        precision: Precision,
    ) -> candle_core::Result<Self> {
        if precision == Precision::Bf16 && !vb.device().is_cpu() {
            return Self::stock(&vb.to_dtype(DType::BF16), config);
        }
        let bert = Self::choose(vb, config, |tensors| Backend::frozen(tensors, precision))?;
        Ok(bert.hasten())
    }

    /// Spends memory on products of f32 in less time ([`Frozen::hasten`]).
    #[must_use]
    pub fn hasten(mut self) -> Self {
        if let Backend::Frozen(frozen) = &mut self.backend {
            frozen.hasten();
        }
        self
    }

    /// The same of weights as they are stored, of which `vb` is the f32 form: 8-bit integers are
    /// not made f32 for kernels of integers, and the table of words stays as it is. Not hastened.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn stored(
        weights: &StoredWeights,
        vb: &VarBuilder,
        config: &EncoderConfig,
        precision: Precision,
    ) -> candle_core::Result<Self> {
        if config.activation != Activation::Gelu || !vb.device().is_cpu() {
            return Self::frozen(vb, config, precision);
        }
        let matrix = |shape: &[usize], name: &str| weights.get(shape, name);
        let tensors = Source { vb, matrix }.model(config)?;
        Ok(Self {
            info: EncoderInfo::of(config, vb.device()),
            backend: Backend::frozen(&tensors, precision)?,
            position_offset: config.position_offset(),
        })
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
        Self::choose(vb, config, |tensors| {
            match Trained::new(tensors, Level::best(), precision)? {
                Some(trained) => Ok(Backend::Trained(Box::new(trained))),
                None => Backend::frozen(tensors, precision),
            }
        })
        .map(Self::hasten)
    }

    /// On candle tensors alone, whatever the device: what the CPU backend is measured against.
    ///
    /// # Errors
    /// As [`Bert::load`].
    pub fn stock(vb: &VarBuilder, config: &EncoderConfig) -> candle_core::Result<Self> {
        Self::new(vb, config, Backend::stock)
    }

    /// With kernels by `kernels` where the CPU backend runs these tensors, else on candle's.
    fn choose(
        vb: &VarBuilder,
        config: &EncoderConfig,
        kernels: impl FnOnce(&ModelTensors) -> candle_core::Result<Backend>,
    ) -> candle_core::Result<Self> {
        Self::new(vb, config, |tensors, activation| {
            if activation == Activation::Gelu && tensors.supported() {
                kernels(&tensors)
            } else {
                Backend::stock(tensors, activation)
            }
        })
    }

    fn new(
        vb: &VarBuilder,
        config: &EncoderConfig,
        backend: impl FnOnce(ModelTensors, Activation) -> candle_core::Result<Backend>,
    ) -> candle_core::Result<Self> {
        Ok(Self {
            info: EncoderInfo::of(config, vb.device()),
            backend: backend(tensors(vb, config)?, config.activation)?,
            position_offset: config.position_offset(),
        })
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

    fn batch(&self, sequences: &[&[u32]]) -> Batch {
        Batch {
            ids: sequences.concat(),
            positions: places(sequences)
                .into_iter()
                .map(|place| place + self.position_offset)
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
        self.info.check(sequences)?;
        let batch = self.batch(sequences);
        let shape = (batch.ids.len(), self.info.hidden);
        match &self.backend {
            Backend::Stock(stock) => {
                let mut states = Vec::with_capacity(self.info.layers + 1);
                stock.run(batch, |x| states.push(x.clone()))?;
                Ok(states)
            }
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
        self.info.check(sequences)?;
        if sequences.is_empty() {
            return Ok(TokenStates::none(&self.info)?);
        }
        let batch = self.batch(sequences);
        let (shape, offsets) = ((batch.ids.len(), self.info.hidden), batch.offsets.clone());
        let states = match &self.backend {
            Backend::Stock(stock) => stock.run(batch, |_| ())?.to_dtype(DType::F32)?,
            Backend::Trained(trained) => trained.run(batch)?,
            Backend::Frozen(frozen) => {
                Tensor::from_vec(frozen.run(&batch, |_| ())?, shape, &self.info.device)?
            }
        };
        Ok(TokenStates { states, offsets })
    }
}
