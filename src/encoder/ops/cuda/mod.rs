//! The fused operations on an NVIDIA card: launches of the kernels beside this file, which `build.rs`
//! compiles.
//!
//! Tensors are contiguous; a caller whose tensors are not, or of another type, takes candle's own
//! operations. Values are f32 or bf16, gradients f32.

use std::sync::Arc;

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::cudarc::driver::{
    CudaFunction, CudaSlice, CudaStream, CudaView, DeviceRepr, LaunchConfig, PushKernelArg, sys,
};
use candle_core::cuda_backend::{CudaDType, WrapErr};
use candle_core::{CudaDevice, CudaStorage, DType, Device, Layout, Result, WithDType, bail};

mod attention;
mod optimiser;
mod reading;

pub use attention::{Tiles, attention, attention_grad, has_attention};
pub use optimiser::{add_squares, moment, update};
pub use reading::{add_norm, bias_gelu, biased_attention, has_add_norm, has_bias_gelu};

const PTX: &str = include_str!(concat!(env!("OUT_DIR"), "/kernels.ptx"));

/// Threads of a block that takes one value each.
const THREADS: u32 = 256;

/// Most values of a table whose gradient a block adds up by itself.
const SMALL_TABLE: usize = 4096;

/// Types that the kernels of the way forward read.
pub trait Value: CudaDType + DeviceRepr + WithDType {}
impl Value for f32 {}
impl Value for half::bf16 {}

/// Lets the device keep memory that is freed, for the next that is asked for.
///
/// # Errors
/// When the device has no pool of memory.
#[allow(unsafe_code)]
pub fn keep_memory(device: &Device) -> Result<()> {
    let Device::Cuda(device) = device else {
        return Ok(());
    };
    let mut all = u64::MAX;
    let mut pool = std::ptr::null_mut();
    // SAFETY: the device is open; the pool is written before it is read, and the attribute is a u64.
    unsafe {
        sys::cuDeviceGetDefaultMemPool(&raw mut pool, device.cuda_stream().context().cu_device())
            .result()
            .w()?;
        let attribute = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
        sys::cuMemPoolSetAttribute(pool, attribute, (&raw mut all).cast())
            .result()
            .w()
    }
}

/// A kernel, and where it is launched.
type Kernel = (CudaFunction, Arc<CudaStream>);

fn function(device: &CudaDevice, name: &str) -> Result<Kernel> {
    let function = device.get_or_load_custom_func(name, "stance", PTX)?;
    Ok((function.into_cuda_function(), device.cuda_stream()))
}

fn named<T: WithDType>(device: &CudaDevice, name: &str) -> Result<Kernel> {
    function(device, &format!("{name}_{}", T::DTYPE.as_str()))
}

/// The contiguous values behind `storage`.
fn view<'a, T: CudaDType>(
    storage: &'a CudaStorage,
    layout: &Layout,
    what: &str,
) -> Result<CudaView<'a, T>> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(storage.as_cuda_slice::<T>()?.slice(start..end)),
        None => bail!("{what}: contiguous tensor expected"),
    }
}

/// Values that the kernel that is launched next writes, all of them.
#[allow(unsafe_code)]
fn unwritten<T: DeviceRepr>(device: &CudaDevice, count: usize) -> Result<CudaSlice<T>> {
    // SAFETY: every caller launches a kernel that writes each value before any is read.
    unsafe { device.alloc::<T>(count) }
}

/// One thread for each of `count` values.
fn each(count: usize) -> LaunchConfig {
    blocks(count.div_ceil(THREADS as usize), (THREADS, 1))
}

/// One warp for each of `rows` rows.
fn warps(rows: usize) -> LaunchConfig {
    blocks(rows.div_ceil(THREADS as usize / 32), (THREADS, 1))
}

/// Blocks of 32 columns by 8 rows that walk all rows.
fn columns(rows: usize, width: usize) -> LaunchConfig {
    let mut config = blocks(width.div_ceil(32), (32, 8));
    config.grid_dim.1 = rows.div_ceil(8 * 16).clamp(1, 256) as u32;
    config
}

fn blocks(count: usize, block: (u32, u32)) -> LaunchConfig {
    LaunchConfig {
        grid_dim: (count.max(1) as u32, 1, 1),
        block_dim: (block.0, block.1, 1),
        shared_mem_bytes: 0,
    }
}

/// Launches a kernel with arguments in its order.
macro_rules! launch {
    ($function:expr, $config:expr, $($argument:expr),+ $(,)?) => {{
        let (function, stream) = $function;
        let mut builder = stream.launch_builder(&function);
        $(builder.arg($argument);)+
        // SAFETY: the arguments are those of the kernel in `kernels.cu`, and its reads and writes lie
        // inside them: counts, widths and offsets are those of the tensors that are passed.
        #[allow(unsafe_code)]
        unsafe { builder.launch($config) }.w()?;
    }};
}

/// Calls `$f` for the type of the storage.
macro_rules! by_type {
    ($storage:expr, $what:literal, $f:ident($($argument:expr),+)) => {
        match $storage.dtype() {
            DType::F32 => $f::<f32>($($argument),+),
            DType::BF16 => $f::<half::bf16>($($argument),+),
            other => bail!("{}: f32 or bf16 expected, got {other:?}", $what),
        }
    };
}

use {by_type, launch};

/// A storage and where its values lie.
pub type Operand<'a> = (&'a CudaStorage, &'a Layout);

/// `[rows, width]`, normalised.
pub fn layer_norm(x: Operand, gamma: Operand, beta: Operand, eps: f32) -> Result<CudaStorage> {
    by_type!(x.0, "layer-norm", layer_norm_of(x, gamma, beta, eps))
}

