//! A model's files, checked against each other: configuration, tokenizer, weights.

use std::collections::HashMap;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;

use super::Encoder;
use super::bert::Bert;
use super::config::{Architecture, EncoderConfig, Family};
use super::cpu::Precision;
use super::cpu::simd::Level;
use super::deberta::Deberta;
use super::dtype::{self, Calibration, Dtype, DtypeChoice};
use super::error::EncoderError;
use super::files::ModelFiles;
use super::layout;
use super::modernbert::ModernBert;
use super::stored::StoredWeights;
use super::tokenizer::TextTokenizer;
use super::weights::{WEIGHTS_FILE, WEIGHTS_INDEX_FILE, WeightsReader, safetensors_names};

pub use super::layout::expected_tensors;

/// Name of the configuration file.
pub const CONFIG_FILE: &str = "config.json";
/// Name of the tokenizer file.
pub const TOKENIZER_FILE: &str = "tokenizer.json";

/// What loading may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Read `pytorch_model.bin` where there are no safetensors, with a warning in the log.
    pub allow_pickle: bool,
}

impl LoadOptions {
    /// The same with or without pickles.
    #[must_use]
    pub fn allow_pickle(mut self, allow: bool) -> Self {
        self.allow_pickle = allow;
        self
    }
}

/// The parts of an encoder, checked against each other.
pub struct EncoderParts {
    /// The encoder's shape.
    pub config: EncoderConfig,
    /// The tokenizer; every id it makes has an embedding row.
    pub tokenizer: TextTokenizer,
    /// The tensors that the configuration implies, f32, by their names without a prefix such as
    /// `bert.` or `roberta.`; see [`expected_tensors`].
    pub weights: VarBuilder<'static>,
    /// The same as they are stored.
    stored: StoredWeights,
}

impl EncoderParts {
    /// Loads `config.json`, `tokenizer.json` and `model.safetensors` (or its shards).
    ///
    /// # Errors
    /// [`EncoderError`]: `missing_file`, `invalid_config`, `invalid_tokenizer`,
    /// `tokenizer_mismatch`, `corrupt_weights`, `wrong_tensor_shape`, `io`.
    pub fn load(files: &dyn ModelFiles, device: &Device) -> Result<Self, EncoderError> {
        Self::load_with(files, device, LoadOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`EncoderParts::load`], and [`EncoderError::PickleRefused`].
    pub fn load_with(
        files: &dyn ModelFiles,
        device: &Device,
        options: LoadOptions,
    ) -> Result<Self, EncoderError> {
        let config = EncoderConfig::from_json(&files.require(CONFIG_FILE)?)?;
        let (tokenizer, stored) = rayon::join(
            || TextTokenizer::from_bytes(&files.require(TOKENIZER_FILE)?),
            || load_stored(files, &config, device, options),
        );
        // What is wrong with the tokenizer is said first, whichever was read first.
        let tokenizer = tokenizer?;
        tokenizer.check_embedding_rows(config.vocab_size)?;
        let stored = stored?;
        Ok(Self {
            config,
            tokenizer,
            weights: stored.in_f32(device),
            stored,
        })
    }

    /// Builds the encoder for reading, by the configuration's architecture.
    ///
    /// # Errors
    /// [`EncoderError::Compute`] when the device has no room for the weights.
    pub fn encoder(&self) -> Result<Box<dyn Encoder>, EncoderError> {
        let (weights, config) = (&self.weights, &self.config);
        Ok(match config.family {
            Family::Bert => Box::new(self.bert(Precision::F32)?.hasten()),
            Family::Deberta(_) => Box::new(Deberta::load(weights, config)?),
            Family::ModernBert(_) => Box::new(ModernBert::load(weights, config)?),
        })
    }

    fn bert(&self, precision: Precision) -> candle_core::Result<Bert> {
        Bert::stored(&self.stored, &self.weights, &self.config, precision)
    }

    /// The same in the precision that `choice` asks for, with the reason of the decision.
    ///
    /// # Errors
    /// [`EncoderError::DtypeUnavailable`] for a precision that has no kernels here; otherwise as
    /// [`EncoderParts::encoder`].
    pub fn encoder_as(
        &self,
        choice: DtypeChoice,
    ) -> Result<(Box<dyn Encoder>, Dtype), EncoderError> {
        const NO_KERNELS: &str = "there are no kernels of fewer bits for this model or device";
        let level = Level::best();
        if let Some(precision) = choice.precision() {
            let encoder = self.encoder_in(precision)?;
            let encoder = encoder.ok_or_else(|| EncoderError::DtypeUnavailable {
                dtype: precision.name(),
                message: NO_KERNELS,
            })?;
            return Ok((encoder, self.asked(precision, level)));
        }
        let device = self.weights.device();
        let faster = if device.is_cuda() {
            vec![Precision::Bf16]
        } else {
            dtype::faster(level)
        };
        if faster.is_empty() {
            let reason = "this processor has no instruction for products of bytes or of bf16";
            return Ok((self.encoder()?, Dtype::f32(reason)));
        }
        let mut calibration = None;
        let mut reasons = Vec::new();
        for precision in faster {
            let Some(encoder) = self.encoder_in(precision)? else {
                return Ok((self.encoder()?, Dtype::f32(NO_KERNELS)));
            };
            let calibration = match &mut calibration {
                Some(calibration) => calibration,
                none => none.insert(self.calibration()?),
            };
            let cosine = calibration.worst_cosine(encoder.as_ref())?;
            let (name, asked) = (precision.name(), dtype::parity(precision));
            reasons.push(format!(
                "the worst token state of the calibration text has cosine {cosine:.4} in {name}, \
                 and at least {asked} is asked"
            ));
            if cosine >= asked {
                let reason = reasons.join("; ");
                return Ok((encoder, Dtype { precision, reason }));
            }
        }
        Ok((self.encoder()?, Dtype::f32(&reasons.join("; "))))
    }

    /// What other precisions are held against; the encoder that read it in f32 is gone when this is there.
    fn calibration(&self) -> Result<Calibration, EncoderError> {
        Calibration::new(&self.tokenizer, &self.bert(Precision::F32)?)
    }

    /// A card multiplies all that it has kernels for.
    fn asked(&self, precision: Precision, level: Level) -> Dtype {
        if self.weights.device().is_cpu() {
            Dtype::asked(precision, level)
        } else {
            Dtype {
                precision,
                reason: "asked for".to_owned(),
            }
        }
    }

    /// The encoder with products in `precision`; `None` where there are no kernels for it.
    fn encoder_in(&self, precision: Precision) -> Result<Option<Box<dyn Encoder>>, EncoderError> {
        if precision == Precision::F32 {
            return self.encoder().map(Some);
        }
        if !matches!(self.config.family, Family::Bert) {
            return Ok(None);
        }
        if self.weights.device().is_cuda() && precision == Precision::Bf16 {
            let encoder = Bert::frozen(&self.weights, &self.config, precision)?;
            return Ok(Some(Box::new(encoder)));
        }
        let encoder = self.bert(precision)?;
        Ok(encoder
            .has_kernels()
            .then(|| Box::new(encoder) as Box<dyn Encoder>))
    }
}

/// Loads the encoder's tensors as f32, all shapes checked against the configuration.
///
/// Tensors that the encoder does not use (pooler, task heads, position ids) stay in the file.
///
/// # Errors
/// [`EncoderError`]: `missing_file`, `corrupt_weights`, `wrong_tensor_shape`, `io`.
pub fn load_weights(
    files: &dyn ModelFiles,
    config: &EncoderConfig,
    device: &Device,
    options: LoadOptions,
) -> Result<VarBuilder<'static>, EncoderError> {
    Ok(load_stored(files, config, device, options)?.in_f32(device))
}

