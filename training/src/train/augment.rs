//! Making the model read the sentence and not the name's reputation: in a share of the rows the
//! target's mentions are masked, or replaced by those of another row's target; and some of all
//! tokens are masked (word dropout).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::item::{Item, Target};

/// How often each change happens, as shares between 0 and 1.
#[derive(Debug, Clone, Copy, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Augmentation {
    /// Targets whose tokens are masked.
    pub mask_target: f64,
    /// Targets whose tokens are replaced by another target's of the same length.
    pub swap_target: f64,
    /// Other tokens that are masked.
    pub mask_token: f64,
}

/// Mentions of all rows by length in tokens, to swap names with.
pub struct Names(Vec<Vec<Vec<u32>>>);

impl Names {
    /// Collects the mentions of `items`.
    pub fn collect(items: &[Item]) -> Self {
        let mut by_length: Vec<Vec<Vec<u32>>> = Vec::new();
        for item in items {
            let queries = item.targets.iter().flat_map(|t| &t.queries);
            for query in queries.filter(|q| !q.paired) {
                for mention in &query.mentions {
                    let ids = item.windows[query.sequence][mention.clone()].to_vec();
                    if by_length.len() <= ids.len() {
                        by_length.resize(ids.len() + 1, Vec::new());
                    }
                    by_length[ids.len()].push(ids);
                }
            }
        }
        Self(by_length)
    }

    fn draw(&self, length: usize, rng: &mut ChaCha8Rng) -> Option<&[u32]> {
        let names = self.0.get(length).filter(|n| !n.is_empty())?;
        Some(&names[rng.random_range(0..names.len())])
    }
}

/// A changed copy of `item`; special tokens at the ends of windows stay.
pub fn augment(
    item: &Item,
    config: &Augmentation,
    names: &Names,
    mask: u32,
    rng: &mut ChaCha8Rng,
) -> Item {
    let mut out = item.clone();
    let mut fixed: Vec<Vec<bool>> = out.windows.iter().map(|w| vec![false; w.len()]).collect();
    for target in &mut out.targets {
        let chance = rng.random::<f64>();
        let masked = chance < config.mask_target;
        let swapped = !masked && chance < config.mask_target + config.swap_target;
        change_target(
            target,
            &mut out.windows,
            &mut fixed,
            masked,
            swapped,
            names,
            mask,
            rng,
        );
    }
    for (window, fixed) in out.windows.iter_mut().zip(&fixed) {
        let end = window.len().saturating_sub(1);
        // The closing special token, which stands between name and text too.
        let separator = window[end];
        for (id, fixed) in window[..end].iter_mut().zip(fixed).skip(1) {
            if !fixed && *id != separator && rng.random::<f64>() < config.mask_token {
                *id = mask;
            }
        }
    }
    out
}

#[allow(clippy::too_many_arguments)] // one call, whose arguments are all of one loop's state
fn change_target(
    target: &mut Target,
    windows: &mut [Vec<u32>],
    fixed: &mut [Vec<bool>],
    masked: bool,
    swapped: bool,
    names: &Names,
    mask: u32,
    rng: &mut ChaCha8Rng,
) {
    for query in &target.queries {
        for mention in &query.mentions {
            let ids = &mut windows[query.sequence][mention.clone()];
            if query.paired {
                // A name in front of the text is the question itself.
            } else if masked {
                ids.fill(mask);
            } else if swapped && let Some(other) = names.draw(ids.len(), rng) {
                ids.copy_from_slice(other);
            }
            fixed[query.sequence][mention.clone()].fill(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use stance::heads::stance::Query;

    use super::{Augmentation, Names, augment};
    use crate::train::item::{Item, Target};

    fn item(ids: &[u32], mention: std::ops::Range<usize>) -> Item {
        let query = Query {
            sequence: 0,
            mentions: vec![mention],
            scope: 1..ids.len() - 1,
            paired: false,
        };
        Item {
            set: 0,
            language: "en".into(),
            windows: vec![ids.to_vec()],
            targets: vec![Target {
                label: 0,
                taught: None,
                weight: 1.0,
                queries: vec![query],
            }],
            topic: None,
            long: false,
        }
    }

    #[test]
    fn only_what_is_asked_changes() {
        let a = item(&[2, 10, 11, 12, 3], 2..3);
        let b = item(&[2, 20, 21, 22, 3], 1..2);
        let names = Names::collect(&[b]);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let run = |mask_target, swap_target, mask_token, rng: &mut ChaCha8Rng| {
            let config = Augmentation {
                mask_target,
                swap_target,
                mask_token,
            };
            augment(&a, &config, &names, 4, rng).windows[0].clone()
        };
        assert_eq!(run(0.0, 0.0, 0.0, &mut rng), [2, 10, 11, 12, 3]);
        assert_eq!(run(1.0, 0.0, 0.0, &mut rng), [2, 10, 4, 12, 3]);
        assert_eq!(run(0.0, 1.0, 0.0, &mut rng), [2, 10, 20, 12, 3]);
        assert_eq!(run(0.0, 0.0, 1.0, &mut rng), [2, 4, 11, 4, 3]);
    }
}
