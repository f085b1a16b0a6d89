//! Attention over packed sequences, everywhere or to the surroundings only.

use std::sync::Arc;

use candle_core::{Device, Result, Tensor};

use super::super::layers::{join_heads, softmax, split_heads};
use super::super::ops::{self, Packed};

/// Queries that are compared with their keys at a time: bounds the memory of the scores.
const BLOCK: usize = 256;

/// Context `[total, hidden]` of `qkv` `[total, 3 · hidden]`, queries and keys turned already.
/// A token sees `reach` tokens to either side and itself, or its whole sequence.
pub(super) fn attention(
    qkv: &Tensor,
    offsets: &Arc<Packed>,
    heads: usize,
    reach: Option<usize>,
) -> Result<Tensor> {
    let longest = offsets.windows(2).map(|pair| pair[1] - pair[0]).max();
    let sees_all = reach.is_none_or(|reach| longest.is_none_or(|longest| longest <= reach + 1));
    if sees_all && qkv.device().is_cpu() {
        return ops::attention(qkv, offsets, heads);
    }
    blocks(qkv, offsets, heads, reach)
}

/// The same by plain tensors, block by block of queries.
fn blocks(qkv: &Tensor, offsets: &[usize], heads: usize, reach: Option<usize>) -> Result<Tensor> {
    let hidden = qkv.dim(1)? / 3;
    let scale = 1.0 / ((hidden / heads) as f64).sqrt();
    let mut contexts = Vec::new();
    for pair in offsets.windows(2) {
        let tokens = pair[1] - pair[0];
        let rows = qkv.narrow(0, pair[0], tokens)?;
        let part = |i: usize| split_heads(&rows.narrow(1, i * hidden, hidden)?, heads);
        let (query, key, value) = ((part(0)? * scale)?, part(1)?, part(2)?);
        let key = key.transpose(1, 2)?.contiguous()?;
        for start in (0..tokens).step_by(BLOCK) {
            let end = tokens.min(start + BLOCK);
            let (from, to) = match reach {
                Some(reach) => (start.saturating_sub(reach), tokens.min(end + reach)),
                None => (0, tokens),
            };
            let mut scores = query
                .narrow(1, start, end - start)?
                .contiguous()?
                .matmul(&key.narrow(2, from, to - from)?.contiguous()?)?;
            if let Some(reach) = reach {
                let mask = band(start..end, from..to, reach, qkv.device())?;
                scores = scores.broadcast_add(&mask.to_dtype(scores.dtype())?)?;
            }
            let value = value.narrow(1, from, to - from)?.contiguous()?;
            contexts.push(join_heads(&softmax(&scores)?.matmul(&value)?)?);
        }
    }
    Tensor::cat(&contexts, 0)
}

/// What is added to the scores, `[1, queries, keys]`: nothing within reach, else minus infinity.
/// Every query has itself among its keys, so no row is without a finite score.
fn band(
    queries: std::ops::Range<usize>,
    keys: std::ops::Range<usize>,
    reach: usize,
    device: &Device,
) -> Result<Tensor> {
    let shape = (1, queries.len(), keys.len());
    let mask: Vec<f32> = queries
        .flat_map(|query| {
            keys.clone().map(move |key| {
                if query.abs_diff(key) <= reach {
                    0.0
                } else {
                    f32::NEG_INFINITY
                }
            })
        })
        .collect();
    Tensor::from_vec(mask, shape, device)
}

#[cfg(test)]
mod tests {
    use super::super::super::ops::testing::{distance, values};
    use super::*;

    #[test]
    fn blocks_are_the_packed_attention_when_all_is_in_reach() -> Result<()> {
        let offsets = Arc::new(Packed::new(vec![0, 1, 8, 2 * BLOCK + 30]));
        let total = 2 * BLOCK + 30;
        let qkv = (values(&[total, 3 * 16], 9)? * 2.0)?;
        let packed = ops::attention(&qkv, &offsets, 2)?;
        for reach in [None, Some(total)] {
            let found = blocks(&qkv, &offsets, 2, reach)?;
            assert!(distance(&packed, &found)? < 1e-5);
            let found = attention(&qkv, &offsets, 2, reach)?;
            assert!(distance(&packed, &found)? < 1e-5);
        }
        Ok(())
    }

    #[test]
    fn a_token_out_of_reach_changes_nothing() -> Result<()> {
        let (total, reach) = (3 * BLOCK, 5);
        let offsets = Arc::new(Packed::new(vec![0, total]));
        let qkv = values(&[total, 3 * 16], 3)?;
        let context = attention(&qkv, &offsets, 2, Some(reach))?;
        let middle = BLOCK;
        let noise = values(&[1, 3 * 16], 4)?;
        let other = Tensor::cat(
            &[
                qkv.narrow(0, 0, middle)?,
                noise,
                qkv.narrow(0, middle + 1, total - middle - 1)?,
            ],
            0,
        )?;
        let changed = attention(&other, &offsets, 2, Some(reach))?;
        for token in 0..total {
            let moved = distance(&context.get(token)?, &changed.get(token)?)? > 0.0;
            assert_eq!(moved, token.abs_diff(middle) <= reach, "token {token}");
        }
        Ok(())
    }
}
