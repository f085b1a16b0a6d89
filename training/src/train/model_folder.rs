//! A trained model on disk, between the stages: encoder and heads as f32.

use std::path::Path;

use candle_core::{Device, Result};
use stance::encoder::config::EncoderConfig;
use stance::heads::HeadsConfig;

use super::params::Params;
use super::pretrain;

/// Writes encoder and heads as f32, with their configuration, for `calibrate` and `export`.
///
/// # Errors
/// When the disk fails.
pub fn write_model(
    folder: &Path,
    encoder: &Path,
    params: &Params,
    heads: &HeadsConfig,
) -> Result<()> {
    use candle_core::DType::F32;
    std::fs::create_dir_all(folder)?;
    let is_head = |name: &str| name.starts_with("stance.") || name.starts_with("topic.");
    let save = candle_core::safetensors::save;
    save(
        &params.tensors(F32, |n| !is_head(n))?,
        folder.join("model.safetensors"),
    )?;
    save(
        &params.tensors(F32, is_head)?,
        folder.join("heads.safetensors"),
    )?;
    for file in ["config.json", "tokenizer.json"] {
        std::fs::copy(encoder.join(file), folder.join(file))?;
    }
    let text = serde_json::to_string_pretty(heads).map_err(candle_core::Error::wrap)?;
    std::fs::write(folder.join("stance.json"), text)?;
    Ok(())
}

/// Reads a student back from a folder that [`write_model`] wrote.
///
/// # Errors
/// When a file is missing or does not fit.
pub fn read_model(folder: &Path, device: &Device) -> Result<(Params, EncoderConfig, HeadsConfig)> {
    let mut params = Params::load(&folder.join("model.safetensors"), device)?;
    for (name, var) in Params::load(&folder.join("heads.safetensors"), device)?.iter() {
        params.insert(name, var.as_tensor())?;
    }
    let config = pretrain::load_config(folder)?;
    let text = std::fs::read_to_string(folder.join("stance.json"))?;
    let heads = serde_json::from_str(&text).map_err(candle_core::Error::wrap)?;
    Ok((params, config, heads))
}
