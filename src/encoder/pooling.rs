//! One vector for a sequence of token states.

use candle_core::{Result, Tensor};

use super::TokenStates;

/// Mean of the states of each sequence, special tokens included, `[sequences, hidden]`: the
/// pooling of sentence-transformers (Reimers & Gurevych 2019, arXiv 1908.10084).
///
/// # Errors
/// When the device fails.
pub fn mean_pool(states: &TokenStates) -> Result<Tensor> {
    let (total, _) = states.states.dims2()?;
    let sequences = states.sequences();
    let mut weights = vec![0.0f32; sequences * total];
    for i in 0..sequences {
        let (start, end) = (states.offsets[i], states.offsets[i + 1]);
        weights[i * total + start..i * total + end].fill(1.0 / (end - start) as f32);
    }
    Tensor::from_vec(weights, (sequences, total), states.states.device())?.matmul(&states.states)
}

/// State of the first token of each sequence, `[sequences, hidden]`.
///
/// # Errors
/// When the device fails.
pub fn first_pool(states: &TokenStates) -> Result<Tensor> {
    let sequences = states.sequences();
    let first: Vec<u32> = states.offsets[..sequences]
        .iter()
        .map(|&start| start as u32)
        .collect();
    let first = Tensor::from_vec(first, sequences, states.states.device())?;
    states.states.index_select(&first, 0)
}
