//! Tensors from `pytorch_model.bin`, for models that have nothing else.
//!
//! Such a file is a Python pickle in a zip archive. `PyTorch` runs what a pickle says, so that a
//! stranger's file can run a stranger's program; candle's reader only looks for tensors and runs
//! nothing. It stays behind a switch all the same: a pickle that is opened here is soon opened
//! elsewhere.

use std::collections::HashMap;
use std::path::PathBuf;

use candle_core::pickle::PthTensors;
use candle_core::{DType, Device, Tensor};

use super::{ShardIndex, corrupt};
use crate::encoder::error::EncoderError;
use crate::encoder::files::{ModelFiles, is_plain_name};

/// Name of the pickled weights when they are one file.
pub const PICKLE_FILE: &str = "pytorch_model.bin";
/// Name of the list of shards when the pickled weights are several files.
pub const PICKLE_INDEX_FILE: &str = "pytorch_model.bin.index.json";

/// The tensors of one or several pickles.
pub(super) struct Pickles {
    files: Vec<(String, PthTensors)>,
    shapes: HashMap<String, (usize, Vec<usize>)>,
}

impl Pickles {
    /// The names of the pickles in the model's folder `inside`; `None` when there are none.
    pub(super) fn names(
        files: &dyn ModelFiles,
        inside: &str,
    ) -> Result<Option<Vec<String>>, EncoderError> {
        let name = format!("{inside}{PICKLE_FILE}");
        if files.open(&name)?.is_some() {
            return Ok(Some(vec![name]));
        }
        let index_name = format!("{inside}{PICKLE_INDEX_FILE}");
        let Some(index) = files.read(&index_name)? else {
            return Ok(None);
        };
        let index: ShardIndex = serde_json::from_slice(&index)
            .map_err(|error| corrupt(&index_name, error.to_string()))?;
        let mut names: Vec<String> = index.weight_map.into_values().collect();
        names.sort();
        names.dedup();
        if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
            let message = format!("`{name}` is no file of the model");
            return Err(corrupt(&index_name, message));
        }
        Ok(Some(
            names.iter().map(|name| format!("{inside}{name}")).collect(),
        ))
    }

    pub(super) fn open(files: &dyn ModelFiles, names: &[String]) -> Result<Self, EncoderError> {
        let mut pickles = Self {
            files: Vec::new(),
            shapes: HashMap::new(),
        };
        for (number, name) in names.iter().enumerate() {
            let path: PathBuf = files.path(name).ok_or_else(|| files.missing(name))?;
            tracing::warn!(
                file = name,
                "reading tensors from a Python pickle; ask its author for safetensors"
            );
            let tensors =
                PthTensors::new(path, None).map_err(|error| corrupt(name, error.to_string()))?;
            for (tensor, info) in tensors.tensor_infos() {
                let shape = info.layout.shape().dims().to_vec();
                if pickles
                    .shapes
                    .insert(tensor.clone(), (number, shape))
                    .is_some()
                {
                    return Err(corrupt(name, format!("tensor `{tensor}` is in two shards")));
                }
            }
            pickles.files.push((name.clone(), tensors));
        }
        Ok(pickles)
    }

    pub(super) fn tensors(&self) -> impl Iterator<Item = &str> {
        self.shapes.keys().map(String::as_str)
    }

    pub(super) fn shape(&self, tensor: &str) -> Option<&[usize]> {
        self.shapes.get(tensor).map(|(_, shape)| shape.as_slice())
    }

    /// The tensor as f32, which must be there.
    pub(super) fn read(&self, tensor: &str, device: &Device) -> Result<Tensor, EncoderError> {
        let (name, pickle) = &self.files[self.shapes[tensor].0];
        let found = pickle
            .get(tensor)
            .map_err(|error| corrupt(name, error.to_string()))?
            .ok_or_else(|| corrupt(name, format!("tensor `{tensor}` is not in this file")))?;
        if !found.dtype().is_float() {
            let message = format!("tensor `{tensor}` has dtype {:?}", found.dtype());
            return Err(corrupt(name, message));
        }
        let values = found.to_dtype(DType::F32)?.flatten_all()?;
        if !values.to_vec1::<f32>()?.iter().all(|v| v.is_finite()) {
            let message = format!("tensor `{tensor}` has a value that is not a finite number");
            return Err(corrupt(name, message));
        }
        Ok(values.reshape(found.shape())?.to_device(device)?)
    }
}
