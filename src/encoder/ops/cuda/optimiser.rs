//! The steps of `AdamW`: launches of the last kernels of `kernels.cu`.

use candle_core::Result;
use candle_core::backend::BackendStorage;
use candle_core::cuda_backend::WrapErr;
use candle_core::cuda_backend::cudarc::driver::PushKernelArg;

use super::{Operand, each, function, launch, view};

/// Adds the sum of the squares of `x` to `to`, one value.
pub fn add_squares(to: Operand, x: Operand) -> Result<()> {
    let device = x.0.device();
    let count = x.1.shape().elem_count();
    let to = view::<f32>(to.0, to.1, "squares")?;
    let x = view::<f32>(x.0, x.1, "squares x")?;
    let mut config = each(count);
    config.grid_dim.0 = config.grid_dim.0.min(528);
    let function = function(device, "sum_of_squares_f32")?;
    launch!(function, config, &x, &to, &count);
    Ok(())
}

/// `m = beta m + (1 - beta) (scale g)^power`.
pub fn moment(m: Operand, g: Operand, beta: f32, scale: f32, power: i32) -> Result<()> {
    let device = m.0.device();
    let count = m.1.shape().elem_count();
    let m = view::<f32>(m.0, m.1, "moment")?;
    let g = view::<f32>(g.0, g.1, "moment grad")?;
    let function = function(device, "moment_f32")?;
    launch!(function, each(count), &m, &g, &count, &beta, &scale, &power);
    Ok(())
}

/// `w = keep w - rate m / (√v · inverse + eps)`; `numbers` are rate, inverse, eps and keep.
pub fn update(w: Operand, m: Operand, v: Operand, numbers: [f32; 4]) -> Result<()> {
    let device = w.0.device();
    let count = w.1.shape().elem_count();
    let w = view::<f32>(w.0, w.1, "update")?;
    let m = view::<f32>(m.0, m.1, "update first")?;
    let v = view::<f32>(v.0, v.1, "update second")?;
    let [rate, inverse, eps, keep] = numbers;
    let function = function(device, "update_f32")?;
    launch!(
        function,
        each(count),
        &w,
        &m,
        &v,
        &count,
        &rate,
        &inverse,
        &eps,
        &keep
    );
    Ok(())
}
