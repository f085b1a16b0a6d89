//! Attention of packed sequences: launches of `attention.cuh`, and of `tensor_attention.cuh` for bf16.

use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::{CudaSlice, LaunchConfig, PushKernelArg};
use candle_core::{CudaDevice, CudaStorage, DType, Result, bail};

use super::super::attention::Packed;
use super::{Operand, Value, blocks, by_type, function, launch, named, unwritten, view};

/// Rows of one block of attention; a multiple of 32.
const ATTENTION_ROWS: usize = 64;

/// Threads of a block of `tensor_attention.cuh`: a warp for 16 rows.
const TENSOR_THREADS: u32 = 128;

/// Whether there are kernels for heads of this width.
pub fn has_attention(head: usize) -> bool {
    matches!(head, 32 | 64)
}

/// Beginning and end of each tile's sequence, and the tile's first row.
#[derive(Debug)]
pub struct Tiles {
    places: CudaSlice<i32>,
    count: u32,
}

impl Tiles {
    fn new(device: &CudaDevice, offsets: &[usize]) -> Result<Self> {
        let mut tiles = Vec::new();
        for (&start, &end) in offsets.iter().zip(&offsets[1..]) {
            for row in (start..end).step_by(ATTENTION_ROWS) {
                tiles.extend([start, end, row].map(|x| x as i32));
            }
        }
        let count = (tiles.len() / 3) as u32;
        Ok(Self {
            places: device.clone_htod(&tiles)?,
            count,
        })
    }

    /// Those of `packed` on the card that asked first.
    fn of<'a>(device: &CudaDevice, packed: &'a Packed) -> Result<&'a Self> {
        if let Some(tiles) = packed.tiles.get() {
            return Ok(tiles);
        }
        let tiles = Self::new(device, &packed.offsets)?;
        Ok(packed.tiles.get_or_init(|| tiles))
    }

    fn blocks(&self, threads: u32, heads: usize) -> LaunchConfig {
        let mut config = blocks(self.count as usize, (threads, 1));
        config.grid_dim.1 = heads as u32;
        config
    }
}

/// Attention of packed sequences, `[total, hidden]` of `[total, 3 · hidden]`; with `bias`, that of the
/// projections, which is then not in `qkv`.
pub fn attention(
    qkv: Operand,
    bias: Option<Operand>,
    packed: &Packed,
    heads: usize,
) -> Result<CudaStorage> {
    by_type!(qkv.0, "attention", attention_of(qkv, bias, packed, heads))
}

fn attention_of<T: Value>(
    qkv: Operand,
    bias: Option<Operand>,
    packed: &Packed,
    heads: usize,
) -> Result<CudaStorage> {
    let device = qkv.0.device();
    let (total, width) = qkv.1.shape().dims2()?;
    let (hidden, head) = (width / 3, width / 3 / heads);
    let out = unwritten::<T>(device, total * hidden)?;
    let qkv = view::<T>(qkv.0, qkv.1, "attention qkv")?;
    let bias = bias
        .map(|bias| view::<T>(bias.0, bias.1, "attention bias"))
        .transpose()?;
    let tiles = Tiles::of(device, packed)?;
    let threads = match T::DTYPE {
        DType::BF16 => TENSOR_THREADS,
        _ => ATTENTION_ROWS as u32,
    };
    let (wide, scale) = (hidden as i32, 1.0 / (head as f32).sqrt());
    let none = 0_u64;
    let (function, stream) = named::<T>(device, &format!("attention_{head}"))?;
    let mut builder = stream.launch_builder(&function);
    builder.arg(&qkv);
    match &bias {
        Some(bias) => builder.arg(bias),
        None => builder.arg(&none),
    };
    builder.arg(&tiles.places).arg(&out).arg(&wide).arg(&scale);
    // SAFETY: the arguments are those of the kernels in `attention.cuh` and `tensor_attention.cuh`, which read
    // the rows of the tiles, all of which lie in `qkv`, and `3 · hidden` values of the bias or, at null, none.
    #[allow(unsafe_code)]
    unsafe { builder.launch(tiles.blocks(threads, heads)) }.w()?;
    drop(builder);
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}

/// The gradient of `qkv`.
pub fn attention_grad(
    qkv: Operand,
    grad: Operand,
    packed: &Packed,
    heads: usize,
) -> Result<CudaStorage> {
    let device = qkv.0.device();
    let (total, width) = qkv.1.shape().dims2()?;
    let (hidden, head) = (width / 3, width / 3 / heads);
    let out = unwritten::<f32>(device, total * width)?;
    let stats = unwritten::<f32>(device, 2 * heads * total)?;
    let qkv = view::<f32>(qkv.0, qkv.1, "attention qkv")?;
    let grad = view::<f32>(grad.0, grad.1, "attention grad")?;
    let tiles = Tiles::of(device, packed)?;
    let (rows, hidden) = (total as i32, hidden as i32);
    let scale = 1.0 / (head as f32).sqrt();
    for part in ["queries", "keys"] {
        launch!(
            function(device, &format!("attention_{part}_{head}_f32"))?,
            tiles.blocks(ATTENTION_ROWS as u32, heads),
            &qkv,
            &grad,
            &tiles.places,
            &out,
            &stats,
            &rows,
            &hidden,
            &scale
        );
    }
    Ok(CudaStorage::wrap_cuda_slice(out, device.clone()))
}
