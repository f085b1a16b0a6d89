//! A whole encoder: embeddings, layers, and its place in candle's graph.

use std::sync::{Arc, Mutex};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::buffer::Buffer;
use super::heads::Heads;
use super::norm::{Sums, add_rows, layer_norm_grad};
use super::pack::{Packed, Precision};
use super::simd::Level;
use super::stack::{Dense, Layer, Norm, Stack};
use super::train::{
    Gradients, LayerTape, LayerTensors, Named, TrainLayer, Transposed, with_values,
};
use crate::encoder::stored::Stored;

/// The embedding tables and their normalisation.
#[derive(Clone)]
pub struct EmbeddingTensors<W = Tensor> {
    /// `[vocab, hidden]`.
    pub words: W,
    /// `[positions, hidden]`.
    pub positions: Tensor,
    /// `[types, hidden]`, of which row 0 is added.
    pub token_type: Tensor,
    /// Scale and shift, `[hidden]` each.
    pub norm: Named,
}

/// Everything that an encoder is made of; its matrices may be kept in another form.
#[derive(Clone)]
pub struct ModelTensors<W = Tensor> {
    /// Before the first layer.
    pub embeddings: EmbeddingTensors<W>,
    /// First to last.
    pub layers: Vec<LayerTensors<W>>,
    /// Attention heads.
    pub heads: usize,
    /// Added to the variance in all normalisations.
    pub eps: f64,
}

impl ModelTensors {
    fn all(&self) -> impl Iterator<Item = &Tensor> {
        let e = &self.embeddings;
        let first = [
            &e.words,
            &e.positions,
            &e.token_type,
            &e.norm.weight,
            &e.norm.bias,
        ];
        let layers = self.layers.iter().flat_map(|l| {
            let [q, k, v] = &l.projections;
            let named = [
                q,
                k,
                v,
                &l.output,
                &l.attention_norm,
                &l.up,
                &l.down,
                &l.output_norm,
            ];
            named.into_iter().flat_map(|n| [&n.weight, &n.bias])
        });
        first.into_iter().chain(layers)
    }

    /// Whether this backend can run these tensors: f32 on the CPU, weights and not results.
    pub fn supported(&self) -> bool {
        self.all().all(|t| {
            t.device().is_cpu()
                && t.dtype() == candle_core::DType::F32
                && t.is_contiguous()
                && (t.is_variable() || !t.track_op())
        })
    }
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    with_values(&[tensor], |v| v[0].to_vec())
}

fn norm(named: &Named, eps: f64) -> Result<Norm> {
    Ok(Norm {
        gamma: values(&named.weight)?,
        beta: values(&named.bias)?,
        eps: eps as f32,
    })
}

fn dense<W: Into<Stored> + Clone>(
    level: Level,
    precision: Precision,
    parts: &[&Named<W>],
) -> Result<Dense> {
    let weights: Vec<Stored> = parts.iter().map(|p| p.weight.clone().into()).collect();
    let &[outputs, inputs] = weights[0].shape() else {
        candle_core::bail!("a matrix expected, not {:?}", weights[0].shape())
    };
    let weights: Vec<&Stored> = weights.iter().collect();
    let weight = Stored::with_rows(&weights, inputs, |row| {
        let row = |o: usize| row(o / outputs, o % outputs);
        Packed::by_output(level, precision, outputs * weights.len(), inputs, row)
    })?;
    let mut bias = Vec::with_capacity(outputs * parts.len());
    for part in parts {
        bias.extend(values(&part.bias)?);
    }
    Ok(Dense { weight, bias })
}

fn layer<W: Into<Stored> + Clone>(
    level: Level,
    precision: Precision,
    t: &LayerTensors<W>,
    eps: f64,
) -> Result<Layer> {
    let [q, k, v] = &t.projections;
    Ok(Layer {
        qkv: dense(level, precision, &[q, k, v])?,
        output: dense(level, precision, &[&t.output])?,
        attention_norm: norm(&t.attention_norm, eps)?,
        up: dense(level, precision, &[&t.up])?,
        down: dense(level, precision, &[&t.down])?,
        output_norm: norm(&t.output_norm, eps)?,
    })
}

/// Which rows of the tables a batch reads.
pub struct Batch {
    /// Word ids.
    pub ids: Vec<u32>,
    /// Rows of the position table.
    pub positions: Vec<u32>,
    /// Where each sequence begins, and the end of the last.
    pub offsets: Vec<usize>,
}

struct Embeddings<W = Tensor> {
    tensors: EmbeddingTensors<W>,
    norm: Norm,
}

