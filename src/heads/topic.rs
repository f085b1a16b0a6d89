//! Topics of a document: a small MLP on its pooled vector, one sigmoid per topic.

use candle_core::{Result, Tensor};
use candle_nn::VarBuilder;

use super::{Dense, HeadsConfig};
use crate::encoder::ops;

/// The topic head.
pub struct TopicHead {
    inner: Dense,
    output: Dense,
}

/// Names and shapes of the head's tensors.
pub fn tensor_shapes(config: &HeadsConfig, hidden: usize) -> Vec<(String, Vec<usize>)> {
    let mut shapes = Vec::new();
    for (name, inputs, outputs) in [
        ("inner", hidden, config.inner),
        ("output", config.inner, config.topics.len()),
    ] {
        shapes.push((format!("topic.{name}.weight"), vec![outputs, inputs]));
        shapes.push((format!("topic.{name}.bias"), vec![outputs]));
    }
    shapes
}

impl TopicHead {
    /// Loads the head; `vb` stands at the root of `heads.safetensors`.
    ///
    /// # Errors
    /// When a tensor is missing or has another shape than [`tensor_shapes`] says.
    pub fn load(vb: &VarBuilder, config: &HeadsConfig, hidden: usize) -> Result<Self> {
        let vb = vb.pp("topic");
        Ok(Self {
            inner: Dense::load(&vb.pp("inner"), hidden, config.inner)?,
            output: Dense::load(&vb.pp("output"), config.inner, config.topics.len())?,
        })
    }

    /// Logits `[documents, topics]` of pooled document vectors `[documents, hidden]`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(
        &self,
        pooled: &Tensor,
        drop: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Tensor> {
        self.output
            .forward(&drop(&ops::gelu(&self.inner.forward(pooled)?)?)?)
    }
}
