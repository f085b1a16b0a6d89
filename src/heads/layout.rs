//! Bringing packed windows and their queries into padded blocks for batched products.

use candle_core::{Device, Result, Tensor, bail};

use super::stance::Query;
use crate::encoder::TokenStates;

/// Value that takes a position out of a softmax.
const MASKED: f32 = -1e9;

/// Signed distance buckets: 0 for the mention itself, then 1, 2, 3–4, 5–8, 9–16, 17–32, 33–64,
/// more, after the mention and (from 9 on) before it; the last is for names in front of the text.
pub const DISTANCE_BUCKETS: usize = 18;

/// Bucket of a token that stands `distance` tokens after (negative: before) the nearest mention.
pub fn bucket(distance: Option<i64>) -> usize {
    let Some(distance) = distance else {
        return DISTANCE_BUCKETS - 1;
    };
    let magnitude = match distance.unsigned_abs() {
        0 => return 0,
        n @ 1..=2 => n as usize,
        3..=4 => 3,
        5..=8 => 4,
        9..=16 => 5,
        17..=32 => 6,
        33..=64 => 7,
        _ => 8,
    };
    if distance > 0 {
        magnitude
    } else {
        magnitude + 8
    }
}

/// A batch of queries as dense blocks: `b` windows of `l` tokens with `q` queries each.
pub struct Blocks {
    /// Row of the packed states for each padded token, `[b · l]`.
    pub gather: Tensor,
    /// Weights whose product with the states is the mean of the mention tokens, `[b, q, l]`.
    pub mention: Tensor,
    /// The same for the mean of the scope, `[b, q, l]`.
    pub scope: Tensor,
    /// 0 inside the scope and very negative outside, `[b, 1, q, l]`.
    pub mask: Tensor,
    /// Distance bucket of each token, `[b · q · l]`.
    pub buckets: Tensor,
    /// 1 for a query whose mention is a name in front of the text, else 0, `[b · q]`.
    pub paired: Tensor,
    /// Where each query stands among the padded ones, `[queries]`.
    pub scatter: Tensor,
    /// Windows, queries per window, tokens per window.
    pub dims: (usize, usize, usize),
}

impl Blocks {
    /// Lays out `queries` over `states`; queries keep their order in the result.
    pub fn new(states: &TokenStates, queries: &[Query], device: &Device) -> Result<Self> {
        let b = states.sequences();
        let l = (0..b).map(|i| states.len(i)).max().unwrap_or(0);
        let mut slots = vec![0usize; b];
        let mut places = Vec::with_capacity(queries.len());
        for query in queries {
            check(states, query)?;
            places.push((query.sequence, slots[query.sequence]));
            slots[query.sequence] += 1;
        }
        let q = slots.iter().copied().max().unwrap_or(0);
        let mut gather = Vec::with_capacity(b * l);
        for i in 0..b {
            let (start, length) = (states.offsets[i], states.len(i));
            gather.extend((0..l).map(|j| (start + j.min(length - 1)) as u32));
        }
        let mut mention = vec![0.0f32; b * q * l];
        let mut scope = vec![0.0f32; b * q * l];
        // A padded query attends everywhere: its row stays finite and nobody reads it.
        let mut mask = vec![0.0f32; b * q * l];
        let mut buckets = vec![0u32; b * q * l];
        let mut paired = vec![0u32; b * q];
        let mut scatter = Vec::with_capacity(queries.len());
        for (query, &(window, slot)) in queries.iter().zip(&places) {
            let row = window * q + slot;
            let at = row * l;
            scatter.push(row as u32);
            paired[row] = u32::from(query.paired);
            let tokens: usize = query.mentions.iter().map(ExactSizeIterator::len).sum();
            for j in query.mentions.iter().flat_map(Clone::clone) {
                mention[at + j] = 1.0 / tokens as f32;
            }
            let inside = 1.0 / query.scope.len() as f32;
            for j in 0..l {
                if query.scope.contains(&j) {
                    scope[at + j] = inside;
                    buckets[at + j] = bucket(query.distance(j)) as u32;
                } else {
                    mask[at + j] = MASKED;
                }
            }
        }
        Ok(Self {
            gather: Tensor::from_vec(gather, b * l, device)?,
            mention: Tensor::from_vec(mention, (b, q, l), device)?,
            scope: Tensor::from_vec(scope, (b, q, l), device)?,
            mask: Tensor::from_vec(mask, (b, 1, q, l), device)?,
            buckets: Tensor::from_vec(buckets, b * q * l, device)?,
            paired: Tensor::from_vec(paired, b * q, device)?,
            scatter: Tensor::from_vec(scatter, queries.len(), device)?,
            dims: (b, q, l),
        })
    }
}

fn check(states: &TokenStates, query: &Query) -> Result<()> {
    if query.sequence >= states.sequences() {
        bail!(
            "stance query of window {}: there are {}",
            query.sequence,
            states.sequences()
        );
    }
    let length = states.len(query.sequence);
    if query.scope.is_empty() || query.scope.end > length {
        bail!(
            "stance query: scope {:?} does not lie in {length} tokens",
            query.scope
        );
    }
    if let Some(m) = query
        .mentions
        .iter()
        .find(|m| m.is_empty() || m.end > length)
    {
        bail!("stance query: mention {m:?} does not lie in {length} tokens");
    }
    if query.mentions.is_empty() {
        bail!("stance query without a mention");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{DISTANCE_BUCKETS, bucket};

    #[test]
    fn buckets_are_signed_and_bounded() {
        assert_eq!(bucket(None), DISTANCE_BUCKETS - 1);
        assert_eq!(bucket(Some(0)), 0);
        assert_ne!(bucket(Some(3)), bucket(Some(-3)));
        assert_eq!(bucket(Some(3)), bucket(Some(4)));
        for d in -500..500 {
            assert!(bucket(Some(d)) < DISTANCE_BUCKETS - 1);
        }
    }
}
