//! Weights in the order in which the matrix product reads them.
//!
//! The output channels are cut into panels of two vectors. Within a panel, all channels of one
//! input (or of two inputs as bf16, or of four as bytes, in one word) stand side by side, so that
//! the inner loop reads straight on.

use std::ops::Range;

use half::bf16;
use rayon::prelude::*;

use super::quantise::{Around, bf16_row, inverse, quantise_row};
use super::simd::{Kernel, Level, MAX_LANES, Simd, TILE_ROWS, load_up_to};
use super::strassen;
use super::words::Words;
use crate::encoder::stored::Row;

/// How weights are stored and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32-bit floats.
    #[default]
    F32,
    /// 16-bit brain floats, added up in f32.
    Bf16,
    /// 8-bit integers: weights with one scale per output channel, activations with a scale and a middle
    /// per row.
    Int8,
}

impl Precision {
    /// As `--dtype` and recipes call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
            Self::Int8 => "int8",
        }
    }

    /// Values in a word of 32 bits.
    pub(super) fn per_word(self) -> usize {
        match self {
            Self::F32 => 1,
            Self::Bf16 => 2,
            Self::Int8 => 4,
        }
    }
}

/// A matrix `[outputs, inputs]` in panels.
pub struct Packed {
    pub(super) level: Level,
    pub(super) precision: Precision,
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    /// Whether weights of f32 are stored as bf16, which holds them exactly but for the scale of their channel; rows are then
    /// multiplied as sums of [`TILE_PARTS`](super::simd::TILE_PARTS) parts (Henry et al. 2019, arXiv 1904.06376).
    pub(super) in_parts: bool,
    /// Words per output channel: inputs, or a half or a quarter of them, rounded up.
    pub(super) groups: usize,
    pub(super) words: Words,
    /// One per output channel of every panel; 1 but for integers, and what is stored as such.
    pub(super) scales: Vec<f32>,
    /// Sum of a channel's weights, one per output channel of every panel; 0 but for integers.
    pub(super) sums: Vec<f32>,
    /// Sums of the quarters of the matrix, see [`strassen`]; empty where products follow the rule.
    pub(super) sums_of_quarters: Words,
}

impl Packed {
    /// Room for a matrix that is multiplied in `precision` and whose words hold `stored`: another where that is in parts.
    fn empty(
        level: Level,
        precision: Precision,
        stored: Precision,
        outputs: usize,
        inputs: usize,
    ) -> Self {
        let groups = inputs.div_ceil(stored.per_word());
        let padded = outputs.next_multiple_of(2 * level.lanes());
        Self {
            level,
            precision,
            in_parts: stored != precision,
            outputs,
            inputs,
            groups,
            words: Words::zeros(padded * groups),
            scales: vec![1.0; padded],
            sums: vec![0.0; padded],
            sums_of_quarters: Words::default(),
        }
    }

    /// Many rows of f32 are multiplied by seven products of halves from now on ([`strassen`]), which takes as much memory
    /// again.
    pub fn halve(&mut self) {
        self.sums_of_quarters = strassen::sums(self);
    }

    /// Whether what is multiplied with these weights is stored as bf16, whole or in parts ([`Rows`](super::quantise::Rows)).
    pub fn takes_bf16(&self) -> bool {
        self.precision == Precision::Bf16 || self.in_parts
    }

    /// Output channels.
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Inputs of every channel.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// Panels, of two vectors of output channels each.
    pub fn panels(&self) -> usize {
        self.outputs.div_ceil(2 * self.level.lanes())
    }

    /// Whether kernels of `S` may read the panels of `part`, and one of `bias` for every output channel.
    ///
    /// # Panics
    /// When they may not.
    #[inline(always)]
    pub(super) fn check<S: Simd>(&self, part: &Range<usize>, bias: &[f32]) {
        let channels = self.panels() * 2 * S::LANES;
        assert_eq!(self.level.lanes(), S::LANES);
        assert_eq!(self.words.as_slice().len(), channels * self.groups);
        assert!(self.scales.len() == channels && self.sums.len() == channels);
        assert!(bias.is_empty() || bias.len() == self.outputs);
        assert!(part.end <= self.panels());
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        let words = self.words.as_slice().len() + self.sums_of_quarters.as_slice().len();
        4 * (words + self.scales.len() + self.sums.len())
    }

