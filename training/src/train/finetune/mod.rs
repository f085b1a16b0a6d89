//! Stage `finetune`: stance and topic together, the whole encoder with the heads.
//!
//! Sets are drawn with probability proportional to a power of their size, so that small ones
//! count; layers near the input learn more slowly (Howard & Ruder 2018, arXiv 1801.06146); a
//! share of every batch goes on distilling parallel text, so that what is learnt in one
//! language stays true in the others.

mod recipe;

use std::cell::RefCell;
use std::path::PathBuf;

use candle_core::{Device, Result, Tensor};
use rand_chacha::ChaCha8Rng;
use stance::encoder::config::EncoderConfig;
use stance::encoder::cpu::Precision;
use stance::encoder::device::{DeviceChoice, set_tensor_cores};
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::{HeadsConfig, tensor_shapes};

use super::augment::{Names, augment};
use super::distill::Distiller;
use super::item::Item;
use super::join;
use super::labelled::{Labelled, Rows, load_labelled};
use super::measure::measure;
use super::mlm;
use super::model_folder::write_model;
use super::optim::AdamW;
use super::params::Params;
use super::pool::{Pool, one_window};
use super::pretrain;
use super::session::{Report, Session, Stage};
use super::student::{SetLabels, Student, dropout, stance_loss, topic_loss};
use super::switch::CodeSwitch;
use super::{generator, schedule};

pub use recipe::Recipe;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The pretrained encoder: a folder with `config.json`, `tokenizer.json` and
    /// `model.safetensors`. With `heads.safetensors`, from an earlier run, those heads are trained
    /// on.
    #[arg(long)]
    pub encoder: PathBuf,
    /// Output of `prepare`.
    #[arg(long)]
    pub prep: PathBuf,
    /// Output of `align`, for the distillation.
    #[arg(long)]
    pub align: Option<PathBuf>,
    /// The distillation's teacher.
    #[arg(long, requires = "align")]
    pub teacher: Option<PathBuf>,
    /// Rows of `teach`, which train beside those of `--prep`.
    #[arg(long)]
    pub taught: Vec<PathBuf>,
    /// Where it runs: `cpu`, `cuda`, `cuda:1`, `metal`, or `auto`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceChoice,
    /// Recipe.
    #[arg(long, default_value = "training/recipes/finetune.toml")]
    pub recipe: PathBuf,
    /// Folder of the run; a run that was stopped goes on from its last checkpoint.
    #[arg(long)]
    pub out: PathBuf,
    /// Stop after this many seconds, with a checkpoint.
    #[arg(long)]
    pub max_seconds: Option<u64>,
}

/// Everything that a step needs.
struct Run<'a> {
    recipe: &'a Recipe,
    config: &'a EncoderConfig,
    heads: &'a HeadsConfig,
    stance: Pool,
    topic: Pool,
    names: Names,
    labels: Vec<SetLabels>,
    mask: u32,
    distiller: Option<Distiller>,
    switch: Option<CodeSwitch>,
    /// The rows that validate.
    labelled: Labelled,
}

