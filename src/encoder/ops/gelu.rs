//! GELU with the exact error function (Hendrycks & Gimpel 2016, arXiv 1606.08415), as BERT
//! uses it; erf by Abramowitz & Stegun 7.1.26 (absolute error below 1.5e-7).

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

use rayon::prelude::*;

#[cfg(feature = "cuda")]
use super::cuda;
use super::rows::{exp, f32_slice};
use super::{add_bias, fused};

/// Values per parallel task.
const CHUNK: usize = 1 << 14;

#[inline]
#[allow(clippy::many_single_char_names)] // the names of the formula
fn erf_parts(x: f32) -> (f32, f32) {
    let z = x * std::f32::consts::FRAC_1_SQRT_2;
    let a = z.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_72;
    let p = p * t + 0.254_829_6;
    let e = exp(-a * a);
    ((1.0 - p * t * e).copysign(z), e)
}

#[inline]
fn value(x: f32) -> f32 {
    0.5 * x * (1.0 + erf_parts(x).0)
}

#[inline]
fn derivative(x: f32) -> f32 {
    // Φ(x) + x φ(x), φ(x) = exp(-x²/2) / √(2π)
    const INV_SQRT_2PI: f32 = 0.398_942_3;
    let (erf, e) = erf_parts(x);
    0.5 * (1.0 + erf) + x * INV_SQRT_2PI * e
}

/// `out[i] = f(x[i], y[i])`; both slices are walked together, so that the compiler can drop the
/// bounds checks and vectorise.
fn map2(x: &[f32], y: &[f32], f: impl Fn(f32, f32) -> f32 + Sync) -> Vec<f32> {
    let mut out = vec![0.0; x.len()];
    out.par_chunks_mut(CHUNK)
        .zip(x.par_chunks(CHUNK))
        .zip(y.par_chunks(CHUNK))
        .for_each(|((out, x), y)| {
            for ((o, x), y) in out.iter_mut().zip(x).zip(y) {
                *o = f(*x, *y);
            }
        });
    out
}

struct Gelu;
struct GeluGrad;

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(x, layout, "gelu x")?;
        Ok((
            CpuStorage::F32(map2(x, x, |x, _| value(x))),
            layout.shape().clone(),
        ))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((cuda::gelu((x, layout))?, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        Ok(Some(x.apply_op2_no_bwd(&grad.contiguous()?, &GeluGrad)?))
    }
}

impl CustomOp2 for GeluGrad {
    fn name(&self) -> &'static str {
        "gelu-grad"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        grad: &CpuStorage,
        grad_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = f32_slice(x, x_layout, "gelu x")?;
        let grad = f32_slice(grad, grad_layout, "gelu grad")?;
        Ok((
            CpuStorage::F32(map2(x, grad, |x, grad| grad * derivative(x))),
            x_layout.shape().clone(),
        ))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let out = cuda::gelu_grad((x, x_layout), (grad, grad_layout))?;
        Ok((out, x_layout.shape().clone()))
    }
}

/// Exact GELU of every value of `x`.
pub fn gelu(x: &Tensor) -> Result<Tensor> {
    if fused(x) {
        x.apply_op1(Gelu)
    } else {
        x.gelu_erf()
    }
}

/// Exact GELU of `x + bias` for `x` `[rows, width]` and `bias` `[width]`.
///
/// # Errors
/// When the shapes do not fit.
pub fn bias_gelu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if super::only_reads(&[x, bias]) && cuda::has_bias_gelu(bias.dim(0)?) {
        return cuda::bias_gelu(x, bias);
    }
    gelu(&add_bias(x, bias)?)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, values};
    use super::gelu;

    #[test]
    fn same_as_candle() -> candle_core::Result<()> {
        let x = (values(&[3, 301], 5)? * 6.0)?;
        assert_same(&[x], |t| gelu(&t[0]), |t| t[0].gelu_erf(), 2e-6)
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn same_on_a_card() -> candle_core::Result<()> {
        let x = (values(&[3, 301], 5)? * 6.0)?.to_device(&super::super::testing::card()?)?;
        assert_same(&[x], |t| gelu(&t[0]), |t| t[0].gelu_erf(), 2e-6)
    }

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn biased_on_a_card() -> candle_core::Result<()> {
        use super::super::testing::{card, distance};
        use super::{add_bias, bias_gelu};
        let card = card()?;
        for width in [96, 1536, 30] {
            let x = (values(&[301, width], 5)? * 6.0)?.to_device(&card)?;
            let bias = values(&[width], 6)?.to_device(&card)?;
            let expected = add_bias(&x, &bias)?.gelu_erf()?;
            assert!(distance(&bias_gelu(&x, &bias)?, &expected)? < 4e-6);
            let narrow = |x: &candle_core::Tensor| x.to_dtype(candle_core::DType::BF16);
            let found = bias_gelu(&narrow(&x)?, &narrow(&bias)?)?;
            let found = found.to_dtype(candle_core::DType::F32)?;
            assert!(distance(&found, &expected)? < 0.05);
        }
        Ok(())
    }
}
