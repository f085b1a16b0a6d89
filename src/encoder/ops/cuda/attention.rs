//! Attention of packed sequences: launches of `attention.cuh`.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, LaunchConfig, PushKernelArg};
use candle_core::{CudaDevice, CudaStorage, DType, Result, bail};

use super::{Operand, Value, blocks, by_type, function, launch, named, unwritten, view};

/// Rows of one block of attention; a multiple of 32.
const ATTENTION_ROWS: usize = 64;

/// Whether there are kernels for heads of this width.
pub fn has_attention(head: usize) -> bool {
    matches!(head, 32 | 64)
}

/// Beginning and end of each tile's sequence, and the tile's first row.
fn tiles(device: &CudaDevice, offsets: &[usize]) -> Result<(CudaSlice<i32>, u32)> {
    let mut tiles = Vec::new();
    for (&start, &end) in offsets.iter().zip(&offsets[1..]) {
        for row in (start..end).step_by(ATTENTION_ROWS) {
            tiles.extend([start, end, row].map(|x| x as i32));
        }
    }
    let count = (tiles.len() / 3) as u32;
    Ok((device.clone_htod(&tiles)?, count))
}

fn attention_blocks(tiles: u32, heads: usize) -> LaunchConfig {
    let mut config = blocks(tiles as usize, (ATTENTION_ROWS as u32, 1));
    config.grid_dim.1 = heads as u32;
    config
}

/// Attention of packed sequences, `[total, hidden]` of `[total, 3 · hidden]`.
pub fn attention(qkv: Operand, offsets: &[usize], heads: usize) -> Result<CudaStorage> {
    by_type!(qkv.0, "attention", attention_of(qkv, offsets, heads))
}

fn attention_of<T: Value>(qkv: Operand, offsets: &[usize], heads: usize) -> Result<CudaStorage> {
    let device = qkv.0.device();
    let (total, width) = qkv.1.shape().dims2()?;
    let (hidden, head) = (width / 3, width / 3 / heads);
    let out = unwritten::<T>(device, total * hidden)?;
    let qkv = view::<T>(qkv.0, qkv.1, "attention qkv")?;
    let (tiles, count) = tiles(device, offsets)?;
    let (hidden, scale) = (hidden as i32, 1.0 / (head as f32).sqrt());
    launch!(
        named::<T>(device, &format!("attention_{head}"))?,
        attention_blocks(count, heads),
        &qkv,
        &tiles,
        &out,
        &hidden,
        &scale
    );
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// The gradient of `qkv`.
pub fn attention_grad(
    qkv: Operand,
    grad: Operand,
    offsets: &[usize],
    heads: usize,
) -> Result<CudaStorage> {
    let device = qkv.0.device();
    let (total, width) = qkv.1.shape().dims2()?;
    let (hidden, head) = (width / 3, width / 3 / heads);
    let out = unwritten::<f32>(device, total * width)?;
    let stats = unwritten::<f32>(device, 2 * heads * total)?;
    let qkv = view::<f32>(qkv.0, qkv.1, "attention qkv")?;
    let grad = view::<f32>(grad.0, grad.1, "attention grad")?;
    let (tiles, count) = tiles(device, offsets)?;
    let (rows, hidden) = (total as i32, hidden as i32);
    let scale = 1.0 / (head as f32).sqrt();
    for part in ["queries", "keys"] {
        launch!(
            function(device, &format!("attention_{part}_{head}_f32"))?,
            attention_blocks(count, heads),
            &qkv,
            &grad,
            &tiles,
            &out,
            &stats,
            &rows,
            &hidden,
            &scale
        );
    }
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}