/// The same as the file has them.
fn load_stored(
    files: &dyn ModelFiles,
    config: &EncoderConfig,
    device: &Device,
    options: LoadOptions,
) -> Result<StoredWeights, EncoderError> {
    let mut reader = WeightsReader::open_in(files, "", options)?;
    let prefix = find_prefix(&reader, config.architecture);
    let mut tensors = HashMap::new();
    for (name, shape) in expected_tensors(config) {
        let tensor = if layout::is_absent(config.architecture, &name) {
            Tensor::zeros(shape, DType::F32, device)?.into()
        } else {
            let stored = stored_name(&reader, config.architecture, &prefix, &name);
            reader.read_stored(&stored, Some(&shape), device)?
        };
        tensors.insert(name, tensor);
    }
    Ok(StoredWeights::new(tensors))
}

/// Names of the files that [`EncoderParts::load`] reads.
///
/// # Errors
/// [`EncoderError`]: `missing_file` without safetensors, `corrupt_weights`, `io`.
pub fn encoder_files(files: &dyn ModelFiles) -> Result<Vec<String>, EncoderError> {
    let Some(weights) = safetensors_names(files, "")? else {
        return Err(files.missing(WEIGHTS_FILE));
    };
    let mut names = vec![CONFIG_FILE.to_owned(), TOKENIZER_FILE.to_owned()];
    if weights != [WEIGHTS_FILE] {
        names.push(WEIGHTS_INDEX_FILE.to_owned());
    }
    names.extend(weights);
    Ok(names)
}

/// Loads every tensor of one safetensors file of a model as f32, by name.
///
/// # Errors
/// [`EncoderError`]: `missing_file`, `corrupt_weights`, `io`.
pub fn load_tensors(
    files: &dyn ModelFiles,
    name: &str,
    device: &Device,
) -> Result<HashMap<String, Tensor>, EncoderError> {
    WeightsReader::open_file(files, name)?.read_all(device)
}

