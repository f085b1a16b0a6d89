//! Self-attention over packed sequences (Vaswani et al. 2017, arXiv 1706.03762): every sequence
//! attends to itself alone, and no padding exists.
//!
//! The backward pass recomputes the attention probabilities instead of storing them, as
//! `FlashAttention` does (Dao et al. 2022, arXiv 2205.14135).

use std::sync::Arc;

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, D, DType, Layout, Result, Shape, Tensor, bail,
};
use rayon::prelude::*;

use super::rows::{exp, f32_slice};

/// Where the heads of one packed `[total, 3 · hidden]` matrix lie.
#[derive(Clone)]
struct Attention {
    offsets: Arc<Vec<usize>>,
    heads: usize,
}

/// One head of one sequence: everything that a task needs to find its rows.
#[derive(Clone, Copy)]
struct Head {
    start: usize,
    tokens: usize,
    index: usize,
}

impl Attention {
    fn tasks(&self) -> Vec<Head> {
        let mut tasks = Vec::with_capacity((self.offsets.len() - 1) * self.heads);
        for pair in self.offsets.windows(2) {
            for index in 0..self.heads {
                tasks.push(Head {
                    start: pair[0],
                    tokens: pair[1] - pair[0],
                    index,
                });
            }
        }
        tasks
    }
}

/// Copies one head's columns into `[dim, tokens]`, so that loops over tokens are contiguous.
fn transposed(qkv: &[f32], width: usize, head: Head, dim: usize, block: usize) -> Vec<f32> {
    let mut out = vec![0.0; dim * head.tokens];
    for j in 0..head.tokens {
        let row = &qkv[(head.start + j) * width + block + head.index * dim..][..dim];
        for (d, x) in row.iter().enumerate() {
            out[d * head.tokens + j] = *x;
        }
    }
    out
}

/// `out[j] = scale · Σ_d row[d] · columns[d][j]`.
fn products(row: &[f32], columns: &[f32], scale: f32, out: &mut [f32]) {
    let tokens = out.len();
    out.fill(0.0);
    for (d, x) in row.iter().enumerate() {
        let x = x * scale;
        for (o, c) in out.iter_mut().zip(&columns[d * tokens..(d + 1) * tokens]) {
            *o += x * c;
        }
    }
}

fn softmax(row: &mut [f32]) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for x in row.iter_mut() {
        *x = exp(*x - max);
    }
    let inv = 1.0 / super::rows::lane_sum(row.len(), |i| row[i]);
    for x in row.iter_mut() {
        *x *= inv;
    }
}

/// Context of one head, `[tokens, dim]`.
fn forward_head(qkv: &[f32], width: usize, head: Head, dim: usize) -> Vec<f32> {
    let hidden = width / 3;
    let keys = transposed(qkv, width, head, dim, hidden);
    let scale = 1.0 / (dim as f32).sqrt();
    let mut probs = vec![0.0; head.tokens];
    let mut out = vec![0.0; head.tokens * dim];
    for i in 0..head.tokens {
        let query = &qkv[(head.start + i) * width + head.index * dim..][..dim];
        products(query, &keys, scale, &mut probs);
        softmax(&mut probs);
        let context = &mut out[i * dim..(i + 1) * dim];
        for (j, p) in probs.iter().enumerate() {
            let value = &qkv[(head.start + j) * width + 2 * hidden + head.index * dim..][..dim];
            for (c, v) in context.iter_mut().zip(value) {
                *c += p * v;
            }
        }
    }
    out
}

/// Gradients of one head's queries, keys and values, each `[tokens, dim]`.
fn backward_head(qkv: &[f32], grad: &[f32], width: usize, head: Head, dim: usize) -> [Vec<f32>; 3] {
    let hidden = width / 3;
    let (tokens, column) = (head.tokens, head.index * dim);
    let keys = transposed(qkv, width, head, dim, hidden);
    let values = transposed(qkv, width, head, dim, 2 * hidden);
    let scale = 1.0 / (dim as f32).sqrt();
    let (mut probs, mut dprobs) = (vec![0.0; tokens], vec![0.0; tokens]);
    let mut out = [
        vec![0.0; tokens * dim],
        vec![0.0; tokens * dim],
        vec![0.0; tokens * dim],
    ];
    let [dq, dk, dv] = &mut out;
    for i in 0..tokens {
        let query = &qkv[(head.start + i) * width + column..][..dim];
        let g = &grad[(head.start + i) * hidden + column..][..dim];
        products(query, &keys, scale, &mut probs);
        softmax(&mut probs);
        products(g, &values, 1.0, &mut dprobs);
        let inner = super::rows::lane_sum(tokens, |j| probs[j] * dprobs[j]);
        let dq = &mut dq[i * dim..(i + 1) * dim];
        for j in 0..tokens {
            let ds = probs[j] * (dprobs[j] - inner) * scale;
            let key = &qkv[(head.start + j) * width + hidden + column..][..dim];
            let (dk, dv) = (
                &mut dk[j * dim..(j + 1) * dim],
                &mut dv[j * dim..(j + 1) * dim],
            );
            for d in 0..dim {
                dq[d] += ds * key[d];
                dk[d] += ds * query[d];
                dv[d] += probs[j] * g[d];
            }
        }
    }
    out
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (total, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let dim = hidden / self.heads;
        let qkv = f32_slice(qkv, layout, "attention qkv")?;
        let parts: Vec<(Head, Vec<f32>)> = self
            .tasks()
            .into_par_iter()
            .map(|head| (head, forward_head(qkv, width, head, dim)))
            .collect();
        let mut out = vec![0.0; total * hidden];
        for (head, part) in parts {
            for (i, row) in part.chunks_exact(dim).enumerate() {
                out[(head.start + i) * hidden + head.index * dim..][..dim].copy_from_slice(row);
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((total, hidden))))
    }

    fn bwd(&self, qkv: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(qkv.apply_op2_no_bwd(
            &grad.contiguous()?,
            &AttentionGrad(self.clone()),
        )?))
    }
}

