//! The author's stance toward an actor, read off the token states of a window.
//!
//! Each query is an actor in a window: the mean state of its mention tokens. Where the text never
//! mentions it, its name stands in front of the text in a sequence of their own, as sentence
//! pairs do in BERT (Devlin et al. 2019, arXiv 1810.04805), and that is the mention. The query
//! attends over the window's states with a learned bias for the signed distance to the nearest
//! mention (as relative position biases do,
//! Raffel et al. 2020, arXiv 1910.10683); a small MLP gives favor / against / neutral. A gate
//! per window weighs the windows of a document against each other.

use std::ops::Range;

use candle_core::{D, Result, Tensor};
use candle_nn::VarBuilder;

use super::layout::{Blocks, DISTANCE_BUCKETS};
use super::{Dense, HeadsConfig};
use crate::encoder::{TokenStates, ops};

/// Number of classes, in the order of [`crate::prediction::Stance::ALL`].
pub const CLASSES: usize = 3;

/// One question to one window: what is the stance toward this actor?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// Which sequence of the batch.
    pub sequence: usize,
    /// Token ranges of the actor's mentions, counted in the sequence with its special tokens.
    pub mentions: Vec<Range<usize>>,
    /// Tokens that may be attended: the whole window, or one sentence of it.
    pub scope: Range<usize>,
    /// The mention is a name in front of the text, which never mentions the actor itself; how
    /// far a token stands from it then means nothing.
    pub paired: bool,
}

impl Query {
    /// How many tokens `j` stands after (negative: before) the nearest mention.
    pub(super) fn distance(&self, j: usize) -> Option<i64> {
        if self.paired {
            return None;
        }
        let j = j as i64;
        self.mentions
            .iter()
            .map(|m| {
                let (start, last) = (m.start as i64, m.end as i64 - 1);
                if j < start {
                    j - start
                } else {
                    (j - last).max(0)
                }
            })
            .min_by_key(|d| d.abs())
    }
}

/// What the head says of each query.
#[derive(Debug, Clone)]
pub struct StanceLogits {
    /// `[queries, 3]`, in the order of [`crate::prediction::Stance::ALL`].
    pub logits: Tensor,
    /// `[queries]`: how much a window counts among the windows of its document.
    pub gates: Tensor,
}

/// The stance head.
pub struct StanceHead {
    query: Dense,
    key: Tensor,
    value: Dense,
    distance: Tensor,
    named: Tensor,
    mix: Dense,
    inner: Dense,
    output: Dense,
    gate: Dense,
    heads: usize,
}

/// Padded states and what the queries make of them.
struct Attended {
    /// `[b, l, hidden]`.
    tokens: Tensor,
    /// Mean of the mention's states, and whether it is a name in front of the text, `[b, q, hidden]`.
    target: Tensor,
    /// What the query attends to, `[b, q, hidden]`.
    context: Tensor,
}

