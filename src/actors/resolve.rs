//! Which of the candidates are mentions: the longest of those that overlap, and then only of
//! actors that the text supports.

use std::collections::{BTreeMap, HashMap};

use super::data::is_title;
use super::index::{Candidate, NOBODY};

/// What a text says about an actor.
#[derive(Debug, Clone, Copy, Default)]
struct Support {
    /// Names that mean the actor and nothing else.
    strong: u32,
    /// Names that may mean something else.
    ambiguous: u32,
    /// Adjectives.
    weak: u32,
    /// Ambiguous names behind a title.
    titled: u32,
}

impl Support {
    fn enough(self) -> bool {
        self.strong > 0 || self.titled > 0 || (self.ambiguous > 0 && self.weak > 0)
    }
}

/// Groups of candidates at the same place; of overlapping places only the longest is left,
/// the first one of equally long ones. Candidates of nobody win their place and vanish.
pub(super) fn longest(mut candidates: Vec<Candidate>) -> Vec<Vec<Candidate>> {
    candidates.sort_unstable_by_key(|c| (usize::MAX - (c.end - c.start), c.start, c.actor, c.weak));
    candidates.dedup_by(|b, a| {
        let twins = (a.start, a.end, a.actor) == (b.start, b.end, b.actor);
        if twins && a.weak == b.weak {
            // The same name of the same actor in two languages: the surer reading counts.
            a.ambiguous &= b.ambiguous;
            a.capital &= b.capital;
        }
        twins
    });
    let mut taken: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    let mut groups: Vec<Vec<Candidate>> = Vec::new();
    for candidate in candidates {
        let neighbour = taken.range(..candidate.end).next_back();
        match neighbour {
            Some((&start, &(end, group))) if start == candidate.start && end == candidate.end => {
                groups[group].push(candidate);
            }
            Some((_, &(end, _))) if end > candidate.start => {}
            _ => {
                taken.insert(candidate.start, (candidate.end, groups.len()));
                groups.push(vec![candidate]);
            }
        }
    }
    groups.retain(|group| group.iter().all(|candidate| candidate.actor != NOBODY));
    groups
}

/// One candidate per group: that of a supported actor, or of any actor when the actors were
/// asked for (`requested`). Groups without one vanish.
pub(super) fn settle(groups: Vec<Vec<Candidate>>, text: &str, requested: bool) -> Vec<Candidate> {
    let mut support: HashMap<u32, Support> = HashMap::new();
    for candidate in groups.iter().flatten() {
        let own = support.entry(candidate.actor).or_default();
        if candidate.weak {
            own.weak += 1;
        } else if candidate.ambiguous {
            own.ambiguous += 1;
            own.titled += u32::from(candidate.person && behind_title(text, candidate.start));
        } else {
            own.strong += 1;
        }
    }
    let supported = |actor: u32| requested || support.get(&actor).is_some_and(|own| own.enough());
    let weight = |candidate: &Candidate| {
        let own = support.get(&candidate.actor).copied().unwrap_or_default();
        let certain =
            u32::from(!candidate.weak) + u32::from(!candidate.weak && !candidate.ambiguous);
        (
            certain,
            own.strong,
            own.titled,
            own.weak,
            std::cmp::Reverse(candidate.actor),
        )
    };
    groups
        .into_iter()
        .filter_map(|group| {
            group
                .into_iter()
                .filter(|candidate| supported(candidate.actor))
                .max_by_key(weight)
        })
        .collect()
}

/// Whether one of the two words in front, in the same clause, is a title: "President Hollande",
/// "الرئيس الفرنسي هولاند".
fn behind_title(text: &str, start: usize) -> bool {
    let before = &text[..start];
    let clause = before
        .rsplit(['\n', ',', '،', ';', '؛', '!', '?', '؟', ':'])
        .next()
        .unwrap_or_default();
    clause
        .split(' ')
        .filter(|word| !word.is_empty())
        .rev()
        .take(2)
        .any(is_title)
}
