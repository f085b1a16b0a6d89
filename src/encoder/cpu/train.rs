//! The layers of [`super::stack`] with a way back, written out by hand.
//!
//! The way forward keeps what the way back needs; attention probabilities and GELU are computed
//! anew. Products with weights run in the chosen precision in both directions; gradients of
//! weights are f32 products over all rows: for 8-bit integers this is `SwitchBack` (Wortsman et
//! al. 2023, arXiv 2304.13013). Sums do not depend on the number of threads.

use std::sync::Mutex;

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::buffer::Buffer;
use super::crew::Pool;
use super::epilogue::{AddTo, GeluGrad, Store};
use super::gemm::multiply;
use super::heads::Heads;
use super::norm::{Sums, add_rows, layer_norm_grad};
use super::pack::{Packed, Precision};
use super::simd::Level;
use super::stack::{CHUNK, ChunkOf, Layer, Norm, some, with_scratch};
use crate::encoder::stored::floats;

/// Gradients of some weights.
#[derive(Default)]
pub struct Gradients(Mutex<Vec<(Tensor, Vec<f32>)>>);

impl Gradients {
    /// Takes all gradients out.
    ///
    /// # Errors
    /// When a gradient has not its weight's number of values.
    pub fn drain(&self) -> Result<Vec<(Tensor, Tensor)>> {
        let all = std::mem::take(&mut *self.lock());
        all.into_iter()
            .map(|(weight, grad)| {
                let grad = Tensor::from_vec(grad, weight.shape(), weight.device())?;
                Ok((weight, grad))
            })
            .collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(Tensor, Vec<f32>)>> {
        // A panic elsewhere leaves nothing half written: entries are pushed whole.
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Adds to the gradient of `weight` if it is trained.
    pub fn add(&self, weight: &Tensor, grad: &[f32]) {
        if !weight.is_variable() {
            return;
        }
        self.update(weight, |sum, _| {
            for (s, g) in sum.iter_mut().zip(grad) {
                *s += g;
            }
        });
    }

    /// Lets `add` add to the gradient of `weight`, which begins with zeros, if it is trained; it
    /// is told whether this is the beginning.
    pub fn update(&self, weight: &Tensor, add: impl FnOnce(&mut [f32], bool)) {
        if !weight.is_variable() {
            return;
        }
        let mut all = self.lock();
        if let Some((_, sum)) = all.iter_mut().find(|(w, _)| w.id() == weight.id()) {
            add(sum, false);
        } else {
            let mut sum = vec![0.0; weight.elem_count()];
            add(&mut sum, true);
            all.push((weight.clone(), sum));
        }
    }

    /// Adds `dyᵀ · x` to the gradient of `weight` `[out, in]`; rows of `dy` are `ld` apart.
    fn add_product(&self, weight: &Tensor, dy: &[f32], ld: usize, x: &[f32]) {
        let &[outputs, inputs] = weight.dims() else {
            return;
        };
        let rows = x.len() / inputs;
        assert!(rows > 0 && (rows - 1) * ld + outputs <= dy.len());
        let parallelism = match rayon::current_num_threads() {
            1 => gemm::Parallelism::None,
            n => gemm::Parallelism::Rayon(n),
        };
        self.update(weight, |sum, first| {
            assert_eq!(sum.len(), outputs * inputs);
            // SAFETY: `sum` is `[outputs, inputs]`, `dy` and `x` hold `rows` rows; all checked.
            unsafe {
                gemm::gemm(
                    outputs,
                    inputs,
                    rows,
                    sum.as_mut_ptr(),
                    1,
                    inputs as isize,
                    !first,
                    dy.as_ptr(),
                    ld as isize,
                    1,
                    x.as_ptr(),
                    1,
                    inputs as isize,
                    1.0f32,
                    1.0f32,
                    false,
                    false,
                    false,
                    parallelism,
                );
            }
        });
    }
}

/// Weight and bias, `[out, in]` and `[out]`.
#[derive(Clone)]
pub struct Named<W = Tensor> {
    /// Matrix, or scale of a normalisation.
    pub weight: W,
    /// Bias, or shift.
    pub bias: Tensor,
}

/// The tensors of one layer; its matrices may be kept in another form.
#[derive(Clone)]
pub struct LayerTensors<W = Tensor> {
    /// Query, key and value.
    pub projections: [Named<W>; 3],
    /// Output of the attention.
    pub output: Named<W>,
    /// After the attention.
    pub attention_norm: Named,
    /// Up to the inner width.
    pub up: Named<W>,
    /// Back down.
    pub down: Named<W>,
    /// After the feed-forward block.
    pub output_norm: Named,
}

/// The transposed weights of a layer, for the way back.
pub struct Transposed {
    qkv: Packed,
    output: Packed,
    up: Packed,
    down: Packed,
}

impl Transposed {
    /// Packs them.
    ///
    /// # Errors
    /// When a weight is not f32 on the CPU.
    pub fn pack(level: Level, precision: Precision, tensors: &LayerTensors) -> Result<Self> {
        let one = |named: &Named| {
            let (outputs, inputs) = named.weight.dims2()?;
            with_values(&[&named.weight], |w| {
                let row = |o: usize| &w[0][o * inputs..(o + 1) * inputs];
                Packed::by_input(level, precision, inputs, outputs, row)
            })
        };
        let [q, k, v] = &tensors.projections;
        let hidden = q.weight.dim(0)?;
        Ok(Self {
            qkv: with_values(&[&q.weight, &k.weight, &v.weight], |w| {
                let row = |o: usize| &w[o / hidden][o % hidden * hidden..][..hidden];
                Packed::by_input(level, precision, hidden, 3 * hidden, row)
            })?,
            output: one(&tensors.output)?,
            up: one(&tensors.up)?,
            down: one(&tensors.down)?,
        })
    }
}

/// Calls `f` with the values of contiguous f32 tensors on the CPU.
///
/// # Errors
/// When one is something else.
pub fn with_values<T>(tensors: &[&Tensor], f: impl FnOnce(&[&[f32]]) -> T) -> Result<T> {
    let guards: Vec<_> = tensors.iter().map(|t| t.storage_and_layout()).collect();
    let values = guards
        .iter()
        .map(|(storage, layout)| floats(storage, layout))
        .collect::<Result<Vec<_>>>()?;
    Ok(f(&values))
}

/// What the way forward keeps of a layer.
pub struct LayerTape {
    x: Buffer,
    qkv: Buffer,
    context: Buffer,
    attention_sum: Buffer,
    middle: Buffer,
    before: Buffer,
    output_sum: Buffer,
}

/// A layer under training.
pub struct TrainLayer {
    /// Packed for the way forward.
    pub layer: Layer,
    /// Packed for the way back.
    pub back: Transposed,
    /// What gradients are for.
    pub tensors: LayerTensors,
}

impl TrainLayer {
    /// Output of the layer for `x`, and what the way back needs.
    pub fn forward(&self, level: Level, x: Buffer, heads: Heads<'_>) -> (Buffer, LayerTape) {
        let (hidden, inner) = (self.layer.hidden(), self.layer.inner());
        let tokens = x.len() / hidden;
        let mut tape = LayerTape {
            qkv: Buffer::taken(3 * x.len()),
            context: Buffer::taken(x.len()),
            attention_sum: Buffer::taken(x.len()),
            middle: Buffer::taken(x.len()),
            before: Buffer::taken(tokens * inner),
            output_sum: Buffer::taken(x.len()),
            x,
        };
        let mut out = Buffer::taken(tape.x.len());
        let chunk = CHUNK * hidden;
        tape.x
            .par_chunks(chunk)
            .zip(tape.qkv.par_chunks_mut(3 * chunk))
            .for_each(|(x, qkv)| with_scratch(|s| self.layer.project(x, qkv, &mut s.quantised)));
        heads.forward(level, &mut Pool, &tape.qkv, &mut tape.context);
        tape.x
            .par_chunks(chunk)
            .zip(tape.context.par_chunks(chunk))
            .zip(tape.attention_sum.par_chunks_mut(chunk))
            .zip(tape.middle.par_chunks_mut(chunk))
            .zip(tape.before.par_chunks_mut(CHUNK * inner))
            .zip(tape.output_sum.par_chunks_mut(chunk))
            .zip(out.par_chunks_mut(chunk))
            .for_each(
                |((((((x, context), attention_sum), middle), before), output_sum), out)| {
                    with_scratch(|s| {
                        let chunk = ChunkOf {
                            x,
                            context,
                            attention_sum,
                            middle,
                            before,
                            output_sum,
                            out,
                        };
                        self.layer
                            .finish(level, chunk, &mut s.quantised, &mut s.inner);
                    });
                },
            );
        (out, tape)
    }

    /// Gradient of the input from that of the output; gradients of weights go to `sink`.
    pub fn backward(
        &self,
        level: Level,
        tape: LayerTape,
        mut grad: Buffer,
        heads: Heads<'_>,
        sink: &Gradients,
    ) -> Buffer {
        let layer = &self.layer;
        let (hidden, inner) = (layer.hidden(), layer.inner());
        let chunk = CHUNK * hidden;
        let LayerTape {
            x,
            mut qkv,
            context,
            mut attention_sum,
            middle,
            mut before,
            mut output_sum,
        } = tape;
        // From here on, `output_sum`, `before`, `attention_sum` and `qkv` become gradients.
        let mut activated = Buffer::taken(before.len());
        let mut grad_context = Buffer::taken(context.len());
        let sums: Vec<Vec<f32>> = grad
            .par_chunks_mut(chunk)
            .zip(output_sum.par_chunks_mut(chunk))
            .zip(before.par_chunks_mut(CHUNK * inner))
            .zip(activated.par_chunks_mut(CHUNK * inner))
            .zip(attention_sum.par_chunks_mut(chunk))
            .zip(grad_context.par_chunks_mut(chunk))
            .map(
                |(((((grad, output_sum), before), activated), attention_sum), grad_context)| {
                    let chunk = BackChunk {
                        grad,
                        output_sum,
                        before,
                        activated,
                        attention_sum,
                        grad_context,
                    };
                    self.chunk_back(level, chunk)
                },
            )
            .collect();
        let sums = total(sums);
        let (norms, up_bias) = sums.split_at(6 * hidden);
        let t = &self.tensors;
        let weights = [
            &t.output_norm.weight,
            &t.output_norm.bias,
            &t.down.bias,
            &t.attention_norm.weight,
            &t.attention_norm.bias,
            &t.output.bias,
        ];
        for (weight, sum) in weights.into_iter().zip(norms.chunks_exact(hidden)) {
            sink.add(weight, sum);
        }
        sink.add(&t.up.bias, up_bias);
        sink.add_product(&t.down.weight, &output_sum, hidden, &activated);
        sink.add_product(&t.up.weight, &before, inner, &middle);
        sink.add_product(&t.output.weight, &attention_sum, hidden, &context);

        drop(activated);
        let mut grad_qkv = Buffer::taken(qkv.len());
        heads.backward(level, &qkv, &grad_context, &mut grad_qkv);
        std::mem::swap(&mut qkv, &mut grad_qkv);
        let sums: Vec<Vec<f32>> = qkv
            .par_chunks(3 * chunk)
            .zip(attention_sum.par_chunks(chunk))
            .zip(grad.par_chunks_mut(chunk))
            .map(|((qkv, residual), out)| {
                let mut sums = vec![0.0; 3 * hidden];
                add_rows(level, qkv, &mut sums);
                let rows = out.len() / hidden;
                let mut add = AddTo {
                    out,
                    residual,
                    ld: hidden,
                };
                with_scratch(|s| {
                    let weight = &self.back.qkv;
                    multiply(
                        qkv,
                        3 * hidden,
                        rows,
                        weight,
                        &[],
                        &mut s.quantised,
                        &mut add,
                    );
                });
                sums
            })
            .collect();
        let sums = total(sums);
        for (i, part) in t.projections.iter().enumerate() {
            sink.add(&part.bias, &sums[i * hidden..(i + 1) * hidden]);
            sink.add_product(&part.weight, &qkv[i * hidden..], 3 * hidden, &x);
        }
        grad
    }

    /// The way back from the output to the context, of one chunk; gives column sums: of the two
    /// normalisations (scale, shift, input), then of the inner layer.
    fn chunk_back(&self, level: Level, chunk: BackChunk<'_>) -> Vec<f32> {
        let layer = &self.layer;
        let (hidden, inner) = (layer.hidden(), layer.inner());
        let rows = chunk.grad.len() / hidden;
        let mut all = vec![0.0; 6 * hidden + inner];
        let (norms, up_bias) = all.split_at_mut(6 * hidden);
        let (output_sums, attention_sums) = norms.split_at_mut(3 * hidden);
        let BackChunk {
            grad,
            output_sum,
            before,
            activated,
            attention_sum,
            grad_context,
        } = chunk;
        with_scratch(|s| {
            let kept = some(&mut s.inner.plain, rows * hidden);
            norm_back(
                level,
                &layer.output_norm,
                output_sum,
                grad,
                kept,
                output_sums,
            );
            let mut gelu = GeluGrad {
                x: before,
                value: activated,
                ld: inner,
            };
            let down = &self.back.down;
            multiply(
                output_sum,
                hidden,
                rows,
                down,
                &[],
                &mut s.quantised,
                &mut gelu,
            );
            add_rows(level, before, up_bias);
            let mut sum = AddTo {
                out: grad,
                residual: output_sum,
                ld: hidden,
            };
            let up = &self.back.up;
            multiply(before, inner, rows, up, &[], &mut s.quantised, &mut sum);
            let norm = &layer.attention_norm;
            norm_back(level, norm, attention_sum, grad, kept, attention_sums);
            let mut store = Store {
                out: grad_context,
                ld: hidden,
            };
            let output = &self.back.output;
            multiply(
                attention_sum,
                hidden,
                rows,
                output,
                &[],
                &mut s.quantised,
                &mut store,
            );
        });
        all
    }
}

/// What the way back reads and writes of a chunk.
struct BackChunk<'a> {
    grad: &'a mut [f32],
    output_sum: &'a mut [f32],
    before: &'a mut [f32],
    activated: &'a mut [f32],
    attention_sum: &'a mut [f32],
    grad_context: &'a mut [f32],
}

/// Replaces the input `x` of a normalisation by its gradient; `sums` are its three column sums.
fn norm_back(
    level: Level,
    norm: &Norm,
    x: &mut [f32],
    grad: &[f32],
    scratch: &mut [f32],
    sums: &mut [f32],
) {
    let hidden = norm.gamma.len();
    let (gamma, rest) = sums.split_at_mut(hidden);
    let (beta, input) = rest.split_at_mut(hidden);
    scratch.copy_from_slice(x);
    let sums = Sums { gamma, beta, input };
    layer_norm_grad(level, scratch, &norm.gamma, norm.eps, grad, x, sums);
}

/// The sum of the chunks' sums, in their order.
pub fn total(parts: Vec<Vec<f32>>) -> Vec<f32> {
    let mut parts = parts.into_iter();
    let mut sum = parts.next().unwrap_or_default();
    for part in parts {
        for (s, p) in sum.iter_mut().zip(part) {
            *s += p;
        }
    }
    sum
}