    /// Packs a matrix by panels: `fill` gets the channels of each, its words, its scales and its sums.
    fn by_panels(
        level: Level,
        precision: Precision,
        stored: Precision,
        outputs: usize,
        inputs: usize,
        fill: impl Fn(Range<usize>, &mut [u32], &mut [f32], &mut [f32]) + Sync,
    ) -> Self {
        let mut out = Self::empty(level, precision, stored, outputs, inputs);
        let (width, groups) = (2 * level.lanes(), out.groups);
        if out.words.as_slice().is_empty() {
            return out;
        }
        let panels = out.words.as_mut_slice().par_chunks_mut(width * groups);
        let scales = out.scales.par_chunks_mut(width);
        panels
            .zip(scales)
            .zip(out.sums.par_chunks_mut(width))
            .enumerate()
            .for_each(|(p, ((words, scales), sums))| {
                let channels = p * width..outputs.min((p + 1) * width);
                fill(channels, words, scales, sums);
            });
        out
    }

    /// Packs a matrix whose row `o`, `inputs` long, holds the weights of output channel `o`.
    /// Integers become integers as they are.
    pub fn by_output<'a, R: Into<Row<'a>>>(
        level: Level,
        precision: Precision,
        outputs: usize,
        inputs: usize,
        row: impl Fn(usize) -> R + Sync,
    ) -> Self {
        let width = 2 * level.lanes();
        // Parts are multiplied by whole tiles alone.
        let in_parts = precision == Precision::F32
            && level.multiplies_tiles()
            && inputs > 0
            && inputs.is_multiple_of(2 * TILE_ROWS)
            && (0..outputs)
                .into_par_iter()
                .all(|o| row(o).into().fits_bf16());
        let stored = if in_parts { Precision::Bf16 } else { precision };
        let fill =
            |channels: Range<usize>, words: &mut [u32], scales: &mut [f32], sums: &mut [f32]| {
                let mut space = vec![0.0; inputs];
                // One row in fewer bits; those that are rounded up are zeros.
                let mut packed = vec![0u32; inputs.div_ceil(64) * 64 / stored.per_word()];
                for (c, ((channel, scale), sum)) in channels.zip(scales).zip(sums).enumerate() {
                    let row = row(channel).into();
                    match (stored, row) {
                        (Precision::F32, _) => {
                            for (word, x) in packed.iter_mut().zip(row.values(&mut space)) {
                                *word = x.to_bits();
                            }
                        }
                        (Precision::Bf16, Row::Integers(bytes, of)) if in_parts => {
                            *scale = of;
                            let integers = Row::Integers(bytes, 1.0);
                            bf16_row(level, integers.values(&mut space), &mut packed);
                        }
                        (Precision::Bf16, _) => {
                            bf16_row(level, row.values(&mut space), &mut packed);
                        }
                        (Precision::Int8, Row::Floats(x)) => {
                            let row = quantise_row(level, x, Around::Zero, 128, &mut packed);
                            (*scale, *sum) = (row.scale, row.scale * row.sum as f32);
                        }
                        (Precision::Int8, Row::Integers(bytes, of)) => {
                            let total: i32 = bytes.iter().map(|b| i32::from(*b as i8)).sum();
                            (*scale, *sum) = (of, of * total as f32);
                            for (word, bytes) in packed.iter_mut().zip(bytes.chunks(4)) {
                                let mut all = [0; 4];
                                all[..bytes.len()].copy_from_slice(bytes);
                                // Signed to unsigned: plus 128.
                                *word = u32::from_le_bytes(all) ^ 0x8080_8080;
                            }
                        }
                    }
                    for (i, word) in packed[..inputs.div_ceil(stored.per_word())]
                        .iter()
                        .enumerate()
                    {
                        words[i * width + c] = *word;
                    }
                }
            };
        Self::by_panels(level, precision, stored, outputs, inputs, fill)
    }

