//! Stage `pretrain`: teaching the multilingual student what the English teacher sees, by
//! [distillation](super::distill) of parallel text, with [masked language modelling](super::mlm)
//! of monolingual text beside it where the recipe says so. Embeddings are trained first, alone;
//! then everything.

use std::path::{Path, PathBuf};

use candle_core::{DType, Result, Tensor};
use stance::encoder::bert::Bert;
use stance::encoder::config::EncoderConfig;
use stance::encoder::cpu::Precision;
use stance::encoder::device::{DeviceChoice, set_tensor_cores};
use stance::encoder::tokenizer::TextTokenizer;

use super::distill::{self, Distiller};
use super::mlm::{self, MaskedText};
use super::optim::{AdamW, AdamWConfig};
use super::params::Params;
use super::schedule;
use super::session::{Pace, Report, Session, Stage};

/// `training/recipes/pretrain.toml`.
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
    /// Of these, steps in which the embeddings alone are trained.
    pub frozen_steps: u64,
    /// The weights are the mean over the steps after this share of the schedule; those of the last
    /// step when absent.
    #[serde(default)]
    pub average_from: Option<f64>,
    /// Steps of linear warm-up.
    pub warmup: u64,
    /// Student tokens per step.
    pub batch_tokens: usize,
    /// Peak learning rate of embeddings.
    pub embedding_rate: f64,
    /// Peak learning rate of the layers.
    pub layer_rate: f64,
    /// Products with the student's weights; gradients of weights are f32.
    #[serde(default)]
    pub precision: Precision,
    /// What is distilled.
    pub distill: distill::Settings,
    /// What is masked; nothing when absent.
    pub mlm: Option<mlm::Settings>,
    /// The optimiser.
    pub optimiser: AdamWConfig,
    /// Steps between reports.
    pub report_every: u64,
    /// Steps between validations.
    pub validate_every: u64,
    /// Seconds between checkpoints.
    pub checkpoint_seconds: u64,
}

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Output of `align`: `init/` and `pairs/`.
    #[arg(long)]
    pub align: PathBuf,
    /// The teacher: a folder with `config.json` and `model.safetensors`.
    #[arg(long)]
    pub teacher: PathBuf,
    /// Folder with `corpus/mono`, for recipes with `[mlm]`.
    #[arg(long)]
    pub data: Option<PathBuf>,
    /// Recipe.
    #[arg(long, default_value = "training/recipes/pretrain.toml")]
    pub recipe: PathBuf,
    /// Folder of the run; a run that was stopped goes on from its last checkpoint.
    #[arg(long)]
    pub out: PathBuf,
    /// Where it runs: `cpu`, `cuda`, `cuda:1`, `metal`, or `auto`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceChoice,
    /// Stop after this many seconds, with a checkpoint.
    #[arg(long)]
    pub max_seconds: Option<u64>,
}

impl Recipe {
    fn pace(&self) -> Pace {
        Pace {
            steps: self.steps,
            stop: self.stop,
            report_every: self.report_every,
            validate_every: self.validate_every,
            checkpoint_seconds: self.checkpoint_seconds,
            average_from: self.average_from,
        }
    }
}

fn is_embedding(name: &str) -> bool {
    name.starts_with("embeddings.word_embeddings")
}

/// The encoder's configuration in `folder`.
///
/// # Errors
/// When it is missing or describes no encoder.
pub fn load_config(folder: &Path) -> Result<EncoderConfig> {
    EncoderConfig::from_json(&std::fs::read(folder.join("config.json"))?)
        .map_err(candle_core::Error::wrap)
}

/// Everything that a step needs.
struct Run<'a> {
    recipe: &'a Recipe,
    config: &'a EncoderConfig,
    distiller: Distiller,
    masked: Option<MaskedText>,
}

