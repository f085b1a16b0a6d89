//! Self-attention over packed sequences (Vaswani et al. 2017, arXiv 1706.03762): every sequence
//! attends to itself alone, and no padding exists.
//!
//! The backward pass recomputes the attention probabilities instead of storing them, as
//! `FlashAttention` does (Dao et al. 2022, arXiv 2205.14135).

use std::ops::Deref;
use std::sync::Arc;
#[cfg(feature = "cuda")]
use std::sync::OnceLock;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, D, Layout, Result, Shape, Tensor, bail};

use super::super::cpu::crew::Pool;
use super::super::cpu::heads::Heads;
use super::super::cpu::simd::Level;
#[cfg(feature = "cuda")]
use super::cuda;
use super::rows::f32_slice;
use super::{add_bias, fused};

/// Where packed sequences begin and end: `[0, …, total]`, one more than there are sequences.
#[derive(Debug)]
pub struct Packed {
    pub(super) offsets: Vec<usize>,
    #[cfg(feature = "cuda")]
    pub(super) tiles: OnceLock<cuda::Tiles>,
}

impl Packed {
    /// Sequences that lie so behind each other.
    pub fn new(offsets: Vec<usize>) -> Self {
        Self {
            offsets,
            #[cfg(feature = "cuda")]
            tiles: OnceLock::new(),
        }
    }
}

impl Deref for Packed {
    type Target = [usize];

    fn deref(&self) -> &[usize] {
        &self.offsets
    }
}

/// Where the heads of one packed `[total, 3 · hidden]` matrix lie.
#[derive(Clone)]
struct Attention {
    packed: Arc<Packed>,
    heads: usize,
}

impl Attention {
    fn heads(&self, hidden: usize) -> Heads<'_> {
        Heads {
            offsets: &self.packed,
            heads: self.heads,
            hidden,
        }
    }
}

impl CustomOp1 for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, qkv: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (total, width) = layout.shape().dims2()?;
        let hidden = width / 3;
        let qkv = f32_slice(qkv, layout, "attention qkv")?;
        let mut out = vec![0.0; total * hidden];
        let heads = self.heads(hidden);
        heads.forward(Level::best(), &mut Pool, qkv, &mut out);
        Ok((CpuStorage::F32(out), Shape::from((total, hidden))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, qkv: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        let (total, width) = layout.shape().dims2()?;
        let out = cuda::attention((qkv, layout), None, &self.packed, self.heads)?;
        Ok((out, Shape::from((total, width / 3))))
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
        let (_, width) = layout.shape().dims2()?;
        let qkv = f32_slice(qkv, layout, "attention qkv")?;
        let grad = f32_slice(grad, grad_layout, "attention grad")?;
        let mut out = vec![0.0; qkv.len()];
        self.0
            .heads(width / 3)
            .backward(Level::best(), qkv, grad, &mut out);
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        qkv: &CudaStorage,
        layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let grad = (grad, grad_layout);
        let out = cuda::attention_grad((qkv, layout), grad, &self.0.packed, self.0.heads)?;
        Ok((out, layout.shape().clone()))
    }
}

/// Multi-head self-attention of packed sequences.
///
/// `qkv` is `[total, 3 · hidden]`: queries, keys and values side by side; `packed` says where
/// each sequence begins and ends. Gives `[total, hidden]`, before the output projection.
///
/// # Errors
/// When shapes and offsets do not fit.
pub fn attention(qkv: &Tensor, packed: &Arc<Packed>, heads: usize) -> Result<Tensor> {
    let head = head(qkv, packed, heads)?;
    if fused(qkv) && has_kernel(qkv, head) {
        qkv.apply_op1(Attention {
            packed: packed.clone(),
            heads,
        })
    } else {
        padded(qkv, packed, heads)
    }
}

/// The same of projections whose bias `[3 · hidden]` is not in `qkv` yet.
///
/// # Errors
/// As [`attention`].
pub fn biased_attention(
    qkv: &Tensor,
    bias: &Tensor,
    packed: &Arc<Packed>,
    heads: usize,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::only_reads(&[qkv, bias]) && has_kernel(qkv, head(qkv, packed, heads)?) {
        return cuda::biased_attention(qkv, bias, packed, heads);
    }
    attention(&add_bias(qkv, bias)?, packed, heads)
}

/// Width of a head.
fn head(qkv: &Tensor, packed: &Packed, heads: usize) -> Result<usize> {
    let (total, width) = qkv.dims2()?;
    if packed.first() != Some(&0)
        || packed.last() != Some(&total)
        || !packed.is_sorted()
        || heads == 0
        || width % (3 * heads) != 0
    {
        let offsets = &packed.offsets;
        bail!(
            "attention: {total} rows of {width} do not fit offsets {offsets:?} and {heads} heads"
        );
    }
    Ok(width / 3 / heads)
}

/// Whether the device has a kernel for heads of this width.
fn has_kernel(qkv: &Tensor, head: usize) -> bool {
    #[cfg(feature = "cuda")]
    if qkv.device().is_cuda() {
        return cuda::has_attention(head);
    }
    head > 0 && qkv.device().is_cpu()
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
    use super::{Packed, attention, padded};

    #[test]
    fn same_as_padded_candle() -> candle_core::Result<()> {
        let offsets = Arc::new(Packed::new(vec![0, 1, 8, 25, 32]));
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
        assert!(attention(&qkv, &Arc::new(Packed::new(vec![0, 3])), 2).is_err());
        assert!(attention(&qkv, &Arc::new(Packed::new(vec![0, 4])), 3).is_err());
        Ok(())
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn same_on_a_card() -> candle_core::Result<()> {
        use super::super::testing::{card, distance};
        use super::{add_bias, biased_attention};
        // Longer than a tile of the kernel, and not a multiple of it.
        let offsets = Arc::new(Packed::new(vec![0, 1, 8, 25, 32, 173, 260]));
        for heads in [6, 3] {
            let qkv = (values(&[260, 3 * 192], 9)? * 2.0)?.to_device(&card()?)?;
            assert_same(
                std::slice::from_ref(&qkv),
                |t| attention(&t[0], &offsets, heads),
                |t| padded(&t[0], &offsets, heads),
                2e-5,
            )?;
            let bias = values(&[3 * 192], 10)?.to_device(&card()?)?;
            let plain = padded(&add_bias(&qkv, &bias)?, &offsets, heads)?;
            let wide = biased_attention(&qkv, &bias, &offsets, heads)?;
            let error = distance(&wide, &plain)?;
            assert!(error < 2e-5, "{error}");
            let narrow = |x: &candle_core::Tensor| x.to_dtype(candle_core::DType::BF16);
            let found = biased_attention(&narrow(&qkv)?, &narrow(&bias)?, &offsets, heads)?;
            let error = distance(&found.to_dtype(candle_core::DType::F32)?, &plain)?;
            assert!(error < 0.03, "{error}");
            let found = attention(&narrow(&qkv)?, &offsets, heads)?;
            let plain = padded(&qkv, &offsets, heads)?;
            let error = distance(&found.to_dtype(candle_core::DType::F32)?, &plain)?;
            assert!(error < 0.03, "{error}");
        }
        Ok(())
    }
}
