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
    key: Dense,
    value: Dense,
    distance: Tensor,
    named: Tensor,
    mix: Dense,
    inner: Dense,
    output: Dense,
    gate: Dense,
    heads: usize,
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
            key: dense("key", hidden, hidden)?,
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
        let device = states.states.device();
        let (_, hidden) = states.states.dims2()?;
        let blocks = Blocks::new(states, queries, device)?;
        let (b, q, l) = blocks.dims;
        let (heads, dim) = (self.heads, hidden / self.heads);
        let padded = |x: &Tensor| x.index_select(&blocks.gather, 0)?.reshape((b, l, hidden));
        let tokens = padded(&states.states)?;

        let mark = self.named.index_select(&blocks.paired, 0)?;
        let target = (blocks.mention.matmul(&tokens)? + mark.reshape((b, q, hidden))?)?;

        let split =
            |x: &Tensor, n: usize| x.reshape((b, n, heads, dim))?.transpose(1, 2)?.contiguous();
        let query = split(&(self.query.forward(&target)? / (dim as f64).sqrt())?, q)?;
        let key = split(&padded(&self.key.forward(&states.states)?)?, l)?;
        let value = split(&padded(&self.value.forward(&states.states)?)?, l)?;
        let bias = self
            .distance
            .index_select(&blocks.buckets, 0)?
            .reshape((b, q, l, heads))?
            .permute((0, 3, 1, 2))?;
        let scores = (query.matmul(&key.transpose(2, 3)?.contiguous()?)? + bias)?;
        let scores = scores.broadcast_add(&blocks.mask)?;
        let max = scores.max_keepdim(D::Minus1)?.detach();
        let weights = scores.broadcast_sub(&max)?.exp()?;
        let probs = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
        let context = probs
            .matmul(&value)?
            .transpose(1, 2)?
            .reshape((b, q, hidden))?;

        let scope = blocks.scope.matmul(&tokens)?;
        let product = (&target * &context)?;
        let features = Tensor::cat(&[&target, &context, &scope, &product], 2)?;
        let features = features
            .reshape((b * q, 4 * hidden))?
            .index_select(&blocks.scatter, 0)?;
        let inner = drop(&ops::gelu(&self.mix.forward(&features)?)?)?;
        let inner = (&inner + ops::gelu(&self.inner.forward(&inner)?)?)?;
        Ok(StanceLogits {
            logits: self.output.forward(&inner)?,
            gates: self.gate.forward(&inner)?.squeeze(1)?,
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
mod tests {
    use std::collections::HashMap;

    use candle_core::{DType, Device, Result, Tensor};
    use candle_nn::VarBuilder;

    use super::{Query, StanceHead, StanceLogits, combine, tensor_shapes};
    use crate::encoder::TokenStates;
    use crate::encoder::ops::testing::{distance, values};
    use crate::heads::HeadsConfig;
    use crate::heads::calibration::Calibration;

    const HIDDEN: usize = 24;

    fn head() -> Result<StanceHead> {
        let config = HeadsConfig {
            schema: 1,
            window_tokens: 64,
            window_overlap: 8,
            topics: vec!["medtop:01000000".into()],
            attention_heads: 3,
            inner: 16,
            calibration: Calibration::default(),
        };
        let mut tensors = HashMap::new();
        for (seed, (name, shape)) in tensor_shapes(&config, HIDDEN).into_iter().enumerate() {
            tensors.insert(name, values(&shape, seed as u32)?);
        }
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        StanceHead::load(&vb, &config, HIDDEN)
    }

    fn states(lengths: &[usize]) -> Result<TokenStates> {
        let offsets = crate::encoder::offsets_of(lengths.iter().copied());
        let total = lengths.iter().sum();
        Ok(TokenStates {
            states: values(&[total, HIDDEN], 99)?,
            offsets,
        })
    }

    fn query(
        sequence: usize,
        mention: std::ops::Range<usize>,
        scope: std::ops::Range<usize>,
    ) -> Query {
        Query {
            sequence,
            mentions: vec![mention],
            scope,
            paired: false,
        }
    }

    fn ask(states: &TokenStates, queries: &[Query]) -> Result<StanceLogits> {
        head()?.forward(states, queries, &|x| Ok(x.clone()))
    }

    #[test]
    fn a_query_does_not_depend_on_its_company() -> Result<()> {
        let both = states(&[7, 12])?;
        let queries = [
            query(1, 2..4, 1..11),
            query(0, 1..2, 1..6),
            query(1, 9..10, 1..11),
        ];
        let together = ask(&both, &queries)?;
        for (i, q) in queries.iter().enumerate() {
            let alone = ask(&both, std::slice::from_ref(q))?;
            assert!(distance(&alone.logits.get(0)?, &together.logits.get(i)?)? < 1e-5);
            assert!(distance(&alone.gates.get(0)?, &together.gates.get(i)?)? < 1e-5);
        }
        Ok(())
    }

    #[test]
    fn only_the_scope_is_read() -> Result<()> {
        let one = states(&[10])?;
        let q = query(0, 2..3, 1..5);
        let before = ask(&one, std::slice::from_ref(&q))?.logits;
        let change = |row: usize| -> Result<Tensor> {
            let mut rows: Vec<Vec<f32>> = one.states.to_vec2()?;
            rows[row].iter_mut().for_each(|x| *x += 3.0);
            let states = TokenStates {
                states: Tensor::new(rows, &Device::Cpu)?,
                ..one.clone()
            };
            Ok(ask(&states, std::slice::from_ref(&q))?.logits)
        };
        assert!(
            distance(&before, &change(7)?)? < 1e-6,
            "a token outside the scope counts"
        );
        assert!(
            distance(&before, &change(4)?)? > 1e-3,
            "a token inside does not"
        );
        Ok(())
    }

    #[test]
    fn a_name_in_front_may_stand_anywhere() -> Result<()> {
        let one = states(&[9])?;
        let q = |paired| Query {
            paired,
            ..query(0, 1..2, 4..8)
        };
        let near = Query {
            paired: true,
            ..query(0, 3..4, 4..8)
        };
        // Equal states make two places differ by their distance alone.
        let mut rows: Vec<Vec<f32>> = one.states.to_vec2()?;
        rows[3] = rows[1].clone();
        let same = TokenStates {
            states: Tensor::new(rows, &Device::Cpu)?,
            ..one
        };
        let logits = |q: Query| -> Result<Tensor> { Ok(ask(&same, &[q])?.logits) };
        assert!(distance(&logits(q(true))?, &logits(near.clone())?)? < 1e-6);
        let near = Query {
            paired: false,
            ..near
        };
        assert!(distance(&logits(q(false))?, &logits(near)?)? > 1e-4);
        assert!(distance(&logits(q(false))?, &logits(q(true))?)? > 1e-4);
        Ok(())
    }

    #[test]
    fn queries_outside_their_window_are_refused() -> Result<()> {
        let one = states(&[6])?;
        for bad in [
            query(1, 1..2, 1..5),
            Query {
                mentions: Vec::new(),
                ..query(0, 1..2, 1..5)
            },
            query(0, 5..7, 1..5),
            query(0, 1..2, 3..3),
            query(0, 1..2, 1..9),
        ] {
            assert!(ask(&one, &[bad]).is_err());
        }
        Ok(())
    }

    #[test]
    fn windows_combine_by_their_gates() -> Result<()> {
        let answers = StanceLogits {
            logits: Tensor::new(
                &[[3.0f32, 0.0, 0.0], [0.0, 3.0, 0.0], [0.0, 0.0, 3.0]],
                &Device::Cpu,
            )?,
            gates: Tensor::new(&[0.0f32, 20.0, 0.0], &Device::Cpu)?,
        };
        let rows: Vec<Vec<f32>> =
            combine(&answers, &[vec![0, 1], vec![0, 2], vec![2]])?.to_vec2()?;
        assert!(rows[0][1] > 2.99 && rows[0][0] < 0.01);
        assert!((rows[1][0] - 1.5).abs() < 1e-5 && (rows[1][2] - 1.5).abs() < 1e-5);
        assert!((rows[2][2] - 3.0).abs() < 1e-5);
        Ok(())
    }
}
