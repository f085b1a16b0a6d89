//! The mean of the weights along a run's last part, which generalises better and is better
//! calibrated than the last step's weights (Izmailov et al. 2018, arXiv 1803.05407).

use candle_core::Result;

use super::params::Params;

/// A running mean of weights.
pub struct Average {
    params: Params,
    count: u64,
}

impl Average {
    /// Steps between two members of the mean: neighbours differ little.
    pub const EVERY: u64 = 5;

    /// The mean of one member.
    ///
    /// # Errors
    /// When the device refuses the copy.
    pub fn begin(params: &Params) -> Result<Self> {
        Ok(Self {
            params: params.copy()?,
            count: 1,
        })
    }

    /// A mean that was saved: its weights and the number of its members.
    pub fn restore(params: Params, count: u64) -> Self {
        Self { params, count }
    }

    /// Takes another member in.
    ///
    /// # Errors
    /// When it lacks a weight, or the device fails.
    pub fn add(&mut self, params: &Params) -> Result<()> {
        self.count += 1;
        let share = 1.0 / self.count as f64;
        for (name, mean) in self.params.iter() {
            let Some(new) = params.get(name) else {
                candle_core::bail!("`{name}` is in one of the models and not in another")
            };
            let mean_now = mean.as_tensor().affine(1.0 - share, 0.0)?;
            mean.set(&(mean_now + new.detach().affine(share, 0.0)?)?)?;
        }
        Ok(())
    }

    /// The mean.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The mean, for good.
    pub fn into_params(self) -> Params {
        self.params
    }

    /// Members so far.
    pub fn count(&self) -> u64 {
        self.count
    }
}