struct AttentionGrad(Attention);

impl CustomOp2 for AttentionGrad {
    fn name(&self) -> &'static str {
        "attention-grad"
    }

    fn cpu_fwd(
        &self,
        qkv: &CpuStorage,
        layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (total, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let dim = hidden / self.0.heads;
        let qkv = f32_slice(qkv, layout, "attention qkv")?;
        let grad = f32_slice(grad, grad_layout, "attention grad")?;
        let parts: Vec<(Head, [Vec<f32>; 3])> = self
            .0
            .tasks()
            .into_par_iter()
            .map(|head| (head, backward_head(qkv, grad, width, head, dim)))
            .collect();
        let mut out = vec![0.0; total * width];
        for (head, blocks) in parts {
            for (block, part) in blocks.iter().enumerate() {
                for (i, row) in part.chunks_exact(dim).enumerate() {
                    let at = (head.start + i) * width + block * hidden + head.index * dim;
                    out[at..at + dim].copy_from_slice(row);
                }
            }
        }
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// Multi-head self-attention of packed sequences.
///
/// `qkv` is `[total, 3 · hidden]`: queries, keys and values side by side; `offsets` says where
/// each sequence begins and ends. Gives `[total, hidden]`, before the output projection.
///
/// # Errors
/// When shapes and offsets do not fit.
pub fn attention(qkv: &Tensor, offsets: &Arc<Vec<usize>>, heads: usize) -> Result<Tensor> {
    let (total, width) = qkv.dims2()?;
    if offsets.last() != Some(&total) || width % (3 * heads) != 0 {
        bail!(
            "attention: {total} rows of {width} do not fit offsets {offsets:?} and {heads} heads"
        );
    }
    if qkv.device().is_cpu() && qkv.is_contiguous() && qkv.dtype() == DType::F32 {
        qkv.apply_op1(Attention {
            offsets: offsets.clone(),
            heads,
        })
    } else {
        padded(qkv, offsets, heads)
    }
}

/// The same by plain tensors on any device: pads to the longest sequence and masks.
fn padded(qkv: &Tensor, offsets: &[usize], heads: usize) -> Result<Tensor> {
    let (total, width) = qkv.dims2()?;
    let (hidden, dim) = (width / 3, width / 3 / heads);
    let lengths: Vec<usize> = offsets.windows(2).map(|w| w[1] - w[0]).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let batch = lengths.len();
    let mut gather = Vec::with_capacity(batch * longest);
    let mut mask = Vec::with_capacity(batch * longest);
    let mut scatter = Vec::with_capacity(total);
    for (b, (&start, &length)) in offsets.iter().zip(&lengths).enumerate() {
        for j in 0..longest {
            gather.push((start + j.min(length - 1)) as u32);
            mask.push(if j < length { 0.0f32 } else { -1e9 });
        }
        scatter.extend((0..length).map(|j| (b * longest + j) as u32));
    }
    let device = qkv.device();
    let gather = Tensor::from_vec(gather, batch * longest, device)?;
    let scatter = Tensor::from_vec(scatter, total, device)?;
    let mask = Tensor::from_vec(mask, (batch, 1, 1, longest), device)?.to_dtype(qkv.dtype())?;
    let rows = qkv.index_select(&gather, 0)?;
    let part = |i: usize| -> Result<Tensor> {
        rows.narrow(1, i * hidden, hidden)?
            .reshape((batch, longest, heads, dim))?
            .transpose(1, 2)?
            .contiguous()
    };
    let (q, k, v) = ((part(0)? / (dim as f64).sqrt())?, part(1)?, part(2)?);
    let scores = q
        .matmul(&k.transpose(2, 3)?.contiguous()?)?
        .broadcast_add(&mask)?;
    let max = scores.max_keepdim(D::Minus1)?.detach();
    let weights = scores.broadcast_sub(&max)?.exp()?;
    let probs = weights.broadcast_div(&weights.sum_keepdim(D::Minus1)?)?;
    let context = probs
        .matmul(&v)?
        .transpose(1, 2)?
        .reshape((batch * longest, hidden))?;
    context.index_select(&scatter, 0)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::testing::{assert_same, values};
    use super::{attention, padded};

    #[test]
    fn same_as_padded_candle() -> candle_core::Result<()> {
        let offsets = Arc::new(vec![0, 1, 8, 25, 32]);
        let qkv = (values(&[32, 3 * 24], 9)? * 2.0)?;
        assert_same(
            &[qkv],
            |t| attention(&t[0], &offsets, 3),
            |t| padded(&t[0], &offsets, 3),
            1e-5,
        )
    }

    #[test]
    fn offsets_must_fit() -> candle_core::Result<()> {
        let qkv = values(&[4, 12], 1)?;
        assert!(attention(&qkv, &Arc::new(vec![0, 3]), 2).is_err());
        assert!(attention(&qkv, &Arc::new(vec![0, 4]), 3).is_err());
        Ok(())
    }
}
