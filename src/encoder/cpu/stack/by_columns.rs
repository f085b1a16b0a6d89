//! A layer of a text of a few tokens: threads share the weights, which take longer to read than the
//! rows to multiply, and every thread computes some columns of all rows.

use super::{Dense, Layer, Stack, with_scratch};
use crate::encoder::cpu::attention::Shared;
use crate::encoder::cpu::buffer::Buffer;
use crate::encoder::cpu::crew::{Leader, Share};
use crate::encoder::cpu::epilogue::{Columns, Then};
use crate::encoder::cpu::gemm::multiply_part;

/// One layer for all sequences.
pub fn pass(
    stack: &Stack,
    layer: &Layer,
    crew: &mut Leader<'_>,
    offsets: &[usize],
    x: &[f32],
    out: &mut [f32],
) {
    let (hidden, width, level) = (layer.hidden(), layer.inner(), stack.level);
    let rows = x.len() / hidden;
    let mut qkv = Buffer::taken(3 * x.len());
    let mut context = Buffer::taken(x.len());
    dense(crew, &layer.qkv, x, rows, &mut qkv, Then::Store);
    stack.attend(layer, crew, offsets, &qkv, &mut context);
    let mut sum = Buffer::taken(x.len());
    let mut middle = Buffer::taken(x.len());
    dense(crew, &layer.output, &context, rows, &mut sum, Then::Add(x));
    layer.attention_norm.apply(level, &sum, &mut middle);
    let mut inner = Buffer::taken(rows * width);
    dense(crew, &layer.up, &middle, rows, &mut inner, Then::Gelu);
    dense(
        crew,
        &layer.down,
        &inner,
        rows,
        &mut sum,
        Then::Add(&middle),
    );
    layer.output_norm.apply(level, &sum, out);
}

/// `out = then(x · wᵀ + bias)`, every thread some panels of the weights.
fn dense(
    crew: &mut Leader<'_>,
    layer: &Dense,
    x: &[f32],
    rows: usize,
    out: &mut [f32],
    then: Then<'_>,
) {
    let Dense { weight, bias } = layer;
    let (inputs, outputs, panels) = (weight.inputs(), weight.outputs(), weight.panels());
    assert_eq!(out.len(), rows * outputs);
    let each = panels.div_ceil(crew.threads()).max(1);
    let out = Shared::new(out);
    crew.run(panels.div_ceil(each), |i| {
        let part = i * each..panels.min((i + 1) * each);
        // SAFETY: parts do not overlap, so that every column is written by one thread, and `out` is
        // borrowed for the whole call.
        let mut columns = unsafe { Columns::new(out, outputs, then) };
        with_scratch(|s| {
            let shape = (inputs, rows);
            let rows = &mut s.quantised;
            multiply_part(x, shape, weight, part, bias, rows, &mut columns);
        });
    });
}
