//! `AdamW` (Loshchilov & Hutter 2019, arXiv 1711.05101), in place, in parallel on the CPU.

use std::collections::BTreeMap;

#[cfg(feature = "cuda")]
use candle_core::CudaStorage;
use candle_core::backprop::GradStore;
use candle_core::{
    CpuStorage, DType, Device, InplaceOp2, InplaceOp3, Layout, Result, Tensor, Var, bail,
};
use rayon::prelude::*;

#[cfg(feature = "cuda")]
use stance::encoder::ops::cuda;

use super::params::Params;

/// Values per parallel task.
const CHUNK: usize = 1 << 16;

/// What `AdamW` is told once.
#[derive(Debug, Clone, Copy, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct AdamWConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Decoupled weight decay, on matrices alone.
    pub weight_decay: f64,
    /// The gradient of all weights together is scaled down to this norm.
    pub clip_norm: f64,
}

/// Moments of one weight.
struct Moments {
    first: Var,
    second: Var,
}

/// The optimiser: moments per weight and the number of steps taken.
pub struct AdamW {
    config: AdamWConfig,
    moments: BTreeMap<String, Moments>,
    steps: u64,
}

impl AdamW {
    /// Moments start at zero when a weight gets its first gradient.
    pub fn new(config: AdamWConfig) -> Self {
        Self {
            config,
            moments: BTreeMap::new(),
            steps: 0,
        }
    }

    /// One step on every weight that has a gradient; `rate` gives its learning rate (0 leaves it
    /// as it is). Returns the norm of the gradient before clipping.
    ///
    /// # Errors
    /// When the norm is not finite, or the device fails.
    pub fn step(
        &mut self,
        params: &Params,
        grads: &GradStore,
        rate: impl Fn(&str) -> f64,
    ) -> Result<f64> {
        let all = params.iter();
        let all = all.filter_map(|(_, var)| grads.get(var.as_tensor()));
        let norm = sum_of_squares(all, params.device())?.sqrt();
        if !norm.is_finite() {
            bail!("the gradient is not finite");
        }
        let scale = (self.config.clip_norm / (norm + 1e-6)).min(1.0);
        self.steps += 1;
        let steps = self.steps as i32;
        let correction1 = 1.0 - self.config.beta1.powi(steps);
        let correction2 = 1.0 - self.config.beta2.powi(steps);
        for (name, var) in params.iter() {
            let (lr, Some(grad)) = (rate(name), grads.get(var.as_tensor())) else {
                continue;
            };
            if lr == 0.0 {
                continue;
            }
            if !self.moments.contains_key(name) {
                let moments = Moments {
                    first: Var::from_tensor(&var.zeros_like()?)?,
                    second: Var::from_tensor(&var.zeros_like()?)?,
                };
                self.moments.insert(name.to_owned(), moments);
            }
            let Some(moments) = self.moments.get(name) else {
                continue;
            };
            let grad = grad.contiguous()?;
            let decay = if var.rank() > 1 {
                self.config.weight_decay
            } else {
                0.0
            };
            let average = |beta: f64, power: i32| Average { beta, scale, power };
            let update = Update {
                rate: lr / correction1,
                correction: correction2.sqrt(),
                eps: self.config.eps,
                keep: 1.0 - lr * decay,
            };
            average(self.config.beta1, 1).apply(&moments.first, &grad)?;
            average(self.config.beta2, 2).apply(&moments.second, &grad)?;
            update.apply(var, &moments.first, &moments.second)?;
        }
        Ok(norm)
    }

    /// Steps taken so far.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// The state as tensors: `first.NAME` and `second.NAME`.
    pub fn tensors(&self) -> impl Iterator<Item = (String, Tensor)> {
        self.moments.iter().flat_map(|(name, m)| {
            [
                (format!("first.{name}"), m.first.as_tensor().detach()),
                (format!("second.{name}"), m.second.as_tensor().detach()),
            ]
        })
    }

