//! Taking rows of a table, with a backward pass that adds in parallel on an NVIDIA card, where candle's
//! own walks the rows one after the other.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
#[cfg(feature = "cuda")]
use candle_core::{CudaStorage, backend::BackendStorage};

#[cfg(feature = "cuda")]
use super::cuda;

/// Rows of `table` `[height, width]`: `[ids, width]` for `ids` `[ids]` of u32.
///
/// # Errors
/// When an id is not below the table's height, or the device fails.
pub fn take(table: &Tensor, ids: &Tensor) -> Result<Tensor> {
    let fused = table.device().is_cuda()
        && table.dtype() == candle_core::DType::F32
        && table.is_contiguous()
        && table.track_op();
    if fused {
        table.apply_op2(ids, Take)
    } else {
        table.index_select(ids, 0)
    }
}

struct Take;

impl CustomOp2 for Take {
    fn name(&self) -> &'static str {
        "take"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!("take: the CPU has candle's")
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        table: &CudaStorage,
        layout: &Layout,
        ids: &CudaStorage,
        ids_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let (_, width) = layout.shape().dims2()?;
        let rows = table.index_select(ids, layout, ids_layout, 0)?;
        Ok((rows, Shape::from((ids_layout.shape().elem_count(), width))))
    }

    fn bwd(
        &self,
        table: &Tensor,
        ids: &Tensor,
        _res: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let (height, width) = table.dims2()?;
        let back = Back { height, width };
        let sums = ids.apply_op2_no_bwd(&grad.contiguous()?, &back)?;
        Ok((Some(sums), None))
    }
}

/// The way back, of a table of so many rows.
struct Back {
    height: usize,
    width: usize,
}

impl CustomOp2 for Back {
    fn name(&self) -> &'static str {
        "take-grad"
    }

    fn cpu_fwd(
        &self,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        bail!(
            "take-grad of {} × {}: the CPU has candle's",
            self.height,
            self.width
        )
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        ids: &CudaStorage,
        ids_layout: &Layout,
        grad: &CudaStorage,
        grad_layout: &Layout,
    ) -> Result<(CudaStorage, Shape)> {
        let Self { height, width } = *self;
        let sums = cuda::rows_grad((ids, ids_layout), (grad, grad_layout), height, width)?;
        Ok((sums, Shape::from((height, width))))
    }
}

#[cfg(all(test, feature = "cuda"))]
mod tests {
    use candle_core::{Result, Tensor};

    use super::super::testing::{assert_same, card, values};
    use super::take;

    #[test]
    #[ignore = "needs an NVIDIA card"]
    fn same_on_a_card() -> Result<()> {
        let card = card()?;
        for (height, width) in [(18, 6), (900, 48)] {
            let ids: Vec<u32> = (0..5000u32).map(|i| i * i % height).collect();
            let ids = Tensor::new(ids, &card)?;
            let table = values(&[height as usize, width], 3)?.to_device(&card)?;
            assert_same(
                &[table],
                |t| take(&t[0], &ids),
                |t| t[0].index_select(&ids, 0),
                2e-3,
            )?;
        }
        Ok(())
    }
}
