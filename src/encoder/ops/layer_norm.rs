//! Layer normalisation (Ba et al. 2016, arXiv 1607.06450) over the last dimension.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp3, D, Layout, Result, Shape, Tensor, bail};

#[cfg(feature = "cuda")]
use super::cuda;
use super::rows::{ROWS_PER_TASK, f32_slice, for_each_row, lane_sum};
use super::{add_bias, fused};
use rayon::prelude::*;

#[derive(Clone, Copy)]
struct LayerNorm {
    eps: f32,
}

/// Mean and reciprocal standard deviation of a row.
#[inline]
fn moments(row: &[f32], eps: f32) -> (f32, f32) {
    let n = row.len() as f32;
    let mean = lane_sum(row.len(), |i| row[i]) / n;
    let var = lane_sum(row.len(), |i| (row[i] - mean) * (row[i] - mean)) / n;
    (mean, 1.0 / (var + eps).sqrt())
}

impl CustomOp3 for LayerNorm {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(x, x_layout, "layer-norm x")?;
        let gamma = f32_slice(gamma, gamma_layout, "layer-norm gamma")?;
        let beta = f32_slice(beta, beta_layout, "layer-norm beta")?;
        let width = gamma.len();
        let mut out = vec![0.0; x.len()];
        for_each_row(&mut out, width, |r, row| {
            let x = &x[r * width..(r + 1) * width];
            let (mean, inv) = moments(x, self.eps);
            for (((o, x), g), b) in row.iter_mut().zip(x).zip(gamma).zip(beta) {
                *o = (x - mean) * inv * g + b;
            }
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        gamma: &CudaStorage,
        gamma_layout: &Layout,
        beta: &CudaStorage,
        beta_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (gamma, beta) = ((gamma, gamma_layout), (beta, beta_layout));
        let out = cuda::layer_norm((x, x_layout), gamma, beta, self.eps)?;
        Ok((out, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _beta: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let packed =
            x.apply_op3_no_bwd(gamma, &grad.contiguous()?, &LayerNormGrad { eps: self.eps })?;
        let rows = packed.dim(0)? - 2;
        Ok((
            Some(packed.narrow(0, 0, rows)?),
            Some(packed.get(rows)?),
            Some(packed.get(rows + 1)?),
        ))
    }
}

/// Gradients packed as `[rows + 2, width]`: of x, then of gamma and of beta.
struct LayerNormGrad {
    eps: f32,
}

impl CustomOp3 for LayerNormGrad {
    fn name(&self) -> &'static str {
        "layer-norm-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(x, x_layout, "layer-norm x")?;
        let gamma = f32_slice(gamma, gamma_layout, "layer-norm gamma")?;
        let grad = f32_slice(grad, grad_layout, "layer-norm grad")?;
        let width = gamma.len();
        let rows = x.len() / width;
        let mut out = vec![0.0; (rows + 2) * width];
        let (dx, sums) = out.split_at_mut(rows * width);
        let partial: Vec<Vec<f32>> = dx
            .par_chunks_mut(ROWS_PER_TASK * width)
            .enumerate()
            .map(|(task, chunk)| {
                let mut sums = vec![0.0; 2 * width];
                for (i, out) in chunk.chunks_exact_mut(width).enumerate() {
                    let at = (task * ROWS_PER_TASK + i) * width;
                    row_grad(
                        &x[at..at + width],
                        gamma,
                        &grad[at..at + width],
                        self.eps,
                        out,
                        &mut sums,
                    );
                }
                sums
            })
            .collect();
        for p in partial {
            for (s, p) in sums.iter_mut().zip(p) {
                *s += p;
            }
        }
        Ok((CpuStorage::F32(out), Shape::from((rows + 2, width))))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        gamma: &CudaStorage,
        gamma_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (rows, width) = x_layout.shape().dims2()?;
        let (gamma, grad) = ((gamma, gamma_layout), (grad, grad_layout));
        let out = cuda::layer_norm_grad((x, x_layout), gamma, grad, self.eps)?;
        Ok((out, Shape::from((rows + 2, width))))
    }
}

fn row_grad(x: &[f32], gamma: &[f32], grad: &[f32], eps: f32, out: &mut [f32], sums: &mut [f32]) {
    let width = x.len();
    let n = width as f32;
    let (mean, inv) = moments(x, eps);
    let (gamma, grad) = (&gamma[..width], &grad[..width]);
    let (dgamma, dbeta) = sums.split_at_mut(width);
    for i in 0..width {
        dgamma[i] += grad[i] * (x[i] - mean) * inv;
        dbeta[i] += grad[i];
    }
    let mean_g = lane_sum(width, |i| grad[i] * gamma[i]) / n;
    let mean_gx = lane_sum(width, |i| grad[i] * gamma[i] * (x[i] - mean) * inv) / n;
    for i in 0..width {
        let hat = (x[i] - mean) * inv;
        out[i] = inv * (grad[i] * gamma[i] - mean_g - hat * mean_gx);
    }
}

/// Normalises every row of `x` `[rows, width]` and applies `gamma` and `beta` `[width]`.
pub fn layer_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    if x.rank() != 2 {
        bail!("layer-norm: [rows, width] expected, got {:?}", x.shape());
    }
    if fused(x) {
        x.apply_op3(gamma, beta, LayerNorm { eps: eps as f32 })
    } else {
        plain(x, gamma, beta, eps)
    }
}

/// [`layer_norm`] of `x + bias + other`, for `x` and `other` `[rows, width]` and `bias` `[width]`.
///
/// # Errors
/// As [`layer_norm`].
pub fn add_norm(
    x: &Tensor,
    bias: &Tensor,
    other: &Tensor,
    (gamma, beta): (&Tensor, &Tensor),
    eps: f64,
) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::only_reads(&[x, bias, other, gamma, beta])
        && x.shape() == other.shape()
        && cuda::has_add_norm(x.dim(1)?)
    {
        return cuda::add_norm(x, bias, other, (gamma, beta), eps as f32);
    }
    layer_norm(&(add_bias(x, bias)? + other)?, gamma, beta, eps)
}

