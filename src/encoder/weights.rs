//! Tensors from safetensors files, one file or shards, as f32 or as their own 8-bit integers; on
//! request from pickles.
//!
//! Tensors are read one at a time by their place in the file, so that loading needs the memory of
//! the tensors that are used and of one tensor's bytes, not of the whole file twice.

mod pickle;

use std::collections::{BTreeSet, HashMap};
use std::io::{Read, SeekFrom};
use std::sync::Arc;

use candle_core::{Device, Tensor};
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use serde::Deserialize;

use super::error::EncoderError;
use super::files::{ModelFiles, ReadSeek, io_error, is_plain_name};
use super::load::LoadOptions;
use super::stored::{Integers, Stored};
use pickle::Pickles;

pub use pickle::{PICKLE_FILE, PICKLE_INDEX_FILE};

/// Name of the weights when they are one file.
pub const WEIGHTS_FILE: &str = "model.safetensors";
/// Name of the list of shards when the weights are several files.
pub const WEIGHTS_INDEX_FILE: &str = "model.safetensors.index.json";

/// The format's own limit on the header, in bytes.
const MAX_HEADER_BYTES: u64 = 100_000_000;

/// The tensors of one or several files.
pub struct WeightsReader<'a> {
    shards: Vec<Shard<'a>>,
    shard_of: HashMap<String, usize>,
    /// Instead of shards.
    pickles: Option<Pickles>,
}

struct Shard<'a> {
    name: String,
    file: Box<dyn ReadSeek + 'a>,
    /// Position of the first byte after the header.
    data_start: u64,
    metadata: Metadata,
}

/// `model.safetensors.index.json`.
#[derive(Deserialize)]
struct ShardIndex {
    weight_map: HashMap<String, String>,
}

impl<'a> WeightsReader<'a> {
    /// Opens a model's weights: `model.safetensors`, or the shards that
    /// `model.safetensors.index.json` lists.
    ///
    /// # Errors
    /// [`EncoderError::MissingFile`] for absent weights or shards,
    /// [`EncoderError::CorruptWeights`] for a file that is not safetensors.
    pub fn open(files: &'a dyn ModelFiles) -> Result<Self, EncoderError> {
        Self::open_in(files, "", LoadOptions::default())
    }

    /// The same of a folder inside the model, `""` or a name that ends in `/`; and of pickles,
    /// where there is nothing else and the options allow it.
    ///
    /// # Errors
    /// As [`WeightsReader::open`], and [`EncoderError::PickleRefused`].
    pub fn open_in(
        files: &'a dyn ModelFiles,
        inside: &str,
        options: LoadOptions,
    ) -> Result<Self, EncoderError> {
        if let Some(names) = safetensors_names(files, inside)? {
            return Self::open_files(files, &names);
        }
        match Pickles::names(files, inside)? {
            None => Err(files.missing(&format!("{inside}{WEIGHTS_FILE}"))),
            Some(names) if !options.allow_pickle => Err(EncoderError::PickleRefused {
                file: names.first().cloned().unwrap_or_default(),
                location: files.location(),
            }),
            Some(names) => Ok(Self {
                shards: Vec::new(),
                shard_of: HashMap::new(),
                pickles: Some(Pickles::open(files, &names)?),
            }),
        }
    }

    /// Opens one safetensors file of a model by name.
    ///
    /// # Errors
    /// As [`WeightsReader::open`].
    pub fn open_file(files: &'a dyn ModelFiles, name: &str) -> Result<Self, EncoderError> {
        Self::open_files(files, &[name.to_owned()])
    }

    fn open_files(files: &'a dyn ModelFiles, names: &[String]) -> Result<Self, EncoderError> {
        let mut shards = Vec::with_capacity(names.len());
        let mut shard_of = HashMap::new();
        for (number, name) in names.iter().enumerate() {
            let file = files.open(name)?.ok_or_else(|| files.missing(name))?;
            let shard = Shard::open(name, file)?;
            for tensor in shard.metadata.offset_keys() {
                if shard_of.insert(tensor.clone(), number).is_some() {
                    return Err(corrupt(name, format!("tensor `{tensor}` is in two shards")));
                }
            }
            shards.push(shard);
        }
        Ok(Self {
            shards,
            shard_of,
            pickles: None,
        })
    }

