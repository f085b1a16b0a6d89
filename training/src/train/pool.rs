//! Drawing rows for a batch: a set first, then a row of it.

use std::collections::BTreeMap;

use candle_core::Result;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::draw::Draw;
use super::item::Item;

/// The rows of one kind, by set, with the probability of each set.
pub struct Pool {
    sets: Vec<(usize, Vec<Item>)>,
    draw: Option<Draw>,
}

impl Pool {
    /// Each set is drawn in proportion to `factor` of it times this `power` of its rows; without
    /// rows, or with factors of 0 alone, nothing is drawn.
    ///
    /// # Errors
    /// When a factor is negative or not finite.
    pub fn new(items: Vec<Item>, factor: impl Fn(usize) -> f64, power: f64) -> Result<Self> {
        let mut sets: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
        for item in items {
            sets.entry(item.set).or_default().push(item);
        }
        let sets: Vec<(usize, Vec<Item>)> = sets.into_iter().collect();
        let chances: Vec<f64> = sets
            .iter()
            .map(|(set, items)| (items.len() as f64).powf(power) * factor(*set))
            .collect();
        let draw = if chances.iter().all(|&chance| chance == 0.0) {
            None
        } else {
            Some(Draw::new("set_weights", chances)?)
        };
        Ok(Self { sets, draw })
    }

    /// Items of about so many tokens, each changed by `change`.
    pub fn draw(
        &self,
        tokens: usize,
        rng: &mut ChaCha8Rng,
        change: impl Fn(&Item, &mut ChaCha8Rng) -> Item,
    ) -> Vec<Item> {
        let (mut out, mut used) = (Vec::new(), 0);
        let Some(draw) = &self.draw else {
            return out;
        };
        while used < tokens {
            let items = &self.sets[draw.number(rng)].1;
            let item = change(&items[rng.random_range(0..items.len())], rng);
            used += item.tokens();
            out.push(item);
        }
        out
    }
}

/// A topic row by one of its windows, drawn anew each time.
pub fn one_window(item: &Item, rng: &mut ChaCha8Rng) -> Item {
    let window = rng.random_range(0..item.windows.len());
    Item {
        windows: vec![item.windows[window].clone()],
        ..item.clone()
    }
}