    /// Takes up a state that [`AdamW::tensors`] gave.
    ///
    /// # Errors
    /// When a second moment has no first one beside it, or the device fails.
    pub fn restore(
        &mut self,
        steps: u64,
        tensors: &std::collections::HashMap<String, Tensor>,
        params: &Params,
    ) -> Result<()> {
        self.steps = steps;
        self.moments.clear();
        for (name, _) in params.iter() {
            let first = tensors.get(&format!("first.{name}"));
            let second = tensors.get(&format!("second.{name}"));
            match (first, second) {
                (Some(first), Some(second)) => {
                    let moments = Moments {
                        first: Var::from_tensor(&first.to_device(params.device())?)?,
                        second: Var::from_tensor(&second.to_device(params.device())?)?,
                    };
                    self.moments.insert(name.to_owned(), moments);
                }
                (None, None) => {}
                _ => bail!("checkpoint: {name} has one moment of two"),
            }
        }
        Ok(())
    }
}

/// Of all gradients together. A card is waited for once, and not for each of them.
fn sum_of_squares<'a>(grads: impl Iterator<Item = &'a Tensor>, device: &Device) -> Result<f64> {
    if !device.is_cuda() {
        return grads.map(squares).sum();
    }
    let total = Tensor::zeros(1, DType::F32, device)?;
    for grad in grads {
        total.inplace_op2(&grad.contiguous()?, &AddSquares)?;
    }
    Ok(f64::from(total.to_vec1::<f32>()?[0]))
}

/// `sum += Σ x²`.
struct AddSquares;

impl InplaceOp2 for AddSquares {
    fn name(&self) -> &'static str {
        "add-squares"
    }

    fn cpu_fwd(&self, s: &mut CpuStorage, sl: &Layout, x: &CpuStorage, xl: &Layout) -> Result<()> {
        let sum: f32 = values(x, xl)?.iter().map(|x| x * x).sum();
        values_mut(s, sl)?[0] += sum;
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        s: &mut CudaStorage,
        sl: &Layout,
        x: &CudaStorage,
        xl: &Layout,
    ) -> Result<()> {
        cuda::add_squares((s, sl), (x, xl))
    }
}

fn squares(grad: &Tensor) -> Result<f64> {
    if !grad.device().is_cpu() || !grad.is_contiguous() {
        return Ok(f64::from(grad.sqr()?.sum_all()?.to_scalar::<f32>()?));
    }
    let (storage, layout) = grad.storage_and_layout();
    let candle_core::Storage::Cpu(CpuStorage::F32(data)) = &*storage else {
        bail!("f32 gradients expected")
    };
    let start = layout.start_offset();
    let data = &data[start..start + layout.shape().elem_count()];
    let sum = |chunk: &[f32]| -> f64 {
        let mut lanes = [0.0f32; 16];
        let (whole, rest) = chunk.as_chunks::<16>();
        for part in whole {
            for (lane, x) in lanes.iter_mut().zip(part) {
                *lane += x * x;
            }
        }
        let rest: f32 = rest.iter().map(|x| x * x).sum();
        f64::from(rest) + lanes.iter().map(|&x| f64::from(x)).sum::<f64>()
    };
    Ok(data
        .par_chunks(CHUNK)
        .map(sum)
        .collect::<Vec<_>>()
        .into_iter()
        .sum())
}

/// Whether the steps have kernels there.
fn fused(device: &Device) -> bool {
    device.is_cpu() || device.is_cuda()
}

/// `m = beta m + (1 - beta) (scale g)^power`.
struct Average {
    beta: f64,
    scale: f64,
    power: i32,
}

impl Average {
    fn apply(&self, moment: &Var, grad: &Tensor) -> Result<()> {
        if fused(moment.device()) {
            return moment.inplace_op2(grad, self);
        }
        let grad = (grad * self.scale)?;
        let grad = if self.power == 2 { grad.sqr()? } else { grad };
        moment.set(&((moment.as_tensor() * self.beta)? + (grad * (1.0 - self.beta))?)?)
    }
}