    /// The names of all tensors, in no particular order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let pickled = self.pickles.iter().flat_map(Pickles::tensors);
        self.shard_of.keys().map(String::as_str).chain(pickled)
    }

    /// The names of what is trained: tensors of floats, or of 8-bit integers that have scales;
    /// neither the scales nor tables of whole numbers.
    pub fn weights(&self) -> impl Iterator<Item = &str> {
        let kind = |name: &str| {
            let shard = &self.shards[*self.shard_of.get(name)?];
            Some(shard.metadata.info(name)?.dtype)
        };
        self.names().filter(move |name| match kind(name) {
            Some(Dtype::F16 | Dtype::BF16 | Dtype::F32 | Dtype::F64) => {
                name.strip_suffix(SCALE).and_then(kind) != Some(Dtype::I8)
            }
            other => matches!(other, Some(Dtype::I8) | None),
        })
    }

    /// The shape of a tensor; `None` when there is no such tensor.
    pub fn shape(&self, tensor: &str) -> Option<&[usize]> {
        if let Some(pickles) = &self.pickles {
            return pickles.shape(tensor);
        }
        let shard = &self.shards[*self.shard_of.get(tensor)?];
        shard
            .metadata
            .info(tensor)
            .map(|info| info.shape.as_slice())
    }

    /// Reads a tensor as f32; f16, bf16 and f64 are converted, and 8-bit integers are multiplied
    /// with the scale of their row, see [`scale_name`].
    ///
    /// # Errors
    /// As [`WeightsReader::read_stored`].
    pub fn read(
        &mut self,
        tensor: &str,
        expected: Option<&[usize]>,
        device: &Device,
    ) -> Result<Tensor, EncoderError> {
        let stored = self.read_stored(tensor, expected, device)?;
        Ok(stored.to_tensor(device)?)
    }

    /// The same, but 8-bit integers stay what they are.
    ///
    /// # Errors
    /// [`EncoderError::WrongTensorShape`] when there is no such tensor or `expected` is given and
    /// differs, [`EncoderError::CorruptWeights`] for another number type or a value that is not
    /// finite, [`EncoderError::Io`] when reading fails.
    pub fn read_stored(
        &mut self,
        tensor: &str,
        expected: Option<&[usize]>,
        device: &Device,
    ) -> Result<Stored, EncoderError> {
        let found = self.shape(tensor);
        if found.is_none() || expected.is_some_and(|expected| found != Some(expected)) {
            return Err(EncoderError::WrongTensorShape {
                tensor: tensor.to_owned(),
                expected: expected.unwrap_or_default().to_vec(),
                found: found.map(<[usize]>::to_vec),
            });
        }
        if let Some(pickles) = &self.pickles {
            return Ok(pickles.read(tensor, device)?.into());
        }
        let shard = &mut self.shards[self.shard_of[tensor]];
        shard.read(tensor, device)
    }

    /// Reads every tensor as f32, by name.
    ///
    /// # Errors
    /// As [`WeightsReader::read`].
    pub fn read_all(&mut self, device: &Device) -> Result<HashMap<String, Tensor>, EncoderError> {
        let names: Vec<String> = self.names().map(str::to_owned).collect();
        let mut tensors = HashMap::with_capacity(names.len());
        for name in names {
            let tensor = self.read(&name, None, device)?;
            tensors.insert(name, tensor);
        }
        Ok(tensors)
    }
}

impl<'a> Shard<'a> {
    fn open(name: &str, mut file: Box<dyn ReadSeek + 'a>) -> Result<Self, EncoderError> {
        let total = file
            .seek(SeekFrom::End(0))
            .map_err(|source| io_error(name, source))?;
        file.seek(SeekFrom::Start(0))
            .map_err(|source| io_error(name, source))?;
        if total < 8 {
            return Err(corrupt(
                name,
                format!("{total} bytes are too few for a header"),
            ));
        }
        let mut length = [0; 8];
        file.read_exact(&mut length)
            .map_err(|source| io_error(name, source))?;
        let length = u64::from_le_bytes(length);
        if length > MAX_HEADER_BYTES || length > total - 8 {
            let message = format!("a header of {length} bytes does not fit in {total} bytes");
            return Err(corrupt(name, message));
        }
        let mut header = vec![0; length as usize];
        file.read_exact(&mut header)
            .map_err(|source| io_error(name, source))?;
        let metadata: Metadata =
            serde_json::from_slice(&header).map_err(|error| corrupt(name, error.to_string()))?;
        let data_start = 8 + length;
        let expected = data_start + metadata.data_len() as u64;
        if expected != total {
            let message = format!("{total} bytes, the header describes {expected}");
            return Err(corrupt(name, message));
        }
        Ok(Self {
            name: name.to_owned(),
            file,
            data_start,
            metadata,
        })
    }

    fn read(&mut self, tensor: &str, device: &Device) -> Result<Stored, EncoderError> {
        let (info, bytes) = self.bytes(tensor)?;
        let infinite = format!("tensor `{tensor}` has a value that is not a finite number");
        if info.dtype == Dtype::I8 {
            let (integers, finite) = self.scaled(tensor, info.shape, bytes)?;
            if !finite {
                return Err(corrupt(&self.name, infinite));
            }
            return Ok(Stored::Integers(Arc::new(integers)));
        }
        let Some(values) = to_f32(info.dtype, &bytes) else {
            let message = format!(
                "tensor `{tensor}` has dtype {}, not f32, f16, bf16 or i8",
                info.dtype
            );
            return Err(corrupt(&self.name, message));
        };
        if !values.iter().all(|value| value.is_finite()) {
            return Err(corrupt(&self.name, infinite));
        }
        Ok(Tensor::from_vec(values, info.shape, device)?.into())
    }

