//! Parts that the architectures beside BERT are made of, on plain candle tensors.

use candle_core::{D, Device, Result, Tensor};
use candle_nn::VarBuilder;

use super::config::Activation;
use super::ops;

/// A dense layer: weight `[out, in]`, and a bias `[out]` where there is one.
pub(super) struct Dense {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Dense {
    pub(super) fn load(vb: &VarBuilder, inputs: usize, outputs: usize, bias: bool) -> Result<Self> {
        Ok(Self {
            weight: vb.get((outputs, inputs), "weight")?,
            bias: bias.then(|| vb.get(outputs, "bias")).transpose()?,
        })
    }

    /// `[rows, out]` for `x` `[rows, in]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        match &self.bias {
            Some(bias) => ops::linear(x, &self.weight, bias),
            None => x.matmul(&self.weight.t()?),
        }
    }
}

/// A layer normalisation: scale and shift `[width]`, the shift zero where there is none.
pub(super) struct Norm {
    scale: Tensor,
    shift: Tensor,
    eps: f64,
}

impl Norm {
    pub(super) fn load(vb: &VarBuilder, width: usize, eps: f64, bias: bool) -> Result<Self> {
        let scale = vb.get(width, "weight")?;
        let shift = if bias {
            vb.get(width, "bias")?
        } else {
            scale.zeros_like()?
        };
        Ok(Self { scale, shift, eps })
    }

    /// Normalises every row of `x` `[rows, width]`.
    pub(super) fn forward(&self, x: &Tensor) -> Result<Tensor> {
        ops::layer_norm(x, &self.scale, &self.shift, self.eps)
    }
}

/// The feed-forward activation.
pub(super) fn activate(activation: Activation, x: &Tensor) -> Result<Tensor> {
    match activation {
        Activation::Gelu => ops::gelu(x),
        Activation::GeluTanh => x.gelu(),
        Activation::Relu => x.relu(),
    }
}

/// Softmax over the last dimension.
pub(super) fn softmax(scores: &Tensor) -> Result<Tensor> {
    let max = scores.max_keepdim(D::Minus1)?.detach();
    let weights = scores.broadcast_sub(&max)?.exp()?;
    weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)
}

/// The rows of one sequence as heads: `[heads, tokens, dim]` of `[tokens, heads · dim]`.
pub(super) fn split_heads(rows: &Tensor, heads: usize) -> Result<Tensor> {
    let (tokens, width) = rows.dims2()?;
    rows.reshape((tokens, heads, width / heads))?
        .transpose(0, 1)?
        .contiguous()
}

/// `[tokens, heads · dim]` of `[heads, tokens, dim]`.
pub(super) fn join_heads(heads: &Tensor) -> Result<Tensor> {
    let (count, tokens, dim) = heads.dims3()?;
    heads
        .transpose(0, 1)?
        .contiguous()?
        .reshape((tokens, count * dim))
}

/// All tokens, one sequence after the other, as row numbers `[total]`.
pub(super) fn packed_ids(sequences: &[&[u32]], device: &Device) -> Result<Tensor> {
    let ids: Vec<u32> = sequences.concat();
    let total = ids.len();
    Tensor::from_vec(ids, total, device)
}

/// The place of every token in its own sequence, from 0.
pub(super) fn places(sequences: &[&[u32]]) -> Vec<u32> {
    sequences
        .iter()
        .flat_map(|sequence| 0..sequence.len() as u32)
        .collect()
}