    /// Packs a matrix whose row `i`, `outputs` long, holds the weights of input `i`.
    pub fn by_input<'a>(
        level: Level,
        precision: Precision,
        outputs: usize,
        inputs: usize,
        row: impl Fn(usize) -> &'a [f32] + Sync,
    ) -> Self {
        let width = 2 * level.lanes();
        let fill =
            |channels: Range<usize>, words: &mut [u32], scales: &mut [f32], sums: &mut [f32]| {
                let columns = |i: usize| &row(i)[channels.clone()];
                match precision {
                    Precision::F32 => {
                        for i in 0..inputs {
                            for (word, x) in words[i * width..].iter_mut().zip(columns(i)) {
                                *word = x.to_bits();
                            }
                        }
                    }
                    Precision::Bf16 => {
                        let half = |x: f32| u32::from(bf16::from_f32(x).to_bits());
                        for i in 0..inputs {
                            let words = words[i / 2 * width..].iter_mut().zip(columns(i));
                            words.for_each(|(word, x)| *word |= half(*x) << (i % 2 * 16));
                        }
                    }
                    Precision::Int8 => level.run(Panel {
                        columns,
                        inputs,
                        present: channels.len(),
                        words,
                        scales,
                        sums,
                    }),
                }
            };
        Self::by_panels(level, precision, precision, outputs, inputs, fill)
    }
}

/// Quantises one panel, given by its inputs' rows.
struct Panel<'s, F> {
    columns: F,
    inputs: usize,
    present: usize,
    words: &'s mut [u32],
    scales: &'s mut [f32],
    sums: &'s mut [f32],
}

impl<'a, F: Fn(usize) -> &'a [f32]> Panel<'_, F> {
    /// Weights of input `i` for the channels of one half of the panel; zeros where there are
    /// none.
    #[inline(always)]
    unsafe fn load<S: Simd>(&self, i: usize, half: usize) -> S::V {
        let at = half * S::LANES;
        // SAFETY: `at < present`, and at most `present - at` values are read.
        unsafe {
            if i >= self.inputs || at >= self.present {
                return S::splat(0.0);
            }
            let row = (self.columns)(i);
            assert_eq!(row.len(), self.present);
            load_up_to::<S>(row.as_ptr().add(at), self.present - at)
        }
    }

    /// The same as integers.
    #[inline(always)]
    unsafe fn quantised<S: Simd>(&self, i: usize, half: usize, factors: S::V) -> S::I {
        // SAFETY: the caller's.
        unsafe { S::to_i(S::mul(self.load::<S>(i, half), factors)) }
    }
}

impl<'a, F: Fn(usize) -> &'a [f32]> Kernel for Panel<'_, F> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let width = 2 * S::LANES;
        assert!(self.scales.len() == width && self.sums.len() == width);
        assert_eq!(self.words.len(), width * self.inputs.div_ceil(4));
        // SAFETY: the asserts bound every access to `words` and `scales`; `factors` holds the
        // lanes of every level.
        unsafe {
            for half in 0..2 {
                let mut most = S::splat(0.0);
                for i in 0..self.inputs {
                    most = S::max(most, S::abs(self.load::<S>(i, half)));
                }
                let mut factors = [0.0f32; MAX_LANES];
                S::store(factors.as_mut_ptr(), most);
                for (lane, factor) in factors.iter_mut().enumerate().take(S::LANES) {
                    let inverse = inverse(*factor);
                    self.scales[half * S::LANES + lane] = inverse.scale;
                    *factor = inverse.factor;
                }
                let factors = S::load(factors.as_ptr());
                let mut sums = S::zero_i();
                for g in 0..self.inputs.div_ceil(4) {
                    let [a, b, c, d] = [
                        self.quantised::<S>(4 * g, half, factors),
                        self.quantised::<S>(4 * g + 1, half, factors),
                        self.quantised::<S>(4 * g + 2, half, factors),
                        self.quantised::<S>(4 * g + 3, half, factors),
                    ];
                    sums = S::add_i(sums, S::add_i(S::add_i(a, b), S::add_i(c, d)));
                    // Signed to unsigned.
                    let offset = S::splat_i(128);
                    let (a, b) = (S::add_i(a, offset), S::add_i(b, offset));
                    let (c, d) = (S::add_i(c, offset), S::add_i(d, offset));
                    let word = S::or_i(
                        S::or_i(a, S::shift_i::<8>(b)),
                        S::or_i(S::shift_i::<16>(c), S::shift_i::<24>(d)),
                    );
                    let to = self.words.as_mut_ptr().add(g * width + half * S::LANES);
                    S::store_i(to, word);
                }
                let at = half * S::LANES;
                let scales = S::load(self.scales.as_ptr().add(at));
                let sums = S::mul(S::to_f(sums), scales);
                S::store(self.sums.as_mut_ptr().add(at), sums);
            }
        }
    }
}