    fn bytes(&mut self, tensor: &str) -> Result<(TensorInfo, Vec<u8>), EncoderError> {
        let Some(info) = self.metadata.info(tensor).cloned() else {
            return Err(corrupt(
                &self.name,
                format!("tensor `{tensor}` is not in this file"),
            ));
        };
        let (start, end) = info.data_offsets;
        let mut bytes = vec![0; end - start];
        self.file
            .seek(SeekFrom::Start(self.data_start + start as u64))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(|source| io_error(&self.name, source))?;
        Ok((info, bytes))
    }

    /// Integers with the scale of each row, and whether the largest product is finite.
    fn scaled(
        &mut self,
        tensor: &str,
        shape: Vec<usize>,
        bytes: Vec<u8>,
    ) -> Result<(Integers, bool), EncoderError> {
        let name = scale_name(tensor);
        let (info, scales) = self.bytes(&name)?;
        let rows = shape.first().copied().unwrap_or(0);
        let scales = to_f32(info.dtype, &scales).unwrap_or_default();
        let finite = scales.iter().all(|scale| (scale * 128.0).is_finite());
        let Some(integers) = Integers::new(shape, bytes, scales) else {
            let message = format!("`{name}` is not {rows} floats, one for each row of `{tensor}`");
            return Err(corrupt(&self.name, message));
        };
        Ok((integers, finite))
    }
}

/// What the name of scales ends in.
const SCALE: &str = ".scale";

/// Where the scales `[rows]` of a tensor `[rows, …]` of 8-bit integers are stored.
pub fn scale_name(tensor: &str) -> String {
    format!("{tensor}{SCALE}")
}

/// The number of elements is right: safetensors checks shape, dtype and bytes against each other.
fn to_f32(dtype: Dtype, bytes: &[u8]) -> Option<Vec<f32>> {
    let pairs = || bytes.as_chunks::<2>().0.iter().copied();
    match dtype {
        Dtype::F32 => Some(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .copied()
                .map(f32::from_le_bytes)
                .collect(),
        ),
        Dtype::F64 => {
            let values = bytes
                .as_chunks::<8>()
                .0
                .iter()
                .copied()
                .map(f64::from_le_bytes);
            Some(values.map(|value| value as f32).collect())
        }
        Dtype::F16 => {
            let values: Vec<f16> = pairs().map(f16::from_le_bytes).collect();
            let mut floats = vec![0.0; values.len()];
            values.convert_to_f32_slice(&mut floats);
            Some(floats)
        }
        Dtype::BF16 => Some(
            pairs()
                .map(|pair| bf16::from_le_bytes(pair).to_f32())
                .collect(),
        ),
        _ => None,
    }
}

/// Names of the safetensors files of a model, or of the folder `inside` it: one, or shards.
pub(super) fn safetensors_names(
    files: &dyn ModelFiles,
    inside: &str,
) -> Result<Option<Vec<String>>, EncoderError> {
    let name = format!("{inside}{WEIGHTS_FILE}");
    if files.open(&name)?.is_some() {
        return Ok(Some(vec![name]));
    }
    let Some(index) = files.read(&format!("{inside}{WEIGHTS_INDEX_FILE}"))? else {
        return Ok(None);
    };
    let names = shard_names(&index)?;
    let names = names.iter().map(|name| format!("{inside}{name}"));
    Ok(Some(names.collect()))
}

/// The files that an index lists, in order, each once.
///
/// # Errors
/// [`EncoderError::CorruptWeights`] when the index is not one or names files outside the model.
pub(super) fn shard_names(index: &[u8]) -> Result<Vec<String>, EncoderError> {
    let index: ShardIndex = serde_json::from_slice(index)
        .map_err(|error| corrupt(WEIGHTS_INDEX_FILE, error.to_string()))?;
    let names: BTreeSet<String> = index.weight_map.into_values().collect();
    if let Some(name) = names.iter().find(|name| !is_plain_name(name)) {
        return Err(corrupt(
            WEIGHTS_INDEX_FILE,
            format!("`{name}` is no file of the model"),
        ));
    }
    if names.is_empty() {
        return Err(corrupt(WEIGHTS_INDEX_FILE, "no shard is listed".to_owned()));
    }
    Ok(names.into_iter().collect())
}

fn corrupt(file: &str, message: String) -> EncoderError {
    EncoderError::CorruptWeights {
        file: file.to_owned(),
        message,
    }
}

#[cfg(test)]
mod tests;