impl Stage for Run<'_> {
    fn terms(&self) -> &'static [&'static str] {
        &["stance", "topic", "parallel", "gradient_norm"]
    }

    fn step(&self, step: u64, params: &Params, optimiser: &mut AdamW) -> Result<Report> {
        let recipe = self.recipe;
        let mut rng = generator(recipe.seed, &[b"finetune", &step.to_le_bytes()]);
        let change = |item: &Item, rng: &mut ChaCha8Rng| {
            augment(item, &recipe.augmentation, &self.names, self.mask, rng)
        };
        let stance = |item: &Item, rng: &mut ChaCha8Rng| {
            let mut item = change(item, rng);
            if let Some(switch) = &self.switch {
                switch.apply(&mut item, rng);
            }
            item
        };
        let mut items = self.stance.draw(recipe.stance_tokens, &mut rng, stance);
        if let Some(settings) = &recipe.join {
            items = join::join(items, settings, &mut rng);
        }
        items.extend(self.topic.draw(recipe.topic_tokens, &mut rng, |item, rng| {
            change(&one_window(item, rng), rng)
        }));
        let student = Student::new(params, self.config, self.heads, recipe.precision, |_| true)?;
        let device = params.device();
        let noise = RefCell::new(generator(recipe.seed, &[b"dropout", &step.to_le_bytes()]));
        let drop = |x: &Tensor| dropout(x, recipe.dropout, &mut noise.borrow_mut(), device);
        let outputs = match recipe.pass_tokens {
            Some(tokens) => student.forward_in_passes(&mut items, tokens, &drop)?,
            None => student.forward(&items, &drop)?,
        };
        let zero = Tensor::zeros((), candle_core::DType::F32, device)?;
        let stance = match &outputs.stance {
            Some(logits) => stance_loss(logits, &items, &self.labels)?,
            None => zero.clone(),
        };
        let topic = match &outputs.topic {
            Some(logits) => topic_loss(logits, &items)?,
            None => zero.clone(),
        };
        let mut tokens: usize = items.iter().map(Item::tokens).sum();
        let mut loss = (&stance + (&topic * recipe.topic_weight)?)?;
        let mut parallel = zero;
        if let Some(distiller) = &self.distiller {
            let batch = distiller.draw(step, recipe.parallel_tokens)?;
            parallel = distiller.losses(&student.encoder, &batch)?.total;
            loss = (loss + (&parallel * recipe.parallel_weight)?)?;
            tokens += batch.tokens();
        }
        let grads = student.encoder.backward(&loss)?;
        let factor = schedule(step, recipe.warmup, recipe.steps);
        let layers = self.config.num_hidden_layers;
        let norm = optimiser.step(params, &grads, |name| recipe.rate(name, layers) * factor)?;
        let number = |x: &Tensor| x.to_scalar::<f32>().map(f64::from);
        let values = vec![number(&stance)?, number(&topic)?, number(&parallel)?, norm];
        Ok(Report { values, tokens })
    }

    fn validate(&self, params: &Params) -> Result<Vec<(String, f64)>> {
        let student = Student::new(params, self.config, self.heads, Precision::F32, |_| false)?;
        let read = |items: &[Item]| student.forward(items, &|x| Ok(x.clone()));
        Ok(measure(read, &self.labelled)?.values())
    }
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read, the gradient is not finite, or the disk fails.
pub fn run(args: &Args) -> Result<()> {
    let text = std::fs::read_to_string(&args.recipe)?;
    let recipe: Recipe = toml::from_str(&text).map_err(candle_core::Error::wrap)?;
    let config = pretrain::load_config(&args.encoder)?;
    let tokenizer = TextTokenizer::load(args.encoder.join("tokenizer.json"))
        .map_err(candle_core::Error::wrap)?;
    let heads = recipe.heads()?;
    heads
        .validate(config.hidden_size, config.max_tokens())
        .map_err(candle_core::Error::Msg)?;
    let device = args.device.open().map_err(candle_core::Error::wrap)?;
    set_tensor_cores(true);
    // Before the rows, which take a minute to read: what does not fit is said at once.
    let (distiller, switch) = translators(args, &recipe, &device)?;
    let mask = mlm::mask_token(&tokenizer)?;
    let rows = Rows {
        folder: &args.prep,
        taught: &args.taught,
        leave_out: &recipe.leave_out,
        marked: recipe.marked,
    };
    let mut labelled = load_labelled(&rows, &heads, &tokenizer, recipe.max_windows)?;
    eprintln!("{}", labelled.summary());
    labelled.thin_validation(recipe.validation_rows, recipe.validation_topic_rows);
    let fingerprint = super::fingerprint(&[&text, &labelled.hash]);
    let labels = labelled.labels(recipe.class_balance, &recipe.closed);
    let stance_items = std::mem::take(&mut labelled.stance_train);
    let names = Names::collect(&stance_items);
    let run = Run {
        topic: Pool::new(
            std::mem::take(&mut labelled.topic_train),
            |set| recipe.chance(labelled.set_name(set)),
            recipe.set_power,
        )?,
        stance: Pool::new(
            stance_items,
            |set| recipe.chance(labelled.set_name(set)),
            recipe.set_power,
        )?,
        recipe: &recipe,
        config: &config,
        heads: &heads,
        names,
        labels,
        mask,
        distiller,
        switch,
        labelled,
    };
    let begin = || begin(args, &recipe, &heads, config.hidden_size, &device);
    let pace = recipe.pace();
    let optimiser = recipe.optimiser;
    let mut session = Session::open(&args.out, pace, optimiser, fingerprint, &device, begin)?;
    if session.run(&run, args.max_seconds)? {
        let folder = args.out.join("model");
        write_model(&folder, &args.encoder, session.weights(), &heads)?;
    }
    Ok(())
}

/// What the recipe wants of the parallel text: distillation and code switching.
fn translators(
    args: &Args,
    recipe: &Recipe,
    device: &Device,
) -> Result<(Option<Distiller>, Option<CodeSwitch>)> {
    let distiller = match (&args.align, &args.teacher) {
        (Some(align), Some(teacher)) if recipe.parallel_tokens > 0 => Some(Distiller::open(
            align,
            teacher,
            &args.encoder,
            &recipe.distill,
            recipe.seed,
            device,
        )?),
        _ => None,
    };
    let switch = match (&recipe.switch, &distiller) {
        (Some(settings), Some(distiller)) => Some(CodeSwitch::new(distiller.store(), settings)?),
        (Some(_), None) => {
            candle_core::bail!("the recipe has [switch]: it needs --align and --teacher")
        }
        (None, _) => None,
    };
    Ok((distiller, switch))
}

/// The weights that a run begins with: the pretrained encoder with its heads, or fresh ones.
fn begin(
    args: &Args,
    recipe: &Recipe,
    config: &HeadsConfig,
    hidden: usize,
    device: &Device,
) -> Result<Params> {
    let mut params = Params::load(&args.encoder.join("model.safetensors"), device)?;
    let heads = args.encoder.join("heads.safetensors");
    if heads.is_file() {
        eprintln!("going on from the heads in {}", heads.display());
        for (name, var) in Params::load(&heads, device)?.iter() {
            params.insert(name, var.as_tensor())?;
        }
    } else {
        params.init(&tensor_shapes(config, hidden), recipe.seed)?;
    }
    Ok(params)
}
