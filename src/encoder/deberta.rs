//! `DeBERTa` v2 and v3 (He et al. 2021, arXiv 2006.03654 and 2111.09543), `mDeBERTa` among them:
//! beside contents asking contents, contents ask for distances and distances for contents.
//! Reference: Hugging Face transformers `DebertaV2Model`.
//!
//! Sequences are packed; dense layers read all tokens at once, attention each sequence alone.

mod distance;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::config::{Activation, DebertaConfig, DistanceConfig, EncoderConfig, Family};
use super::error::EncoderError;
use super::layers::{Dense, Norm, activate, join_heads, packed_ids, places, softmax, split_heads};
use super::{Encoder, EncoderInfo, TokenStates, offsets_of};

pub use distance::bucket;

/// Query, key and value projections, and those of distances where they have their own.
struct Attention {
    query: Dense,
    key: Dense,
    value: Dense,
    position_key: Option<Dense>,
    position_query: Option<Dense>,
    heads: usize,
    content_to_position: bool,
    position_to_content: bool,
    /// Scores are divided by this: the root of head width times the number of their terms.
    scale: f64,
}

impl Attention {
    fn load(vb: &VarBuilder, config: &EncoderConfig, deberta: &DebertaConfig) -> Result<Self> {
        let hidden = config.hidden_size;
        let part = |name: &str| Dense::load(&vb.pp(name), hidden, hidden, true);
        let own = deberta.distances.is_some_and(|d| !d.share_att_key);
        let (c2p, p2c) = (deberta.content_to_position, deberta.position_to_content);
        let terms = 1 + usize::from(c2p) + usize::from(p2c);
        Ok(Self {
            query: part("query_proj")?,
            key: part("key_proj")?,
            value: part("value_proj")?,
            position_key: (own && c2p).then(|| part("pos_key_proj")).transpose()?,
            position_query: (own && p2c).then(|| part("pos_query_proj")).transpose()?,
            heads: config.num_attention_heads,
            content_to_position: c2p,
            position_to_content: p2c,
            scale: ((config.head_size() * terms) as f64).sqrt(),
        })
    }

    /// Context `[total, hidden]`; `positions` are the embeddings of distances `[2 · span, hidden]`.
    fn forward(
        &self,
        x: &Tensor,
        offsets: &[usize],
        positions: Option<(&Tensor, &DistanceConfig)>,
    ) -> Result<Tensor> {
        // Dividing the queries, and for distances the keys, divides every score.
        let query = (self.query.forward(x)? / self.scale)?;
        let (key, value) = (self.key.forward(x)?, self.value.forward(x)?);
        let mut position_key = None;
        let mut position_query = None;
        if let Some((positions, distances)) = positions {
            let project = |dense: &Dense| -> Result<Tensor> {
                split_heads(&dense.forward(positions)?, self.heads)?
                    .transpose(1, 2)?
                    .contiguous()
            };
            if self.content_to_position {
                let dense = self.position_key.as_ref().unwrap_or(&self.key);
                position_key = Some((project(dense)?, distances));
            }
            if self.position_to_content {
                let dense = self.position_query.as_ref().unwrap_or(&self.query);
                position_query = Some(((project(dense)? / self.scale)?, distances));
            }
        }
        let mut contexts = Vec::with_capacity(offsets.len() - 1);
        for pair in offsets.windows(2) {
            let tokens = pair[1] - pair[0];
            let part = |rows: &Tensor| split_heads(&rows.narrow(0, pair[0], tokens)?, self.heads);
            let (query, key, value) = (part(&query)?, part(&key)?, part(&value)?);
            let mut scores = query.matmul(&key.transpose(1, 2)?.contiguous()?)?;
            if let Some((position_key, distances)) = &position_key {
                let index = distance::table(tokens, distances, false);
                let said = query.matmul(position_key)?;
                scores = (scores + pick(&said, &index, tokens)?)?;
            }
            if let Some((position_query, distances)) = &position_query {
                let index = distance::table(tokens, distances, true);
                let said = key.matmul(position_query)?;
                scores = (scores + pick(&said, &index, tokens)?.transpose(1, 2)?)?;
            }
            contexts.push(join_heads(&softmax(&scores)?.matmul(&value)?)?);
        }
        Tensor::cat(&contexts, 0)
    }
}

