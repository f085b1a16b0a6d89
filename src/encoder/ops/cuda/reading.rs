//! Launches of what is fused further where nothing is learnt: no gradient passes through these.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::PushKernelArg;
use candle_core::op::BackpropOp;
use candle_core::{CudaStorage, DType, Layout, Result, Storage, StorageRef, Tensor, bail};

use super::super::attention::Packed;
use super::{Operand, Value, by_type, each, launch, named, unwritten, view, warps};

/// Values that a row of [`add_norm`] has at the most.
const WIDEST: usize = 1024;

/// A tensor's memory while a kernel is launched on it.
struct Held<'a>(StorageRef<'a>, &'a Layout);

impl<'a> Held<'a> {
    fn new(x: &'a Tensor) -> Self {
        let (storage, layout) = x.storage_and_layout();
        Self(storage, layout)
    }

    fn operand(&self) -> Result<Operand<'_>> {
        match &*self.0 {
            Storage::Cuda(storage) => Ok((storage, self.1)),
            _ => bail!("a tensor on an NVIDIA card expected"),
        }
    }
}

fn tensor(storage: CudaStorage, shape: &[usize]) -> Tensor {
    Tensor::from_storage(Storage::Cuda(storage), shape, BackpropOp::none(), false)
}

/// [`super::attention`] with a bias, of tensors.
pub fn biased_attention(
    qkv: &Tensor,
    bias: &Tensor,
    packed: &Packed,
    heads: usize,
) -> Result<Tensor> {
    let (total, width) = qkv.dims2()?;
    let (qkv, bias) = (Held::new(qkv), Held::new(bias));
    let out = super::attention(qkv.operand()?, Some(bias.operand()?), packed, heads)?;
    Ok(tensor(out, &[total, width / 3]))
}

/// Whether [`add_norm`] has a kernel for rows of this width.
pub fn has_add_norm(width: usize) -> bool {
    width.is_multiple_of(4) && width <= WIDEST
}

/// Layer norm of `x + bias + other`, `[rows, width]`.
pub fn add_norm(
    x: &Tensor,
    bias: &Tensor,
    other: &Tensor,
    (gamma, beta): (&Tensor, &Tensor),
    eps: f32,
) -> Result<Tensor> {
    let held = [x, bias, other, gamma, beta].map(Held::new);
    let first = held[0].operand()?;
    let out = by_type!(first.0, "add-norm", add_norm_of(&held, eps))?;
    Ok(tensor(out, x.dims()))
}

fn add_norm_of<T: Value>(held: &[Held<'_>; 5], eps: f32) -> Result<CudaStorage> {
    let (x, layout) = held[0].operand()?;
    let device = x.device();
    let (rows, width) = layout.shape().dims2()?;
    let out = unwritten::<T>(device, rows * width)?;
    let part = |i: usize| -> Result<_> {
        let (storage, layout) = held[i].operand()?;
        view::<T>(storage, layout, "add-norm")
    };
    let (x, bias, other) = (part(0)?, part(1)?, part(2)?);
    let (gamma, beta) = (part(3)?, part(4)?);
    let (tall, wide) = (rows as u32, width as u32);
    launch!(
        named::<T>(device, "add_norm")?,
        warps(rows),
        &x,
        &bias,
        &other,
        &gamma,
        &beta,
        &out,
        &tall,
        &wide,
        &eps
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// Whether [`bias_gelu`] has a kernel for rows of this width.
pub fn has_bias_gelu(width: usize) -> bool {
    width.is_multiple_of(4)
}

/// The exact GELU of `x + bias`.
pub fn bias_gelu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let held = [x, bias].map(Held::new);
    let first = held[0].operand()?;
    let out = by_type!(first.0, "bias-gelu", bias_gelu_of(&held))?;
    Ok(tensor(out, x.dims()))
}

fn bias_gelu_of<T: Value>(held: &[Held<'_>; 2]) -> Result<CudaStorage> {
    let (x, layout) = held[0].operand()?;
    let (bias, bias_layout) = held[1].operand()?;
    let device = x.device();
    let count = layout.shape().elem_count();
    let out = unwritten::<T>(device, count)?;
    let x = view::<T>(x, layout, "bias-gelu x")?;
    let bias = view::<T>(bias, bias_layout, "bias-gelu bias")?;
    let (fours, row) = ((count / 4) as u32, (bias.len() / 4) as u32);
    launch!(
        named::<T>(device, "bias_gelu")?,
        each(count / 4),
        &x,
        &bias,
        &out,
        &fours,
        &row
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}
