//! Adding a bias row, with a backward pass that sums columns in parallel.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use super::rows::{column_sums, f32_slice, for_each_row};

struct AddBias;

impl CustomOp2 for AddBias {
    fn name(&self) -> &'static str {
        "add-bias"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let width = x_layout.shape().dims()[x_layout.shape().rank() - 1];
        let x = f32_slice(x, x_layout, "add-bias x")?;
        let bias = f32_slice(bias, bias_layout, "add-bias bias")?;
        let mut out = vec![0.0; x.len()];
        for_each_row(&mut out, width, |r, row| {
            for ((o, x), b) in row.iter_mut().zip(&x[r * width..]).zip(bias) {
                *o = x + b;
            }
        });
        Ok((CpuStorage::F32(out), x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _x: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let width = bias.dim(0)?;
        let grad = grad.contiguous()?;
        let sums = {
            let (storage, layout) = grad.storage_and_layout();
            let candle_core::Storage::Cpu(storage) = &*storage else {
                candle_core::bail!("add-bias runs on the CPU")
            };
            let g = f32_slice(storage, layout, "add-bias grad")?;
            column_sums(g.len() / width, width, |r, sums| {
                for (s, g) in sums.iter_mut().zip(&g[r * width..]) {
                    *s += g;
                }
            })
        };
        let sums = Tensor::from_vec(sums, width, grad.device())?;
        Ok((Some(grad), Some(sums)))
    }
}

/// `x + bias` for `x` `[rows, width]` and `bias` `[width]`.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() && x.is_contiguous() && x.dtype() == candle_core::DType::F32 {
        x.apply_op2(bias, AddBias)
    } else {
        x.broadcast_add(bias)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{assert_same, values};
    use super::add_bias;

    #[test]
    fn same_as_candle() -> candle_core::Result<()> {
        let inputs = [values(&[67, 24], 1)?, values(&[24], 2)?];
        assert_same(
            &inputs,
            |t| add_bias(&t[0], &t[1]),
            |t| t[0].broadcast_add(&t[1]),
            2e-5,
        )
    }
}
