//! Small trained heads that read topics and stances off token states.
//!
//! One encoder pass per window serves any number of actors: [`stance`] asks each window's
//! states once per actor, [`topic`] reads the pooled document vector, [`calibration`] turns
//! logits into probabilities that mean what they say.

pub mod calibration;
mod layout;
pub mod stance;
pub mod topic;

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;
use serde::{Deserialize, Serialize};

use crate::encoder::ops;

pub use crate::encoder::pooling::mean_pool;

/// `stance.json`: how the heads of a model folder are built and read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadsConfig {
    /// Version of this file's form.
    pub schema: u32,
    /// Longest window in tokens, special tokens included.
    pub window_tokens: usize,
    /// Most tokens that consecutive windows share.
    pub window_overlap: usize,
    /// IPTC Media Topics codes in the order of the topic head's logits.
    pub topics: Vec<String>,
    /// Attention heads of the stance head; they divide the encoder's width.
    pub attention_heads: usize,
    /// Width of the heads' inner layers.
    pub inner: usize,
    /// Temperatures and thresholds.
    pub calibration: calibration::Calibration,
}

impl HeadsConfig {
    /// Checks that the numbers fit each other and an encoder of width `hidden` that reads
    /// `max_tokens` at once.
    ///
    /// # Errors
    /// A sentence that names the field.
    pub fn validate(&self, hidden: usize, max_tokens: usize) -> std::result::Result<(), String> {
        if self.schema != 1 {
            return Err(format!("`schema` is {}, this version reads 1", self.schema));
        }
        if self.window_tokens < 8 || self.window_tokens > max_tokens {
            return Err(format!(
                "`window_tokens` is {}, not 8 to {max_tokens}",
                self.window_tokens
            ));
        }
        if self.window_overlap * 2 > self.window_tokens {
            return Err(format!(
                "`window_overlap` is {}, over half a window",
                self.window_overlap
            ));
        }
        if self.attention_heads == 0 || !hidden.is_multiple_of(self.attention_heads) {
            return Err(format!(
                "`attention_heads` {} do not divide {hidden}",
                self.attention_heads
            ));
        }
        if self.inner == 0 || self.topics.is_empty() {
            return Err("`inner` and `topics` must not be empty".to_owned());
        }
        if !self.calibration.is_valid() {
            return Err("temperatures must be positive".to_owned());
        }
        Ok(())
    }
}

/// Weight and bias of a dense layer, `[out, in]` and `[out]`.
#[derive(Debug, Clone)]
struct Dense {
    weight: Tensor,
    bias: Tensor,
}

impl Dense {
    fn load(vb: &VarBuilder, inputs: usize, outputs: usize) -> Result<Self> {
        Ok(Self {
            weight: vb.get((outputs, inputs), "weight")?,
            bias: vb.get(outputs, "bias")?,
        })
    }

    /// Applies the layer to the last dimension of `x`, whatever stands before it.
    fn forward(&self, x: &Tensor) -> Result<Tensor> {
        let dims = x.dims();
        let (rows, inputs) = (x.elem_count() / dims[dims.len() - 1], dims[dims.len() - 1]);
        let y = ops::linear(&x.reshape((rows, inputs))?, &self.weight, &self.bias)?;
        let mut shape = dims.to_vec();
        if let Some(last) = shape.last_mut() {
            *last = self.bias.elem_count();
        }
        y.reshape(shape)
    }
}

/// Names and shapes of every tensor that the heads need, for training to create and for
/// loading to check.
pub fn tensor_shapes(config: &HeadsConfig, hidden: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = stance::tensor_shapes(config, hidden);
    shapes.extend(topic::tensor_shapes(config, hidden));
    shapes
}

/// Weighted means of rows: `groups[i]` lists the rows of mean `i` with their weights, which need
/// not add up to 1. Gives `[groups, hidden]` for `rows` `[n, hidden]`.
pub fn weighted_rows(rows: &Tensor, groups: &[Vec<(usize, f32)>]) -> Result<Tensor> {
    let count = rows.dim(0)?;
    let mut weights = vec![0.0f32; groups.len() * count];
    for (g, members) in groups.iter().enumerate() {
        let total: f32 = members.iter().map(|(_, w)| w).sum();
        for (row, weight) in members {
            weights[g * count + row] = weight / total;
        }
    }
    Tensor::from_vec(weights, (groups.len(), count), rows.device())?.matmul(rows)
}
