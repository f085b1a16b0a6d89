//! `training/recipes/finetune.toml`: everything that decides a run and is not a file.

use std::collections::BTreeMap;

use candle_core::Result;
use stance::encoder::cpu::Precision;
use stance::heads::HeadsConfig;
use stance::heads::calibration::Calibration;
use stance::predict::TopicNames;

use crate::train::augment::Augmentation;
use crate::train::distill;
use crate::train::join;
use crate::train::optim::AdamWConfig;
use crate::train::session::Pace;
use crate::train::switch;

/// `training/recipes/finetune.toml`.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of everything random.
    pub seed: u64,
    /// Steps of the schedule.
    pub steps: u64,
    /// The run ends after so many of them; after all when absent.
    #[serde(default)]
    pub stop: Option<u64>,
    /// The weights are the mean over the steps after this share of the schedule; those of the last
    /// step when absent.
    #[serde(default)]
    pub average_from: Option<f64>,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// Tokens of stance rows per step.
    pub stance_tokens: usize,
    /// Tokens of topic rows per step.
    pub topic_tokens: usize,
    /// Tokens of parallel text per step; 0 for none.
    pub parallel_tokens: usize,
    /// Weight of the topic loss.
    pub topic_weight: f64,
    /// Weight of the distillation.
    pub parallel_weight: f64,
    /// Peak learning rate of embeddings.
    pub embedding_rate: f64,
    /// Peak learning rate of the last layer.
    pub layer_rate: f64,
    /// Factor from each layer to the one before it.
    pub layer_decay: f64,
    /// Peak learning rate of the heads.
    pub head_rate: f64,
    /// Dropout inside the heads.
    pub dropout: f64,
    /// Rarer classes count more by this power of their inverse frequency.
    pub class_balance: f32,
    /// Sets in whose rows a class that never occurs is wrong: their loss is over all classes, that of
    /// other sets over the classes that occur.
    #[serde(default)]
    pub closed: Vec<String>,
    /// Sets are drawn in proportion to this power of their rows.
    pub set_power: f64,
    /// Factors on that, by set.
    pub set_weights: BTreeMap<String, f64>,
    /// Documents of more windows than this are left out (and counted).
    pub max_windows: usize,
    /// ISO 639-1 codes of languages whose stance rows are left out, to see what the others teach
    /// about them.
    #[serde(default)]
    pub leave_out: Vec<String>,
    /// Tokens that go through the encoder together, in passes of rows of like length; all of a step
    /// when absent.
    #[serde(default)]
    pub pass_tokens: Option<usize>,
    /// Every target that the text names is read in a text of its own, between marks; for teachers.
    #[serde(default)]
    pub marked: bool,
    /// Longest window in tokens, special tokens included.
    pub window_tokens: usize,
    /// Most tokens that consecutive windows share.
    pub window_overlap: usize,
    /// Attention heads of the stance head.
    pub attention_heads: usize,
    /// Width of the heads' inner layers.
    pub inner: usize,
    /// Products with the encoder's weights; gradients of weights are f32.
    #[serde(default)]
    pub precision: Precision,
    /// The distillation that goes on beside the labels.
    pub distill: distill::Settings,
    /// Masking and swapping.
    pub augmentation: Augmentation,
    /// Rows of one set in one window; none when absent.
    #[serde(default)]
    pub join: Option<join::Settings>,
    /// Code switching, by the pairs of the distillation; none when absent.
    pub switch: Option<switch::Settings>,
    /// The optimiser.
    pub optimiser: AdamWConfig,
    /// Steps between reports.
    pub report_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Rows of each stance set that a validation reads at the most.
    pub validation_rows: usize,
    /// Rows of each topic set that a validation reads at the most.
    pub validation_topic_rows: usize,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
}

impl Recipe {
    pub(super) fn pace(&self) -> Pace {
        Pace {
            steps: self.steps,
            stop: self.stop,
            report_every: self.report_every,
            validate_every: self.validate_every,
            checkpoint_seconds: self.checkpoint_seconds,
            average_from: self.average_from,
        }
    }

    /// The configuration of the heads that this recipe trains, not yet calibrated.
    pub(super) fn heads(&self) -> Result<HeadsConfig> {
        let names = TopicNames::embedded().map_err(candle_core::Error::wrap)?;
        Ok(HeadsConfig {
            schema: 1,
            window_tokens: self.window_tokens,
            window_overlap: self.window_overlap,
            topics: names.ids().map(str::to_owned).collect(),
            attention_heads: self.attention_heads,
            inner: self.inner,
            calibration: Calibration::default(),
        })
    }

    /// Factor on how often a set is drawn.
    pub(super) fn chance(&self, set: &str) -> f64 {
        self.set_weights.get(set).copied().unwrap_or(1.0)
    }

    /// Learning rate of a weight, before the schedule.
    pub(super) fn rate(&self, name: &str, layers: usize) -> f64 {
        if name.starts_with("stance.") || name.starts_with("topic.") {
            return self.head_rate;
        }
        if name.starts_with("embeddings.word_embeddings") {
            return self.embedding_rate;
        }
        let depth = name
            .strip_prefix("encoder.layer.")
            .and_then(|rest| rest.split('.').next()?.parse::<usize>().ok());
        let below = depth.map_or(layers, |d| layers - 1 - d);
        self.layer_rate * self.layer_decay.powi(below as i32)
    }
}
