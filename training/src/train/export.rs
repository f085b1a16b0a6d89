//! Stage `export`: a trained model as the folder that the product reads, in half precision,
//! with the SHA-256 of every file in its manifest.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Result, Tensor};
use stance::model::{ManifestInfo, write_manifest};
use stance::predict::SELF_TEST_FILE;

use super::user_rows::today;

/// Largest folder that the repository takes, in bytes.
const MOST_BYTES: u64 = 64 << 20;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Model folder of `finetune`, calibrated.
    #[arg(long)]
    pub model: PathBuf,
    /// Folder to write.
    #[arg(long, default_value = "models/default")]
    pub out: PathBuf,
    /// Name in the manifest.
    #[arg(long, default_value = "stance-minilm-multilingual")]
    pub name: String,
    /// Version in the manifest.
    #[arg(long)]
    pub version: String,
    /// Licence of the weights.
    #[arg(long, default_value = "Apache-2.0")]
    pub license: String,
    /// Time of making, RFC 3339; today when absent.
    #[arg(long)]
    pub created: Option<String>,
}

/// Runs the stage.
///
/// # Errors
/// When an input cannot be read, the output cannot be written, or it is over 64 MiB.
pub fn run(args: &Args) -> Result<()> {
    std::fs::create_dir_all(&args.out)?;
    for file in ["model.safetensors", "heads.safetensors"] {
        halve(&args.model.join(file), &args.out.join(file))?;
    }
    for file in ["config.json", "tokenizer.json", "stance.json"] {
        std::fs::copy(args.model.join(file), args.out.join(file))?;
    }
    let info = ManifestInfo {
        name: args.name.clone(),
        version: args.version.clone(),
        created: args.created.clone().unwrap_or_else(today),
        license: args.license.clone(),
    };
    let mut files = vec![
        "config.json",
        "tokenizer.json",
        "model.safetensors",
        "heads.safetensors",
        "stance.json",
    ];
    for file in ["MODEL_CARD.md", SELF_TEST_FILE] {
        if args.out.join(file).exists() {
            files.push(file);
        }
    }
    write_manifest(&args.out, info, &files).map_err(candle_core::Error::wrap)?;
    let mut bytes = 0;
    for entry in std::fs::read_dir(&args.out)? {
        bytes += entry?.metadata()?.len();
    }
    if bytes > MOST_BYTES {
        candle_core::bail!(
            "{} holds {bytes} bytes, more than {MOST_BYTES}",
            args.out.display()
        );
    }
    println!(
        "{}: {:.1} MiB",
        args.out.display(),
        bytes as f64 / f64::from(1 << 20)
    );
    Ok(())
}

fn halve(from: &Path, to: &Path) -> Result<()> {
    let mut out: HashMap<String, Tensor> = HashMap::new();
    for (name, tensor) in candle_core::safetensors::load(from, &Device::Cpu)? {
        let half = tensor.to_dtype(DType::F16)?;
        let largest = half
            .to_dtype(DType::F32)?
            .abs()?
            .max_all()?
            .to_scalar::<f32>()?;
        if !largest.is_finite() {
            candle_core::bail!("{name} does not fit half precision");
        }
        out.insert(name, half);
    }
    candle_core::safetensors::save(&out, to)
}