/// `out[h][i][j] = said[h][i][index[i][j]]` for `said` `[heads, tokens, 2 · span]`.
fn pick(said: &Tensor, index: &[u32], tokens: usize) -> Result<Tensor> {
    let heads = said.dim(0)?;
    let index = Tensor::from_slice(index, (1, tokens, tokens), said.device())?
        .expand((heads, tokens, tokens))?
        .contiguous()?;
    said.gather(&index, 2)
}

struct Layer {
    attention: Attention,
    attention_output: Dense,
    attention_norm: Norm,
    intermediate: Dense,
    output: Dense,
    output_norm: Norm,
    activation: Activation,
}

impl Layer {
    fn load(vb: &VarBuilder, config: &EncoderConfig, deberta: &DebertaConfig) -> Result<Self> {
        let (hidden, wide) = (config.hidden_size, config.intermediate_size);
        let norm = |name: &str| Norm::load(&vb.pp(name), hidden, config.layer_norm_eps, true);
        Ok(Self {
            attention: Attention::load(&vb.pp("attention.self"), config, deberta)?,
            attention_output: Dense::load(&vb.pp("attention.output.dense"), hidden, hidden, true)?,
            attention_norm: norm("attention.output.LayerNorm")?,
            intermediate: Dense::load(&vb.pp("intermediate.dense"), hidden, wide, true)?,
            output: Dense::load(&vb.pp("output.dense"), wide, hidden, true)?,
            output_norm: norm("output.LayerNorm")?,
            activation: config.activation,
        })
    }

    fn forward(
        &self,
        x: &Tensor,
        offsets: &[usize],
        positions: Option<(&Tensor, &DistanceConfig)>,
    ) -> Result<Tensor> {
        let context = self.attention.forward(x, offsets, positions)?;
        let x = (self.attention_output.forward(&context)? + x)?;
        let x = self.attention_norm.forward(&x)?;
        let inner = activate(self.activation, &self.intermediate.forward(&x)?)?;
        self.output_norm
            .forward(&(self.output.forward(&inner)? + x)?)
    }
}

/// The convolution over neighbouring tokens that v2's largest models have beside their first layer.
struct Convolution {
    /// One matrix `[hidden, hidden]` for each place of the kernel, as `[in, out]`.
    taps: Vec<Tensor>,
    bias: Tensor,
    norm: Norm,
    activation: Activation,
}

impl Convolution {
    fn load(
        vb: &VarBuilder,
        config: &EncoderConfig,
        (size, activation): (usize, Activation),
    ) -> Result<Self> {
        let hidden = config.hidden_size;
        let weight = vb.get((hidden, hidden, size), "conv.weight")?;
        let taps = (0..size)
            .map(|tap| weight.narrow(2, tap, 1)?.squeeze(2)?.t()?.contiguous())
            .collect::<Result<_>>()?;
        Ok(Self {
            taps,
            bias: vb.get(hidden, "conv.bias")?,
            norm: Norm::load(&vb.pp("LayerNorm"), hidden, config.layer_norm_eps, true)?,
            activation,
        })
    }

    /// `input` went into the first layer, `output` came out of it, both `[total, hidden]`.
    fn forward(&self, input: &Tensor, output: &Tensor, offsets: &[usize]) -> Result<Tensor> {
        let (total, hidden) = input.dims2()?;
        let nothing = Tensor::zeros((1, hidden), input.dtype(), input.device())?;
        let rows = Tensor::cat(&[input, &nothing], 0)?;
        let before = self.taps.len() / 2;
        let mut sum = Tensor::zeros_like(input)?;
        for (tap, matrix) in self.taps.iter().enumerate() {
            // Beyond its sequence's ends, a token's neighbour is nothing.
            let neighbour = offsets.windows(2).flat_map(|pair| {
                let (start, end) = (pair[0], pair[1]);
                (start..end).map(move |place| {
                    let place = place + tap;
                    let inside = (start + before..end + before).contains(&place);
                    if inside { place - before } else { total }
                })
            });
            let neighbour: Vec<u32> = neighbour.map(|place| place as u32).collect();
            let index = Tensor::from_vec(neighbour, total, input.device())?;
            sum = (sum + rows.index_select(&index, 0)?.matmul(matrix)?)?;
        }
        let sum = activate(self.activation, &sum.broadcast_add(&self.bias)?)?;
        self.norm.forward(&(output + sum)?)
    }
}

