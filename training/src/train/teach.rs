//! Stage `teach`: what models together say of rows without labels, for `finetune --taught`.
//!
//! The mean of their probabilities is the label of each target (distillation of an ensemble, Hinton
//! et al. 2015, arXiv 1503.02531; on unlabelled text, Xie et al. 2020, arXiv 1911.04252).

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::PathBuf;

use candle_core::{D, Error, Result};
use rayon::prelude::*;
use stance::encoder::cpu::Precision;
use stance::encoder::device::{DeviceChoice, set_tensor_cores};
use stance::encoder::tokenizer::TextTokenizer;
use stance::heads::stance::CLASSES;
use stance::prediction::Stance;

use super::item::{Item, batches, read_rows};
use super::labelled::{KnownNames, stance_row};
use super::marks;
use super::measure::argmax;
use super::model_folder::read_model;
use super::student::Student;
use crate::data::examples::{self, StanceExample};
use crate::data::lines;

/// Arguments of the stage.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The teachers: folders that `finetune` wrote, with one tokenizer.
    #[arg(long, required = true, num_args = 1..)]
    pub model: Vec<PathBuf>,
    /// Rows of `passages`.
    #[arg(long)]
    pub rows: PathBuf,
    /// File for the rows with what the teachers say.
    #[arg(long)]
    pub out: PathBuf,
    /// The teachers' recipe had `marked`.
    #[arg(long)]
    pub marked: bool,
    /// Where it runs: `cpu`, `cuda`, `cuda:1`, `metal`, or `auto`.
    #[arg(long, default_value = "cpu")]
    pub device: DeviceChoice,
    /// Tokens that go through the encoder together.
    #[arg(long, default_value_t = 4096)]
    pub pass_tokens: usize,
}

/// One target and where it stands.
struct Asked {
    row: usize,
    target: usize,
    item: Item,
}

/// Runs the stage.
///
/// # Errors
/// When a file cannot be read or written, or the device fails.
pub fn run(args: &Args) -> Result<()> {
    let device = args.device.open().map_err(Error::wrap)?;
    set_tensor_cores(true);
    let mut rows: Vec<StanceExample> = examples::read(&args.rows).map_err(Error::wrap)?;
    let mut sums: Vec<Vec<[f32; CLASSES]>> = rows
        .iter()
        .map(|row| vec![[0.0; CLASSES]; row.targets.len()])
        .collect();
    let mut asked: Vec<Asked> = Vec::new();
    for folder in &args.model {
        let (params, config, heads) = read_model(folder, &device)?;
        if asked.is_empty() {
            let tokenizer =
                TextTokenizer::load(folder.join("tokenizer.json")).map_err(Error::wrap)?;
            let limits = (heads.window_tokens, heads.window_overlap);
            asked = ask(&rows, args.marked, &tokenizer, limits)?;
            asked.sort_by_key(|asked| asked.item.longest());
        }
        let student = Student::new(&params, &config, &heads, Precision::Int8, |_| false)?;
        let items: Vec<Item> = asked.iter().map(|asked| asked.item.clone()).collect();
        let mut places = asked.iter();
        for batch in batches(&items, args.pass_tokens) {
            let Some(logits) = student.forward(batch, &|x| Ok(x.clone()))?.stance else {
                continue;
            };
            let probabilities: Vec<Vec<f32>> =
                candle_nn::ops::softmax(&logits, D::Minus1)?.to_vec2()?;
            for (said, place) in probabilities.iter().zip(places.by_ref()) {
                let sum = &mut sums[place.row][place.target];
                for (sum, p) in sum.iter_mut().zip(said) {
                    *sum += p / args.model.len() as f32;
                }
            }
        }
        eprintln!("{}: {} targets", folder.display(), asked.len());
    }
    let mut counts: BTreeMap<(String, &str), usize> = BTreeMap::new();
    let mut out = lines::create(&args.out).map_err(Error::wrap)?;
    for (row, said) in rows.iter_mut().zip(sums) {
        for (target, said) in row.targets.iter_mut().zip(said) {
            target.stance = Stance::ALL[argmax(&said)];
            target.taught = Some(said);
            let key = (row.lang.clone(), target.stance.as_str());
            *counts.entry(key).or_default() += 1;
        }
        lines::write_row(&mut out, &args.out, row).map_err(Error::wrap)?;
    }
    out.flush()?;
    for ((language, stance), count) in counts {
        println!("{language}\t{stance}\t{count}");
    }
    Ok(())
}

/// Every target as an item of its own.
fn ask(
    rows: &[StanceExample],
    marked: bool,
    tokenizer: &TextTokenizer,
    (window, overlap): (usize, usize),
) -> Result<Vec<Asked>> {
    let places: Vec<(usize, usize)> = rows
        .iter()
        .enumerate()
        .flat_map(|(row, example)| (0..example.targets.len()).map(move |target| (row, target)))
        .collect();
    let mut known = KnownNames::default();
    let read: Vec<_> = places
        .iter()
        .map(|&(row, target)| {
            let example = if marked {
                marks::one(&rows[row], target)
            } else {
                let mut example = rows[row].clone();
                example.targets = vec![example.targets.swap_remove(target)];
                example
            };
            stance_row(example, 0, &mut known)
        })
        .collect();
    let items = read_rows(&read, tokenizer, window, overlap)?;
    let asked = places.into_par_iter().zip(items);
    Ok(asked
        .map(|((row, target), item)| Asked { row, target, item })
        .collect())
}
