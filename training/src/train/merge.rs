//! Stage `merge`: arithmetic on weights, for what would otherwise need another training run.
//!
//! The mean of several finetuned models that began with the same weights reads better than each
//! (model soups, Wortsman et al. 2022, arXiv 2203.05482). And what a longer pretraining taught the
//! encoder can be added to a model that was finetuned from a shorter one (task arithmetic, Ilharco
//! et al. 2023, arXiv 2212.04089), so that finetuning need not begin anew.

use std::path::{Path, PathBuf};

use candle_core::{Device, Result};

use super::average::Average;
use super::model_folder::{read_model, write_model};
use super::params::Params;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model folders of `finetune`: the mean of their weights is taken. The first one's
    /// configuration is kept; calibrate what comes out.
    #[arg(long, required = true, num_args = 1..)]
    pub model: Vec<PathBuf>,
    /// Model folder of `pretrain` that they were finetuned from.
    #[arg(long, requires = "after")]
    pub before: Option<PathBuf>,
    /// Model folder of the `pretrain` that went on from there: the difference of the two is added
    /// to the encoder.
    #[arg(long, requires = "before")]
    pub after: Option<PathBuf>,
    /// Folder to write, for `finetune` to go on from.
    #[arg(long)]
    pub out: PathBuf,
}

/// Runs the stage: `mean(model) + (after - before)` for every weight of the encoder, the mean for
/// the heads.
///
/// # Errors
/// When a folder cannot be read, the models are not of one shape, or the disk fails.
pub fn run(args: &Args) -> Result<()> {
    let device = Device::Cpu;
    let Some((first, others)) = args.model.split_first() else {
        candle_core::bail!("`--model` is missing")
    };
    let (params, _, heads) = read_model(first, &device)?;
    let mut mean = Average::begin(&params)?;
    for other in others {
        mean.add(&read_model(other, &device)?.0)?;
    }
    let mut params = mean.into_params();
    if let (Some(before), Some(after)) = (&args.before, &args.after) {
        let encoder = |folder: &Path| Params::load(&folder.join("model.safetensors"), &device);
        add(&mut params, &encoder(before)?, &encoder(after)?)?;
    }
    write_model(&args.out, first, &params, &heads)
}

fn add(params: &mut Params, before: &Params, after: &Params) -> Result<()> {
    for (name, old) in before.iter() {
        let (Some(weight), Some(new)) = (params.get(name), after.get(name)) else {
            candle_core::bail!("`{name}` is not in all three models");
        };
        let sum = (weight.detach() + (new.detach() - old.as_detached_tensor())?)?;
        params.insert(name, &sum)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::Tensor;

    use super::*;

    fn one(name: &str, values: &[f32]) -> Params {
        let mut params = Params::new(&Device::Cpu);
        let tensor = Tensor::new(values, &Device::Cpu).unwrap();
        params.insert(name, &tensor).unwrap();
        params
    }

    #[test]
    fn the_difference_is_added_and_other_weights_stay() {
        let mut model = one("w", &[1.0, 2.0]);
        model
            .insert("stance.w", &Tensor::new(&[5f32], &Device::Cpu).unwrap())
            .unwrap();
        add(&mut model, &one("w", &[1.0, 1.0]), &one("w", &[0.5, 4.0])).unwrap();
        let read = |name: &str| -> Vec<f32> { model.get(name).unwrap().to_vec1().unwrap() };
        assert_eq!(read("w"), [0.5, 5.0]);
        assert_eq!(read("stance.w"), [5.0]);
    }

    #[test]
    fn models_of_other_weights_are_refused() {
        let error = add(&mut one("w", &[1.0]), &one("v", &[1.0]), &one("v", &[1.0])).unwrap_err();
        assert!(error.to_string().contains("`v`"), "{error}");
        let error = add(
            &mut one("w", &[1.0]),
            &one("w", &[1.0]),
            &one("w", &[1.0, 2.0]),
        );
        assert!(error.is_err());
    }
}
