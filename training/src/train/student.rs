//! Encoder and heads under training, and one batch of labelled items through them.

use candle_core::{Device, Result, Tensor};
use candle_nn::VarBuilder;
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use stance::encoder::bert::Bert;
use stance::encoder::config::EncoderConfig;
use stance::encoder::cpu::Precision;
use stance::encoder::{Encoder, TokenStates};
use stance::heads::stance::{CLASSES, Query, StanceHead, combine};
use stance::heads::topic::TopicHead;
use stance::heads::{HeadsConfig, mean_pool, weighted_rows};

use super::item::{Item, batches};
use super::params::Params;

/// Logit of a class that a set never uses.
const ABSENT: f32 = -1e4;

/// Both heads.
pub struct Heads {
    stance: StanceHead,
    topic: TopicHead,
}

/// Encoder and heads.
pub struct Student {
    /// The encoder.
    pub encoder: Bert,
    /// The heads.
    pub heads: Heads,
}

/// What the heads say of a batch.
pub struct Outputs {
    /// `[targets, 3]`, in the order of the items and their targets.
    pub stance: Option<Tensor>,
    /// `[topic items, topics]`, in the order of the items that carry a topic.
    pub topic: Option<Tensor>,
}

/// All sequences of `items`, in order: what the encoder reads before [`Heads::read`].
pub fn sequences(items: &[Item]) -> Vec<&[u32]> {
    let windows = items.iter().flat_map(|item| &item.windows);
    windows.map(Vec::as_slice).collect()
}

impl Heads {
    /// Builds the heads on `weights` for an encoder of width `hidden`.
    ///
    /// # Errors
    /// When a weight is missing or has the wrong shape.
    pub fn new(weights: &VarBuilder, heads: &HeadsConfig, hidden: usize) -> Result<Self> {
        Ok(Self {
            stance: StanceHead::load(weights, heads, hidden)?,
            topic: TopicHead::load(weights, heads, hidden)?,
        })
    }

    /// Reads `states` of the [`sequences`] of `items`. `drop` changes the heads' inner features;
    /// pass the identity to measure.
    ///
    /// # Errors
    /// When the device fails.
    pub fn read(
        &self,
        states: &TokenStates,
        items: &[Item],
        drop: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Outputs> {
        let (mut queries, mut groups, mut documents) = (Vec::new(), Vec::new(), Vec::new());
        let mut first = 0;
        for item in items {
            if item.topic.is_some() {
                let rows = item.windows.iter().enumerate();
                documents.push(
                    rows.map(|(i, w)| (first + i, w.len() as f32))
                        .collect::<Vec<_>>(),
                );
            }
            for target in &item.targets {
                groups.push(
                    (queries.len()..queries.len() + target.queries.len()).collect::<Vec<_>>(),
                );
                queries.extend(target.queries.iter().map(|q| Query {
                    sequence: first + q.sequence,
                    ..q.clone()
                }));
            }
            first += item.windows.len();
        }
        let stance = if groups.is_empty() {
            None
        } else {
            let said = self.stance.forward(states, &queries, drop)?;
            Some(combine(&said, &groups)?)
        };
        let topic = if documents.is_empty() {
            None
        } else {
            let pooled = weighted_rows(&mean_pool(states)?, &documents)?;
            Some(self.topic.forward(&pooled, drop)?)
        };
        Ok(Outputs { stance, topic })
    }
}

impl Student {
    /// Builds the model on `params`; weights for which `trained` holds collect gradients.
    ///
    /// # Errors
    /// When a weight is missing or has the wrong shape.
    pub fn new(
        params: &Params,
        config: &EncoderConfig,
        heads: &HeadsConfig,
        precision: Precision,
        trained: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        let weights = params.view(trained);
        Ok(Self {
            encoder: Bert::trainable(&weights, config, precision)?,
            heads: Heads::new(&weights, heads, config.hidden_size)?,
        })
    }

