//! Stage `pretrain`: teaching the multilingual student what the English teacher sees, by
//! [distillation](super::distill) of parallel text, with [masked language modelling](super::mlm)
//! of monolingual text beside it where the recipe says so. Embeddings are trained first, alone;
//! then everything.

use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{DType, Device, Result, Tensor};
use stance::encoder::bert::Bert;
use stance::encoder::config::EncoderConfig;
use stance::encoder::cpu::Precision;
use stance::encoder::tokenizer::TextTokenizer;

use super::checkpoint::{self, Position};
use super::distill::{self, Distiller};
use super::journal::Journal;
use super::mlm::{self, MaskedText};
use super::optim::{AdamW, AdamWConfig};
use super::params::Params;
use super::schedule;

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
    /// Stop after this many seconds, with a checkpoint.
    #[arg(long)]
    pub max_seconds: Option<u64>,
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

/// Names of what a step reports.
const TERMS: [&str; 6] = [
    "loss",
    "token",
    "sentence",
    "contrastive",
    "mlm",
    "gradient_norm",
];

/// Everything that a step needs.
struct Run<'a> {
    recipe: &'a Recipe,
    config: &'a EncoderConfig,
    distiller: Distiller,
    masked: Option<MaskedText>,
}

/// What a step says, in the order of [`TERMS`].
struct Report {
    values: [f64; 6],
    tokens: u64,
}

impl Run<'_> {
    fn step(&self, step: u64, params: &Params, optimiser: &mut AdamW) -> Result<Report> {
        let recipe = self.recipe;
        let batch = self.distiller.draw(step, recipe.batch_tokens)?;
        let frozen = step < recipe.frozen_steps;
        let view = params.view(|name| !frozen || is_embedding(name));
        let student = Bert::trainable(&view, self.config, recipe.precision)?;
        let losses = self.distiller.losses(&student, &batch)?;
        let (mut total, mut tokens) = (losses.total.clone(), batch.tokens() as u64);
        let mut hidden = losses.total.zeros_like()?;
        if let (Some(masked), Some(settings), false) = (&self.masked, &recipe.mlm, frozen) {
            let batch = masked.draw(step)?;
            hidden = mlm::loss(&student, &view, &batch)?;
            total = (total + (&hidden * settings.weight)?)?;
            tokens += batch.tokens() as u64;
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
        let values = [
            number(&total)?,
            number(&losses.token)?,
            number(&losses.sentence)?,
            number(&losses.contrastive)?,
            number(&hidden)?,
            norm,
        ];
        Ok(Report { values, tokens })
    }
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read, the gradient is not finite, or the disk fails.
pub fn run(args: &Args) -> Result<()> {
    let text = std::fs::read_to_string(&args.recipe)?;
    let recipe: Recipe = toml::from_str(&text).map_err(candle_core::Error::wrap)?;
    let device = Device::Cpu;
    std::fs::create_dir_all(&args.out)?;
    let config = load_config(&args.align.join("init"))?;
    let distiller = Distiller::open(
        &args.align,
        &args.teacher,
        &recipe.distill,
        recipe.seed,
        &device,
    )?;
    let masked = masked_text(args, &recipe)?;
    let summary = masked.as_ref().map(MaskedText::summary).unwrap_or_default();
    let fingerprint = super::fingerprint(&[&text, &distiller.summary(), &summary]);

    let (mut params, mut optimiser, mut position) =
        match checkpoint::load(&args.out, recipe.optimiser, &fingerprint, &device)? {
            Some(state) => state,
            None => (
                Params::load(&args.align.join("init/model.safetensors"), &device)?,
                AdamW::new(recipe.optimiser),
                Position {
                    step: 0,
                    tokens: 0,
                    seconds: 0,
                    fingerprint,
                },
            ),
        };
    if masked.is_some() {
        mlm::init(
            &mut params,
            config.hidden_size,
            config.vocab_size,
            recipe.seed,
        )?;
    }
    let run = Run {
        recipe: &recipe,
        config: &config,
        distiller,
        masked,
    };
    let mut journal = Journal::open(&args.out, position.step, recipe.steps)?;
    let (start, before) = (Instant::now(), position.seconds);
    let mut saved = Instant::now();
    let mut sums = [0.0f64; 6];
    let end = recipe.stop.unwrap_or(recipe.steps).min(recipe.steps);
    while position.step < end {
        let step = position.step;
        if step % recipe.validate_every == 0 {
            validate(&run.distiller, &params, &config, step, &mut journal)?;
        }
        let report = run.step(step, &params, &mut optimiser)?;
        for (sum, value) in sums.iter_mut().zip(report.values) {
            *sum += value;
        }
        let tokens = report.tokens;
        position.step += 1;
        position.tokens += tokens;
        position.seconds = before + start.elapsed().as_secs();
        journal.step(position.step, tokens);
        if position.step % recipe.report_every == 0 {
            let n = recipe.report_every as f64;
            let mut values: Vec<(&str, f64)> = TERMS.into_iter().zip(sums.map(|s| s / n)).collect();
            let rate = schedule(step, recipe.warmup, recipe.steps);
            values.push(("rate", rate));
            values.push(("tokens", position.tokens as f64));
            journal.report("train", position.step, &values)?;
            sums = [0.0; 6];
        }
        let out_of_time = args
            .max_seconds
            .is_some_and(|s| start.elapsed().as_secs() >= s);
        if saved.elapsed().as_secs() >= recipe.checkpoint_seconds || out_of_time {
            checkpoint::save(&args.out, &params, &optimiser, &position)?;
            journal.plot()?;
            saved = Instant::now();
        }
        if out_of_time {
            return Ok(());
        }
    }
    checkpoint::save(&args.out, &params, &optimiser, &position)?;
    validate(
        &run.distiller,
        &params,
        &config,
        position.step,
        &mut journal,
    )?;
    journal.finish()?;
    write_model(args, &params)
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

fn validate(
    distiller: &Distiller,
    params: &Params,
    config: &EncoderConfig,
    step: u64,
    journal: &mut Journal,
) -> Result<()> {
    let student = Bert::load(&params.view(|_| false), config)?;
    let values = distiller.validate(&student)?;
    let values: Vec<(&str, f64)> = values.iter().map(|(n, v)| (n.as_str(), *v)).collect();
    journal.report("valid", step, &values)?;
    Ok(())
}
