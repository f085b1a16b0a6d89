//! The model: encoder, heads, tokenizer and registry together.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device};
use candle_nn::VarBuilder;

use super::answer::Output;
use super::prepare::Task;
use super::{PredictError, TopicNames};
use crate::actors::{Matcher, Registry};
use crate::document::{Document, Options};
use crate::encoder::Encoder;
use crate::encoder::dtype::{Dtype, DtypeChoice};
use crate::encoder::files::ModelFiles;
use crate::encoder::hub::HubOptions;
use crate::encoder::load::EncoderParts;
use crate::encoder::tokenizer::TextTokenizer;
use crate::encoder::weights::WeightsReader;
use crate::heads::stance::StanceHead;
use crate::heads::topic::TopicHead;
use crate::heads::{HeadsConfig, tensor_shapes};
use crate::prediction::{ModelInfo, Prediction};

/// Configuration of the heads inside a model folder.
pub const HEADS_CONFIG_FILE: &str = "stance.json";
/// Weights of the heads inside a model folder.
pub const HEADS_FILE: &str = "heads.safetensors";

/// Tokens that go through the encoder together: enough for full matrix products, and an upper
/// bound of what its states take in memory.
pub const BATCH_TOKENS: usize = 4096;

/// Reads documents: which topics, which actors, which stances.
pub struct Predictor {
    encoder: Box<dyn Encoder>,
    dtype: Dtype,
    pub(super) tokenizer: TextTokenizer,
    pub(super) stance: StanceHead,
    pub(super) topic: TopicHead,
    config: HeadsConfig,
    pub(super) topics: TopicNames,
    registry: Registry,
    pub(super) matcher: Arc<Matcher>,
    pub(super) info: ModelInfo,
}

impl Predictor {
    /// Opens the model that `name` means (`default`, a folder, or a hub id) and builds it.
    ///
    /// # Errors
    /// As [`crate::model::open`] and [`Predictor::from_files`].
    pub fn load(
        name: &str,
        hub: &HubOptions,
        device: &Device,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        Self::load_as(name, hub, device, DtypeChoice::F32, registry)
    }

    /// The same with the encoder in another precision than f32.
    ///
    /// # Errors
    /// As [`Predictor::load`], or a precision that the model cannot be run in here.
    pub fn load_as(
        name: &str,
        hub: &HubOptions,
        device: &Device,
        dtype: DtypeChoice,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        let folder = crate::model::open(name, hub)?;
        let manifest = folder.manifest();
        let info = ModelInfo {
            name: manifest.info.name.clone(),
            version: manifest.info.version.clone(),
            sha256: folder.sha256().to_owned(),
        };
        Self::from_files_as(&folder, device, dtype, info, registry)
    }

    /// Builds the model from its files, which `info` names.
    ///
    /// # Errors
    /// When a file is missing or corrupt, or the files do not fit each other.
    pub fn from_files(
        files: &dyn ModelFiles,
        device: &Device,
        info: ModelInfo,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        Self::from_files_as(files, device, DtypeChoice::F32, info, registry)
    }

    /// The same with the encoder in another precision than f32.
    ///
    /// # Errors
    /// As [`Predictor::from_files`], or a precision that the model cannot be run in here.
    pub fn from_files_as(
        files: &dyn ModelFiles,
        device: &Device,
        dtype: DtypeChoice,
        info: ModelInfo,
        registry: Registry,
    ) -> Result<Self, PredictError> {
        // The two longest steps of a start.
        let (encoder, matcher) = rayon::join(
            || -> Result<_, PredictError> {
                let parts = EncoderParts::load(files, device)?;
                let (encoder, dtype) = parts.encoder_as(dtype)?;
                let EncoderParts {
                    config, tokenizer, ..
                } = parts;
                Ok((encoder, dtype, config, tokenizer))
            },
            || Matcher::new(&registry, None),
        );
        let (encoder, dtype, config, tokenizer) = encoder?;
        let matcher = Arc::new(matcher?);
        let precision = dtype.precision;
        tracing::info!(?precision, reason = dtype.reason, "chose the precision");
        let text = files.require(HEADS_CONFIG_FILE)?;
        let heads: HeadsConfig = serde_json::from_slice(&text)
            .map_err(|error| PredictError::InvalidHeads(error.to_string()))?;
        heads
            .validate(config.hidden_size, config.max_tokens())
            .map_err(PredictError::InvalidHeads)?;
        let mut reader = WeightsReader::open_file(files, HEADS_FILE)?;
        let mut weights = HashMap::new();
        for (name, shape) in tensor_shapes(&heads, config.hidden_size) {
            weights.insert(name.clone(), reader.read(&name, Some(&shape), device)?);
        }
        let weights = VarBuilder::from_tensors(weights, DType::F32, device);
        Ok(Self {
            encoder,
            dtype,
            tokenizer,
            stance: StanceHead::load(&weights, &heads, config.hidden_size)?,
            topic: TopicHead::load(&weights, &heads, config.hidden_size)?,
            config: heads,
            topics: TopicNames::embedded()?,
            registry,
            matcher,
            info,
        })
    }

    /// What the encoder multiplies in, and why.
    pub fn dtype(&self) -> &Dtype {
        &self.dtype
    }

    /// Which model this is.
    pub fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    /// The actors that are looked for when a document brings none.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// How the heads were built and calibrated.
    pub fn heads(&self) -> &HeadsConfig {
        &self.config
    }

    /// The encoder.
    pub fn encoder(&self) -> &dyn Encoder {
        self.encoder.as_ref()
    }

    /// The same with its encoder changed.
    #[cfg(test)]
    pub(crate) fn with_encoder(
        self,
        change: impl FnOnce(Box<dyn Encoder>) -> Box<dyn Encoder>,
    ) -> Self {
        Self {
            encoder: change(self.encoder),
            ..self
        }
    }

    /// Judges every document; each has its own answer or error, in their order. The windows of
    /// all documents share the encoder's batches.
    pub fn classify(
        &self,
        documents: &[Document],
        options: &Options,
    ) -> Vec<Result<Prediction, PredictError>> {
        self.run(Task::Full, documents.to_vec(), options.clone())
            .into_iter()
            .map(|output| output.and_then(Output::into_prediction))
            .collect()
    }

    /// Pooled vectors `[texts][hidden]`, of length 1, of whole texts as they stand: nothing is
    /// set aside, windows are averaged by their tokens.
    ///
    /// # Errors
    /// When a text is empty or too long, or the device fails.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, PredictError> {
        let documents = texts
            .iter()
            .map(|text| Document {
                text: (*text).to_owned(),
                ..Document::default()
            })
            .collect();
        self.run(Task::Embedding, documents, Options::default())
            .into_iter()
            .map(|output| output?.into_embedding().map(|said| said.vector))
            .collect()
    }

    /// All documents at once, as one [`super::Group`].
    fn run(
        &self,
        task: Task,
        documents: Vec<Document>,
        options: Options,
    ) -> Vec<Result<Output, PredictError>> {
        let brief = match self.brief(task, options) {
            Ok(brief) => Arc::new(brief),
            Err(error) => {
                let shared = |_| Err(PredictError::shared(&error));
                return documents.iter().map(shared).collect();
            }
        };
        let documents = documents
            .into_iter()
            .map(|document| Ok((Arc::clone(&brief), document)));
        let mut group = self.prepare_group(documents.collect());
        self.encode_group(&mut group);
        self.finish_group(group)
    }
}