/// The prefix of the encoder's tensors: none in a bare encoder, `bert.`, `roberta.` and so on
/// under a task head. Without any word embeddings it is empty, and reading reports the missing tensor.
fn find_prefix(reader: &WeightsReader<'_>, architecture: Architecture) -> String {
    let words = layout::word_embeddings(architecture);
    [String::new(), format!("{}.", architecture.weight_prefix())]
        .into_iter()
        .find(|prefix| reader.shape(&format!("{prefix}{words}")).is_some())
        .unwrap_or_default()
}

/// A tensor's name in the file.
fn stored_name(
    reader: &WeightsReader<'_>,
    architecture: Architecture,
    prefix: &str,
    name: &str,
) -> String {
    let stored = format!("{prefix}{name}");
    if reader.shape(&stored).is_some() {
        return stored;
    }
    layout::other_name(architecture, name)
        .map(|other| format!("{prefix}{other}"))
        .filter(|other| reader.shape(other).is_some())
        .unwrap_or(stored)
}

#[cfg(test)]
mod tests {
    use candle_core::safetensors::save;

    use super::*;
    use crate::encoder::files::Folder;
    use crate::error::ErrorCode;

    fn config() -> EncoderConfig {
        EncoderConfig::bert(11, 8, 2, 2, 16, 12).expect("valid")
    }

    fn random_tensors(config: &EncoderConfig) -> HashMap<String, Tensor> {
        expected_tensors(config)
            .into_iter()
            .map(|(name, shape)| {
                let tensor = Tensor::randn(0_f32, 1.0, shape, &Device::Cpu).expect("random");
                (name, tensor)
            })
            .collect()
    }

    fn load(tensors: &HashMap<String, Tensor>) -> Result<VarBuilder<'static>, EncoderError> {
        let folder = tempfile::tempdir().expect("folder");
        save(tensors, folder.path().join(WEIGHTS_FILE)).expect("saved");
        load_weights(
            &Folder::new(folder.path()),
            &config(),
            &Device::Cpu,
            LoadOptions::default(),
        )
    }

    fn renamed(
        tensors: &HashMap<String, Tensor>,
        rename: impl Fn(&str) -> String,
    ) -> HashMap<String, Tensor> {
        tensors
            .iter()
            .map(|(name, tensor)| (rename(name), tensor.clone()))
            .collect()
    }

    fn first_value(weights: &VarBuilder<'_>, name: &str, shape: &[usize]) -> f32 {
        let tensor = weights.get(shape, name).expect(name);
        tensor
            .flatten_all()
            .and_then(|t| t.get(0))
            .and_then(|t| t.to_scalar())
            .expect("f32")
    }

    #[test]
    fn names_with_and_without_a_prefix_and_legacy_norms_load_alike() {
        let tensors = random_tensors(&config());
        let name = "encoder.layer.1.output.LayerNorm.weight";
        let expected = tensors[name]
            .get(0)
            .and_then(|t| t.to_scalar::<f32>())
            .expect("f32");
        let mut with_head = renamed(&tensors, |name| format!("bert.{name}"));
        let head = Tensor::zeros((2, 8), DType::F32, &Device::Cpu).expect("head");
        with_head.insert("classifier.weight".to_owned(), head);
        let legacy = renamed(&tensors, |name| {
            let name = name.replace("LayerNorm.weight", "LayerNorm.gamma");
            format!("bert.{}", name.replace("LayerNorm.bias", "LayerNorm.beta"))
        });
        for tensors in [&tensors, &with_head, &legacy] {
            let weights = load(tensors).expect("loads");
            assert!((first_value(&weights, name, &[8]) - expected).abs() < f32::EPSILON);
        }
    }

    #[test]
    fn a_missing_tensor_and_a_wrong_shape_are_named() {
        let name = "encoder.layer.0.intermediate.dense.weight";
        let mut tensors = random_tensors(&config());
        let tensor = tensors.remove(name).expect("there");
        let error = load(&tensors).map(|_| ()).expect_err("missing");
        assert_eq!(error.code(), "wrong_tensor_shape");
        assert!(error.to_string().contains(name), "{error}");
        tensors.insert(
            name.to_owned(),
            tensor.t().and_then(|t| t.contiguous()).expect("turned"),
        );
        let error = load(&tensors).map(|_| ()).expect_err("turned");
        let message = format!("tensor `{name}`: expected shape [16, 8], found [8, 16]");
        assert_eq!(error.to_string(), message);
        let unrelated = renamed(&tensors, |name| format!("other.{name}"));
        let error = load(&unrelated).map(|_| ()).expect_err("unrelated");
        assert!(
            error
                .to_string()
                .contains("embeddings.word_embeddings.weight"),
            "{error}"
        );
    }

    #[test]
    fn a_folder_without_weights_names_the_file() {
        let folder = tempfile::tempdir().expect("folder");
        let error = load_weights(
            &Folder::new(folder.path()),
            &config(),
            &Device::Cpu,
            LoadOptions::default(),
        )
        .map(|_| ())
        .expect_err("missing");
        assert_eq!(error.code(), "missing_file");
        assert!(error.to_string().contains(WEIGHTS_FILE), "{error}");
    }
}