impl InplaceOp2 for Average {
    fn name(&self) -> &'static str {
        "adamw-average"
    }

    fn cpu_fwd(&self, m: &mut CpuStorage, ml: &Layout, g: &CpuStorage, gl: &Layout) -> Result<()> {
        let m = values_mut(m, ml)?;
        let g = values(g, gl)?;
        let (beta, rest, scale) = (
            self.beta as f32,
            (1.0 - self.beta) as f32,
            self.scale as f32,
        );
        m.par_chunks_mut(CHUNK)
            .zip(g.par_chunks(CHUNK))
            .for_each(|(m, g)| {
                for (m, g) in m.iter_mut().zip(g) {
                    let g = g * scale;
                    let g = if self.power == 2 { g * g } else { g };
                    *m = beta * *m + rest * g;
                }
            });
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        m: &mut CudaStorage,
        ml: &Layout,
        g: &CudaStorage,
        gl: &Layout,
    ) -> Result<()> {
        let (beta, scale) = (self.beta as f32, self.scale as f32);
        cuda::moment((m, ml), (g, gl), beta, scale, self.power)
    }
}

/// `w = keep w - rate m / (√v / correction + eps)`.
struct Update {
    rate: f64,
    correction: f64,
    eps: f64,
    keep: f64,
}

impl Update {
    fn apply(&self, weight: &Var, first: &Var, second: &Var) -> Result<()> {
        if fused(weight.device()) {
            return weight.inplace_op3(first, second, self);
        }
        let denominator = ((second.as_tensor().sqrt()? / self.correction)? + self.eps)?;
        let step = ((first.as_tensor() / denominator)? * self.rate)?;
        weight.set(&((weight.as_tensor() * self.keep)? - step)?)
    }
}

impl InplaceOp3 for Update {
    fn name(&self) -> &'static str {
        "adamw-update"
    }

    fn cpu_fwd(
        &self,
        w: &mut CpuStorage,
        wl: &Layout,
        m: &CpuStorage,
        ml: &Layout,
        v: &CpuStorage,
        vl: &Layout,
    ) -> Result<()> {
        let w = values_mut(w, wl)?;
        let (m, v) = (values(m, ml)?, values(v, vl)?);
        let (rate, inverse) = (self.rate as f32, 1.0 / self.correction as f32);
        let (eps, keep) = (self.eps as f32, self.keep as f32);
        w.par_chunks_mut(CHUNK)
            .zip(m.par_chunks(CHUNK))
            .zip(v.par_chunks(CHUNK))
            .for_each(|((w, m), v)| {
                for ((w, m), v) in w.iter_mut().zip(m).zip(v) {
                    *w = keep * *w - rate * m / (v.sqrt() * inverse + eps);
                }
            });
        Ok(())
    }

    #[cfg(feature = "cuda")]
    fn cuda_fwd(
        &self,
        w: &mut CudaStorage,
        wl: &Layout,
        m: &CudaStorage,
        ml: &Layout,
        v: &CudaStorage,
        vl: &Layout,
    ) -> Result<()> {
        let inverse = 1.0 / self.correction as f32;
        let numbers = [self.rate as f32, inverse, self.eps as f32, self.keep as f32];
        cuda::update((w, wl), (m, ml), (v, vl), numbers)
    }
}

fn values<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!("AdamW: contiguous f32 expected")
    };
    Ok(&data[start..end])
}

fn values_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (CpuStorage::F32(data), Some((start, end))) = (storage, layout.contiguous_offsets()) else {
        bail!("AdamW: contiguous f32 expected")
    };
    Ok(&mut data[start..end])
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::{AdamW, AdamWConfig};
    use crate::train::params::Params;

    #[test]
    fn finds_the_minimum_of_a_parabola() -> candle_core::Result<()> {
        let mut params = Params::new(&Device::Cpu);
        params.insert("w", &Tensor::new(&[[5.0f32, -3.0]], &Device::Cpu)?)?;
        let config = AdamWConfig {
            beta1: 0.9,
            beta2: 0.999,
            eps: 1e-8,
            weight_decay: 0.0,
            clip_norm: 10.0,
        };
        let mut optimiser = AdamW::new(config);
        let goal = Tensor::new(&[[1.0f32, 2.0]], &Device::Cpu)?;
        for _ in 0..600 {
            let w = params.view(|_| true).get((1, 2), "w")?;
            let loss = (w - &goal)?.sqr()?.sum_all()?;
            optimiser.step(&params, &loss.backward()?, |_| 0.05)?;
        }
        let w = params.view(|_| false).get((1, 2), "w")?;
        let error = (w - goal)?.abs()?.max_all()?.to_scalar::<f32>()?;
        assert!(error < 1e-2, "{error}");
        Ok(())
    }
}
