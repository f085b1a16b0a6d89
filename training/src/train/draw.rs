//! Drawing one of several things by their weights.

use candle_core::{Error, Result};
use rand::distr::Distribution;
use rand::distr::weighted::WeightedIndex;
use rand_chacha::ChaCha8Rng;

/// Numbers `0..n`, each drawn in proportion to its weight.
#[derive(Debug, Clone)]
pub struct Draw(WeightedIndex<f64>);

impl Draw {
    /// `what` names the weights in the error.
    ///
    /// # Errors
    /// When there are no weights, one is negative or not finite, or all are 0.
    pub fn new(what: &str, weights: impl IntoIterator<Item = f64>) -> Result<Self> {
        WeightedIndex::new(weights)
            .map(Self)
            .map_err(|error| Error::Msg(format!("`{what}`: {error}")))
    }

    /// One of the numbers.
    pub fn number(&self, rng: &mut ChaCha8Rng) -> usize {
        self.0.sample(rng)
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::Draw;

    #[test]
    fn draws_follow_the_weights() {
        let draw = Draw::new("sets", [1.0, 0.0, 3.0]).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut counts = [0; 3];
        for _ in 0..4000 {
            counts[draw.number(&mut rng)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((900..1100).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn weights_that_cannot_be_drawn_from_are_refused() {
        for weights in [vec![], vec![0.0], vec![-1.0, 2.0]] {
            let error = Draw::new("sets", weights).unwrap_err();
            assert!(error.to_string().contains("`sets`"));
        }
    }
}