/// Names and shapes of the head's tensors.
pub fn tensor_shapes(config: &HeadsConfig, hidden: usize) -> Vec<(String, Vec<usize>)> {
    let inner = config.inner;
    let mut shapes = vec![
        (
            "stance.distance".into(),
            vec![DISTANCE_BUCKETS, config.attention_heads],
        ),
        ("stance.named".into(), vec![2, hidden]),
    ];
    for (name, inputs, outputs) in [
        ("query", hidden, hidden),
        ("key", hidden, hidden),
        ("value", hidden, hidden),
        ("mix", 4 * hidden, inner),
        ("inner", inner, inner),
        ("output", inner, CLASSES),
        ("gate", inner, 1),
    ] {
        shapes.push((format!("stance.{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("stance.{name}.bias"), vec![outputs]));
    }
    shapes
}

impl StanceHead {
    /// Loads the head; `vb` stands at the root of `heads.safetensors`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than [`tensor_shapes`] says.
    pub fn load(vb: &VarBuilder, config: &HeadsConfig, hidden: usize) -> Result<Self> {
        let vb = vb.pp("stance");
        let dense = |name: &str, i: usize, o: usize| Dense::load(&vb.pp(name), i, o);
        Ok(Self {
            query: dense("query", hidden, hidden)?,
            // Its bias, in the file too, adds the same to all scores of a query: softmax drops it.
            key: dense("key", hidden, hidden)?.weight,
            value: dense("value", hidden, hidden)?,
            distance: vb.get((DISTANCE_BUCKETS, config.attention_heads), "distance")?,
            named: vb.get((2, hidden), "named")?,
            mix: dense("mix", 4 * hidden, config.inner)?,
            inner: dense("inner", config.inner, config.inner)?,
            output: dense("output", config.inner, CLASSES)?,
            gate: dense("gate", config.inner, 1)?,
            heads: config.attention_heads,
        })
    }

    /// Answers `queries` about `states`, in their order.
    ///
    /// `drop` is applied to the head's inner features, for
    /// training; pass the identity to read.
    ///
    /// # Errors
    /// When a query points outside its window, or the device fails.
    pub fn forward(
        &self,
        states: &TokenStates,
        queries: &[Query],
        drop: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<StanceLogits> {
        let blocks = Blocks::new(states, queries, states.states.device())?;
        let (b, q, _) = blocks.dims;
        let Attended {
            tokens,
            target,
            context,
        } = self.attend(states, &blocks)?;
        let hidden = target.dim(2)?;
        let scope = blocks.scope.matmul(&tokens)?;
        let product = (&target * &context)?;
        let features = Tensor::cat(&[&target, &context, &scope, &product], 2)?;
        let features = features.reshape((b * q, 4 * hidden))?;
        let features = ops::take(&features, &blocks.scatter)?;
        let inner = drop(&ops::gelu(&self.mix.forward(&features)?)?)?;
        let inner = (&inner + ops::gelu(&self.inner.forward(&inner)?)?)?;
        Ok(StanceLogits {
            logits: self.output.forward(&inner)?,
            gates: self.gate.forward(&inner)?.squeeze(1)?,
        })
    }

    /// What each query is about, and what it attends to.
    fn attend(&self, states: &TokenStates, blocks: &Blocks) -> Result<Attended> {
        let (_, hidden) = states.states.dims2()?;
        let (b, q, l) = blocks.dims;
        let (heads, dim) = (self.heads, hidden / self.heads);
        let tokens = ops::take(&states.states, &blocks.gather)?;
        let tokens = tokens.reshape((b, l, hidden))?;

        let mark = ops::take(&self.named, &blocks.paired)?;
        let target = (blocks.mention.matmul(&tokens)? + mark.reshape((b, q, hidden))?)?;

        // Keys and values are linear in the states, and queries few: the products with their
        // weights are taken on the queries' side, and no token has a key or a value of its own.
        let per_head = |weight: &Tensor| weight.reshape((heads, dim, hidden));
        let query = (self.query.forward(&target)? / (dim as f64).sqrt())?;
        let query = query.reshape((b * q, heads, dim))?.transpose(0, 1)?;
        let asked = query
            .contiguous()?
            .matmul(&per_head(&self.key)?)?
            .reshape((heads, b, q, hidden))?
            .transpose(0, 1)?
            .reshape((b, heads * q, hidden))?;
        let scores = asked.matmul(&tokens.transpose(1, 2)?)?;
        let bias = ops::take(&self.distance, &blocks.buckets)?
            .reshape((b, q, l, heads))?
            .permute((0, 3, 1, 2))?;
        let scores = (scores.reshape((b, heads, q, l))? + bias)?;
        let scores = scores.broadcast_add(&blocks.mask)?;
        let max = scores.max_keepdim(D::Minus1)?.detach();
        let weights = scores.broadcast_sub(&max)?.exp()?;
        let probs = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        let context = probs
            .reshape((b, heads * q, l))?
            .matmul(&tokens)?
            .reshape((b, heads, q, hidden))?
            .transpose(0, 1)?
            .reshape((heads, b * q, hidden))?
            .matmul(&per_head(&self.value.weight)?.transpose(1, 2)?)?
            .transpose(0, 1)?
            .reshape((b, q, hidden))?
            .broadcast_add(&self.value.bias)?;
        Ok(Attended {
            tokens,
            target,
            context,
        })
    }
}

/// Combines windows into documents: the logits of each group are the mean of its queries'
/// logits, weighted by the softmax of their gates. Gives `[groups, 3]`.
///
/// `groups[i]` lists the queries of document-and-actor pair `i`; none may be empty.
///
/// # Errors
/// When the device fails.
pub fn combine(answers: &StanceLogits, groups: &[Vec<usize>]) -> Result<Tensor> {
    let device = answers.logits.device();
    let queries = answers.gates.dim(0)?;
    let mut mask = vec![-1e9f32; groups.len() * queries];
    for (g, members) in groups.iter().enumerate() {
        for &m in members {
            mask[g * queries + m] = 0.0;
        }
    }
    let mask = Tensor::from_vec(mask, (groups.len(), queries), device)?;
    let scores = mask.broadcast_add(&answers.gates.unsqueeze(0)?)?;
    let max = scores.max_keepdim(D::Minus1)?.detach();
    let weights = scores.broadcast_sub(&max)?.exp()?;
    weights
        .broadcast_div(&weights.sum_keepdim(D::Minus1)?)?
        .matmul(&answers.logits)
}

#[cfg(test)]
mod tests;
