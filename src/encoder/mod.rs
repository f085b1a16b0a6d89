//! Token ids in, token states out.
//!
//! [`Encoder`] is the small trait that everything above stands on; [`bert`] is the BERT and
//! XLM-R family, [`deberta`] and [`modernbert`] are the others. Sequences are packed one after the
//! other, without padding, and [`TokenStates`] says where each begins.

pub mod batch;
pub mod bert;
pub mod config;
pub mod cpu;
pub mod deberta;
pub mod device;
pub mod dtype;
pub mod embed;
pub mod error;
pub mod files;
pub mod hub;
mod layers;
mod layout;
pub mod load;
pub mod modernbert;
pub mod ops;
pub mod pooling;
pub mod stored;
pub mod tokenizer;
pub mod weights;

use candle_core::{DType, Device, Tensor};

pub use config::EncoderConfig;
pub use error::EncoderError;
pub use tokenizer::{TextTokenizer, Tokens};

/// What an encoder is.
#[derive(Debug, Clone)]
pub struct EncoderInfo {
    /// Architecture by its `model_type` in `config.json`, such as `bert`.
    pub architecture: String,
    /// Width of a token state.
    pub hidden: usize,
    /// Number of transformer layers.
    pub layers: usize,
    /// Longest sequence in tokens, special tokens included.
    pub max_tokens: usize,
    /// Rows of the embedding matrix.
    pub vocab: usize,
    /// Where the weights live.
    pub device: Device,
}

impl EncoderInfo {
    /// What an encoder of this configuration is, with its weights on `device`.
    pub(crate) fn of(config: &EncoderConfig, device: &Device) -> Self {
        Self {
            architecture: config.architecture.model_type().to_owned(),
            hidden: config.hidden_size,
            layers: config.num_hidden_layers,
            max_tokens: config.max_tokens(),
            vocab: config.vocab_size,
            device: device.clone(),
        }
    }

    /// Whether the encoder can read `sequences`.
    pub(crate) fn check(&self, sequences: &[&[u32]]) -> Result<(), EncoderError> {
        for (sequence, ids) in sequences.iter().enumerate() {
            if ids.is_empty() {
                return Err(EncoderError::EmptySequence { sequence });
            }
            if ids.len() > self.max_tokens {
                return Err(EncoderError::SequenceTooLong {
                    sequence,
                    tokens: ids.len(),
                    limit: self.max_tokens,
                });
            }
            if let Some(&id) = ids.iter().find(|&&id| id as usize >= self.vocab) {
                return Err(EncoderError::TokenOutOfRange {
                    id,
                    vocab: self.vocab,
                });
            }
        }
        Ok(())
    }
}

/// Reads sequences of token ids.
pub trait Encoder: Send + Sync {
    /// What this encoder is.
    fn info(&self) -> &EncoderInfo;

    /// Encodes `sequences` in one pass; each holds its special tokens already.
    ///
    /// # Errors
    /// When a sequence is empty or longer than [`EncoderInfo::max_tokens`], an id lies outside
    /// the vocabulary, or the device fails.
    fn encode(&self, sequences: &[&[u32]]) -> Result<TokenStates, EncoderError>;
}

/// States of several sequences, packed.
#[derive(Debug, Clone)]
pub struct TokenStates {
    /// `[total tokens, hidden]`, f32.
    pub states: Tensor,
    /// Where each sequence begins; one more entry than there are sequences.
    pub offsets: Vec<usize>,
}

impl TokenStates {
    /// The states of no sequence.
    pub(crate) fn none(info: &EncoderInfo) -> candle_core::Result<Self> {
        Ok(Self {
            states: Tensor::zeros((0, info.hidden), DType::F32, &info.device)?,
            offsets: vec![0],
        })
    }

    /// How many sequences there are.
    pub fn sequences(&self) -> usize {
        self.offsets.len().saturating_sub(1)
    }

    /// Length of sequence `i` in tokens.
    pub fn len(&self, i: usize) -> usize {
        self.offsets[i + 1] - self.offsets[i]
    }

    /// Whether there are no sequences at all.
    pub fn is_empty(&self) -> bool {
        self.sequences() == 0
    }
}

/// Offsets of sequences of these lengths when packed one after the other.
pub fn offsets_of(lengths: impl IntoIterator<Item = usize>) -> Vec<usize> {
    let mut offsets = vec![0];
    let mut end = 0;
    for length in lengths {
        end += length;
        offsets.push(end);
    }
    offsets
}