impl Stage for Run<'_> {
    fn terms(&self) -> &'static [&'static str] {
        &[
            "loss",
            "token",
            "sentence",
            "contrastive",
            "mlm",
            "gradient_norm",
            "rate",
        ]
    }

    fn step(&self, step: u64, params: &Params, optimiser: &mut AdamW) -> Result<Report> {
        let recipe = self.recipe;
        let batch = self.distiller.draw(step, recipe.batch_tokens)?;
        let frozen = step < recipe.frozen_steps;
        let view = params.view(|name| !frozen || is_embedding(name));
        let student = Bert::trainable(&view, self.config, recipe.precision)?;
        let losses = self.distiller.losses(&student, &batch)?;
        let (mut total, mut tokens) = (losses.total.clone(), batch.tokens());
        let mut hidden = losses.total.zeros_like()?;
        if let (Some(masked), Some(settings), false) = (&self.masked, &recipe.mlm, frozen) {
            let batch = masked.draw(step)?;
            hidden = mlm::loss(&student, &view, &batch)?;
            total = (total + (&hidden * settings.weight)?)?;
            tokens += batch.tokens();
        }
        let grads = student.backward(&total)?;
        let factor = schedule(step, recipe.warmup, recipe.steps);
        let norm = optimiser.step(params, &grads, |name| {
            let peak = if is_embedding(name) {
                recipe.embedding_rate
            } else {
                recipe.layer_rate
            };
            peak * factor
        })?;
        let number = |x: &Tensor| x.to_scalar::<f32>().map(f64::from);
        let values = vec![
            number(&total)?,
            number(&losses.token)?,
            number(&losses.sentence)?,
            number(&losses.contrastive)?,
            number(&hidden)?,
            norm,
            factor,
        ];
        Ok(Report { values, tokens })
    }

    fn validate(&self, params: &Params) -> Result<Vec<(String, f64)>> {
        let student = Bert::load(&params.view(|_| false), self.config)?;
        self.distiller.validate(&student)
    }
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read, the gradient is not finite, or the disk fails.
pub fn run(args: &Args) -> Result<()> {
    let text = std::fs::read_to_string(&args.recipe)?;
    let recipe: Recipe = toml::from_str(&text).map_err(candle_core::Error::wrap)?;
    let device = args.device.open().map_err(candle_core::Error::wrap)?;
    set_tensor_cores(true);
    let config = load_config(&args.align.join("init"))?;
    let distiller = Distiller::open(
        &args.align,
        &args.teacher,
        &args.align.join("init"),
        &recipe.distill,
        recipe.seed,
        &device,
    )?;
    let masked = masked_text(args, &recipe)?;
    let summary = masked.as_ref().map(MaskedText::summary).unwrap_or_default();
    let fingerprint = super::fingerprint(&[&text, &distiller.summary(), &summary]);
    let begin = || {
        let mut params = Params::load(&args.align.join("init/model.safetensors"), &device)?;
        if masked.is_some() {
            mlm::init(
                &mut params,
                config.hidden_size,
                config.vocab_size,
                recipe.seed,
            )?;
        }
        Ok(params)
    };
    let pace = recipe.pace();
    let optimiser = recipe.optimiser;
    let mut session = Session::open(&args.out, pace, optimiser, fingerprint, &device, begin)?;
    let run = Run {
        recipe: &recipe,
        config: &config,
        distiller,
        masked,
    };
    if session.step() == 0 {
        session.validate(&run)?;
    }
    if session.run(&run, args.max_seconds)? {
        write_model(args, session.weights())?;
    }
    Ok(())
}

/// Writes the encoder for `finetune`.
fn write_model(args: &Args, params: &Params) -> Result<()> {
    let model = args.out.join("model");
    std::fs::create_dir_all(&model)?;
    candle_core::safetensors::save(
        &params.tensors(DType::F32, |name| !name.starts_with(mlm::PREFIX))?,
        model.join("model.safetensors"),
    )?;
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(args.align.join("init").join(file), model.join(file))?;
    }
    Ok(())
}

/// The text that the recipe wants masked.
fn masked_text(args: &Args, recipe: &Recipe) -> Result<Option<MaskedText>> {
    let Some(settings) = &recipe.mlm else {
        return Ok(None);
    };
    let Some(data) = &args.data else {
        candle_core::bail!("the recipe has [mlm]: say where corpus/mono is with --data")
    };
    let tokenizer = TextTokenizer::load(args.align.join("init/tokenizer.json"))
        .map_err(candle_core::Error::wrap)?;
    MaskedText::open(data, tokenizer, settings, recipe.seed).map(Some)
}
