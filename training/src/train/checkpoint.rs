//! Saving and taking up a run: weights, optimiser and position, written so that a kill at any
//! moment leaves the last whole checkpoint in place.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use candle_core::{DType, Device, Result, Tensor};

use super::average::Average;
use super::optim::{AdamW, AdamWConfig};
use super::params::Params;

/// Where a run stands.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Position {
    /// Steps done; the batches that follow depend on the seed and on this alone.
    pub step: u64,
    /// Tokens read so far.
    pub tokens: u64,
    /// Seconds of training so far, rounded down.
    pub seconds: u64,
    /// Members of the mean of the weights so far.
    #[serde(default)]
    pub averaged: u64,
    /// Hash of the data and the recipe; a checkpoint of other data or another recipe is refused.
    pub fingerprint: String,
}

/// Everything that a checkpoint holds.
pub struct State {
    /// The weights.
    pub params: Params,
    /// The optimiser with its moments.
    pub optimiser: AdamW,
    /// The mean of the weights, where it has begun.
    pub average: Option<Average>,
    /// Where the run stands.
    pub position: Position,
}

const WEIGHTS: &str = "weights.safetensors";
const AVERAGE: &str = "average.safetensors";
const MOMENTS: &str = "moments.safetensors";
const POSITION: &str = "position.json";

fn folder(run: &Path) -> PathBuf {
    run.join("checkpoint")
}

/// Writes a checkpoint beside the last one and then takes its place.
///
/// # Errors
/// When the disk fails; the last checkpoint then still stands.
pub fn save(run: &Path, state: &State) -> Result<()> {
    let (fresh, last, old) = (
        run.join("checkpoint.new"),
        folder(run),
        run.join("checkpoint.old"),
    );
    remove(&fresh)?;
    remove(&old)?;
    fs::create_dir_all(&fresh)?;
    let averaged = state.average.as_ref();
    let weights = [
        (WEIGHTS, Some(&state.params)),
        (AVERAGE, averaged.map(Average::params)),
    ];
    for (name, params) in weights {
        if let Some(params) = params {
            let tensors = params.tensors(DType::F32, |_| true)?;
            candle_core::safetensors::save(&tensors, fresh.join(name))?;
        }
    }
    let position = Position {
        averaged: averaged.map_or(0, Average::count),
        ..state.position.clone()
    };
    let moments: HashMap<String, Tensor> = state
        .optimiser
        .tensors()
        .map(|(name, tensor)| Ok((name, tensor.to_device(&Device::Cpu)?)))
        .collect::<Result<_>>()?;
    candle_core::safetensors::save(&moments, fresh.join(MOMENTS))?;
    let text = serde_json::to_string_pretty(&(position, state.optimiser.steps()))
        .map_err(candle_core::Error::wrap)?;
    fs::write(fresh.join(POSITION), text)?;
    if last.exists() {
        fs::rename(&last, &old)?;
    }
    fs::rename(&fresh, &last)?;
    remove(&old)
}

fn remove(path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path)?;
    }
    Ok(())
}

/// Takes up the last checkpoint of `run`, if there is one.
///
/// # Errors
/// When it cannot be read, or belongs to other data or another recipe.
pub fn load(
    run: &Path,
    config: AdamWConfig,
    fingerprint: &str,
    device: &Device,
) -> Result<Option<State>> {
    let mut last = folder(run);
    if !last.exists() {
        last = run.join("checkpoint.old");
        if !last.exists() {
            return Ok(None);
        }
    }
    let text = fs::read_to_string(last.join(POSITION))?;
    let (position, steps): (Position, u64) =
        serde_json::from_str(&text).map_err(candle_core::Error::wrap)?;
    if position.fingerprint != fingerprint {
        candle_core::bail!(
            "{} was made with other data or another recipe; choose another --out or remove it",
            last.display()
        );
    }
    let params = Params::load(&last.join(WEIGHTS), device)?;
    let average = match position.averaged {
        0 => None,
        count => Some(Average::restore(
            Params::load(&last.join(AVERAGE), device)?,
            count,
        )),
    };
    let moments = candle_core::safetensors::load(last.join(MOMENTS), &Device::Cpu)?;
    let mut optimiser = AdamW::new(config);
    optimiser.restore(steps, &moments, &params)?;
    Ok(Some(State {
        params,
        optimiser,
        average,
        position,
    }))
}