fn plain(x: &Tensor, gamma: &Tensor, beta: &Tensor, eps: f64) -> Result<Tensor> {
    let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
    let var = centred.sqr()?.mean_keepdim(D::Minus1)?;
    centred
        .broadcast_div(&(var + eps)?.sqrt()?)?
        .broadcast_mul(gamma)?
        .broadcast_add(beta)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, values};
    use super::{layer_norm, plain};

    #[test]
    fn same_as_candle() -> candle_core::Result<()> {
        let inputs = [values(&[41, 48], 3)?, values(&[48], 4)?, values(&[48], 5)?];
        assert_same(
            &inputs,
            |t| layer_norm(&t[0], &t[1], &t[2], 1e-12),
            |t| plain(&t[0], &t[1], &t[2], 1e-12),
            3e-5,
        )
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn same_on_a_card() -> candle_core::Result<()> {
        let card = super::super::testing::card()?;
        for (rows, width) in [(41, 48), (700, 384)] {
            let inputs = [
                values(&[rows, width], 3)?.to_device(&card)?,
                values(&[width], 4)?.to_device(&card)?,
                values(&[width], 5)?.to_device(&card)?,
            ];
            assert_same(
                &inputs,
                |t| layer_norm(&t[0], &t[1], &t[2], 1e-12),
                |t| plain(&t[0], &t[1], &t[2], 1e-12),
                1e-4,
            )?;
        }
        Ok(())
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn sums_are_normalised_on_a_card() -> candle_core::Result<()> {
        use super::super::testing::{card, distance};
        use super::{add_bias, add_norm};
        let card = card()?;
        for (rows, width) in [(41, 48), (700, 384), (9, 1024), (9, 1028)] {
            let make = |shape: &[usize], seed| values(shape, seed)?.to_device(&card);
            let (x, other) = (make(&[rows, width], 3)?, make(&[rows, width], 4)?);
            let [bias, gamma, beta] = [5, 6, 7].map(|seed| make(&[width], seed));
            let (bias, gamma, beta) = (bias?, gamma?, beta?);
            let expected = plain(&(add_bias(&x, &bias)? + &other)?, &gamma, &beta, 1e-12)?;
            let found = add_norm(&x, &bias, &other, (&gamma, &beta), 1e-12)?;
            assert!(distance(&found, &expected)? < 1e-4);
            let narrow = |x: &candle_core::Tensor| x.to_dtype(candle_core::DType::BF16);
            let (gamma, beta) = (narrow(&gamma)?, narrow(&beta)?);
            let found = add_norm(
                &narrow(&x)?,
                &narrow(&bias)?,
                &narrow(&other)?,
                (&gamma, &beta),
                1e-12,
            )?;
            let found = found.to_dtype(candle_core::DType::F32)?;
            assert!(distance(&found, &expected)? < 0.05);
        }
        Ok(())
    }
}
