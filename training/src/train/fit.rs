//! Stage `fit`: heads for one's own labels on a frozen encoder, from a folder or the hub.
//!
//! The encoder reads every row once and its states are kept; only the heads are trained, so that
//! a few thousand rows take minutes. The epoch that does best on the validation rows is kept,
//! calibrated on them, and written as a model folder that every command of `stance` reads.

use std::cell::RefCell;
use std::path::PathBuf;

use candle_core::{DType, Device, Error, Result, Tensor};
use indicatif::{ProgressBar, ProgressStyle};
use rand::seq::SliceRandom;
use stance::encoder::Encoder;
use stance::encoder::files::{Folder, ModelFiles};
use stance::encoder::hub::{HubOptions, locate_encoder};
use stance::encoder::load::{EncoderParts, encoder_files, load_tensors};
use stance::heads::calibration::Calibration;
use stance::heads::{HeadsConfig, tensor_shapes};
use stance::model::{DEFAULT_MODEL, ManifestInfo, default_model, write_manifest};
use stance::predict::{HEADS_CONFIG_FILE, HEADS_FILE, TopicNames};

use super::calibrate::calibrate;
use super::generator;
use super::item::Item;
use super::labelled::Labelled;
use super::measure::{Measured, measure};
use super::optim::{AdamW, AdamWConfig};
use super::params::Params;
use super::schedule;
use super::states::States;
use super::student::{Heads, SetLabels, dropout, stance_loss, topic_loss};
use super::user_rows::{read_user_rows, today};

/// `training/recipes/fit.toml`.
#[derive(Debug, Clone, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Seed of everything random.
    pub seed: u64,
    /// Passes over the rows.
    pub epochs: u64,
    /// Tokens per step.
    pub batch_tokens: usize,
    /// Peak learning rate.
    pub rate: f64,
    /// Dropout inside the heads.
    pub dropout: f64,
    /// Rarer classes count more by this power of their inverse frequency.
    pub class_balance: f32,
    /// Weight of the topic loss.
    pub topic_weight: f64,
    /// Longest window in tokens, special tokens included; the encoder's limit where that is less.
    pub window_tokens: usize,
    /// Most tokens that consecutive windows share.
    pub window_overlap: usize,
    /// Share of the texts that validate, when no file does.
    pub validation_share: f64,
    /// The optimiser.
    pub optimiser: AdamWConfig,
}

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The frozen encoder: a folder, `owner/name` or `owner/name@revision` on the hub, or
    /// `default`. Where it brings heads of its own, those are trained on.
    #[arg(long)]
    pub encoder: String,
    /// Labelled rows: JSONL, CSV, TSV, Label Studio, Argilla or Hugging Face JSONL (`.zst` too).
    /// Files named `dev…` or `val…` validate; without one a share of the texts does.
    #[arg(long, required = true)]
    pub data: Vec<PathBuf>,
    /// Model folder to write.
    #[arg(long)]
    pub out: PathBuf,
    /// Recipe.
    #[arg(long, default_value = "training/recipes/fit.toml")]
    pub recipe: PathBuf,
    /// Name in the manifest; without it, the folder's.
    #[arg(long)]
    pub name: Option<String>,
    /// Share of right answers among those given that the stance threshold must reach.
    #[arg(long, default_value_t = 0.75)]
    pub accuracy: f64,
    /// Memory for the encoder's states in GiB; rows beyond it are encoded anew in every epoch.
    #[arg(long, default_value_t = 4.0)]
    pub cache_gib: f64,
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read, the rows do not fit the model, or the disk fails.
pub fn run(args: &Args) -> Result<()> {
    let recipe: Recipe =
        toml::from_str(&std::fs::read_to_string(&args.recipe)?).map_err(Error::wrap)?;
    let files = open(&args.encoder)?;
    let parts = EncoderParts::load(files.as_ref(), &Device::Cpu).map_err(Error::wrap)?;
    let encoder = parts.encoder().map_err(Error::wrap)?;
    let (heads, mut params) = begin(files.as_ref(), encoder.as_ref(), &recipe)?;
    let rows = read_user_rows(&args.data, recipe.validation_share)?;
    eprintln!("{rows}");
    let labelled = rows.labelled(&heads, &parts.tokenizer)?;
    silence_untrained(&mut params, &labelled, files.as_ref())?;
    let states = States::new(encoder.as_ref(), args.cache_gib);
    let fitted = Fit {
        recipe: &recipe,
        heads: &heads,
        labels: labelled.labels(recipe.class_balance, &[]),
        labelled: &labelled,
        states,
    }
    .train(&params)?;
    for (name, value) in fitted.measured.values() {
        println!("{name}\t{value:.4}");
    }
    let heads = HeadsConfig {
        calibration: calibrate(&fitted.measured, args.accuracy),
        ..heads
    };
    write(args, files.as_ref(), &fitted.params, &heads)
}

