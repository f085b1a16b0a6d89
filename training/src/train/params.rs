//! Named weights that are being trained.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use candle_core::{DType, Device, Result, Tensor, Var};
use candle_nn::VarBuilder;
use stance::encoder::files::Folder;
use stance::encoder::weights::WeightsReader;

/// All weights of a model under training, by their names in the safetensors file.
#[derive(Debug, Clone)]
pub struct Params {
    vars: BTreeMap<String, Var>,
    device: Device,
}

impl Params {
    /// No weights yet.
    pub fn new(device: &Device) -> Self {
        Self {
            vars: BTreeMap::new(),
            device: device.clone(),
        }
    }

    /// Reads the weights of a safetensors file as f32, those that `export` wrote as 8-bit integers
    /// too.
    ///
    /// # Errors
    /// When the file cannot be read, or a weight is not finite.
    pub fn load(path: &Path, device: &Device) -> Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            candle_core::bail!("{} is no file", path.display());
        };
        let files = Folder::new(folder);
        let mut reader = WeightsReader::open_file(&files, &name.to_string_lossy())
            .map_err(candle_core::Error::wrap)?;
        let names: Vec<String> = reader.weights().map(str::to_owned).collect();
        let mut params = Self::new(device);
        for name in names {
            let weight = reader
                .read(&name, None, &Device::Cpu)
                .map_err(candle_core::Error::wrap)?;
            params.insert(&name, &weight)?;
        }
        Ok(params)
    }

    /// Adds or replaces a weight.
    ///
    /// # Errors
    /// When the device refuses the copy.
    pub fn insert(&mut self, name: &str, value: &Tensor) -> Result<()> {
        let value = value
            .to_dtype(DType::F32)?
            .to_device(&self.device)?
            .contiguous()?;
        self.vars.insert(name.to_owned(), Var::from_tensor(&value)?);
        Ok(())
    }

    /// Weights of their own with the same values.
    ///
    /// # Errors
    /// When the device refuses the copy.
    pub fn copy(&self) -> Result<Self> {
        let mut copy = Self::new(&self.device);
        for (name, var) in self.iter() {
            copy.insert(name, &var.as_tensor().copy()?)?;
        }
        Ok(copy)
    }

    /// Adds freshly initialised weights: zeros for biases, a normal distribution of standard
    /// deviation 0.02 (as BERT) for the rest, from a seed of the caller and the weight's name.
    ///
    /// # Errors
    /// When the device refuses the copy.
    pub fn init(&mut self, shapes: &[(String, Vec<usize>)], seed: u64) -> Result<()> {
        for (name, shape) in shapes {
            let count: usize = shape.iter().product();
            let data = if name.rsplit('.').next() == Some("bias") {
                vec![0.0f32; count]
            } else {
                super::normal(seed, name, count, 0.02)
            };
            self.insert(
                name,
                &Tensor::from_vec(data, shape.as_slice(), &Device::Cpu)?,
            )?;
        }
        Ok(())
    }

    /// A view for building a model: weights for which `trained` holds collect gradients, the
    /// others are constants.
    pub fn view(&self, trained: impl Fn(&str) -> bool) -> VarBuilder<'static> {
        let tensors: HashMap<String, Tensor> = self
            .vars
            .iter()
            .map(|(name, var)| {
                let tensor = var.as_tensor();
                (
                    name.clone(),
                    if trained(name) {
                        tensor.clone()
                    } else {
                        tensor.detach()
                    },
                )
            })
            .collect();
        VarBuilder::from_tensors(tensors, DType::F32, &self.device)
    }

    /// A weight by its name.
    pub fn get(&self, name: &str) -> Option<&Tensor> {
        self.vars.get(name).map(Var::as_tensor)
    }

    /// All weights with their names, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Var)> {
        self.vars.iter().map(|(name, var)| (name.as_str(), var))
    }

    /// Where the weights live.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// A copy of the weights for which `keep` holds, in `dtype`.
    ///
    /// # Errors
    /// When the device fails.
    pub fn tensors(
        &self,
        dtype: DType,
        keep: impl Fn(&str) -> bool,
    ) -> Result<HashMap<String, Tensor>> {
        self.iter()
            .filter(|(name, _)| keep(name))
            .map(|(name, var)| {
                let tensor = var
                    .as_tensor()
                    .detach()
                    .to_device(&Device::Cpu)?
                    .to_dtype(dtype)?;
                Ok((name.to_owned(), tensor.contiguous()?))
            })
            .collect()
    }
}
