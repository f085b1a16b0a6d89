//! Rotary positions (Su et al. 2021, arXiv 2104.09864), in the layout of transformers: entry `i`
//! of a head turns together with entry `i + dim / 2`.

use candle_core::{Device, Result, Tensor};

/// The angles by which one place turns, `[dim / 2]`.
pub(super) struct Frequencies(Vec<f32>);

impl Frequencies {
    /// `theta^(-2i / dim)` for heads of `dim` entries.
    pub(super) fn new(theta: f64, dim: usize) -> Self {
        let angles = (0..dim / 2).map(|i| 1.0 / theta.powf(2.0 * i as f64 / dim as f64) as f32);
        Self(angles.collect())
    }

    /// The rotation of tokens at `places` in their sequences.
    ///
    /// The angle is the product of place and frequency in f32, as in transformers; sine and
    /// cosine are of that f32, computed in f64: at place 8,000 an angle differs by a thousandth
    /// when it is computed otherwise.
    pub(super) fn rotation(&self, places: &[u32], device: &Device) -> Result<Rotation> {
        let half = self.0.len();
        let (mut cosines, mut sines) = (Vec::new(), Vec::new());
        for place in places {
            for frequency in &self.0 {
                let angle = f64::from(*place as f32 * frequency);
                cosines.push(angle.cos() as f32);
                sines.push(angle.sin() as f32);
            }
        }
        let shape = (places.len(), 1, half);
        Ok(Rotation {
            cosines: Tensor::from_vec(cosines, shape, device)?,
            sines: Tensor::from_vec(sines, shape, device)?,
        })
    }
}

/// Cosines and sines of all tokens, `[total, 1, dim / 2]` each.
pub(super) struct Rotation {
    cosines: Tensor,
    sines: Tensor,
}

impl Rotation {
    /// Turns queries and keys of `qkv` `[total, 3 · hidden]`; values stay.
    pub(super) fn turn(&self, qkv: &Tensor, heads: usize) -> Result<Tensor> {
        let (total, width) = qkv.dims2()?;
        let hidden = width / 3;
        let half = hidden / heads / 2;
        // Heads of queries and then of keys, turned alike.
        let rows = qkv
            .narrow(1, 0, 2 * hidden)?
            .reshape((total, 2 * heads, 2 * half))?;
        let (left, right) = (rows.narrow(2, 0, half)?, rows.narrow(2, half, half)?);
        let times = |x: &Tensor, factor: &Tensor| x.broadcast_mul(factor);
        let turned = Tensor::cat(
            &[
                (times(&left, &self.cosines)? - times(&right, &self.sines)?)?,
                (times(&right, &self.cosines)? + times(&left, &self.sines)?)?,
            ],
            2,
        )?;
        let turned = turned.reshape((total, 2 * hidden))?;
        Tensor::cat(&[&turned, &qkv.narrow(1, 2 * hidden, hidden)?], 1)?.contiguous()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_and_keys_turn_and_values_stay() -> Result<()> {
        // One head of two entries with frequency 1: a turn by the place itself.
        let frequencies = Frequencies::new(10_000.0, 2);
        let qkv = Tensor::from_slice(
            &[
                1.0_f32, 0.0, 0.0, 1.0, 5.0, 6.0, 1.0, 0.0, 0.0, 1.0, 7.0, 8.0,
            ],
            (2, 6),
            &Device::Cpu,
        )?;
        let turned = frequencies
            .rotation(&[0, 1], &Device::Cpu)?
            .turn(&qkv, 1)?
            .to_vec2::<f32>()?;
        let (sin, cos) = 1.0_f32.sin_cos();
        let expected = [
            [1.0, 0.0, 0.0, 1.0, 5.0, 6.0],
            [cos, sin, -sin, cos, 7.0, 8.0],
        ];
        for (row, expected) in turned.iter().zip(expected) {
            for (a, b) in row.iter().zip(expected) {
                assert!((a - b).abs() < 1e-6, "{turned:?}");
            }
        }
        Ok(())
    }
}