/// A `DeBERTa` encoder.
pub struct Deberta {
    info: EncoderInfo,
    words: Tensor,
    absolute: Option<Tensor>,
    token_type: Option<Tensor>,
    projection: Option<Dense>,
    norm: Norm,
    /// Embeddings of distances `[2 · span, hidden]`, normalised.
    distances: Option<(Tensor, DistanceConfig)>,
    convolution: Option<Convolution>,
    layers: Vec<Layer>,
}

impl Deberta {
    /// Loads the weights; `vb` stands where `embeddings` and `encoder` are.
    ///
    /// # Errors
    /// When `config` is of another family, or a tensor is missing or has another shape than it
    /// says.
    pub fn load(vb: &VarBuilder, config: &EncoderConfig) -> Result<Self> {
        let Family::Deberta(deberta) = &config.family else {
            candle_core::bail!("{:?} is not DeBERTa", config.architecture);
        };
        let (hidden, narrow) = (config.hidden_size, deberta.embedding_size);
        let (embeddings, encoder) = (vb.pp("embeddings"), vb.pp("encoder"));
        let table = |rows: usize, name: &str| embeddings.get((rows, narrow), name);
        let norm = |vb: &VarBuilder| Norm::load(vb, hidden, config.layer_norm_eps, true);
        let distances = match deberta.distances {
            None => None,
            Some(distances) => {
                let rows = encoder.get((2 * distances.span(), hidden), "rel_embeddings.weight")?;
                let rows = if distances.layer_norm {
                    norm(&encoder.pp("LayerNorm"))?.forward(&rows)?
                } else {
                    rows
                };
                Some((rows, distances))
            }
        };
        let token_type = match config.type_vocab_size {
            0 => None,
            // A row of the table, to be added to every token.
            rows => Some(table(rows, "token_type_embeddings.weight")?.narrow(0, 0, 1)?),
        };
        Ok(Self {
            info: EncoderInfo::of(config, vb.device()),
            words: table(config.vocab_size, "word_embeddings.weight")?,
            absolute: deberta
                .position_biased_input
                .then(|| table(config.max_position_embeddings, "position_embeddings.weight"))
                .transpose()?,
            token_type,
            projection: (narrow != hidden)
                .then(|| Dense::load(&embeddings.pp("embed_proj"), narrow, hidden, false))
                .transpose()?,
            norm: norm(&embeddings.pp("LayerNorm"))?,
            distances,
            convolution: deberta
                .convolution
                .map(|shape| Convolution::load(&encoder.pp("conv"), config, shape))
                .transpose()?,
            layers: (0..config.num_hidden_layers)
                .map(|i| Layer::load(&encoder.pp("layer").pp(i.to_string()), config, deberta))
                .collect::<Result<_>>()?,
        })
    }

    fn embed(&self, sequences: &[&[u32]]) -> Result<Tensor> {
        let device = &self.info.device;
        let ids = packed_ids(sequences, device)?;
        let mut x = self.words.index_select(&ids, 0)?;
        if let Some(table) = &self.absolute {
            let places = places(sequences);
            let places = Tensor::from_slice(&places, places.len(), device)?;
            x = (x + table.index_select(&places, 0)?)?;
        }
        if let Some(row) = &self.token_type {
            x = x.broadcast_add(row)?;
        }
        if let Some(projection) = &self.projection {
            x = projection.forward(&x)?;
        }
        self.norm.forward(&x)
    }
}

impl Encoder for Deberta {
    fn info(&self) -> &EncoderInfo {
        &self.info
    }

    fn encode(&self, sequences: &[&[u32]]) -> std::result::Result<TokenStates, EncoderError> {
        self.info.check(sequences)?;
        if sequences.is_empty() {
            return Ok(TokenStates::none(&self.info)?);
        }
        let offsets = offsets_of(sequences.iter().map(|s| s.len()));
        let positions = self.distances.as_ref().map(|(rows, config)| (rows, config));
        let embedded = self.embed(sequences)?;
        let mut states = embedded.clone();
        for (number, layer) in self.layers.iter().enumerate() {
            states = layer.forward(&states, &offsets, positions)?;
            if let (0, Some(convolution)) = (number, &self.convolution) {
                states = convolution.forward(&embedded, &states, &offsets)?;
            }
        }
        Ok(TokenStates { states, offsets })
    }
}
