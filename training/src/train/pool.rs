//! Drawing rows for a batch: a set first, then a row of it.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::item::Item;

/// The rows of one kind, by set, with the probability of each set.
pub struct Pool {
    sets: Vec<(usize, Vec<Item>)>,
    chances: Vec<f64>,
}

impl Pool {
    /// Each set is drawn in proportion to `factor` of it times this `power` of its rows.
    pub fn new(items: Vec<Item>, factor: impl Fn(usize) -> f64, power: f64) -> Self {
        let mut sets: BTreeMap<usize, Vec<Item>> = BTreeMap::new();
        for item in items {
            sets.entry(item.set).or_default().push(item);
        }
        let sets: Vec<(usize, Vec<Item>)> = sets.into_iter().collect();
        let chances = sets
            .iter()
            .map(|(set, items)| (items.len() as f64).powf(power) * factor(*set))
            .collect();
        Self { sets, chances }
    }

    /// Items of about so many tokens, each changed by `change`.
    pub fn draw(
        &self,
        tokens: usize,
        rng: &mut ChaCha8Rng,
        change: impl Fn(&Item, &mut ChaCha8Rng) -> Item,
    ) -> Vec<Item> {
        let total: f64 = self.chances.iter().sum();
        let (mut out, mut used) = (Vec::new(), 0);
        while used < tokens && total > 0.0 {
            let mut at = rng.random::<f64>() * total;
            let mut set = 0;
            while set + 1 < self.chances.len() && at >= self.chances[set] {
                at -= self.chances[set];
                set += 1;
            }
            let items = &self.sets[set].1;
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