fn open(name: &str) -> Result<Box<dyn ModelFiles>> {
    if name == DEFAULT_MODEL {
        return Ok(Box::new(default_model().map_err(Error::wrap)?));
    }
    let folder: Folder = locate_encoder(name, &HubOptions::from_env()).map_err(Error::wrap)?;
    Ok(Box::new(folder))
}

/// The heads that the encoder brings, else fresh ones that fit it.
fn begin(
    files: &dyn ModelFiles,
    encoder: &dyn Encoder,
    recipe: &Recipe,
) -> Result<(HeadsConfig, Params)> {
    let info = encoder.info();
    let mut params = Params::new(&info.device);
    if let Some(config) = files.read(HEADS_CONFIG_FILE).map_err(Error::wrap)? {
        let heads: HeadsConfig = serde_json::from_slice(&config).map_err(Error::wrap)?;
        heads
            .validate(info.hidden, info.max_tokens)
            .map_err(Error::Msg)?;
        let stored = load_tensors(files, HEADS_FILE, &info.device).map_err(Error::wrap)?;
        for (name, tensor) in &stored {
            params.insert(name, tensor)?;
        }
        return Ok((heads, params));
    }
    let window_tokens = recipe.window_tokens.min(info.max_tokens);
    let heads = HeadsConfig {
        schema: 1,
        window_tokens,
        window_overlap: recipe.window_overlap.min(window_tokens / 2),
        topics: TopicNames::embedded()
            .map_err(Error::wrap)?
            .ids()
            .map(str::to_owned)
            .collect(),
        attention_heads: attention_heads(info.hidden),
        inner: info.hidden,
        calibration: Calibration::default(),
    };
    heads
        .validate(info.hidden, info.max_tokens)
        .map_err(Error::Msg)?;
    params.init(&tensor_shapes(&heads, info.hidden), recipe.seed)?;
    Ok((heads, params))
}

/// Heads of 64 values where that divides the width, as in BERT; else of as many as divide it.
fn attention_heads(hidden: usize) -> usize {
    (1..=hidden.div_ceil(64))
        .rev()
        .find(|n| hidden.is_multiple_of(*n))
        .unwrap_or(1)
}

/// Fresh heads for which there are no rows are made to know nothing: equal stances, no topics.
fn silence_untrained(
    params: &mut Params,
    labelled: &Labelled,
    files: &dyn ModelFiles,
) -> Result<()> {
    if files
        .read(HEADS_CONFIG_FILE)
        .map_err(Error::wrap)?
        .is_some()
    {
        return Ok(());
    }
    for (silent, head, bias) in [
        (labelled.stance_train.is_empty(), "stance", 0.0),
        (labelled.topic_train.is_empty(), "topic", -20.0),
    ] {
        if silent {
            eprintln!("no {head} rows: the model will not judge the {head}");
            for (part, value) in [("weight", 0.0), ("bias", bias)] {
                let name = format!("{head}.output.{part}");
                let tensor = params.get(&name).map(|t| t.affine(0.0, value));
                if let Some(tensor) = tensor {
                    params.insert(&name, &tensor?)?;
                }
            }
        }
    }
    Ok(())
}

struct Fit<'a> {
    recipe: &'a Recipe,
    heads: &'a HeadsConfig,
    labels: Vec<SetLabels>,
    labelled: &'a Labelled,
    states: States<'a>,
}

/// Heads of the best epoch and what they say of the validation rows.
struct Fitted {
    params: Params,
    measured: Measured,
}

