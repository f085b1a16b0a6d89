//! One vector for a text, as sentence-transformers computes it: prefix, encoder, pooling, dense
//! layers, length 1.
//!
//! The steps are read from the files that sentence-transformers writes beside an encoder, see
//! [`EmbeddingConfig`]. `LaBSE`'s dense layer is one of them; BERT's own pooler, which
//! sentence-transformers does not use either, is not.

mod config;

use candle_core::{DType, Device, Tensor};

use super::batch;
use super::error::EncoderError;
use super::files::ModelFiles;
use super::load::{EncoderParts, LoadOptions};
use super::pooling::{first_pool, mean_pool};
use super::tokenizer::TextTokenizer;
use super::weights::WeightsReader;
use super::{Encoder, ops};

pub use config::{DenseConfig, EmbeddingConfig, MODULES_FILE, PROMPTS_FILE, Pooling, Step};

/// Tokens that go through the encoder together.
const BATCH_TOKENS: usize = 4096;

/// A step after pooling, with its weights.
enum Stage {
    Dense {
        weight: Tensor,
        bias: Option<Tensor>,
        tanh: bool,
    },
    Normalize,
}

/// A model that makes a vector of a text.
pub struct Embedder {
    encoder: Box<dyn Encoder>,
    tokenizer: TextTokenizer,
    config: EmbeddingConfig,
    stages: Vec<Stage>,
}

impl Embedder {
    /// Loads an encoder and the steps after it.
    ///
    /// # Errors
    /// As [`EncoderParts::load`] and [`EmbeddingConfig::read`].
    pub fn load(
        files: &dyn ModelFiles,
        device: &Device,
        options: LoadOptions,
    ) -> Result<Self, EncoderError> {
        let config = EmbeddingConfig::read(files)?;
        let parts = EncoderParts::load_with(files, device, options)?;
        let encoder = parts.encoder()?;
        let mut width = encoder.info().hidden;
        let mut stages = Vec::with_capacity(config.steps.len());
        for step in &config.steps {
            stages.push(match step {
                Step::Normalize => Stage::Normalize,
                Step::Dense(dense) => {
                    if dense.inputs != width {
                        let message = format!("{} inputs for vectors of {width}", dense.inputs);
                        return Err(config::invalid(&dense.file("config.json"), message));
                    }
                    width = dense.outputs;
                    load_dense(files, dense, device, options)?
                }
            });
        }
        Ok(Self {
            encoder,
            tokenizer: parts.tokenizer,
            config,
            stages,
        })
    }

    /// How vectors are made.
    pub fn config(&self) -> &EmbeddingConfig {
        &self.config
    }

    /// The vector of each text, `[texts][width]`, `prefix` put before each: what a model wants
    /// there is among [`EmbeddingConfig::prompts`], such as `query: `.
    ///
    /// A text is read whole. sentence-transformers cuts what is longer than its `max_seq_length`,
    /// which for some models is less than their encoder reads.
    ///
    /// # Errors
    /// [`EncoderError::SequenceTooLong`] for a text of more tokens than the encoder reads, by its
    /// place in `texts`; else as [`TextTokenizer::encode`] and [`Encoder::encode`].
    pub fn embed(&self, texts: &[&str], prefix: &str) -> Result<Vec<Vec<f32>>, EncoderError> {
        let limit = self.encoder.info().max_tokens;
        let mut sequences = Vec::with_capacity(texts.len());
        for (number, text) in texts.iter().enumerate() {
            let text = format!("{prefix}{text}");
            // sentence-transformers reads a text without the white space at its ends.
            let text = text.trim();
            let whole = 0..text.len();
            let tokens = self.tokenizer.encode(text, std::slice::from_ref(&whole))?;
            let ids = self.tokenizer.wrap(&tokens.ids);
            if ids.len() > limit {
                return Err(EncoderError::SequenceTooLong {
                    sequence: number,
                    tokens: ids.len(),
                    limit,
                });
            }
            sequences.push(ids);
        }
        let lengths: Vec<usize> = sequences.iter().map(Vec::len).collect();
        let mut vectors = vec![Vec::new(); texts.len()];
        for members in batch::plan(&lengths, BATCH_TOKENS) {
            let ids: Vec<&[u32]> = members.iter().map(|&i| sequences[i].as_slice()).collect();
            let states = self.encoder.encode(&ids)?;
            let mut pooled = match self.config.pooling {
                Pooling::Mean => mean_pool(&states)?,
                Pooling::Cls => first_pool(&states)?,
            };
            for stage in &self.stages {
                pooled = stage.forward(&pooled)?;
            }
            let rows: Vec<Vec<f32>> = pooled.to_dtype(DType::F32)?.to_vec2()?;
            for (row, member) in rows.into_iter().zip(members) {
                vectors[member] = row;
            }
        }
        Ok(vectors)
    }
}

impl Stage {
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        match self {
            Self::Dense { weight, bias, tanh } => {
                let y = match bias {
                    Some(bias) => ops::linear(x, weight, bias)?,
                    None => x.matmul(&weight.t()?)?,
                };
                if *tanh { y.tanh() } else { Ok(y) }
            }
            Self::Normalize => {
                let length = x.sqr()?.sum_keepdim(1)?.sqrt()?;
                x.broadcast_div(&length.clamp(1e-12, f64::MAX)?)
            }
        }
    }
}

fn load_dense(
    files: &dyn ModelFiles,
    dense: &DenseConfig,
    device: &Device,
    options: LoadOptions,
) -> Result<Stage, EncoderError> {
    let mut reader = WeightsReader::open_in(files, &format!("{}/", dense.folder), options)?;
    let shape = [dense.outputs, dense.inputs];
    Ok(Stage::Dense {
        weight: reader.read("linear.weight", Some(&shape), device)?,
        bias: dense
            .bias
            .then(|| reader.read("linear.bias", Some(&shape[..1]), device))
            .transpose()?,
        tanh: dense.tanh,
    })
}
