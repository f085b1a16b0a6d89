//! Rows of one set behind each other in one window, each with its own targets.
//!
//! Labelled sets are mostly single sentences, documents are not: a window of a document names actors
//! of whom the author thinks differently. Joined rows teach that a target's stance is in the
//! sentences that are about it, as concatenation teaches it elsewhere (Kondo et al. 2021, arXiv
//! 2104.08478).

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::item::Item;

/// How often rows are joined.
#[derive(Debug, Clone, Copy, serde::Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Share of the rows that are put behind another one.
    pub share: f64,
    /// Most tokens of a joined window, special tokens included.
    pub tokens: usize,
}

/// Puts some of the `items` of a batch behind others of the same set and language.
pub fn join(items: Vec<Item>, settings: &Settings, rng: &mut ChaCha8Rng) -> Vec<Item> {
    let mut out: Vec<Item> = Vec::with_capacity(items.len());
    for item in items {
        let wanted = rng.random::<f64>() < settings.share && joinable(&item);
        let place = out.iter().rposition(|other| {
            wanted
                && joinable(other)
                && (other.set, &other.language) == (item.set, &item.language)
                && other.tokens() + item.tokens() <= settings.tokens + 2
        });
        match place {
            Some(place) => append(&mut out[place], item),
            None => out.push(item),
        }
    }
    out
}

/// One window between two special tokens, of which targets are asked by their mentions.
fn joinable(item: &Item) -> bool {
    let mut queries = item.targets.iter().flat_map(|target| &target.queries);
    item.topic.is_none() && item.windows.len() == 1 && queries.all(|query| !query.paired)
}

fn append(into: &mut Item, item: Item) {
    let window = &mut into.windows[0];
    // Its closing token and the other's opening token go.
    window.pop();
    let by = window.len().saturating_sub(1);
    window.extend(item.windows[0].iter().skip(1));
    for mut target in item.targets {
        for query in &mut target.queries {
            for mention in &mut query.mentions {
                *mention = mention.start + by..mention.end + by;
            }
        }
        into.targets.push(target);
    }
    let end = into.windows[0].len() - 1;
    for query in into.targets.iter_mut().flat_map(|t| &mut t.queries) {
        query.scope = 1..end;
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use stance::heads::stance::Query;

    use super::*;
    use crate::train::item::Target;

    fn item(ids: &[u32], mention: std::ops::Range<usize>, label: usize) -> Item {
        Item {
            set: 0,
            language: "en".into(),
            windows: vec![ids.to_vec()],
            targets: vec![Target {
                label,
                taught: None,
                weight: 1.0,
                queries: vec![Query {
                    sequence: 0,
                    mentions: vec![mention],
                    scope: 1..ids.len() - 1,
                    paired: false,
                }],
            }],
            topic: None,
            long: false,
        }
    }

    fn joined(items: Vec<Item>, share: f64, tokens: usize) -> Vec<Item> {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        join(items, &Settings { share, tokens }, &mut rng)
    }

    #[test]
    fn mentions_move_with_their_row() {
        let rows = || {
            vec![
                item(&[0, 10, 11, 2], 2..3, 0),
                item(&[0, 20, 21, 22, 2], 1..3, 1),
            ]
        };
        let all = joined(rows(), 1.0, 64);
        assert_eq!(all.len(), 1);
        assert_eq!(all[0].windows, [[0, 10, 11, 20, 21, 22, 2]]);
        let mentioned = |target: &Target| {
            let query = &target.queries[0];
            assert_eq!(query.scope, 1..6);
            (
                all[0].windows[0][query.mentions[0].clone()].to_vec(),
                target.label,
            )
        };
        let found: Vec<_> = all[0].targets.iter().map(mentioned).collect();
        assert_eq!(found, [(vec![11], 0), (vec![20, 21], 1)]);
        assert_eq!(joined(rows(), 0.0, 64).len(), 2);
        assert_eq!(joined(rows(), 1.0, 7).len(), 1);
        assert_eq!(joined(rows(), 1.0, 6).len(), 2, "too long together");
    }

    #[test]
    fn what_does_not_belong_together_stays_apart() {
        let first = item(&[0, 10, 2], 1..2, 0);
        let mut other_set = first.clone();
        other_set.set = 1;
        let mut paired = first.clone();
        paired.targets[0].queries[0].paired = true;
        let mut long = first.clone();
        long.windows.push(vec![0, 1, 2]);
        for other in [other_set, paired, long] {
            assert_eq!(joined(vec![first.clone(), other], 1.0, 64).len(), 2);
        }
    }
}