impl Fit<'_> {
    fn train(&self, params: &Params) -> Result<Fitted> {
        let recipe = self.recipe;
        let items: Vec<Item> = self
            .labelled
            .stance_train
            .iter()
            .chain(&self.labelled.topic_train)
            .cloned()
            .collect();
        let tokens: usize = items.iter().map(Item::tokens).sum();
        let steps = recipe.epochs * tokens.div_ceil(recipe.batch_tokens).max(1) as u64;
        let mut optimiser = AdamW::new(recipe.optimiser);
        let mut best: Option<(f64, Fitted)> = None;
        let mut step = 0;
        let bar = ProgressBar::new(steps).with_style(
            ProgressStyle::with_template(
                "{elapsed_precise} [{bar:30}] {pos}/{len} eta {eta} {msg}",
            )
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
        );
        for epoch in 0..recipe.epochs {
            let mut order: Vec<usize> = (0..items.len()).collect();
            order.shuffle(&mut generator(recipe.seed, &[b"fit", &epoch.to_le_bytes()]));
            for batch in batches_of(&order, &items, recipe.batch_tokens) {
                let rate = recipe.rate * schedule(step, steps / 20 + 1, steps);
                self.step(step, params, &mut optimiser, &items, &batch, rate)?;
                step += 1;
                bar.set_position(step);
            }
            let heads = Heads::new(&params.view(|_| false), self.heads, self.hidden())?;
            let read = |items: &[Item]| heads.read(&self.states.encode(items)?, items, &same);
            let measured = measure(read, self.labelled)?;
            let score = measured.score();
            bar.set_message(format!("epoch {} validation {score:.3}", epoch + 1));
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                let fitted = Fitted {
                    params: params.copy()?,
                    measured,
                };
                best = Some((score, fitted));
            }
        }
        bar.finish();
        best.map(|(_, fitted)| fitted)
            .ok_or_else(|| Error::Msg("`epochs` must be at least 1".into()))
    }

    fn hidden(&self) -> usize {
        self.states.encoder().info().hidden
    }

    fn step(
        &self,
        step: u64,
        params: &Params,
        optimiser: &mut AdamW,
        all: &[Item],
        batch: &[usize],
        rate: f64,
    ) -> Result<()> {
        let heads = Heads::new(&params.view(|_| true), self.heads, self.hidden())?;
        let items: Vec<Item> = batch.iter().map(|&i| all[i].clone()).collect();
        let states = self.states.of(all, batch)?;
        let seed = self.recipe.seed;
        let noise = RefCell::new(generator(seed, &[b"dropout", &step.to_le_bytes()]));
        let device = params.device();
        let drop = |x: &Tensor| dropout(x, self.recipe.dropout, &mut noise.borrow_mut(), device);
        let outputs = heads.read(&states, &items, &drop)?;
        let mut loss = Tensor::zeros((), DType::F32, device)?;
        if let Some(logits) = &outputs.stance {
            loss = (loss + stance_loss(logits, &items, &self.labels)?)?;
        }
        if let Some(logits) = &outputs.topic {
            loss = (loss + (topic_loss(logits, &items)? * self.recipe.topic_weight)?)?;
        }
        optimiser.step(params, &loss.backward()?, |_| rate)?;
        Ok(())
    }
}

#[allow(clippy::unnecessary_wraps)] // the form that `Heads::read` asks for
fn same(x: &Tensor) -> Result<Tensor> {
    Ok(x.clone())
}

/// Numbers of items in this order, cut into batches of about so many tokens.
fn batches_of(order: &[usize], items: &[Item], tokens: usize) -> Vec<Vec<usize>> {
    let (mut out, mut used) = (vec![Vec::new()], 0);
    for &i in order {
        if used >= tokens {
            out.push(Vec::new());
            used = 0;
        }
        used += items[i].tokens();
        if let Some(last) = out.last_mut() {
            last.push(i);
        }
    }
    out
}

/// Writes the model folder: the encoder's files as they are, the heads in half precision.
fn write(args: &Args, files: &dyn ModelFiles, params: &Params, heads: &HeadsConfig) -> Result<()> {
    let out = &args.out;
    std::fs::create_dir_all(out)?;
    let mut names = encoder_files(files).map_err(Error::wrap)?;
    for name in &names {
        let mut to = std::fs::File::create(out.join(name))?;
        let Some(mut from) = files.open(name).map_err(Error::wrap)? else {
            return Err(Error::wrap(files.missing(name)));
        };
        std::io::copy(&mut from, &mut to)?;
    }
    candle_core::safetensors::save(&params.tensors(DType::F16, |_| true)?, out.join(HEADS_FILE))?;
    let text = serde_json::to_string_pretty(heads).map_err(Error::wrap)?;
    std::fs::write(out.join(HEADS_CONFIG_FILE), text)?;
    names.extend([HEADS_FILE.to_owned(), HEADS_CONFIG_FILE.to_owned()]);
    let folder_name = || {
        let name = out.file_name().map(|n| n.to_string_lossy().into_owned());
        name.unwrap_or_else(|| "model".to_owned())
    };
    let info = ManifestInfo {
        name: args.name.clone().unwrap_or_else(folder_name),
        version: "0.1.0".to_owned(),
        created: today(),
        license: "as the encoder and the rows".to_owned(),
    };
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    write_manifest(out, info, &names).map_err(Error::wrap)?;
    println!("{}", out.display());
    Ok(())
}