    /// The same in passes of about so many tokens each, of items of like length, in whose order the
    /// answers are; on a card a pass holds all that the way back needs.
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward_in_passes(
        &self,
        items: &mut [Item],
        tokens: usize,
        drop: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Outputs> {
        items.sort_by_key(Item::longest);
        let (mut stance, mut topic) = (Vec::new(), Vec::new());
        for pass in batches(items, tokens) {
            let outputs = self.forward(pass, drop)?;
            stance.extend(outputs.stance);
            topic.extend(outputs.topic);
        }
        let join = |parts: &[Tensor]| (!parts.is_empty()).then(|| Tensor::cat(parts, 0));
        Ok(Outputs {
            stance: join(&stance).transpose()?,
            topic: join(&topic).transpose()?,
        })
    }

    /// Runs `items` through encoder and heads in one pass; see [`Heads::read`].
    ///
    /// # Errors
    /// When the device fails.
    pub fn forward(
        &self,
        items: &[Item],
        drop: &dyn Fn(&Tensor) -> Result<Tensor>,
    ) -> Result<Outputs> {
        let states = self
            .encoder
            .encode(&sequences(items))
            .map_err(candle_core::Error::wrap)?;
        self.heads.read(&states, items, drop)
    }
}

/// What is known of a set: which classes it uses and how much each counts.
#[derive(Debug, Clone)]
pub struct SetLabels {
    /// Weight of each class in the loss; 0 for one that the set never uses.
    pub weights: [f32; CLASSES],
    /// Whether a class that the set never uses is wrong for its rows, rather than not asked.
    pub closed: bool,
}

impl SetLabels {
    /// Weights `(n / (k · n_c))^balance` of the `k` classes that occur, `counts` rows each.
    pub fn new(counts: [usize; CLASSES], balance: f32, closed: bool) -> Self {
        let total: usize = counts.iter().sum();
        let used = counts.iter().filter(|&&c| c > 0).count();
        let weight = |c: usize| match c {
            0 => 0.0,
            c => (total as f32 / (used * c) as f32).powf(balance),
        };
        Self {
            weights: counts.map(weight),
            closed,
        }
    }
}

/// Mean cross-entropy of the targets, over the classes that their set uses where it is not closed;
/// with what a teacher said instead of the label where it did (Hinton et al. 2015, arXiv 1503.02531).
///
/// # Errors
/// When the device fails.
pub fn stance_loss(logits: &Tensor, items: &[Item], sets: &[SetLabels]) -> Result<Tensor> {
    let device = logits.device();
    let (mut mask, mut picks, mut total) = (Vec::new(), Vec::new(), 0.0);
    for item in items {
        let labels = &sets[item.set];
        for target in &item.targets {
            let asked = |w| w > 0.0 || labels.closed;
            mask.extend(labels.weights.map(|w| if asked(w) { 0.0 } else { ABSENT }));
            let mut pick = [0.0f32; CLASSES];
            let mut weight = target.weight;
            if let Some(taught) = target.taught {
                pick = taught.map(|p| p * weight);
            } else {
                weight *= labels.weights[target.label];
                pick[target.label] = weight;
            }
            total += weight;
            picks.extend(pick);
        }
    }
    let rows = picks.len() / CLASSES;
    let mask = Tensor::from_vec(mask, (rows, CLASSES), device)?;
    let picks = Tensor::from_vec(picks, (rows, CLASSES), device)?;
    let log = candle_nn::ops::log_softmax(&(logits + mask)?, 1)?;
    (log * picks)?.sum_all()?.neg()? / f64::from(total.max(1e-6))
}

/// Binary cross-entropy over all topics, summed over topics and averaged over items.
///
/// # Errors
/// When the device fails.
pub fn topic_loss(logits: &Tensor, items: &[Item]) -> Result<Tensor> {
    let (rows, topics) = logits.dims2()?;
    let mut labels = vec![0.0f32; rows * topics];
    for (row, topic) in items.iter().filter_map(|i| i.topic).enumerate() {
        labels[row * topics + topic] = 1.0;
    }
    let labels = Tensor::from_vec(labels, (rows, topics), logits.device())?;
    // max(x, 0) - x y + ln(1 + e^-|x|)
    let soft = ((logits.abs()?.neg()?.exp()? + 1.0)?.log()? + logits.relu()?)?;
    ((soft - (logits * labels)?)?.sum_all()? / rows as f64)?.contiguous()
}

/// A dropout mask drawn from `rng`, scaled so that the mean stays.
///
/// # Errors
/// When the device fails.
pub fn dropout(x: &Tensor, share: f64, rng: &mut ChaCha8Rng, device: &Device) -> Result<Tensor> {
    if share <= 0.0 {
        return Ok(x.clone());
    }
    let scale = (1.0 / (1.0 - share)) as f32;
    let mask: Vec<f32> = (0..x.elem_count())
        .map(|_| {
            if rng.random::<f64>() < share {
                0.0
            } else {
                scale
            }
        })
        .collect();
    x * Tensor::from_vec(mask, x.dims(), device)?
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Result, Tensor};

    use super::{SetLabels, stance_loss};
    use crate::train::item::{Item, Target};

    #[test]
    fn a_teacher_is_learnt_from_in_place_of_the_label() -> Result<()> {
        let target = |taught| Target {
            label: 0,
            taught,
            weight: 0.5,
            queries: Vec::new(),
        };
        let item = Item {
            set: 0,
            language: "en".into(),
            windows: Vec::new(),
            targets: vec![target(Some([0.2, 0.3, 0.5])), target(None)],
            topic: None,
            long: false,
        };
        let logits = Tensor::new(&[[1.0f32, 2.0, 3.0], [1.0, 2.0, 3.0]], &Device::Cpu)?;
        // The first class counts twice, but not where a teacher spoke.
        let sets = [SetLabels {
            weights: [2.0, 1.0, 1.0],
            closed: false,
        }];
        let found = stance_loss(&logits, &[item], &sets)?.to_scalar::<f32>()?;
        let sum = (1.0f32.exp() + 2.0f32.exp() + 3.0f32.exp()).ln();
        let taught = 0.2 * (sum - 1.0) + 0.3 * (sum - 2.0) + 0.5 * (sum - 3.0);
        let expected = (0.5 * taught + 2.0 * 0.5 * (sum - 1.0)) / (0.5 + 2.0 * 0.5);
        assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        Ok(())
    }
}