impl<W: Into<Stored> + Clone> Embeddings<W> {
    fn new(tensors: EmbeddingTensors<W>, eps: f64) -> Result<Self> {
        Ok(Self {
            norm: norm(&tensors.norm, eps)?,
            tensors,
        })
    }

    /// The sum of the three tables for every token, and the same normalised.
    fn run(&self, level: Level, batch: &Batch) -> Result<(Buffer, Buffer)> {
        let t = &self.tensors;
        let hidden = self.norm.gamma.len();
        let mut sum = Buffer::taken(batch.ids.len() * hidden);
        let tables = [
            t.words.clone().into(),
            Stored::from(t.positions.clone()),
            Stored::from(t.token_type.clone()),
        ];
        Stored::with_rows(&tables.each_ref(), hidden, |row| {
            let (mut place, mut kind) = (vec![0.0; hidden], vec![0.0; hidden]);
            let kind = row(2, 0).values(&mut kind);
            let rows = batch.ids.iter().zip(&batch.positions);
            for (out, (&id, &position)) in sum.chunks_exact_mut(hidden).zip(rows) {
                row(0, id as usize).write(out);
                let place = row(1, position as usize).values(&mut place);
                for ((o, p), k) in out.iter_mut().zip(place).zip(kind) {
                    *o = *o + p + k;
                }
            }
        })?;
        let mut out = Buffer::taken(sum.len());
        self.norm.apply(level, &sum, &mut out);
        Ok((sum, out))
    }
}

impl Embeddings {
    fn backward(&self, level: Level, batch: &Batch, sum: &[f32], grad: &[f32], sink: &Gradients) {
        let t = &self.tensors;
        let hidden = self.norm.gamma.len();
        let mut columns = vec![0.0; 3 * hidden];
        let (gamma, rest) = columns.split_at_mut(hidden);
        let (beta, input) = rest.split_at_mut(hidden);
        let mut dsum = Buffer::taken(sum.len());
        let sums = Sums { gamma, beta, input };
        layer_norm_grad(
            level,
            sum,
            &self.norm.gamma,
            self.norm.eps,
            grad,
            &mut dsum,
            sums,
        );
        sink.add(&t.norm.weight, &columns[..hidden]);
        sink.add(&t.norm.bias, &columns[hidden..2 * hidden]);
        for (table, rows) in [(&t.words, &batch.ids), (&t.positions, &batch.positions)] {
            sink.update(table, |total, _| {
                for (&row, d) in rows.iter().zip(dsum.chunks_exact(hidden)) {
                    add_rows(level, d, &mut total[row as usize * hidden..][..hidden]);
                }
            });
        }
        sink.update(&t.token_type, |total, _| {
            add_rows(level, &columns[2 * hidden..], &mut total[..hidden]);
        });
    }
}

/// Bytes that sums of weights may take: half of the weights and of the table of words in f32, so that a model
/// never takes more than half as much again as its f32 weights.
fn room(layers: &[Layer], words: &[usize]) -> usize {
    let all = |layer: &Layer| {
        let Layer {
            qkv,
            output,
            up,
            down,
            ..
        } = layer;
        [qkv, output, up, down].map(|dense| dense.weight.bytes())
    };
    let layers: usize = layers.iter().flat_map(all).sum();
    usize::midpoint(layers, 4 * words.iter().product::<usize>())
}

/// An encoder of frozen weights.
pub struct Frozen {
    embeddings: Embeddings<Stored>,
    stack: Stack,
}

impl Frozen {
    /// Packs the weights.
    ///
    /// # Errors
    /// When they are not [`ModelTensors::supported`].
    pub fn new<W: Into<Stored> + Clone>(
        tensors: &ModelTensors<W>,
        level: Level,
        precision: Precision,
    ) -> Result<Self> {
        let layers = tensors
            .layers
            .iter()
            .map(|t| layer(level, precision, t, tensors.eps))
            .collect::<Result<Vec<_>>>()?;
        let e = &tensors.embeddings;
        let embeddings = EmbeddingTensors {
            words: e.words.clone().into(),
            positions: e.positions.clone(),
            token_type: e.token_type.clone(),
            norm: e.norm.clone(),
        };
        Ok(Self {
            embeddings: Embeddings::new(embeddings, tensors.eps)?,
            stack: Stack {
                level,
                layers,
                heads: tensors.heads,
            },
        })
    }

    /// Lets products of many rows of f32 be made of halves where that is faster ([`Level::halves`]), which takes memory: worth
    /// it for more than a few texts.
    pub fn hasten(&mut self) {
        let Stack { level, layers, .. } = &mut self.stack;
        if !level.halves() {
            return;
        }
        let mut room = room(layers, self.embeddings.tensors.words.shape());
        for layer in layers {
            layer.halve(&mut room);
        }
    }

