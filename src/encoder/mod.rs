//! Token ids in, token states out.
//!
//! [`Encoder`] is the small trait that everything above stands on; [`bert`] is the BERT and
//! XLM-R family. Sequences are packed one after the other, without padding, and
//! [`TokenStates`] says where each begins.

pub mod batch;
pub mod bert;
pub mod config;
pub mod cpu;
pub mod device;
pub mod dtype;
pub mod error;
pub mod files;
pub mod hub;
pub mod load;
pub mod ops;
pub mod tokenizer;
pub mod weights;

use candle_core::{Device, Tensor};

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
