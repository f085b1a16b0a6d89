//! Adding a bias row, with a backward pass that sums columns in parallel.

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor};

#[cfg(feature = "cuda")]
use super::cuda;
use super::fused;
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

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        x: &CudaStorage,
        x_layout: &Layout,
        bias: &CudaStorage,
        bias_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let out = cuda::add_bias((x, x_layout), (bias, bias_layout))?;
        Ok((out, x_layout.shape().clone()))
    }

    fn bwd(
        &self,
        _x: &Tensor,
        bias: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let sums = grad.apply_op1_no_bwd(&ColumnSums(bias.dim(0)?))?;
        Ok((Some(grad), Some(sums)))
    }
}

/// Sums of columns of so many.
struct ColumnSums(usize);

impl CustomOp1 for ColumnSums {
    fn name(&self) -> &'static str {
        "column-sums"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = self.0;
        let x = f32_slice(x, layout, "column-sums")?;
        let sums = column_sums(x.len() / width, width, |r, sums| {
            for (s, x) in sums.iter_mut().zip(&x[r * width..]) {
                *s += x;
            }
        });
        Ok((CpuStorage::F32(sums), Shape::from(width)))
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(&self, x: &CudaStorage, layout: &Layout) -> Result<(CudaStorage, Shape)> {
        Ok((cuda::column_sums((x, layout), self.0)?, Shape::from(self.0)))
    }
}

/// `x + bias` for `x` `[rows, width]` and `bias` `[width]`.
pub fn add_bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    if fused(x) && bias.is_contiguous() {
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

    #[cfg(feature = "cuda")]
    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn same_on_a_card() -> candle_core::Result<()> {
        let card = super::super::testing::card()?;
        let x = values(&[700, 96], 1)?.to_device(&card)?;
        let bias = values(&[96], 2)?.to_device(&card)?;
        assert_same(
            &[x, bias],
            |t| add_bias(&t[0], &t[1]),
            |t| t[0].broadcast_add(&t[1]),
            1e-4,
        )
    }
}