    /// Token states of a batch, `[tokens, hidden]`; `seen` sees them after the embeddings and
    /// after every layer.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn run(&self, batch: &Batch, mut seen: impl FnMut(&[f32]) + Send) -> Result<Vec<f32>> {
        let (_, x) = self.embeddings.run(self.stack.level, batch)?;
        seen(&x);
        let x = self.stack.run(x, &batch.offsets, seen);
        Ok(x.to_vec())
    }
}

/// An encoder of weights that are being trained.
pub struct Trained {
    inner: Arc<TrainedInner>,
    /// A weight that is trained, so that candle's graph leads here.
    anchor: Tensor,
}

struct TrainedInner {
    level: Level,
    heads: usize,
    embeddings: Embeddings,
    layers: Vec<TrainLayer>,
    sink: Gradients,
}

impl Trained {
    /// Packs the weights in both directions; `None` where none of them is trained.
    ///
    /// # Errors
    /// When they are not [`ModelTensors::supported`].
    pub fn new(tensors: &ModelTensors, level: Level, precision: Precision) -> Result<Option<Self>> {
        let Some(anchor) = tensors.all().find(|t| t.is_variable()) else {
            return Ok(None);
        };
        let layers = tensors
            .layers
            .iter()
            .map(|t| {
                Ok(TrainLayer {
                    layer: layer(level, precision, t, tensors.eps)?,
                    back: Transposed::pack(level, precision, t)?,
                    tensors: t.clone(),
                })
            })
            .collect::<Result<_>>()?;
        let inner = TrainedInner {
            level,
            heads: tensors.heads,
            embeddings: Embeddings::new(tensors.embeddings.clone(), tensors.eps)?,
            layers,
            sink: Gradients::default(),
        };
        Ok(Some(Self {
            inner: Arc::new(inner),
            anchor: anchor.clone(),
        }))
    }

    /// Token states of a batch, `[tokens, hidden]`, as a node of candle's graph.
    ///
    /// # Errors
    /// When the tables cannot be read.
    pub fn run(&self, batch: Batch) -> Result<Tensor> {
        self.anchor.apply_op1(Pass {
            model: self.inner.clone(),
            batch,
            tape: Mutex::default(),
        })
    }

    /// The gradients that way back since the last call has given, by weight.
    ///
    /// # Errors
    /// When a gradient does not fit its weight.
    pub fn gradients(&self) -> Result<Vec<(Tensor, Tensor)>> {
        self.inner.sink.drain()
    }
}

/// What the way forward keeps.
struct Tape {
    embedded: Buffer,
    layers: Vec<LayerTape>,
}

/// One batch on its way.
struct Pass {
    model: Arc<TrainedInner>,
    batch: Batch,
    tape: Mutex<Option<Tape>>,
}

impl Pass {
    fn tape(&self) -> std::sync::MutexGuard<'_, Option<Tape>> {
        self.tape
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn heads(&self) -> Heads<'_> {
        Heads {
            offsets: &self.batch.offsets,
            heads: self.model.heads,
            hidden: self.model.embeddings.norm.gamma.len(),
        }
    }
}

impl CustomOp1 for Pass {
    fn name(&self) -> &'static str {
        "encoder"
    }

    fn cpu_fwd(&self, _anchor: &CpuStorage, _layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let model = &self.model;
        let heads = self.heads();
        let (embedded, mut x) = model.embeddings.run(model.level, &self.batch)?;
        let mut layers = Vec::with_capacity(model.layers.len());
        for layer in &model.layers {
            let (out, tape) = layer.forward(model.level, x, heads);
            x = out;
            layers.push(tape);
        }
        *self.tape() = Some(Tape { embedded, layers });
        Ok((
            CpuStorage::F32(x.to_vec()),
            Shape::from((self.batch.ids.len(), heads.hidden)),
        ))
    }

    fn bwd(&self, _anchor: &Tensor, _res: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let Some(tape) = self.tape().take() else {
            candle_core::bail!("the encoder's way back was gone already")
        };
        let model = &self.model;
        let mut grad = with_values(&[&grad.contiguous()?], |values| {
            let mut grad = Buffer::taken(values[0].len());
            grad.copy_from_slice(values[0]);
            grad
        })?;
        for (layer, tape) in model.layers.iter().zip(tape.layers).rev() {
            grad = layer.backward(model.level, tape, grad, self.heads(), &model.sink);
        }
        let embeddings = &model.embeddings;
        embeddings.backward(model.level, &self.batch, &tape.embedded, &grad, &model.sink);
        Ok(None)
    }
}