fn layer_norm_of<T: Value>(
    x: Operand,
    gamma: Operand,
    beta: Operand,
    eps: f32,
) -> Result<CudaStorage> {
    let device = x.0.device();
    let width = gamma.1.shape().elem_count();
    let count = x.1.shape().elem_count();
    let (rows, wide) = ((count / width) as u32, width as u32);
    let out = unwritten::<T>(device, count)?;
    let x = view::<T>(x.0, x.1, "layer-norm x")?;
    let gamma = view::<T>(gamma.0, gamma.1, "layer-norm gamma")?;
    let beta = view::<T>(beta.0, beta.1, "layer-norm beta")?;
    launch!(
        named::<T>(device, "layer_norm")?,
        warps(rows as usize),
        &x,
        &gamma,
        &beta,
        &out,
        &rows,
        &wide,
        &eps
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// `[rows + 2, width]`: the gradient of x, then those of gamma and beta.
pub fn layer_norm_grad(x: Operand, gamma: Operand, grad: Operand, eps: f32) -> Result<CudaStorage> {
    let device = x.0.device();
    let width = gamma.1.shape().elem_count();
    let count = x.1.shape().elem_count();
    let (rows, wide) = ((count / width) as u32, width as u32);
    let out = device.alloc_zeros::<f32>(count + 2 * width)?;
    let stats = unwritten::<f32>(device, 2 * rows as usize)?;
    let x = view::<f32>(x.0, x.1, "layer-norm x")?;
    let gamma = view::<f32>(gamma.0, gamma.1, "layer-norm gamma")?;
    let grad = view::<f32>(grad.0, grad.1, "layer-norm grad")?;
    let (of_x, sums) = (out.slice(..count), out.slice(count..));
    launch!(
        function(device, "layer_norm_grad_f32")?,
        warps(rows as usize),
        &x,
        &gamma,
        &grad,
        &of_x,
        &stats,
        &rows,
        &wide,
        &eps
    );
    launch!(
        function(device, "layer_norm_columns_f32")?,
        columns(rows as usize, width),
        &x,
        &grad,
        &stats,
        &sums,
        &rows,
        &wide
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// `x` plus a bias for each row.
pub fn add_bias(x: Operand, bias: Operand) -> Result<CudaStorage> {
    by_type!(x.0, "add-bias", add_bias_of(x, bias))
}

fn add_bias_of<T: Value>(x: Operand, bias: Operand) -> Result<CudaStorage> {
    let device = x.0.device();
    let count = x.1.shape().elem_count();
    let wide = bias.1.shape().elem_count() as u32;
    let out = unwritten::<T>(device, count)?;
    let x = view::<T>(x.0, x.1, "add-bias x")?;
    let bias = view::<T>(bias.0, bias.1, "add-bias bias")?;
    launch!(
        named::<T>(device, "add_bias")?,
        each(count),
        &x,
        &bias,
        &out,
        &count,
        &wide
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// Sums of the columns of `[rows, width]`.
pub fn column_sums(x: Operand, width: usize) -> Result<CudaStorage> {
    let device = x.0.device();
    let rows = x.1.shape().elem_count() / width;
    let (tall, wide) = (rows as u32, width as u32);
    let out = device.alloc_zeros::<f32>(width)?;
    let x = view::<f32>(x.0, x.1, "column-sums")?;
    launch!(
        function(device, "column_sums_f32")?,
        columns(rows, width),
        &x,
        &out,
        &tall,
        &wide
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// The exact GELU of every value.
pub fn gelu(x: Operand) -> Result<CudaStorage> {
    by_type!(x.0, "gelu", gelu_of(x))
}

fn gelu_of<T: Value>(x: Operand) -> Result<CudaStorage> {
    let device = x.0.device();
    let count = x.1.shape().elem_count();
    let out = unwritten::<T>(device, count)?;
    let x = view::<T>(x.0, x.1, "gelu x")?;
    launch!(named::<T>(device, "gelu")?, each(count), &x, &out, &count);
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// The gradient of GELU times `grad`.
pub fn gelu_grad(x: Operand, grad: Operand) -> Result<CudaStorage> {
    let device = x.0.device();
    let count = x.1.shape().elem_count();
    let out = unwritten::<f32>(device, count)?;
    let x = view::<f32>(x.0, x.1, "gelu x")?;
    let grad = view::<f32>(grad.0, grad.1, "gelu grad")?;
    launch!(
        function(device, "gelu_grad_f32")?,
        each(count),
        &x,
        &grad,
        &out,
        &count
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// The gradient of a table `[height, width]` of which the rows `ids` were taken.
pub fn rows_grad(ids: Operand, grad: Operand, height: usize, width: usize) -> Result<CudaStorage> {
    let device = grad.0.device();
    let count = grad.1.shape().elem_count();
    let wide = width as u32;
    let out = device.alloc_zeros::<f32>(height * width)?;
    let ids = view::<u32>(ids.0, ids.1, "rows ids")?;
    let grad = view::<f32>(grad.0, grad.1, "rows grad")?;
    let table = height * width;
    if table <= SMALL_TABLE {
        let mut config = each(count);
        config.grid_dim.0 = config.grid_dim.0.min(264);
        config.shared_mem_bytes = (table * size_of::<f32>()) as u32;
        let table = table as u32;
        let function = function(device, "small_rows_grad_f32")?;
        launch!(function, config, &ids, &grad, &out, &count, &wide, &table);
    } else {
        let function = function(device, "rows_grad_f32")?;
        launch!(function, each(count), &ids, &grad, &out, &count, &wide);
    }
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}
