//! Fused operations with their backward passes.
//!
//! Each is a candle custom operation on the CPU and on NVIDIA cards, where stock candle would
//! allocate and walk memory several times, and falls back to plain candle tensors on other devices.
//! The tests hold every fused kernel, forward and backward, against that fallback.

mod attention;
mod bias;
#[cfg(feature = "cuda")]
pub mod cuda;
mod gelu;
mod layer_norm;
mod rows;
mod take;

pub use attention::{Packed, attention, biased_attention};
pub use bias::add_bias;
pub use gelu::{bias_gelu, gelu};
pub use layer_norm::{add_norm, layer_norm};
pub use take::take;

use candle_core::{DType, Result, Tensor};

/// Whether the device of `x` has fused kernels that can read it. On a card those of bf16 have no way
/// back.
fn fused(x: &Tensor) -> bool {
    let device = x.device();
    let readable = match x.dtype() {
        DType::F32 => device.is_cpu() || device.is_cuda(),
        DType::BF16 => device.is_cuda() && !x.track_op(),
        _ => false,
    };
    readable && x.is_contiguous()
}

/// Whether kernels can read all of `tensors` that have no way back.
#[cfg(feature = "cuda")]
fn only_reads(tensors: &[&Tensor]) -> bool {
    let readable = |x: &&Tensor| x.device().is_cuda() && fused(x) && !x.track_op();
    tensors.iter().all(readable)
        && tensors
            .windows(2)
            .all(|pair| pair[0].dtype() == pair[1].dtype())
}

/// `x · wᵀ + b` for `x` `[rows, in]`, `w` `[out, in]` and `b` `[out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    add_bias(&x.matmul(&weight.t()?)?, bias)
}

#[cfg(test)]
pub(crate) mod testing {
    use candle_core::{Device, Result, Tensor, Var};

    /// Deterministic values in (-1, 1).
    pub fn values(shape: &[usize], seed: u32) -> Result<Tensor> {
        let count: usize = shape.iter().product();
        let mut state = u64::from(seed) * 2_654_435_761 + 1;
        let data: Vec<f32> = (0..count)
            .map(|_| {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1u64 << 23) as f32) - 1.0
            })
            .collect();
        Tensor::from_vec(data, shape, &Device::Cpu)
    }

    /// Largest absolute difference.
    pub fn distance(a: &Tensor, b: &Tensor) -> Result<f32> {
        (a - b)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()
    }

    /// The first NVIDIA card.
    #[cfg(feature = "cuda")]
    pub fn card() -> Result<Device> {
        Device::new_cuda(0)
    }

    /// Compares two functions of the same inputs in value and in every gradient.
    pub fn assert_same(
        inputs: &[Tensor],
        fused: impl Fn(&[Tensor]) -> Result<Tensor>,
        plain: impl Fn(&[Tensor]) -> Result<Tensor>,
        tolerance: f32,
    ) -> Result<()> {
        let mut outcomes = Vec::new();
        for f in [&fused as &dyn Fn(&[Tensor]) -> Result<Tensor>, &plain] {
            let vars: Vec<Var> = inputs.iter().map(Var::from_tensor).collect::<Result<_>>()?;
            let tensors: Vec<Tensor> = vars.iter().map(|v| v.as_tensor().clone()).collect();
            let y = f(&tensors)?;
            let weights = values(y.dims(), 77)?.to_device(y.device())?;
            let grads = (&y * weights)?.sum_all()?.backward()?;
            let grads: Vec<Tensor> = vars
                .iter()
                .map(|v| {
                    grads
                        .get(v)
                        .cloned()
                        .ok_or_else(|| candle_core::Error::Msg("no gradient".into()))
                })
                .collect::<Result<_>>()?;
            outcomes.push((y, grads));
        }
        let (a, b) = (&outcomes[0], &outcomes[1]);
        let d = distance(&a.0, &b.0)?;
        assert!(d <= tolerance, "values differ by {d}");
        for (i, (x, y)) in a.1.iter().zip(&b.1).enumerate() {
            let d = distance(x, y)?;
            assert!(d <= tolerance, "gradient {i} differs by {d}");
        }
        Ok(())
    }
}
